"""Folders of state: one process at a time works on one, and what is finished stays until its successor is.

Beside a folder `day` stand `day.lock`, which says who works on it; `day.*.running`, what a run has not finished,
cleared by the next one; `day.swap`, locked while a finished run takes the folder's place; and meanwhile `day.before`.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from shared.adapters.clock import SystemClock
from shared.core.errors import SettingsError
from shared.core.values import iso
from simulation.market.scenario import STATE

_FINISHED = "finished.json"
DAY_FOLDER = STATE / "day"
PORTS = STATE / "standard-ports"
"""No folder: held by whoever listens on the ports that Storage Explorer, `func start` and the documents name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who works on a folder, and since when (UTC)."""

    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}), since {self.since}"


@contextlib.contextmanager
def held(folder: Path, command: str, *, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Work on a folder alone. The operating system ends it with the process, however that ends.

    Parameters
    ----------
    folder : Path
        Need not exist; the lock is a file beside it.
    command : str
        What to tell whoever comes second.
    waiting : callable or None
        Given the sentence that names the holder, before waiting for it; None: do not wait.

    Raises
    ------
    SettingsError
        If another process works on it, with its id, its command and its start.
    """
    path = _beside(folder, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"{folder} is in use by {_read(path) or 'another process'}"
            if waiting is None:
                raise SettingsError(f"{sentence}: wait for its end, or end it") from None
            waiting(sentence)
            fcntl.flock(file, fcntl.LOCK_EX)
        _write(file, json.dumps(asdict(Holder(pid=os.getpid(), command=command, since=iso(SystemClock().now())))))
        try:
            yield
        finally:
            _write(file, "")


def holder_of(folder: Path) -> Holder | None:
    """Who works on a folder now, None where nobody does. A look, not a lock."""
    found = _read(_beside(folder, ".lock"))
    return found if found is not None and _lives(found.pid) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedDay:
    """Which run a folder was left by: its session date, its market, and when it ended (UTC)."""

    on: str
    market: str
    at: str

    @classmethod
    def now(cls, *, on: str, market: str) -> FinishedDay:
        """A run that ends now."""
        return cls(on=on, market=market, at=iso(SystemClock().now()))

    def write(self, folder: Path) -> None:
        """Leave it in the folder."""
        (folder / _FINISHED).write_text(json.dumps(asdict(self)))


@contextlib.contextmanager
def renewed(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder`, which is held, once the block has ended well.

    Until then `folder` stays as it is; what is broken off stays beside it until the next run.
    """
    with _swapping(folder):
        _mended(folder)
    for left in folder.parent.glob(f"{glob.escape(folder.name)}.*.running"):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".running", dir=folder.parent))
    yield made
    before = _beside(folder, ".before")
    with _swapping(folder):
        if folder.exists():
            folder.rename(before)
        made.rename(folder)
        shutil.rmtree(before, ignore_errors=True)


@contextlib.contextmanager
def copied(folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """Yield a copy of a folder as it was last finished: whoever looks at it changes nothing and delays nobody.

    Parameters
    ----------
    folder : Path
        What `renewed` has made.
    tell : callable
        Given one sentence: which run it is of, and who is at the next one.

    Raises
    ------
    SettingsError
        If nothing was ever finished there.
    """
    with tempfile.TemporaryDirectory(prefix="gatehouse-", ignore_cleanup_errors=True) as place:
        copy = Path(place) / folder.name
        with _swapping(folder):
            _mended(folder)
            if not folder.is_dir():
                raise SettingsError(f"no day has been finished in {folder}: run make day first")
            shutil.copytree(folder, copy)
        runs = holder_of(folder)
        tell(f"The last finished day: {_finished(copy)}." + (f" The next one is run by {runs}." if runs else ""))
        yield copy


def _finished(folder: Path) -> str:
    try:
        left = FinishedDay(**json.loads((folder / _FINISHED).read_text()))
    except (OSError, ValueError, TypeError):
        return "of a run that has not left its date"
    return f"{left.on}, {left.market}, run until {left.at}"


def _mended(folder: Path) -> None:
    """Undo a swap that was broken off between its two renames; what an ended one has left is no longer needed."""
    before = _beside(folder, ".before")
    if before.exists():
        if folder.exists():
            shutil.rmtree(before)
        else:
            before.rename(folder)


@contextlib.contextmanager
def _swapping(folder: Path) -> Iterator[None]:
    """Keep a folder from being swapped while it is read, and from being read while it is swapped: for a moment only."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _beside(folder, ".swap").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _beside(folder: Path, end: str) -> Path:
    return folder.with_name(f"{folder.name}{end}")


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(file: TextIO, text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()
