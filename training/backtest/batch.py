"""A day's features and scores in one batch, and which candidates can come to anything.

A row of the batch holds the same bits as the row that the score stage computes at that instant (tests prove it for
features, and the run checks it for every candidate that the stage sees). So candidates that no threshold lets through
need not go through the stage one by one: it is asked only about those that may be entered, about held symbols that the
models have turned against, and about all that a strategy without models holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.adapters.scorer import OnnxPredictor, verified
from shared.contracts.messages import CandidateSlice, Signal
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL, ModelCard
from shared.contracts.records import Table, symbol_key
from shared.contracts.settings import PolicySettings
from shared.core.errors import InvariantError
from shared.core.features import SymbolDay, atr_path, day_features, prepare
from shared.core.features.history import BAR_S, DAY_S, midnight_s
from shared.core.market import BASIS_POINTS, FloatArray, IntArray, Timeframe, TradingDay
from shared.core.regime import Regime
from shared.core.schedule import Job, plan
from shared.core.sessions import Session
from shared.core.settings import FIRST_STRATEGY
from shared.core.splits import NO_SPLITS
from shared.core.values import Symbol, from_epoch, require
from shared.ports import Ports
from shared.stages.base.ledger import load_ledger
from shared.stages.entry.score import score
from shared.strategies.catalogue import ActiveStrategy
from shared.strategies.protocol import Rule, StateRule, lacking, moved, rows_of, sound, window
from shared.strategies.wishes import Move
from simulation.market.tape import Tape
from training.backtest.records import Judged
from training.labels import DOWN, UP, BarrierRule, triple_barrier

HISTORY_DAYS = 21
DAILY_DAYS = 120
SAMPLE_EVERY_S = 900
SLACK = 1e-6
"""The filter lets through what lies so little below a threshold: the stage itself decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedSet:
    """Bytes and cards of the models that trade together: signal, move, and what else is published beside them."""

    models: tuple[tuple[bytes, ModelCard], ...]

    def __post_init__(self) -> None:
        names = [card.name for _, card in self.models]
        require({SIGNAL_MODEL, MOVE_MODEL} <= set(names), "models", names, f"{SIGNAL_MODEL} and {MOVE_MODEL} at least")

    def card(self, name: str) -> ModelCard:
        """The card of one of them."""
        return next(card for _, card in self.models if card.name == name)

    @property
    def version(self) -> str:
        """The signal model's."""
        return self.card(SIGNAL_MODEL).version

    def predictors(self) -> tuple[OnnxPredictor, OnnxPredictor]:
        """Check signal and move, and open them."""
        found = {card.name: (card, onnx) for onnx, card in self.models}
        return verified(*found[SIGNAL_MODEL]), verified(*found[MOVE_MODEL])


@dataclass(frozen=True, slots=True, kw_only=True)
class DayScores:
    """Scores of every symbol at every candidates slot of a day.

    `edge` and `move` of shape (n_slots, n_symbols): p_up - p_down and the expected move as a fraction, NaN without a
    bar or models. `wishes` of the same shape: whether a strategy beside the models' may want to enter. `slots` names
    the rows, `symbols` the columns.
    """

    slots: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    edge: FloatArray
    move: FloatArray
    wishes: NDArray[np.bool_]
    judged: Judged
    rows: int


def symbol_days(
    tape: Tape, day: TradingDay, symbols: Iterable[str], *, history: tuple[int, int] = (HISTORY_DAYS, DAILY_DAYS)
) -> list[SymbolDay]:
    """Symbols of a tape on a day, whole, with their past: so many days of 5-minute and of daily bars before it."""
    start = midnight_s(day.on)
    end, since, daily_since = (from_epoch(start + days * DAY_S) for days in (1, -history[0], -history[1]))
    items = []
    for symbol in map(Symbol, symbols):
        minutes = tape.bars(symbol, Timeframe.MIN_5, since, end)
        daily = tape.bars(symbol, Timeframe.DAY_1, daily_since, from_epoch(start))
        splits = tape.splits.get(symbol, NO_SPLITS)
        past = prepare(symbol, daily=daily, history=minutes.between(0, start), day=day, splits=splits)
        items.append(SymbolDay(past=past, today=minutes.between(start, start + DAY_S)))
    return items


def score_day(
    tape: Tape,
    day: TradingDay,
    models: tuple[OnnxPredictor, OnnxPredictor] | None,
    context: Sequence[str],
    strategies: Sequence[ActiveStrategy] = (),
) -> DayScores:
    """Compute features and scores of a whole day, and ask strategies for it.

    Parameters
    ----------
    tape : Tape
    day : TradingDay
    models : tuple of OnnxPredictor or None
        Signal and move; without them there are no scores.
    context : sequence of str
        Symbols whose bars are context of every row, as `context_symbols` gives them.
    strategies : sequence of ActiveStrategy
        Those that trade; the models' own is passed over.
    """
    items = symbol_days(tape, day, tape.assets)
    scored = None if models is None else _scored(items, models, context, day)
    edges = np.cumsum([0, *(len(item.today) for item in items)])
    jobs = plan(day, frozenset({Job.CANDIDATES}), frozenset(Session))
    slots_s = np.array([int(job.due_at.timestamp()) for job in jobs])
    edge, move = (np.full((len(jobs), len(items)), np.nan) for _ in range(2))
    wishes = np.zeros((len(jobs), len(items)), np.bool_)
    for k, item in enumerate(items):
        last = np.searchsorted(item.today.start_s + BAR_S, slots_s, side="right") - 1
        there = last >= 0
        if scored is not None:
            at = edges[k] + last[there]
            edge[there, k] = scored.probabilities[at, UP] - scored.probabilities[at, DOWN]
            move[there, k] = scored.moves[at]
        for each in strategies:
            wishes[there, k] |= may_enter(each, item)[last[there]]
    return DayScores(
        slots=tuple(job.slot for job in jobs),
        symbols=tuple(item.symbol for item in items),
        edge=edge,
        move=move,
        wishes=wishes,
        judged=Judged.together([]) if scored is None else _judged(items, scored.probabilities, edges, day),
        rows=int(edges[-1]),
    )


@dataclass(frozen=True, slots=True)
class _ScoredDay:
    """Probabilities of shape (n, 3) and expected moves of shape (n,) of all bars of a day, symbol after symbol."""

    probabilities: FloatArray
    moves: FloatArray


def _scored(
    items: Sequence[SymbolDay], models: tuple[OnnxPredictor, OnnxPredictor], context: Sequence[str], day: TradingDay
) -> _ScoredDay:
    by_symbol = {item.symbol: item for item in items}
    market = [by_symbol[Symbol(name)] for name in context if name in by_symbol]
    rows = np.concatenate(day_features(items, market, day))
    return _ScoredDay(models[0].predict(rows), models[1].predict(rows)[:, 0])


def may_enter(each: ActiveStrategy, item: SymbolDay) -> NDArray[np.bool_]:
    """Bars of a day, shape (n,), at whose close a strategy may want to enter; all of them where that is not known.

    What a rule says of a bar depends on no later one, so the whole day is asked at once. One that fails is left to the
    stage, which refuses and records it.
    """
    strategy, today = each.strategy, item.today
    if isinstance(strategy, Rule | StateRule) and lacking(strategy, len(item.past.tail), today):
        return np.zeros(len(today), np.bool_)
    try:
        if isinstance(strategy, Rule):
            bars = window(strategy, item.past.tail, today)
            return sound(strategy, strategy.wishes(bars), bars).enter[len(bars) - len(today) :]
        if isinstance(strategy, StateRule):
            rows = rows_of(strategy, window(strategy, item.past.tail, today))[-len(today) :]
            return np.array([moved(strategy, row, None) is Move.ENTER for row in rows], np.bool_)
    except Exception:  # a strategy may raise anything
        return np.ones(len(today), np.bool_)
    return np.full(len(today), each.name != FIRST_STRATEGY)


def _judged(items: Sequence[SymbolDay], probabilities: FloatArray, edges: IntArray, day: TradingDay) -> Judged:
    """What came of the rows every quarter of an hour."""
    open_s, close_s = int(day.open_at.timestamp()), int(day.close_at.timestamp())
    places, outcomes = [], []
    for k, item in enumerate(items):
        since = item.today.start_s + BAR_S - open_s
        chosen = np.flatnonzero((since > 0) & (since % SAMPLE_EVERY_S == 0) & (since + open_s <= close_s - 600))
        labels = triple_barrier(item.today, atr_path(item), chosen, close_s=close_s, rule=BarrierRule())
        places.append(edges[k] + chosen[labels.known])
        outcomes.append(labels.outcome[labels.known])
    place = np.concatenate(places) if places else np.empty(0, np.int64)
    return Judged(
        probabilities=probabilities[place],
        outcome=np.concatenate(outcomes).astype(np.int8) if outcomes else np.empty(0, np.int8),
    )


class BatchedScore:
    """The score stage, asked only where the batch says that its answer can matter.

    Attributes
    ----------
    skipped : int
        Candidates of the day that could come to nothing.
    """

    def __init__(self) -> None:
        self.scores: DayScores | None = None
        self.skipped = 0
        self._column: dict[Symbol, int] = {}
        self._turned: set[Symbol] = set()
        self._followed: dict[tuple[Symbol, str], int] = {}

    def begin(self, scores: DayScores | None) -> None:
        """Go over to another day; one without scores has no models, and the stage says so itself."""
        self.scores, self.skipped = scores, 0
        self._column = {} if scores is None else {symbol: k for k, symbol in enumerate(scores.symbols)}
        self._turned.clear()
        self._followed.clear()

    def __call__(self, message: CandidateSlice, ports: Ports) -> list[Signal]:
        """As `shared.stages.entry.score.score`; candidates that come to nothing leave no row.

        Raises
        ------
        InvariantError
            If the stage scores a candidate otherwise than the batch.
        """
        if self.scores is None or message.slot not in self.scores.slots:
            return score(message, ports)  # a story's slot is any minute
        slot, columns = self.scores.slots.index(message.slot), [self._column[s] for s in message.symbols]
        edge, move = self.scores.edge[slot, columns], self.scores.move[slot, columns]
        wishes = self.scores.wishes[slot, columns]
        policy = ports.settings.policy
        with np.errstate(invalid="ignore"):
            # The spread is still to be paid: what does not clear the threshold before it clears none after it.
            least_bp = policy.net_move_min_bp + policy.cost_beside_spread_bp - SLACK
            enters = wishes | ((edge >= _least_edge(policy) - SLACK) & (move * float(BASIS_POINTS) >= least_bp))
            turned = edge <= -policy.edge_min + SLACK
        stored = load_ledger(ports)
        reservations = stored.value.reservations if stored else ()
        # What was refused is followed on paper, and asked when to leave as what is held is.
        pairs = {pair for pair, until in self._followed.items() if slot <= until}
        pairs |= {(reservation.symbol, reservation.strategy) for reservation in reservations}
        held = {symbol for symbol, _ in pairs}
        asking = {symbol for symbol, strategy in pairs if strategy != FIRST_STRATEGY}
        wanted = tuple(
            symbol
            for symbol, may_be, is_turned in zip(message.symbols, enters.tolist(), turned.tolist(), strict=True)
            if may_be or symbol in asking or (symbol in held and (is_turned or symbol in self._turned))
        )
        self.skipped += len(message.symbols) - len(wanted)
        if not wanted:
            return []
        signals = score(replace(message, symbols=wanted), ports)
        self._check(message, wanted, ports)
        for symbol in wanted:
            (self._turned.add if turned[message.symbols.index(symbol)] else self._turned.discard)(symbol)
        for signal in signals:
            hold_s = 60 * (signal.hold_min or policy.hold_max_min)
            self._followed[signal.symbol, signal.strategy] = slot + hold_s // BAR_S + 1
        return signals

    def _check(self, message: CandidateSlice, wanted: Sequence[Symbol], ports: Ports) -> None:
        """Hold the batch against what the stage has written."""
        assert self.scores is not None
        slot = self.scores.slots.index(message.slot)
        for symbol in wanted:
            stored = ports.tables.get(Table.SIGNALS, str(message.on), symbol_key(symbol, message.slot, FIRST_STRATEGY))
            if stored is None or "edge" not in stored.value or not stored.value.get("models"):
                continue
            found, expected = float(str(stored.value["edge"])), float(self.scores.edge[slot, self._column[symbol]])
            if found != expected:
                where = f"{symbol} at {message.on} {message.slot}"
                raise InvariantError(f"edge of {where} is {expected} in the batch, {found} at the stage")


def _least_edge(policy: PolicySettings) -> float:
    """Edge below which no session and no regime lets an entry through."""
    return min(policy.edge_least(session, regime) for session in Session for regime in Regime)
