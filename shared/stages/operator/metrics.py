"""Metrics: the day's figures, taken from the tables of the day in a few reads, as named samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from statistics import fmean

from shared.contracts.model_card import MODELS
from shared.contracts.records import Queue, Table, strategy_of
from shared.contracts.samples import Sample
from shared.core.ledger import StrategyBook
from shared.core.sessions import NEW_YORK
from shared.ports import Ports, QueueGauge, Row
from shared.stages.base.facts import kill_reason, strategy_halt
from shared.stages.base.incidents import sound_rows
from shared.stages.base.ledger import load_ledger


def samples(ports: Ports, queues: QueueGauge) -> list[Sample]:
    """Return every figure of today. Those of the day begin anew with the day, so all are gauges."""
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()

    def rows(table: Table) -> list[Row]:
        return sound_rows(ports, table, on, _FIGURES[table])

    return [
        *_decisions(rows(Table.DECISIONS)),
        *_orders(rows(Table.ORDERS)),
        *_fills(rows(Table.FILLS)),
        *_incidents(rows(Table.INCIDENTS)),
        *_jobs(rows(Table.RUNS)),
        *_ledger(ports),
        *_strategies(ports),
        *_models(ports, now),
        *_queues(queues, now),
    ]


_FIGURES: Mapping[Table, Callable[[Row], object]] = {
    Table.DECISIONS: lambda row: row["verdict"],
    Table.ORDERS: lambda row: row["phase"],
    Table.FILLS: lambda row: (row["role"], row.get("slippage_bp") is None or float(str(row["slippage_bp"]))),
    Table.INCIDENTS: lambda row: row["kind"],
    Table.RUNS: lambda row: (row["job"], row["status"]),
}
"""What is taken of a row: one that lacks it is told of and not counted."""


def _decisions(rows: list[Row]) -> Iterator[Sample]:
    yield from _by_strategy("decisions", "Decisions of the day by verdict and strategy", "verdict", rows)
    gates = [gate for row in rows for gate in str(row.get("refused_by") or "").split()]
    yield from _counted("gate_refusals", "Refusals of the day by gate", "gate", gates)


def _orders(rows: list[Row]) -> Iterator[Sample]:
    yield from _counted("orders", "Orders of the day by phase", "phase", [str(row["phase"]) for row in rows])
    exits = [str(row["exit_reason"]) for row in rows if row.get("exit_reason")]
    yield from _counted("exits", "Exits of the day by reason", "reason", exits)


def _fills(rows: list[Row]) -> Iterator[Sample]:
    yield from _by_strategy("fills", "Fills of the day by role and strategy", "role", rows)
    for role in sorted({str(row["role"]) for row in rows}):
        slips = [float(str(r["slippage_bp"])) for r in rows if r["role"] == role and r.get("slippage_bp") is not None]
        if slips:
            what = "Mean slippage of the day's fills by role, basis points, positive is worse"
            yield Sample(name="slippage_bp", what=what, value=fmean(slips), labels={"role": role})


def _incidents(rows: list[Row]) -> Iterator[Sample]:
    yield from _counted("incidents", "Incidents of the day by kind", "kind", [str(row["kind"]) for row in rows])


def _jobs(rows: list[Row]) -> Iterator[Sample]:
    counts = Counter((str(row["job"]), str(row["status"])) for row in rows)
    for (job, status), count in sorted(counts.items()):
        labels = {"job": job, "status": status}
        yield Sample(name="job_runs", what="Job slots of the day by outcome", value=count, labels=labels)


def _ledger(ports: Ports) -> Iterator[Sample]:
    yield Sample(name="kill_switch", what="1 where nothing may be entered", value=bool(kill_reason(ports)))
    stored = load_ledger(ports)
    if stored is None:
        return
    ledger = stored.value
    yield Sample(name="equity_usd", what="Equity when last marked, USD", value=float(ledger.equity))
    yield Sample(name="drawdown_fraction", what="Below the highest confirmed equity", value=float(ledger.drawdown))
    yield Sample(name="day_loss_fraction", what="Below the day's opening equity", value=float(ledger.day_loss))
    yield Sample(name="reservations", what="Orders that take room in the ledger", value=len(ledger.reservations))
    halts = {
        "day-loss": ledger.is_day_halted,
        "drawdown": ledger.is_drawdown_halted,
        "unexplained": bool(ledger.unexplained),
    }
    for halt, is_on in halts.items():
        yield Sample(name="halted", what="1 where entries are halted", value=is_on, labels={"halt": halt})


def _strategies(ports: Ports) -> Iterator[Sample]:
    stored = load_ledger(ports)
    for each in ports.settings.strategies.traded:
        book = stored.value.book_of(each.name) if stored else StrategyBook()
        labels, what = {"strategy": each.name}, "What a strategy has made of the day, USD before fees"
        yield Sample(name="strategy_result_usd", what=what, value=float(book.result), labels=labels)
        for halt, is_on in {"day-loss": book.is_day_halted, "person": bool(strategy_halt(ports, each.name))}.items():
            what = "1 where a strategy enters nothing"
            yield Sample(name="strategy_halted", what=what, value=is_on, labels={**labels, "halt": halt})


def _models(ports: Ports, now: datetime) -> Iterator[Sample]:
    for name in MODELS:
        state = ports.models.current(name)
        labels = {"model": name}
        yield Sample(
            name="model_fault", what="1 where the champion is not trusted", value=bool(state.fault), labels=labels
        )
        if state.predictor is not None:
            age_s = (now - state.predictor.card.created_at).total_seconds()
            yield Sample(
                name="model_age_s", what="Since the model in use was made, seconds", value=age_s, labels=labels
            )


def _queues(queues: QueueGauge, now: datetime) -> Iterator[Sample]:
    for queue in Queue:
        for name in (queue.value, f"{queue.value}-poison"):
            state, labels = queues.state(name), {"queue": name}
            yield Sample(name="queue_messages", what="Messages in a queue, about", value=state.count, labels=labels)
            # In the sandbox the storage's clock is not ours; an age below nothing is none.
            age_s = max(0.0, (now - state.oldest_at).total_seconds()) if state.oldest_at else 0.0
            yield Sample(name="queue_age_s", what="Age of the message in front, seconds", value=age_s, labels=labels)


def _by_strategy(name: str, what: str, column: str, rows: list[Row]) -> Iterator[Sample]:
    counts = Counter((str(row[column]), strategy_of(row)) for row in rows)
    for (value, strategy), count in sorted(counts.items()):
        yield Sample(name=name, what=what, value=count, labels={column: value, "strategy": strategy})


def _counted(name: str, what: str, label: str, values: list[str]) -> Iterator[Sample]:
    for value, count in sorted(Counter(values).items()):
        yield Sample(name=name, what=what, value=count, labels={label: value})
