"""What the gates say where no entry can be priced: all of them, in their order, and none that needs a price passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import Quote
from shared.core.risk import (
    GATES,
    NEED_A_PRICE,
    NOT_JUDGED,
    Facts,
    Gate,
    Verdict,
    no_quote,
    refusals,
    verdicts,
    verdicts_without_price,
)
from tests.unit.core.test_risk import AAA, FACTS, NOW, PROPOSAL, RULES

UNSIZED = replace(PROPOSAL, qty=Decimal(0), limit_price=Decimal(10), worst_price=Decimal(10), stop_price=Decimal(10))


def facts(bid: str, ask: str, age_s: float = 1) -> Facts:
    at = NOW - timedelta(seconds=age_s)
    quote = Quote(symbol=AAA, bid=Decimal(bid), ask=Decimal(ask), bid_size=1, ask_size=1, at=at)
    return replace(FACTS, quote=quote)


def said(found: tuple[Verdict, ...]) -> dict[Gate, Verdict]:
    assert [verdict.gate for verdict in found] == list(GATES)
    return {verdict.gate: verdict for verdict in found}


def test_gates_that_need_a_price_are_not_judged_and_do_not_pass() -> None:
    found = said(verdicts_without_price(UNSIZED, facts("0", "10.01"), RULES))
    assert {gate for gate, verdict in found.items() if verdict.found == NOT_JUDGED} == NEED_A_PRICE
    assert {gate for gate, verdict in found.items() if not verdict.passed} == NEED_A_PRICE | {Gate.SPREAD}


def test_their_limits_are_recorded_as_ever_and_the_other_gates_say_what_they_always_say() -> None:
    world = facts("0", "10.01", age_s=16)
    found, ever = said(verdicts_without_price(UNSIZED, world, RULES)), said(verdicts(UNSIZED, world, RULES))
    assert {gate: verdict.limit for gate, verdict in found.items()} == {gate: v.limit for gate, v in ever.items()}
    assert all(found[gate] == ever[gate] for gate in GATES if gate not in NEED_A_PRICE)
    assert refusals(tuple(found.values())) == (Gate.SPREAD, Gate.STALE_QUOTE)


def test_a_gate_that_could_not_judge_is_not_named_as_a_refusal() -> None:
    refused = Verdict(gate=Gate.SIZE, passed=False, found="0 (kelly)", limit=">= 1")
    assert refusals((refused, replace(refused, gate=Gate.APPROVAL, found=NOT_JUDGED))) == (Gate.SIZE,)
    assert not replace(refused, passed=True).is_refusal


def test_a_spread_that_is_narrow_enough_is_refused_where_it_gives_no_price() -> None:
    found = said(verdicts_without_price(UNSIZED, facts("0.0001", "0.0001"), RULES))[Gate.SPREAD]
    assert (found.passed, found.found, found.limit) == (False, "no price at 0.0001/0.0001", "<= 100")


def test_a_quote_with_one_side_keeps_its_own_word_for_it() -> None:
    assert said(verdicts_without_price(UNSIZED, facts("0", "10.01"), RULES))[Gate.SPREAD].found == "one-sided 0/10.01"


def test_no_quote_has_no_age() -> None:
    absent = replace(facts("0", "0"), quote=no_quote(AAA))
    found = said(verdicts_without_price(UNSIZED, absent, RULES))[Gate.STALE_QUOTE]
    assert (found.passed, found.found, found.limit) == (False, NOT_JUDGED, "<= 15")
    fresh = said(verdicts_without_price(UNSIZED, facts("0", "0"), RULES))[Gate.STALE_QUOTE]
    assert (fresh.passed, fresh.found) == (True, "1")


def test_what_stands_for_no_quote_has_neither_side() -> None:
    quote = no_quote(AAA)
    assert quote.symbol == AAA
    assert quote.bid == quote.ask == Decimal(0)
    assert quote.bid_size == quote.ask_size == 0
    assert quote.at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("sides", [("0", "10"), ("10", "0"), ("10.01", "10"), ("0", "0"), ("0.0001", "0.0001")])
@given(age_s=st.floats(0, 3600))
def test_nothing_is_approved_without_a_price(sides: tuple[str, str], age_s: float) -> None:
    found = verdicts_without_price(UNSIZED, facts(*sides, age_s), RULES)
    assert not said(found)[Gate.SPREAD].passed
    assert Gate.SPREAD in refusals(found)
