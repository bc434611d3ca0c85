"""NCRONTAB schedules, against croniter and against their own definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import SettingsError
from simulation.runtime.ncrontab import Schedule

INSTANTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        st.integers(2, 10).map(lambda step: f"*/{step}"),
        number.map(str),
        # croniter reads a range of one value as any value, so there is none here.
        st.tuples(number, number).filter(lambda p: p[0] < p[1]).map(lambda p: f"{p[0]}-{p[1]}"),
        st.lists(number, min_size=1, max_size=3).map(lambda many: ",".join(map(str, many))),
    )


EXPRESSIONS = st.tuples(
    _field(0, 59),
    _field(0, 59),
    _field(0, 23),
    st.one_of(st.just("*"), st.integers(1, 28).map(str)),
    _field(1, 12),
).map(lambda fields: f"{' '.join(fields)} *")


@given(EXPRESSIONS, INSTANTS)
def test_next_instant_is_that_of_croniter(expression: str, at: datetime) -> None:
    expected = croniter(expression, at, ret_type=datetime, second_at_beginning=True).get_next()

    assert Schedule.parse(expression).next_after(at) == expected


@given(EXPRESSIONS, INSTANTS)
def test_next_instant_is_later_matches_and_is_a_whole_second(expression: str, at: datetime) -> None:
    schedule = Schedule.parse(expression)
    following = schedule.next_after(at)

    assert following > at
    assert schedule.matches(following)
    assert following.microsecond == 0


def test_day_and_weekday_must_both_match() -> None:
    # The next 13th that is a Friday after January 2025 is in June.
    schedule = Schedule.parse("0 0 9 13 * FRI")

    assert schedule.next_after(datetime(2025, 1, 14, tzinfo=UTC)) == datetime(2025, 6, 13, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 13-21 * * 1-5", datetime(2025, 3, 10, 13, 0, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2025, 3, 8, 10, 15, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("30 59 23 31 DEC *", datetime(2025, 12, 31, 23, 59, 30, tzinfo=UTC)),
        ("0 0 14 * * SAT", datetime(2025, 3, 8, 14, tzinfo=UTC)),
        ("0 0 14 * * 7", datetime(2025, 3, 9, 14, tzinfo=UTC)),
        ("0 5/20 * * * *", datetime(2025, 3, 8, 10, 5, tzinfo=UTC)),
    ],
)
def test_known_expressions(expression: str, expected: datetime) -> None:
    assert Schedule.parse(expression).next_after(datetime(2025, 3, 8, 10, 0, 30, tzinfo=UTC)) == expected


def test_a_day_of_five_minute_firings_has_288() -> None:
    schedule = Schedule.parse("0 */5 * * * *")
    at = end = datetime(2025, 3, 9, tzinfo=UTC)
    end += timedelta(days=1)
    count = 0
    while (at := schedule.next_after(at)) <= end:
        count += 1

    assert count == 288


@pytest.mark.parametrize(
    "bad", ["", "* * *", "60 * * * * *", "0 0 24 * * *", "0 0 0 * * MOO", "0 5-1 * * * *", "*/0 * * * * *"]
)
def test_what_is_no_schedule_is_refused_with_the_expression(bad: str) -> None:
    with pytest.raises(SettingsError, match="NCRONTAB"):
        Schedule.parse(bad)


def test_schedule_that_never_fires_is_refused() -> None:
    with pytest.raises(SettingsError, match="never fires"):
        Schedule.parse("0 0 0 30 2 *").next_after(datetime(2025, 1, 1, tzinfo=UTC))
