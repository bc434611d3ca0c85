"""`python -m training import`, `align` and `universe` on files, to parquet that training reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.core.features.history import midnight_s
from shared.core.market import Timeframe
from shared.core.values import Symbol
from simulation.market.bar_rows import SymbolBars
from tests.support.bars import CALENDAR, day_starts, random_walk
from training.__main__ import main
from training.commands import all_commands
from training.data.manifest import Dates
from training.data.store import BarStore, to_parquet
from training.parquet import ParquetHistory

ON = date(2025, 12, 10)
DAYS = [day.on for day in CALENDAR.previous_days(ON, 10)]


@pytest.fixture
def no_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName"):
        monkeypatch.delenv(name, raising=False)


def five_minutes(seed: int) -> SymbolBars:
    starts = np.concatenate([day_starts(on) for on in DAYS])
    return SymbolBars.of(random_walk(np.random.default_rng(seed), starts, 20.0, 0.002))


def test_every_command_has_a_name_a_help_and_options_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"fetch", "import", "align", "universe", "fit", "publish"} <= all_commands().keys()
    for name in all_commands():
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert all_commands()[name].help in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("no_storage")
def test_imported_bars_are_aligned_into_files_that_training_reads(tmp_path: Path) -> None:
    file = tmp_path / "bars.parquet"
    parts = [
        pq.read_table(pa.BufferReader(to_parquet(name, five_minutes(k), sessions=[0] * len(five_minutes(k)))))
        for k, name in enumerate(("AAA", "BBB"))
    ]
    pq.write_table(pa.concat_tables(table.drop_columns(["session"]) for table in parts), file)
    store, out = tmp_path / "store", tmp_path / "aligned"
    assert main(["import", str(file), "--store", str(store)]) == 0
    assert main(["align", "--store", str(store), "--out", str(out)]) == 0

    tables = {frame: pq.read_table(out / f"{frame}.parquet") for frame in ("5Min", "15Min", "1Hour", "4Hour", "1Day")}
    # PRE 5.5 h, the regular session 6.5 h (one half day: 3.5 h), AFT 4 h: rows of two symbols
    assert [table.num_rows // 2 for table in tables.values()] == [
        9 * 192 + 156,
        9 * 64 + 52,
        9 * 17 + 14,
        9 * 5 + 4,
        10,
    ]
    for table in tables.values():
        assert None not in table["session"].to_pylist()
        assert set(table["missing"].to_pylist()) == {0}
        assert sum(table["after_gap"].to_pylist()) == 0
    base = tables["5Min"].to_pandas()
    hours = tables["1Hour"].to_pandas().set_index(["symbol", "ts"])
    named = base[base["last_1Hour"].notna()]
    known = hours.loc[list(zip(named["symbol"], named["last_1Hour"], strict=True)), "known_at"]
    assert (known.to_numpy() <= named["known_at"].to_numpy()).all()
    assert len(base) - len(named) == 2 * 11

    history = ParquetHistory(out / "5Min.parquet", CALENDAR)
    assert history.symbols == ("AAA", "BBB")
    assert [day.on for day in history.days] == DAYS


@pytest.mark.usefixtures("no_storage")
def test_daily_rows_are_the_stores_own_and_their_splits_reach_the_minutes(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store", CALENDAR)
    span = Dates(first=DAYS[0], last=DAYS[-1])
    store.write(Timeframe.MIN_5, Symbol("AAA"), five_minutes(1), covered=span, source="x")
    daily = random_walk(np.random.default_rng(5), np.array([midnight_s(on) for on in DAYS]), 20.0, 0.01)
    split = np.where(np.arange(10) == 3, 0.25, 1.0)
    rows = SymbolBars(bars=daily, split_next=split)
    store.write(Timeframe.DAY_1, Symbol("AAA"), rows, covered=span, source="x")
    out = tmp_path / "aligned"
    words = ["--store", str(tmp_path / "store"), "--out", str(out), "--timeframes", "1Day,5Min", "--symbols", "AAA"]
    assert main(["align", *words]) == 0
    days, minutes = (pq.read_table(out / f"{frame}.parquet").to_pandas() for frame in ("1Day", "5Min"))
    assert days["close"].tolist() == daily.close.tolist()
    assert days["split_factor"].tolist() == [1.0] * 4 + [0.25] * 6
    assert (
        minutes.groupby(minutes["ts"].dt.tz_convert("America/New_York").dt.date)["split_factor"]
        .agg(["min", "max"])
        .to_numpy()
        .tolist()
        == [[1.0, 1.0]] * 4 + [[0.25, 0.25]] * 6
    )


@pytest.mark.usefixtures("no_storage")
def test_the_universe_of_a_date_is_told_and_an_empty_store_is_no_universe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daily = random_walk(np.random.default_rng(5), np.array([midnight_s(on) for on in DAYS]), 20.0, 0.01)
    store = BarStore(tmp_path, CALENDAR)
    span = Dates(first=DAYS[0], last=DAYS[-1])
    store.write(Timeframe.DAY_1, Symbol("AAA"), SymbolBars.of(daily), covered=span, source="x")
    assert main(["universe", "--on", str(ON), "--store", str(tmp_path)]) == 0
    assert f"1 names listed on the eve of {ON}" in capsys.readouterr().err
    assert main(["align", "--store", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "no bars of 5Min" in capsys.readouterr().err


@pytest.mark.usefixtures("no_storage")
def test_the_universe_of_a_file_is_told_with_its_quarantine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = {name: [10.0, 0.0, 10.0, 11.0] for name in ("open", "high", "low", "close", "volume")}
    dates = pa.array([*DAYS[:3], ON], pa.date32())
    path = tmp_path / "daily.parquet"
    pq.write_table(pa.table({"symbol": ["AAA"] * 4, "date": dates, **prices}), path)
    assert main(["universe", "--on", str(DAYS[4]), "--data", str(path)]) == 0
    said = capsys.readouterr().err
    assert f"quarantined: 1 not-positive (first: row 2, symbol 'AAA' date {DAYS[1]})" in said
    assert f"1 names listed on the eve of {DAYS[4]}" in said
