"""The exchange's calendar on the days that go wrong."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import ContractError
from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK

CALENDAR = XnysCalendar()


def trading_day(on: date) -> TradingDay:
    day = CALENDAR.day(on)
    assert day is not None
    return day


@pytest.mark.parametrize(
    ("on", "opens_utc", "closes_utc"),
    [
        (date(2025, 3, 7), "14:30", "21:00"),  # Friday before the clocks go forward
        (date(2025, 3, 10), "13:30", "20:00"),
        (date(2025, 10, 31), "13:30", "20:00"),  # Friday before they go back
        (date(2025, 11, 3), "14:30", "21:00"),
        (date(2026, 3, 9), "13:30", "20:00"),
        (date(2026, 11, 2), "14:30", "21:00"),
    ],
)
def test_the_open_is_half_past_nine_in_new_york_on_both_sides_of_daylight_saving(
    on: date, opens_utc: str, closes_utc: str
) -> None:
    day = trading_day(on)
    assert (f"{day.open_at:%H:%M}", f"{day.close_at:%H:%M}") == (opens_utc, closes_utc)
    assert f"{day.open_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" == f"{on} 09:30"
    assert day.open_at.tzinfo is UTC


@pytest.mark.parametrize("on", [date(2025, 7, 3), date(2025, 11, 28), date(2025, 12, 24), date(2026, 11, 27)])
def test_a_half_day_closes_at_one(on: date) -> None:
    assert f"{trading_day(on).close_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" == f"{on} 13:00"


@pytest.mark.parametrize(
    "on",
    [
        date(2025, 4, 18),  # Good Friday
        date(2025, 6, 19),  # Juneteenth
        date(2025, 1, 9),  # mourning for President Carter
        date(2012, 10, 29),  # hurricane Sandy
        date(2025, 7, 4),
        date(2026, 7, 3),  # the Fourth falls on a Saturday
        date(2025, 12, 25),
        date(2025, 11, 1),
        date(2025, 11, 2),
    ],
)
def test_the_exchange_is_closed_on_holidays_and_weekends(on: date) -> None:
    assert CALENDAR.day(on) is None


@pytest.mark.parametrize("on", [date(2021, 6, 18), date(2022, 12, 30), date(2021, 12, 31)])
def test_it_is_open_on_days_that_look_like_holidays(on: date) -> None:
    assert trading_day(on).close_at - trading_day(on).open_at == timedelta(hours=6, minutes=30)


def test_the_next_day_skips_a_long_weekend() -> None:
    assert CALENDAR.next_day(date(2025, 4, 17)).on == date(2025, 4, 21)
    assert CALENDAR.next_day(date(2025, 4, 19)).on == date(2025, 4, 21)


def test_previous_days_are_oldest_first_and_leave_the_date_itself_out() -> None:
    days = CALENDAR.previous_days(date(2025, 4, 21), 3)
    assert [day.on for day in days] == [date(2025, 4, 15), date(2025, 4, 16), date(2025, 4, 17)]
    assert list(CALENDAR.previous_days(date(2025, 4, 21), 0)) == []


@pytest.mark.parametrize("on", [date(2006, 12, 31), date(2031, 1, 1), date(1970, 1, 1)])
def test_a_date_that_is_not_covered_is_refused_rather_than_guessed(on: date) -> None:
    with pytest.raises(ContractError, match=f"calendar covers 2007-01-01 to 2030-12-31, got {on}"):
        CALENDAR.day(on)


def test_walking_off_either_end_is_refused() -> None:
    with pytest.raises(ContractError):
        CALENDAR.next_day(date(2030, 12, 31))
    with pytest.raises(ContractError):
        CALENDAR.previous_days(date(2007, 1, 5), 10)


@given(on=st.dates(date(2007, 3, 1), date(2030, 11, 1)), count=st.integers(1, 20))
def test_next_and_previous_undo_each_other(on: date, count: int) -> None:
    following = CALENDAR.next_day(on)
    days = CALENDAR.previous_days(following.on, count)
    assert len(days) == count
    assert days[-1].on <= on
    assert CALENDAR.next_day(days[-1].on) == following
    assert all(earlier.close_at < later.open_at for earlier, later in itertools.pairwise(days))
    assert following.open_at > datetime(on.year, on.month, on.day, tzinfo=UTC)
