"""Weekly review, Saturday 09:00: the week from its tables, as JSON and as text, with what it proposes.

A proposal becomes a parameter set that a person may accept (POST /api/parameters/accept); nothing changes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from shared.contracts.messages import Message, Severity
from shared.contracts.parameters import Evidence, ParameterSet
from shared.contracts.records import Container, Table, renamed, strategy_of
from shared.core.errors import ConflictError, SettingsError
from shared.core.review import Review, Trip, Tuned, Week, review, tally
from shared.core.schedule import DueJob, Job
from shared.core.sessions import NEW_YORK
from shared.core.values import ZERO, parse_utc
from shared.ports import Ports, Row
from shared.stages.base.incidents import readable
from shared.stages.base.notices import to_notice, weekly_summary, weekly_text
from shared.stages.base.runs import run_due
from shared.stages.evidence.shadows import shadow_of
from shared.stages.operator.parameters import propose

DAYS = 5


def review_week(ports: Ports) -> list[Message]:
    """Make the weekly review if it is due."""
    return run_due(ports, frozenset({Job.WEEKLY_REVIEW}), lambda slot: _make(ports, slot))


def _make(ports: Ports, slot: DueJob) -> Sequence[Message]:
    days = [day.on for day in ports.calendar.previous_days(slot.on, DAYS) if slot.on - day.on < timedelta(days=7)]
    if not days:
        return []
    policy = ports.settings.policy
    tuned = Tuned(
        edge_min=policy.edge_min, net_move_min_bp=policy.net_move_min_bp, entry_sessions=policy.entry_sessions
    )
    made = review(week_of(ports, days), tuned)
    blob = f"weekly/{made.last}.json"
    ports.blobs.put(Container.REPORTS, blob, ports.codec.encode(made).encode())
    name = _propose(ports, made, blob)
    ports.blobs.put(Container.REPORTS, f"weekly/{made.last}.md", weekly_text(made, name).encode())
    text, cause = weekly_summary(made, name), f"{slot.on} {slot.key}"
    return [to_notice(text, ports.clock.now(), kind="weekly-review", severity=Severity.INFO, cause=cause)]


def _propose(ports: Ports, made: Review, blob: str) -> str:
    """Store the proposals as a parameter set; return its name, empty where there is none.

    Its time is that of the week's last day, so that a review that runs twice proposes the same set.
    """
    if not made.proposals or made.total is None:
        return ""
    figures = {"trips": float(made.total.trips), "expectancy_usd": made.total.expectancy_usd}
    proposal = ParameterSet(
        name=f"weekly-{made.last}",
        created_at=_end_of(ports, made.last),
        proposed_by="weekly review",
        values={each.setting: each.value for each in made.proposals},
        evidence=Evidence(blob=f"{Container.REPORTS}/{blob}", figures=figures),
    )
    try:
        propose(ports.blobs, ports.codec, proposal)
    except (ConflictError, SettingsError):
        return ""  # the week was reviewed before, on other rows: that proposal stands
    return proposal.name


def _end_of(ports: Ports, on: date) -> datetime:
    day = ports.calendar.day(on)
    assert day is not None, "a reviewed day is a trading day"
    return day.close_at


def week_of(ports: Ports, days: Sequence[date]) -> Week:
    """Read a week back from its tables."""

    def rows(table: Table) -> list[Row]:
        return [row for on in days for _, row in ports.tables.query(table, str(on))]

    decisions, fills = rows(Table.DECISIONS), rows(Table.FILLS)
    roles = sorted({str(row["role"]) for row in fills})
    runs = rows(Table.RUNS)
    return Week(
        days=days,
        trips=_trips(rows(Table.ORDERS), {str(row["decision_id"]): row for row in decisions}),
        slippages={role: _slippages(fills, role) for role in roles},
        decisions=tally(row["verdict"] for row in decisions),
        refused_by=tally(gate for row in decisions for gate in str(row.get("refused_by") or "").split()),
        incidents=tally(row["kind"] for row in rows(Table.INCIDENTS)),
        missed_jobs=sum(row["status"] in {"missed", "failed"} for row in runs),
        equities=[Decimal(str(row["equity_usd"])) for row in rows(Table.LEDGER)],
        shadows=[shadow for on in days for _, shadow in readable(ports, Table.SHADOWS, on, partial(shadow_of, on))],
    )


def _slippages(fills: Sequence[Row], role: str) -> list[float]:
    return [float(str(f["slippage_bp"])) for f in fills if f["role"] == role and f.get("slippage_bp") is not None]


def _trips(orders: Sequence[Row], decisions: dict[str, Row]) -> list[Trip]:
    """Orders that bought and have closed, with what was predicted of them."""
    found: list[Trip] = []
    for order in map(renamed, orders):
        decision = decisions.get(str(order["decision_id"]))
        bought = Decimal(str(order["bought_qty"]))
        if order["phase"] != "CLOSED" or not bought or decision is None:
            continue
        found.append(
            Trip(
                on=parse_utc(str(decision["decided_at"])).astimezone(NEW_YORK).date(),
                symbol=str(order["symbol"]),
                session=str(decision["session"]),
                strategy=strategy_of(decision),
                realised=Decimal(str(order["realised_usd"])),
                cost=bought * Decimal(str(order.get("entry_usd") or ZERO)),
                p_win=_p_win(decision),
            )
        )
    return found


def _p_win(decision: Row) -> float | None:
    """Probability of the target before the stop, given that one is met; None where the strategy gave no chances."""
    if decision.get("p_up") is None or decision.get("p_down") is None:
        return None
    p_up, p_down = float(str(decision["p_up"])), float(str(decision["p_down"]))
    return p_up / (p_up + p_down) if p_up + p_down > 0 else 0.0
