"""What a month in Azure costs: a seeded day's executions and storage transactions, counted, priced and carried over.

Counted are executions, how long each would be billed, and the storage requests that the app itself makes. What the real
host adds is reckoned (`benchmarks.prices`). Every execution is billed as if it had an instance to itself, so this is an
upper bound: on a real instance, executions at the same time share what is billed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

import requests.adapters
from rich.console import Console
from rich.table import Column
from rich.table import Table as Sheet

from benchmarks.prices import (
    AS_OF,
    BILLED_STEP_S,
    BROKER_WAIT_S,
    DELETED_AFTER_MONTHS,
    HOST_OPS,
    HOUR_OF_THE_HOST,
    KEPT_MONTHS,
    MIN_BILLED_S,
    STORAGE_WAIT_S,
    Op,
    Prices,
)
from sandbox.day import run_day
from sandbox.host.ncrontab import Schedule
from sandbox.host.observer import Invocation, Outcome, TriggerKind
from sandbox.host.settings import read_local_settings
from sandbox.profile import Profile
from sandbox.world import DEFAULT_SEED, ROOT, World
from shared.contracts.records import Container

GOAL_USD = 1.0
GOAL_WITHOUT_GRANT_USD = 5.0
TRADING_DAYS = 21
DAYS = 30
ORDERS_AT_MOST = 1.5
"""Orders of a day grow with the watchlist no further than from 10 positions to their ceiling of 15."""
TABLES = "tables"
SCHEDULES = {
    "scan_market": "GATEHOUSE_SCAN_SCHEDULE",
    "scan_news": "GATEHOUSE_NEWS_SCHEDULE",
    "supervise_account": "GATEHOUSE_SUPERVISE_SCHEDULE",
    "report_day": "GATEHOUSE_REPORT_SCHEDULE",
    "keep_books": "GATEHOUSE_NIGHTLY_SCHEDULE",
}
BY_SYMBOL = frozenset({"score_candidates", "gate_signal"})
_MONTH_FROM = datetime(2026, 11, 1, tzinfo=UTC)


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


def billed_s(wall_s: float) -> float:
    """Seconds that an execution is billed for.

    Examples
    --------
    >>> billed_s(0.2), round(billed_s(1.23), 1)
    (1.0, 1.3)
    """
    return max(MIN_BILLED_S, math.ceil(round(wall_s / BILLED_STEP_S, 6)) * BILLED_STEP_S)


def billed_as(method: str, url: str) -> tuple[Op, str] | None:
    """Say what a request is billed as, and where it goes: container with folder, or `tables`. None: the venue's.

    The emulator's addresses name the account first.
    """
    path, _, query = url.split("/", 3)[-1].partition("?")
    if path.startswith(("v1beta", "v2")):
        return None
    parts = unquote(path).split("/")[1:]
    if not parts or parts[0] not in set(Container):
        return Op.TABLE, TABLES
    return _blob_op(method, query), "/".join(parts[:2])


def months_kept(where: str) -> float:
    """How long what is written to a container's folder has gathered when it is priced."""
    found = [months for prefix, months in DELETED_AFTER_MONTHS.items() if where.startswith(prefix)]
    return min([*found, KEPT_MONTHS])


def _blob_op(method: str, query: str) -> Op:
    if method == "GET" and "comp=list" in query:
        return Op.BLOB_WRITE
    return Op.BLOB_READ if method in {"GET", "HEAD"} else Op.BLOB_WRITE


class Meter:
    """Counts by function. The virtual host runs one function at a time, so a request belongs to the one that runs."""

    def __init__(self) -> None:
        self.usage: dict[str, Usage] = {}
        self._now: Usage | None = None
        self._waits_s = 0.0

    def before(self, invocation: Invocation) -> None:
        """A function begins."""
        self._now = self.usage.setdefault(invocation.function, Usage(kind=invocation.kind))
        self._waits_s = 0.0

    def after(self, _invocation: Invocation, outcome: Outcome) -> None:
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
        found = billed_as(request.method or "", request.url or "")
        if found is None:
            self._now.broker_requests += 1
            self._waits_s += BROKER_WAIT_S
            return
        op, where = found
        self._now.ops[op] += 1
        self._waits_s += STORAGE_WAIT_S
        if request.method in {"PUT", "POST"} and isinstance(request.body, bytes | str):
            self._now.written_bytes[where] += len(request.body)


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
        mock.patch.object(Profile, "before", meter.before),
        mock.patch.object(Profile, "after", meter.after),
    ):
        yield meter


def firings(expression: str) -> tuple[int, int]:
    """Firings of a schedule in a month of 30 days, and the hours that have at least one."""
    schedule = Schedule.parse(expression)
    minutes = (_MONTH_FROM + timedelta(minutes=minute) for minute in range(DAYS * 24 * 60))
    fired = [at for at in minutes if schedule.matches(at)]
    return len(fired), len({at.replace(minute=0) for at in fired})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A way to use the app: how many times the measured day's watchlist, and whether the market never closes."""

    name: str
    symbols: float = 1.0
    is_always_open: bool = False


SCENARIOS = (
    Scenario(name="50 symbols"),
    Scenario(name="500 symbols", symbols=10.0),
    Scenario(name="50, crypto, always", is_always_open=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of a scenario."""

    scenario: Scenario
    executions: float
    billed_s: float
    ops: Mapping[Op, float]
    host_ops: Mapping[Op, float]
    written_bytes: Mapping[str, float]

    def items(self, prices: Prices, memory_gb: float, *, is_granted: bool) -> dict[str, float]:
        """USD by what they are paid for."""
        grant = (prices.granted_gb_seconds, prices.granted_executions) if is_granted else (0.0, 0.0)
        each = {op: usd / 10_000 for op, usd in prices.ten_thousand}
        stored = 0.0
        for where, size in self.written_bytes.items():
            gb = size / 1e9 * months_kept(where)
            stored += gb * (prices.table_gb_month if where == TABLES else prices.blob_gb_month)
        return {
            "execution time": max(0.0, self.billed_s * memory_gb - grant[0]) * prices.gb_second,
            "executions": max(0.0, self.executions - grant[1]) * prices.million_executions / 1e6,
            "storage, executions": sum(count * each[op] for op, count in self.ops.items()),
            "storage, host looking": sum(count * each[op] for op, count in self.host_ops.items()),
            "stored, after a year": stored,
            "alert rule": prices.alert_rule,
        }


def month(usage: Mapping[str, Usage], scenario: Scenario, schedules: Mapping[str, str], open_hours: float) -> Month:
    """Carry a day over to a month. `open_hours` is how long the measured day had candidates."""
    always = re.compile(r"^0 (\S+) \S+ \S+ \S+ \S+$")
    days = DAYS * 24 / open_hours if scenario.is_always_open else float(TRADING_DAYS)
    executions = billed = 0.0
    ops: defaultdict[Op, float] = defaultdict(float)
    written: defaultdict[str, float] = defaultdict(float)
    hours = 0
    for name, used in usage.items():
        if used.kind is TriggerKind.TIMER:
            expression = schedules[SCHEDULES[name]]
            fired, in_hours = firings(
                always.sub(r"0 \1 * * * *", expression) if scenario.is_always_open else expression
            )
            hours = max(hours, in_hours)
            times = fired / used.executions
        elif name in BY_SYMBOL:
            times = days * scenario.symbols
        else:
            times = days * min(scenario.symbols, ORDERS_AT_MOST)
        executions += used.executions * times
        billed += used.billed_s * times
        for where, size in used.written_bytes.items():
            written[where] += size * times
        for op, count in used.ops.items():
            ops[op] += count * times
        for op, each in HOST_OPS[used.kind].items():
            ops[op] += used.executions * each * times
    looking = {op: count * hours for op, count in HOUR_OF_THE_HOST.items()}
    return Month(
        scenario=scenario,
        executions=executions,
        billed_s=billed,
        ops=ops,
        host_ops=looking,
        written_bytes=written,
    )


def deployed_memory_gb() -> float:
    """Instance memory that infra/ deploys."""
    text = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    found = re.search(r"^param instanceMemoryMB int = (\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("infra/main.bicep: expected a default of instanceMemoryMB")
    return int(found[1]) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the day and the months; exit 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cost", description=__doc__)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--folder", type=Path, help="where the day leaves its storage; by default nowhere")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder, metered() as meter:
        run_day(World(seed=options.seed), console, folder=options.folder or Path(folder) / "day")
    schedules = read_local_settings(ROOT / "local.settings.json.example")
    open_hours = meter.usage["score_candidates"].executions / 2 / 12
    months = [month(meter.usage, scenario, schedules, open_hours) for scenario in SCENARIOS]
    prices, memory_gb = Prices(), deployed_memory_gb()
    _show_day(meter.usage, console)
    _show_months(months, prices, memory_gb, console)
    first = months[0]
    granted, full = (
        sum(first.items(prices, memory_gb, is_granted=is_granted).values()) for is_granted in (True, False)
    )
    _show_goals(first, prices, memory_gb, print)
    if options.json:
        options.json.write_text(json.dumps({"granted_usd": granted, "full_usd": full}, indent=1))
    return int(granted > GOAL_USD or full > GOAL_WITHOUT_GRANT_USD)


def _show_day(usage: Mapping[str, Usage], console: Console) -> None:
    sheet = Sheet(Column("a day", no_wrap=True), "runs", "ms", "billed s", "storage", "broker", "kB")
    for name, used in sorted(usage.items(), key=lambda item: -item[1].billed_s):
        mean_ms = used.wall_s / used.executions * 1000
        cells = (
            used.executions,
            mean_ms,
            used.billed_s,
            used.ops.total(),
            used.broker_requests,
            used.written_bytes.total() / 1e3,
        )
        sheet.add_row(name, *(f"{cell:,.0f}" for cell in cells))
    console.print(sheet)


def _show_months(months: Sequence[Month], prices: Prices, memory_gb: float, console: Console) -> None:
    sheet = Sheet(
        Column(f"USD a month, {memory_gb * 1024:.0f} MB", no_wrap=True), *(each.scenario.name for each in months)
    )
    sheet.add_row("executions", *(f"{each.executions:,.0f}" for each in months))
    sheet.add_row("GB-seconds", *(f"{each.billed_s * memory_gb:,.0f}" for each in months))
    sheet.add_row(
        "storage transactions", *(f"{sum(each.ops.values()) + sum(each.host_ops.values()):,.0f}" for each in months)
    )
    sheet.add_section()
    granted = [each.items(prices, memory_gb, is_granted=True) for each in months]
    for name in granted[0]:
        sheet.add_row(name, *(f"{items[name]:.2f}" for items in granted))
    sheet.add_row("total", *(f"{sum(items.values()):.2f}" for items in granted))
    full = [sum(each.items(prices, memory_gb, is_granted=False).values()) for each in months]
    sheet.add_row("total without the free grant", *(f"{usd:.2f}" for usd in full))
    console.print(sheet)
    print(f"Prices: {AS_OF}. Host looking, network waits and the growth of orders are assumed.")


def _show_goals(first: Month, prices: Prices, memory_gb: float, say: Callable[[str], None]) -> None:
    granted = first.items(prices, memory_gb, is_granted=True)
    full = sum(first.items(prices, memory_gb, is_granted=False).values())
    say(f"goal {GOAL_USD:.2f} USD with the grant:    {sum(granted.values()):.2f}")
    say(f"goal {GOAL_WITHOUT_GRANT_USD:.2f} USD without the grant: {full:.2f}")
    heaviest = sorted(granted.items(), key=lambda item: -item[1])[:3]
    say("heaviest: " + ", ".join(f"{name} {usd:.2f}" for name, usd in heaviest))
    small = sum(first.items(prices, 0.5, is_granted=False).values())
    say("what would move it, USD a month:")
    say(f"  {prices.alert_rule:.2f}  isTroubleAlerted false: then only the app itself tells of trouble, if it lives")
    say(f"  {full - small:.2f}  instanceMemoryMB 512, where there is no free grant left")


if __name__ == "__main__":
    sys.exit(main())
