from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.core.errors import ContractError, SettingsError
from shared.core.market import Timeframe
from simulation.market.recorded import RecordedTape
from simulation.market.tape import Tape

FIRST, ON = date(2025, 10, 14), date(2025, 10, 15)
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
OPEN = datetime(2025, 10, 15, 13, 30, tzinfo=UTC)

Row = tuple[str, datetime, float, float, float, float, int]


def write(path: Path, rows: Sequence[Row], *, unit: str = "ms", drop: str | None = None) -> Path:
    names = ("symbol", "ts", "open", "high", "low", "close", "volume")
    types = (pa.string(), pa.timestamp(unit, tz="UTC"), *[pa.float64()] * 4, pa.int64())
    columns: Mapping[str, pa.Array] = {
        name: pa.array([row[i] for row in rows], type=types[i]) for i, name in enumerate(names) if name != drop
    }
    pq.write_table(pa.table(dict(columns)), path)
    return path


def row(minutes: int, symbol: str = "AAA", price: float = 10.0, *, up: bool = True, volume: int = 100) -> Row:
    first, last = (price, price + 0.05) if up else (price + 0.05, price)
    return (symbol, OPEN + timedelta(minutes=minutes), first, price + 0.10, price - 0.10, last, volume)


def day_of(symbol: str, *, step_min: int = 1, n: int = 30, days_back: int = 0) -> list[Row]:
    return [row(step_min * i - 1440 * days_back, symbol, up=i % 2 == 0) for i in range(n)]


@pytest.mark.parametrize(("step_min", "base_s"), [(1, 60), (5, 300)])
def test_bar_length_is_found_and_finer_bars_are_empty(tmp_path: Path, step_min: int, base_s: int) -> None:
    path = write(tmp_path / "bars.parquet", day_of("AAA", step_min=step_min))
    tape: Tape = RecordedTape.from_parquet(path, ON)
    assert tape.base_s == base_s
    assert len(tape.bars("AAA", Timeframe.MIN_1, *ALWAYS)) == (30 if base_s == 60 else 0)
    assert len(tape.bars("AAA", Timeframe.MIN_5, *ALWAYS)) == (6 if base_s == 60 else 30)
    assert not tape.news(*ALWAYS)
    assert not tape.halts(ON)


def test_path_visits_the_low_first_in_an_up_bar_and_the_high_first_in_a_down_bar(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", [row(0), row(1, up=False)])
    assert RecordedTape.from_parquet(path, ON).base("AAA", ON).path.tolist() == [
        [10.0, 9.9, 10.1, 10.05],
        [10.05, 10.1, 9.9, 10.0],
    ]


def test_nothing_after_the_day_is_read_and_nothing_of_it_shows(tmp_path: Path) -> None:
    rows = day_of("AAA", days_back=1) + day_of("AAA")
    short = RecordedTape.from_parquet(write(tmp_path / "a.parquet", rows), ON)
    broken: Row = ("AAA", OPEN + timedelta(days=1), 0.0, -1.0, 9.0, 9.0, -5)
    longer = RecordedTape.from_parquet(write(tmp_path / "b.parquet", [*rows, broken, *day_of("BBB", days_back=-1)]), ON)
    assert longer.quarantined == 0
    assert list(longer.assets) == ["AAA"]
    assert list(longer.session_dates) == [FIRST, ON]
    assert np.array_equal(short.base("AAA", ON).ask, longer.base("AAA", ON).ask)
    assert short.content_id != longer.content_id


def test_bad_rows_are_set_aside_and_counted_by_reason(tmp_path: Path) -> None:
    bad: list[Row] = [
        ("AAA", OPEN + timedelta(minutes=40), 10.0, 9.0, 9.5, 10.0, 1),
        ("AAA", OPEN + timedelta(minutes=41), float("nan"), 10.0, 9.5, 10.0, 1),
        ("AAA", OPEN + timedelta(minutes=42), 0.0, 10.0, 0.0, 10.0, 1),
        ("AAA", OPEN + timedelta(minutes=43), 10.0, 10.0, 9.5, 10.0, -1),
        row(3, price=12.0),
        row(-400),
        row(60 * 24 * 3),
    ]
    tape = RecordedTape.from_parquet(write(tmp_path / "bars.parquet", day_of("AAA") + bad), ON)
    assert tape.quarantined_by_reason == {
        "not-finite": 1,
        "not-positive": 1,
        "inconsistent": 1,
        "negative-volume": 1,
        "duplicate": 1,
        "closed": 1,
    }
    assert tape.quarantined == 6
    assert len(tape.base("AAA", ON).bars) == 30
    assert tape.base("AAA", ON).bars.close.max() < 11


def test_unsorted_rows_are_sorted(tmp_path: Path) -> None:
    rows = day_of("BBB") + day_of("AAA")
    tape = RecordedTape.from_parquet(write(tmp_path / "bars.parquet", rows[::-1]), ON)
    assert list(tape.assets) == ["AAA", "BBB"]
    assert len(tape.base("BBB", ON).bars) == 30


def test_modelled_quotes_surround_the_trade_and_widen_before_the_open(tmp_path: Path) -> None:
    rows = day_of("AAA") + [row(-60 + i, volume=5) for i in range(10)] + day_of("PNY")
    cheap = [(s, t, o / 20, h / 20, low / 20, c / 20, v) for s, t, o, h, low, c, v in day_of("CHP")]
    tape = RecordedTape.from_parquet(write(tmp_path / "bars.parquet", rows + cheap), ON)
    for symbol in tape.assets:
        prices = tape.base(symbol, ON)
        assert (prices.bid < prices.ask).all()
        assert ((prices.bid <= prices.path) & (prices.path <= prices.ask)).all()
    prices = tape.base("AAA", ON)
    width = (prices.ask - prices.bid).mean(axis=1)
    is_pre = prices.bars.start_s < OPEN.timestamp()
    assert width[is_pre].min() > width[~is_pre].max()


def test_recorded_quotes_win_where_they_are_usable(tmp_path: Path) -> None:
    bars = write(tmp_path / "bars.parquet", [row(0), row(1), row(2)])
    names = [f"{side}_{point}" for side in ("bid", "ask") for point in ("open", "high", "low", "close")]
    good = [9.99, 10.08, 9.88, 10.03, 10.01, 10.11, 9.91, 10.06]
    crossed = [10.2, *good[1:]]
    quotes = {name: pa.array([good[i], crossed[i]]) for i, name in enumerate(names)}
    quotes |= {"symbol": pa.array(["AAA"] * 2)}
    quotes |= {"ts": pa.array([OPEN, OPEN + timedelta(minutes=1)], type=pa.timestamp("us", tz="UTC"))}
    pq.write_table(pa.table(quotes), tmp_path / "quotes.parquet")
    prices = RecordedTape.from_parquet(bars, ON, quotes=tmp_path / "quotes.parquet").base("AAA", ON)
    assert prices.bid[0].tolist() == [9.99, 9.88, 10.08, 10.03]
    assert prices.ask[0].tolist() == [10.01, 9.91, 10.11, 10.06]
    assert prices.bid[1].tolist()[1:] == [9.88, 10.08, 10.03]
    assert prices.bid[1, 0] <= 10.0 <= prices.ask[1, 0]
    modelled = RecordedTape.from_parquet(bars, ON).base("AAA", ON)
    assert np.array_equal(prices.bid[2], modelled.bid[2])


def test_daily_file_gives_the_history_and_the_day_itself_comes_from_its_minutes(tmp_path: Path) -> None:
    bars = write(tmp_path / "bars.parquet", day_of("AAA", days_back=1) + day_of("AAA"))
    midnight = datetime(2025, 10, 15, 4, tzinfo=UTC)
    daily: list[Row] = [("AAA", midnight - timedelta(days=back), 7.0, 8.0, 6.0, 7.5, 999) for back in (6, 1, 0, -1)]
    daily.append(("AAA", midnight - timedelta(days=2), 7.0, 6.0, 6.5, 7.5, 1))
    tape = RecordedTape.from_parquet(bars, ON, daily=write(tmp_path / "daily.parquet", daily))
    days = tape.bars("AAA", Timeframe.DAY_1, *ALWAYS)
    assert days.close.tolist() == [7.5, 7.5, 10.0]
    assert days.volume.tolist() == [999.0, 999.0, 3000.0]
    assert tape.quarantined_by_reason == {"daily: inconsistent": 1}


def test_a_symbol_that_does_not_trade_on_the_day_is_not_tradable(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", day_of("AAA") + day_of("OLD", days_back=1))
    tape = RecordedTape.from_parquet(path, ON)
    assert tape.assets["AAA"].is_tradable
    assert not tape.assets["OLD"].is_tradable
    assert tape.base("OLD", ON).path.shape == (0, 4)


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.parquet"):
        RecordedTape.from_parquet(tmp_path / "nowhere.parquet", ON)
    bars = write(tmp_path / "bars.parquet", day_of("AAA"))
    for name in ("daily", "quotes"):
        with pytest.raises(SettingsError, match=r"nowhere\.parquet"):
            RecordedTape.from_parquet(bars, ON, **{name: tmp_path / "nowhere.parquet"})


def test_missing_columns_are_named_with_those_found(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", day_of("AAA"), drop="high")
    with pytest.raises(ContractError, match=r"columns \['high'\] are missing; it has \['symbol', 'ts', 'open'"):
        RecordedTape.from_parquet(path, ON)


def test_a_file_that_is_not_parquet_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    path.write_text("symbol,ts\n")
    with pytest.raises(ContractError, match=r"bars\.parquet cannot be read: .*[Pp]arquet"):
        RecordedTape.from_parquet(path, ON)


def test_bars_of_a_strange_length_are_refused(tmp_path: Path) -> None:
    rows = [("AAA", OPEN + timedelta(seconds=7 * i), 10.0, 10.0, 10.0, 10.0, 1) for i in range(9)]
    with pytest.raises(ContractError, match="7 s apart"):
        RecordedTape.from_parquet(write(tmp_path / "bars.parquet", rows), ON)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        (date(2025, 10, 12), "nearest covered dates are 2025-10-10 and 2025-10-15"),
        (date(2025, 10, 20), "nearest covered dates are 2025-10-15"),
        (date(2024, 1, 2), "nearest covered dates are 2025-10-10"),
    ],
)
def test_a_day_that_is_not_covered_names_the_nearest(tmp_path: Path, asked: date, nearest: str) -> None:
    path = write(tmp_path / "bars.parquet", day_of("AAA", days_back=5) + day_of("AAA"))
    with pytest.raises(SettingsError, match=nearest):
        RecordedTape.from_parquet(path, asked)


def test_daily_bars_tell_of_splits_and_none_are_made_up_without(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", [*day_of("AAA"), *day_of("BBB"), *day_of("AAA", days_back=1)])
    columns = {
        "symbol": ["AAA", "AAA", "BBB", "CCC"],
        "date": [date(2025, 10, 10), date(2025, 10, 14), date(2025, 10, 14), date(2025, 10, 14)],
        **{name: [10.0] * 4 for name in ("open", "high", "low", "close")},
        "volume": [100.0] * 4,
        "split_next": [1.0, 5.0, 1.0, 3.0],
    }
    pq.write_table(pa.table(columns), tmp_path / "daily.parquet")
    tape = RecordedTape.from_parquet(path, ON, daily=tmp_path / "daily.parquet")
    (splits,) = tape.splits.values()
    assert list(tape.splits) == ["AAA"]
    assert (splits.from_s.tolist(), splits.factor.tolist()) == (
        [int(datetime(2025, 10, 15, 4, tzinfo=UTC).timestamp())],
        [5.0],
    )
    assert float(tape.bars("AAA", Timeframe.DAY_1, *ALWAYS).close[0]) == 10.0, "as traded"
    pq.write_table(pa.table({k: v for k, v in columns.items() if k != "split_next"}), tmp_path / "plain.parquet")
    assert RecordedTape.from_parquet(path, ON, daily=tmp_path / "plain.parquet").splits == {}
