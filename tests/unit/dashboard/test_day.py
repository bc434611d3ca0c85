"""One day as frames and figures, from rows in memory."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.active import active_settings, defaults
from dashboard.cache import CachedSource
from dashboard.dataframes import frame
from dashboard.day import (
    closed_positions,
    jobs_of,
    kill_switch,
    refusals_of,
    regimes_of,
    risk_of,
    table_of,
    tables_of,
)
from shared.contracts.records import CONTROLS, KILL, RENAMED, Container, Table
from shared.contracts.settings import RiskSettings
from shared.core.packing import pack
from shared.ports import Row
from tests.support.views import ON, MemorySource, current_ledger, many_days


@pytest.fixture
def source() -> MemorySource:
    return MemorySource()


def test_a_frame_has_the_columns_asked_for_whatever_the_rows_have() -> None:
    made = frame(
        [{"key": "a", "price_usd": "1.25", "note": None, "at": "2026-10-14T13:30:00Z", "other": 1}],
        ("price_usd", "note", "at", "seq"),
    )
    assert list(made.columns) == ["key", "price_usd", "note", "at", "seq"]
    row = made.iloc[0]
    assert (row["price_usd"], row["note"]) == (1.25, "")
    assert row["at"] == pd.Timestamp("2026-10-14T13:30:00Z")
    assert pd.isna(row["seq"])


def test_a_frame_without_rows_keeps_its_types() -> None:
    made = frame([], ("price_usd", "at", "symbol"))
    assert str(made["price_usd"].dtype) == "float64"
    assert "UTC" in str(made["at"].dtype)


def test_closed_positions_tell_result_risk_and_times(source: MemorySource) -> None:
    many_days(source, 1)
    found = closed_positions(*(table_of(source, table, ON) for table in (Table.ORDERS, Table.FILLS, Table.DECISIONS)))
    first, second = found.to_dict("records")
    assert (first["symbol"], first["session"], first["hour"]) == ("AAA", "REG-AM", "10:00")
    assert first["realised_usd"] == pytest.approx(30.0)
    assert first["r"] == pytest.approx(1.5)
    assert first["held_min"] == pytest.approx(30.0)
    assert first["exit_usd"] == pytest.approx(10.3)
    assert first["turnover_usd"] == pytest.approx(2030.0)
    assert (second["symbol"], second["r"]) == ("BBB", pytest.approx(-0.5))


def test_an_order_that_bought_nothing_is_no_position(source: MemorySource) -> None:
    many_days(source, 1)
    row: Row = {
        "intent_id": "x",
        "decision_id": "x",
        "symbol": "CCC",
        "phase": "CANCELED",
        "bought_qty": "0",
        "realised_usd": "0",
    }
    source.tables.put(Table.ORDERS, str(ON), "CCC|x", row)
    found = closed_positions(*(table_of(source, table, ON) for table in (Table.ORDERS, Table.FILLS, Table.DECISIONS)))
    assert set(found["symbol"]) == {"AAA", "BBB"}


def test_rows_of_older_code_that_counted_whole_shares_are_read_beside_todays(source: MemorySource) -> None:
    many_days(source, 1)
    closed = (Table.ORDERS, Table.FILLS, Table.DECISIONS)
    quantities = {name: old for name, old in RENAMED.items() if name.endswith("qty")}
    before = closed_positions(*(table_of(source, table, ON) for table in closed))
    for table in closed:
        for key, row in list(source.tables.query(table, str(ON))):
            if row["symbol"] == "AAA":
                counted = {quantities[name]: int(str(cell)) for name, cell in row.items() if name in quantities}
                assert counted
                old = {name: cell for name, cell in row.items() if name not in quantities} | counted
                source.tables.put(table, str(ON), key, old)
    after = closed_positions(*(table_of(source, table, ON) for table in closed))
    pd.testing.assert_frame_equal(after, before)
    assert list(after["bought_qty"]) == [100, 50]
    assert list(tables_of(CachedSource(source), Table.ORDERS, [ON])["qty"]) == [100, 50]


def test_no_order_gives_no_position(source: MemorySource) -> None:
    found = closed_positions(*(table_of(source, table, ON) for table in (Table.ORDERS, Table.FILLS, Table.DECISIONS)))
    assert found.empty
    assert {"r", "held_min", "hour", "slippage_bp"} <= set(found.columns)


def test_several_days_stand_under_each_other_with_their_date(source: MemorySource) -> None:
    days = many_days(source, 3)
    found = tables_of(CachedSource(source), Table.ORDERS, days)
    assert list(found["on"]) == [str(on) for on in days for _ in range(2)]
    assert set(regimes_of(CachedSource(source), days).values()) == {"calm"}


def test_risk_is_the_ledgers_on_its_day_and_the_points_on_any_other(source: MemorySource) -> None:
    first, *_ = many_days(source, 2)
    current_ledger(source, is_drawdown_halted=True)
    now = risk_of(source, ON, table_of(source, Table.LEDGER, ON))
    assert now.is_drawdown_halted
    assert now.day_change_usd == -1000.0
    assert now.day_loss == pytest.approx(0.01)
    assert now.drawdown == pytest.approx(1 - 99 / 101)
    before = risk_of(source, first, table_of(source, Table.LEDGER, first))
    assert not before.is_drawdown_halted
    assert (before.opening_usd, before.equity_usd, before.peak_usd) == (100_000.0, 100_020.0, 100_030.0)


def test_risk_of_a_day_without_points_is_unknown_not_zero(source: MemorySource) -> None:
    risk = risk_of(source, ON, table_of(source, Table.LEDGER, ON))
    assert risk.equity_usd is risk.day_change_usd is None
    assert (risk.day_loss, risk.drawdown, risk.exposure) == (0.0, 0.0, 0.0)


def test_the_kill_switch_shows_only_while_it_is_on(source: MemorySource) -> None:
    source.tables.put(Table.CONTROLS, CONTROLS, KILL, {"is_on": True, "by": "ada", "reason": "storm"})
    assert kill_switch(source) is not None
    source.tables.put(Table.CONTROLS, CONTROLS, KILL, {"is_on": False, "by": "ada", "reason": "over"})
    assert kill_switch(source) is None


def test_a_decision_refused_by_two_gates_counts_for_both() -> None:
    decisions = pd.DataFrame({"refused_by": ["SIZE DUPLICATE", "SIZE", "", "COOLDOWN"]})
    assert refusals_of(decisions) == {"SIZE": 2, "DUPLICATE": 1, "COOLDOWN": 1}
    assert refusals_of(decisions[:0]) == {}


def test_jobs_are_counted_by_how_they_ended(source: MemorySource) -> None:
    for slot, status in (("0935", "done"), ("0940", "missed"), ("0945", "started")):
        row = {"job": "candidates", "slot": slot, "status": status, "due_at": f"{ON}T13:{slot[2:]}:00Z"}
        source.tables.put(Table.RUNS, str(ON), f"candidates|{slot}", row)
    (job,) = jobs_of(table_of(source, Table.RUNS, ON)).to_dict("records")
    assert (job["done"], job["missed"], job["running"], job["last_slot"]) == (1, 1, 1, "0945")
    assert jobs_of(table_of(source, Table.SIGNALS, ON)[:0].assign(job="", due_at="")).empty


def test_settings_in_force_are_those_of_the_latest_slice(source: MemorySource) -> None:
    assert active_settings(source, ON).slot == ""
    assert active_settings(source, ON).risk("max_positions") == 10
    for slot, most in (("0935", 9), ("1005", 3)):
        kept = f'{{"settings_id": "abc", "settings": {{"policy": {{}}, "risk": {{"max_positions": {most}}}}}}}'
        source.blobs.put(Container.FEATURES, f"{ON}/{slot}/x.json.gz", pack(kept.encode()))
    found = active_settings(source, ON)
    assert (found.slot, found.risk("max_positions"), found.settings_id) == ("1005", 3.0, "abc")


@pytest.mark.parametrize("spelled", ["0.03", '"0.03"'])
def test_a_limit_is_a_number_whether_a_slice_keeps_it_as_number_or_as_text(source: MemorySource, spelled: str) -> None:
    kept = f'{{"settings_id": "abc", "settings": {{"policy": {{}}, "risk": {{"day_loss_max_fraction": {spelled}}}}}}}'
    source.blobs.put(Container.FEATURES, f"{ON}/0935/x.json.gz", pack(kept.encode()))
    found = active_settings(source, ON)
    assert found.values["risk"]["day_loss_max_fraction"] == defaults(RiskSettings)["day_loss_max_fraction"] == 0.03
