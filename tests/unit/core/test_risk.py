"""Every gate at its limit, just inside and just beyond; all recorded, none that passes what a stricter one refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.breaker import Breaker
from shared.core.committee.values import ABSTAIN, concluded
from shared.core.ledger import Doubt, StrategyBook, Unexplained, cooling_key, open_ledger, reserve
from shared.core.lots import Lot
from shared.core.market import Quote
from shared.core.portfolio import Account, Position
from shared.core.risk import (
    BEFORE_SUBMIT,
    GATES,
    EntryProposal,
    Facts,
    Gate,
    Verdict,
    needs_approval,
    refusals,
    verdicts,
)
from shared.core.sessions import Session
from shared.core.settings import (
    FIRST_STRATEGY,
    DecisionSettings,
    PolicySettings,
    RiskSettings,
    StrategyShare,
    SymbolGroup,
    Tuning,
)
from shared.core.unread import Unread
from shared.core.values import Symbol
from tests.support.bars import trading_day
from tests.support.broker import account_at
from tests.support.committee import outcomes_of
from tests.support.orders import reservation

ON = date(2025, 10, 15)
NOW = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)
AAA, BBB = Symbol("AAA"), Symbol("BBB")

RULES = DecisionSettings(
    policy=PolicySettings(
        entry_sessions=(Session.REG_AM, Session.REG_MID, Session.REG_PM),
        no_entry_before_close_min=10,
    ),
    risk=RiskSettings(
        max_positions=3,
        symbol_groups=(SymbolGroup(name="banks", symbols=(Symbol("AAA"), Symbol("BBB"))),),
        reference_gap_max_bp=Decimal(200),
        day_trades_max=3,
    ),
)
PROPOSAL = EntryProposal(
    intent_id="mine",
    symbol=AAA,
    qty=Decimal(100),
    limit_price=Decimal("10.01"),
    worst_price=Decimal("10.02"),
    stop_price=Decimal("9.80"),
    reference_price=Decimal("10.00"),
    adv_shares=1_000_000,
    binding="trade_risk",
)
FACTS = Facts(
    now=NOW,
    day=trading_day(ON),
    kill_reason="",
    account=Account(
        account_id="x",
        equity=Decimal(100_000),
        last_equity=Decimal(100_000),
        cash=Decimal(100_000),
        buying_power=Decimal(100_000),
        is_blocked=False,
    ),
    positions=(),
    ledger=open_ledger(ON, account_at(account_id="x")),
    quote=Quote(symbol=AAA, bid=Decimal("9.99"), ask=Decimal("10.01"), bid_size=1, ask_size=1, at=NOW),
    model_fault="",
)

type World = tuple[EntryProposal, Facts, DecisionSettings]
type Change = Callable[[World], World]


def proposal(**changes: Any) -> Change:
    return lambda w: (replace(w[0], **changes), w[1], w[2])


def facts(**changes: Any) -> Change:
    return lambda w: (w[0], replace(w[1], **changes), w[2])


def limits(**changes: Any) -> Change:
    return lambda w: (w[0], w[1], replace(w[2], risk=replace(w[2].risk, **changes)))


def entries(**changes: Any) -> Change:
    return lambda w: (w[0], w[1], replace(w[2], policy=replace(w[2].policy, **changes)))


def quoted(bid: str, ask: str, age_s: float = 0) -> Change:
    at = NOW - timedelta(seconds=age_s)
    return facts(quote=replace(FACTS.quote, bid=Decimal(bid), ask=Decimal(ask), at=at))


def aged(seconds: float) -> Change:
    """The quote is so old at whatever the time is."""
    return lambda w: facts(quote=replace(w[1].quote, at=w[1].now - timedelta(seconds=seconds)))(w)


def held(symbol: str, qty: int, price: str = "10") -> Position:
    return Position(symbol=Symbol(symbol), qty=Decimal(qty), average_price=Decimal(price), market_price=Decimal(price))


def reserved(*reservations: tuple[str, str], strategy: str = FIRST_STRATEGY) -> Change:
    ledger = FACTS.ledger
    for number, (symbol, notional) in enumerate(reservations):
        ledger = reserve(ledger, replace(reservation(f"other-{number}", symbol, notional), strategy=strategy))
    return facts(ledger=ledger)


def positions(*found: Position) -> Change:
    return facts(positions=found)


def both(*changes: Change) -> Change:
    def apply(world: World) -> World:
        for change in changes:
            world = change(world)
        return world

    return apply


def account(**changes: Any) -> Change:
    return facts(account=replace(FACTS.account, **changes))


def cooling(seconds: float) -> Change:
    return facts(
        ledger=replace(FACTS.ledger, cooling_until={cooling_key(FIRST_STRATEGY, AAA): NOW + timedelta(seconds=seconds)})
    )


def booked(**book: Any) -> Change:
    return facts(ledger=replace(FACTS.ledger, books={FIRST_STRATEGY: StrategyBook(**book)}))


def shares(share: str) -> Change:
    traded = (StrategyShare(name=FIRST_STRATEGY, share=Decimal(share)),)

    def change(of: World) -> World:
        return of[0], of[1], replace(of[2], strategies=replace(of[2].strategies, traded=traded))

    return change


def at(clock: str, on: date = ON) -> Change:
    return facts(now=datetime.fromisoformat(f"{on}T{clock}-04:00").astimezone(UTC))


POOR = account(equity=Decimal("24999.99"))
OPEN_UNTIL = NOW + timedelta(minutes=2)
DOUBT = Doubt(since=NOW, equity=Decimal(90_000))
OPEN = Breaker(failures=3, open_until=OPEN_UNTIL)
COIN = Lot(qty_step=Decimal("1e-9"), qty_min=Decimal("0.002"), notional_min=Decimal(10))
CASES: list[tuple[Gate, bool, Change]] = [
    (Gate.KILL_SWITCH, False, facts(kill_reason="by hand")),
    (Gate.HALTED_DAY_LOSS, False, facts(ledger=replace(FACTS.ledger, is_day_halted=True))),
    (Gate.HALTED_DRAWDOWN, False, facts(ledger=replace(FACTS.ledger, is_drawdown_halted=True))),
    (Gate.HALTED_DAY_LOSS, False, facts(ledger=replace(FACTS.ledger, day_doubt=DOUBT))),
    (Gate.HALTED_DAY_LOSS, True, facts(ledger=replace(FACTS.ledger, drawdown_doubt=DOUBT, peak_doubt=DOUBT))),
    (Gate.HALTED_DRAWDOWN, False, facts(ledger=replace(FACTS.ledger, drawdown_doubt=DOUBT))),
    (Gate.HALTED_DRAWDOWN, True, facts(ledger=replace(FACTS.ledger, day_doubt=DOUBT, peak_doubt=DOUBT))),
    (Gate.BROKER_HEALTH, False, facts(ledger=replace(FACTS.ledger, account_id="ours"))),
    (Gate.BROKER_HEALTH, True, facts(ledger=replace(FACTS.ledger, account_id=""))),
    (Gate.SIZE, True, proposal(qty=Decimal(1))),
    (Gate.SIZE, False, proposal(qty=Decimal(0))),
    (Gate.SIZE, True, proposal(qty=Decimal("1e-9"), lot=COIN)),
    (Gate.MIN_QTY, True, proposal(qty=Decimal("0.002"), lot=COIN)),
    (Gate.MIN_QTY, False, proposal(qty=Decimal("0.001999999"), lot=COIN)),
    (Gate.MIN_QTY, True, proposal(qty=Decimal(0), lot=COIN)),
    (Gate.MIN_QTY, False, proposal(qty=Decimal("0.5"))),
    # ten dollars at the limit, whatever the worst price would make of it
    (Gate.MIN_NOTIONAL, True, proposal(qty=Decimal(1), limit_price=Decimal(10), lot=COIN)),
    (Gate.MIN_NOTIONAL, False, proposal(qty=Decimal("0.999999999"), limit_price=Decimal(10), lot=COIN)),
    (Gate.MIN_NOTIONAL, False, proposal(qty=Decimal(1), limit_price=Decimal("9.999999"), lot=COIN)),
    (Gate.MIN_NOTIONAL, True, proposal(qty=Decimal(0), lot=COIN)),
    (Gate.MIN_NOTIONAL, True, proposal(qty=Decimal(1), limit_price=Decimal("0.0001"))),
    # loss at the stop 0.22 a share against 1 % of 100,000
    (Gate.TRADE_RISK, True, proposal(qty=Decimal(4545))),
    (Gate.TRADE_RISK, False, proposal(qty=Decimal(4546))),
    (Gate.TRADE_RISK, True, proposal(worst_price=Decimal(20), stop_price=Decimal(10), qty=100)),
    (Gate.MAX_POSITIONS, True, positions(held("BBB", 1), held("CCC", 1))),
    (Gate.MAX_POSITIONS, False, positions(held("BBB", 1), held("CCC", 1), held("DDD", 1))),
    (Gate.MAX_POSITIONS, False, both(positions(held("BBB", 1)), reserved(("CCC", "1"), ("DDD", "1")))),
    (Gate.MAX_POSITIONS, True, both(positions(held("BBB", 1)), reserved(("BBB", "10"), ("CCC", "1")))),
    # this one costs 1,002
    (Gate.GROSS_EXPOSURE, True, reserved(("BBB", "98998"))),
    (Gate.GROSS_EXPOSURE, False, reserved(("BBB", "98998.01"))),
    (Gate.GROSS_EXPOSURE, False, both(positions(held("BBB", 5000)), reserved(("CCC", "48998.01")))),
    (Gate.GROSS_EXPOSURE, True, both(positions(held("BBB", 5000)), reserved(("BBB", "60000")))),
    (Gate.SYMBOL_EXPOSURE, True, both(proposal(qty=Decimal(998), worst_price=Decimal("10.02")))),
    (Gate.SYMBOL_EXPOSURE, False, both(proposal(qty=Decimal(999), worst_price=Decimal("10.02")))),
    (Gate.SYMBOL_EXPOSURE, True, reserved(("AAA", "8998"))),
    (Gate.SYMBOL_EXPOSURE, False, reserved(("AAA", "8998.01"))),
    (Gate.SYMBOL_EXPOSURE, True, both(positions(held("AAA", 800)), reserved(("AAA", "8998")))),
    (Gate.GROUP_EXPOSURE, True, reserved(("BBB", "28998"), ("CCC", "60000"))),
    (Gate.GROUP_EXPOSURE, False, reserved(("BBB", "28998.01"))),
    (Gate.GROUP_EXPOSURE, False, positions(held("BBB", 2900))),
    (Gate.GROUP_EXPOSURE, True, both(positions(held("BBB", 2900)), limits(symbol_groups=()))),
    (Gate.BUYING_POWER, True, account(buying_power=Decimal(1002))),
    (Gate.BUYING_POWER, False, account(buying_power=Decimal("1001.99"))),
    (Gate.BUYING_POWER, False, both(account(buying_power=Decimal(2000)), reserved(("BBB", "998.01")))),
    (Gate.BUYING_POWER, True, both(account(buying_power=Decimal(2000)), reserved(("BBB", "998")))),
    (
        Gate.BUYING_POWER,
        True,
        both(account(buying_power=Decimal(1002)), reserved(("BBB", "998")), positions(held("BBB", 90))),
    ),
    (Gate.LIQUIDITY, True, proposal(adv_shares=10_000)),
    (Gate.LIQUIDITY, False, proposal(adv_shares=9_999)),
    (Gate.LIQUIDITY, True, both(at("08:00:00"), proposal(adv_shares=100_000))),
    (Gate.LIQUIDITY, False, both(at("08:00:00"), proposal(adv_shares=99_999))),
    (Gate.LIQUIDITY, False, both(at("16:30:00"), proposal(adv_shares=99_999))),
    (Gate.SPREAD, True, quoted("9.95", "10.05")),
    (Gate.SPREAD, False, quoted("9.95", "10.06")),
    (Gate.SPREAD, False, quoted("0", "10.01")),
    (Gate.SPREAD, False, quoted("10.02", "10.01")),
    (Gate.SPREAD, True, both(quoted("1.9925", "2.0075"), at("08:00:00"))),
    (Gate.SPREAD, False, both(quoted("1.9924", "2.0076"), at("08:00:00"))),
    (Gate.SPREAD, True, quoted("1.9924", "2.0076")),
    (Gate.SLIPPAGE, True, both(quoted("9.99", "10.01"), proposal(limit_price=Decimal("10.03")))),
    (Gate.SLIPPAGE, False, both(quoted("9.99", "10.01"), proposal(limit_price=Decimal("10.0301")))),
    (Gate.SLIPPAGE, False, quoted("10.01", "0")),
    (Gate.STALE_QUOTE, True, quoted("9.99", "10.01", 15)),
    (Gate.STALE_QUOTE, False, quoted("9.99", "10.01", 15.001)),
    (Gate.STALE_QUOTE, True, quoted("9.99", "10.01", -15)),
    (Gate.STALE_QUOTE, False, quoted("9.99", "10.01", -15.001)),
    (Gate.STALE_QUOTE, True, both(at("08:00:00"), aged(15))),
    (Gate.STALE_QUOTE, False, both(at("08:00:00"), aged(15.001))),
    (Gate.STALE_QUOTE, False, both(at("16:30:00"), aged(15.001))),
    (Gate.STALE_QUOTE, False, both(at("19:00:00"), aged(-15.001))),
    (Gate.DAY_TRADES, True, both(POOR, facts(day_trades=2))),
    (Gate.DAY_TRADES, False, both(POOR, facts(day_trades=3))),
    (Gate.DAY_TRADES, False, both(POOR, facts(day_trades=2), reserved(("BBB", "1")))),
    (Gate.DAY_TRADES, True, both(account(equity=Decimal(25_000)), facts(day_trades=9))),
    (Gate.DAY_TRADES, True, both(POOR, facts(day_trades=9), limits(day_trades_max=0))),
    (Gate.SESSION, False, at("09:29:59")),
    (Gate.SESSION, True, at("09:30:00")),
    (Gate.SESSION, True, at("15:49:59")),
    (Gate.SESSION, False, at("15:50:00")),
    (Gate.SESSION, False, at("16:00:00")),
    (Gate.SESSION, False, facts(day=None)),
    (Gate.SESSION, False, entries(entry_sessions=(Session.REG_PM,))),
    (Gate.SESSION, True, both(at("08:00:00"), entries(entry_sessions=(Session.PRE,)))),
    (Gate.SESSION, True, both(at("16:30:00"), entries(entry_sessions=(Session.AFT,)))),
    (Gate.SESSION, True, both(at("09:29:59"), entries(entry_sessions=(Session.PRE,)))),
    (Gate.SESSION, True, both(at("19:49:59"), entries(entry_sessions=(Session.AFT,)))),
    (Gate.SESSION, False, both(at("19:50:00"), entries(entry_sessions=(Session.AFT,)))),
    (Gate.COOLDOWN, False, cooling(0.001)),
    (Gate.COOLDOWN, True, cooling(0)),
    (Gate.DUPLICATE, False, positions(held("AAA", 1))),
    (Gate.DUPLICATE, False, positions(held("AAA", -1))),
    (Gate.DUPLICATE, False, reserved(("AAA", "1"))),
    (Gate.DUPLICATE, True, both(positions(held("BBB", 1)), reserved(("CCC", "1")))),
    (Gate.DATA_QUALITY, True, quoted("10.19", "10.21")),
    (Gate.DATA_QUALITY, False, quoted("10.19", "10.2102")),
    (Gate.DATA_QUALITY, True, quoted("9.79", "9.81")),
    (Gate.DATA_QUALITY, False, quoted("9.78", "9.81")),
    (Gate.DATA_QUALITY, False, quoted("0", "10.01")),
    (Gate.MODEL_HEALTH, False, facts(model_fault="expired")),
    (Gate.BROKER_HEALTH, False, account(is_blocked=True)),
    (Gate.BROKER_HEALTH, False, facts(ledger=replace(FACTS.ledger, broker=OPEN))),
    (Gate.BROKER_HEALTH, False, facts(ledger=replace(FACTS.ledger, market=OPEN))),
    (Gate.BROKER_HEALTH, False, facts(ledger=replace(FACTS.ledger, unexplained=(Unexplained(subject="7 ZZZ"),)))),
    (Gate.BROKER_HEALTH, True, both(facts(ledger=replace(FACTS.ledger, broker=OPEN)), facts(now=OPEN_UNTIL))),
    (Gate.STRATEGY_HALTED, False, facts(strategy_halt="halted by me: looks wrong")),
    (Gate.STRATEGY_HALTED, False, booked(is_day_halted=True)),
    (Gate.STRATEGY_HALTED, True, booked(realised=Decimal(-9999))),
    (Gate.STRATEGY_HALTED, False, proposal(strategy="gone.v1")),
    (Gate.STRATEGY_POSITIONS, True, both(shares("0.7"), reserved(("BBB", "1")))),
    (Gate.STRATEGY_POSITIONS, False, both(shares("0.7"), reserved(("BBB", "1"), ("CCC", "1")))),
    (Gate.STRATEGY_POSITIONS, True, both(shares("0.7"), reserved(("BBB", "1"), ("CCC", "1"), strategy="other.v1"))),
    # 0.4 of 100,000, of which this one takes 1,002
    (Gate.STRATEGY_EXPOSURE, True, both(shares("0.4"), reserved(("BBB", "38998")))),
    (Gate.STRATEGY_EXPOSURE, False, both(shares("0.4"), reserved(("BBB", "38998.01")))),
    (Gate.STRATEGY_EXPOSURE, True, both(shares("0.4"), reserved(("BBB", "90000"), strategy="other.v1"))),
    (Gate.STRATEGY_EXPOSURE, True, reserved(("BBB", "200000"))),
    (Gate.COMMITTEE, True, facts(committee=concluded(outcomes_of(*["0.25"] * 5), default=ABSTAIN))),
    (Gate.COMMITTEE, False, facts(committee=concluded(outcomes_of(*["0"] * 5), default=ABSTAIN))),
    (Gate.APPROVAL, True, proposal(qty=Decimal(99_999))),
]


def world(change: Change = lambda w: w) -> World:
    return change((PROPOSAL, FACTS, RULES))


def said(gate: Gate, of: World) -> Verdict:
    return next(verdict for verdict in verdicts(*of) if verdict.gate is gate)


def test_a_sound_proposal_passes_every_gate() -> None:
    assert refusals(verdicts(*world())) == ()


@pytest.mark.parametrize(("gate", "passes", "change"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)])
def test_a_gate_holds_its_limit_exactly(gate: Gate, passes: bool, change: Change) -> None:
    assert said(gate, world(change)).passed is passes


def test_every_gate_has_a_case_that_it_refuses() -> None:
    asks_a_person = {Gate.APPROVAL}
    assert {gate for gate, passes, _ in CASES if not passes} == set(Gate) - asks_a_person


@pytest.mark.parametrize(("shares", "waits"), [(4990, True), (4989, False)])
def test_half_the_account_waits_for_a_person(shares: int, waits: bool) -> None:
    assert needs_approval(*world(proposal(qty=shares, worst_price=Decimal("10.0200401")))) is waits


@pytest.mark.parametrize("change", [case[2] for case in CASES])
def test_all_gates_are_recorded_in_their_one_order_whatever_the_first_says(change: Change) -> None:
    found = verdicts(*world(change))
    assert [verdict.gate for verdict in found] == list(Gate) == list(GATES)
    assert all(verdict.found and verdict.limit for verdict in found)


def test_refusals_name_all_gates_that_did_not_pass_in_order() -> None:
    bad = both(facts(kill_reason="by hand", model_fault="expired"), proposal(qty=Decimal(0)))
    assert refusals(verdicts(*world(bad))) == (Gate.KILL_SWITCH, Gate.SIZE, Gate.MODEL_HEALTH)


def test_before_submission_the_facts_that_age_are_asked_again() -> None:
    found = verdicts(*world(), BEFORE_SUBMIT)
    given = {Gate.SIZE, Gate.LIQUIDITY, Gate.COOLDOWN, Gate.DATA_QUALITY, Gate.MODEL_HEALTH, Gate.APPROVAL}
    given |= {Gate.MIN_QTY, Gate.MIN_NOTIONAL, Gate.COMMITTEE}
    assert {v.gate for v in found} == set(Gate) - given
    assert [v.gate for v in found] == [gate for gate in Gate if gate in BEFORE_SUBMIT]


def test_a_verdict_shows_what_was_found_and_the_limit() -> None:
    spread = said(Gate.SPREAD, world())
    assert (spread.found, spread.limit) == ("20", "<= 100")
    assert said(Gate.SESSION, world(at("15:55:00"))).found == "REG-PM late"
    assert said(Gate.SESSION, world()).limit == "REG-AM REG-MID REG-PM, not in the last 10 min"
    assert said(Gate.COOLDOWN, world(cooling(60))).found == "until 14:01:00Z"
    assert said(Gate.STALE_QUOTE, world(quoted("9.99", "10.01", 20))).found == "20"
    assert said(Gate.HALTED_DAY_LOSS, world(facts(ledger=replace(FACTS.ledger, is_day_halted=True)))).found == (
        "halted at 0"
    )


FOUND = {
    Gate.KILL_SWITCH: ("clear", "off"),
    Gate.HALTED_DAY_LOSS: ("clear", "not halted"),
    Gate.HALTED_DRAWDOWN: ("clear", "not halted"),
    Gate.SIZE: (f"{PROPOSAL.qty} ({PROPOSAL.binding})", "> 0"),
    Gate.DAY_TRADES: ("clear", "no such rule"),
    Gate.COOLDOWN: ("clear", "not cooling"),
    Gate.DUPLICATE: ("clear", "not held"),
    Gate.MODEL_HEALTH: ("clear", "trusted"),
    Gate.BROKER_HEALTH: ("clear", "healthy"),
    Gate.STRATEGY_HALTED: ("clear", "not halted"),
    Gate.STRATEGY_POSITIONS: ("clear", "the account's own"),
    Gate.STRATEGY_EXPOSURE: ("clear", "the account's own"),
    Gate.MIN_QTY: ("100", ">= 1"),
    Gate.MIN_NOTIONAL: ("1001", ">= 0"),
}


@pytest.mark.parametrize("gate", FOUND)
def test_a_gate_that_passes_says_so_in_its_own_words(gate: Gate) -> None:
    verdict = said(gate, world())
    assert (verdict.found, verdict.limit) == FOUND[gate]


FAULTS = [
    (Gate.HALTED_DRAWDOWN, facts(ledger=replace(FACTS.ledger, is_drawdown_halted=True)), "halted at 0"),
    (Gate.HALTED_DAY_LOSS, facts(ledger=replace(FACTS.ledger, day_doubt=DOUBT)), "0 at one look, no second one yet"),
    (
        Gate.HALTED_DRAWDOWN,
        facts(ledger=replace(FACTS.ledger, drawdown_doubt=DOUBT)),
        "0 at one look, no second one yet",
    ),
    (
        Gate.BROKER_HEALTH,
        facts(ledger=replace(FACTS.ledger, account_id="ours")),
        "the keys open another account: x, not ours",
    ),
    (Gate.SPREAD, quoted("0", "10.01"), "one-sided 0/10.01"),
    (Gate.DUPLICATE, positions(held("AAA", 1)), "held or being bought"),
    (Gate.BROKER_HEALTH, account(is_blocked=True), "account blocked"),
    (Gate.BROKER_HEALTH, facts(ledger=replace(FACTS.ledger, broker=OPEN)), "trading API failing"),
    (Gate.BROKER_HEALTH, facts(ledger=replace(FACTS.ledger, market=OPEN)), "market data API failing"),
    (
        Gate.BROKER_HEALTH,
        facts(ledger=replace(FACTS.ledger, broker=OPEN, market=OPEN, unexplained=(Unexplained(subject="7 ZZZ"),))),
        "trading API failing; market data API failing; 7 ZZZ",
    ),
]


@pytest.mark.parametrize(("gate", "change", "found"), FAULTS)
def test_a_gate_that_refuses_says_why_in_its_own_words(gate: Gate, change: Change, found: str) -> None:
    verdict = said(gate, world(change))
    assert (verdict.passed, verdict.found) == (False, found)
    assert verdict.limit == {Gate.SPREAD: "two-sided"}.get(gate, FOUND.get(gate, ("", ""))[1])


def test_figures_are_shown_exactly_up_to_four_digits() -> None:
    assert said(Gate.MAX_POSITIONS, world()).found == "1"
    assert said(Gate.LIQUIDITY, world(proposal(qty=Decimal(1_234_567)))).found == "1234567"
    risky = proposal(qty=Decimal(1), worst_price=Decimal("10.00006"), stop_price=Decimal(9))
    assert said(Gate.TRADE_RISK, world(risky)).found == "1.0001"
    assert said(Gate.SESSION, world()).found == "REG-AM"


def test_gross_exposure_may_be_less_or_more_than_the_equity() -> None:
    verdict = said(Gate.GROSS_EXPOSURE, world(limits(gross_exposure_max_fraction=Decimal("0.5"))))
    assert verdict.limit == f"<= {FACTS.account.equity / 2:f}".removesuffix(".0")


def test_symbols_without_a_group_are_groups_of_their_own() -> None:
    alone = both(limits(symbol_groups=()), positions(held("BBB", 100)))
    one, two = said(Gate.GROUP_EXPOSURE, world(limits(symbol_groups=()))), said(Gate.GROUP_EXPOSURE, world(alone))
    assert one.found == two.found
    same = both(limits(symbol_groups=()), positions(held("AAA", 100)))
    assert Decimal(said(Gate.GROUP_EXPOSURE, world(same)).found) == Decimal(one.found) + 1000


@pytest.mark.parametrize("gate", [Gate.SLIPPAGE, Gate.DATA_QUALITY])
def test_a_gate_that_needs_a_mid_says_that_there_is_none(gate: Gate) -> None:
    verdict = said(gate, world(quoted("0", "10.01")))
    assert (verdict.passed, verdict.found, verdict.limit) == (False, "no mid", "two-sided")


def test_the_share_of_the_account_is_shown_beside_the_limit_for_a_person() -> None:
    verdict = said(Gate.APPROVAL, world(both(proposal(qty=Decimal(1000), worst_price=Decimal(25)))))
    share = Decimal(25_000) / FACTS.account.equity
    assert Decimal(verdict.found) == round(share, 4)
    assert verdict.limit == "< 0.5, else a person approves"


def test_exactly_the_share_that_needs_approval_waits() -> None:
    half = FACTS.account.equity * RULES.risk.approval_fraction
    assert needs_approval(*world(proposal(qty=Decimal(1), worst_price=half)))


def test_a_held_symbol_and_its_reservation_are_counted_once_at_the_larger() -> None:
    _, seen, _ = world(both(positions(held("BBB", 90)), reserved(("BBB", "1000"), ("CCC", "50"))))
    assert seen.exposure() == {BBB: Decimal(1000), Symbol("CCC"): Decimal(50)}
    _, grown, _ = world(both(positions(held("BBB", 200)), reserved(("BBB", "1000"))))
    assert grown.exposure() == {BBB: Decimal(2000)}
    assert grown.free_buying_power() == FACTS.account.buying_power


def test_nonsense_facts_and_proposals_are_refused() -> None:
    with pytest.raises(ValueError, match="equity must be finite and > 0"):
        account(equity=Decimal(0))(world())
    with pytest.raises(ValueError, match="now must be an aware UTC"):
        facts(now=NOW.replace(tzinfo=None))(world())
    with pytest.raises(ValueError, match="qty must be finite and >= 0"):
        proposal(qty=-1)(world())
    with pytest.raises(ValueError, match="worst_price must be finite and > 0"):
        proposal(worst_price=Decimal("NaN"))(world())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    cents = st.integers(1, 500_000).map(lambda n: Decimal(n) / 100)
    bid = draw(st.integers(900, 1100).map(lambda n: Decimal(n) / 100))
    ask = bid + draw(st.integers(-1, 30).map(lambda n: Decimal(n) / 100))
    change = both(
        quoted(str(bid), str(ask), draw(st.floats(-30, 30))),
        proposal(
            qty=draw(st.integers(0, 5000)),
            limit_price=draw(st.integers(900, 1100).map(lambda n: Decimal(n) / 100)),
            adv_shares=draw(st.integers(0, 10**6)),
        ),
        account(buying_power=draw(cents) * 100, is_blocked=draw(st.booleans())),
        reserved(*draw(st.lists(st.tuples(st.sampled_from(["AAA", "BBB", "CCC", "DDD"]), cents.map(str)), max_size=5))),
        positions(*draw(st.lists(st.builds(held, st.sampled_from(["AAA", "CCC", "EEE"]), st.integers(-50, 900))))),
        facts(now=NOW + timedelta(minutes=draw(st.integers(-600, 600)))),
        facts(kill_reason=draw(st.sampled_from(["", "on"])), model_fault=draw(st.sampled_from(["", "expired"]))),
    )
    return world(change)


NUMBERS = [
    *(f.name for f in fields(RiskSettings) if f.metadata["tuning"] is Tuning.CAPPED),
    "day_trades_max",
]


@given(of=worlds(), name=st.sampled_from(NUMBERS), share=st.floats(0, 1))
def test_no_gate_passes_what_it_refuses_under_a_looser_limit(of: World, name: str, share: float) -> None:
    """Tightening one limit can only turn passes into refusals."""
    proposal_, facts_, loose = of
    value = getattr(loose.risk, name)
    changed: dict[str, Any] = {name: 1 if isinstance(value, int) else value * type(value)(share)}
    strict = replace(loose, risk=replace(loose.risk, **changed))
    before, after = verdicts(proposal_, facts_, loose), verdicts(proposal_, facts_, strict)
    assert set(refusals(before)) <= set(refusals(after))


@given(of=worlds(), minutes=st.integers(10, 600))
def test_no_entry_passes_that_an_earlier_end_of_entries_refuses(of: World, minutes: int) -> None:
    proposal_, facts_, loose = of
    strict = replace(loose, policy=replace(loose.policy, no_entry_before_close_min=minutes))
    assert set(refusals(verdicts(proposal_, facts_, loose))) <= set(refusals(verdicts(proposal_, facts_, strict)))


@given(of=worlds(), dropped=st.sampled_from(list(Session)))
def test_disabling_a_session_lets_nothing_more_pass(of: World, dropped: Session) -> None:
    proposal_, facts_, loose = of
    kept = tuple(each for each in loose.policy.entry_sessions if each is not dropped)
    strict = replace(loose, policy=replace(loose.policy, entry_sessions=kept))
    assert set(refusals(verdicts(proposal_, facts_, loose))) <= set(refusals(verdicts(proposal_, facts_, strict)))


@given(of=worlds(), fewer=st.floats(0, 1))
def test_a_smaller_size_is_refused_by_no_gate_that_passed_the_larger(of: World, fewer: float) -> None:
    proposal_, facts_, limits_ = of
    smaller = replace(proposal_, qty=max(min(Decimal(1), proposal_.qty), Decimal(int(proposal_.qty * Decimal(fewer)))))
    assert set(refusals(verdicts(smaller, facts_, limits_))) <= set(refusals(verdicts(proposal_, facts_, limits_)))


def test_a_position_that_cannot_be_read_counts_by_its_market_value() -> None:
    rows = tuple(
        Unread(what="position", name=name, fault="odd", raw="{}", market_value=value)
        for name, value in (("AAA", Decimal(300)), ("AAA", Decimal(50)), ("CCC", None))
    )
    assert replace(FACTS, unread=rows).exposure() == {AAA: Decimal(350), Symbol("CCC"): Decimal(0)}
