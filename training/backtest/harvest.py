"""What a traded day has left in tables and at the exchange, as plain values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.contracts.records import Table, strategy_of
from shared.core.values import ZERO, Side, parse_utc
from shared.ports import Row, TableStore
from simulation.venue.account import Fill
from simulation.venue.engine import Exchange
from training.backtest.records import Point, Trade

CURVE_KEY_LENGTH = 4
"""Row keys of the equity curve are slots, HHMM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Rows of a day by table."""

    on: date
    signals: Mapping[str, Row]
    decisions: Mapping[str, Row]
    orders: Mapping[str, Row]
    watchlist: Mapping[str, Row]
    curve: Mapping[str, Row]


def read_day(tables: TableStore, on: date) -> Harvest:
    """Read a day's tables."""
    read = (Table.SIGNALS, Table.DECISIONS, Table.ORDERS, Table.WATCHLIST)
    rows = {table.value: dict(tables.query(table, str(on))) for table in read}
    curve = {key: row for key, row in tables.query(Table.LEDGER, str(on)) if len(key) == CURVE_KEY_LENGTH}
    return Harvest(on=on, **rows, curve=curve)


def points_of(day: Harvest) -> tuple[Point, ...]:
    """The equity curve, oldest first."""
    return tuple(
        Point(
            at=parse_utc(str(row["at"])),
            equity_usd=float(str(row["equity_usd"])),
            exposure_usd=float(str(row["exposure_usd"])),
            positions=int(str(row["positions"])),
        )
        for _, row in sorted(day.curve.items())
    )


def trades_of(day: Harvest, exchange: Exchange, fills: Sequence[Fill], *, regime: str, in_sample: bool) -> list[Trade]:
    """Orders that bought something and hold nothing any more, by the time of their first fill.

    Parameters
    ----------
    fills : sequence of Fill
        The exchange's own of that day: prices and fees are theirs.
    """
    by_intent = defaultdict(list)
    for fill in fills:
        by_intent[_intent_of(exchange, fill)].append(fill)
    decisions = {str(row["decision_id"]): row for row in day.decisions.values()}
    found = []
    for row in day.orders.values():
        mine = by_intent.get(str(row["intent_id"]), [])
        decision = decisions.get(str(row["decision_id"]))
        if mine and decision is not None and _is_flat(mine):
            found.append(_trade(day, row, decision, mine, regime=regime, in_sample=in_sample))
    return sorted(found, key=lambda trade: (trade.entered_at, trade.symbol))


def _intent_of(exchange: Exchange, fill: Fill) -> str:
    """Lifecycle of a fill: the client order id of its group's head starts with the intent's id."""
    return exchange.book.orders[fill.order_id].head.client_order_id.rsplit("-", 2)[0]


def _is_flat(fills: Sequence[Fill]) -> bool:
    return sum((f.qty if f.side is Side.BUY else -f.qty for f in fills), ZERO) == 0


def _trade(day: Harvest, order: Row, decision: Row, fills: Sequence[Fill], *, regime: str, in_sample: bool) -> Trade:
    buys = [f for f in fills if f.side is Side.BUY]
    sells = [f for f in fills if f.side is Side.SELL]
    qty = sum((f.qty for f in buys), ZERO)
    paid, got = (sum((f.qty * f.price for f in part), ZERO) for part in (buys, sells))
    bid, ask = (Decimal(str(decision[name])) for name in ("bid_usd", "ask_usd"))
    arrival = Decimal(str(order["arrival_usd"]))
    return Trade(
        on=day.on,
        symbol=str(order["symbol"]),
        intent_id=str(order["intent_id"]),
        decision_id=str(order["decision_id"]),
        slot=str(decision["slot"]),
        session=str(decision["session"]),
        event=_event(day, str(order["symbol"]), str(decision["slot"])),
        regime=regime,
        entered_at=buys[0].at,
        left_at=sells[-1].at,
        qty=qty,
        entry_usd=float(paid / qty),
        exit_usd=float(got / qty),
        gross_usd=float(got - paid),
        fees_usd=float(sum((f.fee for f in fills), ZERO)),
        exit_reason=str(order.get("exit_reason") or ""),
        slippage_bp=float((paid / qty - arrival) / arrival * 10_000),
        spread_bp=float((ask - bid) / ((ask + bid) / 2) * 10_000),
        p_up=_said(decision, "p_up"),
        p_down=_said(decision, "p_down"),
        expected_move_bp=_said(decision, "expected_move", times=10_000),
        in_sample=in_sample,
        strategy=strategy_of(decision),
    )


def _said(decision: Row, column: str, *, times: float = 1.0) -> float | None:
    """What the models said; None where the strategy has none."""
    value = decision.get(column)
    return None if value is None else float(str(value)) * times


def _event(day: Harvest, symbol: str, slot: str) -> str:
    """Why the symbol was on the watchlist in force at a slot."""
    key = symbol.replace("/", "_")
    lists = {k.rpartition("|")[2]: row for k, row in day.watchlist.items() if k.rpartition("|")[0] == key}
    made = [at for at in sorted(lists) if at <= slot]
    return str(lists[made[-1]]["why"]) if made else "?"


def counts(day: Harvest) -> dict[str, dict[str, int]]:
    """Signals by policy, decisions by verdict, refusals by gate."""

    def count(values: Iterator[object]) -> dict[str, int]:
        return dict(sorted(Counter(map(str, values)).items()))

    return {
        "policy": count(row["policy"] for row in day.signals.values()),
        "decisions": count(row["verdict"] for row in day.decisions.values()),
        "refused_by": count(gate for row in day.decisions.values() for gate in str(row["refused_by"]).split()),
    }
