"""The same splits, taken out of the same bars, by the live app, the backtest and training: equal bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from shared.adapters.alpaca import AlpacaMarketData
from shared.core.features import SymbolDay, day_features
from shared.core.features.history import midnight_s, prepare
from shared.core.market import Timeframe
from shared.core.splits import NO_SPLITS, Splits, in_terms_of
from shared.core.values import Symbol, from_epoch
from shared.ports import MarketData
from shared.stages.base.day_market import DayMarket
from shared.stages.base.history import load_panel, write_history
from simulation.market.splits import FACTORS, SplitTape, seeded_splits
from simulation.market.synthetic import SyntheticTape
from simulation.market.tape import Tape
from simulation.runtime.clock import SimClock
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.alpaca import settings_for
from tests.support.nights import CALENDAR, RULE
from tests.support.ports import fake_ports
from tests.support.tape import ny
from training.backtest.market import TapeMarket
from training.dataset import Dataset, build_dataset
from training.source import TapeHistory

ON = date(2025, 10, 15)
AT = ny(ON, "10:00:05")


def split_at(on: date, factor: float) -> Splits:
    return Splits(from_s=np.array([midnight_s(on)]), factor=np.array([factor]))


@pytest.fixture(scope="module")
def plain() -> SyntheticTape:
    return SyntheticTape(7, ON, n_symbols=20, history_days=36, edge=2.0)


@pytest.fixture(scope="module")
def names(plain: SyntheticTape) -> list[Symbol]:
    return [Symbol(name) for name in sorted(plain.assets) if "/" not in name and name not in {"SPY", "QQQ"}]


@pytest.fixture(scope="module")
def tape(plain: SyntheticTape, names: list[Symbol]) -> SplitTape:
    """Splits on the day, in its history, twice, and by ratios that leave roundings."""
    dates = plain.session_dates
    both = Splits(from_s=np.array([midnight_s(dates[-9]), midnight_s(dates[-3])]), factor=np.array([1 / 3, 7.0]))
    exact: dict[str, Splits] = {names[0]: split_at(ON, 4.0), names[1]: split_at(dates[-4], 0.5)}
    return SplitTape(plain, {**exact, names[2]: split_at(ON, 5.0), names[3]: both})


@pytest.fixture(scope="module")
def venue(tape: SplitTape) -> Iterator[AlpacaMarketData]:
    clock = SimClock(AT)
    exchange = Exchange(tape, VenueConfig(requests_per_minute=100_000))
    thread = ServerThread(create_app(exchange, clock.now, keys=("the-key", "the-secret")))
    with thread:
        yield AlpacaMarketData(settings_for(thread.url), clock)


def live_features(market: MarketData, symbols: list[Symbol]) -> tuple[list[SymbolDay], np.ndarray]:
    """What the stages make of a market, from the scan's history blob on."""
    ports = fake_ports(AT, GATEHOUSE_CORE_SYMBOLS="SPY QQQ")
    ports.market = market  # type: ignore[assignment]
    day = CALENDAR.day(ON)
    assert day is not None
    blob = write_history(ports, DayMarket(ports, day), symbols, "0930", None)
    panel = load_panel(ports, symbols, blob, day)
    assert panel.unknown == {}
    rows = day_features(panel.items, panel.market, day)
    return list(panel.items), np.stack([table[-1] for table in rows])


def test_live_and_backtest_come_to_the_same_features_over_splits(
    venue: AlpacaMarketData, tape: SplitTape, names: list[Symbol]
) -> None:
    backtest = TapeMarket(Exchange(tape, VenueConfig()), SimClock(AT))
    _, over_http = live_features(venue, names)
    _, in_process = live_features(backtest, names)
    assert over_http.tobytes() == in_process.tobytes()


def test_training_comes_to_them_from_the_bars_as_traded(
    venue: AlpacaMarketData, tape: SplitTape, names: list[Symbol]
) -> None:
    items, _ = live_features(venue, names)
    source, day = TapeHistory(tape, CALENDAR), CALENDAR.day(ON)
    assert day is not None
    start = from_epoch(midnight_s(ON))
    for item in items:
        bars = {
            frame: source.bars(item.symbol, frame, start - timedelta(days=days), start)
            for frame, days in ((Timeframe.DAY_1, 120), (Timeframe.MIN_5, 21))
        }
        past = prepare(
            item.symbol,
            daily=bars[Timeframe.DAY_1],
            history=bars[Timeframe.MIN_5],
            day=day,
            splits=source.splits(item.symbol),
        )
        assert past.facts.tobytes() == item.past.facts.tobytes(), item.symbol
        assert past.tail.close.tobytes() == item.past.tail.close.tobytes()
        assert past.volume_profile.tobytes() == item.past.volume_profile.tobytes()
        for mine, theirs in zip(past.higher, item.past.higher, strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_they_are_the_features_of_the_market_without_a_split(
    venue: AlpacaMarketData, plain: SyntheticTape, names: list[Symbol]
) -> None:
    _, found = live_features(venue, names)
    _, expected = live_features(TapeMarket(Exchange(plain, VenueConfig()), SimClock(AT)), names)
    assert found[[0, 1]].tobytes() == expected[[0, 1]].tobytes()  # powers of two
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_the_snapshots_of_both_are_alike(venue: AlpacaMarketData, tape: SplitTape, names: list[Symbol]) -> None:
    backtest = TapeMarket(Exchange(tape, VenueConfig()), SimClock(AT))
    assert venue.snapshots(names) == backtest.snapshots(names)
    first = tape.session_dates[0]
    for symbol, splits in venue.splits(first, ON).items():
        assert splits.factor.tobytes() == backtest.splits(first, ON)[symbol].factor.tobytes()
        assert splits.from_s.tolist() == backtest.splits(first, ON)[symbol].from_s.tolist()


def rows(tape: Tape) -> Dataset:
    return build_dataset(
        TapeHistory(tape, CALENDAR),
        on=ON,
        seed=3,
        market_symbols=RULE.market_symbols,
        sampling=replace(RULE.sampling, max_symbols=40),
        barrier=RULE.barrier,
        progress=lambda what, done: None,
    )


def test_rows_that_are_learned_from_do_not_know_of_splits_in_their_past(
    plain: SyntheticTape, names: list[Symbol]
) -> None:
    """And not of later ones either: those of the days before are in terms of their own day."""
    dates = plain.session_dates
    split = SplitTape(plain, {name: split_at(dates[-4], factor) for name, factor in zip(names, FACTORS, strict=False)})
    found, expected = rows(split), rows(plain)
    assert len(found) == len(expected) > 1000
    unaffected = np.array([name not in split.splits for name in expected.symbols])[expected.symbol]
    assert found.features[unaffected].tobytes() == expected.features[unaffected].tobytes()
    after = expected.start_s >= midnight_s(dates[-4])
    assert found.features[after].tobytes() == expected.features[after].tobytes()
    assert np.array_equal(found.outcome, expected.outcome)


def test_a_split_tape_is_its_market_from_the_last_split_on_and_its_inverse_before(
    plain: SyntheticTape, tape: SplitTape, names: list[Symbol]
) -> None:
    for symbol in names[:4]:
        assert tape.base(symbol, ON).path.tobytes() == plain.base(symbol, ON).path.tobytes()
        splits = tape.splits.get(symbol, NO_SPLITS)
        for frame in (Timeframe.DAY_1, Timeframe.MIN_5):
            whole = tape.bars(symbol, frame, from_epoch(0), from_epoch(2**31))
            back = in_terms_of(whole, splits, midnight_s(ON))
            expected = plain.bars(symbol, frame, from_epoch(0), from_epoch(2**31))
            np.testing.assert_allclose(back.close, expected.close, rtol=1e-12)
            np.testing.assert_allclose(back.volume, expected.volume, rtol=1e-12)
    traded = tape.base(names[0], tape.session_dates[-2])
    np.testing.assert_allclose(traded.path * 4.0, plain.base(names[0], tape.session_dates[-2]).path)


@pytest.mark.parametrize("seed", [7, 8, 11])
def test_the_seeded_market_has_a_split_in_its_history_and_one_on_the_day(plain: SyntheticTape, seed: int) -> None:
    found = seeded_splits(plain, seed)
    assert found.keys() == seeded_splits(plain, seed).keys()
    assert len(found) == 2
    assert not found.keys() & {"SPY", "QQQ"}
    days = sorted(int(splits.from_s[0]) for splits in found.values())
    assert days[0] < days[1] == midnight_s(ON)
    assert days[0] > midnight_s(plain.session_dates[0])
    assert all(float(splits.factor[0]) in FACTORS for splits in found.values())
