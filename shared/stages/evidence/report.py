"""The day report: what was seen, decided, refused, bought and sold, in figures that the tables bear out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from shared.contracts.messages import Message, Severity
from shared.contracts.records import Container, Table, candidates_in, strategy_of
from shared.contracts.reports import DayReport, StrategyDay
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import canonical_json, digest
from shared.core.portfolio import another_account
from shared.core.schedule import DueJob, Job
from shared.core.values import ZERO, iso
from shared.ports import Ports, Row
from shared.stages.base.incidents import sound_rows
from shared.stages.base.ledger import load_ledger
from shared.stages.base.notices import to_notice
from shared.stages.base.report_notices import day_summary
from shared.stages.base.runs import run_due
from shared.stages.evidence.silent_news import tell_silence


def report(ports: Ports) -> list[Message]:
    """Make the day report if it is due."""
    return run_due(ports, frozenset({Job.DAY_REPORT}), lambda slot: run_slot(ports, slot))


def run_slot(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Make the report of a slot's day, and tell of news that have not come."""
    silent = tell_silence(ports, slot.on)
    made = day_report(ports, slot.on)
    ports.blobs.put(Container.REPORTS, f"{slot.on}/day.json", ports.codec.encode(made).encode())
    text = day_summary(made)
    return [*silent, to_notice(text, ports.clock.now(), kind="day-report", severity=Severity.INFO, cause=slot.key)]


def day_report(ports: Ports, on: date) -> DayReport:
    """Count a session date from its tables."""
    rows = {table: sound_rows(ports, table, on, read, columns=_FEW.get(table, ())) for table, read in _FIGURES.items()}
    signals, incidents, journal = rows[Table.SIGNALS], rows[Table.INCIDENTS], rows[Table.JOURNAL]
    return DayReport(
        on=on,
        made_at=iso(ports.clock.now()),
        watchlist=len({row["symbol"] for row in rows[Table.WATCHLIST]}),
        scored=candidates_in(signals),
        policy=_count(row["policy"] for row in signals),
        quarantined=sum(row["kind"] == "quarantine" for row in incidents),
        incidents=len(incidents),
        journal_rows=len(journal),
        journal_hash=_seal(journal),
        **_of_decisions(rows[Table.DECISIONS]),
        **_of_orders(rows[Table.ORDERS], rows[Table.DECISIONS]),
        **_of_fills(rows[Table.FILLS]),
        **_of_account(ports),
        by_strategy=_by_strategy(rows[Table.DECISIONS], rows[Table.ORDERS], rows[Table.FILLS]),
    )


_FIGURES: Mapping[Table, Callable[[Row], object]] = {
    Table.SIGNALS: lambda row: row["policy"],
    Table.DECISIONS: lambda row: (row["decision_id"], row["session"], row["verdict"], row["refused_by"]),
    Table.ORDERS: lambda row: (row["decision_id"], row["phase"], _money(row["realised_usd"])),
    Table.FILLS: lambda row: (row["symbol"], row["role"] != "entry" or float(str(row["slippage_bp"]))),
    Table.INCIDENTS: lambda row: row["kind"],
    Table.JOURNAL: lambda row: (row["intent_id"], int(row["seq"] or 0), row["hash"]),
    Table.WATCHLIST: lambda row: row["symbol"],
}
"""What the report takes of a row: one that lacks it is told of and not counted. Of those read before them the incidents
count it.
"""

_FEW: Mapping[Table, Sequence[str]] = {Table.SIGNALS: ("policy", "symbol", "slot"), Table.WATCHLIST: ("symbol",)}
"""All that is read of tables with many rows of many columns."""


def _of_decisions(decisions: Sequence[Row]) -> dict[str, Any]:
    return {
        "decisions": _count(row["verdict"] for row in decisions),
        "refused_by": _count(gate for row in decisions for gate in str(row["refused_by"]).split()),
    }


def _of_orders(orders: Sequence[Row], decisions: Sequence[Row]) -> dict[str, Any]:
    """Where the orders stand, and what they brought: in all, by the session of their decision, won and lost."""
    session_of = {row["decision_id"]: str(row["session"]) for row in decisions}
    by_session: dict[str, Decimal] = {}
    for row in orders:
        session = session_of.get(row["decision_id"], "?")
        by_session[session] = by_session.get(session, ZERO) + _money(row["realised_usd"])
    closed = [_money(row["realised_usd"]) for row in orders if row["phase"] == "CLOSED"]
    return {
        "orders": _count(row["phase"] for row in orders),
        "exits": _count(row["exit_reason"] for row in orders if row.get("exit_reason")),
        "realised_usd": str(round(sum(by_session.values(), ZERO), 2)),
        "realised_by_session": {session: str(round(value, 2)) for session, value in sorted(by_session.items())},
        "wins": sum(value > 0 for value in closed),
        "losses": sum(value < 0 for value in closed),
    }


def _of_fills(fills: Sequence[Row]) -> dict[str, Any]:
    slippages = [float(str(row["slippage_bp"])) for row in fills if row["role"] == "entry"]
    return {
        "fills": len(fills),
        "mean_entry_slippage_bp": round(sum(slippages) / len(slippages), 3) if slippages else None,
        "symbols_traded": tuple(sorted({str(row["symbol"]) for row in fills})),
    }


def _by_strategy(decisions: Sequence[Row], orders: Sequence[Row], fills: Sequence[Row]) -> dict[str, StrategyDay]:
    """The day of each strategy that has decided, where they are several: of one the day's own figures tell."""
    names = {strategy_of(row) for row in (*decisions, *orders, *fills)}
    if len(names) < 2:
        return {}
    return {name: _strategy_day(name, decisions, orders, fills) for name in sorted(names)}


def _strategy_day(name: str, decisions: Sequence[Row], orders: Sequence[Row], fills: Sequence[Row]) -> StrategyDay:
    own = [row for row in orders if strategy_of(row) == name]
    closed = [_money(row["realised_usd"]) for row in own if row["phase"] == "CLOSED"]
    return StrategyDay(
        decisions=_count(row["verdict"] for row in decisions if strategy_of(row) == name),
        fills=sum(strategy_of(row) == name for row in fills),
        realised_usd=str(round(sum((_money(row["realised_usd"]) for row in own), ZERO), 2)),
        wins=sum(value > 0 for value in closed),
        losses=sum(value < 0 for value in closed),
    )


def _of_account(ports: Ports) -> dict[str, Any]:
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


def _seal(journal: Sequence[Row]) -> str:
    """Hash over each order's last chain hash; a missing or changed row breaks its order's chain, and so the seal."""
    last: dict[str, tuple[int, str]] = {}
    for row in journal:
        key = str(row["intent_id"])
        last[key] = max(last.get(key, (0, "")), (int(row["seq"] or 0), str(row["hash"])))
    return digest(canonical_json(sorted((key, seq, text) for key, (seq, text) in last.items())))
