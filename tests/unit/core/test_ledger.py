"""The ledger's pure life: marks, halts, reservations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.ledger import Ledger, Reservation, mark, open_ledger, release, reserve, resume, without
from shared.core.values import Symbol
from tests.support.orders import room

ON = date(2025, 10, 15)
AT = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)
AAA, BBB = Symbol("AAA"), Symbol("BBB")
OPENED = open_ledger(ON, Decimal(100_000))


def marked(ledger: Ledger, equity: int | str, days: int = 0) -> Ledger:
    return mark(ledger, ON + timedelta(days=days), Decimal(equity), Decimal("0.03"), Decimal("0.05"))


def reservation(intent: str = "i1", symbol: Symbol = AAA, notional: str = "1000") -> Reservation:
    return room(intent, symbol, notional, qty_shares=10)


def test_a_first_ledger_has_lost_nothing() -> None:
    assert [OPENED.day_loss, OPENED.drawdown, OPENED.reserved_notional] == [Decimal(0)] * 3
    assert not OPENED.is_day_halted
    assert not OPENED.is_drawdown_halted


@pytest.mark.parametrize("equity", ["0", "-1", "NaN", "Infinity"])
def test_an_equity_that_is_no_amount_is_refused(equity: str) -> None:
    with pytest.raises(ValueError, match="equity must be finite and > 0"):
        open_ledger(ON, Decimal(equity))
    with pytest.raises(ValueError, match="equity must be finite and > 0"):
        marked(OPENED, equity)


@pytest.mark.parametrize(("equity", "halted"), [("97000.01", False), ("97000", True), ("96000", True)])
def test_the_day_halts_at_its_loss_limit_and_not_a_cent_before(equity: str, halted: bool) -> None:
    assert marked(OPENED, equity).is_day_halted is halted


@pytest.mark.parametrize(("equity", "halted"), [("95000.01", False), ("95000", True)])
def test_a_drawdown_halts_at_its_limit_and_not_a_cent_before(equity: str, halted: bool) -> None:
    assert marked(OPENED, equity).is_drawdown_halted is halted


def test_a_recovery_on_the_same_day_lifts_no_halt() -> None:
    recovered = marked(marked(OPENED, 94_000), 120_000)
    assert recovered.is_day_halted
    assert recovered.is_drawdown_halted


def test_the_next_session_date_lifts_the_days_halt_only() -> None:
    next_day = marked(marked(OPENED, 94_000), 94_000, days=1)
    assert not next_day.is_day_halted
    assert next_day.is_drawdown_halted
    assert next_day.opening_equity == Decimal(94_000)
    assert next_day.peak_equity == Decimal(100_000)


def test_a_mark_of_an_earlier_date_opens_no_new_day() -> None:
    """An order that closes after midnight carries the date it was opened on."""
    today = marked(OPENED, 96_000, days=1)
    assert marked(today, 96_000, days=0) == today


def test_losses_are_measured_from_each_days_own_opening() -> None:
    second = marked(marked(OPENED, 98_000), 98_000, days=1)
    assert second.day_loss == 0
    assert not marked(second, 96_000, days=1).is_day_halted
    assert marked(second, "95060", days=1).is_day_halted


def test_the_peak_is_the_highest_equity_ever_seen() -> None:
    risen = marked(marked(marked(OPENED, 110_000), 105_000), 104_500, days=3)
    assert risen.peak_equity == Decimal(110_000)
    assert risen.is_drawdown_halted, "5 % under 110,000"


def test_resume_lifts_the_drawdown_and_measures_from_here() -> None:
    resumed = resume(marked(OPENED, 94_000))
    assert not resumed.is_drawdown_halted
    assert resumed.peak_equity == Decimal(94_000)
    assert not marked(resumed, 90_000).is_drawdown_halted
    assert marked(resumed, "89300").is_drawdown_halted


def test_resume_leaves_the_days_halt_until_the_next_day() -> None:
    resumed = resume(marked(OPENED, 94_000))
    assert resumed.is_day_halted
    assert not marked(resumed, 94_000, days=1).is_day_halted


def test_reserving_twice_takes_the_room_once() -> None:
    once = reserve(OPENED, reservation())
    assert reserve(once, reservation()) == once
    assert reserve(once, reservation(notional="700")).reserved_notional == 700


def test_room_is_counted_in_all_and_by_symbol() -> None:
    ledger = reserve(
        reserve(reserve(OPENED, reservation()), reservation("i2", AAA, "200")), reservation("i3", BBB, "5")
    )
    assert ledger.reserved_notional == 1205
    assert isinstance(ledger.reserved_in(Symbol("CCC")), Decimal)
    assert [ledger.reserved_in(s) for s in (AAA, BBB, Symbol("CCC"))] == [Decimal(1200), Decimal(5), Decimal(0)]


def test_releasing_gives_back_exactly_its_own_room_and_cools_the_symbol() -> None:
    until = AT + timedelta(minutes=15)
    ledger = reserve(reserve(OPENED, reservation()), reservation("i2", BBB))
    released = release(ledger, "i1", AAA, until)
    assert [r.intent_id for r in released.reservations] == ["i2"]
    assert released.cooling_until == {AAA: until}
    assert release(released, "i1", AAA, until) == released


def test_a_new_day_keeps_reservations_and_forgets_cooldowns() -> None:
    ledger = release(reserve(OPENED, reservation("i2", BBB)), "i1", AAA, AT)
    tomorrow = marked(ledger, 100_000, days=1)
    assert [r.intent_id for r in tomorrow.reservations] == ["i2"]
    assert tomorrow.cooling_until == {}


def test_a_ledger_without_an_unknown_intent_is_the_same() -> None:
    assert without(OPENED, "nothing") == OPENED


@pytest.mark.parametrize(
    "changes",
    [
        {"qty_shares": 0},
        {"notional": Decimal(0)},
        {"reserved_at": AT.replace(tzinfo=None)},
        {"exit_by": AT.replace(tzinfo=None)},
    ],
)
def test_an_empty_reservation_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} must be "):
        replace(reservation(), **changes)  # type: ignore[arg-type]


@given(
    marks=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 200_000)), min_size=1, max_size=12).map(sorted),
)
def test_halts_are_lifted_by_a_new_day_or_a_person_alone(marks: list[tuple[int, int]]) -> None:
    ledger = OPENED
    for days, equity in marks:
        after = marked(ledger, equity, days)
        assert after.peak_equity >= max(ledger.peak_equity, after.equity)
        assert not (ledger.is_drawdown_halted and not after.is_drawdown_halted)
        if after.on == ledger.on:
            assert not (ledger.is_day_halted and not after.is_day_halted)
        assert after.is_day_halted or after.day_loss < Decimal("0.03")
        assert after.is_drawdown_halted or after.drawdown < Decimal("0.05")
        ledger = after
