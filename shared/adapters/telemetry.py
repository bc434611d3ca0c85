"""Logs, metrics and traces, made where things are recorded.

What is written into the tables is what is logged: `ObservedTables` turns each row of interest into one JSON line, so
log and tables cannot tell different stories, and no stage has to remember to log. Each line carries the ids under which
a decision's way is found: `correlation_id` (the decision's), `intent_id`, `message_id`, `causation_id`.

Metrics follow from the same events. They leave the process only where OpenTelemetry is configured
(`shared.adapters.azure_monitor`); otherwise there is no meter and nothing of it is imported.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from typing import Any, Protocol

from shared.contracts.records import BACKUP, CURRENT, Table, strategy_of
from shared.core.unread import Unread
from shared.core.values import ZERO, parse_utc
from shared.ports import Models, ModelState, Row, Stored, TableStore

logger = logging.getLogger("gatehouse.events")

KNOWN_INTENTS = 512
"""Intents whose decision is remembered: fills name the intent alone, and their journal row comes just before."""

type Labels = Mapping[str, str]


class Meter(Protocol):
    """Where figures go; see docs/NOTICES.md for every name, unit and label."""

    def count(self, name: str, by: int, labels: Labels) -> None:
        """Add to a counter."""

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Note one value of a distribution."""

    def level(self, name: str, value: float, labels: Labels) -> None:
        """Note what a gauge shows now."""

    def span(self, name: str, ids: Labels) -> AbstractContextManager[object]:
        """Trace a stretch of work."""


class Telemetry:
    """One JSON line per event, and figures to a meter if there is one.

    Parameters
    ----------
    meter : Meter, optional
        None: lines alone.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter = meter

    @property
    def is_measuring(self) -> bool:
        """Whether figures go anywhere."""
        return self._meter is not None

    def event(self, name: str, **fields: object) -> None:
        """Log one event as one line of JSON; fields that are None are left out."""
        if logger.isEnabledFor(logging.INFO):
            known = {key: value for key, value in fields.items() if value is not None}
            logger.info("%s", json.dumps({"event": name, **known}, default=str, ensure_ascii=False))

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Add to a counter."""
        if self._meter is not None:
            self._meter.count(name, by, labels)

    def measure(self, name: str, value: float, **labels: str) -> None:
        """Note one value of a distribution."""
        if self._meter is not None:
            self._meter.measure(name, value, labels)

    def level(self, name: str, value: float, **labels: str) -> None:
        """Note what a gauge shows now."""
        if self._meter is not None:
            self._meter.level(name, value, labels)

    def unread(self, rows: Sequence[Unread]) -> None:
        """Log and count what of an answer could not be read."""
        for row in rows:
            self.event("unread", what=row.what, symbol=row.name or None, fault=row.fault, raw=row.raw)
            self.count("unread_rows", what=row.what)

    @contextmanager
    def stage(self, stage: str, **ids: str) -> Iterator[dict[str, object]]:
        """Log and time one run of a stage; the block may add fields. An error is logged by its class and goes on."""
        begun = time.perf_counter()
        fields: dict[str, object] = {}
        span = self._meter.span(stage, ids) if self._meter is not None else nullcontext()
        try:
            with span:
                yield fields
        except Exception as error:
            fields["error"] = type(error).__name__
            raise
        finally:
            latency_ms = (time.perf_counter() - begun) * 1000
            self.event("stage", stage=stage, **ids, **fields, latency_ms=round(latency_ms, 1))
            self.measure("stage_latency_ms", latency_ms, stage=stage, outcome="failed" if "error" in fields else "done")


class ObservedTables:
    """`TableStore` that tells of each row as it is written.

    Parameters
    ----------
    tables : TableStore
    telemetry : Telemetry
    """

    def __init__(self, tables: TableStore, telemetry: Telemetry) -> None:
        self._tables = tables
        self._rows = RowEvents(telemetry)

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""
        return self._tables.get(table, partition, key)

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent, and tell of it if it was."""
        is_new = self._tables.insert(table, partition, key, row)
        if is_new:
            self._rows.tell(table, key, row)
        return is_new

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace whatever stands there."""
        self._tables.put(table, partition, key, row)
        self._rows.tell(table, key, row)

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        """Replace the row that still carries `etag`."""
        self._tables.replace(table, partition, key, row, etag)
        self._rows.tell(table, key, row)

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        """Insert or replace rows of one partition by key."""
        self._tables.put_many(table, partition, rows)
        for key, row in rows.items():
            self._rows.tell(table, key, row)

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        """Yield (row key, row) of a partition with key_from <= key < key_to, in key order."""
        return self._tables.query(table, partition, key_from=key_from, key_to=key_to, columns=columns)

    def __getattr__(self, name: str) -> Any:
        # What an adapter offers beyond the port.
        return getattr(self._tables, name)


class RowEvents:
    """Rows as events and figures."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._decision_of: OrderedDict[str, str] = OrderedDict()
        self._tellers: Mapping[str, Callable[[str, Row], None]] = {
            Table.SIGNALS: self._signal,
            Table.DECISIONS: self._decision,
            Table.JOURNAL: self._step,
            Table.FILLS: self._fill,
            Table.RUNS: self._run,
            Table.INCIDENTS: self._incident,
            Table.CONTROLS: self._act,
            Table.LEDGER: self._ledger,
        }

    def tell(self, table: str, key: str, row: Row) -> None:
        """Tell of a row that was written. A row that cannot be told of is written all the same."""
        teller = self._tellers.get(table)
        if teller is None:
            return
        try:
            teller(key, row)
        except (KeyError, ValueError, TypeError, ArithmeticError):
            logger.exception("a row of %s could not be told of", table)

    def _signal(self, key: str, row: Row) -> None:
        """Of all that was scored, only what is to be entered has a way that goes on."""
        self._telemetry.count("opinions", policy=str(row["policy"]), strategy=strategy_of(row))
        if row["policy"] == "ENTER":
            self._telemetry.event(
                "signal",
                correlation_id=row["decision_id"],
                causation_id=row["message_id"],
                symbol=row["symbol"],
                slot=row["slot"],
                strategy=strategy_of(row),
                edge=row.get("edge"),
                expected_move_bp=row.get("expected_move_bp"),
            )

    def _decision(self, key: str, row: Row) -> None:
        refused_by = str(row.get("refused_by") or "")
        self._telemetry.event(
            "decision",
            correlation_id=row["decision_id"],
            causation_id=row["signal_id"],
            intent_id=row.get("intent_id"),
            symbol=row["symbol"],
            strategy=strategy_of(row),
            verdict=row["verdict"],
            refused_by=refused_by or None,
            qty=row.get("qty"),
        )
        self._telemetry.count("decisions", verdict=str(row["verdict"]), strategy=strategy_of(row))
        for gate in refused_by.split():
            self._telemetry.count("gate_refusals", gate=gate)

    def _step(self, key: str, row: Row) -> None:
        intent_id = str(row["intent_id"])
        decision_id = str(json.loads(str(row["state"]))["plan"]["decision_id"])
        self._decision_of[intent_id] = decision_id
        while len(self._decision_of) > KNOWN_INTENTS:
            self._decision_of.popitem(last=False)
        self._telemetry.event(
            "step",
            correlation_id=decision_id,
            intent_id=intent_id,
            symbol=row["symbol"],
            seq=row["seq"],
            command=row["command"],
            phase=row["phase"],
            note=row.get("note"),
        )
        self._telemetry.count("order_steps", command=str(row["command"]), phase=str(row["phase"]))

    def _fill(self, key: str, row: Row) -> None:
        intent_id, role, slippage = str(row["intent_id"]), str(row["role"]), row.get("slippage_bp")
        self._telemetry.event(
            "fill",
            correlation_id=self._decision_of.get(intent_id),
            intent_id=intent_id,
            symbol=row["symbol"],
            strategy=strategy_of(row),
            role=role,
            qty=row["qty"],
            price_usd=row["price_usd"],
            slippage_bp=slippage,
        )
        if slippage is not None:
            self._telemetry.measure("slippage_bp", float(slippage), role=role)

    def _run(self, key: str, row: Row) -> None:
        if row["status"] == "started":
            return
        late_s = (parse_utc(str(row["started_at"])) - parse_utc(str(row["due_at"]))).total_seconds()
        self._telemetry.event(
            "run",
            job=row["job"],
            slot=row["slot"],
            status=row["status"],
            attempt=row["attempt"],
            late_s=round(late_s, 1),
        )
        self._telemetry.count("job_runs", job=str(row["job"]), status=str(row["status"]))

    def _incident(self, key: str, row: Row) -> None:
        self._telemetry.event("incident", kind=row["kind"], title=row["title"], key=key, status=row["status"])
        if row["status"] == "open":
            self._telemetry.count("incidents", kind=str(row["kind"]))

    def _act(self, key: str, row: Row) -> None:
        if "act" in row:
            self._telemetry.event("act", act=row["act"], by=row.get("by"), intent_id=row.get("intent_id"), key=key)

    def _ledger(self, key: str, row: Row) -> None:
        """Equity by supervise's rows; drawdown from the ledger itself, where somebody counts."""
        if key == BACKUP:
            return
        if key != CURRENT:
            self._telemetry.event("equity", equity_usd=row["equity_usd"], positions=row["positions"])
        elif self._telemetry.is_measuring:
            ledger = json.loads(str(row["ledger"]))
            equity, peak = Decimal(ledger["equity"]), Decimal(ledger["peak_equity"])
            self._telemetry.level("equity_usd", float(equity))
            self._telemetry.level("drawdown_fraction", float((peak - equity) / peak) if peak > ZERO else 0.0)


class ObservedModels:
    """`Models` that tells how old what it gives is.

    Parameters
    ----------
    models : Models
    telemetry : Telemetry
    now : callable
        The clock's.
    """

    def __init__(self, models: Models, telemetry: Telemetry, now: Callable[[], Any]) -> None:
        self._models = models
        self._telemetry = telemetry
        self._now = now

    def current(self, name: str) -> ModelState:
        """Return the newest champion that can be trusted."""
        state = self._models.current(name)
        if state.predictor is not None:
            age_s = (self._now() - state.predictor.card.created_at).total_seconds()
            self._telemetry.level("model_age_s", age_s, model=name)
        return state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)
