"""The one place that reads a clock."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.core.errors import SettingsError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

CLOCK_FILE_FORMAT = struct.Struct("<qqd")
"""Wall anchor and shown anchor in microseconds since 1970, and speed: shown = anchor + (wall - wall anchor) * speed."""


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC)


class FileClock:
    """A clock that a sandbox drives through a small file, so that every process shows the same time.

    Speed 0 is virtual time (it stands until the driver moves it), 1 is real time shifted, 10 is ten times as fast.

    Parameters
    ----------
    path : Path
        The clock file; the driver has written it before anyone reads.

    Raises
    ------
    SettingsError
        If the file does not exist or is not a clock file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file() or path.stat().st_size != CLOCK_FILE_FORMAT.size:
            raise SettingsError(f"clock file must be {CLOCK_FILE_FORMAT.size} bytes written by the sandbox, got {path}")
        with path.open("rb") as file:
            self._page = mmap.mmap(file.fileno(), CLOCK_FILE_FORMAT.size, access=mmap.ACCESS_READ)

    def now(self) -> datetime:
        """Return the shown instant."""
        wall_us, shown_us, speed = CLOCK_FILE_FORMAT.unpack(self._page[:])
        if speed:
            shown_us += int(((datetime.now(UTC) - _EPOCH) // _MICROSECOND - wall_us) * speed)
        return _EPOCH + timedelta(microseconds=shown_us)
