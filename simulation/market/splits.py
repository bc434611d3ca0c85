"""Splits in a market that has none: before each, prices and volumes are those of the shares as they were then.

What comes after the last split stays to the bit, so orders meet the same market. A factor that is a power of two can be
taken out again without a rounding: an app that knows the splits then sees the very market without them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime

import numpy as np

from shared.core.market import Bars, Timeframe
from shared.core.splits import Splits, factors
from simulation.market.tape import BasePrices, Overlay, Tape
from simulation.venue.calendar import midnight

FACTORS = (0.25, 0.5, 2.0, 4.0, 8.0)
"""What prices of the seeded market's splits are multiplied by."""
FORWARD_ABOVE_USD = 20.0
"""A price from which a company splits its shares rather than puts them together."""


class SplitTape(Overlay):
    """A tape with splits put into its past.

    Parameters
    ----------
    tape : Tape
        Without splits.
    splits : mapping of str to Splits
        By symbol; factors are known.
    """

    def __init__(self, tape: Tape, splits: Mapping[str, Splits]) -> None:
        super().__init__(tape)
        self._put_in = splits
        self._end_s = int(midnight(tape.on).timestamp())

    @property
    def splits(self) -> Mapping[str, Splits]:
        """Those that were put in."""
        return self._put_in

    def base(self, symbol: str, on: date) -> BasePrices:
        """Finest bars of a symbol on a date, as traded then."""
        base, splits = self._tape.base(symbol, on), self._put_in.get(symbol)
        if splits is None or not len(base.bars):
            return base
        factor = float(factors(splits, base.bars.start_s[:1], self._end_s)[0])
        if factor == 1.0:
            return base
        path, bid, ask = (prices / factor for prices in (base.path, base.bid, base.ask))
        return BasePrices(bars=self._as_traded(base.bars, splits), path=path, bid=bid, ask=ask)

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars that start in [start, end), as traded then."""
        bars, splits = self._tape.bars(symbol, timeframe, start, end), self._put_in.get(symbol)
        return bars if splits is None else self._as_traded(bars, splits)

    def _as_traded(self, bars: Bars, splits: Splits) -> Bars:
        """The inverse of `in_terms_of`."""
        factor = factors(splits, bars.start_s, self._end_s)
        return Bars(
            start_s=bars.start_s,
            open=bars.open / factor,
            high=bars.high / factor,
            low=bars.low / factor,
            close=bars.close / factor,
            volume=bars.volume * factor,
        )


def seeded_splits(tape: Tape, seed: int) -> Mapping[str, Splits]:
    """Two splits of equities: one in some night of the tape's history, one that holds from the traded day on."""
    rng = random.Random(f"splits:{seed}")
    symbols = sorted(symbol for symbol, asset in tape.assets.items() if asset.asset_class == "us_equity")
    earlier, today = rng.sample([symbol for symbol in symbols if symbol not in {"SPY", "QQQ"}], 2)
    dates = tape.session_dates
    on = dates[rng.randrange(max(len(dates) - 20, 1), len(dates) - 1)] if len(dates) > 2 else tape.on
    return {earlier: _split(tape, rng, earlier, on), today: _split(tape, rng, today, tape.on)}


def _split(tape: Tape, rng: random.Random, symbol: str, on: date) -> Splits:
    daily = tape.bars(symbol, Timeframe.DAY_1, midnight(tape.session_dates[0]), midnight(tape.on))
    dear = len(daily) > 0 and float(daily.close[-1]) > FORWARD_ABOVE_USD
    factor = rng.choice([each for each in FACTORS if (each < 1) == dear])
    return Splits(from_s=np.array([int(midnight(on).timestamp())], np.int64), factor=np.array([factor]))
