"""What the functions of a run use: executions, billed seconds, storage requests, bytes that stay.

A row counts once, as it was written last, and by Azure's rule for its size; the request that carries it is larger.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

import requests.adapters

from benchmarks.prices import ANSWER_WAIT_S, BILLED_STEP_S, BROKER_WAIT_S, LIVES_AFTER, MIN_BILLED_S, STORAGE_WAIT_S, Op
from sandbox.host.observer import CallOutcome, Invocation, TriggerKind
from sandbox.timings import Timings
from shared.contracts.records import Container

TABLES = "tables"
QUEUES = "queues"
_ENTITY = re.compile(rb"^\{.*\}$", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class Usage:
    """What one function used in the day."""

    kind: TriggerKind
    executions: int = 0
    wall_s: float = 0.0
    billed_s: float = 0.0
    broker_requests: int = 0
    written_bytes: Counter[str] = field(default_factory=Counter)
    ops: Counter[Op] = field(default_factory=Counter)
    began_at: list[datetime] = field(default_factory=list)


def billed_s(wall_s: float) -> float:
    """Seconds that an execution is billed for.

    Examples
    --------
    >>> billed_s(0.2), round(billed_s(1.23), 1)
    (1.0, 1.3)
    """
    return max(MIN_BILLED_S, math.ceil(round(wall_s / BILLED_STEP_S, 6)) * BILLED_STEP_S)


def billed_as(method: str, url: str) -> tuple[Op, str] | None:
    """Say what a request is billed as, and where it goes: container with folder, `tables` or `queues`.

    None: the venue's. The emulator's addresses name the account first.
    """
    path, _, query = url.split("/", 3)[-1].partition("?")
    if path.startswith(("v1beta", "v2")):
        return None
    parts = unquote(path).split("/")[1:]
    if parts and parts[0] in set(Container):
        return _blob_op(method, query), "/".join(parts[:2])
    if parts[1:2] == ["messages"] or "comp=metadata" in query:
        return Op.QUEUE, QUEUES
    return Op.TABLE, TABLES


def _blob_op(method: str, query: str) -> Op:
    if method == "GET" and "comp=list" in query:
        return Op.BLOB_WRITE
    return Op.BLOB_READ if method in {"GET", "HEAD"} else Op.BLOB_WRITE


def entity_bytes(row: Mapping[str, Any]) -> int:
    """Size of a table row as Azure bills it: 4, its keys in UTF-16, and for each property 8, its name and its value.

    The storage team's "Understanding Windows Azure Storage Billing" of 2010, which is still what its documents cite.

    Examples
    --------
    >>> entity_bytes({"PartitionKey": "a", "RowKey": "b", "slot": "1000", "slot@odata.type": "Edm.String"})
    36
    """
    size = 4 + 2 * len(f"{row['PartitionKey']}{row['RowKey']}")
    for name, value in row.items():
        if name not in {"PartitionKey", "RowKey"} and not name.endswith("@odata.type"):
            size += 8 + 2 * len(name) + _value_bytes(value)
    return size


def _value_bytes(value: Any) -> int:
    match value:
        case None:
            return 0
        case bool():
            return 1
        case int() | float():
            return 8
        case _:
            return 4 + 2 * len(str(value))


def alive_minutes(began_at: list[datetime]) -> int:
    """Minutes in which an instance lives that ends some time after each execution."""
    length = int(LIVES_AFTER / timedelta(minutes=1))
    minutes = {int(at.timestamp() // 60) + after for at in began_at for after in range(length)}
    return len(minutes)


class Meter:
    """Counts by function. The virtual host runs one function at a time, so a request belongs to the one that runs."""

    def __init__(self) -> None:
        self.usage: dict[str, Usage] = {}
        self._now: Usage | None = None
        self._waits_s = 0.0
        self._rows: dict[tuple[str, str, str], tuple[Usage, int]] = {}

    def before(self, invocation: Invocation) -> None:
        """A function begins."""
        self._now = self.usage.setdefault(invocation.function, Usage(kind=invocation.kind))
        self._now.began_at.append(invocation.at)
        self._waits_s = 0.0

    def after(self, _invocation: Invocation, outcome: CallOutcome) -> None:
        """It has ended: bill it."""
        if self._now is None:
            return
        self._now.executions += 1
        self._now.wall_s += outcome.wall_s
        self._now.billed_s += billed_s(outcome.wall_s + self._waits_s)
        self._now = None

    def sent(self, request: requests.PreparedRequest) -> None:
        """A request leaves the app, or the sandbox's host, which is not counted."""
        if self._now is None:
            return
        if urlsplit(request.url or "").path.endswith("/chat/completions"):
            self._waits_s += ANSWER_WAIT_S
            return
        found = billed_as(request.method or "", request.url or "")
        if found is None:
            self._now.broker_requests += 1
            self._waits_s += BROKER_WAIT_S
            return
        op, where = found
        self._now.ops[op] += 1
        self._waits_s += STORAGE_WAIT_S
        if request.method in {"PUT", "POST", "MERGE"} and isinstance(request.body, bytes | str):
            body = request.body if isinstance(request.body, bytes) else request.body.encode()
            if where == TABLES:
                self._written(self._now, request.url or "", body)
            else:
                self._now.written_bytes[where] += len(body)

    def _written(self, usage: Usage, url: str, body: bytes) -> None:
        """Note the size of every row that a request to the tables carries, in place of what it was before."""
        batch = re.search(rb"^(?:PUT|POST) (\S+) HTTP", body, re.MULTILINE)
        table = _table(batch[1].decode() if batch else url)
        for text in _ENTITY.findall(body.replace(b"\r", b"")):
            row = json.loads(text)
            if "RowKey" not in row:
                continue  # a table is created
            key = (table, row["PartitionKey"], row["RowKey"])
            if key in self._rows:
                before, size = self._rows[key]
                before.written_bytes[TABLES] -= size
            self._rows[key] = (usage, entity_bytes(row))
            usage.written_bytes[TABLES] += self._rows[key][1]


def _table(url: str) -> str:
    """Name of the table that an address of a row, or of a whole table, is of. The account comes first."""
    return urlsplit(url).path.split("/")[2].partition("(")[0]


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """Count what runs inside."""
    meter = Meter()
    send = requests.adapters.HTTPAdapter.send

    def counted(self: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        meter.sent(request)
        return send(self, request, *args, **kwargs)

    with (
        mock.patch.object(requests.adapters.HTTPAdapter, "send", counted),
        mock.patch.object(Timings, "before", meter.before),
        mock.patch.object(Timings, "after", meter.after),
    ):
        yield meter
