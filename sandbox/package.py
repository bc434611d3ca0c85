"""`python -m sandbox.package`: build what is deployed, and say what weighs what.

The files are those that `azd` and `func` would take: everything under the checkout but what .funcignore names. Azure
installs requirements.txt itself when it deploys; what that weighs is read from the environment this runs in, where the
same lock is installed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.world import ROOT
from shared.core.errors import SettingsError

GOAL_MB = 250.0
MB = 1_000_000
SHOWN = 12
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can hold: the same files give the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Bytes that an installed distribution puts into the package, without compiled Python."""

    name: str
    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is deployed: our files, relative to the checkout, with their bytes; and the distributions beside them."""

    files: tuple[tuple[Path, int], ...]
    weights: tuple[Weight, ...]

    @property
    def own_bytes(self) -> int:
        """Bytes of our files."""
        return sum(size for _, size in self.files)

    @property
    def installed_bytes(self) -> int:
        """Bytes of what requirements.txt installs."""
        return sum(weight.size_bytes for weight in self.weights)


def patterns(text: str) -> tuple[str, ...]:
    """Patterns of a .funcignore: names and globs, matched against every part of a path.

    Raises
    ------
    SettingsError
        If a pattern says more than that: the tools that read the file differ in how they take the rest of git's syntax.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(line for line in lines if line and not line.startswith("#"))
    odd = [line for line in found if not re.fullmatch(r"[\w.*-]+", line) or "**" in line]
    if odd:
        raise SettingsError(f".funcignore: expected plain names or globs, got {' '.join(odd)}")
    return found


def package_files(root: Path, ignored: Sequence[str]) -> Iterator[Path]:
    """Files below `root`, relative to it, that no pattern names, in order."""
    for path in sorted(root.iterdir()):
        if any(fnmatchcase(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from (Path(path.name) / inner for inner in package_files(path, ignored))
        else:
            yield Path(path.name)


def locked(text: str) -> tuple[str, ...]:
    """Names of the distributions that a lock installs here."""
    found = []
    for line in re.findall(r"^[A-Za-z0-9][^\\\n#]*", text, re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(canonicalize_name(requirement.name))
    return tuple(found)


def weigh(names: Iterable[str]) -> Iterator[Weight]:
    """Weights of installed distributions.

    Raises
    ------
    SettingsError
        If one is not installed.
    """
    for name in names:
        try:
            found = distribution(name)
        except PackageNotFoundError as error:
            raise SettingsError(f"{name} of requirements.txt is not installed: run make setup") from error
        yield Weight(name=name, version=found.version, size_bytes=_size_bytes(found))


def _size_bytes(found: Distribution) -> int:
    # Scripts go to a folder outside site-packages; what is compiled at the first import is not packed.
    packed = (file for file in found.files or () if file.suffix != ".pyc" and ".." not in file.parts)
    return sum(path.stat().st_size for path in (Path(str(file.locate())) for file in packed) if path.is_file())


def describe(root: Path) -> Package:
    """Say what would be deployed from a checkout."""
    ignored = patterns((root / ".funcignore").read_text(encoding="utf-8"))
    files = tuple((path, (root / path).stat().st_size) for path in package_files(root, ignored))
    names = locked((root / "requirements.txt").read_text(encoding="utf-8"))
    return Package(files=files, weights=tuple(sorted(weigh(names), key=lambda weight: -weight.size_bytes)))


def build(root: Path, out: Path) -> Package:
    """Write `out/app/` and, with the same content, `out/app.zip`."""
    made = describe(root)
    shutil.rmtree(out / "app", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out / "app.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, _ in made.files:
            content = (root / path).read_bytes()
            (out / "app" / path).parent.mkdir(parents=True, exist_ok=True)
            (out / "app" / path).write_bytes(content)
            entry = zipfile.ZipInfo(path.as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return made


def show(made: Package, out: Path) -> None:
    """Print the package by folder and the heaviest of what is installed beside it."""
    folders: dict[str, tuple[int, int]] = {}
    for path, size in made.files:
        count, total = folders.get(path.parts[0], (0, 0))
        folders[path.parts[0]] = (count + 1, total + size)
    for name, (count, size) in sorted(folders.items()):
        print(f"{size / 1000:9.1f} kB  {name}{f' ({count} files)' if count > 1 else ''}")
    archive = out / "app.zip"
    print(f"{archive.stat().st_size / 1000:9.1f} kB  {archive}, {len(made.files)} files")
    print()
    for weight in made.weights[:SHOWN]:
        print(f"{weight.size_bytes / MB:9.1f} MB  {weight.name} {weight.version}")
    rest = made.weights[SHOWN:]
    print(f"{sum(weight.size_bytes for weight in rest) / MB:9.1f} MB  {len(rest)} more of requirements.txt")
    unpacked_mb = (made.own_bytes + made.installed_bytes) / MB
    print(f"{unpacked_mb:9.1f} MB  unpacked in Azure (goal {GOAL_MB:.0f} MB)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the package and print what it weighs."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.package", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder that receives app/ and app.zip")
    options = parser.parse_args(arguments)
    show(build(ROOT, options.out), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
