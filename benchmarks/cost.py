"""What a month in Azure costs: a seeded day's executions and storage transactions, counted, priced and carried over.

Counted are executions, how long each would be billed, and the storage requests that the app itself makes. What the real
host adds is reckoned (`benchmarks.prices`). Every execution is billed as if it had an instance to itself, so this is an
upper bound: on a real instance, executions at the same time share what is billed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Column
from rich.table import Table as Sheet

from benchmarks.meter import TABLES, Usage, alive_minutes, metered
from benchmarks.narrated import STORY_FUNCTIONS, Narrated, without_stories
from benchmarks.prices import (
    AS_OF,
    DELETED_AFTER_MONTHS,
    DURABLE_LOOKS_PER_HOUR,
    HOST_OPS,
    KEPT_MONTHS,
    LEASES_PER_HOUR,
    LISTENS_PER_HOUR,
    LOOKS_PER_HOUR,
    PARTITION_OPS_PER_HOUR,
    TRIGGERS,
    WORK_ITEM_QUEUES,
    Op,
    Prices,
)
from sandbox.day import run_day
from sandbox.host.observer import TriggerKind
from shared.core.schedule import Job, plan
from simulation.market.days import tradable_day
from simulation.market.scenario import DEFAULT_SEED, ROOT, Scenario
from simulation.runtime.local_settings import read_local_settings
from simulation.runtime.ncrontab import Schedule

GOAL_USD = 1.0
GOAL_WITHOUT_GRANT_USD = 5.0
TRADING_DAYS = 21
DAYS = 30
ORDERS_AT_MOST = 1.5
"""Orders of a day grow with the watchlist no further than from 10 positions to their ceiling of 15."""
SCHEDULES: Mapping[str, tuple[str, ...]] = {
    "scan_market": ("GATEHOUSE_SCAN_SCHEDULE",),
    "scan_news": ("GATEHOUSE_NEWS_SCHEDULE",),
    "supervise_account": ("GATEHOUSE_SUPERVISE_SCHEDULE", "GATEHOUSE_EVENING_SCHEDULE"),
    "report_day": ("GATEHOUSE_REPORT_SCHEDULE",),
    "keep_books": ("GATEHOUSE_NIGHTLY_SCHEDULE",),
}
ALIKE = {"supervise_evening": "supervise_account"}
"""A timer's function that does what another does at other hours."""
DURABLE = frozenset({TriggerKind.ORCHESTRATION, TriggerKind.ACTIVITY})
_ALWAYS = re.compile(r"^0 (\S+) \S+ \S+ \S+ \S+$")
BY_SYMBOL = frozenset({"score_candidates", "gate_signal"})
_MONTH_FROM = datetime(2026, 11, 1, tzinfo=UTC)


def months_kept(where: str) -> float:
    """How long what is written to a container's folder has gathered when it is priced."""
    found = [months for prefix, months in DELETED_AFTER_MONTHS.items() if where.startswith(prefix)]
    return min([*found, KEPT_MONTHS])


def fired_at(expression: str) -> list[datetime]:
    """Firings of a schedule in a month of 30 days."""
    schedule = Schedule.parse(expression)
    minutes = (_MONTH_FROM + timedelta(minutes=minute) for minute in range(DAYS * 24 * 60))
    return [at for at in minutes if schedule.matches(at)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePattern:
    """A way to use the app: how many times the measured day's watchlist, and whether the market never closes."""

    name: str
    symbols: float = 1.0
    is_always_open: bool = False


SCENARIOS = (
    UsagePattern(name="50 symbols"),
    UsagePattern(name="500 symbols", symbols=10.0),
    UsagePattern(name="50, crypto, always", is_always_open=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of a scenario."""

    scenario: UsagePattern
    executions: float
    billed_s: float
    ops: Mapping[Op, float]
    host_ops: Mapping[Op, float]
    written_bytes: Mapping[str, float]
    actions: float
    """What a Durable Task Scheduler in place of the durable queues would bill."""


def month(
    usage: Mapping[str, Usage],
    scenario: UsagePattern,
    schedules: Mapping[str, str],
    open_hours: float,
    *,
    has_scheduler: bool = False,
    awake_hours: float = DAYS * 24,
) -> Month:
    """Carry a day over to a month.

    Parameters
    ----------
    open_hours : float
        How long the measured day had candidates.
    has_scheduler : bool
        Whether a Durable Task Scheduler stands in for the durable queues and tables.
    awake_hours : float
        Hours of the month in which the app is not stopped; where the market never closes it never is.
    """
    days = DAYS * 24 / open_hours if scenario.is_always_open else float(TRADING_DAYS)
    timers = {name: _firings(settings, schedules, scenario) for name, settings in SCHEDULES.items()}
    executions = billed = actions = 0.0
    ops: defaultdict[Op, float] = defaultdict(float)
    written: defaultdict[str, float] = defaultdict(float)
    for name, used in usage.items():
        if used.kind is TriggerKind.TIMER:
            times = len(timers[name]) / used.executions
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
        is_durable = used.kind in DURABLE
        actions += used.executions * times if is_durable else 0.0
        for op, each in HOST_OPS[used.kind].items():
            ops[op] += 0.0 if is_durable and has_scheduler else used.executions * each * times
    awake = DAYS * 24 if scenario.is_always_open else awake_hours
    return Month(
        scenario=scenario,
        executions=executions,
        billed_s=billed,
        ops=ops,
        host_ops=_looking(usage, timers, days, has_scheduler=has_scheduler, awake_hours=awake),
        written_bytes=written,
        actions=actions,
    )


def _firings(settings: Sequence[str], schedules: Mapping[str, str], scenario: UsagePattern) -> list[datetime]:
    """When the timers of one function fire. Where the market never closes, its first goes on at all hours."""
    if scenario.is_always_open:
        return fired_at(_ALWAYS.sub(r"0 \1 * * * *", schedules[settings[0]]))
    return sorted(at for setting in settings for at in fired_at(schedules[setting]))


def _looking(
    usage: Mapping[str, Usage],
    timers: Mapping[str, list[datetime]],
    days: float,
    *,
    has_scheduler: bool,
    awake_hours: float,
) -> Mapping[Op, float]:
    """What platform and host ask of storage for themselves: while the app is not stopped, and while instances live."""
    alive_hours = min(awake_hours, alive_minutes([at for fired in timers.values() for at in fired]) / 60)
    queues, tables = TRIGGERS * LOOKS_PER_HOUR * awake_hours, 0.0
    listening = {TriggerKind.QUEUE} if has_scheduler else {TriggerKind.QUEUE, *DURABLE}
    for used in usage.values():
        if used.kind in listening:
            hours = min(awake_hours, alive_minutes(used.began_at) / 60 * days)
            queues += LISTENS_PER_HOUR[used.kind] * hours
    if not has_scheduler:
        queues += (partitions() + WORK_ITEM_QUEUES) * DURABLE_LOOKS_PER_HOUR * awake_hours
        tables += PARTITION_OPS_PER_HOUR * alive_hours
    leases = (sum(map(len, SCHEDULES.values())) + 1) * LEASES_PER_HOUR * alive_hours
    return {Op.QUEUE: queues, Op.TABLE: tables, Op.BLOB_OTHER: leases}


def same_function(usage: Mapping[str, Usage]) -> dict[str, Usage]:
    """Usage with what several timers do alike under one name."""
    found = dict(usage)
    for name, other in ALIKE.items():
        if (more := found.pop(name, None)) is None:
            continue
        used = found.setdefault(other, Usage(kind=more.kind))
        for summed in (each.name for each in fields(Usage) if each.name != "kind"):
            setattr(used, summed, getattr(used, summed) + getattr(more, summed))
    return found


def partitions() -> int:
    """Control queues of the deployed task hub."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    return int(host["extensions"]["durableTask"]["storageProvider"]["partitionCount"])


def awake_hours() -> float:
    """Hours of a month in which infra/scheduled_stop.json lets the app run."""
    if deployed("hasScheduledStop") == "false":
        return DAYS * 24
    acts = json.loads((ROOT / "infra" / "scheduled_stop.json").read_text(encoding="utf-8"))["acts"]
    at: dict[tuple[str, str], float] = {
        (act["act"], day): act["hour"] + act["minute"] / 60 for act in acts for day in act["days"]
    }
    month = (_MONTH_FROM + timedelta(days=day) for day in range(DAYS))
    return sum(at["stop", name] - at["start", name] for day in month if ("start", name := f"{day:%A}") in at)


def deployed(parameter: str) -> str:
    """Default of a parameter of infra/main.bicep: what is deployed where nobody says otherwise."""
    text = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    found = re.search(rf"^param {parameter} \w+ = (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"infra/main.bicep: expected a default of {parameter}")
    return found[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is deployed, priced."""

    prices: Prices = field(default_factory=Prices)
    memory_gb: float = field(default_factory=lambda: int(deployed("instanceMemoryMB")) / 1024)
    is_alerted: bool = field(default_factory=lambda: deployed("isTroubleAlerted") == "true")

    def usd(self, month: Month, *, is_granted: bool) -> dict[str, float]:
        """USD of a month by what they are paid for."""
        prices = self.prices
        grant = (prices.granted_gb_seconds, prices.granted_executions) if is_granted else (0.0, 0.0)
        each = {op: usd / 10_000 for op, usd in prices.ten_thousand}
        stored = 0.0
        for where, size in month.written_bytes.items():
            gb = size / 1e9 * months_kept(where)
            stored += gb * (prices.table_gb_month if where == TABLES else prices.blob_gb_month)
        return {
            "execution time": max(0.0, month.billed_s * self.memory_gb - grant[0]) * prices.gb_second,
            "executions": max(0.0, month.executions - grant[1]) * prices.million_executions / 1e6,
            "storage, executions": sum(count * each[op] for op, count in month.ops.items()),
            "storage, host and platform looking": sum(count * each[op] for op, count in month.host_ops.items()),
            "stored, after a year": stored,
            "alert rule": prices.alert_rule if self.is_alerted else 0.0,
        }

    def total(self, month: Month, *, is_granted: bool) -> float:
        """USD of a month."""
        return sum(self.usd(month, is_granted=is_granted).values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the day and the months; exit 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cost", description=__doc__)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--folder", type=Path, help="where the day leaves its storage; by default nowhere")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder, metered() as meter:
        run_day(Scenario(seed=options.seed), console, folder=options.folder or Path(folder) / "day")
    usage = same_function(meter.usage)
    schedules = read_local_settings(ROOT / "local.settings.json.example")
    slots = plan(tradable_day(Scenario(seed=options.seed).on), frozenset({Job.CANDIDATES}))
    open_hours = len(slots) / 12
    awake = awake_hours()
    # The goal is of a month without narratives: what they add is shown by itself.
    plain = without_stories(usage)
    months = [month(plain, scenario, schedules, open_hours, awake_hours=awake) for scenario in SCENARIOS]
    others = Others(
        scheduled=month(plain, SCENARIOS[0], schedules, open_hours, has_scheduler=True, awake_hours=awake),
        sleepless=month(plain, SCENARIOS[0], schedules, open_hours),
        awake_hours=awake,
    )
    deployment = Deployment()
    _show_day(usage, console)
    _show_months(months, deployment, console)
    _show_goals(months[0], others, deployment)
    _show_narrated(usage, schedules, open_hours, deployment)
    granted, full = (deployment.total(months[0], is_granted=is_granted) for is_granted in (True, False))
    if options.json:
        options.json.write_text(json.dumps({"granted_usd": granted, "full_usd": full}, indent=1))
    return int(granted > GOAL_USD or full > GOAL_WITHOUT_GRANT_USD)


def _show_day(usage: Mapping[str, Usage], console: Console) -> None:
    sheet = Sheet(Column("a day", no_wrap=True), "runs", "ms", "billed s", "storage", "broker", "kB")
    for name, used in sorted(usage.items(), key=lambda item: -item[1].billed_s):
        times = (used.executions, used.wall_s / used.executions * 1000, used.billed_s)
        sizes = (used.ops.total(), used.broker_requests, used.written_bytes.total() / 1e3)
        sheet.add_row(name, *(f"{cell:,.0f}" for cell in (*times, *sizes)))
    console.print(sheet)


def _show_months(months: Sequence[Month], deployment: Deployment, console: Console) -> None:
    memory_gb = deployment.memory_gb
    sheet = Sheet(
        Column(f"USD a month, {memory_gb * 1024:.0f} MB", no_wrap=True), *(each.scenario.name for each in months)
    )
    sheet.add_row("executions", *(f"{each.executions:,.0f}" for each in months))
    sheet.add_row("GB-seconds", *(f"{each.billed_s * memory_gb:,.0f}" for each in months))
    sheet.add_row(
        "storage transactions", *(f"{sum(each.ops.values()) + sum(each.host_ops.values()):,.0f}" for each in months)
    )
    sheet.add_section()
    granted = [deployment.usd(each, is_granted=True) for each in months]
    for name in granted[0]:
        sheet.add_row(name, *(f"{items[name]:.2f}" for items in granted))
    sheet.add_row("total", *(f"{sum(items.values()):.2f}" for items in granted))
    full = [deployment.total(each, is_granted=False) for each in months]
    sheet.add_row("total without the free grant", *(f"{usd:.2f}" for usd in full))
    console.print(sheet)
    print(f"Prices: {AS_OF}. What host and platform do, network waits and the growth of orders are assumed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """The first month under other parameters of infra/main.bicep."""

    scheduled: Month
    sleepless: Month
    awake_hours: float


def _show_goals(first: Month, others: Others, deployment: Deployment) -> None:
    granted = deployment.usd(first, is_granted=True)
    total, full = sum(granted.values()), deployment.total(first, is_granted=False)
    print(f"goal {GOAL_USD:.2f} USD with the grant:    {total:.2f}")
    print(f"goal {GOAL_WITHOUT_GRANT_USD:.2f} USD without the grant: {full:.2f}")
    heaviest = sorted(granted.items(), key=lambda item: -item[1])[:3]
    print("heaviest: " + ", ".join(f"{name} {usd:.2f}" for name, usd in heaviest))
    a_queue = LOOKS_PER_HOUR * others.awake_hours * dict(deployment.prices.ten_thousand)[Op.QUEUE] / 10_000
    scheduled = total - deployment.total(others.scheduled, is_granted=True)
    sleepless = deployment.total(others.sleepless, is_granted=True) - total
    smaller = full - replace(deployment, memory_gb=0.5).total(first, is_granted=False)
    print("what would move it, USD a month:")
    sign, value = ("-", "false") if deployment.is_alerted else ("+", "true")
    print(f"  {sign}{deployment.prices.alert_rule:.2f}  isTroubleAlerted {value}: the log searched for trouble")
    print(f"  +{sleepless:.2f}  hasScheduledStop false: the queues are looked at day and night")
    print(f"  -{a_queue:.2f}  for each queue less that has a trigger")
    print(f"  -{scheduled:.2f}  hasScheduler true, before its own price for {others.scheduled.actions:,.0f} actions")
    print(f"  -{smaller:.2f}  instanceMemoryMB 512, where there is no free grant left")


def _show_narrated(
    usage: Mapping[str, Usage], schedules: Mapping[str, str], open_hours: float, deployment: Deployment
) -> None:
    """Say what narratives add to the first month: tokens, and the functions that stories bring."""
    day = Narrated(batches=len(fired_at(schedules["GATEHOUSE_NEWS_SCHEDULE"])) / TRADING_DAYS)
    is_measured = bool(STORY_FUNCTIONS & usage.keys())
    days = (without_stories(usage), usage) if is_measured else (usage, day.reckoned(usage))
    off, on = (month(each, SCENARIOS[0], schedules, open_hours, awake_hours=awake_hours()) for each in days)
    tokens_in, tokens_out = day.tokens
    print(
        f"with narratives on, {day.narratives:.0f} a day of {tokens_in:,.0f} tokens in and {tokens_out:,.0f} out, "
        f"USD a month:"
    )
    print(
        f"  +{day.usd * TRADING_DAYS:.2f}  tokens at {day.settings.usd_per_million_in} and "
        f"{day.settings.usd_per_million_out} USD a million; nothing on a machine of one's own"
    )
    for name, is_granted in (("with the grant", True), ("without the grant", False)):
        more = deployment.total(on, is_granted=is_granted) - deployment.total(off, is_granted=is_granted)
        print(f"  +{more:.2f}  executions and storage of stories, {name}, {'counted' if is_measured else 'reckoned'}")
    print(f"  at most {day.settings.usd_a_day * TRADING_DAYS:.2f}  tokens, by GATEHOUSE_LANGUAGE_USD_A_DAY")


if __name__ == "__main__":
    sys.exit(main())
