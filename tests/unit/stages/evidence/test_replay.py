"""A replay comes to the same decision bit for bit, or within tolerance, and tells what differs where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import shared.stages.evidence.replay
from shared.adapters.history import BlobHistory
from shared.contracts.cases import (
    FEATURE_TOLERANCE,
    FEATURE_TOLERANCE_AT_ZERO,
    SCORE_TOLERANCE,
    Case,
    CaseDecision,
    Replay,
    ReplayCheck,
    SliceInputs,
)
from shared.contracts.messages import Signal
from shared.contracts.records import CONTROLS, KILL
from shared.core.errors import TransientError
from shared.core.features import FEATURE_NAMES
from shared.core.ids import decision_id
from shared.core.market import Timeframe
from shared.core.packing import pack, unpack
from shared.core.risk import GATES
from shared.core.settings import FIRST_STRATEGY
from shared.core.splits import Splits
from shared.core.technical import TechnicalReports
from shared.core.values import Symbol
from shared.decision.entries import Decision, decide
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score
from shared.stages.evidence.case_maker import CaseMaker, day_records
from shared.stages.evidence.replay import Replayer, _vectors
from tests.support.books import Eager, NightFakes, decided, night_ports, slice_of, traded
from tests.support.market_day import ON, OTHERS
from tests.support.models import tiny_model
from tests.unit.stages.base.test_splits_live import split_over_night


def cases_of(ports: NightFakes) -> list[Case]:
    records = day_records(ports, ON)
    maker = CaseMaker(ports, ports.archive, records)
    return [maker.case(key) for key in records.signals]


def case_of(ports: NightFakes, symbol: str = "AAA") -> Case:
    return CaseMaker(ports, ports.archive, day_records(ports, ON)).case(decision_id(ON, "1200", symbol, FIRST_STRATEGY))


def replay(ports: NightFakes, case: Case) -> Replay:
    return Replayer(ports, ports.archive).replay(case)


def differing(ports: NightFakes, case: Case) -> list[str]:
    return [check.name for check in replay(ports, case).differences]


def gated(case: Case) -> CaseDecision:
    assert case.decision is not None
    return case.decision


def reported(case: Case) -> TechnicalReports:
    assert case.technical is not None
    return case.technical


PARTS = ["inputs", "features", "scores", "policy", "regime", "price and cost", "ATR", "technical reports"]
GATED = [*PARTS, "signal", "size", "prices", "gates", "refused by", "intent"]


def test_an_approved_decision_replays_equal_in_every_part() -> None:
    ports = night_ports()
    traded(ports)
    found = replay(ports, case_of(ports))
    assert found.equal
    assert [check.name for check in found.checks] == GATED


@pytest.mark.parametrize("factor", [5.0, 0.5, 2 / 3])
def test_a_decision_over_a_split_replays_from_what_it_saw(factor: float) -> None:
    """History is kept in the day's terms, so that a split which is corrected later changes no case."""
    ports = night_ports()
    split_over_night(ports, "AAA", factor)
    traded(ports)
    ports.market.splits_of["AAA"] = Splits(from_s=np.array([0]), factor=np.array([3.0]))
    found = replay(ports, case_of(ports))
    assert found.equal
    assert [check.name for check in found.checks] == GATED


def test_a_replay_asks_neither_broker_nor_market_nor_champion() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    ports.broker.outage = ports.market.error = TransientError("down")
    ports.models.states.clear()
    ports.tables = None  # type: ignore[assignment]
    ports.clock.pass_by(timedelta(days=400))
    assert replay(ports, case).equal


def test_every_opinion_of_a_slice_replays_equal_wanted_or_not() -> None:
    before = night_ports()
    decided(before, *OTHERS, "SPY")
    edges = sorted(case.scores.edge or 0 for case in cases_of(before))
    ports = night_ports(GATEHOUSE_EDGE_MIN=repr((edges[1] + edges[2]) / 2))
    decided(ports, *OTHERS, "SPY")
    found = cases_of(ports)
    assert len({case.scores.policy for case in found}) > 1, "the threshold splits them"
    assert [replay(ports, case).equal for case in found] == [True] * 4


def test_a_refusal_replays_to_the_same_refusal() -> None:
    ports = night_ports()
    ports.tables.put("controls", CONTROLS, KILL, {"is_on": True, "reason": "lunch"})
    decided(ports, "AAA")
    case = case_of(ports)
    assert gated(case).refused_by == ("KILL_SWITCH",)
    assert replay(ports, case).equal


def test_a_quote_without_prices_replays_to_the_same_refusal() -> None:
    ports = night_ports()
    (signal,) = score(slice_of(ports, "AAA"), ports)
    ports.market.prices["AAA"] = ("0", "40")
    gate(signal, ports)
    case = case_of(ports)
    assert (gated(case).refused_by, len(gated(case).gates)) == (("SPREAD",), len(GATES))
    assert (gated(case).bid_usd, gated(case).limit_usd, gated(case).qty) == (Decimal(0), None, None)
    assert replay(ports, case).equal
    sized = replace(case, decision=replace(gated(case), qty=Decimal(1), stop_usd=Decimal(39)))
    assert differing(ports, sized) == ["size", "prices"]


def test_such_a_refusal_by_older_code_recorded_no_verdicts_and_replays_all_the_same() -> None:
    ports = night_ports()
    (signal,) = score(slice_of(ports, "AAA"), ports)
    ports.market.prices["AAA"] = ("0", "40")
    gate(signal, ports)
    case = case_of(ports)
    older = replace(case, decision=replace(gated(case), gates=()), inputs=replace(case.inputs, facts=None))
    assert replay(ports, older).equal
    sound = replace(older, decision=replace(gated(older), bid_usd=Decimal("39.99")))
    assert differing(ports, sound) == ["verdict"]


def test_an_expired_signal_replays_as_expired() -> None:
    ports = night_ports()
    (signal,) = score(slice_of(ports, "AAA"), ports)
    ports.clock.at = signal.expires_at
    gate(signal, ports)
    case = case_of(ports)
    assert replay(ports, case).equal
    early = replace(gated(case), decided_at=signal.expires_at - timedelta(seconds=1))
    assert differing(ports, replace(case, decision=early)) == ["verdict"]


def test_a_second_delivery_does_not_disturb_the_replay_of_the_first() -> None:
    ports = night_ports()
    message = slice_of(ports, "AAA")
    (signal,) = score(message, ports)
    gate(signal, ports)
    ports.clock.pass_by(timedelta(minutes=5))
    score(replace(message, expires_at=ports.clock.now() + timedelta(minutes=1)), ports)
    assert replay(ports, case_of(ports)).equal


def reinterpreted(ports: NightFakes, change: Callable[[SliceInputs], SliceInputs]) -> None:
    """Change the kept inputs of AAA's slice under a hash that fits."""
    name = str(case_of(ports).inputs.features_blob)
    stored = ports.blobs.get("features", name)
    assert stored is not None
    document = change(ports.codec.decode(SliceInputs, unpack(stored.value)))
    ports.blobs.put("features", name, pack(ports.codec.encode(document).encode()))


def with_last_close(ports: NightFakes, change: Callable[[float], float]) -> Replay:
    """What a replay finds where somebody has written another bar and pointed the inputs at it."""

    def rewritten(document: SliceInputs) -> SliceInputs:
        bars = {frame: dict(own) for frame, own in ports.history.bars(document.bars_blob).items()}
        own = bars[Timeframe.MIN_5][Symbol("AAA")]
        close = own.close.copy()
        close[-1] = change(close[-1])
        bars[Timeframe.MIN_5][Symbol("AAA")] = replace(own, close=close)
        return replace(document, bars_blob=ports.history.write(ON, "1200", bars, kind="today"))

    reinterpreted(ports, rewritten)
    return replay(ports, case_of(ports))


def test_one_changed_bar_shows_although_its_blob_is_whole() -> None:
    ports = night_ports()
    traded(ports)
    found = with_last_close(ports, lambda usd: usd + 0.01)
    (features,) = [check for check in found.differences if check.name == "features"]
    assert "close_over_sma_36=" in features.recorded
    assert features.recorded != features.replayed


def test_a_price_is_the_same_or_another_however_little() -> None:
    ports = night_ports()
    traded(ports)
    found = with_last_close(ports, lambda usd: float(np.nextafter(usd, np.inf)))
    assert [check.name for check in found.differences] == ["price and cost"]
    assert "features" in [check.name for check in found.within_tolerance]


def with_feature(ports: NightFakes, change: Callable[[float], float | None]) -> ReplayCheck:
    """What a replay finds of the features where one of AAA's was recorded otherwise."""
    column = FEATURE_NAMES.index("return_60m")

    def rewritten(document: SliceInputs) -> SliceInputs:
        place = document.symbols.index(Symbol("AAA"))
        row = list(document.rows[place])
        row[column] = change(row[column] or 0.0)
        return replace(document, rows=(*document.rows[:place], tuple(row), *document.rows[place + 1 :]))

    reinterpreted(ports, rewritten)
    return next(check for check in replay(ports, case_of(ports)).checks if check.name == "features")


@pytest.mark.parametrize(
    ("change", "is_close"),
    [
        (lambda value: float(np.nextafter(value, np.inf)), True),
        (lambda value: value * (1 + 0.9 * FEATURE_TOLERANCE), True),
        (lambda value: value + 0.9 * FEATURE_TOLERANCE_AT_ZERO, True),
        (lambda value: value * (1 + 9 * FEATURE_TOLERANCE), False),
        (lambda value: value + 1e-3, False),
        (lambda _: None, False),
    ],
)
def test_a_feature_within_its_tolerance_is_close(change: Callable[[float], float | None], is_close: bool) -> None:
    ports = night_ports()
    traded(ports)
    found = with_feature(ports, change)
    assert (found.equal, found.close, found.differs) == (False, is_close, not is_close)
    assert "return_60m=" in found.recorded


def test_where_features_differ_those_within_tolerance_are_not_in_the_way() -> None:
    recorded = np.linspace(1, 2, len(FEATURE_NAMES))
    replayed = np.nextafter(recorded, 3)
    replayed[-1] += 1e-3
    found = _vectors(FEATURE_NAMES, recorded, replayed)
    assert found.differs
    assert found.recorded == f"{FEATURE_NAMES[-1]}=2.0"


def slightly(value: float | None) -> float:
    """The same but for some units of a float32."""
    return (value or 0.0) + 1e-7


def test_scores_of_another_processor_are_close_and_the_decision_is_the_same() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    signal, scores = case.inputs.signal, case.scores
    assert signal is not None
    other = replace(
        case,
        scores=replace(scores, p_up=slightly(scores.p_up), edge=slightly(scores.edge)),
        inputs=replace(case.inputs, signal=replace(signal, p_up=slightly(signal.p_up))),
    )
    found = replay(ports, other)
    assert [check.name for check in found.within_tolerance] == ["scores", "signal"]
    assert (found.equal, found.agrees) == (False, True)


def test_what_is_close_must_still_come_to_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gates judge the signal as it came out now, so a size that hangs on the tolerance is a difference."""
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    signal = case.inputs.signal
    assert signal is not None
    assert signal.p_up is not None
    judged: list[Signal] = []

    def noted(given: Signal, *rest: Any) -> Decision:
        judged.append(given)
        return decide(given, *rest)

    monkeypatch.setattr(shared.stages.evidence.replay, "decide", noted)
    for recorded in (replace(signal, p_up=slightly(signal.p_up)), replace(signal, p_up=signal.p_up - 0.0005)):
        replay(ports, replace(case, inputs=replace(case.inputs, signal=recorded)))
    assert judged == [signal, recorded], "one that differs is judged as it was recorded: its own part has told it"


@pytest.mark.parametrize("text", ["reference_price", "atr"])
def test_an_amount_in_a_message_is_never_close(text: str) -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    signal = case.inputs.signal
    assert signal is not None
    changed = replace(signal, **{text: getattr(signal, text) + Decimal("0.0001")})
    assert differing(ports, replace(case, inputs=replace(case.inputs, signal=changed)))[0] == "signal"


def test_a_case_file_of_older_code_is_read() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    noted = replace(case, replay=replay(ports, case))
    text = ports.codec.encode(noted)
    older = text.replace('"close":false,', "")
    assert older != text
    assert ports.codec.decode(Case, older) == noted


def test_inputs_that_were_changed_are_not_decided_on() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    name = str(case.inputs.features_blob)
    stored = ports.blobs.get("features", name)
    assert stored is not None
    ports.blobs.put("features", name, pack(unpack(stored.value).replace(b'"slot":"1200"', b'"slot":"1205"')))
    (check,) = replay(ports, case).differences
    assert check.name == "inputs"
    assert "was changed" in check.replayed


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda ports, case: ports.blobs.put("bars", case.inputs.bars_blob, b"x"), "does not hold what its name says"),
        (lambda ports, case: ports.archive.models.pop("signal/v1"), "models/signal/v1 is gone"),
        (lambda ports, case: ports.archive.models.update({"signal/v1": other_model()}), "model signal/v1 was changed"),
    ],
)
def test_an_input_that_is_gone_or_broken_is_told(spoil: Callable[[NightFakes, Case], None], says: str) -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    spoil(ports, case)
    ports.history = BlobHistory(ports.blobs)
    (check,) = replay(ports, case).differences
    assert check.name == "inputs"
    assert says in check.replayed


def other_model() -> Eager:
    from shared.adapters.scorer import verified  # noqa: PLC0415 - one case needs it

    data, card = tiny_model("signal", seed=2)
    return Eager(verified(card, data), np.zeros(3))


def test_features_that_are_gone_are_told_and_the_gates_are_still_compared() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    gone = replace(case, inputs=replace(case.inputs, features_blob="2025-10-15/1200/none.json"))
    found = replay(ports, gone)
    assert [check.name for check in found.differences] == ["inputs"]
    assert [check.name for check in found.checks if check.equal] == ["size", "prices", "gates", "refused by", "intent"]


def test_a_store_that_does_not_answer_is_no_difference() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    ports.archive = Silent()  # type: ignore[assignment]
    with pytest.raises(TransientError):
        replay(ports, case)


class Silent:
    def version(self, name: str, version: str) -> None:
        raise TransientError(f"{name} {version}")


CHANGES: list[tuple[Callable[[Case], Case], list[str]]] = [
    (lambda c: replace(c, scores=replace(c.scores, p_up=(c.scores.p_up or 0) + 3 * SCORE_TOLERANCE)), ["scores"]),
    (lambda c: replace(c, scores=replace(c.scores, p_up=None)), ["scores"]),
    (lambda c: replace(c, scores=replace(c.scores, policy="EDGE_TOO_SMALL")), ["policy"]),
    (lambda c: replace(c, scores=replace(c.scores, regime="stressed")), ["regime"]),
    (lambda c: replace(c, scores=replace(c.scores, cost_bp=1.0)), ["price and cost"]),
    (lambda c: replace(c, scores=replace(c.scores, atr_usd=(c.scores.atr_usd or 0) * 1.000001)), ["ATR"]),
    (lambda c: replace(c, technical=replace(reported(c), bars=7)), ["technical reports"]),
    (
        lambda c: replace(c, technical=replace(reported(c), close=(reported(c).close or 0) * 1.00001)),
        ["technical reports"],
    ),
    (lambda c: replace(c, decision=replace(gated(c), qty=Decimal(1))), ["size"]),
    (lambda c: replace(c, decision=replace(gated(c), stop_usd=Decimal("0.01"))), ["prices"]),
    (lambda c: replace(c, decision=replace(gated(c), refused_by=("SPREAD", "SIZE"))), ["refused by"]),
    (lambda c: replace(c, decision=replace(gated(c), intent=None)), ["intent"]),
    (lambda c: replace(c, decision=replace(gated(c), gates=gated(c).gates[:-1])), ["gates"]),
    (lambda c: replace(c, decision=replace(gated(c), gates=gated(c).gates[:3] + gated(c).gates[5:])), ["gates"]),
    (
        lambda c: replace(
            c, decision=replace(gated(c), gates=(replace(gated(c).gates[0], passed=False), *gated(c).gates[1:]))
        ),
        ["gate KILL_SWITCH"],
    ),
]


@pytest.mark.parametrize(("change", "parts"), CHANGES)
def test_a_changed_record_shows_in_its_own_part(change: Callable[[Case], Case], parts: list[str]) -> None:
    ports = night_ports()
    traded(ports)
    assert differing(ports, change(case_of(ports))) == parts


def test_reports_that_a_last_bit_differs_in_are_close_and_a_case_of_older_code_is_not_asked_for_them() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    near = replace(case, technical=replace(reported(case), close=(reported(case).close or 0) * (1 + 1e-12)))
    found = replay(ports, near)
    assert [check.name for check in found.within_tolerance] == ["technical reports"]
    older = replay(ports, replace(case, technical=None))
    assert older.equal
    assert "technical reports" not in [check.name for check in older.checks]


def test_changed_facts_show_in_what_followed_from_them() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    assert case.inputs.facts is not None
    poorer = replace(case.inputs.facts.account, equity=Decimal(10_000))
    changed = replace(case, inputs=replace(case.inputs, facts=replace(case.inputs.facts, account=poorer)))
    found = differing(ports, changed)
    assert {"size", "intent"} <= set(found)
    assert not {"inputs", "features", "scores"} & set(found)


def test_a_case_without_facts_says_so() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    (check,) = replay(ports, replace(case, inputs=replace(case.inputs, facts=None))).differences
    assert (check.name, check.replayed) == ("facts", "the gates' facts were not kept")
    (*_, check) = replay(ports, replace(case, inputs=replace(case.inputs, signal=None))).differences
    assert (check.name, check.replayed) == ("facts", "the signal was not kept")


def test_other_features_than_the_code_knows_are_named() -> None:
    ports = night_ports()
    traded(ports)
    case = case_of(ports)
    name = str(case.inputs.features_blob)
    stored = ports.blobs.get("features", name)
    assert stored is not None
    document = ports.codec.decode(SliceInputs, unpack(stored.value))
    older = replace(document, names=("moon_phase", *document.names[1:]))
    ports.blobs.put("features", name, pack(ports.codec.encode(older).encode()))
    (check,) = [c for c in replay(ports, case_of(ports)).differences if c.name == "features"]
    assert "moon_phase" in check.replayed
