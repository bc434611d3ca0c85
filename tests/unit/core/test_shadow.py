"""An entry on paper is filled, stopped and left as the real one, and sees no bar that had closed before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import Bars, TradingDay
from shared.core.sessions import hours_of
from shared.core.shadow import ShadowEnd, ShadowEntry, ShadowTrip, follow
from tests.support.bars import trading_day
from tests.support.tape import ny

ON, HALF_DAY = date(2026, 10, 14), date(2026, 11, 27)
DAY: TradingDay = trading_day(ON)
NIGHT = DAY.close_at + timedelta(hours=1)
FLAT = (100.0, 100.2, 99.8, 100.0)
type Row = tuple[float, float, float, float]


def bars(rows: Sequence[Row], start: datetime | None = None) -> Bars:
    """Bars of (open, high, low, close), five minutes apart, from noon on."""
    first = int((start or ny(ON, "12:00")).timestamp())
    opened, high, low, close = (np.array(part, float) for part in zip(*rows, strict=True))
    start_s = first + 300 * np.arange(len(rows), dtype=np.int64)
    return Bars(start_s=start_s, open=opened, high=high, low=low, close=close, volume=np.ones(len(rows)))


def entry(at: str = "12:00:20", hold_min: int = 60, **changes: object) -> ShadowEntry:
    decided_at = ny(ON, at)
    made = ShadowEntry(
        decided_at=decided_at,
        fill_by=decided_at + timedelta(minutes=2),
        exit_by=decided_at + timedelta(minutes=hold_min),
        hours=hours_of(DAY),
        limit=Decimal("100.10"),
        stop=Decimal("99.10"),
        target=Decimal("101.10"),
        half_spread=Decimal("0.05"),
        cost_beside_bp=4.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def net_bp(left_at: float, paid: float = 100.10) -> float:
    return (left_at / paid - 1) * 1e4 - 4.0


def test_a_target_gets_its_own_price_and_pays_what_is_beside_the_spread() -> None:
    trip = follow(entry(), bars([FLAT, (100.5, 103.0, 100.4, 102.9)]), until=NIGHT)
    assert (trip.end, trip.left_at) == (ShadowEnd.TARGET, ny(ON, "12:10"))
    assert trip.net_bp == pytest.approx(net_bp(101.10), abs=1e-3)
    assert trip.r_multiple == pytest.approx((1.0 - 0.04004) / 1.0, abs=1e-3)


def test_a_stop_comes_first_where_one_bar_touches_both_and_pays_half_the_spread() -> None:
    trip = follow(entry(), bars([FLAT, (100.0, 103.0, 98.0, 102.0)]), until=NIGHT)
    assert trip.end is ShadowEnd.STOP
    assert trip.net_bp == pytest.approx(net_bp(99.10 - 0.05), abs=1e-3)


def test_a_gap_through_the_stop_is_left_at_the_open() -> None:
    trip = follow(entry(), bars([FLAT, (97.0, 98.0, 96.0, 97.5)]), until=NIGHT)
    assert trip.net_bp == pytest.approx(net_bp(97.0 - 0.05), abs=1e-3)


def test_what_the_market_ran_away_from_is_not_filled() -> None:
    trip = follow(entry(), bars([(100.2, 101.5, 100.11, 101.0), FLAT]), until=NIGHT)
    assert trip == ShadowTrip(end=ShadowEnd.NOT_FILLED)


def test_an_entry_works_into_the_next_bar_and_no_longer_than_its_life() -> None:
    above = (100.2, 100.6, 100.11, 100.5)
    trip = follow(entry("12:04:20"), bars([above, FLAT, FLAT]), until=NIGHT)
    assert (trip.end, trip.entered_at) == (ShadowEnd.TIME_LIMIT, ny(ON, "12:05"))
    assert follow(entry("12:00:20"), bars([above, FLAT, FLAT]), until=NIGHT).end is ShadowEnd.NOT_FILLED


def test_at_the_time_limit_it_is_sold_at_the_bid() -> None:
    rows = [FLAT, (100.0, 100.4, 99.9, 100.3), (100.3, 100.4, 99.9, 100.2), (100.2, 110.0, 90.0, 100.0)]
    trip = follow(entry(hold_min=15), bars(rows), until=NIGHT)
    assert (trip.end, trip.left_at) == (ShadowEnd.TIME_LIMIT, ny(ON, "12:15:20"))
    assert trip.net_bp == pytest.approx(net_bp(100.2 - 0.05), abs=1e-3)


def test_its_strategys_word_to_leave_is_followed() -> None:
    rows = [FLAT, (100.0, 100.4, 99.9, 100.3), (100.3, 110.0, 90.0, 100.2)]
    trip = follow(entry(told_at=ny(ON, "12:10:15"), told=ShadowEnd.REVERSAL), bars(rows), until=NIGHT)
    assert (trip.end, trip.left_at) == (ShadowEnd.REVERSAL, ny(ON, "12:10:15"))
    assert trip.net_bp == pytest.approx(net_bp(100.3 - 0.05), abs=1e-3)


def test_it_is_flattened_with_everything_else_before_the_close() -> None:
    rows = [FLAT] * 8
    trip = follow(entry("15:30:20"), bars(rows, ny(ON, "15:30")), until=NIGHT)
    assert (trip.end, trip.left_at) == (ShadowEnd.FLATTEN, ny(ON, "15:50"))


def test_on_a_half_day_it_is_flattened_before_the_early_close() -> None:
    half = trading_day(HALF_DAY)
    at = ny(HALF_DAY, "12:30:20")
    own = entry(hours=hours_of(half), decided_at=at, fill_by=at + timedelta(minutes=2), exit_by=at + timedelta(hours=1))
    trip = follow(own, bars([FLAT] * 6, ny(HALF_DAY, "12:30")), until=half.close_at)
    assert (trip.end, trip.left_at) == (ShadowEnd.FLATTEN, ny(HALF_DAY, "12:50"))


def test_an_entry_after_the_close_is_flattened_at_the_end_of_its_session() -> None:
    trip = follow(entry("16:20:20", hold_min=390), bars([FLAT] * 40, ny(ON, "16:20")), until=NIGHT + timedelta(hours=3))
    assert (trip.end, trip.left_at) == (ShadowEnd.FLATTEN, ny(ON, "19:50"))


def test_outside_the_regular_session_the_bid_is_judged() -> None:
    touches = (100.0, 100.2, 99.14, 100.0)  # its bid, 99.09, is at the stop
    early, regular = (follow(entry(at), bars([FLAT, touches, FLAT], ny(ON, at[:5])), until=NIGHT) for at in TIMES)
    assert (early.end, regular.end) == (ShadowEnd.STOP, ShadowEnd.TIME_LIMIT)
    assert early.net_bp == pytest.approx(net_bp(99.10), abs=1e-3)


TIMES = ("08:00:20", "12:00:20")


def test_the_range_of_a_bar_that_is_older_than_the_decision_decides_nothing() -> None:
    news = (95.0, 103.0, 94.0, 100.0)
    assert follow(entry("12:03:00"), bars([news, FLAT]), until=NIGHT).end is ShadowEnd.TIME_LIMIT
    assert follow(entry("12:00:30"), bars([news, FLAT]), until=NIGHT).end is ShadowEnd.STOP


def test_what_had_closed_before_the_decision_is_not_looked_at() -> None:
    wild = [(90.0, 120.0, 80.0, 100.0)] * 3
    quiet = follow(entry("12:15:20"), bars([*wild, FLAT, FLAT]), until=NIGHT)
    assert quiet.end is ShadowEnd.TIME_LIMIT


def test_an_entry_that_the_day_has_not_ended_yet_stays_open() -> None:
    trip = follow(entry(), bars([FLAT, FLAT]), until=ny(ON, "12:10"))
    assert trip == ShadowTrip(end=ShadowEnd.OPEN, entered_at=ny(ON, "12:00:20"))


def test_a_symbol_without_bars_is_unread_and_a_halted_one_is_not_filled() -> None:
    assert follow(entry(), Bars.empty(), until=NIGHT).end is ShadowEnd.UNREAD
    assert follow(entry("14:00:20"), bars([FLAT]), until=NIGHT).end is ShadowEnd.NOT_FILLED


def test_what_halts_while_it_is_held_is_left_at_the_last_price() -> None:
    trip = follow(entry(), bars([FLAT, (100.0, 100.4, 99.9, 100.3)]), until=NIGHT)
    assert trip.end is ShadowEnd.TIME_LIMIT
    assert trip.net_bp == pytest.approx(net_bp(100.3 - 0.05), abs=1e-3)


MOVES = st.lists(st.tuples(st.integers(-150, 150), st.integers(0, 80), st.integers(0, 80)), min_size=1, max_size=24)


def walk(moves: Sequence[tuple[int, int, int]]) -> list[Row]:
    rows, last = [], 100.0
    for move, up, down in moves:
        close = last + move / 100
        rows.append((last, max(last, close) + up / 100, min(last, close) - down / 100, close))
        last = close
    return rows


@given(before=MOVES, after=MOVES, later=MOVES)
def test_neither_the_past_nor_what_comes_after_it_was_left_changes_a_trip(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], later: list[tuple[int, int, int]]
) -> None:
    start = ny(ON, "12:00")
    own = entry(hold_min=30)
    earlier = bars(walk(before), start - timedelta(minutes=5 * len(before)))
    seen = bars(walk(after))
    trip = follow(own, seen, until=NIGHT)
    assert follow(own, earlier.then(seen), until=NIGHT) == trip
    if trip.left_at is not None and trip.left_at <= start + timedelta(minutes=5 * len(after)):
        more = bars(walk(later), start + timedelta(minutes=5 * len(after)))
        assert follow(own, seen.then(more), until=NIGHT) == trip


@given(after=MOVES)
def test_no_trip_makes_more_than_its_target_and_a_trip_without_gaps_loses_no_more_than_its_stop(
    after: list[tuple[int, int, int]],
) -> None:
    trip = follow(entry(), bars(walk(after)), until=NIGHT)
    if trip.net_bp is not None:
        assert net_bp(99.10 - 0.05) - 0.01 <= trip.net_bp <= net_bp(101.10) + 0.01 or trip.end in TIMED


TIMED = {ShadowEnd.TIME_LIMIT, ShadowEnd.FLATTEN}


def test_an_entry_whose_stop_is_no_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="stop < limit < target"):
        entry(stop=Decimal("100.10"))
