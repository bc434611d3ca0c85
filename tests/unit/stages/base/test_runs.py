"""Each job once per slot, whatever the timers do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from shared.contracts.messages import Message, Severity
from shared.core.errors import TransientError
from shared.core.schedule import DueJob, Job, plan
from shared.core.sessions import Session
from shared.stages.base.notices import notice
from shared.stages.base.runs import LEASE, run_due
from simulation.runtime.local_settings import read_local_settings
from simulation.runtime.ncrontab import Schedule
from tests.support.bars import trading_day
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny

ON = date(2026, 3, 10)
HALF_DAY = date(2026, 11, 27)
PREMARKET = frozenset({Job.PREMARKET_ROUGH, Job.PREMARKET_FINAL})
REPORT = frozenset({Job.DAY_REPORT})


class Fired:
    """Fires timers at wall times and keeps which slots ran."""

    def __init__(self, at: datetime, jobs: frozenset[Job], sessions: str = "REG-AM REG-MID REG-PM") -> None:
        self.ports: FakePorts = fake_ports(at, GATEHOUSE_ENTRY_SESSIONS=sessions)
        self.jobs = jobs
        self.ran: list[str] = []
        self.during: Callable[[DueJob], None] = lambda slot: None

    def run(self, slot: DueJob) -> list[Message]:
        self.ran.append(slot.key)
        self.during(slot)
        now = self.ports.clock.now()
        return [notice(now, kind="ran", severity=Severity.INFO, title=slot.key, body="", cause=slot.key)]

    def at(self, instant: datetime) -> list[str]:
        self.ports.clock.at = instant
        return [m.title for m in run_due(self.ports, self.jobs, self.run) if hasattr(m, "title")]

    def rows(self, on: date = ON) -> dict[str, dict[str, object]]:
        return self.ports.rows("runs", on)


def test_a_due_job_runs_once_and_leaves_its_record() -> None:
    timer = Fired(ny(ON, "06:55"), PREMARKET)
    assert timer.at(ny(ON, "06:55")) == []
    assert timer.at(ny(ON, "07:00")) == ["premarket-rough|0700"]
    row = timer.rows()["premarket-rough|0700"]
    assert (row["status"], row["attempt"], row["due_at"]) == ("done", 1, "2026-03-10T11:00:00Z")


def test_a_doubled_firing_runs_once() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    timer.at(ny(ON, "07:00"))
    assert timer.at(ny(ON, "07:00")) == []
    assert timer.at(ny(ON, "07:05")) == []
    assert timer.ran == ["premarket-rough|0700"]


def test_a_late_firing_still_runs_what_is_worth_running() -> None:
    timer = Fired(ny(ON, "08:40"), PREMARKET)
    assert timer.at(ny(ON, "08:40")) == ["premarket-rough|0700"]
    assert timer.rows()["premarket-rough|0700"]["started_at"] == "2026-03-10T12:40:00Z"


def test_a_missed_job_is_recorded_and_reported_once_while_the_next_one_runs() -> None:
    timer = Fired(ny(ON, "09:20"), PREMARKET)
    assert timer.at(ny(ON, "09:20")) == ["Missed: premarket-rough of 0700", "premarket-final|0915"]
    assert timer.at(ny(ON, "09:25")) == []
    assert timer.ran == ["premarket-final|0915"]
    assert timer.rows()["premarket-rough|0700"]["status"] == "missed"


def test_missed_candidates_are_recorded_quietly() -> None:
    timer = Fired(ny(ON, "09:52"), frozenset({Job.CANDIDATES}))
    assert timer.at(ny(ON, "09:52")) == ["candidates|0950"]
    statuses = {key: row["status"] for key, row in timer.rows().items()}
    assert statuses == {
        "candidates|0935": "missed",
        "candidates|0940": "missed",
        "candidates|0945": "missed",
        "candidates|0950": "done",
    }


def test_two_runners_racing_on_one_slot_make_one_run() -> None:
    """The second fires while the first is at work."""
    timer = Fired(ny(ON, "07:00"), PREMARKET)

    def fire_again(slot: DueJob) -> None:
        run_due(timer.ports, PREMARKET, timer.run)

    timer.during = fire_again
    timer.at(ny(ON, "07:00"))
    assert timer.ran == ["premarket-rough|0700"]


def test_a_runner_that_loses_the_insert_leaves_the_slot_alone() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    tables, other = timer.ports.tables, []
    query = tables.query

    def stale(table: str, partition: str, **keys: str) -> list[object]:
        found = list(query(table, partition, **keys))
        tables.query = query  # type: ignore[method-assign]
        other.extend(run_due(timer.ports, PREMARKET, timer.run))
        return found  # type: ignore[return-value]

    tables.query = stale  # type: ignore[method-assign, assignment]
    assert timer.at(ny(ON, "07:00")) == []
    assert len(other) == len(timer.ran) == 1


def test_a_missed_slot_that_two_find_is_reported_by_one() -> None:
    timer = Fired(ny(ON, "09:14"), frozenset({Job.PREMARKET_ROUGH}))
    tables, other = timer.ports.tables, []
    query = tables.query

    def stale(table: str, partition: str, **keys: str) -> list[object]:
        found = list(query(table, partition, **keys))
        tables.query = query  # type: ignore[method-assign]
        other.extend(run_due(timer.ports, timer.jobs, timer.run))
        return found  # type: ignore[return-value]

    tables.query = stale  # type: ignore[method-assign, assignment]
    assert timer.at(ny(ON, "09:15")) == []
    assert len(other) == 1


def crash(slot: DueJob) -> None:
    raise TransientError(f"died in {slot.key}")


def test_an_abandoned_run_is_taken_over_after_its_lease_and_not_before() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    timer.during = crash
    with pytest.raises(TransientError):
        timer.at(ny(ON, "07:00"))
    timer.during = lambda slot: None
    assert timer.rows()["premarket-rough|0700"]["status"] == "started"
    assert timer.at(ny(ON, "07:00") + LEASE - timedelta(seconds=1)) == []
    assert timer.at(ny(ON, "07:00") + LEASE) == ["premarket-rough|0700"]
    row = timer.rows()["premarket-rough|0700"]
    assert (row["status"], row["attempt"]) == ("done", 2)


def test_a_run_whose_runner_died_and_whose_time_is_over_keeps_its_record_as_failed() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    timer.during = crash
    with pytest.raises(TransientError):
        timer.at(ny(ON, "07:00"))
    timer.during = lambda slot: None
    begun = timer.rows()["premarket-rough|0700"]
    assert timer.at(ny(ON, "09:20")) == ["Missed: premarket-rough of 0700", "premarket-final|0915"]
    ended = {"status": "failed", "finished_at": "2026-03-10T13:20:00Z"}
    assert timer.rows()["premarket-rough|0700"] == begun | ended


def test_two_that_find_an_abandoned_run_take_it_over_once() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    timer.during = crash
    with pytest.raises(TransientError):
        timer.at(ny(ON, "07:00"))
    timer.during = lambda slot: None
    tables, other = timer.ports.tables, []
    get = tables.get

    def slow(table: str, partition: str, key: str) -> object:
        found = get(table, partition, key)
        tables.get = get  # type: ignore[method-assign]
        other.extend(run_due(timer.ports, PREMARKET, timer.run))
        return found

    tables.get = slow  # type: ignore[method-assign, assignment]
    assert timer.at(ny(ON, "07:15")) == []
    assert len(other) == 1
    assert timer.ran == ["premarket-rough|0700"] * 2, "once by the dead runner, once by the one that took over"


def test_a_run_that_finished_between_two_looks_is_left_alone() -> None:
    timer = Fired(ny(ON, "07:00"), PREMARKET)
    timer.during = crash
    with pytest.raises(TransientError):
        timer.at(ny(ON, "07:00"))
    timer.during = lambda slot: None
    tables = timer.ports.tables
    key = "premarket-rough|0700"
    get = tables.get

    def finished(table: str, partition: str, row_key: str) -> object:
        tables.put("runs", str(ON), key, {**timer.rows()[key], "status": "done"})  # type: ignore[dict-item]
        return get(table, partition, row_key)

    tables.get = finished  # type: ignore[method-assign, assignment]
    assert timer.at(ny(ON, "07:15")) == []


@pytest.mark.parametrize("on", [date(2026, 11, 26), date(2026, 3, 7), date(2026, 12, 25)])
def test_nothing_runs_on_a_holiday_or_weekend(on: date) -> None:
    timer = Fired(ny(on, "04:00"), frozenset(Job) - {Job.SUPERVISE, Job.WEEKLY_REVIEW})
    for hour in range(4, 20):
        assert timer.at(ny(on, f"{hour:02}:00")) == []
    assert timer.rows(on) == {}


def test_a_half_day_reports_at_half_past_one() -> None:
    timer = Fired(ny(HALF_DAY, "13:29"), REPORT)
    assert timer.at(ny(HALF_DAY, "13:29")) == []
    assert timer.at(ny(HALF_DAY, "13:30")) == ["day-report|1330"]
    assert timer.at(ny(HALF_DAY, "16:30")) == []


def test_after_hours_past_utc_midnight_are_booked_under_the_session_date() -> None:
    on = date(2026, 12, 1)
    timer = Fired(ny(on, "19:30"), frozenset({Job.CANDIDATES}), sessions="AFT")
    run_due(timer.ports, timer.jobs, timer.run, lookback=timedelta(minutes=5))
    assert ny(on, "19:30").date() == date(2026, 12, 2)
    assert timer.rows(on)["candidates|1930"]["status"] == "done"


SCHEDULES = {
    "GATEHOUSE_SCAN_SCHEDULE": frozenset(
        {Job.PREMARKET_ROUGH, Job.PREMARKET_FINAL, Job.INTRADAY_REFRESH, Job.CANDIDATES, Job.AFTER_HOURS}
    ),
    "GATEHOUSE_NEWS_SCHEDULE": frozenset({Job.NEWS_SCAN, Job.HEARTBEAT}),
    "GATEHOUSE_SUPERVISE_SCHEDULE GATEHOUSE_EVENING_SCHEDULE": frozenset({Job.SUPERVISE, Job.FLATTEN}),
    "GATEHOUSE_REPORT_SCHEDULE": REPORT,
    "GATEHOUSE_NIGHTLY_SCHEDULE": frozenset({Job.CASES, Job.REPLAY_CHECK, Job.EXPORT}),
}
TELLING_DAYS = [
    date(2026, *each) for each in ((1, 2), (3, 6), (3, 9), (7, 6), (10, 30), (11, 2), (11, 27), (12, 24), (12, 31))
]


@pytest.mark.parametrize("on", TELLING_DAYS, ids=str)
@pytest.mark.parametrize(("name", "jobs"), SCHEDULES.items(), ids=SCHEDULES)
def test_the_timers_utc_grid_fires_once_at_every_slot_in_summer_and_winter(
    name: str, jobs: frozenset[Job], on: date
) -> None:
    """The schedules of the example settings, against the exchange's day."""
    root = Path(__file__).resolve().parents[4]
    settings = read_local_settings(root / "local.settings.json.example")
    schedules = [Schedule.parse(settings[each]) for each in name.split()]
    fired = {s.key: [each.matches(s.due_at) for each in schedules].count(True) for s in plan(trading_day(on), jobs)}
    assert {key: times for key, times in fired.items() if times != 1} == {}


@pytest.mark.parametrize("on", TELLING_DAYS, ids=str)
def test_the_news_timer_holds_the_heartbeats_of_all_sessions(on: date) -> None:
    root = Path(__file__).resolve().parents[4]
    settings = read_local_settings(root / "local.settings.json.example")
    schedule = Schedule.parse(settings["GATEHOUSE_NEWS_SCHEDULE"])
    beats = plan(trading_day(on), frozenset({Job.HEARTBEAT}), frozenset(Session))
    assert beats
    assert [slot.key for slot in beats if not schedule.matches(slot.due_at)] == []
