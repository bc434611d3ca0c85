"""Seeded bars of one symbol-day, and real ones from the data folder, for whoever tests features and models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from shared.adapters.calendar import XnysCalendar
from shared.core.features import SymbolDay, prepare
from shared.core.features.history import midnight_s
from shared.core.market import Bars, IntArray, TradingDay
from shared.core.values import Symbol

CALENDAR = XnysCalendar()
PRE_SLOT, AFT_SLOT = 48, 240
"""First 5-minute slot of premarket trading, and the one after the last of after-hours trading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDay:
    """Bars of one symbol before anything was prepared."""

    symbol: Symbol
    daily: Bars
    history: Bars
    today: Bars

    def symbol_day(self, day: TradingDay, today: Bars | None = None) -> SymbolDay:
        past = prepare(self.symbol, daily=self.daily, history=self.history, day=day)
        return SymbolDay(past=past, today=self.today if today is None else today)


def trading_day(on: date) -> TradingDay:
    day = CALENDAR.day(on)
    assert day is not None
    return day


def day_starts(on: date, first_slot: int = PRE_SLOT, last_slot: int = AFT_SLOT) -> IntArray:
    return midnight_s(on) + 300 * np.arange(first_slot, last_slot)


def random_walk(rng: np.random.Generator, start_s: IntArray, price: float, sigma: float) -> Bars:
    n = start_s.size
    close = price * np.exp(np.cumsum(rng.normal(0, sigma, n)))
    open_ = np.concatenate([[price], close[:-1]])
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, sigma / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, sigma / 2, n)))
    volume = np.floor(np.exp(rng.normal(8, 1, n)))
    return Bars(start_s=start_s, open=open_, high=high, low=low, close=close, volume=volume)


def raw_day(symbol: str, on: date, *, seed: int, extended: bool = True, holes: float = 0.0) -> RawDay:
    """Sixty daily bars, ten sessions and a day of 5-minute bars; `holes` is the share of bars that did not trade."""
    rng = np.random.default_rng([seed, *symbol.encode()])
    days = CALENDAR.previous_days(on, 60)
    daily = random_walk(rng, np.array([midnight_s(day.on) for day in days]), 40.0, 0.02)
    slots = (PRE_SLOT, AFT_SLOT) if extended else (114, 192)
    starts = np.concatenate([day_starts(when, *slots) for when in [*(day.on for day in days[-10:]), on]])
    bars = random_walk(rng, starts, float(daily.close[-1]), 0.002)
    kept = rng.random(len(bars)) >= holes
    bars = pick(bars, kept)
    today = midnight_s(on)
    return RawDay(symbol=Symbol(symbol), daily=daily, history=bars.between(0, today), today=bars.between(today, 2**40))


def pick(bars: Bars, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Bars:
    return Bars(
        start_s=bars.start_s[kept],
        open=bars.open[kept],
        high=bars.high[kept],
        low=bars.low[kept],
        close=bars.close[kept],
        volume=bars.volume[kept],
    )


def until(bars: Bars, end_s: int) -> Bars:
    """Bars that have closed at an instant."""
    return bars[: int(np.searchsorted(bars.start_s, end_s - 300, side="right"))]


def data_file(relative: str) -> Path | None:
    """A file of the data folder (setting GATEHOUSE_DATA), None where it is absent."""
    folder = Path(os.environ.get("GATEHOUSE_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")
    path = (folder / relative).resolve()
    return path if path.is_file() else None


def with_prices_times(bars: Bars, factors: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> Bars:
    """The same bars, each one's prices and volume multiplied by a factor."""
    scale = np.asarray(factors, float)
    return Bars(
        start_s=bars.start_s,
        open=bars.open * scale,
        high=bars.high * scale,
        low=bars.low * scale,
        close=bars.close * scale,
        volume=np.floor(bars.volume * scale),
    )
