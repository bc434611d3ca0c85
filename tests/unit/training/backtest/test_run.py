"""A backtest on a small market: shortcuts change nothing, and nothing fills before it can."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from shared.adapters.codec import decode_json
from shared.contracts.cases import Case, case_blob
from shared.core.errors import SettingsError
from shared.core.sessions import NEW_YORK
from simulation.venue.config import VenueConfig
from tests.support.backtest import LAST, rsi_plan
from training.backtest.engine import batched_scores, run
from training.backtest.spec import BacktestOutcome, ModelPlan, Spec, app_environment, totals
from training.backtest.tape import RollingTape


def decided_at(on: date, slot: str) -> datetime:
    return datetime.combine(on, time(int(slot[:2]), int(slot[2:])), NEW_YORK).astimezone(UTC)


def test_batch_and_quiet_minutes_change_no_decision_trade_or_equity(spec: Spec, outcome: BacktestOutcome) -> None:
    exact = run(dataclasses.replace(spec, exact=True), rsi_plan())
    assert outcome.trades
    assert exact.trades == outcome.trades
    for ours, theirs in zip(outcome.days, exact.days, strict=True):
        assert (ours.decisions, ours.refused_by) == (theirs.decisions, theirs.refused_by)
        assert ours.shadows == theirs.shadows
        assert (ours.fills, ours.closing_usd, ours.scored) == (theirs.fills, theirs.closing_usd, theirs.scored)
        assert set(ours.points) <= set(theirs.points)


@pytest.mark.parametrize("traded", ["dip-buyer.v1=1", "momentum.v1=0.4 dip-buyer.v1=0.3 breakout.v1=0.3"])
def test_the_batch_changes_no_trade_of_rules_either(spec: Spec, traded: str) -> None:
    plan = rsi_plan() if "momentum" in traded else ModelPlan(steps=())
    changed = {
        "GATEHOUSE_STRATEGIES": traded,
        "GATEHOUSE_STRATEGY_PARAMETERS": "dip-buyer.v1.band=1.2 breakout.v1.span=10",
    }
    batched = run(dataclasses.replace(spec, changed=changed), plan)
    exact = run(dataclasses.replace(spec, changed=changed, exact=True), plan)
    assert {trade.strategy for trade in exact.trades} == {each.partition("=")[0] for each in traded.split()}
    assert batched.trades == exact.trades
    assert [(day.decisions, day.closing_usd, day.shadows) for day in batched.days] == [
        (day.decisions, day.closing_usd, day.shadows) for day in exact.days
    ]
    assert any(day.shadows for day in exact.days)


def test_scores_given_or_made_by_workers_are_those_made_here(spec: Spec, outcome: BacktestOutcome) -> None:
    given = batched_scores(dataclasses.replace(spec, workers=1), rsi_plan(), lambda what, done: None)
    again = run(spec, rsi_plan(), scores=given)
    assert again.trades == outcome.trades


def test_trades_carry_their_strategy_and_what_it_does_not_say_is_none(spec: Spec) -> None:
    changed = {"GATEHOUSE_STRATEGIES": "momentum.v1=0.5 sma-cross.v1=0.5"}
    found = run(dataclasses.replace(spec, changed=changed, exact=True), rsi_plan())
    assert {trade.strategy for trade in found.trades} == {"momentum.v1", "sma-cross.v1"}
    for trade in found.trades:
        said = (trade.p_up, trade.p_down, trade.expected_move_bp)
        assert all(value is None for value in said) == (trade.strategy == "sma-cross.v1")
    scores = {t.strategy: decode_json(Case, found.cases[case_blob(t.on, t.decision_id)]).scores for t in found.trades}
    assert scores["momentum.v1"].contributions
    assert scores["sma-cross.v1"].contributions == ()


def test_no_trade_fills_on_the_bar_that_it_was_decided_on(outcome: BacktestOutcome) -> None:
    """The decision's last bar ends at the slot; the entry fills at or after the next bar's first point."""
    for trade in outcome.trades:
        assert trade.entered_at >= decided_at(trade.on, trade.slot)
        assert trade.left_at > trade.entered_at


def test_entry_never_beats_the_next_bars_own_range(spec: Spec, outcome: BacktestOutcome) -> None:
    tape = RollingTape.from_parquet(spec.bars, None)
    for trade in outcome.trades:
        start = int(trade.entered_at.timestamp()) // 300 * 300
        bars = tape.base(trade.symbol, trade.on)
        place = int(bars.bars.start_s.searchsorted(start))
        assert float(bars.bars.low[place]) - 0.01 <= trade.entry_usd


def test_money_adds_up(outcome: BacktestOutcome) -> None:
    change = outcome.days[-1].closing_usd - outcome.days[0].opening_usd
    assert change == pytest.approx(sum(trade.net_usd for trade in outcome.trades), abs=0.01)
    assert all(trade.fees_usd > 0 for trade in outcome.trades)
    assert outcome.unfinished == 0


def test_every_candidate_is_counted_once(outcome: BacktestOutcome) -> None:
    assert sum(totals(outcome.days, "policy").values()) == sum(day.scored for day in outcome.days)


def test_thinner_markets_fill_worse(spec: Spec, outcome: BacktestOutcome) -> None:
    """A smaller share of the volume and a steeper impact cannot make the same trades cheaper."""
    poor = VenueConfig(volume_share=0.01, slippage_impact_bp=Decimal(100), sec_fee_per_million=Decimal(500))
    thin = run(dataclasses.replace(spec, venue=poor), rsi_plan())
    assert sum(t.fees_usd / t.notional_usd for t in thin.trades) / len(thin.trades) > sum(
        t.fees_usd / t.notional_usd for t in outcome.trades
    ) / len(outcome.trades)
    assert sum(day.bought_usd for day in thin.days) < sum(day.bought_usd for day in outcome.days)


def test_a_day_that_a_model_has_learned_from_is_marked(spec: Spec) -> None:
    early = dataclasses.replace(spec, since=date(2025, 10, 6), until=date(2025, 10, 7))
    days = run(early, rsi_plan()).days
    assert [day.in_sample for day in days] == [True, False]


def test_settings_are_the_apps_and_unknown_ones_are_refused(spec: Spec, outcome: BacktestOutcome) -> None:
    strict = run(dataclasses.replace(spec, changed={"GATEHOUSE_EDGE_MIN": "0.99"}), rsi_plan())
    assert not strict.trades
    assert outcome.trades
    with pytest.raises(SettingsError, match="GATEHOUSE_NONSENSE"):
        app_environment({"GATEHOUSE_NONSENSE": "1"}, ["SPY"], ["SPY"])


def test_a_tape_quotes_each_date_by_what_was_known_before_it(spec: Spec) -> None:
    whole, cut = RollingTape.from_parquet(spec.bars, None), RollingTape.from_parquet(spec.bars, date(2025, 10, 10))
    for on in cut.session_dates[-3:]:
        assert (whole.base("ABLE", on).ask == cut.base("ABLE", on).ask).all()
    assert whole.trades_on("ABLE", LAST)
    assert not whole.trades_on("ABLE", date(2025, 10, 18))
