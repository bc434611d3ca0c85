"""The ledger's pure life: marks, halts, reservations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.ledger import (
    CONFIRMED_AFTER,
    DifferenceKind,
    Doubt,
    Ledger,
    Reservation,
    Unexplained,
    cooling_key,
    mark,
    names,
    open_ledger,
    release,
    reserve,
    resume,
    without,
)
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import Symbol
from tests.support.broker import account_at
from tests.support.orders import reservation as reserved

ON = date(2025, 10, 15)
AT = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)
AAA, BBB = Symbol("AAA"), Symbol("BBB")
OPENED = open_ledger(ON, account_at())
LIMITS = (Decimal("0.03"), Decimal("0.05"))
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

type Amount = int | str


def looked(ledger: Ledger, equity: Amount, after: timedelta = MINUTE, **account: Amount) -> Ledger:
    """One look on the ledger's own date, so long after `AT`."""
    return mark(ledger, ledger.on, account_at(equity, **account), AT + after, *LIMITS)  # type: ignore[arg-type]


def marked(ledger: Ledger, equity: Amount, days: int = 0, *, last: Amount | None = None) -> Ledger:
    """Two looks in a row at one equity, a minute apart; `last` is the equity at the last close, that of `ON` or before
    unless given.
    """
    seen = account_at(equity, last_equity=ledger.opening_equity if last is None else last)
    for at in (AT, AT + MINUTE):
        ledger = mark(ledger, ON + timedelta(days=days), seen, at + timedelta(days=days), *LIMITS)
    return ledger


def reservation(intent: str = "i1", symbol: Symbol = AAA, notional: str = "1000") -> Reservation:
    return reserved(intent, symbol, notional, qty=10)


def test_a_first_ledger_has_lost_nothing() -> None:
    assert [OPENED.day_loss, OPENED.drawdown, OPENED.reserved_notional] == [Decimal(0)] * 3
    assert not OPENED.is_day_halted
    assert not OPENED.is_drawdown_halted


@pytest.mark.parametrize("equity", ["0", "-1", "NaN", "Infinity"])
def test_an_equity_that_is_no_amount_is_refused(equity: str) -> None:
    with pytest.raises(ValueError, match="equity must be finite and > 0"):
        open_ledger(ON, account_at(equity))
    with pytest.raises(ValueError, match="equity must be finite and > 0"):
        marked(OPENED, equity)


def test_a_first_look_in_the_middle_of_a_bad_day_sees_the_days_whole_loss() -> None:
    """The app was off until 10:00, and the account stands 4 % under yesterday's close."""
    first = mark(open_ledger(ON, account_at(96_000)), ON, account_at(96_000), AT, *LIMITS)
    assert (first.opening_equity, first.day_loss) == (Decimal(100_000), Decimal("0.04"))
    assert looked(first, 96_000).is_day_halted


def test_a_days_first_look_sees_what_was_lost_or_won_since_the_last_close() -> None:
    for equity, loss in ((95_000, "0.05"), (104_000, "-0.04")):
        monday = mark(OPENED, ON + timedelta(days=5), account_at(equity), AT + timedelta(days=5), *LIMITS)
        assert (monday.opening_equity, monday.day_loss) == (Decimal(100_000), Decimal(loss))


@pytest.mark.parametrize("last_equity", ["0", "-1"])
def test_where_the_broker_knows_no_last_close_the_days_first_look_opens_it(last_equity: str) -> None:
    new = open_ledger(ON, account_at(50_000, last_equity=last_equity))
    assert (new.opening_equity, new.peak_equity) == (Decimal(50_000), Decimal(50_000))
    later = looked(new, 49_000, last_equity=last_equity)
    assert later.opening_equity == Decimal(50_000)
    next_day = mark(later, ON + timedelta(days=1), account_at(48_000, last_equity=last_equity), AT, *LIMITS)
    assert (next_day.opening_equity, next_day.day_loss) == (Decimal(48_000), Decimal(0))


def test_a_last_close_that_the_broker_rolls_late_is_taken_when_it_comes() -> None:
    early = mark(OPENED, ON + timedelta(days=1), account_at(98_000), AT + timedelta(days=1), *LIMITS)
    assert early.opening_equity == Decimal(100_000)
    rolled = looked(early, 97_900, timedelta(days=1, minutes=1), last_equity=98_500)
    assert rolled.opening_equity == Decimal(98_500)


def test_a_deposit_is_no_profit_that_may_be_lost_again_and_a_withdrawal_counts_as_lost() -> None:
    paid_in = looked(OPENED, 110_000, paid_in=10_000)
    assert (paid_in.opening_equity, paid_in.day_loss) == (Decimal(110_000), Decimal(0))
    paid_out = looked(OPENED, 90_000, paid_in=-10_000)
    assert (paid_out.opening_equity, paid_out.day_loss) == (Decimal(100_000), Decimal("0.1"))


def test_what_another_account_shows_changes_nothing() -> None:
    theirs = account_at(1, last_equity=5, account_id="other")
    assert mark(OPENED, ON + timedelta(days=3), theirs, AT, *LIMITS) == OPENED


def test_a_ledger_of_older_code_is_of_the_account_it_is_marked_to() -> None:
    old = replace(OPENED, account_id="")
    assert looked(old, 100_000).account_id == "hand"


@pytest.mark.parametrize("equity", [1, 50_000, 96_999])
def test_a_loss_that_one_look_has_seen_halts_nothing_and_is_in_doubt_until_the_next(equity: int) -> None:
    once = looked(OPENED, equity)
    assert not once.is_day_halted
    assert not once.is_drawdown_halted
    assert once.day_doubt is not None
    again = looked(once, 100_000, 2 * MINUTE)
    assert (again.day_doubt, again.drawdown_doubt, again.is_day_halted) == (None, None, False)


def test_looks_within_one_moment_are_one_look() -> None:
    """Gate and supervise may both be shown the same wrong print."""
    once = looked(OPENED, 1)
    twice = looked(once, 1, MINUTE + CONFIRMED_AFTER - SECOND)
    assert not twice.is_day_halted
    assert looked(twice, 1, MINUTE + CONFIRMED_AFTER).is_day_halted


def test_a_look_between_that_sees_no_loss_begins_the_row_anew() -> None:
    ledger = OPENED
    for minute, equity in enumerate((1, 100_000, 1, 100_000)):
        ledger = looked(ledger, equity, minute * MINUTE)
    assert not ledger.is_day_halted
    assert not ledger.is_drawdown_halted


def test_a_look_that_is_older_than_the_doubt_confirms_nothing() -> None:
    assert not looked(looked(OPENED, 90_000), 90_000, -MINUTE).is_day_halted


@pytest.mark.parametrize("equity", [100_001, 180_000])
def test_a_peak_that_one_look_has_seen_is_none(equity: int) -> None:
    once = looked(OPENED, equity)
    assert once.peak_equity == Decimal(100_000)
    fallen = looked(once, 99_900, 2 * MINUTE)
    assert (fallen.peak_equity, fallen.peak_doubt, fallen.drawdown_doubt) == (Decimal(100_000), None, None)


def test_a_rising_equity_raises_the_peak_one_look_behind() -> None:
    ledger, peaks = OPENED, []
    for minute, equity in enumerate((101_000, 103_000, 102_000, 104_000, 104_000)):
        ledger = looked(ledger, equity, minute * MINUTE)
        peaks.append(int(ledger.peak_equity))
    assert peaks == [100_000, 101_000, 102_000, 102_000, 104_000]


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
    next_day = marked(marked(OPENED, 94_000), 94_000, days=1, last=94_000)
    assert not next_day.is_day_halted
    assert next_day.is_drawdown_halted
    assert next_day.opening_equity == Decimal(94_000)
    assert next_day.peak_equity == Decimal(100_000)


def test_a_mark_of_an_earlier_date_opens_no_new_day() -> None:
    """An order that closes after midnight carries the date it was opened on."""
    today = marked(OPENED, 96_000, days=1)
    assert replace(marked(today, 96_000, days=0), drawdown_doubt=None) == replace(today, drawdown_doubt=None)


def test_losses_are_measured_from_each_days_own_opening() -> None:
    second = marked(marked(OPENED, 98_000), 98_000, days=1, last=98_000)
    assert second.day_loss == 0
    assert not marked(second, 96_000, days=1).is_day_halted
    assert marked(second, "95060", days=1).is_day_halted


def test_the_peak_is_the_highest_equity_ever_confirmed() -> None:
    risen = marked(marked(marked(OPENED, 110_000), 105_000), 104_500, days=3)
    assert risen.peak_equity == Decimal(110_000)
    assert risen.is_drawdown_halted, "5 % under 110,000"


def test_resume_lifts_the_drawdown_and_measures_from_here() -> None:
    resumed = resume(marked(OPENED, 94_000))
    assert not resumed.is_drawdown_halted
    assert resumed.peak_equity == Decimal(94_000)
    assert not marked(resumed, 90_000).is_drawdown_halted
    assert marked(resumed, "89300").is_drawdown_halted


def test_the_resume_of_anything_but_a_drawdown_leaves_the_peak() -> None:
    """With a resume now and then the limit of 5 % would never be reached, however far equity falls."""
    ledger = OPENED
    for day, equity in enumerate((98_000, 96_500, 95_500), 1):
        ledger = marked(replace(ledger, unexplained=(Unexplained.parse("position in ZZZ"),)), equity, day, last=equity)
        ledger = resume(ledger)
        assert (ledger.unexplained, ledger.peak_equity) == ((), Decimal(100_000))
    assert marked(ledger, 95_000, 4, last=95_500).is_drawdown_halted


def test_a_resume_while_a_drawdown_is_in_doubt_does_not_settle_the_doubt() -> None:
    once = looked(OPENED, 90_000)
    assert resume(once) == once
    assert looked(resume(once), 90_000, 2 * MINUTE).is_drawdown_halted


def test_resume_leaves_the_days_halt_until_the_next_day() -> None:
    resumed = resume(marked(OPENED, 94_000))
    assert resumed.is_day_halted
    assert not marked(resumed, 94_000, days=1, last=94_000).is_day_halted


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
    released = release(ledger, reservation(), until, Decimal(-7))
    assert [r.intent_id for r in released.reservations] == ["i2"]
    assert released.cooling_until == {cooling_key(FIRST_STRATEGY, AAA): until}
    assert released.book_of(FIRST_STRATEGY).realised == -7
    assert release(released, reservation(), until, Decimal(-7)) == released, "what is released counts once"


def test_a_new_day_keeps_reservations_and_forgets_cooldowns() -> None:
    ledger = release(reserve(OPENED, reservation("i2", BBB)), reservation(), AT, Decimal(0))
    tomorrow = marked(ledger, 100_000, days=1)
    assert [r.intent_id for r in tomorrow.reservations] == ["i2"]
    assert tomorrow.cooling_until == {}


def test_a_ledger_without_an_unknown_intent_is_the_same() -> None:
    assert without(OPENED, "nothing") == OPENED


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": 0},
        {"notional": Decimal(0)},
        {"reserved_at": AT.replace(tzinfo=None)},
        {"exit_by": AT.replace(tzinfo=None)},
    ],
)
def test_an_empty_reservation_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} must be "):
        replace(reservation(), **changes)  # type: ignore[arg-type]


LOOKS = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 200_000), st.sampled_from([0, 90_000, 100_000, 110_000])),
    min_size=1,
    max_size=14,
)
"""Looks in a row: seconds since the one before, equity, and the last close that the broker tells."""


def looks_of(looks: list[tuple[int, int, int]]) -> list[tuple[datetime, Ledger, Ledger]]:
    """The instant of each look, and the ledger before and after it."""
    ledger, at, found = OPENED, AT, []
    for seconds, equity, last in looks:
        at += timedelta(seconds=seconds)
        after = mark(ledger, ON, account_at(equity, last_equity=last), at, *LIMITS)
        found.append((at, ledger, after))
        ledger = after
    return found


@given(LOOKS)
def test_nothing_that_one_look_has_seen_sets_a_peak_or_a_halt(looks: list[tuple[int, int, int]]) -> None:
    seen: list[tuple[datetime, Decimal]] = []
    for at, before, after in looks_of(looks):
        seen.append((at, after.equity))
        if after.peak_equity > before.peak_equity:
            earlier = [equity for when, equity in seen if at - when >= CONFIRMED_AFTER]
            assert max(earlier) >= after.peak_equity
            assert after.equity >= after.peak_equity
        if after.is_day_halted and not before.is_day_halted:
            assert after.day_loss >= LIMITS[0]
            assert before.day_doubt is not None
            assert at - before.day_doubt.since >= CONFIRMED_AFTER
        if after.is_drawdown_halted and not before.is_drawdown_halted:
            assert after.drawdown >= LIMITS[1]
            assert before.drawdown_doubt is not None
            assert at - before.drawdown_doubt.since >= CONFIRMED_AFTER


@given(LOOKS)
def test_every_look_at_a_limit_halts_or_is_in_doubt(looks: list[tuple[int, int, int]]) -> None:
    for _, _, after in looks_of(looks):
        assert after.is_day_halted or (after.day_doubt is not None) == (after.day_loss >= LIMITS[0])
        assert after.is_drawdown_halted or (after.drawdown_doubt is not None) == (after.drawdown >= LIMITS[1])


@given(
    marks=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 200_000)), min_size=1, max_size=12).map(sorted),
)
def test_halts_are_lifted_by_a_new_day_or_a_person_alone(marks: list[tuple[int, int]]) -> None:
    ledger = OPENED
    for days, equity in marks:
        after = marked(ledger, equity, days, last=equity if days > (ledger.on - ON).days else None)
        assert after.peak_equity >= max(ledger.peak_equity, after.equity)
        assert not (ledger.is_drawdown_halted and not after.is_drawdown_halted)
        if after.on == ledger.on:
            assert not (ledger.is_day_halted and not after.is_day_halted)
        assert after.is_day_halted or after.day_loss < Decimal("0.03")
        assert after.is_drawdown_halted or after.drawdown < Decimal("0.05")
        ledger = after


def test_a_resume_at_a_wrong_print_sets_no_peak_that_was_never_reached() -> None:
    high = looked(marked(OPENED, 94_000), 180_000, 3 * MINUTE)
    assert resume(high).peak_equity == Decimal(100_000)


def test_differences_of_older_code_are_read_from_their_texts() -> None:
    texts = "position in AAA; unreadable open order in BBB; open order in a row in CCC; the ledger's row was lost"
    read = replace(OPENED, unexplained=texts, suspected=("open order in ?", "")).unexplained  # type: ignore[arg-type]
    assert [(each.kind, each.subject) for each in read] == [
        (DifferenceKind.POSITION, "AAA"),
        (DifferenceKind.UNREADABLE_ORDER, "BBB"),
        (DifferenceKind.ORDER, "a row in CCC"),
        (DifferenceKind.OTHER, "the ledger's row was lost"),
    ]
    assert names(read) == texts
    assert Unexplained.parse("halted in a hurry") == Unexplained(subject="halted in a hurry")


def test_a_resume_accepts_what_was_unexplained_and_clears_the_doubts_of_a_drawdown() -> None:
    doubt = Doubt(since=AT, equity=Decimal(90_000))
    odd = Unexplained.parse("position in AAA")
    halted = replace(OPENED, unexplained=(odd,), is_drawdown_halted=True, drawdown_doubt=doubt, peak_doubt=doubt)
    lifted = resume(halted)
    assert (lifted.unexplained, lifted.accepted) == ((), (odd,))
    assert (lifted.drawdown_doubt, lifted.peak_doubt) == (None, None)


def test_a_doubt_names_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match=r"^since must be"):
        Doubt(since=AT.replace(tzinfo=None), equity=Decimal(1))
    with pytest.raises(ValueError, match=r"^equity must be"):
        Doubt(since=AT, equity=Decimal(0))


def test_a_ledger_is_opened_for_its_account() -> None:
    assert open_ledger(ON, account_at(account_id="mine")).account_id == "mine"


def test_a_doubt_of_yesterday_halts_nothing_today() -> None:
    doubted = looked(OPENED, 90_000)
    assert doubted.day_doubt is not None
    seen = account_at(90_000, last_equity=100_000)
    assert not mark(doubted, ON + timedelta(days=1), seen, AT + timedelta(days=1), *LIMITS).is_day_halted


def test_the_peak_itself_is_no_doubt() -> None:
    assert looked(OPENED, OPENED.peak_equity).peak_doubt is None  # type: ignore[arg-type]


def test_of_two_hasty_looks_the_one_nearer_the_bound_is_remembered() -> None:
    lost = looked(looked(OPENED, 90_000, SECOND), 80_000, 2 * SECOND)
    assert lost.day_doubt == lost.drawdown_doubt == Doubt(since=AT + SECOND, equity=Decimal(90_000))
    assert looked(looked(OPENED, 80_000, SECOND), 90_000, 2 * SECOND).day_doubt == lost.day_doubt
    risen = looked(looked(OPENED, 120_000, SECOND), 110_000, 2 * SECOND)
    assert risen.peak_doubt == Doubt(since=AT + SECOND, equity=Decimal(110_000))
