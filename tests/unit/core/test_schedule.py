"""Which job is due: daylight saving, half days, holidays, late and missed firings."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import TradingDay
from shared.core.schedule import DueJob, Firing, Job, fired, plan, slot_of
from shared.core.sessions import NEW_YORK, REGULAR, Session, aft_close_at
from tests.support.bars import CALENDAR, trading_day
from tests.support.tape import ny

WHOLE_DAY = date(2026, 3, 10)
HALF_DAY = date(2026, 11, 27)
ALL = frozenset(Job)
LOOKBACK = timedelta(hours=18)
DAYS_OF_2026 = [
    day for offset in range(365) if (day := CALENDAR.day(date(2026, 1, 1) + timedelta(days=offset))) is not None
]


def slots(on: date, job: Job) -> list[str]:
    return [slot.slot for slot in plan(trading_day(on), frozenset({job}))]


def due(on: date, job: Job, slot: str) -> datetime:
    return next(s.due_at for s in plan(trading_day(on), frozenset({job})) if s.slot == slot)


@pytest.mark.parametrize(
    ("on", "rough", "final"),
    [
        (date(2026, 3, 6), "12:00", "14:15"),  # Friday before clocks go forward: EST, UTC-5
        (date(2026, 3, 9), "11:00", "13:15"),  # Monday after: EDT, UTC-4
        (date(2026, 10, 30), "11:00", "13:15"),  # Friday before clocks go back: EDT
        (date(2026, 11, 2), "12:00", "14:15"),  # Monday after: EST
    ],
)
def test_premarket_scans_keep_new_york_time_across_daylight_saving(on: date, rough: str, final: str) -> None:
    assert due(on, Job.PREMARKET_ROUGH, "0700") == datetime.combine(on, time.fromisoformat(rough), UTC)
    assert due(on, Job.PREMARKET_FINAL, "0915") == datetime.combine(on, time.fromisoformat(final), UTC)


def test_a_whole_day_has_the_jobs_of_the_design() -> None:
    assert slots(WHOLE_DAY, Job.PREMARKET_ROUGH) == ["0700"]
    assert slots(WHOLE_DAY, Job.PREMARKET_FINAL) == ["0915"]
    assert slots(WHOLE_DAY, Job.INTRADAY_REFRESH) == ["0935", "1130", "1330"]
    assert slots(WHOLE_DAY, Job.FLATTEN) == ["1550"]
    assert slots(WHOLE_DAY, Job.AFTER_HOURS) == ["1605"]
    assert slots(WHOLE_DAY, Job.DAY_REPORT) == ["1630"]
    candidates = slots(WHOLE_DAY, Job.CANDIDATES)
    assert (candidates[0], candidates[-1], len(candidates)) == ("0935", "1555", 77)
    news = slots(WHOLE_DAY, Job.NEWS_SCAN)
    assert (news[0], news[-1], len(news)) == ("0400", "1845", 60)
    supervise = slots(WHOLE_DAY, Job.SUPERVISE)
    assert (supervise[0], supervise[-1], len(supervise)) == ("0400", "1959", 16 * 60)


def named(on: date, job: Job, *sessions: Session) -> list[str]:
    return [slot.slot for slot in plan(trading_day(on), frozenset({job}), REGULAR | frozenset(sessions))]


def test_entries_before_the_open_add_candidates_from_the_rough_watchlist_on() -> None:
    early = named(WHOLE_DAY, Job.CANDIDATES, Session.PRE)
    assert (early[0], early[28], early[29], len(early)) == ("0705", "0925", "0935", 29 + 77)
    assert named(WHOLE_DAY, Job.FLATTEN, Session.PRE) == ["1550"]


def test_entries_after_the_close_add_candidates_and_a_flatten_of_the_evening() -> None:
    late = named(WHOLE_DAY, Job.CANDIDATES, Session.AFT)
    assert (late[0], late[77], late[-1]) == ("0935", "1610", "1945")
    assert named(WHOLE_DAY, Job.FLATTEN, Session.AFT) == ["1550", "1950"]
    assert named(HALF_DAY, Job.FLATTEN, Session.AFT) == ["1250", "1650"]
    flatten = plan(trading_day(WHOLE_DAY), frozenset({Job.FLATTEN}), frozenset({Session.AFT}))[-1]
    assert (flatten.due_at, flatten.until) == (ny(WHOLE_DAY, "19:50"), ny(WHOLE_DAY, "20:00"))


def test_a_firing_knows_the_slots_of_the_sessions_that_are_enabled() -> None:
    day, jobs = trading_day(WHOLE_DAY), frozenset({Job.CANDIDATES})
    at = ny(WHOLE_DAY, "08:00")
    assert fired(at, day, jobs, LOOKBACK).to_run == ()
    assert [slot.slot for slot in fired(at, day, jobs, LOOKBACK, frozenset({Session.PRE})).to_run] == ["0800"]


def test_a_half_day_closes_everything_early() -> None:
    assert slots(HALF_DAY, Job.FLATTEN) == ["1250"]
    assert slots(HALF_DAY, Job.AFTER_HOURS) == ["1305"]
    assert slots(HALF_DAY, Job.DAY_REPORT) == ["1330"]
    assert slots(HALF_DAY, Job.INTRADAY_REFRESH) == ["0935", "1130"], "13:30 comes after the close"
    assert slots(HALF_DAY, Job.CANDIDATES)[-1] == "1255"
    assert slots(HALF_DAY, Job.SUPERVISE)[-1] == "1659"
    assert slots(HALF_DAY, Job.NEWS_SCAN)[-1] == "1645"
    assert aft_close_at(trading_day(HALF_DAY)) == ny(HALF_DAY, "17:00")


def test_a_half_day_refresh_stays_worth_running_until_half_an_hour_before_the_close() -> None:
    last = plan(trading_day(HALF_DAY), frozenset({Job.INTRADAY_REFRESH}))[-1]
    assert (last.slot, last.until) == ("1130", ny(HALF_DAY, "12:30"))


@pytest.mark.parametrize("on", [date(2026, 11, 26), date(2026, 12, 25), date(2026, 3, 7), date(2026, 3, 8)])
def test_nothing_is_due_on_a_holiday_or_weekend(on: date) -> None:
    jobs = ALL - {Job.WEEKLY_REVIEW}
    firings = [fired(ny(on, time(hour)), CALENDAR.day(on), jobs, LOOKBACK) for hour in range(24)]
    assert firings == [Firing(to_run=(), missed=())] * 24


@pytest.mark.parametrize("on", [date(2026, 3, 7), date(2026, 7, 4), date(2026, 11, 28)])
def test_the_weekly_review_is_due_on_saturday_at_nine_whatever_the_season(on: date) -> None:
    def at(wall: str) -> tuple[list[str], list[str]]:
        firing = fired(ny(on, wall), CALENDAR.day(on), ALL, LOOKBACK)
        return [slot.key for slot in firing.to_run], [slot.key for slot in firing.missed]

    assert at("08:59") == ([], [])
    assert at("09:00") == at("20:59") == (["weekly-review|0900"], [])
    assert at("21:00") == ([], ["weekly-review|0900"])


@pytest.mark.parametrize("on", [WHOLE_DAY, HALF_DAY])
def test_a_heartbeat_is_due_at_every_whole_hour_of_the_regular_session(on: date) -> None:
    day = trading_day(on)
    beats = slots(on, Job.HEARTBEAT)
    assert beats[0] == "1000"
    assert beats[-1] == day.close_at.astimezone(NEW_YORK).strftime("%H%M")
    assert len(beats) == (7 if on == WHOLE_DAY else 4)
    extended = plan(day, frozenset({Job.HEARTBEAT}), frozenset({*REGULAR, Session.PRE, Session.AFT}))
    assert len({slot.key for slot in extended}) == len(extended) > len(beats)


def test_a_firing_before_the_first_slot_finds_nothing() -> None:
    assert fired(ny(WHOLE_DAY, "03:59:59"), trading_day(WHOLE_DAY), ALL, LOOKBACK) == Firing(to_run=(), missed=())


def test_a_firing_at_the_very_instant_finds_its_slot() -> None:
    firing = fired(ny(WHOLE_DAY, "07:00"), trading_day(WHOLE_DAY), frozenset({Job.PREMARKET_ROUGH}), LOOKBACK)
    assert [slot.key for slot in firing.to_run] == ["premarket-rough|0700"]
    assert firing.missed == ()


@pytest.mark.parametrize(("at", "runs"), [("09:14:59", True), ("09:15", False)])
def test_a_late_rough_scan_runs_only_until_the_final_one_is_due(at: str, runs: bool) -> None:
    firing = fired(ny(WHOLE_DAY, at), trading_day(WHOLE_DAY), frozenset({Job.PREMARKET_ROUGH}), LOOKBACK)
    assert (len(firing.to_run), len(firing.missed)) == ((1, 0) if runs else (0, 1))


def test_the_final_scan_is_made_up_for_until_the_last_entries() -> None:
    jobs = frozenset({Job.PREMARKET_FINAL})
    assert fired(ny(WHOLE_DAY, "15:29"), trading_day(WHOLE_DAY), jobs, LOOKBACK).to_run
    assert fired(ny(WHOLE_DAY, "15:30"), trading_day(WHOLE_DAY), jobs, LOOKBACK).missed


def test_missed_candidate_slots_are_told_from_the_one_still_worth_running() -> None:
    firing = fired(ny(WHOLE_DAY, "09:52"), trading_day(WHOLE_DAY), frozenset({Job.CANDIDATES}), LOOKBACK)
    assert [slot.slot for slot in firing.to_run] == ["0950"]
    assert [slot.slot for slot in firing.missed] == ["0935", "0940", "0945"]


def test_slots_older_than_the_lookback_are_left_alone() -> None:
    firing = fired(ny(WHOLE_DAY, "09:52"), trading_day(WHOLE_DAY), frozenset({Job.CANDIDATES}), timedelta(minutes=7))
    assert [slot.slot for slot in (*firing.missed, *firing.to_run)] == ["0950"]


def test_after_hours_in_winter_belong_to_the_session_date_although_utc_has_turned() -> None:
    on = date(2026, 12, 1)
    last = plan(trading_day(on), frozenset({Job.SUPERVISE}))[-1]
    assert (last.on, last.slot) == (on, "1959")
    assert last.due_at == datetime(2026, 12, 2, 0, 59, tzinfo=UTC)


def test_slot_names_are_new_york_wall_time() -> None:
    assert slot_of(datetime(2026, 7, 1, 13, 30, tzinfo=UTC)) == "0930"
    assert slot_of(datetime(2026, 12, 1, 14, 30, tzinfo=UTC)) == "0930"


def test_plan_of_chosen_jobs_is_the_full_plan_without_the_others() -> None:
    jobs = frozenset({Job.FLATTEN, Job.NEWS_SCAN})
    day = trading_day(WHOLE_DAY)
    assert plan(day, jobs) == tuple(slot for slot in plan(day) if slot.job in jobs)


@pytest.mark.parametrize("day", DAYS_OF_2026[::9], ids=lambda day: str(day.on))
def test_every_slot_of_every_day_is_named_once_and_lies_on_the_utc_minute_grid(day: TradingDay) -> None:
    slots_ = plan(day)
    keys = [slot.key for slot in slots_]
    assert len(set(keys)) == len(keys)
    assert [slot.due_at for slot in slots_] == sorted(slot.due_at for slot in slots_)
    assert all(slot.due_at.second == 0 and slot.due_at.microsecond == 0 for slot in slots_)
    assert all(slot.due_at.astimezone(NEW_YORK).date() == slot.on for slot in slots_)


@given(day=st.sampled_from(DAYS_OF_2026), minutes=st.integers(0, 26 * 60))
def test_a_firing_splits_the_past_slots_and_finds_none_twice(day: TradingDay, minutes: int) -> None:
    opened = ny(day.on, "00:00")
    now = opened + timedelta(minutes=minutes)
    firing = fired(now, day, ALL - {Job.SUPERVISE}, timedelta(days=2))
    past = [slot for slot in plan(day, ALL - {Job.SUPERVISE}) if slot.due_at <= now]
    assert sorted((*firing.to_run, *firing.missed), key=lambda s: (s.due_at, s.key)) == past
    assert all(slot.due_at <= now < slot.until for slot in firing.to_run)
    assert all(slot.until <= now for slot in firing.missed)


def test_a_day_too_short_for_a_job_goes_without_it() -> None:
    on = WHOLE_DAY
    day = TradingDay(on=on, open_at=ny(on, "09:30"), close_at=ny(on, "09:40"))
    assert plan(day, frozenset({Job.PREMARKET_FINAL, Job.INTRADAY_REFRESH})) == ()


def test_a_due_job_that_ends_before_it_begins_is_refused() -> None:
    at = ny(WHOLE_DAY, "09:30")
    with pytest.raises(ValueError, match="until must be after due_at"):
        DueJob(job=Job.FLATTEN, on=WHOLE_DAY, slot="0930", due_at=at, until=at)
