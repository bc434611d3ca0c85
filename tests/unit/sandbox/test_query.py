"""Questions to exported tables: each documented one has an answer, and SQL reaches nothing else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.query import answer, download, query, write_csv
from sandbox.questions import QUESTIONS
from shared.contracts.records import Container, export_blob
from shared.core.errors import SettingsError
from shared.stages.account.supervise import supervise
from shared.stages.evidence.nightly import export_day
from tests.support.books import NightFakes, decided, night_ports, traded
from tests.support.market_day import ON


@pytest.fixture(scope="module")
def ports() -> NightFakes:
    """A day with an order closed, a refusal, a heartbeat; exported."""
    made = night_ports()
    traded(made)
    decided(made, "AAA", "BBB", slot="1205")
    supervise(made)
    export_day(made, ON)
    return made


@pytest.fixture
def files(ports: NightFakes, tmp_path: Path) -> Mapping[str, Sequence[Path]]:
    return download(ports.blobs, tmp_path)


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_documented_question_has_an_answer(name: str, files: Mapping[str, Sequence[Path]]) -> None:
    found = answer(files, QUESTIONS[name].sql)
    assert found.rows
    assert all(len(row) == len(found.columns) for row in found.rows)


def test_fills_by_session_add_up_to_the_table(ports: NightFakes, files: Mapping[str, Sequence[Path]]) -> None:
    found = answer(files, QUESTIONS["fills-by-session"].sql)
    total = sum(float(str(row["qty"])) for row in ports.rows("fills", ON).values())
    assert sum(row[found.columns.index("total_qty")] for row in found.rows) == total


def test_strategies_are_told_apart_and_add_up_to_the_tables(tmp_path: Path) -> None:
    ports = night_ports(
        GATEHOUSE_STRATEGIES="breakout.v1=0.5 momentum.v1=0.5", GATEHOUSE_STRATEGY_PARAMETERS="breakout.v1.span=5"
    )
    traded(ports)
    decided(ports, "BBB", slot="1205")
    export_day(ports, ON)
    found = answer(download(ports.blobs, tmp_path), QUESTIONS["by-strategy"].sql)
    (order,) = [row for row in ports.rows("orders", ON).values() if row["phase"] == "CLOSED"]
    realised, entry, bought = (float(str(order[name])) for name in ("realised_usd", "entry_usd", "bought_qty"))
    assert found.columns == ("strategy", "decisions", "approved", "positions", "won", "realised_usd", "mean_bp")
    assert found.rows == [
        ("breakout.v1", 1, 1, 1, 1, round(realised, 2), round(10_000 * realised / (entry * bought), 1)),
        ("momentum.v1", 1, 1, 0, 0, None, None),
    ]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_day_without_any_chances_can_be_asked_the_same(name: str, tmp_path: Path) -> None:
    ports = night_ports(GATEHOUSE_STRATEGIES="breakout.v1=1", GATEHOUSE_STRATEGY_PARAMETERS="breakout.v1.span=5")
    traded(ports)
    decided(ports, "AAA", "BBB", slot="1205")
    supervise(ports)
    export_day(ports, ON)
    assert answer(download(ports.blobs, tmp_path), QUESTIONS[name].sql).columns


def test_an_order_of_older_code_has_no_strategy(ports: NightFakes, tmp_path: Path) -> None:
    data = ports.exporter.parquet(ON, [("AAA|x", {"symbol": "AAA", "phase": "CLOSED"})])
    path = tmp_path / "orders.parquet"
    path.write_bytes(data)
    assert answer({"orders": [path]}, "SELECT phase, strategy FROM orders").rows == [("CLOSED", None)]


def test_refusals_are_counted_gate_by_gate(files: Mapping[str, Sequence[Path]]) -> None:
    assert ("COOLDOWN", 1, 1) in answer(files, QUESTIONS["gate-refusals"].sql).rows


def test_slippage_stands_beside_the_spread_it_met(ports: NightFakes, files: Mapping[str, Sequence[Path]]) -> None:
    (row,) = answer(files, QUESTIONS["slippage-by-spread"].sql).rows
    (entry,) = [row for row in ports.rows("fills", ON).values() if row["role"] == "entry"]
    assert row[1:] == (1, round(float(str(entry["slippage_bp"])), 2), round(float(str(entry["slippage_bp"])), 2))


def test_days_of_different_columns_are_one_table(ports: NightFakes, tmp_path: Path) -> None:
    """A column that was empty on one day, or came with a later revision, is null there."""
    other = date(2025, 10, 16)
    data = ports.exporter.parquet(other, [("AAA|x", {"symbol": "AAA", "brand_new": 7})])
    ports.blobs.put(Container.EXPORTS, export_blob("orders", other), data)
    try:
        files = download(ports.blobs, tmp_path / "both")
        rows = answer(files, "SELECT day, brand_new, phase FROM orders ORDER BY day").rows
        assert rows == [(ON, None, "CLOSED"), (other, 7, None)]
        only = download(ports.blobs, tmp_path / "one", since=other)
        assert answer(only, "SELECT count(*) FROM orders").rows == [(1,)]
    finally:
        ports.blobs = type(ports.blobs)()
        export_day(ports, ON)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'stolen.csv'",
        "SELECT * FROM read_text('/etc/hostname')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_sql_reaches_nothing_but_the_exports(sql: str, files: Mapping[str, Sequence[Path]]) -> None:
    with pytest.raises(SettingsError):
        answer(files, sql)


def test_a_mistake_in_sql_is_told_in_duckdbs_words(files: Mapping[str, Sequence[Path]]) -> None:
    with pytest.raises(SettingsError, match="SELEKT"):
        answer(files, "SELEKT 1")


def test_a_table_without_rows_is_named(files: Mapping[str, Sequence[Path]]) -> None:
    with pytest.raises(SettingsError, match=r"Tables without rows in these days: .*incidents"):
        answer(files, "FROM incidents")


def test_days_without_an_export_are_told(ports: NightFakes, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no tables of these days"):
        download(ports.blobs, tmp_path, since=date(2030, 1, 1))


def test_without_a_question_they_are_listed() -> None:
    sink = io.StringIO()
    assert query("", Console(file=sink, width=120)) == 0
    assert all(name in sink.getvalue() for name in QUESTIONS)


def test_an_instant_in_csv_is_utc(files: Mapping[str, Sequence[Path]]) -> None:
    sink = io.StringIO()
    write_csv(answer(files, "SELECT max(decided_at) AS at, typeof(max(decided_at)) AS type FROM decisions"), sink)
    assert sink.getvalue().splitlines() == ["at,type", "2025-10-15T16:05:35Z,TIMESTAMP"]


def test_a_headline_in_csv_is_no_formula(files: Mapping[str, Sequence[Path]]) -> None:
    sink = io.StringIO()
    write_csv(answer(files, "SELECT '=HYPERLINK(1)' AS headline, -2 AS n, DATE '2026-10-14' AS day"), sink)
    assert sink.getvalue().splitlines() == ["headline,n,day", "'=HYPERLINK(1),-2,2026-10-14"]
