"""What a strategy is: a named, pure function of what is known at a bar's close, and what it declares of itself.

Four forms, one protocol. A *rule* turns bars into wishes, a *rule of state* looks at its position besides, a strategy
of *text* holds a symbol's news against its bars, one of *models* scores the whole slice. The app asks all four the same
question, `advise`, once for each slice.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Protocol

import numpy as np

from shared.contracts.model_card import ModelCard
from shared.core.errors import StrategyError
from shared.core.features import SymbolDay
from shared.core.features.history import BAR_S, WARMUP_BARS
from shared.core.market import Bars, FloatArray, Quote, Timeframe, TradingDay
from shared.core.order_states import ExitReason
from shared.core.policy import PolicyCode, Score
from shared.core.portfolio import Entered
from shared.core.regime import UNKNOWN, RegimeView
from shared.core.sessions import Session
from shared.core.settings import PolicySettings
from shared.core.text.stories import SymbolText
from shared.core.values import Symbol, require, require_at_least
from shared.strategies.wishes import HeldPosition, Move, Wishes


class Predictor(Protocol):
    """A model that has passed its checks."""

    @property
    def card(self) -> ModelCard:
        """Return the card the model was checked against."""

    def predict(self, features: FloatArray) -> FloatArray:
        """Score float64 features of shape (n, n_features), NaN for missing; return (n, n_outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a strategy needs to be asked.

    Attributes
    ----------
    history_bars : int
        Bars before the day's first that it sees, `WARMUP_BARS` (two regular sessions) at most: its whole memory.
    timeframe : Timeframe
        Of its bars. The app scores every five minutes and asks strategies of 5-minute bars; others can be swept.
    asset_class : str
        As Alpaca spells it.
    models : tuple of str
        Published models without which it gives no opinion.
    text : bool
        Whether it is shown what the news says.
    """

    history_bars: int = 0
    timeframe: Timeframe = Timeframe.MIN_5
    asset_class: str = "us_equity"
    models: tuple[str, ...] = ()
    text: bool = False

    def __post_init__(self) -> None:
        require_at_least("history_bars", self.history_bars, 0)
        require(self.history_bars <= WARMUP_BARS, "history_bars", self.history_bars, f"at most {WARMUP_BARS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceView:
    """What a strategy is shown: a slice of symbols at the close of their last bar.

    Attributes
    ----------
    day : TradingDay
    now : datetime
        The instant of the decision, UTC.
    session : Session
    items : sequence of SymbolDay
        Their pasts and today's closed bars.
    features : float64 of shape (len(items), n_features)
    quotes : mapping of symbol to Quote
    predictors : mapping of str to Predictor
        The trusted models by name, the regime model among them.
    policy : PolicySettings
    entered : mapping of symbol to Entered
        What the strategy itself holds of these symbols, where it is a rule of state.
    texts : mapping of symbol to SymbolText
        What the news says, where it needs text.
    """

    day: TradingDay
    now: datetime
    session: Session
    items: Sequence[SymbolDay]
    features: FloatArray
    quotes: Mapping[Symbol, Quote]
    predictors: Mapping[str, Predictor]
    policy: PolicySettings
    entered: Mapping[Symbol, Entered] = field(default_factory=dict)
    texts: Mapping[Symbol, SymbolText] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a strategy says of one symbol.

    Attributes
    ----------
    code : PolicyCode
        ENTER, or why not.
    leave : ExitReason or None
        Why a position of the strategy's own is to be left, where it is.
    score : Score or None
        Probabilities, where it has models.
    regime : RegimeView
        The market's, where it knows.
    stop, target : float
        Prices in USD of the orders that protect an entry; NaN leaves them to the settings.
    hold_min : int or None
        Time limit; None leaves it to the settings.
    faults : tuple of str
        What is wrong with the data it needs; any refuses the entry.
    reason : str
        Why it enters, as a code; empty where the strategy has no words for it.
    figures : mapping of str to float
        What it has worked out and rests on, by name; recorded beside it where finite.
    """

    code: PolicyCode
    leave: ExitReason | None = None
    score: Score | None = None
    regime: RegimeView = UNKNOWN
    stop: float = math.nan
    target: float = math.nan
    hold_min: int | None = None
    faults: tuple[str, ...] = ()
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def parameter(default: Any, what: str, *, low: Any, high: Any) -> Any:
    """Declare a parameter of a strategy, a whole number or a float, with its bounds, both inclusive."""
    return field(default=default, metadata={"what": what, "low": low, "high": high})


class Strategy(ABC):
    """Base of all strategies: a frozen dataclass whose fields are its parameters.

    A subclass names itself and its needs, and implements `advise` or derives from `Rule` or `StateRule`, which do.
    """

    name: ClassVar[str]
    needs: ClassVar[Needs] = Needs()

    def __post_init__(self) -> None:
        """Check the parameters against their bounds. What belongs together is checked by an override that calls this.

        Raises
        ------
        ValueError
            Naming the parameter, what was found and what was expected.
        """
        for item in parameters_of(type(self)):
            value, low, high = getattr(self, item.name), item.metadata["low"], item.metadata["high"]
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            require(is_number and low <= value <= high, item.name, value, f"a number from {low} to {high}")

    @abstractmethod
    def advise(self, view: SliceView) -> Sequence[Advice]:
        """Say what to do with each symbol of a slice, in order."""


def parameters_of(strategy: type[Strategy]) -> tuple[dataclasses.Field[Any], ...]:
    """The declared parameters of a strategy; one that is no dataclass has none."""
    known: tuple[dataclasses.Field[Any], ...] = fields(strategy) if dataclasses.is_dataclass(strategy) else ()
    return tuple(item for item in known if "what" in item.metadata)


class BarStrategy(Strategy):
    """What all but strategies of models share: each symbol is asked about by itself, on its own bars."""

    def advise(self, view: SliceView) -> Sequence[Advice]:
        """Ask about each symbol that has enough bars."""
        return [self._advice(item, view) for item in view.items]

    def _advice(self, item: SymbolDay, view: SliceView) -> Advice:
        faults = lacking(self, len(item.past.tail), item.today)
        if faults:
            return Advice(code=PolicyCode.NO_WISH, faults=faults)
        return self.advice_on(window(self, item.past.tail, item.today), item.symbol, view)

    @abstractmethod
    def advice_on(self, bars: Bars, symbol: Symbol, view: SliceView) -> Advice:
        """Say what to do with a symbol at the close of the last of these bars."""


class Rule(BarStrategy):
    """A pure function of bars. Row t of its answer may depend on bars up to t only: the leak check tries that."""

    @abstractmethod
    def wishes(self, bars: Bars) -> Wishes:
        """Return the wishes at every bar's close.

        Parameters
        ----------
        bars : Bars
            Of one symbol: `needs.history_bars` bars before the day and the day's own. Over bars of days a sweep shows
            them all.
        """

    def advice_on(self, bars: Bars, symbol: Symbol, view: SliceView) -> Advice:
        """Say the wishes of the last bar."""
        wishes = sound(self, self.wishes(bars), bars)
        leaves, stop, target = bool(wishes.leave[-1]), math.nan, math.nan
        if wishes.stop is not None:
            stop = float(wishes.stop[-1])
        if wishes.target is not None:
            target = float(wishes.target[-1])
        return Advice(
            code=PolicyCode.ENTER if wishes.enter[-1] else PolicyCode.NO_WISH,
            leave=ExitReason.SIGNAL if leaves else None,
            stop=stop,
            target=target,
            hold_min=hold_min(wishes.hold_bars, view),
        )


class StateRule(BarStrategy):
    """A strategy whose decision depends on its position: a pure function of one row of features and the state."""

    @abstractmethod
    def features(self, bars: Bars) -> FloatArray:
        """Return an array of shape (n, k); row t from bars up to t only. Bars as of `Rule.wishes`."""

    @abstractmethod
    def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
        """Decide on one row of shape (k,) and what is held, None where flat."""

    def advice_on(self, bars: Bars, symbol: Symbol, view: SliceView) -> Advice:
        """Decide on the last row of features."""
        row = rows_of(self, bars)[-1]
        entered = view.entered.get(symbol)
        held = None if entered is None else HeldPosition.since(bars, entered.at.timestamp(), entered.price)
        move = moved(self, row, held)
        return Advice(
            code=PolicyCode.ENTER if move is Move.ENTER else PolicyCode.NO_WISH,
            leave=ExitReason.SIGNAL if move is Move.LEAVE else None,
            hold_min=hold_min(0, view),
        )


def on_bars_alone(strategy: Strategy) -> Rule | StateRule:
    """The strategy, where bars are all that it must be shown: it can be swept and checked.

    Raises
    ------
    StrategyError
        If it reads news or is neither a rule nor a rule of state.
    """
    if strategy.needs.text:
        raise StrategyError(f"{strategy.name} reads news: a backtest with stories can ask it, bars alone cannot")
    if not isinstance(strategy, Rule | StateRule):
        raise StrategyError(
            f"{strategy.name} is neither a rule nor a rule of state: a backtest can ask it, a sweep cannot"
        )
    return strategy


def lacking(strategy: Strategy, before: int, today: Bars) -> tuple[str, ...]:
    """What a strategy lacks to be asked, where so many bars lie before the day's."""
    needed = strategy.needs.history_bars
    if before < needed:
        return (f"history: {before} bars before the day, {strategy.name} needs {needed}",)
    return () if len(today) else ("history: no bar today",)


def window(strategy: Strategy, past: Bars, today: Bars) -> Bars:
    """What a strategy sees of a day: its memory of the past, and the day so far.

    Indicators that look back without end start at the same bar all day, so what is said of a bar does not depend on
    when it is asked. Nothing can be written into it: others are shown the same bars.
    """
    needed = strategy.needs.history_bars
    shown = past[len(past) - needed :].then(today) if needed else today[:]
    for item in fields(Bars):
        column = getattr(shown, item.name).view()
        column.flags.writeable = False
        object.__setattr__(shown, item.name, column)
    return shown


def hold_min(hold_bars: int, view: SliceView) -> int:
    """Minutes that a position of so many bars lasts; without a limit, those until the regular close."""
    if hold_bars:
        return hold_bars * BAR_S // 60
    return max(1, math.ceil((view.day.close_at - view.now).total_seconds() / 60))


def sound(strategy: Strategy, wishes: object, bars: Bars) -> Wishes:
    """Check what a rule has answered.

    Raises
    ------
    StrategyError
        If it is no wishes, has another shape or type, or an entry whose stop or target is NaN or on the wrong side.
    """
    if not isinstance(wishes, Wishes):
        raise StrategyError(f"{strategy.name}: wishes must return Wishes, got {type(wishes).__name__}")
    for name in ("enter", "leave"):
        found = getattr(wishes, name)
        if found.dtype != np.bool_ or found.shape != (len(bars),):
            raise StrategyError(
                f"{strategy.name}: {name} must hold one bool for each of {len(bars)} bars, got {found.dtype} of shape "
                f"{found.shape}"
            )
    enters = wishes.enter
    for name, values, side in (("stop", wishes.stop, -1), ("target", wishes.target, 1)):
        if values is None:
            continue
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(enters & ~((values - bars.close) * side > 0))
        if wrong.size:
            at = int(wrong[0])
            where = "under" if side < 0 else "over"
            raise StrategyError(
                f"{strategy.name}: {name} of an entry must be {where} the close {bars.close[at]:g}, got {values[at]:g} "
                f"at bar {at}"
            )
    return wishes


def rows_of(strategy: StateRule, bars: Bars) -> FloatArray:
    """Features of a rule of state, one row for each bar. Raises StrategyError where they are not."""
    rows: object = strategy.features(bars)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or len(rows) != len(bars):
        found = rows.shape if isinstance(rows, np.ndarray) else type(rows).__name__
        raise StrategyError(f"{strategy.name}: features must have {len(bars)} rows of numbers, got {found}")
    return rows


def moved(strategy: StateRule, row: FloatArray, held: HeldPosition | None) -> Move:
    """Ask a rule of state. Raises StrategyError for a move that cannot be made."""
    move: object = strategy.decide(row, held)
    barred = Move.LEAVE if held is None else Move.ENTER
    if not isinstance(move, Move) or move is barred:
        state = "flat" if held is None else "long"
        raise StrategyError(f"{strategy.name}: decide must return a move that can be made while {state}, got {move}")
    return move
