"""The day report: what was seen, decided, refused, bought and sold, in figures that the tables bear out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from shared.contracts.messages import Message, Severity
from shared.contracts.records import Container, Table
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import canonical_json, digest
from shared.core.portfolio import another_account
from shared.core.schedule import DueJob, Job
from shared.core.values import ZERO, iso
from shared.core.wording import DaySummary, day_summary
from shared.ports import Ports, Row
from shared.stages.base.incidents import sound_rows
from shared.stages.base.ledger import load_ledger
from shared.stages.base.notices import worded
from shared.stages.base.runs import run_due


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """Figures of one session date. Money in USD as decimal text; `realised_usd` before the venue's fees.

    `journal_rows` and `journal_hash` seal the day's journal: the count, and a hash over every order's last chain hash.
    """

    schema_id: str = "day-report.v1"
    on: date
    made_at: str
    watchlist: int
    scored: int
    policy: Mapping[str, int]
    decisions: Mapping[str, int]
    refused_by: Mapping[str, int]
    orders: Mapping[str, int]
    exits: Mapping[str, int]
    fills: int
    realised_usd: str
    realised_by_session: Mapping[str, str]
    wins: int
    losses: int
    mean_entry_slippage_bp: float | None
    open_orders: int | None
    open_positions: int | None
    equity_usd: str | None
    day_change_usd: str | None
    quarantined: int
    incidents: int
    journal_rows: int
    journal_hash: str
    symbols_traded: tuple[str, ...] = field(default=())


def report(ports: Ports) -> list[Message]:
    """Make the day report if it is due."""
    return run_due(ports, frozenset({Job.DAY_REPORT}), lambda slot: run_slot(ports, slot))


def run_slot(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Make the report of a slot's day."""
    made = day_report(ports, slot.on)
    text = ports.codec.encode(made)
    ports.blobs.put(Container.REPORTS, f"{slot.on}/day.json", text.encode())
    words = day_summary(_summary(made))
    return [worded(ports.clock.now(), words, kind="day-report", severity=Severity.INFO, cause=slot.key)]


def day_report(ports: Ports, on: date) -> DayReport:
    """Count a session date from its tables."""

    def rows(table: Table) -> list[Row]:
        return sound_rows(ports, table, on, _FIGURES[table])

    signals, decisions, orders, fills = (
        rows(table) for table in (Table.SIGNALS, Table.DECISIONS, Table.ORDERS, Table.FILLS)
    )
    incidents, journal = rows(Table.INCIDENTS), rows(Table.JOURNAL)
    session_of = {str(row["decision_id"]): str(row["session"]) for row in decisions}
    realised = [(session_of.get(str(o["decision_id"]), "?"), _money(o["realised_usd"])) for o in orders]
    closed = [_money(o["realised_usd"]) for o in orders if o["phase"] == "CLOSED"]
    slippages = [float(str(f["slippage_bp"])) for f in fills if f["role"] == "entry"]
    account = _account(ports)
    return DayReport(
        on=on,
        made_at=iso(ports.clock.now()),
        watchlist=len({row["symbol"] for row in rows(Table.WATCHLIST)}),
        scored=len(signals),
        policy=_count(row["policy"] for row in signals),
        decisions=_count(row["verdict"] for row in decisions),
        refused_by=_count(gate for row in decisions for gate in str(row["refused_by"]).split()),
        orders=_count(row["phase"] for row in orders),
        exits=_count(row["exit_reason"] for row in orders if row.get("exit_reason")),
        fills=len(fills),
        realised_usd=str(round(sum((value for _, value in realised), ZERO), 2)),
        realised_by_session=_by_session(realised),
        wins=sum(value > 0 for value in closed),
        losses=sum(value < 0 for value in closed),
        mean_entry_slippage_bp=round(sum(slippages) / len(slippages), 3) if slippages else None,
        quarantined=sum(row["kind"] == "quarantine" for row in incidents),
        incidents=len(incidents),
        journal_rows=len(journal),
        journal_hash=_seal(journal),
        symbols_traded=tuple(sorted({str(fill["symbol"]) for fill in fills})),
        **account,
    )


_FIGURES: Mapping[Table, Callable[[Row], object]] = {
    Table.WATCHLIST: lambda row: row["symbol"],
    Table.SIGNALS: lambda row: row["policy"],
    Table.DECISIONS: lambda row: (row["decision_id"], row["session"], row["verdict"], row["refused_by"]),
    Table.ORDERS: lambda row: (row["decision_id"], row["phase"], _money(row["realised_usd"])),
    Table.FILLS: lambda row: (row["symbol"], row["role"] != "entry" or float(str(row["slippage_bp"]))),
    Table.INCIDENTS: lambda row: row["kind"],
    Table.JOURNAL: lambda row: (row["intent_id"], int(row["seq"] or 0), row["hash"]),
}
"""What the report takes of a row: one that lacks it is told of and not counted."""


def _account(ports: Ports) -> dict[str, Any]:
    """What the broker says at the day's end; unknown where it does not answer, since a report is better than none.

    So is what another account stands at.
    """
    unknown = {"equity_usd": None, "day_change_usd": None, "open_orders": None, "open_positions": None}
    try:
        account = ports.broker.account()
        positions = ports.broker.positions()
    except (TransientError, ContractError, BrokerError):
        return unknown
    stored = load_ledger(ports)
    if stored is not None and another_account(stored.value.account_id, account.account_id):
        return unknown
    opening = stored.value.opening_equity if stored else account.opening_equity or account.equity
    return {
        "equity_usd": str(account.equity),
        "day_change_usd": str(account.equity - opening),
        "open_orders": len(stored.value.reservations) if stored else 0,
        "open_positions": len(positions),
    }


def _count(values: Iterable[object]) -> dict[str, int]:
    return dict(sorted(Counter(str(value) for value in values).items()))


def _money(value: object) -> Decimal:
    return Decimal(str(value))


def _by_session(realised: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for session, value in realised:
        sums[session] = sums.get(session, ZERO) + value
    return {session: str(round(value, 2)) for session, value in sorted(sums.items())}


def _seal(journal: Sequence[Row]) -> str:
    """Hash over each order's last chain hash; a missing or changed row breaks its order's chain, and so the seal."""
    last: dict[str, tuple[int, str]] = {}
    for row in journal:
        key = str(row["intent_id"])
        last[key] = max(last.get(key, (0, "")), (int(row["seq"] or 0), str(row["hash"])))
    return digest(canonical_json(sorted((key, seq, text) for key, (seq, text) in last.items())))


def _summary(made: DayReport) -> DaySummary:
    return DaySummary(
        on=str(made.on),
        realised=Decimal(made.realised_usd),
        realised_by_session=made.realised_by_session,
        wins=made.wins,
        losses=made.losses,
        orders=made.orders,
        exits=made.exits,
        fills=made.fills,
        slippage_bp=made.mean_entry_slippage_bp,
        watchlist=made.watchlist,
        scored=made.scored,
        decisions=made.decisions,
        refused_by=made.refused_by,
        equity=None if made.equity_usd is None else Decimal(made.equity_usd),
        day_change=None if made.day_change_usd is None else Decimal(made.day_change_usd),
        open_positions=made.open_positions,
        incidents=made.incidents,
        quarantined=made.quarantined,
    )
