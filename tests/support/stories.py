"""A market with stories whose words are planted into prices, or into nothing, for whoever tests studies of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from shared.core.features.history import midnight_s
from shared.core.market import Bars
from tests.support.bars import CALENDAR
from tests.support.strategies import made_market, session_dates, write_market
from training.text_study.word_reader import WordReader

READER = WordReader({"soars": 1.0, "strong": 1.0, "slumps": -1.0, "weak": -1.0}, "planted")
SYMBOLS = tuple(f"S{k:02d}" for k in range(12))
HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldMarket:
    """Bars and stories as files."""

    bars: Path
    stories: Path


def planted(
    folder: Path,
    *,
    strength: float,
    lead_days: int = 0,
    sessions: int = 90,
    seed: int = 5,
    symbols: Sequence[str] = SYMBOLS,
    is_daily: bool = True,
) -> ToldMarket:
    """Stories an hour before each session's open, and bars that move by `strength` in their words' direction.

    Parameters
    ----------
    strength : float
        Fraction of price by which the session (its first quarter of an hour, within the day) moves with the text.
    lead_days : int
        Sessions by which the move comes before the story: 1 means that the text only tells what was.
    """
    rng = np.random.default_rng(seed)
    market = made_market(symbols, sessions, is_daily=is_daily, seed=seed)
    dates = session_dates(sessions)
    signs = rng.choice([-1, 1], (len(symbols), sessions))
    rows = []
    for k, symbol in enumerate(symbols):
        for day, on in enumerate(dates):
            opened = CALENDAR.day(on)
            assert opened is not None
            word = ("soars", "strong") if signs[k, day] > 0 else ("slumps", "weak")
            # Numbers of the story keep one from being the echo of another.
            noise = " ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}x" for n in rng.integers(0, 600, 8))
            at_s = int(opened.open_at.timestamp()) - HOUR_S - 60 * k
            rows.append((symbol, datetime.fromtimestamp(at_s, UTC), f"{symbol} {word[day % 2]} {noise}"))
        moves = strength * np.roll(signs[k], -lead_days).astype(np.float64)
        market[symbol] = _moved(market[symbol], moves, is_daily=is_daily, first=[midnight_s(on) for on in dates])
    told = pd.DataFrame(rows, columns=["symbol", "ts", "text"]).sample(frac=1, random_state=seed)
    stories = folder / f"stories-{strength}-{lead_days}-{seed}-{is_daily}.parquet"
    told.to_parquet(stories)
    bars = write_market(folder / f"bars-{strength}-{lead_days}-{seed}-{is_daily}.parquet", market)
    return ToldMarket(bars=bars, stories=stories)


def _moved(bars: Bars, moves: np.ndarray, *, is_daily: bool, first: Sequence[int]) -> Bars:
    """Bars whose sessions move by so much more, and keep it."""
    if is_daily:
        level = np.cumprod(1 + moves)
        before = np.concatenate([[1.0], level[:-1]])
        ends = level
    else:
        day = np.searchsorted(first, bars.start_s, side="right") - 1
        of_day = bars.start_s - np.array(first)[day]
        passed = np.clip((of_day - 114 * 300 + 300) / 900, 0, 1)
        began = np.clip((of_day - 114 * 300) / 900, 0, 1)
        level = np.concatenate([[1.0], np.cumprod(1 + moves)])[day]
        before, ends = level * (1 + moves[day] * began), level * (1 + moves[day] * passed)
    open_, close = bars.open * before, bars.close * ends
    return replace(
        bars,
        open=open_,
        close=close,
        high=np.maximum(np.maximum(open_, close), bars.high * np.minimum(before, ends)),
        low=np.minimum(np.minimum(open_, close), bars.low * np.maximum(before, ends)),
    )
