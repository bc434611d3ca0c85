"""Write `shared/adapters/xnys.json` from exchange_calendars: `python -m tools.calendar_data`.

The app reads the small file because exchange_calendars imports pandas, half a second on a path that runs every minute.
Run it again when the exchange announces a closure; a test says when the file is behind.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import exchange_calendars

DATA_FILE = Path(__file__).parents[1] / "shared" / "adapters" / "xnys.json"
FIRST_YEAR = 2007
"""Recorded minute bars begin in 2008; history before the first of them needs a year more."""
LAST_YEAR = 2030

_NEW_YORK = ZoneInfo("America/New_York")
_CLOSE = "16:00"


def calendar_years() -> dict[str, dict[str, object]]:
    """Weekdays without trading (`closed`) and closing times other than 16:00 New York (`early`), by year."""
    calendar = exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31")
    closes = {
        session.date(): close.tz_convert(_NEW_YORK).strftime("%H:%M")
        for session, close in calendar.schedule["close"].items()
    }
    years: dict[str, dict[str, object]] = {}
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
        weekdays = [day for day in map(date.fromordinal, range(first, last + 1)) if day.weekday() < 5]
        years[str(year)] = {
            "closed": [f"{day:%m-%d}" for day in weekdays if day not in closes],
            "early": {f"{day:%m-%d}": closes[day] for day in weekdays if closes.get(day, _CLOSE) != _CLOSE},
        }
    return years


def render() -> str:
    """The file's text, one year a line."""
    lines = [f'    "{year}": {json.dumps(days)}' for year, days in calendar_years().items()]
    source = f"exchange_calendars {exchange_calendars.__version__}, by python -m tools.calendar_data"
    body = ",\n".join(lines)
    return f'{{\n  "source": {json.dumps(source)},\n  "years": {{\n{body}\n  }}\n}}\n'


def main() -> None:
    """Write the file."""
    DATA_FILE.write_text(render())
    print(f"{DATA_FILE.name}: {FIRST_YEAR} to {LAST_YEAR}")


if __name__ == "__main__":
    main()
