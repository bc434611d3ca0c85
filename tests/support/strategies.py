"""Slices, markets and files of bars for whoever tests strategies and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from shared.core.features import SymbolDay, prepare
from shared.core.features.history import midnight_s, new_york_clock
from shared.core.market import Bars
from shared.core.sessions import Session
from shared.core.settings import PolicySettings
from shared.core.values import Symbol, from_epoch
from shared.strategies.protocol import SliceView
from tests.support.bars import CALENDAR, day_starts, random_walk, trading_day

FIRST = date(2026, 3, 2)
"""A Monday, in the week before New York's clocks go forward."""


def session_dates(count: int) -> list[date]:
    dates = (FIRST + timedelta(days=k) for k in range(2 * count + 10))
    return [on for on in dates if CALENDAR.day(on) is not None][:count]


def made_market(symbols: Sequence[str], days: int, *, is_daily: bool = False, seed: int = 3) -> dict[str, Bars]:
    """Random walks over so many sessions: of a day, or of five minutes within regular hours."""
    on = session_dates(days)
    starts = np.array([midnight_s(each) for each in on])
    if not is_daily:
        starts = np.concatenate([day_starts(each, 114, 192) for each in on])
    deviation = 0.02 if is_daily else 0.003
    rngs = [np.random.default_rng([seed, k]) for k in range(len(symbols))]
    return {name: random_walk(rng, starts, 40.0, deviation) for name, rng in zip(symbols, rngs, strict=True)}


def write_market(path: Path, market: dict[str, Bars]) -> Path:
    """Write bars as a file that commands read."""
    parts = []
    for symbol, bars in market.items():
        columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        parts.append(pd.DataFrame({"symbol": symbol, "ts": pd.to_datetime(bars.start_s, unit="s", utc=True)} | columns))
    pd.concat(parts).to_parquet(path)
    return path


def slice_at(bars: Bars, t: int, symbol: str = "ABC") -> SliceView:
    """A slice of one symbol as the app shows it at the close of bar t."""
    on = date(1970, 1, 1) + timedelta(days=int(new_york_clock(bars.start_s[t : t + 1])[0][0]))
    day, start = trading_day(on), midnight_s(on)
    past = prepare(Symbol(symbol), daily=Bars.empty(), history=bars, day=day)
    return SliceView(
        day=day,
        now=from_epoch(int(bars.start_s[t]) + 300),
        session=Session.REG_AM,
        items=[SymbolDay(past=past, today=bars[: t + 1].between(start, start + 86_400))],
        features=np.empty((1, 0)),
        quotes={},
        predictors={},
        policy=PolicySettings(),
    )
