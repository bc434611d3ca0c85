"""Reads of storage: only what is asked for, and the same from Azurite as from memory."""

from __future__ import annotations

import pytest

from dashboard.cache import FRESH_S, SETTLED_S, CachedSource
from dashboard.store import Query, StorageView, days_of, starting_with
from shared.adapters.tables import AzureTables
from shared.contracts.records import ACCOUNT, CURRENT, Container, Table
from shared.contracts.settings import StorageSettings
from shared.ports import Row
from tests.support.views import ON, MemorySource

ROWS: dict[str, Row] = {
    f"{symbol}|i|{seq:04d}": {"symbol": symbol, "seq": seq, "big": 2**40, "share": 0.5, "state": "x" * 100}
    for symbol in ("AAA", "AAAB", "BBB")
    for seq in range(1, 5)
}
QUERIES = (
    Query(),
    Query(columns=("symbol", "seq", "big")),
    Query(limit=3),
    starting_with("AAA|", ("seq",)),
    starting_with("AAA|", limit=2),
    Query(key_from="AAAB|", key_to="BBB|i|0002"),
    starting_with("none"),
)


class HandTime:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_memory_and_azurite_answer_alike(storage: str, query: Query) -> None:
    settings = StorageSettings(connection=storage)
    memory = MemorySource()
    for tables in (AzureTables(settings), memory.tables):
        tables.put_many(Table.JOURNAL, str(ON), ROWS)
    assert StorageView(settings).rows(Table.JOURNAL, str(ON), query) == memory.rows(Table.JOURNAL, str(ON), query)


def test_an_empty_account_holds_nothing_and_gets_nothing(storage: str) -> None:
    found = StorageView(StorageSettings(connection=storage))
    assert found.rows(Table.JOURNAL, str(ON)) == []
    assert found.row(Table.LEDGER, ACCOUNT, CURRENT) is None
    assert found.blob(Container.REPORTS, "x/day.json") is None
    assert days_of(found) == ()
    assert found.names(Container.REPORTS, "") == []


def test_days_are_those_with_a_list_a_report_or_the_ledger() -> None:
    source = MemorySource()
    source.blobs.put(Container.WATCHLISTS, "2026-10-12/0700.json", b"{}")
    source.blobs.put(Container.WATCHLISTS, "2026-10-12/0915.json", b"{}")
    source.blobs.put(Container.REPORTS, "2026-10-09/day.json", b"{}")
    source.blobs.put(Container.REPORTS, "backtests/7/summary.json", b"{}")
    source.tables.put(Table.LEDGER, ACCOUNT, CURRENT, {"on": "2026-10-14"})
    assert [str(on) for on in days_of(source)] == ["2026-10-14", "2026-10-12", "2026-10-09"]


def test_the_running_day_is_read_again_after_seconds_and_a_settled_one_after_an_hour() -> None:
    source, time = MemorySource(), HandTime()
    for on in ("2026-10-13", "2026-10-14"):
        source.blobs.put(Container.WATCHLISTS, f"{on}/0700.json", b"{}")
    cached = CachedSource(source, time)
    assert len(cached.days()) == 2

    def reads(seconds: float) -> list[str]:
        time.now, source.reads = time.now + seconds, []
        for on in ("2026-10-13", "2026-10-14"):
            cached.rows(Table.ORDERS, on)
        return [partition for _, partition, _ in source.reads]

    assert reads(0) == ["2026-10-13", "2026-10-14"]
    assert reads(FRESH_S - 1) == []
    assert reads(1.5) == ["2026-10-14"]
    assert reads(SETTLED_S) == ["2026-10-13", "2026-10-14"]


def test_forgetting_reads_everything_anew() -> None:
    source = MemorySource()
    cached = CachedSource(source, HandTime())
    cached.rows(Table.ORDERS, "2026-10-13")
    cached.forget()
    cached.rows(Table.ORDERS, "2026-10-13")
    assert len(source.reads) == 2


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.cache.MAX_WEIGHT", 30)
    source = MemorySource()
    for day in range(10, 20):
        source.tables.put_many(Table.JOURNAL, f"2026-10-{day}", ROWS)
    cached = CachedSource(source, HandTime())
    for day in range(10, 20):
        cached.rows(Table.JOURNAL, f"2026-10-{day}")
    source.reads = []
    cached.rows(Table.JOURNAL, "2026-10-19")
    assert source.reads == []
    cached.rows(Table.JOURNAL, "2026-10-10")
    assert len(source.reads) == 1


def test_many_partitions_come_in_the_order_asked_for() -> None:
    source = MemorySource()
    for day in range(10, 20):
        source.tables.put(Table.ORDERS, f"2026-10-{day}", "a", {"seq": day})
    found = CachedSource(source, HandTime()).many(Table.ORDERS, [f"2026-10-{day}" for day in range(19, 9, -1)])
    assert [rows[0]["seq"] for rows in found] == list(range(19, 9, -1))
