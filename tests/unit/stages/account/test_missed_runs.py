"""Silence: told once by another function than the silent one, closed when the thing is heard of again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pytest

from shared.contracts.messages import Severity
from shared.contracts.records import Table
from shared.core.errors import TransientError
from shared.core.market import Timeframe
from shared.core.schedule import Job, plan, slot_of
from shared.core.values import iso
from shared.ports import QueueState
from shared.stages.account.missed_runs import watch_stages, watch_supervise
from shared.stages.base.incidents import record_incident
from tests.support.bars import day_starts, random_walk, trading_day
from tests.support.orders import ON
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny

MINUTE = timedelta(minutes=1)
BARS = random_walk(np.random.default_rng(1), day_starts(ON), 40.0, 0.002)


@dataclass
class HandQueues:
    """Queues as a test lays them out."""

    oldest: dict[str, datetime] = field(default_factory=dict)

    def state(self, queue: str) -> QueueState:
        at = self.oldest.get(queue)
        return QueueState(count=int(at is not None), oldest_at=at)


def sound(
    at: str,
    *,
    without: frozenset[Job] = frozenset(),
    until: str | None = None,
    since: str = "04:00",
    beats_until: str | None = None,
) -> FakePorts:
    """A day on which everything ran up to `until`, but for some jobs; supervise was there since `since`."""
    ports = fake_ports(ny(ON, at))
    ran_by = ny(ON, until or at)
    for slot in plan(trading_day(ON), frozenset(Job) - without - {Job.SUPERVISE, Job.FLATTEN}):
        if slot.due_at <= ran_by:
            ran(ports, slot.key, slot.due_at)
    at_row = ny(ON, since)
    while at_row <= ny(ON, beats_until or at):
        equity(ports, at_row)
        at_row += 5 * MINUTE
    ports.market.history = {(symbol, Timeframe.MIN_5): BARS for symbol in ("SPY", "QQQ")}
    return ports


def ran(ports: FakePorts, key: str, at: datetime, status: str = "done") -> None:
    ports.tables.put(Table.RUNS, str(ON), key, {"status": status, "started_at": iso(at)})


def equity(ports: FakePorts, at: datetime) -> None:
    ports.tables.put(Table.LEDGER, str(ON), slot_of(at), {"at": iso(at), "equity_usd": "100000", "positions": 0})


def titles(ports: FakePorts, queues: HandQueues | None = None) -> list[str]:
    return [told.title for told in watch_stages(ports, queues or HandQueues(), ports.clock.now())]


@pytest.mark.parametrize("at", ["04:08", "07:38", "09:33", "09:38", "11:08", "15:58", "16:38", "17:08", "19:53"])
def test_a_day_on_which_everything_runs_is_told_nothing(at: str) -> None:
    ports = sound(at)
    assert titles(ports) == []
    assert watch_supervise(ports) == []
    assert ports.rows("incidents", ON) == {}


def test_two_slots_without_candidates_are_silence_and_one_is_not() -> None:
    ports = sound("10:08", until="10:01")
    assert titles(ports) == []
    ports.clock.at = ny(ON, "10:13")
    (told,) = watch_stages(ports, HandQueues(), ports.clock.now())
    assert (told.kind, told.severity) == ("silent", Severity.CRITICAL)
    assert told.title == "Silent: job candidates since 10:05"
    (row,) = ports.rows("incidents", ON).values()
    assert (row["kind"], row["status"]) == ("silent", "open")


def test_a_silence_is_told_once_and_its_end_once() -> None:
    ports = sound("10:13", until="10:01")
    assert titles(ports) == ["Silent: job candidates since 10:05"]
    ports.clock.at = ny(ON, "10:18")
    assert titles(ports) == []
    ran(ports, "candidates|1020", ny(ON, "10:20"))
    ran(ports, "news-scan|1015", ny(ON, "10:15"))
    ports.clock.at = ny(ON, "10:23")
    (back,) = watch_stages(ports, HandQueues(), ports.clock.now())
    assert (back.kind, back.severity, back.title) == ("back", Severity.INFO, "Back: job candidates")
    assert back.body == "Silent from 10:05 to 10:23, 18 min."
    (row,) = ports.rows("incidents", ON).values()
    assert row["status"] == "closed"
    ports.clock.at = ny(ON, "10:23")
    assert titles(ports) == []


def test_a_second_silence_of_the_same_day_is_told_anew() -> None:
    ports = sound("10:13", until="10:01")
    titles(ports)
    for slot in ("1010", "1015", "1020"):
        ran(ports, f"candidates|{slot}", ny(ON, "10:20"))
    ran(ports, "news-scan|1015", ny(ON, "10:15"))
    ports.clock.at = ny(ON, "10:23")
    assert titles(ports) == ["Back: job candidates"]
    ran(ports, "news-scan|1030", ny(ON, "10:30"))
    ports.clock.at = ny(ON, "10:33")
    assert titles(ports) == ["Silent: job candidates since 10:25"]


def test_runs_that_begin_and_never_end_are_silence() -> None:
    ports = sound("10:33", without=frozenset({Job.NEWS_SCAN}))
    for slot in ("1000", "1015"):
        ran(ports, f"news-scan|{slot}", ny(ON, f"{slot[:2]}:{slot[2:]}"), status="started")
    ran(ports, "news-scan|0945", ny(ON, "09:45"))
    assert titles(ports) == ["Silent: job news-scan since 10:00"]


@pytest.mark.parametrize(("status", "expected"), [("missed", []), ("failed", [])])
def test_what_was_told_as_missed_is_not_told_again(status: str, expected: list[str]) -> None:
    ports = sound("16:53")
    ran(ports, "day-report|1630", ny(ON, "16:30"), status=status)
    assert titles(ports) == expected


def test_a_job_of_one_slot_is_silent_when_it_is_late() -> None:
    late = frozenset({Job.DAY_REPORT})
    assert titles(sound("16:38", without=late)) == []
    assert titles(sound("16:53", without=late)) == ["Silent: job day-report-1630 since 16:30"]


def test_an_app_that_has_just_come_to_life_is_not_called_silent() -> None:
    everything = frozenset(Job)
    assert titles(sound("11:03", without=everything, since="11:00")) == []
    told = titles(sound("11:28", without=everything, since="11:00"))
    assert "Silent: job candidates since 11:00" in told


def test_a_queue_whose_front_waits_for_minutes_is_silence_of_the_stage_behind() -> None:
    ports = sound("11:08")
    waiting = HandQueues({"signals": ny(ON, "11:02"), "notices": ny(ON, "09:00"), "candidates": ny(ON, "11:05")})
    assert titles(ports, waiting) == ["Silent: queue signals since 11:02"]


def test_a_market_without_bars_is_noticed_at_the_feed_itself() -> None:
    ports = sound("11:08")
    ports.market.history = {}
    assert titles(ports) == ["Silent: bars since 10:48"]
    for slot in ("1110", "1115", "1120"):
        ran(ports, f"candidates|{slot}", ny(ON, "11:20"))
    ports.clock.at = ny(ON, "11:13")
    assert titles(ports) == []  # not looked at, so not closed
    ran(ports, "news-scan|1115", ny(ON, "11:15"))
    ports.market.history = {("SPY", Timeframe.MIN_5): BARS}
    ports.clock.at = ny(ON, "11:23")
    assert titles(ports) == ["Back: bars"]


def test_a_feed_that_does_not_answer_has_no_bars() -> None:
    ports = sound("11:08")
    ports.market.error = TransientError("down")
    assert titles(ports) == ["Silent: bars since 10:48"]


@pytest.mark.parametrize("at", ["11:07", "11:09", "20:03"])
def test_nobody_looks_at_other_minutes_or_after_hours(at: str) -> None:
    assert titles(sound(at, without=frozenset(Job))) == []


def test_nobody_looks_where_watching_is_turned_off() -> None:
    ports = fake_ports(ny(ON, "11:08"), GATEHOUSE_SILENT_SLOTS="0")
    assert titles(ports) == []
    assert watch_supervise(ports) == []


def test_supervise_without_a_row_of_equity_is_noticed_by_the_news_scan() -> None:
    ports = sound("11:00", beats_until="10:40")
    (told,) = watch_supervise(ports)
    assert told.title == "Silent: supervise since 10:45"
    assert watch_supervise(ports) == []
    equity(ports, ny(ON, "11:10"))
    ports.clock.at = ny(ON, "11:15")
    assert [each.title for each in watch_supervise(ports)] == ["Back: supervise"]


def test_a_dead_broker_is_no_silence_of_supervise() -> None:
    ports = sound("11:00", beats_until="10:40")
    record_incident(ports, ON, "broker-down|10", now=ny(ON, "10:45"), kind="broker-down", title="t", body="b")
    assert watch_supervise(ports) == []


def test_the_first_news_scan_of_an_app_calls_nobody_silent() -> None:
    ports = fake_ports(ny(ON, "11:00"))
    assert watch_supervise(ports) == []
