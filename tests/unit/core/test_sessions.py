"""The trading clock: every edge, half days, daylight saving."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import TradingDay
from shared.core.sessions import (
    NEW_YORK,
    Session,
    aft_close_at,
    entries_end_at,
    hours_of,
    new_york_instant,
    pre_open_at,
    regular_close,
    session_at,
)
from tests.support.bars import CALENDAR, trading_day
from tests.support.tape import ny

WHOLE_DAY = date(2026, 3, 10)
HALF_DAY = date(2026, 11, 27)
DAYS = [day for n in range(365) if (day := CALENDAR.day(date(2026, 1, 1) + timedelta(days=n))) is not None]
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("on", "at", "before", "after"),
    [
        (WHOLE_DAY, "04:00", Session.CLOSED, Session.PRE),
        (WHOLE_DAY, "09:30", Session.PRE, Session.REG_AM),
        (WHOLE_DAY, "11:30", Session.REG_AM, Session.REG_MID),
        (WHOLE_DAY, "14:00", Session.REG_MID, Session.REG_PM),
        (WHOLE_DAY, "16:00", Session.REG_PM, Session.AFT),
        (WHOLE_DAY, "20:00", Session.AFT, Session.CLOSED),
        (HALF_DAY, "11:30", Session.REG_AM, Session.REG_MID),
        (HALF_DAY, "13:00", Session.REG_MID, Session.AFT),
        (HALF_DAY, "17:00", Session.AFT, Session.CLOSED),
    ],
)
def test_a_session_begins_at_its_edge_and_not_a_microsecond_before(
    on: date, at: str, before: Session, after: Session
) -> None:
    day = trading_day(on)
    assert session_at(ny(on, at) - MOMENT, day) is before
    assert session_at(ny(on, at), day) is after


@pytest.mark.parametrize(("on", "close", "end"), [(WHOLE_DAY, "16:00", "20:00"), (HALF_DAY, "13:00", "17:00")])
def test_hours_know_when_limits_trade_and_when_stops_exist(on: date, close: str, end: str) -> None:
    hours = hours_of(trading_day(on))
    assert (hours.starts_at, hours.opens_at) == (ny(on, "04:00"), ny(on, "09:30"))
    assert (hours.closes_at, hours.ends_at) == (ny(on, close), ny(on, end))
    for at, trades, is_regular in (
        (ny(on, "04:00") - MOMENT, False, False),
        (ny(on, "04:00"), True, False),
        (ny(on, "09:30") - MOMENT, True, False),
        (ny(on, "09:30"), True, True),
        (ny(on, close) - MOMENT, True, True),
        (ny(on, close), True, False),
        (ny(on, end) - MOMENT, True, False),
        (ny(on, end), False, False),
    ):
        assert (hours.is_trading(at), hours.is_regular(at)) == (trades, is_regular)


def test_hours_out_of_order_or_without_a_zone_are_refused() -> None:
    hours = hours_of(trading_day(WHOLE_DAY))
    with pytest.raises(ValueError, match="in their order"):
        replace(hours, opens_at=hours.closes_at)
    with pytest.raises(ValueError, match="aware UTC"):
        replace(hours, starts_at=hours.starts_at.replace(tzinfo=None))


def test_entries_keep_their_distance_from_the_close_and_from_the_end_of_the_evening() -> None:
    day = trading_day(HALF_DAY)
    assert {s: entries_end_at(s, day) for s in Session} == {
        Session.PRE: None,
        Session.REG_AM: ny(HALF_DAY, "13:00"),
        Session.REG_MID: ny(HALF_DAY, "13:00"),
        Session.REG_PM: ny(HALF_DAY, "13:00"),
        Session.AFT: ny(HALF_DAY, "17:00"),
        Session.CLOSED: None,
    }


def test_a_half_day_has_no_afternoon_session() -> None:
    day = trading_day(HALF_DAY)
    minutes = (ny(HALF_DAY, "00:00") + timedelta(minutes=n) for n in range(24 * 60))
    assert Session.REG_PM not in {session_at(at, day) for at in minutes}


@pytest.mark.parametrize(
    ("opens_at", "on"),
    [
        (datetime(2026, 3, 6, 14, 30, tzinfo=UTC), date(2026, 3, 6)),
        (datetime(2026, 3, 9, 13, 30, tzinfo=UTC), date(2026, 3, 9)),
        (datetime(2026, 10, 30, 13, 30, tzinfo=UTC), date(2026, 10, 30)),
        (datetime(2026, 11, 2, 14, 30, tzinfo=UTC), date(2026, 11, 2)),
    ],
)
def test_the_open_follows_daylight_saving(opens_at: datetime, on: date) -> None:
    day = trading_day(on)
    assert session_at(opens_at, day) is Session.REG_AM
    assert session_at(opens_at - MOMENT, day) is Session.PRE
    assert pre_open_at(day) == opens_at - timedelta(hours=5, minutes=30)
    assert aft_close_at(day) == opens_at + timedelta(hours=10, minutes=30)


def test_the_rule_for_half_days_is_the_exchanges_calendar() -> None:
    first, last = date(2007, 1, 1), date(2030, 12, 31)
    every = (CALENDAR.day(first + timedelta(days=n)) for n in range((last - first).days + 1))
    sessions = [day for day in every if day is not None]
    assert len(sessions) > 6000
    assert [regular_close(day.on) for day in sessions] == [day.close_at.astimezone(NEW_YORK).time() for day in sessions]


def test_after_hours_past_utc_midnight_still_belong_to_the_day() -> None:
    assert session_at(datetime(2026, 12, 2, 0, 59, tzinfo=UTC), trading_day(date(2026, 12, 1))) is Session.AFT
    assert session_at(datetime(2026, 12, 2, 1, 0, tzinfo=UTC), trading_day(date(2026, 12, 1))) is Session.CLOSED


def test_without_a_trading_day_everything_is_closed() -> None:
    assert session_at(datetime(2026, 12, 25, 15, 0, tzinfo=UTC), None) is Session.CLOSED


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="at must be an aware UTC datetime"):
        session_at(datetime(2026, 3, 10, 15, 0), trading_day(WHOLE_DAY))  # noqa: DTZ001


def test_only_the_three_middle_sessions_are_regular() -> None:
    assert [s for s in Session if s.is_regular] == [Session.REG_AM, Session.REG_MID, Session.REG_PM]


@given(day=st.sampled_from(DAYS))
def test_sessions_partition_the_day(day: TradingDay) -> None:
    """Walking a day by minutes meets each session once, in order, without a hole between."""
    start = new_york_instant(day, datetime.min.time())
    tags = [session_at(start + timedelta(minutes=n), day) for n in range(24 * 60)]
    changes = [tag for n, tag in enumerate(tags) if n == 0 or tag is not tags[n - 1]]
    whole = [Session.CLOSED, Session.PRE, Session.REG_AM, Session.REG_MID, Session.REG_PM, Session.AFT, Session.CLOSED]
    assert changes in (whole, [tag for tag in whole if tag is not Session.REG_PM])


@given(day=st.sampled_from(DAYS), offset=st.timedeltas(timedelta(0), timedelta(hours=24)))
def test_regular_sessions_are_exactly_open_to_close(day: TradingDay, offset: timedelta) -> None:
    at = new_york_instant(day, datetime.min.time()) + offset
    is_open = day.open_at <= at < day.close_at
    assert session_at(at, day).is_regular == is_open
