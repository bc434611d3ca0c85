"""Score: a slice of candidates -> features, model opinions, policy -> signals. Every opinion is recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.messages import CandidateSlice, Signal
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.core.features import (
    FEATURE_NAMES,
    SymbolDay,
    adv_shares,
    atr_5m,
    daily_volatility,
    data_faults,
    feature_faults,
    latest_features,
)
from shared.core.ids import canonical_json, decision_id, hash_id
from shared.core.market import BASIS_POINTS, FloatArray, Quote, TradingDay
from shared.core.policy import EntryRule, PolicyCode, Score, judge
from shared.core.sessions import Session, session_at
from shared.core.values import Rounding, Symbol, iso, to_price
from shared.ports import Cell, Ports, Predictor, Row
from shared.stages.facts import watching
from shared.stages.panel import load_panel

STRATEGY = "momentum.v1"
COST_BESIDE_SPREAD_BP = 4.0
"""Expected slippage and fees of a round trip beyond the spread, in basis points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What came of one candidate."""

    item: SymbolDay
    quote: Quote | None
    score: Score
    code: PolicyCode
    faults: tuple[str, ...]
    cost_bp: float
    atr: float

    @property
    def price(self) -> float:
        """Last close in USD, NaN without a bar today."""
        return float(self.item.today.close[-1]) if len(self.item.today) else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that give opinions, with what is wrong where one cannot be trusted."""

    signal: Predictor | None
    move: Predictor | None
    fault: str

    @property
    def versions(self) -> tuple[str, ...]:
        """`name/version` of each."""
        return tuple(f"{p.card.name}/{p.card.version}" for p in (self.signal, self.move) if p is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all opinions of one slice share."""

    ports: Ports
    message: CandidateSlice
    day: TradingDay
    now: datetime
    models: Models
    features_blob: str

    @property
    def session(self) -> Session:
        return session_at(self.now, self.day)

    @property
    def is_late(self) -> bool:
        minutes = self.ports.settings.policy.no_entry_before_close_min
        return self.now >= self.day.close_at - timedelta(minutes=minutes)


def score(message: CandidateSlice, ports: Ports) -> list[Signal]:
    """Score a slice in one batch; record every opinion; return the signals that policy wants to act on."""
    now = ports.clock.now()
    day = ports.calendar.day(message.on)
    if day is None or now >= message.expires_at:
        _record_dropped(ports, message, now)
        return []
    with watching(ports, "market"):
        panel = load_panel(ports, message.symbols, message.history_blob, day)
    features = latest_features(panel.items, panel.market, day)
    quotes = ports.market.quotes([item.symbol for item in panel.items])
    run = _Run(
        ports=ports,
        message=message,
        day=day,
        now=now,
        models=_models(ports),
        features_blob=_keep_features(ports, message, [item.symbol for item in panel.items], features),
    )
    opinions = [
        _opinion(run, item, row, scored, quotes.get(item.symbol))
        for item, row, scored in zip(panel.items, features, _predict(run.models, features), strict=True)
    ]
    rows: dict[str, Row] = {symbol_key(s, message.slot): _unknown_row(message, s, now) for s in panel.unknown}
    for opinion in opinions:
        rows[symbol_key(opinion.item.symbol, message.slot)] = _row(run, opinion)
    ports.tables.put_many(Table.SIGNALS, str(message.on), rows)
    return [_signal(run, opinion) for opinion in opinions if opinion.code is PolicyCode.ENTER]


def _models(ports: Ports) -> Models:
    signal, move = ports.models.current(SIGNAL_MODEL), ports.models.current(MOVE_MODEL)
    fault = "; ".join(state.fault for state in (signal, move) if state.predictor is None)
    return Models(signal=signal.predictor, move=move.predictor, fault=fault)


def _predict(models: Models, features: FloatArray) -> list[Score]:
    """Ask both models; without a trusted one every score is flat, which no policy enters on."""
    if models.signal is None or models.move is None or not len(features):
        return [Score(p_up=0.0, p_none=1.0, p_down=0.0, expected_move=0.0)] * len(features)
    down, none, up = (SIGNAL_CLASSES.index(name) for name in ("down", "none", "up"))
    return [
        Score(p_up=float(p[up]), p_none=float(p[none]), p_down=float(p[down]), expected_move=float(m[0]))
        for p, m in zip(models.signal.predict(features), models.move.predict(features), strict=True)
    ]


def _opinion(run: _Run, item: SymbolDay, row: FloatArray, scored: Score, quote: Quote | None) -> Opinion:
    settings = run.ports.settings
    faults = data_faults(item, run.day, at=run.now, bar_age_max_s=settings.risk.bar_age_max_s)
    if not faults:
        faults = feature_faults(row)
    two_sided = quote is not None and quote.is_two_sided
    if not two_sided:
        faults = (*faults, "quote: none, or one-sided")
    atr = atr_5m(item)
    if not atr > 0:
        faults = (*faults, "atr: undefined")
    cost_bp = float(quote.spread_bp) + COST_BESIDE_SPREAD_BP if quote is not None and two_sided else math.nan
    rule = EntryRule(
        edge_min=settings.policy.edge_min,
        net_move_min_bp=settings.policy.net_move_min_bp,
        sessions=frozenset(settings.policy.entry_sessions),
    )
    code = judge(scored, cost_bp=cost_bp, session=run.session, is_late=run.is_late, faults=faults, rule=rule)
    if run.models.fault:
        code = PolicyCode.MODEL_HEALTH
    return Opinion(item=item, quote=quote, score=scored, code=code, faults=faults, cost_bp=cost_bp, atr=atr)


def _keep_features(ports: Ports, message: CandidateSlice, symbols: Sequence[Symbol], features: FloatArray) -> str:
    """Keep the exact vectors: shortest float64 text that reads back to the same bits, null for NaN."""
    vectors = [[_number(value) for value in row] for row in features.tolist()]
    document = {"schema_id": "features.v1", "names": list(FEATURE_NAMES), "symbols": list(symbols), "rows": vectors}
    name = f"{message.on}/{message.slot}/{message.message_id}.json"
    ports.blobs.put(Container.FEATURES, name, canonical_json(document))
    return name


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _row(run: _Run, opinion: Opinion) -> Row:
    scored, quote = opinion.score, opinion.quote
    return {
        **_base_row(run.message, opinion.item.symbol, opinion.code, run.now),
        "faults": "; ".join(opinion.faults) or run.models.fault,
        "session": run.session.value,
        "p_up": scored.p_up,
        "p_none": scored.p_none,
        "p_down": scored.p_down,
        "edge": scored.edge,
        "expected_move_bp": scored.expected_move * float(BASIS_POINTS),
        "cost_bp": _number(opinion.cost_bp),
        "price_usd": _number(opinion.price),
        "atr_usd": _number(opinion.atr),
        "bid_usd": None if quote is None else str(quote.bid),
        "ask_usd": None if quote is None else str(quote.ask),
        "features_blob": run.features_blob,
        "code_revision": run.ports.code_revision,
        "models": " ".join(run.models.versions),
        "parameter_set": run.ports.settings.policy.parameter_set,
    }


def _base_row(message: CandidateSlice, symbol: Symbol, code: PolicyCode, now: datetime) -> dict[str, Cell]:
    return {
        "decision_id": decision_id(message.on, message.slot, symbol, STRATEGY),
        "symbol": symbol,
        "slot": message.slot,
        "strategy": STRATEGY,
        "policy": code.value,
        "scored_at": iso(now),
        "message_id": message.message_id,
    }


def _unknown_row(message: CandidateSlice, symbol: Symbol, now: datetime) -> Row:
    fault = f"history: {symbol} is not in {message.history_blob}"
    return _base_row(message, symbol, PolicyCode.DATA_QUALITY, now) | {"faults": fault}


def _record_dropped(ports: Ports, message: CandidateSlice, now: datetime) -> None:
    """A slice too old to act on leaves a row for each symbol that has none yet, and nothing else."""
    fault = f"message expired at {iso(message.expires_at)}"
    partition = str(message.on)
    for symbol in message.symbols:
        row = _base_row(message, symbol, PolicyCode.TOO_LATE, now) | {"faults": fault}
        ports.tables.insert(Table.SIGNALS, partition, symbol_key(symbol, message.slot), row)


def _signal(run: _Run, opinion: Opinion) -> Signal:
    message, symbol, scored = run.message, opinion.item.symbol, opinion.score
    decided = decision_id(message.on, message.slot, symbol, STRATEGY)
    return Signal(
        message_id=hash_id("signal", decided),
        correlation_id=decided,
        causation_id=message.message_id,
        decided_at=run.now,
        expires_at=run.now + timedelta(seconds=run.ports.settings.policy.signal_ttl_s),
        decision_id=decided,
        on=message.on,
        slot=message.slot,
        symbol=symbol,
        strategy=STRATEGY,
        session=run.session,
        reference_price=to_price(opinion.price),
        atr=to_price(opinion.atr, Rounding.UP),
        adv_shares=int(adv_shares(opinion.item)),
        daily_volatility=daily_volatility(opinion.item),
        p_up=scored.p_up,
        p_none=scored.p_none,
        p_down=scored.p_down,
        expected_move=scored.expected_move,
        features_blob=run.features_blob,
        model_versions=run.models.versions,
        parameter_set=run.ports.settings.policy.parameter_set,
    )
