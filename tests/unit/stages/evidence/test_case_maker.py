"""A case tells a decision from its inputs to its outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from shared.adapters.history import BlobHistory
from shared.contracts.cases import Case, CaseEnding, SliceInputs
from shared.contracts.model_card import SIGNAL_MODEL
from shared.contracts.records import CONTROLS, KILL
from shared.core.drift import FeatureReference
from shared.core.errors import ContractError
from shared.core.features import FEATURE_NAMES
from shared.core.ids import decision_id, digest
from shared.core.packing import unpack
from shared.core.portfolio import Position
from shared.core.risk import Gate
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import Symbol
from shared.stages.base.technical import reports_of
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score
from shared.stages.evidence.case_maker import CaseMaker, day_records
from shared.stages.evidence.case_parts import usual_values
from tests.support.books import NightFakes, decided, night_ports, slice_of, traded
from tests.support.market_day import ON
from tests.support.models import tiny_model
from tests.support.orders import Life


def case_of(ports: NightFakes, symbol: str, slot: str = "1200") -> Case:
    records = day_records(ports, ON)
    return CaseMaker(ports, ports.archive, records).case(decision_id(ON, slot, symbol, FIRST_STRATEGY))


def switch_off(ports: NightFakes) -> None:
    ports.tables.put("controls", CONTROLS, KILL, {"is_on": True, "reason": "lunch"})


def test_a_closed_orders_case_holds_its_whole_story() -> None:
    ports = night_ports()
    intent = traded(ports)
    case = case_of(ports, "AAA")
    assert (case.ending, case.phase, case.session) == (CaseEnding.CLOSED, "CLOSED", "REG-MID")
    assert case.decision is not None
    assert case.decision.intent == intent
    assert [verdict.gate for verdict in case.decision.gates] == list(Gate)
    assert case.decision.qty == min(dict(case.decision.bounds or {}).values()) == intent.qty
    assert [fill.role for fill in case.fills] == ["entry", "target"]
    assert [order.role for order in case.orders] == ["entry", "target", "stop"]
    assert [step.seq for step in case.journal] == list(range(1, len(case.journal) + 1))
    assert case.journal[-1].phase == "CLOSED"
    assert (case.code_revision, case.inputs.parameter_set) == ("revision-of-the-test", "default")


def test_an_outcome_is_measured_from_the_arrival_price() -> None:
    ports = night_ports()
    intent = traded(ports)
    outcome = case_of(ports, "AAA").outcome
    arrival = intent.arrival_price
    assert outcome.arrival_usd == arrival
    assert outcome.entry_usd == intent.limit_price
    assert outcome.exit_usd == intent.target_price
    assert outcome.entry_slippage_bp == pytest.approx(float((intent.limit_price / arrival - 1) * 10_000), abs=1e-3)
    assert outcome.at_exit_bp == pytest.approx(float((intent.target_price / arrival - 1) * 10_000), abs=1e-3)
    assert outcome.realised_usd == (intent.target_price - intent.limit_price) * intent.qty
    assert (outcome.exit_reason, outcome.qty) == ("TARGET", intent.qty)
    assert outcome.held_min is not None
    assert 5 <= outcome.held_min < 6


def test_inputs_are_named_with_what_they_hash_to() -> None:
    ports = night_ports()
    decided(ports, "AAA")
    inputs = case_of(ports, "AAA").inputs
    stored = ports.blobs.get("features", str(inputs.features_blob))
    assert stored is not None
    assert inputs.features_sha256 == digest(stored.value)
    document = ports.codec.decode(SliceInputs, unpack(stored.value))
    assert (inputs.bars_blob, inputs.history_blob) == (document.bars_blob, document.history_blob)
    for blob in (document.bars_blob, document.history_blob):
        bars = ports.blobs.get("bars", blob)
        assert bars is not None
        assert blob.endswith(f"-{digest(bars.value)[:16]}.parquet")
    assert [used.name for used in inputs.models][:2] == ["signal", "move"]
    assert inputs.models[0].sha256 == tiny_model(SIGNAL_MODEL)[1].sha256
    assert inputs.settings_id == document.settings_id
    assert inputs.settings == document.settings


def test_a_case_holds_the_technical_reports_of_the_bars_that_were_decided_on() -> None:
    ports = night_ports()
    (signal,) = score(slice_of(ports, "AAA"), ports)
    gate(signal, ports)
    ports.clock.pass_by(timedelta(hours=3))
    case = case_of(ports, "AAA")
    assert case.technical == reports_of(ports, signal)
    assert case.technical is not None
    assert case.technical.bars > 1_500
    assert ports.codec.decode(Case, ports.codec.encode(case)) == case


def test_a_case_whose_bars_are_gone_has_no_technical_reports() -> None:
    ports = night_ports()
    traded(ports)
    blob = str(case_of(ports, "AAA").inputs.history_blob)
    ports.blobs.put("bars", blob, b"x")
    ports.history = BlobHistory(ports.blobs)
    assert case_of(ports, "AAA").technical is None


def test_the_largest_contributions_are_what_the_models_say_of_one_feature_changed() -> None:
    ports = night_ports()
    decided(ports, "AAA")
    case = case_of(ports, "AAA")
    found = case.scores.contributions
    assert 1 <= len(found) <= 8
    assert [abs(c.edge) for c in found] == sorted((abs(c.edge) for c in found), reverse=True)
    stored = ports.blobs.get("features", str(case.inputs.features_blob))
    assert stored is not None
    row = np.array([np.nan if v is None else v for v in ports.codec.decode(SliceInputs, unpack(stored.value)).rows[0]])
    model, first = ports.archive.version("signal", "v1"), found[0]
    changed = row.copy()
    changed[FEATURE_NAMES.index(first.feature)] = np.nan if first.reference is None else first.reference
    before, after = model.predict(np.stack([row, changed]))
    assert first.edge == pytest.approx((before[2] - before[0]) - (after[2] - after[0]), abs=1e-12)


def test_a_usual_value_is_the_median_of_the_cards_reference() -> None:
    card = tiny_model(SIGNAL_MODEL)[1]
    name = card.feature_names[3]
    reference = FeatureReference(name=name, edges=(1.0, 2.0, 7.0), shares=(0.25, 0.25, 0.25, 0.25), missing=0.0)
    usual = usual_values(replace(card, reference=(reference,)))
    assert usual[3] == 2.0
    recorded = [pair.features[0] for pair in card.pairs if pair.features[0] is not None]
    assert usual[0] == np.median(recorded)


def test_a_refused_signals_case_ends_at_the_gates() -> None:
    ports = night_ports()
    switch_off(ports)
    decided(ports, "AAA")
    case = case_of(ports, "AAA")
    assert (case.ending, case.phase, case.orders, case.journal, case.fills) == (CaseEnding.REFUSED, None, (), (), ())
    assert case.decision is not None
    assert case.decision.refused_by == ("KILL_SWITCH",)
    assert case.outcome.realised_usd is None
    assert case.outcome.arrival_usd is not None


def test_a_signal_that_expired_has_a_case_too() -> None:
    ports = night_ports()
    (signal,) = score(slice_of(ports, "AAA"), ports)
    ports.clock.at = signal.expires_at
    gate(signal, ports)
    case = case_of(ports, "AAA")
    assert (case.ending, case.inputs.signal, case.inputs.facts) == (CaseEnding.EXPIRED, signal, None)
    assert case.outcome.arrival_usd == Decimal(repr(case.scores.price_usd))


def test_an_order_that_is_still_alive_is_running() -> None:
    ports = night_ports()
    (intent,) = decided(ports, "AAA")
    assert case_of(ports, "AAA").ending is CaseEnding.RUNNING
    Life(ports, execute(intent, ports)[0]).step()
    case = case_of(ports, "AAA")
    assert (case.ending, case.phase, len(case.orders)) == (CaseEnding.RUNNING, "WORKING", 3)


def test_an_order_that_bought_nothing_ends_not_bought() -> None:
    ports = night_ports()
    (intent,) = decided(ports, "AAA")
    life = Life(ports, execute(intent, ports)[0])
    ports.clock.at = intent.expires_at + timedelta(minutes=10)
    life.to_end()
    case = case_of(ports, "AAA")
    assert (case.ending, case.outcome.qty, case.outcome.realised_usd) == (CaseEnding.NOT_BOUGHT, Decimal(0), None)


def test_what_policy_did_not_want_has_a_case_on_demand() -> None:
    ports = night_ports(GATEHOUSE_EDGE_MIN="0.99")
    assert decided(ports, "AAA") == []
    case = case_of(ports, "AAA")
    assert (case.ending, case.decision, case.scores.policy) == (CaseEnding.SCORED, None, "EDGE_TOO_SMALL")
    assert case.scores.contributions


def test_a_symbol_without_history_has_a_case_that_says_so() -> None:
    ports = night_ports()
    decided(ports, "ZZZ")
    case = case_of(ports, "ZZZ")
    assert (case.scores.policy, case.inputs.features_blob, case.outcome.arrival_usd) == ("DATA_QUALITY", None, None)


def test_a_decision_that_never_was_has_no_case() -> None:
    with pytest.raises(ContractError, match="not on record"):
        case_of(night_ports(), "AAA")


def test_a_second_delivery_leaves_the_inputs_that_were_decided_on() -> None:
    ports = night_ports()
    message = slice_of(ports, "AAA")
    (signal,) = score(message, ports)
    gate(signal, ports)
    before = case_of(ports, "AAA")
    ports.clock.pass_by(timedelta(seconds=30))
    ports.market.prices["AAA"] = ("1.00", "2.00")
    score(message, ports)
    after = case_of(ports, "AAA")
    assert len(ports.blobs.names("features", str(ON))) == 2
    assert after.inputs == before.inputs
    assert (after.scores.p_up, after.scores.policy) == (before.scores.p_up, "ENTER")
    assert after.scores.bid_usd is None, "the row is the second's: what only it knew is not the first's"


def test_the_same_slice_again_keeps_one_blob() -> None:
    ports = night_ports()
    message = slice_of(ports, "AAA", "BBB")
    assert score(message, ports) == score(message, ports)
    assert len(ports.blobs.names("features", str(ON))) == 1
    assert len(ports.blobs.names("bars", "today/")) == 1


def test_facts_that_no_cell_holds_cost_their_replay_and_not_the_decision() -> None:
    ports = night_ports()
    price = Decimal("1.0000")
    names = ("".join(letters) for letters in product("ABCDEFGH", repeat=3))
    ports.broker.unexplained = [
        Position(symbol=Symbol(f"Q{name}"), qty=Decimal(1), average_price=price, market_price=price) for name in names
    ]
    decided(ports, "AAA")
    case = case_of(ports, "AAA")
    assert case.decision is not None
    assert "MAX_POSITIONS" in case.decision.refused_by
    assert case.inputs.facts is None
    assert case.inputs.signal is not None


def test_a_case_is_a_document_that_reads_back() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports, "AAA")
    assert ports.codec.decode(Case, ports.codec.encode(case)) == case


def test_records_of_one_symbol_are_those_of_the_day_that_are_its_own() -> None:
    ports = night_ports()
    traded(ports)
    decided(ports, "BBB", slot="1210")
    whole, own = day_records(ports, ON), day_records(ports, ON, symbol=case_of(ports, "AAA").symbol)
    assert len(whole.decisions) == 2
    assert {str(row["symbol"]) for row in own.decisions.values()} == {"AAA"}
    assert own.journal == whole.journal
    assert own.fills == whole.fills
