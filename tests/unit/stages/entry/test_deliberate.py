"""A committee between signal and ledger: it makes an entry smaller, is asked once, and stops nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.messages import OrderIntent, Signal
from shared.contracts.records import Container, Table
from shared.core.errors import TransientError
from shared.core.market import Quote
from shared.core.packing import pack
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.core.values import ZERO, Symbol
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import load_ledger
from shared.stages.entry.gate import gate, gate_and_notice
from shared.stages.entry.score import score
from shared.stages.evidence.nightly import replay_sample, write_cases
from shared.stages.operator.controls import kill
from simulation.faults.proxy import Proxy
from tests.support.books import NOON, NightFakes, night_ports, slice_of
from tests.support.committee import said
from tests.support.language import HandLanguage, reply
from tests.support.market_day import ON
from tests.support.people import kill_call

APPROVE = said(stance="approve", factor=1, reason="fair", sources=["PLAN"])
HALF = said(stance="shrink", factor=0.5, reason="fair", sources=["PLAN"])
VETO = said(stance="veto", factor=0, reason="fair", sources=["PLAN"])
SITS = {
    "GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1",
    "GATEHOUSE_LANGUAGE_MODEL": "small-model",
    "GATEHOUSE_LANGUAGE_SLOTS": "1",
    "GATEHOUSE_COMMITTEE": "momentum.v1",
    "GATEHOUSE_COMMITTEE_TIMEOUT_S": "60",
}


def role_of(request: LanguageRequest) -> str:
    return str(json.loads(request.user)["role"])


def committee(says: Mapping[str, str | LanguageError] | None = None, otherwise: str = APPROVE) -> HandLanguage:
    def answer(request: LanguageRequest) -> LanguageReply | LanguageError:
        found = (says or {}).get(role_of(request), otherwise)
        return found if isinstance(found, LanguageError) else reply(found)

    return HandLanguage(answer)


def ready(language: HandLanguage, **settings: str) -> tuple[NightFakes, Signal]:
    ports = night_ports(NOON, **{**SITS, **settings})
    ports.language = language
    (signal,) = score(slice_of(ports, "AAA"), ports)
    return ports, signal


def alone() -> OrderIntent:
    ports, signal = ready(HandLanguage(), GATEHOUSE_COMMITTEE="")
    (intent,) = gate(signal, ports)
    return intent


def row_of(ports: NightFakes) -> dict[str, object]:
    (row,) = ports.rows(Table.DECISIONS, ON).values()
    return row


def test_without_a_committee_nobody_is_asked_and_the_line_beside_the_gates_says_so() -> None:
    language = HandLanguage()
    ports, signal = ready(language, GATEHOUSE_COMMITTEE="")
    assert gate(signal, ports)
    assert not language.asked
    said_of = {each["gate"]: each["found"] for each in json.loads(str(row_of(ports)["gates"]))}
    assert said_of["COMMITTEE"] == "none sat"
    assert row_of(ports).get("factor") is None


def test_a_committee_that_agrees_leaves_the_entry_as_it_is() -> None:
    language = committee()
    ports, signal = ready(language)
    (intent,) = gate(signal, ports)
    assert intent == replace(alone(), correlation_id=intent.correlation_id)
    assert [role_of(each) for each in language.asked] == ["analyst", "bull", "bear", "risk", "chair"]
    assert (row_of(ports)["factor"], row_of(ports)["answers"]) == ("1", 5)


@pytest.mark.parametrize("factor", ["0.25", "0.5", "0.75"])
def test_a_size_is_shrunk_once_and_rounded_down(factor: str) -> None:
    ports, signal = ready(committee(otherwise=said(factor=float(factor), reason="fair", sources=["PLAN"])))
    (intent,) = gate(signal, ports)
    plan = alone()
    assert intent.qty == (plan.qty * Decimal(factor)).to_integral_value("ROUND_FLOOR")
    for name in ("symbol", "side", "limit_price", "worst_price", "stop_price", "target_price", "exit_by"):
        assert getattr(intent, name) == getattr(plan, name)
    assert row_of(ports)["bound"] == "committee"


def test_a_veto_refuses_reserves_nothing_and_says_who() -> None:
    ports, signal = ready(committee({"risk": VETO}))
    assert gate(signal, ports) == []
    assert row_of(ports)["refused_by"] == "SIZE COMMITTEE"
    verdicts = {each["gate"]: each for each in json.loads(str(row_of(ports)["gates"]))}
    assert verdicts["COMMITTEE"]["found"] == "0 (risk veto: fair)"
    stored = load_ledger(ports)
    assert stored is not None
    assert stored.value.reservations == ()


def test_a_signal_that_comes_again_asks_nobody_again() -> None:
    language = committee(otherwise=HALF)
    ports, signal = ready(language)
    first = gate(signal, ports)
    assert gate(signal, ports) == first
    for key in ports.rows(Table.DECISIONS, ON):  # as after a crash between deliberation and row
        ports.tables.remove(Table.DECISIONS, str(ON), key)  # type: ignore[attr-defined]
    again = gate(signal, ports)
    assert len(language.asked) == 5
    assert [each.qty for each in again] == [each.qty for each in first]


def test_nobody_is_asked_about_what_the_gates_refuse() -> None:
    language = committee()
    ports, signal = ready(language)
    kill(ports, kill_call())
    assert gate(signal, ports) == []
    assert not language.asked


def test_what_the_gates_let_pass_only_at_the_second_look_is_deliberated_on_too() -> None:
    language = committee(otherwise=HALF)
    ports, signal = ready(language)
    market, looks = ports.market, iter([True])

    def quotes(symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        return {} if next(looks, False) else market.quotes(symbols)

    ports.market = Proxy(market, quotes=quotes)  # type: ignore[assignment]
    (intent,) = gate(signal, ports)
    assert (len(language.asked), intent.qty) == (5, alone().qty // 2)
    stored = load_ledger(ports)
    assert stored is not None
    assert [(each.intent_id, each.qty) for each in stored.value.reservations] == [(intent.intent_id, intent.qty)]


def test_a_market_that_does_not_say_what_companies_are_called_counts_against_its_breaker() -> None:
    ports, signal = ready(committee(), GATEHOUSE_COMMITTEE_DEFAULT="refuse")
    assert not gate(replace(signal, decision_id="another", features_blob="gone"), ports), "but there is a ledger"

    def down() -> None:
        raise TransientError("HTTP 503")

    ports.market = Proxy(ports.market, assets=down)  # type: ignore[assignment]
    with pytest.raises(TransientError):
        gate(signal, ports)
    stored = load_ledger(ports)
    assert stored is not None
    assert stored.value.market.failures == 1


@pytest.mark.parametrize(("default", "bought"), [("abstain", True), ("refuse", False)])
@pytest.mark.parametrize(
    "answer", ["no JSON", said(factor=5), LanguageError(LanguageFault.TIMEOUT, "no whole answer in time")]
)
def test_what_is_no_answer_counts_as_the_configured_default(
    answer: str | LanguageError, default: str, *, bought: bool
) -> None:
    ports, signal = ready(committee({"chair": answer}), GATEHOUSE_COMMITTEE_DEFAULT=default)
    assert bool(gate(signal, ports)) is bought
    assert row_of(ports)["answers"] == 4


def test_where_what_was_scored_is_gone_the_default_stands_too() -> None:
    for default, bought in (("abstain", True), ("refuse", False)):
        ports, signal = ready(committee(), GATEHOUSE_COMMITTEE_DEFAULT=default)
        assert bool(gate(replace(signal, features_blob=f"{ON}/1200/gone.json.gz"), ports)) is bought


def test_an_hour_of_vetoes_and_an_hour_of_silence_are_told_once() -> None:
    for language, kind in (
        (committee(otherwise=VETO), "veto-flood"),
        (committee(otherwise="none"), "committee-silent"),
    ):
        ports, signal = ready(language, GATEHOUSE_COMMITTEE_DEFAULT="refuse")
        kinds: list[str] = []
        for n in range(6):
            each = replace(signal, decision_id=f"{signal.decision_id[:-1]}{n}")
            kinds += [notice.kind for notice in gate_and_notice(each, ports)[1]]
        assert [each for each in kinds if each in {"veto-flood", "committee-silent"}] == [kind]


def test_no_exit_waits_for_a_committee() -> None:
    language = committee()
    ports, signal = ready(language)
    assert gate(signal, ports)
    asked = len(language.asked)
    supervise(ports)
    assert len(language.asked) == asked


def test_a_replay_comes_to_the_same_with_nobody_asked() -> None:
    language = committee({"bear": HALF, "bull": "nonsense"})
    ports, signal = ready(language)
    assert gate(signal, ports)
    write_cases(ports, ON)
    language.answer = lambda _: LanguageError(LanguageFault.DOWN, "nobody may be asked")
    asked = len(language.asked)
    report = replay_sample(ports, ON)
    assert (report.sampled, report.equal, dict(report.differs), len(language.asked)) == (1, 1, {}, asked)


def test_a_record_that_was_changed_is_found_by_a_replay() -> None:
    ports, signal = ready(committee(otherwise=HALF))
    assert gate(signal, ports)
    write_cases(ports, ON)
    for name in ports.blobs.names(Container.LANGUAGE, ""):
        if not name.startswith("names/"):
            ports.blobs.put(Container.LANGUAGE, name, pack(b"{}"))
    assert replay_sample(ports, ON).differs == {signal.decision_id: ("committee",)}


@pytest.mark.parametrize("how", ["momentum.v1=reduced", "momentum.v1=alert-only momentum.v1/REG-MID=reduced"])
def test_a_strategy_that_is_reduced_goes_in_half_its_size(how: str) -> None:
    ports, signal = ready(HandLanguage(), GATEHOUSE_COMMITTEE="", GATEHOUSE_AUTOMATION=how)
    (intent,) = gate(signal, ports)
    assert (intent.qty, intent.approve_by) == (alone().qty // 2, None)
    assert row_of(ports)["bound"] == "automation"


def test_a_strategy_that_only_alerts_asks_a_person_about_every_entry() -> None:
    ports, signal = ready(HandLanguage(), GATEHOUSE_COMMITTEE="", GATEHOUSE_AUTOMATION="momentum.v1=alert-only")
    (intent,) = gate(signal, ports)
    assert intent.approve_by is not None
    assert intent.qty == alone().qty > ZERO


def test_the_smallest_of_committee_and_automation_counts_and_they_do_not_add_up() -> None:
    ports, signal = ready(committee(otherwise=HALF), GATEHOUSE_AUTOMATION="momentum.v1=reduced")
    (intent,) = gate(signal, ports)
    assert intent.qty == alone().qty // 2
