"""Alignment: what a row is made of, when it is known, and that nothing later can reach it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.market import Bars, Timeframe
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at, session_at
from shared.core.values import Symbol
from simulation.market.bar_rows import SESSIONS, SymbolBars
from tests.support.bars import CALENDAR, data_file, pick, random_walk, with_prices_times
from training.data.align import Aligned, align, last_known, splits_of

FRAMES = (Timeframe.MIN_15, Timeframe.HOUR_1, Timeframe.HOUR_4, Timeframe.DAY_1)
FIRST = date(2025, 11, 24)  # a whole week with Thanksgiving and the early close after it
ABC = Symbol("ABC")


def week(seed: int, holes: float) -> Bars:
    """Five-minute bars around the clock from Monday to Sunday, some of them missing."""
    rng = np.random.default_rng(seed)
    start = int(datetime.combine(FIRST, time(), NEW_YORK).timestamp())
    bars = random_walk(rng, start + 300 * np.arange(7 * 288), 20.0, 0.002)
    return pick(bars, rng.random(len(bars)) >= holes)


def slowly(bars: Bars, timeframe: Timeframe) -> list[tuple[float, ...]]:
    """Bar by bar: the segment it belongs to, its place there, and what the rows come to."""
    rows: dict[tuple[datetime, datetime], list[int]] = {}
    for k in range(len(bars)):
        at = datetime.fromtimestamp(int(bars.start_s[k]), UTC)
        day = CALENDAR.day(at.astimezone(NEW_YORK).date())
        if day is None:
            continue
        spans = [(pre_open_at(day), day.open_at), (day.open_at, day.close_at), (day.close_at, aft_close_at(day))]
        for start, end in spans if timeframe is not Timeframe.DAY_1 else spans[1:2]:
            if start <= at < end:
                length = timedelta(seconds=timeframe.seconds)
                begins = start + (at - start) // length * length
                rows.setdefault((begins, min(begins + length, end)), []).append(k)
    found: list[tuple[float, ...]] = []
    for (begins, ends), places in rows.items():
        day = CALENDAR.day(begins.astimezone(NEW_YORK).date())
        assert day is not None
        shown = begins if timeframe is not Timeframe.DAY_1 else datetime.combine(day.on, time(), NEW_YORK)
        is_regular = day.open_at <= begins < day.close_at
        found.append(
            (
                shown.timestamp(),
                ends.timestamp(),
                bars.open[places[0]],
                max(bars.high[places]),
                min(bars.low[places]),
                bars.close[places[-1]],
                sum(bars.volume[places]),
                SESSIONS.index(session_at(begins, day)),
                (ends - begins).total_seconds() // 300 - len(places) if is_regular else 0,
            )
        )
    return found


def as_rows(table: Aligned) -> list[tuple[float, ...]]:
    names = ("start_s", "end_s", "open", "high", "low", "close", "volume", "session", "missing")
    return list(zip(*(getattr(table, name).tolist() for name in names), strict=True))


def aligned(bars: Bars, timeframe: Timeframe) -> Aligned:
    return align(ABC, bars, timeframe, base=Timeframe.MIN_5, calendar=CALENDAR)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), holes=st.sampled_from([0.0, 0.3, 0.97]), timeframe=st.sampled_from(FRAMES))
def test_a_row_is_what_its_definition_says_bar_by_bar(seed: int, holes: float, timeframe: Timeframe) -> None:
    bars = week(seed, holes)
    assert as_rows(aligned(bars, timeframe)) == slowly(bars, timeframe)


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 7 * 288), timeframe=st.sampled_from(FRAMES), seed=st.integers(0, 2**16))
def test_bars_after_an_instant_change_no_row_that_ended_by_then(cut: int, timeframe: Timeframe, seed: int) -> None:
    bars = week(1, 0.3)
    end_s = int(datetime.combine(FIRST, time(), NEW_YORK).timestamp()) + 300 * cut
    rng = np.random.default_rng(seed)
    later = bars.start_s + 300 > end_s
    changed = with_prices_times(bars, np.where(later, np.exp(rng.normal(0, 0.3, len(bars))), 1.0))
    changed = pick(changed, ~later | (rng.random(len(bars)) < 0.7))
    before, after = aligned(bars, timeframe), aligned(changed, timeframe)
    known = int(np.count_nonzero(before.end_s <= end_s))
    for name in ("open", "close", "volume", "end_s", "missing", "after_gap", "split_factor"):
        assert getattr(before[:known], name).tobytes() == getattr(after[:known], name).tobytes()


def test_the_sessions_of_a_half_day_end_at_its_early_close() -> None:
    table = aligned(week(1, 0.0), Timeframe.HOUR_4)
    friday = int(datetime(2025, 11, 28, tzinfo=NEW_YORK).timestamp())
    rows = table[int(np.searchsorted(table.start_s, friday)) :]
    hours = [(start - friday) / 3600 for start in rows.start_s], [(end - friday) / 3600 for end in rows.end_s]
    assert hours == ([4, 8, 9.5, 13], [8, 9.5, 13, 17])
    assert [SESSIONS[k].value for k in rows.session] == ["PRE", "PRE", "REG-AM", "AFT"]


def test_missing_bars_are_counted_and_the_row_after_a_gap_is_marked() -> None:
    bars = week(1, 0.0)
    monday = int(datetime.combine(FIRST, time(9, 30), NEW_YORK).timestamp())
    hole = (bars.start_s >= monday + 600) & (bars.start_s < monday + 2700)  # two bars of the first 15, then two rows
    table = aligned(pick(bars, ~hole), Timeframe.MIN_15)
    rows = table[int(np.searchsorted(table.start_s, monday)) :][:3]
    assert ((rows.start_s - monday) // 900).tolist() == [0, 3, 4]
    assert rows.missing.tolist() == [1, 0, 0]
    assert rows.after_gap.tolist() == [False, True, False]
    tuesday = pick(bars, (bars.start_s < monday + 3600 * 11) | (bars.start_s > monday + 3600 * 31))
    days = aligned(tuesday, Timeframe.DAY_1)
    assert days.after_gap.tolist() == [False, True, False]  # Tuesday is gone; Thursday is a holiday


def test_prices_stay_as_they_were_known_and_later_rows_can_put_them_in_their_terms() -> None:
    daily = random_walk(np.random.default_rng(1), aligned(week(1, 0.0), Timeframe.DAY_1).start_s, 10.0, 0.01)
    split = SymbolBars(bars=daily, split_next=np.array([1.0, 0.5, 1.0, 1.0]))
    table = align(ABC, week(1, 0.0), Timeframe.HOUR_4, base=Timeframe.MIN_5, calendar=CALENDAR, splits=splits_of(split))
    tuesday_ends = int(datetime(2025, 11, 26, tzinfo=NEW_YORK).timestamp())
    assert set(table.split_factor[table.start_s < tuesday_ends]) == {1.0}
    assert set(table.split_factor[table.start_s >= tuesday_ends]) == {0.5}
    assert table.close.tobytes() == aligned(week(1, 0.0), Timeframe.HOUR_4).close.tobytes()
    seen = table.close * (0.5 / table.split_factor)
    assert seen[0] == table.close[0] / 2
    assert seen[-1] == table.close[-1]


def test_an_instant_knows_the_last_row_that_has_ended_and_none_that_runs() -> None:
    table = aligned(week(1, 0.0), Timeframe.HOUR_1)
    ends = table.end_s
    assert last_known(ends, ends[3:5]).tolist() == [3, 4]
    assert last_known(ends, ends[3:5] - 1).tolist() == [2, 3]
    assert last_known(ends, ends[:1] - 1).tolist() == [-1]


def test_pairs_trade_around_the_clock_from_midnight_to_midnight() -> None:
    bars = week(1, 0.0)
    table = align(Symbol("BTC/USD"), bars, Timeframe.DAY_1, base=Timeframe.MIN_5, calendar=CALENDAR)
    assert len(table) == 7
    assert table.volume.sum() == bars.volume.sum()
    assert set(table.end_s - table.start_s) == {86_400}
    assert len(align(Symbol("BTC/USD"), bars, Timeframe.HOUR_4, base=Timeframe.MIN_5, calendar=CALENDAR)) == 42


def test_a_finer_timeframe_cannot_be_made_of_a_coarser_and_no_bars_give_no_rows() -> None:
    with pytest.raises(ValueError, match="a multiple of 1Hour"):
        align(ABC, week(1, 0.0), Timeframe.MIN_5, base=Timeframe.HOUR_1, calendar=CALENDAR)
    assert len(aligned(Bars.empty(), Timeframe.HOUR_1)) == 0
    weekend = week(1, 0.0)[5 * 288 :]
    assert len(aligned(weekend, Timeframe.HOUR_1)) == 0


def test_on_real_bars_with_extended_hours_rows_are_what_their_definition_says() -> None:
    name = "intraday/us_ext_5min_2022_2024_sampled.parquet"
    path = data_file(name)
    if path is None:
        pytest.skip(f"{name} is not in the data folder (setting GATEHOUSE_DATA)")
    from simulation.market.bar_file import read_file  # noqa: PLC0415 - only with the data

    bars = read_file(path).by_symbol()[Symbol("AMD")].bars[:4000]
    for timeframe in FRAMES:
        found, expected = as_rows(aligned(bars, timeframe)), slowly(bars, timeframe)
        assert np.array(found) == pytest.approx(np.array(expected), rel=1e-12)
