"""Our calendar file against exchange_calendars, day by day."""

from __future__ import annotations

from datetime import date, timedelta

import exchange_calendars
import pytest

from shared.adapters.calendar import XnysCalendar
from tools.calendar_data import DATA_FILE, FIRST_YEAR, LAST_YEAR, render


@pytest.mark.parametrize("year", range(FIRST_YEAR, LAST_YEAR + 1))
def test_every_day_of_the_year_agrees_with_exchange_calendars(year: int) -> None:
    calendar, reference = (
        XnysCalendar(),
        exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31"),
    )
    expected = {
        session.date(): (row["open"].to_pydatetime(), row["close"].to_pydatetime())
        for session, row in reference.schedule[str(year) : str(year)].iterrows()
    }
    found = {}
    for offset in range((date(year + 1, 1, 1) - date(year, 1, 1)).days):
        day = calendar.day(date(year, 1, 1) + timedelta(days=offset))
        if day is not None:
            found[day.on] = (day.open_at, day.close_at)
    assert len(expected) > 245
    assert found == expected


def test_the_file_is_what_the_script_writes() -> None:
    years = DATA_FILE.read_text().split('"years"')[1]
    assert years == render().split('"years"')[1], "run python -m tools.calendar_data"
