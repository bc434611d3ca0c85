"""Redrive: a message that went aside goes back to the queue it came from, as it was."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.records import Container, Queue, Table
from shared.core.errors import ConflictError
from shared.core.values import iso
from shared.ports import Ports, Row, Stored
from shared.stages.base.incidents import REDRIVEN
from shared.stages.base.requests import CONFLICT, NOT_FOUND, Call, Reply, act_notice, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """A reply, and the text that goes into a queue; no text where it was refused."""

    reply: Reply
    queue: Queue | None = None
    text: str = ""


def redrive(ports: Ports, call: Call, kind: str) -> Redrive:
    """Take the bytes of an incident back out of quarantine.

    A message may be redriven more than once: its id is a hash of what it logically is, so stages that have seen it do
    nothing again, and one that is too old is recorded and dropped.

    Parameters
    ----------
    kind : str
        poison or quarantine: what the incident must be.
    """
    on, key = call.text("on"), call.text("incident")
    stored = ports.tables.get(Table.INCIDENTS, on, key)
    if stored is None:
        return Redrive(reply=refused(NOT_FOUND, f"there is none of that key on {on}", "incident", matter=key))
    row = stored.value
    name = key.split("|")[1]
    if row["kind"] != kind or name not in set(Queue) or not row.get("blob"):
        return Redrive(reply=refused(CONFLICT, f"is no {kind} message of a queue", "incident", matter=key))
    found = ports.blobs.get(Container.QUARANTINE, str(row["blob"]))
    if found is None:
        return Redrive(reply=refused(NOT_FOUND, "its bytes are gone", "incident", matter=key))
    try:
        text = found.value.decode()
    except UnicodeDecodeError:
        return Redrive(reply=refused(CONFLICT, "its bytes are no text, which is all a queue takes", "incident"))
    _mark(ports, on, key, stored)
    title = f"A {kind} message of {name} was sent back"
    body = {"queue": name, "incident": key, "characters": len(text)}
    reply = Reply(body=body, messages=(act_notice(ports, title, call),), record={"matter": f"{on} {key}"})
    return Redrive(reply=reply, queue=Queue(name), text=text)


def _mark(ports: Ports, on: str, key: str, stored: Stored[Row]) -> None:
    row = {**stored.value, "status": REDRIVEN, "replayed_at": iso(ports.clock.now())}
    try:
        ports.tables.replace(Table.INCIDENTS, on, key, row, stored.etag)
    except ConflictError:
        return  # another redrive of the same message: one mark is enough
