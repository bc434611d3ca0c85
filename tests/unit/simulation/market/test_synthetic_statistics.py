"""Does the seeded market look like one? Figures with room around them: the seeds are fixed, nature's are not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from shared.core.market import FloatArray, Timeframe
from shared.core.sessions import Session, session_at
from shared.core.values import from_epoch
from simulation.market.synthetic import SyntheticTape
from simulation.market.synthetic_plan import EventKind, MarketRegime
from simulation.market.synthetic_universe import ListingKind
from simulation.market.synthetic_world import SyntheticWorld
from tests.unit.simulation.market.conftest import DAY

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    """Two years of plans, in which no symbol has been drawn yet."""
    return SyntheticWorld(seed=11, on=DAY, n_symbols=320, history_days=400, edge=1.0)


def kurtosis(returns: FloatArray) -> float:
    z = (returns - returns.mean()) / returns.std()
    return float((z**4).mean())


def equities(tape: SyntheticTape) -> list[str]:
    always = {"SPY", "QQQ", "BTC/USD", "ETH/USD"}
    return [symbol for symbol in tape.assets if symbol not in always]


def test_prices_span_the_range_and_many_are_low(tape: SyntheticTape) -> None:
    last = np.array([tape.bars(symbol, Timeframe.DAY_1, *ALWAYS).close[-1] for symbol in equities(tape)])
    assert last.max() > 150
    assert 0.3 < ((last > 1) & (last < 10)).mean() < 0.6


def test_volume_of_the_regular_session_is_u_shaped_and_little_trades_outside(tape: SyntheticTape) -> None:
    by_half_hour, outside, total = np.zeros(13), 0.0, 0.0
    for symbol in [*equities(tape), "SPY"]:
        for day in tape.trading_days[-15:]:
            if (day.close_at - day.open_at) < timedelta(hours=6):
                continue
            bars = tape.base(symbol, day.on).bars
            slot = (bars.start_s - int(day.open_at.timestamp())) // 1800
            usd = bars.volume * bars.close
            is_regular = (slot >= 0) & (slot < 13)
            by_half_hour += np.bincount(slot[is_regular], weights=usd[is_regular] / usd.sum(), minlength=13)
            outside += usd[~is_regular].sum() / usd.sum()
            total += 1
    middle = by_half_hour[4:9].mean()
    assert by_half_hour[0] > 1.6 * middle
    assert by_half_hour[-1] > 1.6 * middle
    assert 0.01 < outside / total < 0.10


def test_thin_names_often_do_not_trade_outside_the_regular_session(tape: SyntheticTape) -> None:
    n_extended = {
        symbol: sum(
            session_at(from_epoch(int(s)), tape.trading_days[-1]) in {Session.PRE, Session.AFT}
            for s in tape.base(symbol, DAY).bars.start_s
        )
        for symbol in tape.assets
        if "/" not in symbol
    }
    assert n_extended["SPY"] > 500
    assert np.percentile(list(n_extended.values()), 20) < 100


def test_daily_returns_have_fat_tails(tape: SyntheticTape) -> None:
    pooled = []
    for symbol in equities(tape):
        returns = np.diff(np.log(tape.bars(symbol, Timeframe.DAY_1, *ALWAYS).close))
        pooled.append((returns - returns.mean()) / returns.std())
    assert kurtosis(np.concatenate(pooled)) > 4


def test_volatility_clusters(world: SyntheticWorld) -> None:
    """Absolute returns of a name are correlated from one day to the next, over a year and many names."""
    correlations = []
    for listing in [each for each in world.listings if each.kind is ListingKind.MID][:6]:
        state, moves = world.first_state(listing), []
        for day in world.days[:250]:
            before = state.log_mid
            state = world.draw(listing, day.on, state).after
            moves.append(abs(state.log_mid - before))
        correlations.append(np.corrcoef(moves[1:], moves[:-1])[0, 1])
    assert float(np.mean(correlations)) > 0.03


def test_spreads_are_tight_in_large_names_wide_in_small_and_wider_outside_the_session(tape: SyntheticTape) -> None:
    day = tape.trading_days[-1]
    listed = [(symbol, tape.base(symbol, DAY)) for symbol in tape.assets if "/" not in symbol]
    dollars = np.array([(prices.bars.volume * prices.bars.close).sum() for _, prices in listed])
    regular, extended = [], []
    for _, prices in listed:
        bp = ((prices.ask - prices.bid) / prices.bid * 10_000).mean(axis=1)
        is_regular = (prices.bars.start_s >= day.open_at.timestamp()) & (prices.bars.start_s < day.close_at.timestamp())
        regular.append(np.median(bp[is_regular]))
        extended.append(np.median(bp[~is_regular]) if (~is_regular).any() else np.nan)
    order = np.argsort(dollars)
    assert 20 < np.median(np.array(regular)[order[:15]]) < 120
    assert np.median(np.array(regular)[order[-10:]]) < 6
    assert np.nanmedian(np.array(extended) / np.array(regular)) > 1.5


def test_the_regime_moves_the_market(world: SyntheticWorld) -> None:
    moves: dict[MarketRegime, list[float]] = {regime: [] for regime in MarketRegime}
    along = []
    for plan in world.plans.values():
        moves[plan.regime].append(float(plan.market.sum()))
        if plan.trend:
            along.append(plan.trend * float(plan.market.sum()))
    vol = {regime: float(np.std(found)) for regime, found in moves.items()}
    assert all(len(found) > 20 for found in moves.values())
    assert vol[MarketRegime.STRESSED] > 1.8 * vol[MarketRegime.TRENDING] > 1.8 * 0.9 * vol[MarketRegime.CALM]
    assert np.mean(along) > 0.001
    assert kurtosis(np.array([float(plan.market.sum()) for plan in world.plans.values()])) > 3.5


def test_regimes_last_for_days(world: SyntheticWorld) -> None:
    sequence = [plan.regime for plan in world.plans.values()]
    changes = sum(a is not b for a, b in pairwise(sequence))
    assert 0.03 < changes / len(sequence) < 0.3


def test_funds_follow_the_market_factor(tape: SyntheticTape) -> None:
    spy = tape.bars("SPY", Timeframe.MIN_5, *ALWAYS)
    qqq = tape.bars("QQQ", Timeframe.MIN_5, *ALWAYS)
    common, i, j = np.intersect1d(spy.start_s, qqq.start_s, return_indices=True)
    correlation = np.corrcoef(np.diff(np.log(spy.close[i])), np.diff(np.log(qqq.close[j])))[0, 1]
    assert len(common) > 3000
    assert correlation > 0.8


def test_a_handful_of_low_priced_names_gaps_every_day(world: SyntheticWorld) -> None:
    small = {listing.symbol for listing in world.listings if listing.kind is ListingKind.SMALL}
    counts = [
        sum(event.kind is EventKind.GAP and event.symbol in small for event in plan.events.values())
        for plan in world.plans.values()
    ]
    assert min(counts) >= 5
    assert max(counts) <= 25


def test_low_priced_gappers_lose_from_open_to_close_on_average(world: SyntheticWorld) -> None:
    """US stocks of 1-10 $ that opened 4 % up lost 0.8 % on average and 1.8 % at the median from 2015 to 2017."""
    listings = {listing.symbol: listing for listing in world.listings}
    held = []
    for plan in world.plans.values():
        for event in plan.events.values():
            listing = listings[event.symbol]
            if listing.kind is not ListingKind.SMALL or event.kind is not EventKind.GAP or event.jump < 0:
                continue
            if not 1 <= listing.price <= 10:
                continue
            day = world.draw(listing, plan.day.on, world.first_state(listing))
            shape = plan.grid.shape
            regular = (day.minute >= shape.open_i) & (day.minute < shape.close_i)
            opened, closed = day.prices[0, regular][0], day.prices[3, regular][-1]
            if opened >= 1.04 * listing.price * 10_000:
                held.append(closed / opened - 1)
    returns = np.array(held)
    assert len(returns) > 1500
    assert -0.014 < returns.mean() < -0.003
    assert np.median(returns) < returns.mean()
    assert 0.3 < (returns > 0).mean() < 0.5


def test_gappers_have_news_and_trades_before_the_open(tape: SyntheticTape) -> None:
    n_agree = n_gappers = n_traded = 0
    for day in tape.trading_days[-10:]:
        start = datetime.combine(day.on, datetime.min.time(), UTC) + timedelta(hours=5)
        stories = tape.news(start, day.open_at)
        for symbol, event in tape.events(day.on).items():
            if event.kind is not EventKind.GAP:
                continue
            n_gappers += 1
            assert any(symbol in story.symbols for story in stories), symbol
            premarket = tape.base(symbol, day.on).bars.between(0, int(day.open_at.timestamp()))
            n_traded += len(premarket) > 10
            n_agree += event.sentiment == np.sign(event.jump)
    assert n_gappers > 50
    assert n_traded > 0.9 * n_gappers
    assert 0.7 < n_agree / n_gappers < 1


def test_news_comes_oldest_first_from_its_range_and_mostly_before_the_close(tape: SyntheticTape) -> None:
    day = tape.trading_days[-1]
    stories = tape.news(*ALWAYS)
    times = [story.published_at for story in stories]
    assert times == sorted(times)
    assert len({story.news_id for story in stories}) == len(stories)
    assert all(symbol in tape.assets for story in stories for symbol in story.symbols)
    assert len(stories) > 40 * len(tape.session_dates)
    part = tape.news(day.open_at, day.close_at)
    assert part == tuple(story for story in stories if day.open_at <= story.published_at < day.close_at)
    assert part


@pytest.mark.parametrize(("edge", "low", "high"), [(0.0, -0.02, 0.02), (1.0, -0.12, -0.03)])
def test_extended_liquid_names_come_back_as_far_as_the_edge_says(edge: float, low: float, high: float) -> None:
    tape = SyntheticTape(4, date(2026, 11, 20), n_symbols=40, history_days=30, edge=edge)
    behind, ahead = [], []
    for symbol in equities(tape):
        if not tape.assets[symbol].is_fractionable:  # small companies
            continue
        for day in tape.trading_days:
            bars = tape.bars(symbol, Timeframe.MIN_5, day.open_at, day.close_at)
            log_close = np.log(bars.close)
            moves = log_close[6:] - log_close[:-6]
            behind.append(moves[:-6] / moves.std())
            ahead.append(moves[6:] / moves.std())
    correlation = np.corrcoef(np.concatenate(behind), np.concatenate(ahead))[0, 1]
    assert low < correlation < high
