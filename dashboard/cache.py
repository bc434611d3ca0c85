"""A cache before storage: the day that runs is read again after seconds, a day that is over after an hour.

It is shared by every open page of one environment. What it hands out is shared too, and must not be changed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from dashboard.store import EVERYTHING, Query, Source, days_of
from shared.ports import Row

FRESH_S = 4.0
"""Age at which what may still change is read again: below the shortest refresh of a page."""
SETTLED_S = 3600.0
MAX_WEIGHT = 2_000_000
"""Rows and KiB of blobs kept at most; the least recently used goes first."""
READERS = 8


class CachedSource:
    """`Source` that remembers.

    Parameters
    ----------
    source : Source
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._kept: OrderedDict[Hashable, tuple[float, int, Any]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()
        self._latest = ""

    def days(self) -> tuple[date, ...]:
        """Session dates that storage knows of, the latest first."""
        days = self._get(("days",), FRESH_S, lambda: days_of(self._source), len)
        self._latest = str(days[0]) if days else ""
        return days

    def rows(self, table: str, partition: str, query: Query = EVERYTHING) -> Sequence[Row]:
        """Return rows with their row key as cell `key`, in key order."""
        key = ("rows", str(table), partition, query)
        return self._get(key, self._ttl(partition), lambda: self._source.rows(table, partition, query), len)

    def many(self, table: str, partitions: Sequence[str], query: Query = EVERYTHING) -> list[Sequence[Row]]:
        """Return the rows of several partitions, read side by side."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda partition: self.rows(table, partition, query), partitions))

    def row(self, table: str, partition: str, key: str) -> Row | None:
        """Return one row or None."""
        found = ("row", str(table), partition, key)
        return self._get(found, self._ttl(partition), lambda: self._source.row(table, partition, key), lambda _: 1)

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes or None."""
        ttl = self._ttl(name.partition("/")[0])
        weigh: Callable[[bytes | None], int] = lambda data: 1 + len(data or b"") // 1024  # noqa: E731
        return self._get(("blob", str(container), name), ttl, lambda: self._source.blob(container, name), weigh)

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        found = ("names", str(container), prefix)
        return self._get(found, FRESH_S, lambda: self._source.names(container, prefix), len)

    def forget(self) -> None:
        """Read everything anew."""
        with self._lock:
            self._kept.clear()
            self._weight = 0

    def _ttl(self, partition: str) -> float:
        """Only a session date before the latest one is settled."""
        is_day = len(partition) == 10 and partition[:4].isdigit()
        return SETTLED_S if is_day and partition < self._latest else FRESH_S

    def _get[T](self, key: Hashable, ttl_s: float, load: Callable[[], T], weigh: Callable[[T], int]) -> T:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._clock() < kept[0] + ttl_s:
                self._kept.move_to_end(key)
                value: T = kept[2]
                return value
        loaded_at, value = self._clock(), load()
        with self._lock:
            self._keep(key, loaded_at, weigh(value), value)
        return value

    def _keep(self, key: Hashable, at: float, weight: int, value: object) -> None:
        old = self._kept.pop(key, None)
        self._weight += weight - (old[1] if old else 0)
        self._kept[key] = (at, weight, value)
        while self._weight > MAX_WEIGHT and len(self._kept) > 1:
            _, (_, gone, _) = self._kept.popitem(last=False)
            self._weight -= gone
