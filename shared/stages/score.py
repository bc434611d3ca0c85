"""Score: a slice of candidates -> features, model opinions, policy -> signals. Every opinion is recorded.

What the opinions rest on is kept as `SliceInputs`: from it `opinions` and `signal_of`, which are pure, come to the same
again (shared.stages.replay).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from shared.contracts.cases import DecisionSettings, ModelUsed, SliceInputs
from shared.contracts.messages import CandidateSlice, Message, Notice, Signal
from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.contracts.settings import PolicySettings
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
from shared.core.ids import decision_id, digest, hash_id
from shared.core.market import BASIS_POINTS, FloatArray, Quote, Timeframe, TradingDay
from shared.core.packing import pack
from shared.core.policy import EntryRule, PolicyCode, Score, judge
from shared.core.regime import UNKNOWN, Regime, RegimeView, view_of
from shared.core.sessions import Session, entries_end_at, session_at
from shared.core.unread import unread_in, why_unread
from shared.core.values import Rounding, Symbol, iso, to_price
from shared.ports import Cell, Ports, Predictor, Row
from shared.stages.day_market import tell_unread
from shared.stages.facts import settings_id, watching
from shared.stages.panel import Panel, load_panel

STRATEGY = "momentum.v1"
SCORED_BY = (SIGNAL_MODEL, MOVE_MODEL)
"""The models that give an opinion."""
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
    regime: RegimeView = UNKNOWN

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
    regime: Predictor | None = None
    regime_fault: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """`name/version` of each."""
        return tuple(f"{used.name}/{used.version}" for used in self.used)

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Each as its card names it."""
        cards = (predictor.card for predictor in (self.signal, self.move, self.regime) if predictor is not None)
        return tuple(ModelUsed(name=card.name, version=card.version, sha256=card.sha256) for card in cards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all opinions of one slice share. `now` is the instant at which sessions, ages and lateness are judged."""

    on: date
    slot: str
    message_id: str
    day: TradingDay
    now: datetime
    settings: DecisionSettings
    models: Models
    features_blob: str

    @property
    def session(self) -> Session:
        """Session at `now`."""
        return session_at(self.now, self.day)

    @property
    def is_late(self) -> bool:
        """Too near to the close for an entry."""
        minutes = self.settings.policy.no_entry_before_close_min
        edge = entries_end_at(self.session, self.day)
        return edge is not None and self.now >= edge - timedelta(minutes=minutes)


def score(message: CandidateSlice, ports: Ports) -> list[Signal]:
    """Score a slice in one batch; record every opinion; return the signals that policy wants to act on."""
    return _score(message, ports)[0]


def score_and_tell(message: CandidateSlice, ports: Ports) -> list[Message]:
    """Score a slice; return with its signals a notice of what could not be read, once a day for each kind."""
    signals, notices = _score(message, ports)
    return [*signals, *notices]


def _score(message: CandidateSlice, ports: Ports) -> tuple[list[Signal], list[Notice]]:
    now = ports.clock.now()
    day = ports.calendar.day(message.on)
    if day is None or now >= message.expires_at:
        _record_dropped(ports, message, now)
        return [], []
    with watching(ports, "market"):
        panel = load_panel(ports, message.symbols, message.history_blob, day)
    features = latest_features(panel.items, panel.market, day)
    quotes = ports.market.quotes([item.symbol for item in panel.items])
    settings = ports.settings
    scene = Scene(
        on=message.on,
        slot=message.slot,
        message_id=message.message_id,
        day=day,
        now=now,
        settings=DecisionSettings(policy=settings.policy, risk=settings.risk),
        models=_models(ports),
        features_blob="",
    )
    scene = replace(
        scene, features_blob=_keep_inputs(ports, scene, message.history_blob, panel, features=features, quotes=quotes)
    )
    found = opinions(scene, panel.items, features, quotes)
    rows: dict[str, Row] = {
        symbol_key(symbol, message.slot): _unknown_row(message, symbol, why, now)
        for symbol, why in panel.unknown.items()
    }
    for opinion in found:
        symbol = opinion.item.symbol
        rows[symbol_key(symbol, message.slot)] = _row(ports, scene, opinion, why_unread(symbol, panel, quotes))
    ports.tables.put_many(Table.SIGNALS, str(message.on), rows)
    signals = [signal_of(scene, opinion) for opinion in found if opinion.code is PolicyCode.ENTER]
    return signals, tell_unread(ports, day, unread_in(panel, quotes))


def opinions(
    scene: Scene, items: Sequence[SymbolDay], features: FloatArray, quotes: Mapping[Symbol, Quote]
) -> list[Opinion]:
    """What models and policy say of each symbol. Pure: the same inputs give the same opinions, bit for bit.

    Parameters
    ----------
    features : float64 of shape (len(items), n_features)
    """
    scores = _predict(scene.models, features)
    regime = _regime(scene.models, features)
    rule = entry_rule(scene.settings.policy)
    return [
        _opinion(scene, item, row, scored, quote=quotes.get(item.symbol), rule=rule, regime=regime)
        for item, row, scored in zip(items, features, scores, strict=True)
    ]


def entry_rule(policy: PolicySettings) -> EntryRule:
    """The policy's thresholds out of its settings."""
    return EntryRule(
        edge_min=policy.edge_min,
        net_move_min_bp=policy.net_move_min_bp,
        sessions=frozenset(policy.entry_sessions),
        session_factors={
            Session.REG_AM: policy.edge_factor_morning,
            Session.REG_MID: policy.edge_factor_midday,
            Session.REG_PM: policy.edge_factor_afternoon,
            Session.PRE: policy.edge_factor_extended,
            Session.AFT: policy.edge_factor_extended,
        },
        regime_factors={Regime.CALM: policy.edge_factor_calm, Regime.STRESSED: policy.edge_factor_stressed},
    )


def _models(ports: Ports) -> Models:
    states = {name: ports.models.current(name) for name in SCORED_BY}
    fault = "; ".join(state.fault for state in states.values() if state.predictor is None)
    regime = ports.models.current(REGIME_MODEL)
    predictors = {name: state.predictor for name, state in states.items()} | {REGIME_MODEL: regime.predictor}
    return models_of(predictors, fault, "" if regime.predictor else regime.fault)


def models_of(predictors: Mapping[str, Predictor | None], fault: str, regime_fault: str = "") -> Models:
    """The models of `SCORED_BY` by name; one that is missing or None could not be trusted, as `fault` says.

    The regime model is not needed: without it, as `regime_fault` says, thresholds are those of a normal market.
    """
    return Models(
        signal=predictors.get(SIGNAL_MODEL),
        move=predictors.get(MOVE_MODEL),
        fault=fault,
        regime=predictors.get(REGIME_MODEL),
        regime_fault=regime_fault,
    )


def _regime(models: Models, features: FloatArray) -> RegimeView:
    """Ask the regime model once: what it looks at is the index, the same in every row."""
    if models.regime is None or not len(features):
        return UNKNOWN
    return view_of(models.regime.predict(features[:1])[0])


def _predict(models: Models, features: FloatArray) -> list[Score]:
    """Ask both models; without a trusted one every score is flat, which no policy enters on."""
    if models.signal is None or models.move is None or not len(features):
        return [Score(p_up=0.0, p_none=1.0, p_down=0.0, expected_move=0.0)] * len(features)
    down, none, up = (SIGNAL_CLASSES.index(name) for name in ("down", "none", "up"))
    return [
        Score(p_up=float(p[up]), p_none=float(p[none]), p_down=float(p[down]), expected_move=float(m[0]))
        for p, m in zip(models.signal.predict(features), models.move.predict(features), strict=True)
    ]


def _opinion(
    scene: Scene,
    item: SymbolDay,
    row: FloatArray,
    scored: Score,
    *,
    quote: Quote | None,
    rule: EntryRule,
    regime: RegimeView,
) -> Opinion:
    settings = scene.settings
    faults = data_faults(item, scene.day, at=scene.now, bar_age_max_s=settings.risk.bar_age_max_s)
    if not faults:
        faults = feature_faults(row)
    two_sided = quote is not None and quote.is_two_sided
    if not two_sided:
        faults = (*faults, "quote: none, or one-sided")
    atr = atr_5m(item)
    if not atr > 0:
        faults = (*faults, "atr: undefined")
    cost_bp = float(quote.spread_bp) + COST_BESIDE_SPREAD_BP if quote is not None and two_sided else math.nan
    code = judge(
        scored,
        cost_bp=cost_bp,
        session=scene.session,
        is_late=scene.is_late,
        faults=faults,
        rule=rule,
        regime=regime.regime,
    )
    if scene.models.fault:
        code = PolicyCode.MODEL_HEALTH
    return Opinion(
        item=item, quote=quote, score=scored, code=code, faults=faults, cost_bp=cost_bp, atr=atr, regime=regime
    )


def _keep_inputs(
    ports: Ports,
    scene: Scene,
    history_blob: str,
    panel: Panel,
    *,
    features: FloatArray,
    quotes: Mapping[Symbol, Quote],
) -> str:
    """Keep what the opinions rest on, in two blobs; return the name of the one that names the other.

    What another delivery of the slice has kept stays: its signals may have been acted on. What this one saw has a name
    of its own where it is something else.
    """
    today = {item.symbol: item.today for item in (*panel.items, *panel.market)}
    document = SliceInputs(
        message_id=scene.message_id,
        on=scene.on,
        slot=scene.slot,
        at=scene.now,
        day=scene.day,
        names=FEATURE_NAMES,
        symbols=tuple(item.symbol for item in panel.items),
        rows=tuple(tuple(map(_number, row)) for row in features.tolist()),
        market_symbols=tuple(item.symbol for item in panel.market),
        quotes=quotes,
        history_blob=history_blob,
        bars_blob=ports.history.write(scene.on, scene.slot, {Timeframe.MIN_5: today}, kind="today"),
        models=scene.models.used,
        model_fault=scene.models.fault,
        settings_id=settings_id(ports, scene.settings),
        settings=scene.settings,
    )
    data = pack(ports.codec.encode(document).encode())
    name = f"{scene.on}/{scene.slot}/{scene.message_id}.json.gz"
    if not ports.blobs.insert(Container.FEATURES, name, data):
        kept = ports.blobs.get(Container.FEATURES, name)
        if kept is None or kept.value != data:
            name = f"{name.removesuffix('.json.gz')}-{digest(data)[:16]}.json.gz"
            ports.blobs.insert(Container.FEATURES, name, data)
    return name


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _row(ports: Ports, scene: Scene, opinion: Opinion, unread: Sequence[str]) -> Row:
    scored, quote = opinion.score, opinion.quote
    return {
        **_base_row(scene, opinion.item.symbol, opinion.code, scene.now),
        "faults": "; ".join((*opinion.faults, *unread)) or scene.models.fault,
        "session": scene.session.value,
        "p_up": scored.p_up,
        "p_none": scored.p_none,
        "p_down": scored.p_down,
        "edge": scored.edge,
        "expected_move_bp": scored.expected_move * float(BASIS_POINTS),
        **_regime_cells(scene, opinion.regime),
        "cost_bp": _number(opinion.cost_bp),
        "price_usd": _number(opinion.price),
        "atr_usd": _number(opinion.atr),
        "bid_usd": None if quote is None else str(quote.bid),
        "ask_usd": None if quote is None else str(quote.ask),
        "features_blob": scene.features_blob,
        "code_revision": ports.code_revision,
        "models": " ".join(scene.models.versions),
        "parameter_set": scene.settings.policy.parameter_set,
    }


def _regime_cells(scene: Scene, view: RegimeView) -> dict[str, Cell]:
    if view.regime is None:
        return {"regime": "unknown", "regime_fault": scene.models.regime_fault or None}
    calm, normal, stressed = view.probabilities
    return {"regime": view.regime.value, "p_calm": calm, "p_normal": normal, "p_stressed": stressed}


def _base_row(scene: Scene | CandidateSlice, symbol: Symbol, code: PolicyCode, now: datetime) -> dict[str, Cell]:
    return {
        "decision_id": decision_id(scene.on, scene.slot, symbol, STRATEGY),
        "symbol": symbol,
        "slot": scene.slot,
        "strategy": STRATEGY,
        "policy": code.value,
        "scored_at": iso(now),
        "message_id": scene.message_id,
    }


def _unknown_row(message: CandidateSlice, symbol: Symbol, why: str, now: datetime) -> Row:
    return _base_row(message, symbol, PolicyCode.DATA_QUALITY, now) | {"faults": why}


def _record_dropped(ports: Ports, message: CandidateSlice, now: datetime) -> None:
    """A slice too old to act on leaves a row for each symbol that has none yet, and nothing else."""
    fault = f"message expired at {iso(message.expires_at)}"
    partition = str(message.on)
    for symbol in message.symbols:
        row = _base_row(message, symbol, PolicyCode.TOO_LATE, now) | {"faults": fault}
        ports.tables.insert(Table.SIGNALS, partition, symbol_key(symbol, message.slot), row)


def signal_of(scene: Scene, opinion: Opinion) -> Signal:
    """The signal of an opinion that policy wants to act on."""
    symbol, scored = opinion.item.symbol, opinion.score
    decided = decision_id(scene.on, scene.slot, symbol, STRATEGY)
    return Signal(
        message_id=hash_id("signal", decided),
        correlation_id=decided,
        causation_id=scene.message_id,
        decided_at=scene.now,
        expires_at=scene.now + timedelta(seconds=scene.settings.policy.signal_ttl_s),
        decision_id=decided,
        on=scene.on,
        slot=scene.slot,
        symbol=symbol,
        strategy=STRATEGY,
        session=scene.session,
        reference_price=to_price(opinion.price),
        atr=to_price(opinion.atr, Rounding.UP),
        adv_shares=int(adv_shares(opinion.item)),
        daily_volatility=daily_volatility(opinion.item),
        p_up=scored.p_up,
        p_none=scored.p_none,
        p_down=scored.p_down,
        expected_move=scored.expected_move,
        features_blob=scene.features_blob,
        model_versions=scene.models.versions,
        parameter_set=scene.settings.policy.parameter_set,
    )
