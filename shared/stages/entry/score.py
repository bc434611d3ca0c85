"""Score: a slice of candidates -> features, model opinions, policy -> signals. Every opinion is recorded.

What the opinions rest on is kept as `SliceInputs`: from it `opinions` and `signal_of`, which are pure, come to the same
again (shared.stages.evidence.replay).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import CandidateSlice, Message, Notice, Signal
from shared.contracts.model_card import REGIME_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.core.errors import ContractError
from shared.core.features import (
    ALL_FEATURE_NAMES,
    FEATURE_NAMES,
    TEXT_FEATURE_NAMES,
    latest_features,
)
from shared.core.ids import decision_id, digest
from shared.core.ledger import Reservation
from shared.core.market import BASIS_POINTS, FloatArray, Quote, Timeframe
from shared.core.order_states import Role
from shared.core.packing import pack
from shared.core.policy import PolicyCode, Score
from shared.core.portfolio import Entered
from shared.core.regime import RegimeView
from shared.core.text.stories import SymbolText
from shared.core.unread import unread_in, why_unread
from shared.core.values import Symbol, iso
from shared.decision.opinions import SCORED_BY, DecisionModels, Opinion, Scene, models_of, opinions, signal_of
from shared.ports import Cell, Ports, Row
from shared.stages.account.reconcile import recorded_order
from shared.stages.base.day_market import tell_unread
from shared.stages.base.facts import settings_id
from shared.stages.base.history import SliceBars, load_panel
from shared.stages.base.incidents import record_incident
from shared.stages.base.ledger import load_ledger, watching
from shared.stages.narrative.records import acted_on, texts_of
from shared.strategies import Advice, StateRule
from shared.strategies.catalogue import ActiveStrategy, traded


def score(message: CandidateSlice, ports: Ports) -> list[Signal]:
    """Score a slice in one batch; record every candidate; return the signals that policy wants to act on."""
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
    quotes = ports.market.quotes([item.symbol for item in panel.items])
    settings, strategies = ports.settings, traded(ports.settings.strategies)
    models = _models(ports, strategies)
    texts = _texts(ports, message, strategies, models, now)
    features = latest_features(panel.items, panel.market, day, texts=texts, at=now)
    scene = Scene(
        on=message.on,
        slot=message.slot,
        message_id=message.message_id,
        day=day,
        now=now,
        settings=settings.decision,
        models=models,
        features_blob="",
        entered=_entered(ports, message, strategies),
        texts=texts or {},
    )
    scene = replace(
        scene, features_blob=_keep_inputs(ports, scene, message.history_blob, panel, features=features, quotes=quotes)
    )
    found = opinions(scene, strategies, panel.items, features, quotes)
    # To a strategy that reads the news a symbol without any is no candidate: nine of ten rows would say nothing else.
    candidates = [opinion for opinion in found if opinion.advice.code is not PolicyCode.NO_STORY]
    reading, heard_of = _reading(strategies), {symbol for symbol, text in scene.texts.items() if text.stories}
    rows: dict[str, Row] = {
        symbol_key(symbol, message.slot, each.name): _unknown_row(message, symbol, each.name, why, now)
        for each in strategies
        for symbol, why in panel.unknown.items()
        if each.name not in reading or symbol in heard_of
    }
    for opinion in candidates:
        symbol = opinion.item.symbol
        key = symbol_key(symbol, message.slot, opinion.strategy)
        rows[key] = _row(ports, scene, opinion, why_unread(symbol, panel, quotes))
    ports.tables.put_many(Table.SIGNALS, str(message.on), rows)
    entering = [opinion for opinion in found if opinion.code is PolicyCode.ENTER]
    signals = [signal_of(scene, opinion) for opinion in entering]
    _mark_narratives(ports, scene, strategies, signals)
    return signals, [*tell_unread(ports, day, unread_in(panel, quotes)), *_tell_broken(ports, message, found)]


def _tell_broken(ports: Ports, message: CandidateSlice, found: Sequence[Opinion]) -> list[Notice]:
    """Record and tell of each strategy that could not be asked or failed, once a day."""
    faults = {each.strategy: each.faults[0] for each in found if each.code is PolicyCode.STRATEGY_HEALTH}
    notices: list[Notice] = []
    for strategy, fault in faults.items():
        title = f"{strategy} gives no opinion"
        body = f"{fault}\nNothing is traded by it on this slice; every other strategy trades on."
        key = f"strategy-fault|{strategy}"
        notices += record_incident(
            ports, message.on, key, now=ports.clock.now(), kind="strategy-fault", title=title, body=body
        )
    return notices


def _models(ports: Ports, strategies: Sequence[ActiveStrategy]) -> DecisionModels:
    needed = (name for each in strategies if each.strategy for name in each.strategy.needs.models)
    states = {name: ports.models.current(name) for name in dict.fromkeys((*SCORED_BY, *needed))}
    fault = "; ".join(state.fault for state in states.values() if state.predictor is None)
    regime = ports.models.current(REGIME_MODEL)
    predictors = {name: state.predictor for name, state in states.items()} | {REGIME_MODEL: regime.predictor}
    return models_of(predictors, fault, "" if regime.predictor else regime.fault)


def _texts(
    ports: Ports,
    message: CandidateSlice,
    strategies: Sequence[ActiveStrategy],
    models: DecisionModels,
    now: datetime,
) -> Mapping[Symbol, SymbolText] | None:
    """What the news says of a slice's symbols; None where no strategy, no model and no committee reads it.

    A narrative that this very slice acted on when it came before is as it was then.
    """
    cards = [predictor.card for predictor in models.predictors.values()]
    by_models = any(name in TEXT_FEATURE_NAMES for card in cards for name in card.feature_names)
    reading = _reading(strategies)
    if not (reading or by_models or ports.settings.committee.strategies):
        return None
    found = texts_of(ports, message.on, message.symbols, now)
    own = {decision_id(message.on, message.slot, symbol, name) for symbol in message.symbols for name in reading}
    return {symbol: _unmarked(text, own) for symbol, text in found.items()}


def _unmarked(text: SymbolText, own: AbstractSet[str]) -> SymbolText:
    told = text.narrative
    return replace(text, narrative=replace(told, signal="")) if told is not None and told.signal in own else text


def _reading(strategies: Sequence[ActiveStrategy]) -> list[str]:
    return [each.name for each in strategies if each.strategy is not None and each.strategy.needs.text]


def _mark_narratives(
    ports: Ports, scene: Scene, strategies: Sequence[ActiveStrategy], signals: Sequence[Signal]
) -> None:
    """Note in each narrative which decision acts on it: none acts on it again."""
    reading = _reading(strategies)
    for signal in signals:
        told = scene.texts[signal.symbol].narrative if signal.strategy in reading else None
        if told is not None:
            acted_on(ports, told, signal.decision_id)


def _entered(
    ports: Ports, message: CandidateSlice, strategies: Sequence[ActiveStrategy]
) -> Mapping[str, Mapping[Symbol, Entered]]:
    """What strategies that look at their positions hold of a slice's symbols.

    What cannot be read counts as not held, and DUPLICATE refuses an entry of it: supervise tells of such a row, and one
    strategy's keeps no other from being asked.
    """
    asking = [each.name for each in strategies if isinstance(each.strategy, StateRule)]
    found: dict[str, dict[Symbol, Entered]] = {}
    reservations: Sequence[Reservation] = ()
    with suppress(ContractError):
        stored = load_ledger(ports) if asking else None
        reservations = stored.value.reservations if stored else ()
    for reservation in reservations:
        if reservation.strategy in asking and reservation.symbol in message.symbols:
            with suppress(ContractError):
                entered = _entered_by(ports, reservation)
                found.setdefault(reservation.strategy, {}).update(entered)
    return found


def _entered_by(ports: Ports, reservation: Reservation) -> Mapping[Symbol, Entered]:
    state = recorded_order(ports, reservation.reserved_on, reservation.symbol, reservation.intent_id)
    if state is None or state.held <= 0:
        return {}
    price = float(state.value(Role.ENTRY) / state.bought)
    return {reservation.symbol: Entered(at=state.filled_at or reservation.reserved_at, price=price)}


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
        names=ALL_FEATURE_NAMES if features.shape[1] > len(FEATURE_NAMES) else FEATURE_NAMES,
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
        entered=scene.entered,
        texts=scene.texts,
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
    quote, leave = opinion.quote, opinion.leave
    return {
        **_base_row(scene, opinion.item.symbol, opinion.strategy, opinion.code, scene.now),
        "faults": "; ".join((*opinion.faults, *unread)),
        "session": scene.session.value,
        "leave": None if leave is None or unread else leave.value,
        **_score_cells(opinion.advice.score),
        **_regime_cells(scene, opinion.advice.regime),
        **_text_cells(ports, opinion.advice),
        "stop_usd": _number(opinion.advice.stop),
        "target_usd": _number(opinion.advice.target),
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


def _score_cells(score: Score | None) -> dict[str, Cell]:
    if score is None:
        return {}
    return {
        "p_up": score.p_up,
        "p_none": score.p_none,
        "p_down": score.p_down,
        "edge": score.edge,
        "expected_move_bp": score.expected_move * float(BASIS_POINTS),
    }


FIGURE_COLUMNS = ("narrative", "price_score", "divergence")
"""Figures with a column of their own, beside the one that holds them all."""


def _text_cells(ports: Ports, advice: Advice) -> dict[str, Cell]:
    """Why a strategy enters, and what it rests on, where it says so."""
    figures = {name: value for name, value in advice.figures.items() if math.isfinite(value)}
    shown = {name: figures[name] for name in FIGURE_COLUMNS if name in figures}
    return {"reason": advice.reason or None, "figures": ports.codec.encode(figures) if figures else None, **shown}


def _regime_cells(scene: Scene, view: RegimeView) -> dict[str, Cell]:
    if view.regime is None:
        return {"regime": "unknown", "regime_fault": scene.models.regime_fault or None}
    calm, normal, stressed = view.probabilities
    return {"regime": view.regime.value, "p_calm": calm, "p_normal": normal, "p_stressed": stressed}


def _base_row(
    scene: Scene | CandidateSlice, symbol: Symbol, strategy: str, code: PolicyCode, now: datetime
) -> dict[str, Cell]:
    return {
        "decision_id": decision_id(scene.on, scene.slot, symbol, strategy),
        "symbol": symbol,
        "slot": scene.slot,
        "strategy": strategy,
        "policy": code.value,
        "scored_at": iso(now),
        "message_id": scene.message_id,
    }


def _unknown_row(message: CandidateSlice, symbol: Symbol, strategy: str, why: str, now: datetime) -> Row:
    return _base_row(message, symbol, strategy, PolicyCode.DATA_QUALITY, now) | {"faults": why}


def _record_dropped(ports: Ports, message: CandidateSlice, now: datetime) -> None:
    """A slice too old to act on leaves a row for each symbol that has none yet, and nothing else."""
    fault = f"message expired at {iso(message.expires_at)}"
    partition = str(message.on)
    for each in ports.settings.strategies.traded:
        for symbol in message.symbols:
            row = _base_row(message, symbol, each.name, PolicyCode.TOO_LATE, now) | {"faults": fault}
            ports.tables.insert(Table.SIGNALS, partition, symbol_key(symbol, message.slot, each.name), row)
