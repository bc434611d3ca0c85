"""A sweep's figures are those of its trades, however many processes make them; its page says what they are worth."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import SettingsError, StrategyError
from shared.core.market import Bars, Timeframe
from shared.strategies import Rule, Wishes
from tests.support.bars import pick
from tests.support.strategies import made_market, session_dates, write_market
from training.__main__ import main
from training.engines import Costs, run, trades_of
from training.sweeps.grid import SweepGrid, read_grid
from training.sweeps.market import SweptMarket, read_market
from training.sweeps.page import as_data, heat_table, render, verdict
from training.sweeps.run import Sweep, equity_at, sweep

COSTS = Costs(fee=0.001, slippage=0.0005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def daily(folder: Path) -> SweptMarket:
    made = made_market(["AAA", "BBB", "CCC"], 200, is_daily=True)
    made["CCC"] = made["CCC"][50:150]
    return read_market(write_market(folder / "daily.parquet", made), Timeframe.MIN_5)


@pytest.fixture(scope="module")
def intraday(folder: Path) -> Path:
    return write_market(folder / "intraday.parquet", made_market(["AAA", "BBB"], 8))


@pytest.fixture(scope="module")
def swept(daily: SweptMarket) -> Sweep:
    return sweep(read_grid("sma-cross.v1", "fast=3,5,8,20 slow=10,20,40"), daily, COSTS)


@given(seed=st.integers(0, 2**32 - 1), busy=st.floats(0, 0.5), fee=st.sampled_from([0.0, 0.01]))
@settings(max_examples=60, deadline=None)
def test_capital_at_a_bar_is_what_stepping_through_the_trades_gives(seed: int, busy: float, fee: float) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.05, n)))
    bars = Bars(start_s=60 * np.arange(n), open=close, high=close * 1.02, low=close * 0.98, close=close, volume=close)
    costs = Costs(fee=fee, slippage=fee / 2)
    stop = close * 0.97 if seed % 2 else None
    trades = run(bars, Wishes(enter=rng.random(n) < busy, leave=rng.random(n) < busy, stop=stop), costs)
    expected, done = [1.0], 1.0
    for t in range(n):
        now = done
        for k in range(len(trades)):
            if trades.exit_bar[k] == t:
                done *= trades.growth[k]
                now = done
            elif trades.entry_bar[k] <= t < trades.exit_bar[k]:
                now = done * close[t] / (trades.entry_price[k] * (1 + fee))
        expected.append(now)
    assert equity_at(trades, close, np.arange(-1, n), costs) == pytest.approx(expected)
    assert equity_at(trades, close, np.array([n - 1]), costs)[0] == pytest.approx(trades.total_growth)


def test_a_sets_figures_are_those_of_its_trades_on_every_symbol(swept: Sweep, daily: SweptMarket) -> None:
    each = swept.sets[4]
    strategy = next(s for s in swept.grid.sets if swept.grid.values(s) == each.values)
    trades = [trades_of(strategy, part.bars, COSTS, days=part.days) for part in daily.symbols.values()]
    growth = np.concatenate([of.growth for of in trades])
    assert each.trades == growth.size > 0
    assert each.win_rate == pytest.approx(np.mean(growth > 1))
    assert each.mean_bp == pytest.approx(1e4 * np.mean(growth - 1))
    assert each.growth == pytest.approx(np.mean([of.total_growth for of in trades]))
    assert each.equity.shape == (200,)
    returns = np.diff(np.r_[1.0, each.equity]) / np.r_[1.0, each.equity[:-1]]
    assert each.sharpe == pytest.approx(np.sqrt(252) * returns.mean() / returns.std(ddof=1))


def test_best_is_first_and_held_against_all_that_were_tried(swept: Sweep) -> None:
    ratios = [each.sharpe for each in swept.sets]
    assert ratios == sorted(ratios, reverse=True)
    # 20 and 10, 20 and 20 are refused.
    assert (len(swept.sets), swept.grid.refused, swept.deflated.trials) == (10, 2, 10)
    assert swept.deflated.ratio * np.sqrt(252) == pytest.approx(swept.best.sharpe)
    assert swept.overfitting is not None
    assert swept.overfitting.trials == 10


def test_more_processes_change_nothing(swept: Sweep, daily: SweptMarket) -> None:
    again = sweep(swept.grid, daily, COSTS, jobs=2)
    assert as_data(again) == as_data(swept)
    assert all(np.array_equal(a.equity, b.equity) for a, b in zip(again.sets, swept.sets, strict=True))


def test_days_before_the_first_are_memory_alone(intraday: Path) -> None:
    on = session_dates(8)
    cut = read_market(intraday, Timeframe.MIN_5, since=on[5], until=on[6])
    assert (cut.first, cut.last, cut.dates.size) == (on[5], on[6], 2)
    whole = read_market(intraday, Timeframe.MIN_5, until=on[6])
    grid = read_grid("sma-cross.v1", "fast=2 slow=5")
    late = sweep(grid, cut, COSTS).best
    trades = [trades_of(grid.sets[0], part.bars, COSTS, days=part.days) for part in whole.symbols.values()]
    assert late.trades == sum(int((of.entry_bar >= 5 * 78).sum()) for of in trades) > 0


def test_bars_of_a_minute_are_put_together_for_a_strategy_of_five(folder: Path) -> None:
    on = session_dates(1)[0]
    bars = made_market(["AAA"], 1)["AAA"]
    minutes = Bars(
        start_s=np.concatenate([bars.start_s[:10] + 60 * k for k in range(5)]).reshape(5, 10).T.ravel(),
        **{name: np.repeat(getattr(bars, name)[:10], 5) for name in ("open", "high", "low", "close", "volume")},
    )
    market = read_market(write_market(folder / "minutes.parquet", {"AAA": minutes}), Timeframe.MIN_5)
    assert (market.timeframe, market.first) == (Timeframe.MIN_5, on)
    assert np.array_equal(market.symbols["AAA"].bars.start_s, bars.start_s[:10])  # type: ignore[index]


def test_prices_are_in_the_terms_of_the_last_bar_where_the_file_tells_of_splits(folder: Path) -> None:
    bars = made_market(["AAA"], 30, is_daily=True)["AAA"]
    path = write_market(folder / "split.parquet", {"AAA": bars})
    table = pd.read_parquet(path)
    table["split_next"] = 1.0
    table.loc[9, "split_next"] = 0.5
    table.loc[:9, ["open", "high", "low", "close"]] *= 2
    table.to_parquet(path)
    found = read_market(path, Timeframe.DAY_1).symbols["AAA"].bars  # type: ignore[index]
    assert found.close == pytest.approx(bars.close)


def test_what_a_file_lacks_is_refused(intraday: Path, folder: Path) -> None:
    on = session_dates(8)
    with pytest.raises(SettingsError, match=r"has no bars of ZZZ, Q: it has 2 symbols, AAA, BBB"):
        read_market(intraday, Timeframe.MIN_5, symbols=["AAA", "ZZZ", "Q"])
    with pytest.raises(SettingsError, match="no bar of these symbols from"):
        read_market(intraday, Timeframe.MIN_5, since=on[-1] + timedelta(days=1))
    with pytest.raises(SettingsError, match="must not be after"):
        read_market(intraday, Timeframe.MIN_5, since=on[2], until=on[1])
    with pytest.raises(SettingsError, match="no file of bars"):
        read_market(folder / "none.parquet", Timeframe.MIN_5)


def test_fault_names_symbol_set_and_day(daily: SweptMarket) -> None:
    class Faulty(Rule):
        name = "faulty.v1"

        def wishes(self, bars: Bars) -> Wishes:
            raise RuntimeError("of mine")

    grid = SweepGrid(axes={}, sets=(Faulty(),), refused=0)
    with pytest.raises(StrategyError, match=r"^AAA, .*Faulty.*: faulty.v1 raised RuntimeError: of mine \(2026-03-02"):
        sweep(grid, daily, COSTS)


def test_page_holds_the_verdict_first_and_charts_that_can_be_read(swept: Sweep) -> None:
    page = render(swept)
    sentence, _, reasons = verdict(swept)
    assert page.index(sentence) < page.index("The best sets") < page.index("Sharpe ratio by fast and slow")
    assert all(reason in page.replace("&#39;", "'") for reason in reasons)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 3
    for each in drawn:
        ElementTree.fromstring(each)
    assert "nan" not in "".join(drawn)


def test_map_shows_the_best_over_the_other_parameters(daily: SweptMarket) -> None:
    made = sweep(read_grid("dip-buyer.v1", "span=5,10 band=0.5,1,1.5 hold=1,2,3"), daily, COSTS)
    drawn, title = heat_table(made)
    assert title == "Sharpe ratio by band and hold, the best over the other parameters"
    cell = max(each.sharpe for each in made.sets if (each.values["band"], each.values["hold"]) == (1, 2))
    assert "hold 2, band 1</title>" not in drawn
    assert f"hold 2, band 1: {cell:.2f}".replace("-", "\N{MINUS SIGN}") in drawn
    alone, _ = heat_table(sweep(read_grid("dip-buyer.v1", "band=1,2"), daily, COSTS))
    assert alone.count("<title>") == 2
    assert heat_table(sweep(read_grid("dip-buyer.v1", ""), daily, COSTS)) == ("", "")


def test_verdict_needs_evidence(swept: Sweep) -> None:
    better = dataclasses.replace(swept.deflated, probability=0.99)
    best = dataclasses.replace(swept.best, sharpe=2.0)
    assert swept.overfitting is not None
    fit = dataclasses.replace(swept.overfitting, probability=0.1)
    good = dataclasses.replace(swept, sets=(best, *swept.sets[1:]), deflated=better, overfitting=fit)
    assert verdict(good)[:2] == (
        "The best set is better than luck alone explains, before what a sweep leaves out.",
        True,
    )
    lucky = dataclasses.replace(good, deflated=dataclasses.replace(better, probability=0.9))
    assert verdict(lucky)[0].startswith("Nothing has been shown")
    over = dataclasses.replace(good, overfitting=dataclasses.replace(fit, probability=0.5))
    assert not verdict(over)[1]
    loser = dataclasses.replace(good, sets=(dataclasses.replace(best, sharpe=-0.1),))
    assert verdict(loser)[0] == "No set has earned anything."
    idle = dataclasses.replace(good, sets=(dataclasses.replace(best, trades=0, sharpe=float("nan")),))
    assert verdict(idle)[0] == "No set made a trade."


def test_few_days_and_one_set_are_judged_without_halves(folder: Path) -> None:
    short = read_market(
        write_market(folder / "short.parquet", made_market(["AAA"], 12, is_daily=True)), Timeframe.DAY_1
    )
    made = sweep(read_grid("sma-cross.v1", "fast=2,3 slow=4"), short, COSTS)
    assert made.overfitting is None
    assert json.loads(json.dumps(as_data(made)))["overfitting_probability"] is None
    assert "Under 40 days nothing can be said of overfitting." in verdict(made)[2]
    idle = sweep(read_grid("sma-cross.v1", ""), short, COSTS)
    assert render(idle).count("No set made a trade.") == 1


def test_command_writes_page_and_figures_and_nothing_else(
    intraday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--strategy", "dip-buyer.v1", "--data", str(intraday), "--grid", "band=0.5,1", "--jobs", "1"]
    assert main(["sweep", *options, "--symbols", "BBB", "--json", "out/sets.json"]) == 0
    data = json.loads((tmp_path / "out" / "sets.json").read_text())
    assert (data["symbols"], data["trials"], data["days"]) == (1, 2, 8)
    assert {each["values"]["band"] for each in data["sets"]} == {0.5, 1.0}
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"out/sets.json", ".sandbox/sweep/report.html"}
    assert "Sweep of dip-buyer.v1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--strategy", "none.v1"], "no strategy is named"),
        (["--strategy", "dip-buyer.v1", "--grid", "band=9"], "must be a number from 0.5 to 5.0"),
        (["--strategy", "dip-buyer.v1", "--symbols", "ZZZ"], "has no bars of ZZZ"),
        (["--strategy", "dip-buyer.v1", "--slippage", "5"], "--slippage is a fraction"),
        (["--strategy", "dip-buyer.v1", "--fee", "nan"], "--fee is a fraction"),
        (["--strategy", "dip-buyer.v1", "--jobs", "0"], "--jobs must be at least 1"),
    ],
)
def test_command_refuses_bad_input_in_a_line(
    options: list[str], said: str, intraday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *options, "--data", str(intraday), "--out", str(tmp_path / "out")]) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_market_with_holes_counts_every_date_of_any_symbol(folder: Path) -> None:
    made = made_market(["AAA", "BBB"], 6)
    days = np.arange(6 * 78) // 78
    made["BBB"] = pick(made["BBB"], days != 3)
    market = read_market(write_market(folder / "holes.parquet", made), Timeframe.MIN_5)
    assert market.symbols["BBB"].at.tolist() == [77, 155, 233, 233, 311, 389]  # type: ignore[index]
    late = read_market(folder / "holes.parquet", Timeframe.MIN_5, symbols=["BBB"])
    assert late.dates.size == 5
