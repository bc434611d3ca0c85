"""The one door for files of bars: what a row has wrong is quarantined and told, what a column has wrong is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from shared.core.errors import ContractError, SettingsError
from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.splits import in_terms_of
from shared.core.values import Symbol, from_epoch
from simulation.market.bar_checks import Reason
from simulation.market.bar_file import TRADED, BarFile, read_file, read_traded
from simulation.market.recorded import RecordedTape
from tests.support.bars import CALENDAR, data_file, day_starts, random_walk
from training.data.importer import import_file
from training.data.store import BarStore
from training.data.universe import DailyHistory
from training.parquet import ParquetHistory
from training.registry.stored import StoreHistory

ON = date(2025, 10, 15)
DAYS = [*(day.on for day in CALENDAR.previous_days(ON, 12)), ON]
ABC, XYZ = Symbol("ABC"), Symbol("XYZ")
NAMES = ("open", "high", "low", "close", "volume")
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


def market(days: Sequence[date] = (ON,), symbols: Sequence[str] = ("ABC", "XYZ"), step: int = 300) -> pa.Table:
    starts = np.concatenate([midnight_s(on) + np.arange(34_200, 57_600, step) for on in days])
    parts: dict[str, list[Any]] = {name: [] for name in ("symbol", "ts", *NAMES)}
    for k, symbol in enumerate(symbols):
        bars = random_walk(np.random.default_rng(k), starts, 20.0, 0.001)
        parts["symbol"] += [symbol] * len(bars)
        parts["ts"] += [from_epoch(int(s)) for s in starts]
        for name in NAMES:
            parts[name] += np.round(getattr(bars, name), 4).tolist()
    times = pa.array(parts.pop("ts"), pa.timestamp("ms", tz="UTC"))
    table = pa.table(parts)
    return table.add_column(1, "ts", times)


def daily(stamps: Sequence[object], kind: pa.DataType, name: str = "ts", symbol: str = "ABC") -> pa.Table:
    prices = np.linspace(10, 11, len(stamps))
    columns: dict[str, Any] = {"symbol": [symbol] * len(stamps), name: pa.array(stamps, kind)}
    return pa.table(columns | dict.fromkeys(NAMES, prices))


def put(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".csv":
        pc.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def column(table: pa.Table, name: str, values: object) -> pa.Table:
    values = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return table.set_column(table.column_names.index(name), name, values)


def texts(table: pa.Table) -> pa.Table:
    """Every column as text, as CSV has it."""
    for name in table.column_names:
        table = column(table, name, table[name].cast(pa.string()))
    return table


def with_cells(table: pa.Table, name: str, **cells: object) -> pa.Table:
    """Some cells (`r3` is the fourth row's) replaced."""
    values = table[name].to_pylist()
    for row, value in cells.items():
        values[int(row[1:])] = value
    return column(table, name, pa.array(values, table[name].type))


# --- daily bars: the date that a stamp means --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_daily_bar_stamped_at_midnight_utc_is_of_that_date(tmp_path: Path, suffix: str) -> None:
    dates = [date(2025, 2, 13), date(2025, 2, 14), date(2025, 7, 7), date(2025, 7, 8)]
    stamps = [datetime(on.year, on.month, on.day, tzinfo=UTC) for on in dates]
    path = put(tmp_path / f"daily.{suffix}", daily(stamps, pa.timestamp("us", tz="UTC")))
    store = BarStore(tmp_path / "store", CALENDAR)
    import_file(path, store, timeframe=Timeframe.DAY_1)
    assert store.read(Timeframe.DAY_1, ABC).bars.start_s.tolist() == [midnight_s(on) for on in dates]
    members = DailyHistory(read_file(path, Timeframe.DAY_1).by_symbol()).universe(date(2025, 2, 14))
    assert members[0].previous_close == pytest.approx(10.0)  # the close of the 13th; that of the 14th is to come


def test_the_replays_daily_history_knows_no_close_of_the_day_itself(tmp_path: Path) -> None:
    dates = [date(2025, 10, 13), date(2025, 10, 14), ON]
    stamps = [datetime(on.year, on.month, on.day, tzinfo=UTC) for on in dates]
    history = put(tmp_path / "daily.parquet", daily(stamps, pa.timestamp("s", tz="UTC")))
    tape = RecordedTape.from_parquet(put(tmp_path / "bars.parquet", market()), ON, daily=history)
    known = tape.bars("ABC", Timeframe.DAY_1, *ALWAYS)
    assert known.start_s.tolist() == [midnight_s(on) for on in dates]
    assert known.close[:2].tolist() == pytest.approx([10.0, 10.5])
    assert known.close[2] > 15  # the day's own, of its minutes


def test_midnight_in_new_york_stays_its_date_in_winter_and_summer_and_other_stamps_are_off_grid(tmp_path: Path) -> None:
    right = [datetime(2025, 2, 13, 5, tzinfo=UTC), datetime(2025, 7, 8, 4, tzinfo=UTC)]
    wrong = [datetime(2025, 7, 9, 5, tzinfo=UTC), datetime(2025, 7, 10, 20, tzinfo=UTC)]
    path = put(tmp_path / "daily.parquet", daily([*right, *wrong], pa.timestamp("ms", tz="UTC")))
    file = read_file(path, Timeframe.DAY_1)
    assert file.checked.counts == {Reason.OFF_GRID: 2}
    starts = [int(at.timestamp()) for at in right]
    assert file.by_symbol()[ABC].bars.start_s.tolist() == starts


def test_one_date_in_both_spellings_is_a_duplicate(tmp_path: Path) -> None:
    stamps = [datetime(2025, 7, 8, tzinfo=UTC), datetime(2025, 7, 8, 4, tzinfo=UTC), datetime(2025, 7, 9, tzinfo=UTC)]
    file = read_file(put(tmp_path / "daily.parquet", daily(stamps, pa.timestamp("ms", tz="UTC"))), Timeframe.DAY_1)
    assert file.checked.counts == {Reason.DUPLICATE: 1}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("ts", [date(2025, 2, 13), date(2025, 2, 14)], pa.date32()),
        ("date", [date(2025, 2, 13), date(2025, 2, 14)], pa.date64()),
        ("ts", ["2025-02-13", "2025-02-14"], pa.string()),
        ("date", ["2025-02-13", "2025-02-14"], pa.large_string()),
        ("date", [k * 86_400 * 10**9 for k in (20_132, 20_133)], pa.timestamp("ns")),
    ],
)
def test_dates_are_dates_whatever_their_column_is_called_and_made_of(
    tmp_path: Path, name: str, values: list[object], kind: pa.DataType
) -> None:
    file = read_file(put(tmp_path / "daily.parquet", daily(values, kind, name)))
    assert file.timeframe is Timeframe.DAY_1
    expected = [midnight_s(date(2025, 2, 13)), midnight_s(date(2025, 2, 14))]
    assert file.by_symbol()[ABC].bars.start_s.tolist() == expected


def test_dates_that_are_null_are_quarantined(tmp_path: Path) -> None:
    for kind, last in ((pa.date32(), date(2025, 2, 17)), (pa.string(), "2025-02-17")):
        path = put(tmp_path / "daily.parquet", daily([last, None], kind, "date"))
        assert read_file(path).checked.counts == {Reason.NO_TIME: 1}


def test_a_file_with_date_and_intraday_ts_is_intraday(tmp_path: Path) -> None:
    table = market().append_column("date", pa.array([ON] * market().num_rows, pa.date32()))
    for name in ("bars.parquet", "bars.csv"):
        file = read_file(put(tmp_path / name, table))
        assert (file.timeframe, file.checked.order.size, file.checked.bad.size) == (Timeframe.MIN_5, 156, 0)
    with pytest.raises(ContractError, match="bars are 5 minutes apart, and no bars of 1Day"):
        read_file(tmp_path / "bars.parquet", Timeframe.DAY_1)


def test_a_file_with_date_and_daily_ts_is_daily_by_its_dates(tmp_path: Path) -> None:
    closes = [datetime(2025, 7, day, 20, tzinfo=UTC) for day in (8, 9, 10)]
    table = daily(closes, pa.timestamp("ms", tz="UTC"))
    table = table.append_column("date", pa.array([at.date() for at in closes], pa.date32()))
    file = read_file(put(tmp_path / "daily.parquet", table))
    assert (file.timeframe, file.checked.bad.size) == (Timeframe.DAY_1, 0)
    assert file.rows.start_s[0] == midnight_s(date(2025, 7, 8))


# --- length -----------------------------------------------------------------------------------------------------------


def every_door(path: Path) -> list[Callable[[], object]]:
    return [
        lambda: ParquetHistory(path, CALENDAR),
        lambda: RecordedTape.from_parquet(path, ON),
        lambda: read_traded(path, CALENDAR),
    ]


@pytest.mark.parametrize(
    ("step", "said"), [(900, "15 minutes"), (1800, "30 minutes"), (3600, "1 hour"), (600, "10 mi")]
)
def test_longer_bars_are_refused_by_their_length(tmp_path: Path, step: int, said: str) -> None:
    path = put(tmp_path / "bars.parquet", market(DAYS, step=step))
    for door in every_door(path):
        with pytest.raises(ContractError, match=rf"bars\.parquet: its bars are {said}.*must be 1Min or 5Min"):
            door()


def test_a_symbol_of_longer_bars_among_those_of_five_minutes_is_refused_by_name(tmp_path: Path) -> None:
    table = pa.concat_tables([market(DAYS), market(DAYS, symbols=("SPY",), step=900)])
    path = put(tmp_path / "bars.parquet", table)
    for door in every_door(path):
        with pytest.raises(ContractError, match="bars of SPY are 15 minutes apart among bars of 5Min"):
            door()


def test_a_thinly_traded_symbol_is_not_taken_for_one_of_longer_bars(tmp_path: Path) -> None:
    table = market(DAYS)
    thin = np.random.default_rng(3).random(table.num_rows) < 0.2
    kept = thin | (np.array(table["symbol"].to_pylist()) == "ABC")
    file = read_traded(put(tmp_path / "bars.parquet", table.filter(pa.array(kept))), CALENDAR)
    assert file.checked.order.size == kept.sum()


def test_weekly_bars_are_no_daily_ones(tmp_path: Path) -> None:
    weeks = [date(2025, 1, 6) + timedelta(weeks=k) for k in range(30)]
    with pytest.raises(ContractError, match="bars are 7 days apart, and no daily ones"):
        read_file(put(tmp_path / "daily.parquet", daily(weeks, pa.date32(), "date")), Timeframe.DAY_1)


def test_a_few_odd_stamps_of_a_recorder_are_quarantined_and_told_at_every_door(tmp_path: Path) -> None:
    odd = [datetime(2025, 10, 15, 18, 38, 19, tzinfo=UTC), datetime(2025, 10, 15, 18, 38, 30, tzinfo=UTC)]
    table = with_cells(market(DAYS), "ts", r3=odd[0], r900=odd[1])
    table = with_cells(table, "ts", r5=table["ts"][5].as_py() + timedelta(milliseconds=250))
    path = put(tmp_path / "bars.parquet", table)
    history, tape = ParquetHistory(path, CALENDAR), RecordedTape.from_parquet(path, ON)
    for told in (history.told, tape.told):
        assert "quarantined: 3 off-grid (first: row 4, symbol 'ABC' ts 2025-10-15T18:38:19" in told[1]
    assert tape.quarantined == 3


def test_a_file_whose_bars_mostly_lie_off_the_grid_is_refused(tmp_path: Path) -> None:
    table = market(DAYS)
    late = pa.array([at + timedelta(seconds=7) for at in table["ts"].to_pylist()], table["ts"].type)
    with pytest.raises(ContractError, match=r"2,028 of 2,028 bars of 5Min do not start on their own grid"):
        read_file(put(tmp_path / "bars.parquet", column(table, "ts", late)))


# --- columns ----------------------------------------------------------------------------------------------------------


def naive(table: pa.Table) -> pa.Table:
    return column(table, "ts", table["ts"].cast(pa.timestamp("ms")))


REFUSED: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "naive times": (naive, "column ts has no time zone"),
    "naive times as text": (lambda t: column(t, "ts", naive(t)["ts"].cast(pa.string())), "column ts has no time zone"),
    "epoch seconds": (lambda t: column(t, "ts", t["ts"].cast(pa.int64())), "column ts holds int64, not times"),
    "epoch seconds as text": (
        lambda t: column(t, "ts", t["ts"].cast(pa.int64()).cast(pa.string())),
        "no text in column ts is a time",
    ),
    "no times at all": (lambda t: column(t, "ts", pa.nulls(t.num_rows)), "column ts is empty"),
    "only null times": (lambda t: column(t, "ts", pa.nulls(t.num_rows, t["ts"].type)), "has both a symbol and a start"),
    "numbers for symbols": (lambda t: column(t, "symbol", list(range(t.num_rows))), "symbol holds int64, not text"),
    "truth for a price": (lambda t: column(t, "low", [True] * t.num_rows), "column low holds bool, not numbers"),
    "a column twice": (lambda t: t.append_column("close", t["open"]), r"columns \['close'\] are there more than once"),
    "a header only": (lambda t: t.slice(0, 0), "has a header and no rows"),
    "text for every price": (
        lambda t: column(t, "open", ["cheap"] * t.num_rows),
        "none of its rows can be used; quarantined: 156 not-a-number .first: row 1, open 'cheap'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_column_that_is_wrong_as_a_whole_refuses_the_file_in_a_sentence(tmp_path: Path, what: str) -> None:
    spoil, sentence = REFUSED[what]
    path = put(tmp_path / "bars.parquet", spoil(market()))
    for read in (read_file, lambda file: read_traded(file, CALENDAR), lambda file: ParquetHistory(file, CALENDAR)):
        with pytest.raises(ContractError, match=f"bars.parquet.*{sentence}"):
            read(path)


@pytest.mark.parametrize("what", ["naive times", "epoch seconds", "a header only", "text for every price"])
def test_a_csv_file_is_refused_with_the_same_sentence(tmp_path: Path, what: str) -> None:
    spoil, sentence = REFUSED[what]
    sentence = "no text in column ts is a time" if what == "epoch seconds" else sentence
    with pytest.raises(ContractError, match=f"bars.csv.*{sentence}"):
        read_file(put(tmp_path / "bars.csv", spoil(market())))


@pytest.mark.parametrize("content", ["", "symbol", "symbol,ts\nABC", "\x00\xff\xfe"])
def test_what_is_no_table_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ContractError, match=r"bars\.csv"):
        read_file(path)
    with pytest.raises(SettingsError, match="no file of bars at"):
        read_file(tmp_path)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_text_of_whatever_kind_reads_alike(tmp_path: Path, kind: pa.DataType) -> None:
    plain, words = market(), texts(market())
    for name in ("symbol", "ts", "close"):
        values = pa.array(words[name].to_pylist(), pa.string() if pa.types.is_dictionary(kind) else kind)
        words = column(words, name, values.dictionary_encode() if pa.types.is_dictionary(kind) else values)
    one, other = (read_traded(put(tmp_path / f"{k}.parquet", t), CALENDAR) for k, t in enumerate((plain, words)))
    same_bars(one, other)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_whatever_unit_and_zone_read_alike(tmp_path: Path, unit: str) -> None:
    plain = market()
    table = column(plain, "ts", plain["ts"].cast(pa.timestamp(unit, tz="America/New_York")))
    coded = column(table, "ts", table["ts"].combine_chunks().dictionary_encode())
    for k, other in enumerate((table, coded)):
        one = read_file(put(tmp_path / "plain.parquet", plain))
        same_bars(one, read_file(put(tmp_path / f"{k}.parquet", other)))


def same_bars(one: BarFile, other: BarFile) -> None:
    assert one.checked.bad.size == other.checked.bad.size == 0
    for symbol, rows in one.by_symbol().items():
        again = other.by_symbol()[symbol]
        assert np.array_equal(rows.bars.start_s, again.bars.start_s)
        for name in NAMES:
            assert np.array_equal(getattr(rows.bars, name), getattr(again.bars, name))


# --- rows -------------------------------------------------------------------------------------------------------------


def test_tickers_that_look_like_something_else_stay_tickers(tmp_path: Path) -> None:
    for symbol in ("NA", "TRUE", "NAN", "INF", "NULL", "NONE", "ON", "1"):
        file = read_file(put(tmp_path / "bars.csv", market(symbols=(symbol,))))
        assert list(file.by_symbol()) == [symbol]
        assert file.checked.bad.size == 0


def test_what_is_no_symbol_is_quarantined_and_leaves_the_folder_alone(tmp_path: Path) -> None:
    wrong = {
        "r0": "..",
        "r1": ".",
        "r2": "../ABC",
        "r3": "",
        "r4": None,
        "r5": "abc",
        "r6": "A_B",
        "r7": "/",
        "r8": "-A",
    }
    (tmp_path / "in").mkdir()
    path = put(tmp_path / "in" / "bars.parquet", with_cells(market(), "symbol", **wrong))
    store = BarStore(tmp_path / "store", CALENDAR)
    found = import_file(path, store)
    assert found.file.checked.counts == {Reason.NO_SYMBOL: 9}
    assert store.symbols(Timeframe.MIN_5) == ["ABC", "XYZ"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in", "store"]
    assert sorted(each.name for each in (tmp_path / "store" / "bars").iterdir()) == ["5Min"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_text_among_numbers_is_quarantined_and_told_with_its_row(tmp_path: Path, suffix: str) -> None:
    table = with_cells(texts(market()), "close", r16="abc", r17="1,234", r18="$20")
    table = with_cells(table, "volume", r30="n/a", r31="", r32="1e3", r33=" 7 ")
    file = read_file(put(tmp_path / f"bars.{suffix}", table))
    assert file.checked.counts == {Reason.NOT_A_NUMBER: 3, Reason.NOT_FINITE: 2}
    assert "3 not-a-number (first: row 17, close 'abc')" in file.told()[1]


def test_times_that_are_missing_or_none_are_quarantined(tmp_path: Path) -> None:
    stamps = {"r1": None, "r2": datetime(1850, 1, 1, tzinfo=UTC), "r3": datetime(2900, 1, 1, tzinfo=UTC)}
    assert read_file(put(tmp_path / "a.parquet", with_cells(market(), "ts", **stamps))).checked.counts == {
        Reason.NO_TIME: 3
    }
    words = {"r1": None, "r2": "yesterday", "r3": "2025-10-15 10:00:00", "r4": "1760535000", "r5": "2025-13-40T00:00Z"}
    words |= {"r6": "1850-01-01T15:00:00Z", "r7": "2900-01-01T15:00:00Z"}
    table = with_cells(texts(market()), "ts", **words)
    for name in ("b.parquet", "b.csv"):
        assert read_file(put(tmp_path / name, table)).checked.counts == {Reason.NO_TIME: 7}


def test_no_row_that_cannot_be_a_bar_reaches_what_is_learned_from(tmp_path: Path) -> None:
    table = market(DAYS)
    spoiled = with_cells(table, "low", r3=-5.0, r4=0.0)
    spoiled = with_cells(spoiled, "close", r2000=float("nan"), r2001=None)
    spoiled = with_cells(spoiled, "volume", r7=-1.0, r8=float("inf"))
    spoiled = with_cells(spoiled, "ts", r9=table["ts"][2].as_py(), r10=datetime(2025, 10, 12, 15, tzinfo=UTC))
    gone = [3, 4, 7, 8, 9, 10, 2000, 2001]
    clean = table.filter(pa.array(~np.isin(np.arange(table.num_rows), gone)))
    one = ParquetHistory(put(tmp_path / "clean.parquet", clean), CALENDAR)
    other = ParquetHistory(put(tmp_path / "spoiled.parquet", spoiled), CALENDAR)
    assert other.days == one.days
    for symbol in (ABC, XYZ):
        for frame in (Timeframe.MIN_5, Timeframe.DAY_1):
            a, b = (history.bars(symbol, frame, *ALWAYS) for history in (one, other))
            assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("start_s", *NAMES))
    reasons = ("3 not-finite", "2 not-positive", "1 negative-volume", "1 duplicate", "1 closed")
    assert all(reason in other.told[1] for reason in reasons)


# --- splits -----------------------------------------------------------------------------------------------------------


def split(table: pa.Table, on: date, ratio: float, symbol: str = "ABC") -> pa.Table:
    """The same market before a split of `1 / ratio` for one: prices before `on` as they were traded."""
    starts = np.array([at.timestamp() for at in table["ts"].to_pylist()])
    early = (starts < midnight_s(on)) & (np.array(table["symbol"].to_pylist()) == symbol)
    for name in NAMES:
        factor = ratio if name == "volume" else 1 / ratio
        table = column(table, name, np.where(early, table[name].to_numpy() * factor, table[name].to_numpy()))
    return table


@pytest.mark.parametrize("ratio", [1 / 2, 1 / 3, 1 / 4, 1 / 9, 1 / 10, 2, 8, 20, 35])
def test_a_split_that_the_file_does_not_tell_of_leaves_the_rows_after_it(tmp_path: Path, ratio: float) -> None:
    on = DAYS[8]
    path = put(tmp_path / "bars.parquet", split(market(DAYS), on, ratio))
    history, tape = ParquetHistory(path, CALENDAR), RecordedTape.from_parquet(path, ON)
    for source in (history, tape):
        assert source.told[1].startswith("quarantined: 624 unknown-split (first: row 1")
        assert f"ABC opens at {ratio:.4g} times its price on {on}" in source.told[2]
        assert source.bars(ABC, Timeframe.DAY_1, *ALWAYS).start_s[0] == midnight_s(on)
        assert len(source.bars(XYZ, Timeframe.DAY_1, *ALWAYS)) == len(DAYS)


def test_import_keeps_raw_bars_and_says_what_it_takes_for_a_split(tmp_path: Path) -> None:
    path = put(tmp_path / "bars.parquet", split(market(DAYS), DAYS[8], 0.25))
    found = import_file(path, BarStore(tmp_path / "store", CALENDAR)).file
    assert found.checked.bad.size == 0
    assert "as after a split that nothing tells of" in found.told()[1]


def test_imported_raw_bars_are_learned_from_since_the_split_that_no_daily_bar_tells_of(tmp_path: Path) -> None:
    store, on = BarStore(tmp_path / "store", CALENDAR), DAYS[8]
    import_file(put(tmp_path / "bars.parquet", split(market(DAYS), on, 0.25)), store)
    silent = StoreHistory(store, CALENDAR)
    assert silent.told[0].startswith(f"ABC opens at 0.25 times its price on {on}")
    assert [len(silent.bars(name, Timeframe.MIN_5, *ALWAYS)) for name in (ABC, XYZ)] == [5 * 78, 13 * 78]
    told = daily(DAYS[7:9], pa.date32(), "date").append_column("split_next", pa.array([0.25, 1.0]))
    import_file(put(tmp_path / "daily.parquet", told), store)
    known = StoreHistory(store, CALENDAR)
    assert known.told == ()
    assert len(known.bars(ABC, Timeframe.MIN_5, *ALWAYS)) == 13 * 78


@pytest.mark.parametrize("name", ["split_next", "split_factor"])
def test_a_split_that_the_file_tells_of_is_taken_in(tmp_path: Path, name: str) -> None:
    adjusted, on = market(DAYS), DAYS[8]
    raw = split(adjusted, on, 0.25)
    early = np.array([at.timestamp() for at in raw["ts"].to_pylist()]) < midnight_s(on)
    is_abc = np.array(raw["symbol"].to_pylist()) == "ABC"
    last = early & is_abc & ~np.roll(early, -1)
    told = np.where(last, 0.25, 1.0) if name == "split_next" else np.where(~early & is_abc, 0.25, 1.0)
    path = put(tmp_path / "raw.parquet", raw.append_column(name, pa.array(told)))
    one = ParquetHistory(put(tmp_path / "adjusted.parquet", adjusted), CALENDAR)
    other, tape = ParquetHistory(path, CALENDAR), RecordedTape.from_parquet(path, ON)
    for source, splits in ((other, other.splits(ABC)), (tape, tape.splits[ABC])):
        assert (splits.from_s.tolist(), splits.factor.tolist()) == ([midnight_s(DAYS[7] + timedelta(days=1))], [0.25])
        a, traded = (each.bars(ABC, Timeframe.MIN_5, *ALWAYS) for each in (one, source))
        assert traded.close[0] == pytest.approx(4 * a.close[0])
        b = in_terms_of(traded, splits, midnight_s(ON))
        assert np.array_equal(a.start_s, b.start_s)
        assert b.close == pytest.approx(a.close)
        assert b.volume == pytest.approx(a.volume)
    assert len(other.splits(XYZ)) == len(one.splits(ABC)) == 0
    assert list(tape.splits) == ["ABC"]


def test_a_split_that_only_the_daily_bars_beside_tell_of_is_no_unknown_one(tmp_path: Path) -> None:
    raw = put(tmp_path / "raw.parquet", split(market(DAYS), DAYS[8], 0.25))
    table = daily(DAYS[7:9], pa.date32(), "date").append_column("split_next", pa.array([0.25, 1.0]))
    tape = RecordedTape.from_parquet(raw, ON, daily=put(tmp_path / "daily.parquet", table))
    assert tape.quarantined == 0
    assert not [line for line in tape.told if "split" in line]
    assert tape.splits["ABC"].factor.tolist() == [0.25]
    assert len(tape.bars(ABC, Timeframe.MIN_5, *ALWAYS)) == 13 * 78


def test_a_split_that_only_the_bars_beside_tell_of_leaves_the_daily_ones_as_traded(tmp_path: Path) -> None:
    raw = split(market(DAYS), DAYS[8], 0.25)
    told = np.where(np.array([at.timestamp() for at in raw["ts"].to_pylist()]) < midnight_s(DAYS[8]), 0.25, 1.0)
    is_last = np.append(told[1:] != told[:-1], False) & (np.array(raw["symbol"].to_pylist()) == "ABC")
    path = put(tmp_path / "raw.parquet", raw.append_column("split_next", pa.array(np.where(is_last, told, 1.0))))
    days = daily(DAYS[:12], pa.date32(), "date")
    early = np.array([on < DAYS[8] for on in days["date"].to_pylist()])
    for name in NAMES[:4]:
        days = column(days, name, np.where(early, days[name].to_numpy() * 4, days[name].to_numpy()))
    tape = RecordedTape.from_parquet(path, ON, daily=put(tmp_path / "daily.parquet", days))
    assert (tape.quarantined, tape.splits["ABC"].factor.tolist()) == (0, [0.25])


def test_of_two_files_that_tell_of_splits_the_daily_one_counts_as_far_as_it_reaches(tmp_path: Path) -> None:
    bars = market(DAYS)
    dates = [on.astimezone(NEW_YORK).date() for on in bars["ts"].to_pylist()]
    factors = {DAYS[2]: 0.5, DAYS[5]: 0.25, DAYS[10]: 0.2}
    path = put(
        tmp_path / "bars.parquet", bars.append_column("split_next", pa.array([factors.get(on, 1.0) for on in dates]))
    )
    days = daily(DAYS[4:9], pa.date32(), "date").append_column("split_next", pa.array([1.0, 1 / 3, 1.0, 1.0, 3.0]))
    tape = RecordedTape.from_parquet(path, ON, daily=put(tmp_path / "daily.parquet", days))
    found = tape.splits["ABC"]
    assert found.from_s.tolist() == [midnight_s(DAYS[k] + timedelta(days=1)) for k in (2, 5, 8, 10)]
    assert found.factor.tolist() == [0.5, 1 / 3, 3.0, 0.2]


def test_a_split_on_a_row_that_is_quarantined_is_not_lost(tmp_path: Path) -> None:
    dates = DAYS[:4]
    table = daily(dates, pa.date32(), "date").append_column("split_next", pa.array([1.0, 1.0, 0.5, 1.0]))
    table = with_cells(table, "close", r2=float("nan"))
    file = read_file(put(tmp_path / "daily.parquet", table))
    assert file.by_symbol()[ABC].split_next.tolist() == [1.0, 0.5, 1.0]
    (splits,) = file.splits.values()
    assert splits.from_s.tolist() == [midnight_s(dates[2] + timedelta(days=1))], "of the row itself"
    assert splits.factor.tolist() == [0.5]


@pytest.mark.parametrize("word", [float("nan"), None, 0.0, -2.0, float("inf")])
def test_a_split_factor_that_is_none_hides_no_split_around_it(tmp_path: Path, word: float | None) -> None:
    table = daily(DAYS[:4], pa.date32(), "date").append_column("split_factor", pa.array([1.0, 1.0, 1.0, 0.5]))
    table = with_cells(table, "split_factor", r2=word)
    file = read_file(put(tmp_path / "daily.parquet", table))
    assert file.checked.bad.tolist() == [2]
    assert file.splits[ABC].factor.tolist() == [0.5]


def test_of_a_start_that_comes_twice_the_sound_row_tells_of_the_split(tmp_path: Path) -> None:
    table = daily([*DAYS[:2], DAYS[1], *DAYS[2:4]], pa.date32(), "date")
    told = table.append_column("split_next", pa.array([1.0, 0.5, 3.0, 1.0, 1.0]))
    assert read_file(put(tmp_path / "a.parquet", told)).splits[ABC].factor.tolist() == [0.5]
    first_is_bad = with_cells(told, "close", r1=-1.0)
    assert read_file(put(tmp_path / "b.parquet", first_is_bad)).splits[ABC].factor.tolist() == [3.0]


@pytest.mark.parametrize(
    "what",
    ["a loss on heavy turnover", "a price that goes back", "a third less", "a long pause", "under a dime"],
)
def test_what_is_no_split_keeps_its_rows(tmp_path: Path, what: str) -> None:
    on, table = DAYS[8], market(DAYS)
    spoiled = split(table, on, 2 / 3 if what == "a third less" else 0.5)
    starts = np.array([at.timestamp() for at in table["ts"].to_pylist()])
    if what == "a loss on heavy turnover":
        early = starts < midnight_s(on)
        spoiled = column(spoiled, "volume", np.where(early, table["volume"], 10 * table["volume"].to_numpy()))
    elif what == "a price that goes back":
        is_day = (starts >= midnight_s(on)) & (starts < midnight_s(DAYS[9]))
        for name in NAMES[:4]:
            spoiled = column(spoiled, name, np.where(is_day, table[name].to_numpy() / 2, table[name].to_numpy()))
    elif what == "a long pause":
        is_pause = (starts >= midnight_s(DAYS[4])) & (starts < midnight_s(on))
        spoiled = spoiled.filter(pa.array(~is_pause))
    elif what == "under a dime":
        for name in NAMES[:4]:
            spoiled = column(spoiled, name, spoiled[name].to_numpy() / 1000)
    assert read_traded(put(tmp_path / "bars.parquet", spoiled), CALENDAR).raw_splits == ()


REAL = {
    "intraday/us101_5min_2025.parquet": 0,
    "intraday/us_lowprice_1min_2018.parquet": 0,
    "intraday/us_ext_5min_2022_2024_sampled.parquet": 1,  # one bar after the end of a half day
    "intraday/us_ext_1min_2022_2024_sampled.parquet": 0,
    "lean/equity_minute_trades.parquet": 0,
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_lose_no_bar_that_is_one(name: str) -> None:
    path = data_file(name)
    if path is None:
        pytest.skip(f"{name} is not in the data folder (setting GATEHOUSE_DATA)")
    file = read_traded(path, CALENDAR)
    assert (file.checked.bad.size, file.raw_splits) == (REAL[name], ())
    assert file.timeframe in TRADED


def test_the_real_splits_of_a_raw_file_are_found_and_nothing_else() -> None:
    path = data_file("lean/equity_daily.parquet")
    if path is None:
        pytest.skip("lean/equity_daily.parquet is not in the data folder (setting GATEHOUSE_DATA)")
    file = read_file(path)
    found = {file.symbols[int(file.rows.symbol[each.row])]: round(each.ratio, 3) for each in file.raw_splits}
    halved = ("BAC", "BNO", "GOOG", "IBM", "IWM", "QQQ")
    assert found == {"AAPL": 0.25, **dict.fromkeys(halved, 0.5), "EEM": 0.333, "USO": 8.0}


def test_bars_of_extended_hours_and_of_half_days_are_kept_and_of_the_night_are_not(tmp_path: Path) -> None:
    half = date(2025, 11, 28)
    starts = np.concatenate([day_starts(ON, 0, 288), day_starts(half, 0, 288)])
    bars = random_walk(np.random.default_rng(1), starts, 20.0, 0.001)
    columns = {name: getattr(bars, name) for name in NAMES}
    times = pa.array(bars.start_s * 1000).cast(pa.timestamp("ms", tz="UTC"))
    path = put(tmp_path / "bars.parquet", pa.table({"symbol": ["ABC"] * len(bars), "ts": times, **columns}))
    file = read_traded(path, CALENDAR)
    assert file.checked.counts == {Reason.CLOSED: 96 + 132}
    assert read_file(path).checked.bad.size == 0
    kept: Bars = file.by_symbol()[ABC].bars
    assert len(kept) == 192 + 156
