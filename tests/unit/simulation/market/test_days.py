"""One table of sessions for app, tapes and venue, up to its very edges."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import SettingsError
from shared.core.features.history import DAILY_BARS
from shared.core.sessions import NEW_YORK
from simulation.market.days import CALENDAR, sessions_until, tradable_day, trading_days
from simulation.market.synthetic import SyntheticTape
from simulation.venue.engine import Exchange
from simulation.venue.views import clock_json
from tests.support.tape import HandTape

FIRST, LAST = date(2007, 3, 30), date(2030, 12, 30)
"""Of the dates that can be traded."""


def test_the_venue_trades_on_the_dates_and_in_the_hours_of_the_app() -> None:
    app, venue = XnysCalendar(), Exchange(HandTape(date(2026, 10, 14), {})).calendar
    every = [app.first + timedelta(days=k) for k in range((app.last - app.first).days + 1)]
    own = [day for on in every if (day := app.day(on)) is not None]
    assert venue.between(date(1970, 1, 1), date(2100, 1, 1)) == own
    assert list(trading_days(app.first, app.last)) == own
    assert [venue.day(on) for on in every] == [app.day(on) for on in every]


@pytest.mark.parametrize(
    ("on", "closes"),
    [
        (date(2028, 2, 29), "16:00"),
        (date(2028, 7, 3), "13:00"),
        (date(2029, 11, 23), "13:00"),
        (LAST, "16:00"),
        (FIRST, "16:00"),
        (date(2007, 7, 3), "13:00"),
    ],
)
def test_a_seeded_market_is_drawn_and_traded_on_any_covered_date(on: date, closes: str) -> None:
    tape = SyntheticTape(7, on, n_symbols=20, history_days=DAILY_BARS)
    assert (tape.session_dates[-1], len(tape.session_dates)) == (on, DAILY_BARS + 1)
    day = tradable_day(on)
    assert f"{day.close_at.astimezone(NEW_YORK):%H:%M}" == closes
    exchange = Exchange(tape, start=day.close_at)
    assert clock_json(exchange)["next_open"].startswith(str(XnysCalendar().next_day(on).on))


def test_the_first_date_that_can_be_traded_has_as_many_sessions_before_it_as_the_app_asks_for() -> None:
    assert len(CALENDAR.previous_days(FIRST, DAILY_BARS)) == DAILY_BARS
    assert CALENDAR.previous_day(FIRST) == CALENDAR.previous_days(FIRST, DAILY_BARS)[-1]
    with pytest.raises(SettingsError, match=f"from {FIRST} to {LAST}, got 2007-03-29"):
        tradable_day(date(2007, 3, 29))


@pytest.mark.parametrize("on", [date(2006, 6, 1), date(2007, 1, 3), date(2030, 12, 31), date(2031, 1, 2), date.max])
def test_a_date_too_near_an_end_of_the_table_or_beyond_is_refused_with_what_can_be_traded(on: date) -> None:
    with pytest.raises(SettingsError, match=f"session date of XNYS from {FIRST} to {LAST}, got {on}"):
        tradable_day(on)


@pytest.mark.parametrize(
    ("on", "before", "after"),
    [
        (date(2026, 10, 17), date(2026, 10, 16), date(2026, 10, 19)),  # a Saturday
        (date(2025, 1, 9), date(2025, 1, 8), date(2025, 1, 10)),  # mourning
        (date(2028, 12, 25), date(2028, 12, 22), date(2028, 12, 26)),
    ],
)
def test_a_date_without_trading_is_refused_with_the_nearest_sessions(on: date, before: date, after: date) -> None:
    with pytest.raises(SettingsError, match=f"got {on}, .* nearest are {before} and {after}"):
        tradable_day(on)


def test_more_sessions_than_the_table_holds_are_refused_before_anything_is_drawn() -> None:
    with pytest.raises(SettingsError, match=r"60 sessions before 2007-03-29 .* 2007-01-01 to 2030-12-31"):
        sessions_until(date(2007, 3, 29), 61)
