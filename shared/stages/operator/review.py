"""Weekly review, Saturday 09:00: the week from its tables, as JSON and as text, with what it proposes.

A proposal becomes a parameter set that a person may accept (POST /api/parameters/accept); nothing changes by itself.
Where a language model is configured, it argues from the review's lines in a note; where it does not, the lines stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from shared.contracts.messages import Message, Severity
from shared.contracts.parameters import Evidence, ParameterSet, texts_of_settings
from shared.contracts.prompts import REPAIR, REVIEW, prompt
from shared.contracts.records import Container, Table, renamed, strategy_of
from shared.core.errors import ConflictError, ContractError, SettingsError
from shared.core.review import Review, Trip, Tuned, Week, review, tally
from shared.core.schedule import DueJob, Job
from shared.core.sessions import NEW_YORK
from shared.core.text.language import LanguageReply
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.question import repair_request
from shared.core.text.review_note import ReviewNote, judged_note, note_question
from shared.core.values import ZERO, parse_utc
from shared.ports import Ports, Row, TableStore
from shared.stages.base.incidents import readable
from shared.stages.base.notices import to_notice
from shared.stages.base.report_notices import weekly_figures, weekly_summary, weekly_text
from shared.stages.base.runs import run_due
from shared.stages.evidence.shadows import shadow_of
from shared.stages.narrative.calls import ask
from shared.stages.operator.parameters import carried_values, propose

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
    note, notices = _noted(ports, made, slot.on)
    if note is not None:
        ports.blobs.put(Container.REPORTS, f"weekly/{made.last}.note.json", ports.codec.encode(note).encode())
    ports.blobs.put(Container.REPORTS, f"weekly/{made.last}.md", weekly_text(made, name, note).encode())
    text, cause = weekly_summary(made, name, note), f"{slot.on} {slot.key}"
    told = to_notice(text, ports.clock.now(), kind="weekly-review", severity=Severity.INFO, cause=cause)
    return [told, *notices]


def _noted(ports: Ports, made: Review, on: date) -> tuple[ReviewNote | None, list[Message]]:
    """Ask for the week's note, once more where the answer cannot be read; None where nobody is configured to write."""
    language, figures, notices = ports.settings.language, weekly_figures(made), list[Message]()
    if not language.url:
        return None, notices
    request, left_s, is_repair = note_question(figures, prompt(REVIEW)), language.timeout_s, False

    def judge(reply: LanguageReply) -> str:
        return judged_note(figures, reply, prompt_id="", record="").status.value

    while True:
        call = ask(ports, request, on=on, deadline_s=left_s, judge=judge, is_repair=is_repair)
        notices += call.notices
        if call.reply is None:
            status = NarrativeStatus.UNAVAILABLE
            return ReviewNote(status=status, fault=call.why, prompt_id=request.prompt_id), notices
        found = judged_note(figures, call.reply, prompt_id=request.prompt_id, record=call.record)
        if found.status is not NarrativeStatus.INVALID_PARSE or is_repair:
            return found, notices
        left_s -= call.reply.latency_ms / 1000
        request = repair_request(request, prompt(REPAIR), answer=call.reply.text, fault=found.fault)
        is_repair = True


def _propose(ports: Ports, made: Review, blob: str) -> str:
    """Store the proposals as a parameter set; return its name, empty where there is none.

    Its time is that of the week's last day, so that a review that runs twice proposes the same set. A set is laid over
    the app's own settings as a whole, so it carries what the one in force changes.
    """
    if not made.proposals or made.total is None:
        return ""
    try:
        values = {**carried_values(ports), **{each.setting: each.value for each in made.proposals}}
    except ContractError:
        return ""  # the set in force cannot be read any more: one without its values would undo it
    figures = {"trips": float(made.total.trips), "expectancy_usd": made.total.expectancy_usd}
    proposal = ParameterSet(
        name=f"weekly-{made.last}",
        created_at=_end_of(ports, made.last),
        proposed_by="weekly review",
        values=values,
        replaces=texts_of_settings(ports.settings, values),
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
        return _rows(ports.tables, table, days)

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


def trips_of(tables: TableStore, days: Iterable[date]) -> list[Trip]:
    """Orders of some days that have closed, whose decisions were made on those days."""
    found = list(days)
    decisions = {str(row["decision_id"]): row for row in _rows(tables, Table.DECISIONS, found)}
    return _trips(_rows(tables, Table.ORDERS, found), decisions)


def _rows(tables: TableStore, table: Table, days: Iterable[date]) -> list[Row]:
    return [row for on in days for _, row in tables.query(table, str(on))]


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
