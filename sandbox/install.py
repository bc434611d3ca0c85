"""Install what a lock names into an environment, and say what comes, how much and how long: `install.py VENV LOCK`.

Make runs it with the Python that the environment is made from, so it needs nothing that is not Python's own. It takes
uv where uv is there, else pip. `VENV/.NAME` is written when all of `requirements-NAME.txt` is there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PINNED = re.compile(r"^[A-Za-z0-9._-]+==[^ ;\\]+", re.MULTILINE)
_COMES = re.compile(r"^\s*(?:Collecting|Processing|Downloading) (?:\S*/)?([A-Za-z0-9_.]+(?:-[A-Za-z_]+)*)")
_SIZE = re.compile(r"\((\d+(?:\.\d+)?) ?([kMG])i?B\)")
_IN_MB = {"k": 1e-3, "M": 1.0, "G": 1e3}
_KEPT_LINES = 30
_REDRAWN_S, _REPEATED_S = 0.5, 10.0
"""How often progress is told on a terminal, and where lines cannot be drawn over."""


class Progress:
    """One line that says what is being fetched, how much there is by now and how long it has taken."""

    def __init__(self, heading: str) -> None:
        self._heading = heading
        self._began = time.monotonic()
        self._what = "looking"
        self._fetched_mb = 0.0
        self._is_drawn = sys.stdout.isatty()
        self._done = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Progress:
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._teller.join()
        if self._is_drawn:
            print("\r\033[K", end="", flush=True)

    def read(self, line: str) -> None:
        """Take a line that pip or uv has printed."""
        if size := _SIZE.search(line):
            self._fetched_mb += float(size[1]) * _IN_MB[size[2]]
        if found := _COMES.match(line):
            self._what = f"{found[1]} {size[0]}" if size else found[1]
        elif line.startswith(("Installing", "Prepared")):
            self._what = "unpacking"

    def line(self) -> str:
        """What is told now."""
        return f"{self._heading}: {self._fetched_mb:,.0f} MB fetched, {self.seconds:.0f} s: {self._what}"

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._began

    def _tell(self) -> None:
        while not self._done.wait(_REDRAWN_S if self._is_drawn else _REPEATED_S):
            print(f"\r\033[K{self.line()}" if self._is_drawn else self.line(), end="" if self._is_drawn else "\n")
            sys.stdout.flush()


def pins(lock: Path) -> frozenset[str]:
    """Every `name==version` that a lock names."""
    return frozenset(_PINNED.findall(lock.read_text(encoding="utf-8")))


def stamp_of(venv: Path, lock: Path) -> Path:
    """The file that says that a lock's packages are there."""
    return venv / f".{lock.stem.removeprefix('requirements-')}"


def is_fresh(stamp: Path, lock: Path) -> bool:
    """Whether a lock has not changed since it was installed."""
    return stamp.is_file() and stamp.stat().st_mtime_ns >= lock.stat().st_mtime_ns


def is_outdated(venv: Path, locks: Iterable[Path]) -> bool:
    """Whether there is no environment, or something in it comes from a lock that has changed since."""
    stamps = [(stamp_of(venv, lock), lock) for lock in locks]
    known = any(stamp.is_file() for stamp, _ in stamps)
    return not known or any(stamp.is_file() and not is_fresh(stamp, lock) for stamp, lock in stamps)


def install(venv: Path, lock: Path, locks: Sequence[Path]) -> None:
    """Bring an environment to a lock: made anew where it is outdated, else added to.

    Raises
    ------
    SystemExit
        If what is needed cannot be had, with the last lines of whoever was to fetch it.
    """
    if is_fresh(stamp_of(venv, lock), lock):
        return
    wanted = pins(lock)
    print(f"setting up {venv} (once, and again when a lock changes): {len(wanted)} packages ...", flush=True)
    with Progress(str(venv)) as progress:
        if is_outdated(venv, locks):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        _fetch(venv, lock, progress)
    for each in locks:
        if pins(each) <= wanted:
            stamp_of(venv, each).touch()
    print(f"{venv}: {len(wanted)} packages, {_size_mb(venv):,.0f} MB in all, {progress.seconds:.0f} s", flush=True)


def _fetch(venv: Path, lock: Path, progress: Progress) -> None:
    python = str(venv / "bin" / "python")
    # The lock names everything that is needed. What is installed is compiled when it is first imported: most never is.
    what = ["--no-deps", "--require-hashes", "-r", str(lock)]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", *what]
    uv = shutil.which("uv")
    ways = [[uv, "pip", "install", "--python", python, *what], pip] if uv else [pip]
    for way in ways:
        code, said = _run(way, progress)
        if code == 0:
            return
        print("\n".join(said[-_KEPT_LINES:]), file=sys.stderr)
    raise SystemExit(f"{lock} could not be installed into {venv}: see above")


def _run(command: Sequence[str], progress: Progress) -> tuple[int, list[str]]:
    """Run an installer; return how it ended and what it said, but for warnings of the machine's own settings."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("VIRTUAL_ENV", None)
    said: list[str] = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:  # type: ignore[call-overload]
        for line in process.stdout:
            progress.read(line)
            if not line.startswith("WARNING:"):
                said.append(line.rstrip())
    return process.returncode, said


def _size_mb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


@contextmanager
def _alone() -> Iterator[None]:
    """Make may want two sets at once of one environment."""
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> None:
    """Install `LOCK` into `VENV`; the locks beside it say what else it covers."""
    venv, lock = map(Path, arguments)
    if venv.is_symlink():
        raise SystemExit(f"{venv} is a link: what it leads to would be emptied; remove it, or set up there")
    with _alone():
        install(venv, lock, sorted(lock.parent.glob("requirements-*.txt")))


if __name__ == "__main__":
    main(sys.argv[1:])
