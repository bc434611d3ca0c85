"""Timer triggers: schedule, status kept in blobs as the real host keeps it, and the request that a function gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sandbox.host import protos
from sandbox.host.functions import FunctionDefinition
from sandbox.host.storage import HostStorage
from shared.core.values import iso, parse_utc
from simulation.runtime.ncrontab import Schedule

_CONTAINER = "azure-webjobs-hosts"
_NEVER = "0001-01-01T00:00:00Z"


@dataclass(slots=True, kw_only=True)
class Timer:
    """One timer function and where it stands. `next_at` is when it is due."""

    function: FunctionDefinition
    schedule: Schedule
    next_at: datetime
    last_at: datetime | None = None
    is_past_due: bool = False
    runs_on_startup: bool = False
    keeps_status: bool = True

    @property
    def trigger_id(self) -> str:
        """The instant it was due."""
        return iso(self.next_at)

    def request(self) -> protos.TypedData:
        """Value of the trigger."""
        return timer_request(is_past_due=self.is_past_due, last_at=self.last_at, next_at=self.next_at)

    def advance(self, now: datetime) -> None:
        """Note that it fired now, and find when it is due next."""
        self.last_at = now
        self.next_at = self.schedule.next_after(now)
        self.is_past_due = False


def timer_request(*, is_past_due: bool, last_at: datetime | None, next_at: datetime) -> protos.TypedData:
    """JSON of a timer request."""
    last = _NEVER if last_at is None else iso(last_at)
    return protos.TypedData(
        json=json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": {"Last": last, "Next": iso(next_at), "LastUpdated": last},
                "IsPastDue": is_past_due,
            }
        )
    )


def make_timer(function: FunctionDefinition, now: datetime) -> Timer:
    """Timer of a function that has never fired."""
    options = function.trigger.options
    schedule = Schedule.parse(function.trigger.text("schedule"))
    return Timer(
        function=function,
        schedule=schedule,
        next_at=schedule.next_after(now),
        runs_on_startup=bool(options.get("runOnStartup", False)),
        keeps_status=options.get("useMonitor") is not False,
    )


async def load_timer(function: FunctionDefinition, storage: HostStorage, now: datetime) -> Timer:
    """Timer of a function as it stood when the host stopped: past due if it should have fired since."""
    timer = make_timer(function, now)
    content = await storage.read_blob(_path(function)) if timer.keeps_status else None
    if content is None:
        return timer
    status = json.loads(content)
    timer.last_at = None if status["Last"] == _NEVER else parse_utc(status["Last"])
    due = parse_utc(status["Next"])
    if due <= now:
        timer.next_at = due
        timer.is_past_due = True
    return timer


async def save_timer(timer: Timer, storage: HostStorage) -> None:
    """Write where a timer stands."""
    if not timer.keeps_status:
        return
    last = _NEVER if timer.last_at is None else iso(timer.last_at)
    status = {"Last": last, "Next": iso(timer.next_at), "LastUpdated": last}
    await storage.write_blob(_path(timer.function), json.dumps(status).encode())


def _path(function: FunctionDefinition) -> str:
    return f"{_CONTAINER}/timers/sandbox/Host.Functions.{function.name}/status"
