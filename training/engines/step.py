"""The plain engine: it visits every bar in order and knows nothing of later ones. What `run` must agree with."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from shared.core.market import Bars, FloatArray, IntArray
from shared.core.values import require
from shared.strategies.protocol import StateRule, moved, rows_of
from shared.strategies.wishes import BoolArray, HeldPosition, Move, Wishes
from training.engines.trades import Costs, ExitCause, RoundTrip, Trades


def step(bars: Bars, wishes: Wishes, costs: Costs | None = None) -> Trades:
    """Fill a strategy's wishes bar by bar. Parameters, result and errors as of `run`."""
    require(wishes.enter.shape == (len(bars),), "wishes", wishes.enter.shape, f"one per bar, {len(bars)}")
    book = BarBook(bars, wishes.hold_bars)
    for t in range(len(bars)):
        book.open_of(t)
        book.within(t)
        stop = math.nan if wishes.stop is None else float(wishes.stop[t])
        target = math.nan if wishes.target is None else float(wishes.target[t])
        if book.held is None:
            book.decided = Move.ENTER if wishes.enter[t] else Move.STAY
            book.pending = (stop, target)
        else:
            book.decided = Move.LEAVE if wishes.leave[t] else Move.STAY
    return Trades.settled(book.finished(), costs or Costs())


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRows:
    """What a rule of state is shown at each bar.

    Attributes
    ----------
    rows : array of float64, shape (n, k)
        Its features.
    shown_from : array of int64, shape (n,)
        First bar of those that the row was worked out from, from which it counts bars; -1 where it is not asked.
    is_closing : array of bool, shape (n,)
        Bars at whose close what is held is left, without asking.
    """

    rows: FloatArray
    shown_from: IntArray
    is_closing: BoolArray


def step_state(bars: Bars, rule: StateRule, costs: Costs | None = None, shown: ShownRows | None = None) -> Trades:
    """Fill a strategy of state bar by bar.

    Parameters
    ----------
    bars : Bars
        Of one symbol, n of them.
    rule : StateRule
    costs : Costs, optional
    shown : ShownRows, optional
        n of them; by default the features of the whole series.

    Raises
    ------
    StrategyError
        If the rule does not give one row of features per bar, or leaves what it does not hold.
    """
    features = rows_of(rule, bars) if shown is None else shown.rows
    book = BarBook(bars, 0)
    for t in range(len(bars)):
        book.open_of(t)
        if shown is None:
            book.decided = moved(rule, features[t], book.held)
        elif shown.is_closing[t]:
            book.decided = Move.STAY if book.held is None else Move.LEAVE
        elif (start := int(shown.shown_from[t])) >= 0:
            held = book.held
            if held is not None and start:
                held = dataclasses.replace(held, entry_bar=max(0, held.entry_bar - start))
            book.decided = moved(rule, features[t], held)
    return Trades.settled(book.finished(), costs or Costs())


class BarBook:
    """One symbol's position while its bars go by.

    Attributes
    ----------
    decided : Move
        What was decided at the close of the last bar.
    pending : tuple of float
        Stop and target that an entry decided there carries, NaN for none.
    hold_bars : int
        Bars after which a position is left, 0 for no limit.
    """

    def __init__(self, bars: Bars, hold_bars: int) -> None:
        self._bars = bars
        self.hold_bars = hold_bars
        self._trips: list[RoundTrip] = []
        self._entry: tuple[int, float] | None = None
        self._orders = (math.nan, math.nan)
        self._highest = math.nan
        self._seen = 0
        self.decided = Move.STAY
        self.pending = (math.nan, math.nan)

    @property
    def held(self) -> HeldPosition | None:
        """The position after the bars seen so far."""
        if self._entry is None:
            return None
        bar, price = self._entry
        return HeldPosition(entry_bar=bar, entry_price=price, bars_held=self._seen - bar + 1, highest=self._highest)

    def open_of(self, t: int) -> None:
        """Fill at bar t's open what was decided at the close before, or what its time limit demands."""
        price = float(self._bars.open[t])
        self._seen = t
        if self._entry is None:
            if self.decided is Move.ENTER:
                self._entry, self._orders, self._highest = (t, price), self.pending, -math.inf
        elif self.decided is Move.LEAVE:
            self._leave(t, price, ExitCause.SIGNAL)
        elif self.hold_bars and t >= self._entry[0] + self.hold_bars:
            self._leave(t, price, ExitCause.TIME_LIMIT)
        self.decided = Move.STAY
        if self._entry is not None:
            self._highest = max(self._highest, float(self._bars.high[t]))

    def within(self, t: int) -> None:
        """Fill stop or target within bar t."""
        if self._entry is None:
            return
        stop, target = self._orders
        price = float(self._bars.open[t])
        if float(self._bars.low[t]) <= stop:
            self._leave(t, min(stop, price), ExitCause.STOP)
        elif float(self._bars.high[t]) >= target:
            self._leave(t, max(target, price), ExitCause.TARGET)

    def finished(self) -> list[RoundTrip]:
        """All trades; what is still held is valued at the last close."""
        if self._entry is not None:
            n = len(self._bars)
            self._leave(n, float(self._bars.close[n - 1]), ExitCause.OPEN)
        return self._trips

    def _leave(self, t: int, price: float, why: ExitCause) -> None:
        assert self._entry is not None
        self._trips.append((*self._entry, t, price, why))
        self._entry = None
