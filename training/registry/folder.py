"""Blobs in a folder: a registry on a laptop, for whoever has no storage account."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.storage_rules import require_blob_name, require_container
from shared.core.errors import ConflictError
from shared.core.ids import digest
from shared.ports import Stored


class FolderBlobs:
    """`BlobStore` on files `{folder}/{container}/{name}`. Writers on one machine exclude each other by a file lock.

    A blob's tag is the hash of its bytes: writing the same bytes again does not change it.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""
        try:
            data = self._path(container, name).read_bytes()
        except FileNotFoundError:
            return None
        return Stored(value=data, etag=digest(data))

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""
        with self._alone():
            self._write(self._path(container, name), data)

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent. Return False, having changed nothing, where the blob exists already."""
        path = self._path(container, name)
        with self._alone():
            if path.exists():
                return False
            self._write(path, data)
        return True

    def replace(self, container: str, name: str, data: bytes, etag: str) -> None:
        """Replace the blob that still carries `etag`. Raises ConflictError where it does not."""
        with self._alone():
            stored = self.get(container, name)
            if stored is None or stored.etag != etag:
                raise ConflictError(
                    f"replace {container}/{name}: {'it is gone' if stored is None else 'it was changed'}"
                )
            self._write(self._path(container, name), data)

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        require_container(container)
        root = self._folder / container
        found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix) and not name.endswith(_PARTIAL))

    def _path(self, container: str, name: str) -> Path:
        require_container(container)
        require_blob_name(name)
        path = (self._folder / container / name).resolve()
        if not path.is_relative_to((self._folder / container).resolve()):
            raise ValueError(f"blob name must stay inside its container, got {name!r}")
        return path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}{_PARTIAL}")
        partial.write_bytes(data)
        os.replace(partial, path)  # noqa: PTH105 - the call whose atomicity is meant


_PARTIAL = ".partial"
