"""The universe of a date knows nothing of later, and the scanner's history is what the real data are known to show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest

from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.features.history import midnight_s
from shared.core.market import Snapshot
from shared.core.values import Symbol
from shared.core.watchlist import ScanLimits, gap_of, gappers, liquidity
from simulation.market.bar_file import read_file
from simulation.market.bar_rows import SymbolBars
from tests.support.bars import CALENDAR, data_file, random_walk
from training.data.universe import DailyHistory, Member

DAYS = [day.on for day in CALENDAR.previous_days(date(2025, 12, 10), 40)]
STARTS = np.array([midnight_s(on) for on in DAYS])
DAILY = "daily/us_daily_2015_2017_unadjusted.parquet"
_OWN = WatchlistSettings()
LIMITS = ScanLimits(
    price_min_usd=_OWN.price_min_usd,
    price_max_usd=_OWN.price_max_usd,
    gap_min_fraction=_OWN.gap_min_fraction,
    rvol_min=_OWN.rvol_min,
    dollar_volume_min_usd=_OWN.dollar_volume_min_usd,
    spread_max_bp=_OWN.spread_max_bp,
    float_proxy_max_shares=_OWN.float_proxy_max_shares,
    range_min_atr=_OWN.range_min_atr,
)


def walk(seed: int, first: int = 0, last: int = 40) -> SymbolBars:
    return SymbolBars.of(random_walk(np.random.default_rng(seed), STARTS[first:last], 8.0, 0.04))


def history(**changes: SymbolBars) -> DailyHistory:
    made = {"OLD": walk(1), "GONE": walk(2, last=20), "NEW": walk(3, first=30), "HALT": walk(4)}
    return DailyHistory({Symbol(name): rows for name, rows in (made | changes).items()})


def names(members: tuple[Member, ...]) -> list[str]:
    return [member.symbol for member in members]


def test_a_delisted_name_is_in_the_universe_of_its_time_and_a_later_one_is_not() -> None:
    assert names(history().universe(DAYS[20])) == ["GONE", "HALT", "OLD"]
    assert names(history().universe(DAYS[24])) == ["GONE", "HALT", "OLD"]
    assert names(history().universe(DAYS[25])) == ["HALT", "OLD"]
    assert names(history().universe(DAYS[31])) == ["HALT", "NEW", "OLD"]
    assert history().universe(DAYS[0]) == ()


@pytest.mark.parametrize("place", [5, 20, 33])
def test_rows_of_the_date_and_later_never_change_its_universe(place: int) -> None:
    def changed(rows: SymbolBars) -> SymbolBars:
        kept = rows[: int(np.searchsorted(rows.bars.start_s, STARTS[place]))]
        wild = random_walk(np.random.default_rng(9), STARTS[place:], 400.0, 0.3)
        return SymbolBars(bars=kept.bars.then(wild), split_next=np.append(kept.split_next, np.full(len(wild), 0.1)))

    expected = [member for member in history().universe(DAYS[place]) if member.symbol in {"OLD", "HALT"}]
    found = history(OLD=changed(walk(1)), HALT=changed(walk(4))).universe(DAYS[place])
    assert [member for member in found if member.symbol in {"OLD", "HALT"}] == expected


def test_prices_and_volumes_are_in_the_terms_of_the_date() -> None:
    rows = walk(1)
    split = rows.split_next.copy()
    split[24] = 0.5
    halved = SymbolBars(bars=rows.bars, split_next=split)
    before, after = (history(OLD=halved).universe(DAYS[k])[-1] for k in (24, 25))
    assert before.previous_close == rows.bars.close[23]
    assert after.previous_close == rows.bars.close[24] / 2
    assert after.median_volume == np.median(rows.bars.volume[5:25] * 2)
    assert after.median_dollar_volume == pytest.approx(liquidity(rows.bars[5:25]).median_dollar_volume)


@cache
def real_rows() -> Mapping[Symbol, SymbolBars]:
    path = data_file(DAILY)
    if path is None:
        pytest.skip(f"{DAILY} is not in the data folder (setting GATEHOUSE_DATA)")
    return read_file(path).by_symbol()


@cache
def real_gaps() -> pd.DataFrame:
    """Every opening that the scanner's price range and least gap let through, upward, by what daily bars tell."""
    parts = []
    for symbol, rows in real_rows().items():
        bars, previous = rows.bars, rows.bars.close[:-1] * rows.split_next[:-1]
        in_range = (previous >= LIMITS.price_min_usd) & (previous <= LIMITS.price_max_usd)
        at = np.flatnonzero(in_range & (gap_of(bars.open[1:], previous) >= LIMITS.gap_min_fraction)) + 1
        usual = [
            liquidity(bars[max(0, k - 20) : k]).median_dollar_volume for k in at
        ]  # splits leave dollars as they are
        figures = {"start_s": bars.start_s[at], "volume": bars.volume[at], "usual_usd": np.array(usual, float)}
        parts.append(pd.DataFrame({"symbol": symbol, "held": bars.close[at] / bars.open[at] - 1, **figures}))
    return pd.concat(parts)


def sessions() -> int:
    return np.unique(np.concatenate([rows.bars.start_s for rows in real_rows().values()])).size


def test_real_low_priced_names_that_gap_up_lose_until_the_close() -> None:
    """The figures of the data's own description: 23 names a day, 0.8 % lost on average, 1.8 % at the median.

    They hold for names that traded 100,000 shares on the day itself, which is known only after it. By what was known at
    the open, the median dollar volume of the 20 sessions before, there are fewer, and they lose too.
    """
    gaps = real_gaps()
    assert sessions() == 513
    assert len(gaps) / sessions() == pytest.approx(42.7, abs=0.1)
    told = gaps[gaps["volume"] >= 100_000]
    assert len(told) / sessions() == pytest.approx(23.2, abs=0.1)
    assert told["held"].mean() == pytest.approx(-0.008, abs=0.0005)
    assert told["held"].median() == pytest.approx(-0.018, abs=0.0005)
    liquid = gaps[gaps["usual_usd"] >= LIMITS.dollar_volume_min_usd]
    assert len(liquid) / sessions() == pytest.approx(11.7, abs=0.1)
    assert liquid["held"].mean() == pytest.approx(-0.0092, abs=0.0005)


def test_the_apps_own_scanner_finds_the_same_names_on_real_openings() -> None:
    gaps, opened = real_gaps(), midnight_s(date(2016, 6, 24))
    openings = {}
    for symbol, rows in real_rows().items():
        k = int(np.searchsorted(rows.bars.start_s, opened))
        if 0 < k < len(rows) and rows.bars.start_s[k] == opened:
            openings[symbol] = (float(rows.bars.close[k - 1] * rows.split_next[k - 1]), float(rows.bars.open[k]))
    at = datetime(2016, 6, 24, 13, 30, tzinfo=UTC)
    snapshots = [
        Snapshot(
            symbol=symbol,
            last_price=price,
            last_at=at,
            bid=price,
            ask=price,
            day_open=price,
            day_high=price,
            day_low=price,
            day_close=price,
            day_volume=0.0,
            previous_close=previous,
            previous_volume=0.0,
        )
        for symbol, (previous, price) in openings.items()
    ]
    wide = ScanLimits(**{name: getattr(LIMITS, name) for name in ScanLimits.__slots__} | {"price_max_usd": 1e9})
    found = {
        s.symbol for s in gappers(snapshots, wide) if s.last_price > s.previous_close and 1 <= s.previous_close <= 10
    }
    expected = set(gaps.loc[gaps["start_s"] == opened, "symbol"])
    assert len(expected) > 5
    assert found == expected


def test_a_real_universe_holds_names_that_were_delisted_later() -> None:
    daily = DailyHistory(real_rows())
    then, later = (set(names(daily.universe(on))) for on in (date(2016, 6, 1), date(2017, 3, 31)))
    assert len(then) > 5000
    assert len(then - later) > 300
