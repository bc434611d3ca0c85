"""The app's own word, bar by bar: a strategy asked by the code of its score stage, with gates and costs off.

At each close the stage's `opinions` is shown the day so far, as it was then, and what it says fills by the rules of the
other two engines. So where the three agree, the app decides at the same bars what a sweep has decided.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import StrategyError
from shared.core.features import FEATURE_NAMES, Past, SymbolDay
from shared.core.features.history import BAR_S, FACTS, HIGHER_SLOTS, SLOTS_PER_DAY, midnight_s, new_york_clock
from shared.core.market import Bars, TradingDay
from shared.core.policy import PolicyCode
from shared.core.portfolio import Entered
from shared.core.settings import DecisionSettings, PolicySettings, RiskSettings, StrategySettings
from shared.core.values import Symbol, from_epoch
from shared.decision.opinions import DecisionModels, Opinion, Scene, opinions
from shared.strategies.catalogue import ActiveStrategy
from shared.strategies.protocol import Strategy, on_bars_alone
from shared.strategies.wishes import Move
from training.engines.asking import AskedDays, split_days
from training.engines.step import BarBook
from training.engines.trades import Costs, Trades

SYMBOL: Final = Symbol("STAGED")
PATIENCE_S = 120.0
_EPOCH = date(1970, 1, 1)
_SETTINGS = DecisionSettings(
    policy=PolicySettings(), risk=RiskSettings(), strategies=StrategySettings(strategy_timeout_s=PATIENCE_S)
)


def staged(strategy: Strategy, bars: Bars, costs: Costs | None = None, *, days: AskedDays | None = None) -> Trades:
    """Fill what the app's score stage says of a strategy at every bar. Nothing is held over night.

    Parameters
    ----------
    strategy : Rule or StateRule
    bars : Bars
        5-minute bars of one symbol, of trading days.
    costs : Costs, optional
    days : AskedDays, optional
        Of `split_days`, as the sweep has them.

    Returns
    -------
    Trades
        Equal to those of `trades_of`: tests/unit/training/test_speeds.py.

    Raises
    ------
    StrategyError
        If the strategy fails, or must be shown more than bars.
    """
    strategy = on_bars_alone(strategy)
    days = days or split_days(bars)
    closing = days.closing(len(bars))
    starts = {first: (start, end) for start, first, end in days.windows(strategy)}
    book = BarBook(bars, 0)
    entry: Entered | None = None
    for first, end in zip(days.first.tolist(), days.end.tolist(), strict=True):
        start = starts.get(first, (None, end))[0]
        asked = None if start is None or end <= days.from_bar else _Day(strategy, bars, start, first)
        for t in range(first, end):
            before = book.held
            book.open_of(t)
            book.within(t)
            held = book.held
            if held is None:
                entry = None
            elif entry is None or before is None:
                entry = Entered(at=from_epoch(int(bars.start_s[t])), price=held.entry_price)
            if closing[t]:
                book.decided = Move.STAY if held is None else Move.LEAVE
            elif asked is not None and t >= days.from_bar:
                _decide(book, asked.at(t, entry))
    return Trades.settled(book.finished(), costs or Costs())


def _decide(book: BarBook, said: Opinion) -> None:
    advice = said.advice
    if said.code is PolicyCode.STRATEGY_HEALTH:
        raise StrategyError(said.faults[0])
    if book.held is not None:
        book.decided = Move.STAY if advice.leave is None else Move.LEAVE
    elif advice.code is PolicyCode.ENTER:
        book.decided, book.pending = Move.ENTER, (advice.stop, advice.target)
        book.hold_bars = 0 if advice.hold_min is None else math.ceil(advice.hold_min * 60 / BAR_S)


class _Day:
    """What the score stage knows of a symbol on a day, but for the bars that are still to come."""

    def __init__(self, strategy: Strategy, bars: Bars, start: int, first: int) -> None:
        on = _EPOCH + timedelta(days=int(new_york_clock(bars.start_s[first : first + 1])[0][0]))
        self._bars, self._first = bars, first
        self._active = ActiveStrategy(name=strategy.name, share=Decimal(1), strategy=strategy)
        self._day = _trading_day(on)
        self._past = Past(
            symbol=SYMBOL,
            on=on,
            midnight_s=midnight_s(on),
            tail=bars[start:first],
            volume_profile=np.full(SLOTS_PER_DAY + 1, np.nan),
            facts=np.full(len(FACTS), np.nan),
            higher=tuple(np.empty(0) for _ in HIGHER_SLOTS),
            daily_count=0,
            session_count=0,
            last_daily_on=None,
        )
        self._scene = Scene(
            on=on,
            slot="0000",
            message_id="staged",
            day=self._day,
            now=self._day.open_at,
            settings=_SETTINGS,
            models=DecisionModels(predictors={}),
            features_blob="",
        )

    def at(self, t: int, entry: Entered | None) -> Opinion:
        """What the stage says at the close of bar t."""
        now = from_epoch(int(self._bars.start_s[t]) + BAR_S)
        entered = {self._active.name: {SYMBOL: entry}} if entry is not None else {}
        scene = replace(self._scene, now=now, entered=entered)
        item = SymbolDay(past=self._past, today=self._bars[self._first : t + 1])
        (said,) = opinions(scene, [self._active], [item], np.full((1, len(FEATURE_NAMES)), np.nan), {})
        return said


def _trading_day(on: date) -> TradingDay:
    day = _CALENDAR.day(on)
    if day is None:
        raise StrategyError(f"{on} is no trading day: the app asks nothing on it")
    return day


_CALENDAR = XnysCalendar()
