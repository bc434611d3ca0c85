"""Files of errors: one in a thousand cells broken at random, and real files as they are.

What is proven: exactly the rows with a broken cell are quarantined, each for its reason; and what `train` learns from
is, bit for bit, what it would learn from the sound file without those rows. Where a part of the symbols has no broken
row, all their rows are those of the sound file itself.

The real file is cut to its last sessions, since features of all take minutes; GATEHOUSE_WHOLE=1 takes it whole.
"""

from __future__ import annotations

import os
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from shared.core.features.history import midnight_s
from shared.core.values import Symbol
from simulation.market.bar_checks import Reason
from simulation.market.bar_file import read_traded
from tests.support.backtest import write_market
from tests.support.bars import CALENDAR, data_file
from tests.support.spoil import Spoiled, spoil
from training.__main__ import main
from training.context import context_of
from training.dataset import Dataset, SamplingRule
from training.parquet import ParquetHistory
from training.pipeline import TrainingRule, dataset_of

US101 = "intraday/us101_5min_2025.parquet"
US_DAILY = "daily/us_daily_2015_2017_unadjusted.parquet"
SESSIONS, SYMBOLS = 32, 12


def learned(path: Path, market: tuple[Symbol, ...] = ()) -> Dataset:
    """What `train --data` builds of a file before it fits."""
    source = ParquetHistory(path, CALENDAR)
    on = source.days[-1].on + timedelta(days=1)
    rule = TrainingRule(market_symbols=market or context_of(source, before=on), sampling=SamplingRule())
    return dataset_of(source, rule, seed=7, on=on, progress=lambda what, done: None)


def differences(one: Dataset, other: Dataset) -> list[str]:
    names = [f.name for f in fields(Dataset)]
    equal = {
        name: np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name in {"features", "move"})
        for name in names
        if name not in {"dates", "symbols"}
    }
    equal |= {name: getattr(one, name) == getattr(other, name) for name in ("dates", "symbols")}
    return [name for name, same in equal.items() if not same]


def without(table: pa.Table, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    return table.filter(pa.array(~np.isin(np.arange(table.num_rows), rows)))


def imported(path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says."""
    code = main(["import", str(path), "--store", str(store)])
    said = capsys.readouterr().err
    assert code == 0, said
    assert "Traceback" not in said
    return said


def counts(said: str) -> dict[str, int]:
    line = next(line for line in said.splitlines() if line.startswith("quarantined: "))
    return {reason: int(n.replace(",", "")) for n, reason in re.findall(r"([\d,]+) ([a-z-]+) \(first: row", line)}


def prove(
    table: pa.Table,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    seed: int = 1,
    of: NDArray[np.bool_] | None = None,
) -> tuple[Spoiled, Dataset]:
    """Break a file, in rows of a mask; import it, and build what is learned from it."""
    made = spoil(table, np.random.default_rng(seed), of=of)
    sound, broken = folder / "sound.parquet", folder / "broken.parquet"
    pq.write_table(without(table, made.rows), sound)
    pq.write_table(made.table, broken)
    file = read_traded(broken, CALENDAR)
    assert np.array_equal(file.checked.bad, made.rows)
    assert file.checked.counts == made.reasons
    said = counts(imported(broken, folder / "store", capsys))
    # The store keeps bars of the night: only whoever trades leaves them out.
    assert said == {reason.value: n for reason, n in made.reasons.items() if reason is not Reason.CLOSED}
    rows = learned(broken)
    assert differences(learned(sound), rows) == []
    assert len(rows) > 0
    return made, rows


@pytest.fixture(autouse=True)
def no_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName"):
        monkeypatch.delenv(name, raising=False)


def test_a_broken_file_teaches_what_the_sound_one_without_its_broken_rows_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = prove(pq.read_table(write_market(tmp_path / "market.parquet")), tmp_path, capsys)
    assert len(made.reasons) >= 8
    assert made.rows.size > 60


def test_a_broken_file_of_bars_as_traded_keeps_the_splits_that_it_tells_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(write_market(tmp_path / "market.parquet"))
    starts, symbols = np.array(table["ts"].cast(pa.timestamp("s", "UTC")).cast(pa.int64())), table["symbol"].to_pylist()
    is_baked = np.array(symbols) == "BAKE"
    split_on = ParquetHistory(tmp_path / "market.parquet", CALENDAR).days[-10].on
    early = is_baked & (starts < midnight_s(split_on))
    for name in ("open", "high", "low", "close"):
        prices = np.where(early, 4 * table[name].to_numpy(), table[name].to_numpy())
        table = table.set_column(table.column_names.index(name), name, pa.array(prices))
    last = np.flatnonzero(early)[np.argmax(starts[early])]
    is_last = np.arange(table.num_rows) == last
    table = table.append_column("split_next", pa.array(np.where(is_last, 0.25, 1.0)))
    prove(table, tmp_path, capsys, of=~is_last)
    for name in ("sound", "broken"):
        history = ParquetHistory(tmp_path / f"{name}.parquet", CALENDAR)
        assert history.splits(Symbol("BAKE")).factor.tolist() == [0.25]
    # The row itself broken: its prices are gone, the split is not.
    lost = table.set_column(
        table.column_names.index("close"), "close", pa.array(np.where(is_last, np.nan, table["close"]))
    )
    pq.write_table(lost, tmp_path / "lost.parquet")
    found, whole = (ParquetHistory(tmp_path / f"{name}.parquet", CALENDAR) for name in ("lost", "sound"))
    assert found.splits(Symbol("BAKE")).from_s.tolist() == whole.splits(Symbol("BAKE")).from_s.tolist()


def test_what_a_broken_row_does_not_touch_is_learned_as_from_the_sound_file(tmp_path: Path) -> None:
    path = write_market(tmp_path / "market.parquet")
    table = pq.read_table(path)
    is_baked = np.array(table["symbol"].to_pylist()) == "BAKE"
    made = spoil(table, np.random.default_rng(2), share=0.01, of=is_baked)
    pq.write_table(made.table, tmp_path / "broken.parquet")
    market = (Symbol("SPY"), Symbol("QQQ"), Symbol("ABLE"))
    one, other = (learned(file, market) for file in (path, tmp_path / "broken.parquet"))
    place = one.symbols.index(Symbol("BAKE"))
    assert differences(one.only(one.symbol != place), other.only(other.symbol != place)) == []
    assert np.count_nonzero(one.symbol == place) > np.count_nonzero(other.symbol == place) > 0


def test_a_broken_csv_file_is_imported_with_its_words_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(write_market(tmp_path / "market.parquet"))
    words = table.select(["symbol"])
    for name in table.column_names[1:]:
        words = words.append_column(name, table[name].cast(pa.string()))
    made = spoil(words, np.random.default_rng(3))
    pc.write_csv(made.table, tmp_path / "broken.csv")
    pq.write_table(without(table, made.rows), tmp_path / "sound.parquet")
    said = imported(tmp_path / "broken.csv", tmp_path / "store", capsys)
    assert counts(said) == {reason.value: n for reason, n in made.reasons.items()}
    assert re.search(r"not-a-number \(first: row \d+, \w+ '(abc|1,234)'\)", said)
    assert differences(learned(tmp_path / "sound.parquet"), learned(tmp_path / "broken.csv")) == []


def test_the_real_file_with_broken_cells_and_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data_file(US101)
    if path is None:
        pytest.skip(f"{US101} is not in the data folder (setting GATEHOUSE_DATA)")
    table = pq.read_table(path)
    if not os.environ.get("GATEHOUSE_WHOLE"):
        symbols = sorted(set(table["symbol"].to_pylist()) - {"SPY", "QQQ"})[: SYMBOLS - 2]
        kept = pa.compute.is_in(table["symbol"].cast(pa.string()), pa.array(["SPY", "QQQ", *symbols]))
        table = table.filter(kept)
        first = CALENDAR.previous_days(table["ts"][-1].as_py().date(), SESSIONS)[0].open_at
        table = table.filter(pa.compute.greater_equal(table["ts"], pa.scalar(first, table["ts"].type)))
    pq.write_table(table, tmp_path / "as_it_is.parquet")
    said = imported(tmp_path / "as_it_is.parquet", tmp_path / "store_as_it_is", capsys)
    assert "quarantined" not in said
    made, _ = prove(table, tmp_path, capsys)
    assert len(made.reasons) >= 8


def test_the_real_daily_file_is_imported_as_it_is_with_its_eleven_bad_rows_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data_file(US_DAILY)
    if path is None:
        pytest.skip(f"{US_DAILY} is not in the data folder (setting GATEHOUSE_DATA)")
    table = pq.read_table(path)
    few = pa.compute.is_in(table["symbol"].cast(pa.string()), pa.array(["CUI", "AAPL", "MSFT"]))
    pq.write_table(table.filter(few), tmp_path / "daily.parquet")
    said = imported(tmp_path / "daily.parquet", tmp_path / "store", capsys)
    assert 1 <= counts(said)["not-positive"] <= 11
