"""Score: a slice of candidates -> features, model opinions, policy -> signals. Every opinion is recorded.

What the opinions rest on is kept as `SliceInputs`: from it `opinions` and `signal_of`, which are pure, come to the same
again (shared.stages.evidence.replay).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import CandidateSlice, Message, Notice, Signal
from shared.contracts.model_card import REGIME_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.core.features import (
    FEATURE_NAMES,
    latest_features,
)
from shared.core.ids import decision_id, digest
from shared.core.market import BASIS_POINTS, FloatArray, Quote, Timeframe
from shared.core.packing import pack
from shared.core.policy import PolicyCode
from shared.core.regime import RegimeView
from shared.core.unread import unread_in, why_unread
from shared.core.values import Symbol, iso
from shared.decision.opinions import SCORED_BY, STRATEGY, DecisionModels, Opinion, Scene, models_of, opinions, signal_of
from shared.ports import Cell, Ports, Row
from shared.stages.base.day_market import tell_unread
from shared.stages.base.facts import settings_id
from shared.stages.base.history import SliceBars, load_panel
from shared.stages.base.ledger import watching


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
        settings=settings.decision,
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


def _models(ports: Ports) -> DecisionModels:
    states = {name: ports.models.current(name) for name in SCORED_BY}
    fault = "; ".join(state.fault for state in states.values() if state.predictor is None)
    regime = ports.models.current(REGIME_MODEL)
    predictors = {name: state.predictor for name, state in states.items()} | {REGIME_MODEL: regime.predictor}
    return models_of(predictors, fault, "" if regime.predictor else regime.fault)


def _keep_inputs(
    ports: Ports,
    scene: Scene,
    history_blob: str,
    panel: SliceBars,
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
