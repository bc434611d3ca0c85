"""The dashboard's pages over rows in memory, without a browser and without Azure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import islice
from typing import Any
from unittest.mock import patch

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.store import EVERYTHING, KEY, Query, Source
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.records import ACCOUNT, CURRENT, Container, Table
from shared.ports import Row

ON = date(2026, 10, 14)


class MemorySource:
    """`Source` over stores in memory; counts what is read."""

    def __init__(self) -> None:
        self.tables, self.blobs = MemoryTables(), MemoryBlobs()
        self.reads: list[tuple[str, str, Query]] = []

    def rows(self, table: str, partition: str, query: Query = EVERYTHING) -> Sequence[Row]:
        """Return rows as the tables would, columns and limit heeded."""
        self.reads.append((table, partition, query))
        found = self.tables.query(table, partition, key_from=query.key_from, key_to=query.key_to)
        return [self._picked(key, row, query) for key, row in islice(found, query.limit)]

    @staticmethod
    def _picked(key: str, row: Row, query: Query) -> Row:
        cells = {name: cell for name, cell in row.items() if not query.columns or name in query.columns}
        return {KEY: key, **cells}

    def row(self, table: str, partition: str, key: str) -> Row | None:
        """Return one row or None."""
        stored = self.tables.get(table, partition, key)
        return None if stored is None else stored.value

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes or None."""
        stored = self.blobs.get(container, name)
        return None if stored is None else stored.value

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        return self.blobs.names(container, prefix)


def many_days(source: MemorySource, count: int, *, until: date = ON) -> list[date]:
    """Write days with one won and one lost position each, and the account's points; return them, oldest first.

    The winner makes 30 USD on 100 shares from 10 to 10.30, the loser loses 10 USD on 50 shares from 20 to 19.80.
    """
    days = [until - timedelta(days=number) for number in reversed(range(count))]
    for number, on in enumerate(days):
        _position(source, on, "AAA", hour=14, shares=100, paid=10.0, got=10.3, stop=9.8)
        _position(source, on, "BBB", hour=17, shares=50, paid=20.0, got=19.8, stop=19.6)
        for at, gained in (("0930", 0), ("1200", 30), ("1600", 20)):
            equity = 100_000 + 20 * number + gained
            point: Row = {"at": f"{on}T{int(at[:2]) + 4:02d}:{at[2:]}:00Z", "session": "REG-AM", "positions": 1}
            usd: Row = dict.fromkeys(("equity_usd", "cash_usd", "buying_power_usd"), str(equity))
            source.tables.put(Table.LEDGER, str(on), at, {**point, **usd, "exposure_usd": "1000"})
        source.blobs.put(Container.WATCHLISTS, f"{on}/0915.json", b"{}")
    return days


def _position(
    source: MemorySource,
    on: date,
    symbol: str,
    *,
    hour: int,
    shares: int,
    paid: float,
    got: float,
    stop: float,
    strategy: str = "",
) -> None:
    """A position closed; without a strategy its rows are those of older code, which knew one."""
    own: Row = {"strategy": strategy} if strategy else {}
    tables, day, intent, slot = source.tables, str(on), f"i{symbol}{on}", f"{hour - 4}00"
    session = "REG-AM" if hour < 16 else "REG-MID"
    whose: Row = {"decision_id": f"d{symbol}{on}", "symbol": symbol}
    told: Row = {**whose, "slot": slot, "session": session, "strategy": strategy or "momentum.v1"}

    scored: Row = {"policy": "ENTER", "price_usd": paid, "scored_at": f"{on}T{hour}:00:00Z", "regime": "calm"}
    odds: Row = {"p_up": 0.5, "p_none": 0.2, "p_down": 0.3, "edge": 0.2, "expected_move_bp": 20.0}
    tables.put(Table.SIGNALS, day, f"{symbol}|{slot}", {**told, **scored, "cost_bp": 5.0, **({} if strategy else odds)})

    decided: Row = {"verdict": "approved", "refused_by": "", "decided_at": f"{on}T{hour}:00:00Z", "bound": "kelly"}
    key = f"{symbol}|{slot}|{told['decision_id']}"
    tables.put(Table.DECISIONS, day, key, {**told, **decided, "intent_id": intent, "qty": str(shares)})

    ended: Row = {"phase": "CLOSED", "exit_reason": "TARGET", "seq": 4, "updated_at": f"{on}T{hour}:40:00Z"}
    sizes: Row = dict.fromkeys(("qty", "bought_qty", "sold_qty"), str(shares))
    usd: Row = {"entry_usd": str(paid), "stop_usd": str(stop), "realised_usd": str(round((got - paid) * shares, 2))}
    tables.put(Table.ORDERS, day, f"{symbol}|{intent}", {"intent_id": intent, **whose, **own, **ended, **sizes, **usd})

    for role, side, price, minute in (("entry", "buy", paid, 1), ("target", "sell", got, 31)):
        at = f"{on}T{hour}:{minute:02d}"
        order: Row = {"intent_id": intent, "client_order_id": f"{intent}-{role}", "symbol": symbol, "role": role}
        fill: Row = {"side": side, "qty": str(shares), "price_usd": str(price), "session": session}
        seen: Row = {"occurred_at": f"{at}:00Z", "received_at": f"{at}:01Z"}
        slipped: Row = {"slippage_bp": 2.0 if role == "entry" else None}
        tables.put(Table.FILLS, day, f"{symbol}|{intent}-{role}|0001", {**order, **own, **fill, **seen, **slipped})


def dip_days(source: MemorySource, days: Sequence[date]) -> None:
    """Write, on each day, a position of a second strategy without models: 50 USD lost on 100 shares from 10 to 9.50.

    It has an opinion of AAA too, which it does not want.
    """
    for on in days:
        _position(source, on, "CCC", hour=15, shares=100, paid=10.0, got=9.5, stop=9.0, strategy="dip-buyer.v1")
        scored: Row = {"symbol": "AAA", "slot": "1000", "strategy": "dip-buyer.v1", "session": "REG-AM"}
        source.tables.put(Table.SIGNALS, str(on), "AAA|1000|dip-buyer.v1", {**scored, "policy": "NO_WISH"})


def current_ledger(source: MemorySource, on: date = ON, unexplained: str | None = None, **changes: object) -> None:
    """Write the ledger's row as it stands on a day."""
    equity = {"opening_equity": "100000", "equity": "99000", "peak_equity": "101000"}
    ledger = {**equity, "is_day_halted": False, "is_drawdown_halted": False, **changes}
    row: Row = {"on": str(on), "ledger": json.dumps(ledger), "reservations": 1, "reserved_usd": "5000"}
    seen: Row = {"broker_failures": 0, "market_failures": 2, "unexplained": unexplained}
    source.tables.put(Table.LEDGER, ACCOUNT, CURRENT, {**row, **seen})


@contextmanager
def shown(page: str, source: Source) -> Iterator[AppTest]:
    """Run one page over a source.

    Streamlit leaves the page as this process's main module; a process that is spawned later would run it as its own.
    """
    st.cache_resource.clear()
    main = sys.modules["__main__"]
    try:
        with patch("dashboard.shell.StorageView", lambda _: source):
            yield AppTest.from_function(_script, args=(page,), default_timeout=300).run()
    finally:
        sys.modules["__main__"] = main
        st.cache_resource.clear()


def _script(page: str) -> None:
    from dashboard.shell import alone  # noqa: PLC0415 - the function's source is the script

    alone(page)


def words(app: AppTest) -> str:
    """Everything that a page says in words and tables."""
    kinds = ("title", "subheader", "caption", "info", "warning", "error", "success")
    found: list[Any] = [element for kind in kinds for element in app.get(kind)]
    pages: list[Any] = list(app.get("html"))
    texts = [element.value for element in found] + [element.proto.body for element in pages]
    return "\n".join(map(str, [*texts, *(element.value.to_csv() for element in app.dataframe)]))
