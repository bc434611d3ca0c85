"""All five-minute bars of a seeded market in one compact table, built once and kept in a cache folder.

A symbol-day depends on the one before through three numbers (`State`). The table keeps them, so that the minutes of
any symbol-day can be drawn again alone, to the same bits.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.ids import digest
from shared.core.market import Bars, FloatArray
from simulation.market.synthetic_day import CRYPTO_UNITS, UNITS_PER_USD, State, SyntheticDay
from simulation.market.synthetic_universe import ListedSymbol, ListingKind
from simulation.market.synthetic_world import SyntheticWorld

BAR_MIN = 5
_CENTS = UNITS_PER_USD // 100

Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTable:
    """Five-minute bars and states of every symbol (by position in the world's listings) and date.

    `rows` has shape (6, n): start in epoch minutes, open, high, low, close in price units (cents for crypto), volume.
    Those of symbol i on date d are columns `offsets[i, d]` to `offsets[i, d + 1]`. `states` of shape
    (symbols, dates, 3) holds the state before each date; `halts` of shape (h, 3) symbol, date and first minute.
    """

    rows: Rows
    offsets: NDArray[np.int64]
    states: FloatArray
    halts: NDArray[np.int64]

    def bars(self, listing: ListedSymbol, i: int, first: int, last: int) -> Bars:
        """Five-minute bars of symbol `i` on dates [first, last)."""
        part = self.rows[:, self.offsets[i, first] : self.offsets[i, last]]
        is_crypto = listing.kind is ListingKind.CRYPTO
        usd = part[1:5] / (100.0 if is_crypto else float(UNITS_PER_USD))
        return Bars(
            start_s=part[0].astype(np.int64) * 60,
            open=usd[0],
            high=usd[1],
            low=usd[2],
            close=usd[3],
            volume=part[5] / (float(CRYPTO_UNITS) if is_crypto else 1.0),
        )

    def state(self, i: int, d: int) -> State:
        """State of symbol `i` before date `d`."""
        log_mid, close, log_vol = self.states[i, d].tolist()
        return State(log_mid=log_mid, close=close, log_vol=log_vol)


def build(world: SyntheticWorld) -> SyntheticTable:
    """Draw the whole market, one symbol at a time."""
    n_dates = len(world.dates)
    offsets = np.zeros((len(world.listings), n_dates + 1), np.int64)
    states = np.zeros((len(world.listings), n_dates, 3))
    parts: list[Rows] = []
    halts: list[tuple[int, int, int]] = []
    total = 0
    for i, listing in enumerate(world.listings):
        state = world.first_state(listing)
        mine: list[Rows] = []
        offsets[i, 0] = total
        for d, on in enumerate(world.dates):
            states[i, d] = state.log_mid, state.close, state.log_vol
            grid = world.grid(listing, on)
            if grid is not None:
                day = world.draw(listing, on, state)
                state = day.after
                halts += [(i, d, minute) for minute in day.halts]
                mine.append(_five_minutes(day, grid.start_s // 60, listing))
                total += mine[-1].shape[1]
            offsets[i, d + 1] = total
        parts.append(np.concatenate(mine, axis=1))
    return SyntheticTable(
        rows=np.concatenate(parts, axis=1),
        offsets=offsets,
        states=states,
        halts=np.array(halts, np.int64).reshape(-1, 3),
    )


def cached(world: SyntheticWorld, cache_dir: Path) -> SyntheticTable:
    """The world's table from `cache_dir`, built and kept there if it is not (or no longer whole)."""
    folder = cache_dir / f"market-{world.content_id}-{_code_digest()}"
    table = _load(folder, world)
    if table is None:
        _save(build(world), folder)
        table = _load(folder, world)
    # Another process with other code may have put its own there in between: trust only what was built here.
    return table if table is not None else build(world)


def _five_minutes(day: SyntheticDay, first_minute: int, listing: ListedSymbol) -> Rows:
    bucket = day.minute // BAR_MIN
    first = np.flatnonzero(np.diff(bucket, prepend=-1))
    rows = np.empty((6, len(first)), np.int32)
    if not len(first):
        return rows
    prices = day.prices // _CENTS if listing.kind is ListingKind.CRYPTO else day.prices
    rows[0] = first_minute + bucket[first] * BAR_MIN
    rows[1] = prices[0, first]
    rows[2] = np.maximum.reduceat(prices[1], first)
    rows[3] = np.minimum.reduceat(prices[2], first)
    rows[4] = prices[3, np.append(first[1:], len(bucket)) - 1]
    rows[5] = np.add.reduceat(day.volume, first)
    return rows


def _code_digest() -> str:
    """Changes with the generator's code and with numpy, so that a stale cache is never read."""
    sources = sorted(Path(__file__).parent.glob("synthetic*.py"))
    return digest(b"".join(path.read_bytes() for path in sources) + np.__version__.encode())[:8]


def _save(table: SyntheticTable, folder: Path) -> None:
    """Write beside the target and rename, so that a folder that exists is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="market-", dir=folder.parent))
    for name in _FILES:
        np.save(scratch / f"{name}.npy", getattr(table, name))
    try:
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    except OSError:  # another process was first: its table has the same bits
        shutil.rmtree(scratch, ignore_errors=True)


def _load(folder: Path, world: SyntheticWorld) -> SyntheticTable | None:
    """The saved table, rows mapped rather than read; None where it is missing or damaged."""
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == "rows" else None) for name in _FILES}
    except (OSError, ValueError, EOFError):
        return None
    table = SyntheticTable(**arrays)
    n = len(world.listings)
    is_whole = (
        table.offsets.shape == (n, len(world.dates) + 1)
        and table.states.shape == (n, len(world.dates), 3)
        and table.rows.shape == (6, int(table.offsets[-1, -1]))
    )
    return table if is_whole else None


_FILES = ("rows", "offsets", "states", "halts")


def date_range(dates: tuple[date, ...], first: date, last: date) -> tuple[int, int]:
    """Positions [i, j) of the consecutive `dates` that lie in [first, last]."""
    i = (first - dates[0]).days
    j = (last - dates[0]).days + 1
    return max(i, 0), max(min(j, len(dates)), 0)
