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

    @property
    def status(self) -> dict[str, str]:
        """When it fired last and is due next, as the real host writes it."""
        last = _NEVER if self.last_at is None else iso(self.last_at)
        return {"Last": last, "Next": iso(self.next_at), "LastUpdated": last}

    def request(self) -> protos.TypedData:
        """Value of the trigger."""
        asked = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": self.status, "IsPastDue": self.is_past_due}
        return protos.TypedData(json=json.dumps(asked))

    def advance(self, now: datetime) -> None:
        """Note that it fired now, and find when it is due next."""
        self.last_at = now
        self.next_at = self.schedule.next_after(now)
        self.is_past_due = False


async def load_timer(function: FunctionDefinition, storage: HostStorage, now: datetime) -> Timer:
    """Timer of a function as it stood when the host stopped: past due if it should have fired since."""
    options, schedule = function.trigger.options, Schedule.parse(function.trigger.text("schedule"))
    timer = Timer(
        function=function,
        schedule=schedule,
        next_at=schedule.next_after(now),
        runs_on_startup=bool(options.get("runOnStartup", False)),
        keeps_status=options.get("useMonitor") is not False,
    )
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
    if timer.keeps_status:
        await storage.write_blob(_path(timer.function), json.dumps(timer.status).encode())


def _path(function: FunctionDefinition) -> str:
    return f"{_CONTAINER}/timers/sandbox/Host.Functions.{function.name}/status"
