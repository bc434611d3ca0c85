"""A day in memory that leaves cases behind: scored on seeded bars, gated, one order carried to its end."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np

from shared.adapters.export import ParquetRows
from shared.adapters.scorer import OnnxPredictor, verified
from shared.contracts.messages import CandidateSlice, OrderIntent
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL
from shared.core.errors import ModelError
from shared.core.ids import hash_id
from shared.core.market import FloatArray
from shared.core.values import Symbol
from shared.ports import ModelState
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score
from shared.strategies.protocol import Predictor
from tests.support.market_day import ON, OTHERS, history_of, market_ports
from tests.support.models import tiny_model
from tests.support.orders import Life
from tests.support.ports import FakePorts, HandModels
from tests.support.tape import ny

NOON = ny(ON, "12:00:30")


@dataclass(slots=True)
class HandArchive:
    """Versions of models by `name/version`."""

    models: dict[str, Predictor]

    def version(self, name: str, version: str) -> Predictor:
        found = self.models.get(f"{name}/{version}")
        if found is None:
            raise ModelError(f"models/{name}/{version} is gone")
        return found


@dataclass(slots=True, kw_only=True)
class NightFakes(FakePorts):
    """`shared.ports.NightPorts` without a network."""

    archive: HandArchive
    exporter: ParquetRows


class Eager:
    """A real model whose answers are moved so that policy wants to enter on each."""

    def __init__(self, model: OnnxPredictor, shift: FloatArray) -> None:
        self.card = model.card
        self._model = model
        self._shift = shift

    def predict(self, features: FloatArray) -> FloatArray:
        answers = self._model.predict(features) + self._shift
        return answers / answers.sum(axis=1, keepdims=True) if self.card.name == SIGNAL_MODEL else answers


def real_models() -> tuple[HandModels, HandArchive]:
    """Small real ONNX models, as champions and in the archive."""
    signal, move = (verified(card, data) for data, card in map(tiny_model, (SIGNAL_MODEL, MOVE_MODEL)))
    made: dict[str, Predictor] = {
        SIGNAL_MODEL: Eager(signal, np.array([0.0, 0.0, 1.0])),
        MOVE_MODEL: Eager(move, np.array([0.05])),
    }
    states = {name: ModelState(predictor=predictor) for name, predictor in made.items()}
    archive = {f"{name}/{predictor.card.version}": predictor for name, predictor in made.items()}
    return HandModels(states), HandArchive(archive)


def night_ports(at: datetime = NOON, /, **settings: str) -> NightFakes:
    """Ports over a seeded market, with real models and what the nightly jobs need."""
    base = market_ports(at, **settings)
    own = {item.name: getattr(base, item.name) for item in fields(FakePorts)}
    models, archive = real_models()
    return NightFakes(**{**own, "models": models}, archive=archive, exporter=ParquetRows())


def slice_of(ports: FakePorts, *symbols: str, slot: str = "1200") -> CandidateSlice:
    """A slice of candidates of now."""
    message_id = hash_id("slice", str(ON), slot, "0")
    return CandidateSlice(
        message_id=message_id,
        correlation_id=message_id,
        causation_id="run",
        decided_at=ports.clock.now(),
        expires_at=ports.clock.now() + timedelta(seconds=240),
        on=ON,
        slot=slot,
        symbols=tuple(Symbol(s) for s in symbols),
        watchlist_blob=f"{ON}/0915.json",
        history_blob=history_of(ports, *OTHERS),
    )


def decided(ports: FakePorts, *symbols: str, slot: str = "1200") -> list[OrderIntent]:
    """Score and gate some symbols; the intents that passed."""
    return [intent for signal in score(slice_of(ports, *symbols, slot=slot), ports) for intent in gate(signal, ports)]


def traded(ports: NightFakes, leg: str = "target") -> OrderIntent:
    """Buy AAA at noon and leave it at its target or stop five minutes later."""
    (intent,) = decided(ports, "AAA")
    life = Life(ports, execute(intent, ports)[0])
    life.step()
    ports.broker.fill(f"{intent.intent_id}-entry-0", price=str(intent.limit_price))
    life.step()
    ports.clock.pass_by(timedelta(minutes=5))
    price = intent.target_price if leg == "target" else intent.stop_price
    ports.broker.fill(f"{intent.intent_id}-entry-0", leg=leg, price=str(price))
    life.look()
    life.to_end()
    return intent
