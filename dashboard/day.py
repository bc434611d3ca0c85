"""One session date as frames and figures, read from its partitions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import pandas as pd

from dashboard.dataframes import counts, frame
from dashboard.store import Query, Source
from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, KILL, RENAMED, Container, Table, renamed
from shared.core.ledger import NEXT
from shared.core.sessions import NEW_YORK
from shared.core.settings import FIRST_STRATEGY
from shared.ports import Row


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


JOURNAL = _columns("symbol seq command phase note at hash intent_id code_revision")
COLUMNS: Mapping[Table, tuple[str, ...]] = {
    Table.RUNS: _columns("job slot status due_at started_at finished_at attempt"),
    Table.WATCHLIST: _columns("symbol slot job made_at rank why score gap rvol"),
    Table.SIGNALS: _columns(
        "symbol slot session policy p_up p_none p_down edge expected_move_bp cost_bp price_usd bid_usd ask_usd "
        "strategy faults decision_id scored_at features_blob"
    ),
    Table.DECISIONS: _columns(
        "symbol slot session strategy decided_at verdict refused_by qty bound p_up p_down expected_move "
        "limit_usd stop_usd target_usd equity_usd decision_id intent_id models parameter_set code_revision"
    ),
    Table.ORDERS: _columns(
        "symbol strategy phase exit_reason qty bought_qty sold_qty arrival_usd limit_usd stop_usd "
        "target_usd entry_usd realised_usd note updated_at seq intent_id decision_id"
    ),
    Table.POSITIONS: _columns(
        "symbol strategy qty bought_qty average_usd stop_usd target_usd realised_usd exit_reason updated_at intent_id"
    ),
    Table.FILLS: _columns(
        "symbol strategy role side qty price_usd session slippage_bp occurred_at received_at intent_id client_order_id"
    ),
    Table.JOURNAL: JOURNAL,
    Table.LEDGER: _columns("at session equity_usd cash_usd buying_power_usd exposure_usd positions"),
    Table.CONTROLS: _columns("act status by caller reason at intent_id parameter_set matter strategy problem"),
    Table.INCIDENTS: _columns("kind title body at blob status"),
    Table.STORIES: _columns("received_at headline url symbols echo_of"),
    Table.FEEDS: _columns("name read_at items unchanged fault"),
    Table.CALLS: _columns("model prompt_id outcome is_repair status latency_ms tokens_in tokens_out usd"),
    Table.NOTICES: _columns("kind severity title body decided_at channels correlation_id"),
    Table.SHADOWS: _columns(
        "decision_id decided_at strategy symbol session refused_by factor roles exit entered_at left_at "
        "net_bp r_multiple plan_usd"
    ),
}
"""What is read of each table: never the whole state of an order, which is most of its row."""

FEW_ROWS = 25


class ManySource(Source, Protocol):
    """A source that reads several partitions side by side."""

    def many(self, table: str, partitions: list[str], query: Query = ...) -> list[Any]:
        """Return the rows of each partition."""


def table_of(source: Source, table: Table, on: date | str, query: Query | None = None) -> pd.DataFrame:
    """Read a day of a table, or another partition; `query` may narrow rows, the columns are the table's."""
    columns = COLUMNS[table]
    asked = query or Query()
    wanted = Query(columns=_with_old(columns), key_from=asked.key_from, key_to=asked.key_to, limit=asked.limit)
    return _owned(table, frame([renamed(row) for row in source.rows(table, str(on), wanted)], columns))


def tables_of(source: ManySource, table: Table, days: list[date]) -> pd.DataFrame:
    """Read several days of a table under each other, with the session date as column `on`."""
    columns = COLUMNS[table]
    found = source.many(table, [str(on) for on in days], Query(columns=_with_old(columns)))
    dated = [{**renamed(row), "on": str(on)} for on, rows in zip(days, found, strict=True) for row in rows]
    return _owned(table, frame(dated, (*columns, "on")))


def _owned(table: Table, found: pd.DataFrame) -> pd.DataFrame:
    """Say whose rows of older code are, which do not. An act of a person may be of no strategy."""
    if "strategy" in found and table is not Table.CONTROLS:
        found["strategy"] = found["strategy"].replace("", FIRST_STRATEGY)
    return found


def _with_old(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Columns, and what older code called those among them that have been renamed."""
    return (*columns, *(RENAMED[name] for name in columns if name in RENAMED))


def day_report(source: Source, on: date) -> Mapping[str, Any] | None:
    """Return the day's report as stored, None before it is made."""
    stored = source.blob(Container.REPORTS, f"{on}/day.json")
    return None if stored is None else json.loads(stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The account and its halts as they stand; money in USD."""

    opening_usd: float | None
    equity_usd: float | None
    peak_usd: float | None
    exposure_usd: float
    open_positions: int
    reserved_usd: float = 0.0
    reservations: int = 0
    is_day_halted: bool = False
    is_drawdown_halted: bool = False
    unexplained: str = ""
    accepted: tuple[str, ...] = ()
    broker_failures: int = 0
    market_failures: int = 0

    @property
    def day_change_usd(self) -> float | None:
        """Equity now less equity at the opening."""
        if self.equity_usd is None or self.opening_usd is None:
            return None
        return self.equity_usd - self.opening_usd

    @property
    def day_loss(self) -> float:
        """Fraction of the opening equity lost; zero on a gain."""
        change = self.day_change_usd
        return max(0.0, -change / self.opening_usd) if change is not None and self.opening_usd else 0.0

    @property
    def drawdown(self) -> float:
        """Fraction that equity stands under its peak."""
        if not self.peak_usd or self.equity_usd is None:
            return 0.0
        return max(0.0, 1 - self.equity_usd / self.peak_usd)

    @property
    def exposure(self) -> float:
        """Exposure over equity."""
        return self.exposure_usd / self.equity_usd if self.equity_usd else 0.0


def risk_of(source: Source, on: date, equity: pd.DataFrame) -> Risk:
    """Return what the ledger says of a day: its row while it is the day's, else what the day's points tell."""
    row = source.row(Table.LEDGER, ACCOUNT, CURRENT)
    last = {"exposure_usd": 0.0, "positions": 0} if equity.empty else equity.iloc[-1]
    exposure_usd, open_positions = float(last["exposure_usd"]), int(last["positions"])
    if row is None or row.get("on") != str(on):
        values = equity["equity_usd"]
        opening, now, peak = (values.iloc[0], values.iloc[-1], values.max()) if len(values) else (None, None, None)
        seen: dict[str, Any] = {"opening_usd": opening, "equity_usd": now, "peak_usd": peak}
        return Risk(**seen, exposure_usd=exposure_usd, open_positions=open_positions)
    ledger = json.loads(str(row["ledger"]))
    return Risk(
        opening_usd=float(ledger["opening_equity"]),
        equity_usd=float(ledger["equity"]),
        peak_usd=float(ledger["peak_equity"]),
        reserved_usd=float(str(row["reserved_usd"])),
        reservations=int(str(row["reservations"])),
        is_day_halted=bool(ledger["is_day_halted"]),
        is_drawdown_halted=bool(ledger["is_drawdown_halted"]),
        unexplained=str(row.get("unexplained") or ""),
        accepted=tuple(filter(None, str(row.get("accepted") or "").split(NEXT))),
        broker_failures=int(str(row["broker_failures"])),
        market_failures=int(str(row["market_failures"])),
        exposure_usd=exposure_usd,
        open_positions=open_positions,
    )


def kill_switch(source: Source) -> Row | None:
    """Return the switch's row while it is on."""
    row = source.row(Table.CONTROLS, CONTROLS, KILL)
    return row if row is not None and row.get("is_on") else None


def jobs_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Reckon a day's jobs: how many slots were done, missed, are running, and the last one; by first due time."""
    made = [
        {
            "job": job,
            "done": int((part["status"] == "done").sum()),
            "missed": int((part["status"] == "missed").sum()),
            "running": int((part["status"] == "started").sum()),
            "last_slot": str(part["slot"].max()),
            "last_at": part["finished_at"].max(),
            "longest_s": float((part["finished_at"] - part["started_at"]).dt.total_seconds().max()),
            "first_due_at": part["due_at"].min(),
        }
        for job, part in runs.groupby("job")
    ]
    columns = ["job", "done", "missed", "running", "last_slot", "last_at", "longest_s", "first_due_at"]
    return pd.DataFrame(made, columns=columns).sort_values("first_due_at", kind="stable")


def refusals_of(decisions: pd.DataFrame) -> Mapping[str, int]:
    """How often each gate refused; one decision can be refused by several."""
    refused = decisions["refused_by"].str.split().explode()
    return counts(refused[refused.notna() & (refused != "")])


def scored_in(signals: pd.DataFrame) -> int:
    """How many candidates were scored, each symbol once a slot however many strategies have an opinion of it."""
    keys = [name for name in ("on", "symbol", "slot") if name in signals]
    return len(signals.drop_duplicates(keys))


def closed_positions(orders: pd.DataFrame, fills: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each order that bought and has ended: result, risk taken, times, session, hour, regime.

    Columns
    -------
    symbol, session (of the decision), hour (ET of the first fill, "10:00"), exit_reason, strategy : str
    realised_usd, r (result over planned risk), bp (result over what was paid, in basis points) : float
    slippage_bp (entry, weighted by shares), held_min, turnover_usd : float
    entered_at, left_at : UTC
    """
    bought = orders[(orders["bought_qty"] > 0) & (orders["phase"] == "CLOSED")]
    told = decisions.drop_duplicates("decision_id").set_index("decision_id")[["session"]]
    made = bought.join(told, on="decision_id").join(_fill_figures(fills), on="intent_id").reset_index(drop=True)
    made["session"] = made["session"].fillna("").replace("", "unknown")
    risk = (made["entry_usd"] - made["stop_usd"]).clip(lower=0) * made["bought_qty"]
    made["r"] = made["realised_usd"] / risk.where(risk > 0)
    paid = made["entry_usd"] * made["bought_qty"]
    made["bp"] = 1e4 * made["realised_usd"] / paid.where(paid > 0)
    made["held_min"] = (made["left_at"] - made["entered_at"]).dt.total_seconds() / 60
    made["hour"] = made["entered_at"].dt.tz_convert(NEW_YORK).dt.strftime("%H:00")
    return made.sort_values("entered_at", kind="stable").reset_index(drop=True)


def regimes_of(source: ManySource, days: list[date]) -> Mapping[str, str]:
    """Return the market's regime of each session date, "unknown" where its signals do not tell.

    There is one regime a day, so its first signals tell it: a look at all of them would cost thousands of rows a day.
    """
    found = source.many(Table.SIGNALS, [str(on) for on in days], Query(columns=("regime",), limit=FEW_ROWS))
    told = (
        (str(on), [str(row["regime"]) for row in rows if row.get("regime")])
        for on, rows in zip(days, found, strict=True)
    )
    return {on: next((one for one in regimes if one != "unknown"), "unknown") for on, regimes in told}


def _fill_figures(fills: pd.DataFrame) -> pd.DataFrame:
    """By intent: first fill, last fill, slippage of the entry in basis points, money moved."""
    entries = fills[fills["role"] == "entry"]
    weighted = (entries["slippage_bp"] * entries["qty"]).groupby(entries["intent_id"]).sum(min_count=1)
    return pd.DataFrame(
        {
            "entered_at": entries.groupby("intent_id")["occurred_at"].min(),
            "left_at": fills[fills["side"] == "sell"].groupby("intent_id")["occurred_at"].max(),
            "exit_usd": _mean_price(fills[fills["side"] == "sell"]),
            "slippage_bp": weighted / entries.groupby("intent_id")["qty"].sum(),
            "turnover_usd": (fills["price_usd"] * fills["qty"]).groupby(fills["intent_id"]).sum(),
        }
    )


def _mean_price(fills: pd.DataFrame) -> pd.Series:
    value = (fills["price_usd"] * fills["qty"]).groupby(fills["intent_id"]).sum()
    return value / fills.groupby("intent_id")["qty"].sum()
