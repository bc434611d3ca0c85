"""Import: what is good is kept, what is bad is quarantined with its reason, and the same file twice changes nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from shared.core.errors import ContractError
from shared.core.market import Timeframe
from shared.core.values import Symbol
from simulation.market.bar_checks import Reason
from simulation.market.bar_file import read_file
from tests.support.bars import CALENDAR, day_starts, random_walk
from training.data.importer import import_file
from training.data.store import BarStore

ABC = Symbol("ABC")
ON = date(2025, 10, 15)


def columns(symbol: str = "ABC", n: int = 50) -> dict[str, Any]:
    bars = random_walk(np.random.default_rng(1), day_starts(ON)[:n], 20.0, 0.002)
    return {
        "symbol": [symbol] * n,
        "ts": (bars.start_s * 1000).astype("datetime64[ms]"),
        "open": bars.open.copy(),
        "high": bars.high.copy(),
        "low": bars.low.copy(),
        "close": bars.close.copy(),
        "volume": bars.volume.copy(),
    }


def table_of(data: dict[str, Any]) -> pa.Table:
    ts = pa.array(data["ts"], pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC"))
    return pa.table({**data, "ts": ts})


def spoiled() -> dict[str, Any]:
    data = columns()
    data["close"][3] = np.nan
    data["volume"][4] = np.inf
    data["low"][5] = 0.0
    data["volume"][6] = -1.0
    data["high"][7] = data["low"][7] / 2
    data["ts"][8] += np.timedelta64(7, "s")
    data["ts"][9] = data["ts"][10]
    for name in data:
        if name != "symbol":
            data[name][20], data[name][21] = data[name][21], data[name][20]
    return data


def test_every_bad_row_goes_to_quarantine_with_its_reason_and_the_others_are_kept_in_order(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    pq.write_table(table_of(spoiled()), path)
    store = BarStore(tmp_path / "store", CALENDAR)
    found = import_file(path, store)
    assert found.file.timeframe is Timeframe.MIN_5
    assert found.file.checked.counts == {
        Reason.NOT_FINITE: 2,
        Reason.NOT_POSITIVE: 1,
        Reason.NEGATIVE_VOLUME: 1,
        Reason.INCONSISTENT: 1,
        Reason.OFF_GRID: 1,
        Reason.DUPLICATE: 1,
    }
    assert found.file.checked.out_of_order == 1
    kept = store.read(Timeframe.MIN_5, ABC).bars
    assert len(kept) == found.file.checked.order.size == 43
    assert np.all(np.diff(kept.start_s) > 0)
    assert found.quarantine is not None
    bad = pq.read_table(found.quarantine)
    assert bad.num_rows == 7
    assert bad["reason"].to_pylist()[:3] == ["not-finite", "not-finite", "not-positive"]
    assert bad.column_names == [*columns(), "row", "reason"]
    assert bad["row"].to_pylist()[:3] == [4, 5, 6]
    assert found.manifests[ABC].quarantined == 7


def test_importing_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    pq.write_table(table_of(spoiled()), path)
    store = BarStore(tmp_path / "store", CALENDAR)
    import_file(path, store)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "store" / "bars").rglob("*.*")}
    import_file(path, store)
    after = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "store" / "bars").rglob("*.*")}
    assert before == after


def test_a_csv_file_reads_as_its_parquet(tmp_path: Path) -> None:
    table = table_of(columns())
    pq.write_table(table, tmp_path / "bars.parquet")
    pc.write_csv(table, tmp_path / "bars.csv")
    one, other = (read_file(tmp_path / name).by_symbol()[ABC].bars for name in ("bars.parquet", "bars.csv"))
    assert np.array_equal(one.start_s, other.start_s)
    assert one.close == pytest.approx(other.close)


def test_daily_files_with_dates_keep_their_splits_and_start_at_midnight_in_new_york(tmp_path: Path) -> None:
    data = {
        "symbol": ["ABC", "ABC", "XYZ"],
        "date": [date(2025, 3, 7), date(2025, 3, 10), date(2025, 3, 10)],  # clocks went forward between
        **{name: [10.0, 5.0, 7.0] for name in ("open", "high", "low", "close")},
        "volume": [1, 2, 3],
        "split_next": [0.5, 1.0, 1.0],
    }
    pq.write_table(pa.table(data), tmp_path / "daily.parquet")
    store = BarStore(tmp_path / "store", CALENDAR)
    found = import_file(tmp_path / "daily.parquet", store)
    rows = store.read(Timeframe.DAY_1, ABC)
    assert found.file.timeframe is Timeframe.DAY_1
    assert np.diff(rows.bars.start_s).tolist() == [3 * 86_400 - 3600]
    assert rows.split_next.tolist() == [0.5, 1.0]
    assert list(found.manifests[ABC].parts) == ["2025"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("close"), "columns \\['close'\\] are missing"),
        (lambda d: d.pop("ts"), "neither a column ts nor a column date"),
        (lambda d: d.update(symbol=["a b"] * 50), "none of its 50 rows has both a symbol"),
        (lambda d: d.update(symbol=[None] * 50), "none of its 50 rows has both a symbol"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_name(tmp_path: Path, change: Any, message: str) -> None:
    table = table_of(columns())
    data = {name: table[name] for name in table.column_names}
    change(data)
    pq.write_table(pa.table(data), tmp_path / "bars.parquet")
    with pytest.raises(ContractError, match=message):
        read_file(tmp_path / "bars.parquet")


def test_one_bar_of_each_symbol_does_not_say_how_long_bars_are(tmp_path: Path) -> None:
    pq.write_table(table_of(columns(n=1)), tmp_path / "bars.parquet")
    with pytest.raises(ContractError, match="name the timeframe"):
        read_file(tmp_path / "bars.parquet")
    assert read_file(tmp_path / "bars.parquet", Timeframe.MIN_5).checked.order.size == 1
