"""The driver of the sandbox's clock file: virtual time that jumps, or real time shifted and sped up."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.adapters.clock import CLOCK_FILE_FORMAT, FileClock
from shared.core.values import require_at_least, require_utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


class ClockFile:
    """Writes the clock file that `FileClock` readers in every process see at once.

    Parameters
    ----------
    path : Path
        Created where it is missing; an existing file goes on as it stood.
    at : datetime
        UTC instant that a new file shows, standing still.
    """

    def __init__(self, path: Path, at: datetime) -> None:
        self.path = path
        fresh = not path.exists()
        if fresh:
            path.write_bytes(bytes(CLOCK_FILE_FORMAT.size))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), CLOCK_FILE_FORMAT.size)
        if fresh:
            self.jump(at)
        self._reader = FileClock(path)

    def now(self) -> datetime:
        """Return the shown instant."""
        return self._reader.now()

    def jump(self, at: datetime) -> None:
        """Stand still at a UTC instant."""
        self._write(at, 0.0)

    def run(self, at: datetime, speed: float) -> None:
        """Show `at` now and go on at `speed` seconds a second."""
        require_at_least("speed", speed, 0)
        self._write(at, speed)

    @property
    def speed(self) -> float:
        """Shown seconds per second; 0 stands still."""
        return float(CLOCK_FILE_FORMAT.unpack(self._page[:])[2])

    def _write(self, at: datetime, speed: float) -> None:
        require_utc("at", at)
        self._page[:] = CLOCK_FILE_FORMAT.pack(_micros(datetime.now(UTC)), _micros(at), speed)
