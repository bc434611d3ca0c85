"""Calls of a person, and what becomes of them: an answer, messages, and a row that stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.messages import Message, Severity
from shared.contracts.records import Table, time_key
from shared.core.ids import hash_id
from shared.core.sessions import NEW_YORK
from shared.core.values import iso
from shared.ports import Cell, Ports
from shared.stages.base.notices import notice

GOOD = 200
NOT_FOUND = 404
CONFLICT = 409
GONE = 410
FORBIDDEN = 403
DOWN = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks what, and why. `caller` is who the platform says it is, `by` who they say they are."""

    route: str
    by: str
    reason: str
    caller: str
    values: Mapping[str, str | bool] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A checked text field."""
        return str(self.values[name])

    def flag(self, name: str) -> bool:
        """A checked flag."""
        return self.values[name] is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a call comes to: HTTP status and JSON body, messages to send, and what its row in table controls keeps.

    `record` holds cells of the route's own, `problem` what was wrong.
    """

    status: int = GOOD
    body: Mapping[str, object] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    record: Mapping[str, Cell] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_done(self) -> bool:
        """Whether what was asked for was done."""
        return self.status == GOOD


def refused(status: int, text: str, name: str = "", **record: Cell) -> Reply:
    """A refusal: the field at fault, if one is, and why."""
    problem = f"{name}: {text}" if name else text
    body = {"error": problem, "field": name} if name else {"error": problem}
    return Reply(status=status, body=body, record=record, problem=problem[:1000])


def record_call(ports: Ports, call: Call, reply: Reply) -> None:
    """Keep a call, done or refused, under the day it was made: table controls, `HHMMSS|act|hash`."""
    now = ports.clock.now()
    row: dict[str, Cell] = {
        "act": call.route,
        "status": reply.status,
        "problem": reply.problem or None,
        "by": call.by or None,
        "reason": call.reason or None,
        "caller": call.caller or None,
        "at": iso(now),
        "code_revision": ports.code_revision,
        **reply.record,
    }
    act = str(row["act"])
    content = (act, call.by, call.reason, iso(now), str(reply.status), str(sorted(reply.record.items())))
    ports.tables.insert(
        Table.CONTROLS, str(now.astimezone(NEW_YORK).date()), time_key(now, act, hash_id("act", *content)), row
    )


def act_notice(ports: Ports, title: str, call: Call) -> Message:
    """Notice of an act, so that nobody acts unseen."""
    now = ports.clock.now()
    cause = hash_id("act", title, call.by, call.reason, iso(now))
    body = f"By {call.by}: {call.reason}"
    return notice(now, kind="operate", severity=Severity.CRITICAL, title=title[:200], body=body, cause=cause)
