from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import SettingsError
from shared.core.market import Bars, Timeframe
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at
from simulation.market.days import DayEdges, midnight_s
from simulation.market.synthetic import SyntheticTape
from simulation.market.tape import BasePrices, Tape
from tests.support.kernels import lesser_kernels, run_under
from tests.unit.simulation.market.conftest import DAY

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
HALF_DAY = date(2026, 11, 27)
LONGEST_DAY = date(2026, 11, 1)
EMPTY_DAYS = (date(2026, 11, 26), date(2026, 11, 28), date(2020, 1, 2))

_DIGEST_PROGRAM = """
from datetime import date
from tests.unit.simulation.market.test_synthetic_structure import digest_of
from simulation.market.synthetic import SyntheticTape
print(digest_of(SyntheticTape({seed}, date(2026, 3, 9), n_symbols=20, history_days=3)))
"""


def every_day(tape: SyntheticTape) -> list[tuple[str, date, BasePrices]]:
    return [(symbol, on, tape.base(symbol, on)) for symbol in tape.assets for on in tape.session_dates[-6:]]


def digest_of(tape: SyntheticTape) -> str:
    seen = hashlib.sha256(tape.content_id.encode())
    for symbol, _, prices in every_day(tape):
        seen.update(symbol.encode())
        for array in (prices.bars.start_s, prices.bars.volume, prices.path, prices.bid, prices.ask):
            seen.update(np.ascontiguousarray(array).tobytes())
    seen.update(repr(tape.news(*ALWAYS)).encode())
    seen.update(repr([tape.halts(on) for on in tape.session_dates]).encode())
    return seen.hexdigest()


def minutes_of(tape: SyntheticTape, symbol: str) -> Bars:
    return tape.bars(symbol, Timeframe.MIN_1, *ALWAYS)


@pytest.fixture(scope="module")
def here() -> str:
    """Digest of the market that other processes make too."""
    return digest_of(SyntheticTape(5, date(2026, 3, 9), n_symbols=20, history_days=3))


def test_same_seed_gives_the_same_bits_in_another_process(here: str) -> None:
    for seed, is_equal in ((5, True), (6, False)):
        there = subprocess.run(
            [sys.executable, "-c", _DIGEST_PROGRAM.format(seed=seed)], capture_output=True, text=True, check=True
        ).stdout.strip()
        assert (there == here) is is_equal


def test_same_seed_gives_the_same_prices_under_other_kernels(here: str) -> None:
    """The latent path has other last bits; what is traded is rounded to cents and shares."""
    assert run_under(lesser_kernels(), "-c", _DIGEST_PROGRAM.format(seed=5)).strip() == here


def test_order_of_reading_does_not_matter(tape: SyntheticTape) -> None:
    other = SyntheticTape(7, DAY, n_symbols=60, history_days=40)
    symbols = list(tape.assets)
    for symbol in reversed(symbols):
        assert np.array_equal(other.base(symbol, DAY).path, tape.base(symbol, DAY).path)


def test_history_does_not_depend_on_later_days() -> None:
    days = 10
    longer = SyntheticTape(3, date(2026, 6, 12), n_symbols=20, history_days=days)
    shorter = SyntheticTape(3, longer.session_dates[-3], n_symbols=20, history_days=days - 2)
    for symbol in shorter.assets:
        for on in shorter.session_dates:
            assert np.array_equal(longer.base(symbol, on).ask, shorter.base(symbol, on).ask)


def test_content_id_names_every_parameter() -> None:
    def content_id(seed: int = 1, on: date = date(2026, 3, 9), n: int = 20, days: int = 2, edge: float = 1.0) -> str:
        return SyntheticTape(seed, on, n_symbols=n, history_days=days, edge=edge).content_id

    ids = [content_id(), content_id(seed=2), content_id(on=date(2026, 3, 10)), content_id(n=21), content_id(days=3)]
    assert len({*ids, content_id(edge=0.5)}) == 6
    assert content_id() == ids[0]


def test_tape_covers_what_it_promises(tape: SyntheticTape) -> None:
    assert isinstance(tape.base_s, int)
    as_tape: Tape = tape
    assert as_tape.base_s == 60
    assert as_tape.on == DAY == as_tape.session_dates[-1]
    assert len(as_tape.session_dates) == 41
    assert list(as_tape.assets) == sorted(as_tape.assets)
    assert {"SPY", "QQQ", "BTC/USD", "ETH/USD"} < set(as_tape.assets)
    assert {asset.exchange for asset in as_tape.assets.values()} == {"NASDAQ", "NYSE", "ARCA", "CRYPTO"}
    assert len({asset.name for asset in as_tape.assets.values()}) > 60


def test_every_bar_is_consistent_and_every_price_lies_on_its_tick(tape: SyntheticTape) -> None:
    n_bars = 0
    for symbol, _, prices in every_day(tape):
        bars, path = prices.bars, prices.path
        n_bars += len(bars)
        assert np.array_equal(path[:, 0], bars.open), symbol
        assert np.array_equal(path[:, 3], bars.close)
        assert np.array_equal(path.max(axis=1), bars.high)
        assert np.array_equal(path.min(axis=1), bars.low)
        assert np.array_equal(np.sort(path[:, 1:3], axis=1), np.stack([bars.low, bars.high], axis=1))
        assert (bars.volume > 0).all()
        for usd in (path, prices.bid, prices.ask):
            per_usd = np.where(usd >= 1, 100, 10_000)
            assert np.array_equal(np.rint(usd * per_usd) / per_usd, usd), symbol
    assert n_bars > 50_000


def test_both_orders_of_the_extremes_occur(tape: SyntheticTape) -> None:
    path = tape.base("SPY", DAY).path
    high_first = (path[:, 1] > path[:, 2]).mean()
    assert 0.3 < high_first < 0.7


def test_quotes_surround_the_trades_and_never_cross(tape: SyntheticTape) -> None:
    for symbol, _, prices in every_day(tape):
        assert (prices.bid > 0).all()
        assert (prices.bid < prices.ask).all(), symbol
        assert (prices.bid <= prices.path).all()
        assert (prices.path <= prices.ask).all()


def test_no_bar_lies_outside_its_day(tape: SyntheticTape) -> None:
    for day in tape.trading_days:
        first_s, last_s = pre_open_at(day).timestamp(), aft_close_at(day).timestamp()
        for symbol in ("SPY", next(iter(tape.assets))):
            start_s = tape.base(symbol, day.on).bars.start_s
            assert start_s[0] >= first_s
            assert start_s[-1] < last_s
            assert (start_s % 60 == 0).all()


def test_half_day_ends_four_hours_after_its_early_close(tape: SyntheticTape) -> None:
    day = next(each for each in tape.trading_days if each.on == HALF_DAY)
    assert day.close_at.astimezone(NEW_YORK).hour == 13
    start_s = tape.base("SPY", HALF_DAY).bars.start_s
    last = datetime.fromtimestamp(int(start_s[-1]), NEW_YORK)
    assert (last.hour, last.date()) == (16, HALF_DAY)


def test_nothing_trades_on_a_closed_day_but_crypto(tape: SyntheticTape) -> None:
    for on in EMPTY_DAYS:
        assert not len(tape.base("SPY", on).bars)
        assert tape.base("SPY", on).path.shape == (0, 4)
    saturday = tape.base("BTC/USD", date(2026, 11, 28)).bars
    assert len(saturday) > 1400
    assert saturday.start_s[0] >= midnight_s(date(2026, 11, 28))


@pytest.mark.parametrize(("on", "hours"), [(LONGEST_DAY, 25), (date(2026, 11, 3), 24)])
def test_crypto_trades_through_the_change_of_clocks(tape: SyntheticTape, on: date, hours: int) -> None:
    bars = tape.base("BTC/USD", on).bars
    assert len(bars) > 59 * hours
    assert bars.start_s[-1] < midnight_s(on) + hours * 3600 == midnight_s(on + timedelta(days=1))


def test_regular_session_opens_at_0930_on_both_sides_of_the_change_of_clocks(tape: SyntheticTape) -> None:
    for on, hour_utc in ((date(2026, 10, 30), 13), (date(2026, 11, 2), 14)):
        open_s = int(datetime(on.year, on.month, on.day, hour_utc, 30, tzinfo=UTC).timestamp())
        bars = tape.base("SPY", on).bars
        before, after = bars.between(open_s - 600, open_s), bars.between(open_s, open_s + 600)
        assert after.volume.sum() > 5 * before.volume.sum()


@pytest.mark.parametrize("timeframe", [Timeframe.MIN_5, Timeframe.MIN_15, Timeframe.HOUR_1, Timeframe.HOUR_4])
@pytest.mark.parametrize("kind", ["SPY", "small", "BTC/USD"])
def test_longer_bars_are_exact_aggregates_of_the_minutes(tape: SyntheticTape, timeframe: Timeframe, kind: str) -> None:
    symbol = next(iter(tape.assets)) if kind == "small" else kind
    minutes, bars = minutes_of(tape, symbol), tape.bars(symbol, timeframe, *ALWAYS)
    midnights = np.array([midnight_s(on) for on in sorted({_new_york(s).date() for s in minutes.start_s[::50]})])
    midnight = midnights[np.searchsorted(midnights, minutes.start_s, side="right") - 1]
    key = midnight + (minutes.start_s - midnight) // timeframe.seconds * timeframe.seconds
    assert np.array_equal(np.unique(key), bars.start_s)
    for i in range(0, len(bars), max(1, len(bars) // 40)):
        mine = key == bars.start_s[i]
        assert bars.open[i] == minutes.open[mine][0]
        assert bars.high[i] == minutes.high[mine].max()
        assert bars.low[i] == minutes.low[mine].min()
        assert bars.close[i] == minutes.close[mine][-1]
        assert bars.volume[i] == pytest.approx(minutes.volume[mine].sum(), rel=1e-12)


@pytest.mark.parametrize("symbol", ["SPY", "BTC/USD"])
def test_daily_bars_hold_regular_prices_and_the_whole_days_volume(tape: SyntheticTape, symbol: str) -> None:
    days = tape.bars(symbol, Timeframe.DAY_1, *ALWAYS)
    edges = DayEdges.of(tape.session_dates, tape.trading_days)
    for d, on in enumerate(tape.session_dates):
        i = int(np.searchsorted(days.start_s, midnight_s(on)))
        assert days.start_s[i] == midnight_s(on)
        bars = tape.base(symbol, on).bars
        regular = bars if symbol == "BTC/USD" else bars.between(int(edges.open_s[d]), int(edges.close_s[d]))
        assert (days.open[i], days.close[i]) == (regular.open[0], regular.close[-1])
        assert (days.high[i], days.low[i]) == (regular.high.max(), regular.low.min())
        assert days.volume[i] == pytest.approx(bars.volume.sum(), rel=1e-12)
    assert len(days) == (41 if symbol == "SPY" else (DAY - tape.session_dates[0]).days + 1)


@given(
    start_min=st.integers(-3000, 60_000),
    length_min=st.integers(0, 12_000),
    timeframe=st.sampled_from(list(Timeframe)),
    symbol=st.sampled_from(["SPY", "ETH/USD"]),
)
def test_a_range_holds_exactly_the_bars_that_start_in_it(
    tape: SyntheticTape, start_min: int, length_min: int, timeframe: Timeframe, symbol: str
) -> None:
    start = datetime(2026, 10, 20, tzinfo=UTC) + timedelta(minutes=start_min)
    end = start + timedelta(minutes=length_min)
    whole, part = tape.bars(symbol, timeframe, *ALWAYS), tape.bars(symbol, timeframe, start, end)
    mine = (whole.start_s >= start.timestamp()) & (whole.start_s < end.timestamp())
    assert np.array_equal(part.start_s, whole.start_s[mine])
    assert np.array_equal(part.close, whole.close[mine])
    assert np.array_equal(part.volume, whole.volume[mine])


def test_nothing_trades_during_a_halt(tape: SyntheticTape) -> None:
    halts = [halt for on in tape.session_dates for halt in tape.halts(on)]
    assert len(halts) >= 10
    for halt in halts:
        assert halt.end_at - halt.start_at == timedelta(minutes=5)
        bars = tape.bars(halt.symbol, Timeframe.MIN_1, halt.start_at - timedelta(minutes=30), halt.end_at)
        assert not len(bars.between(int(halt.start_at.timestamp()), int(halt.end_at.timestamp())))
        assert len(bars)


def test_cached_market_equals_a_built_one_and_a_damaged_cache_is_rebuilt(tmp_path: Path) -> None:
    def build(cache_dir: Path | None) -> SyntheticTape:
        return SyntheticTape(5, date(2026, 3, 9), n_symbols=20, history_days=3, cache_dir=cache_dir)

    plain = digest_of(build(None))
    assert digest_of(build(tmp_path)) == plain
    assert digest_of(build(tmp_path)) == plain
    (rows,) = tmp_path.glob("market-*/rows.npy")
    rows.write_bytes(rows.read_bytes()[:2000])
    assert digest_of(build(tmp_path)) == plain
    assert [each.name for each in tmp_path.iterdir()] == [rows.parent.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"on": date(2026, 11, 28)}, "2026-11-27 and 2026-11-30"),
        ({"on": date(2026, 11, 26)}, "2026-11-25 and 2026-11-27"),
        ({"n_symbols": 3}, "n_symbols"),
        ({"history_days": 0}, "history_days"),
        ({"edge": 5.0}, "edge"),
        ({"edge": float("nan")}, "edge"),
    ],
)
def test_senseless_parameters_are_refused_by_name(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        SyntheticTape(**({"seed": 1, "on": DAY} | arguments))  # type: ignore[arg-type]


def _new_york(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), NEW_YORK)
