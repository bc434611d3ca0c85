"""Same exits, same costs: what was bought as planned makes on paper what the venue made of it."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from shared.core.market import Timeframe
from shared.core.refusals import Refuser
from shared.core.sessions import aft_close_at, hours_of, pre_open_at
from shared.core.shadow import ShadowEnd, ShadowTrip
from shared.core.values import Symbol
from shared.stages.evidence.case_parts import Seen
from shared.stages.evidence.shadows import PaperBook, told_to_leave
from tests.support.backtest import LAST, rsi_plan
from tests.support.bars import trading_day
from tests.support.ports import fake_ports
from tests.support.tape import ny
from training.backtest.engine import run
from training.backtest.files import summary_bytes, write_run
from training.backtest.harvest import Harvest
from training.backtest.page import render
from training.backtest.records import Trade
from training.backtest.spec import BacktestOutcome, ModelPlan, Spec
from training.backtest.study import study
from training.backtest.tape import RollingTape

RULES = {
    "GATEHOUSE_STRATEGIES": "dip-buyer.v1=0.5 breakout.v1=0.5",
    "GATEHOUSE_STRATEGY_PARAMETERS": "dip-buyer.v1.band=1.2 breakout.v1.span=10",
    "GATEHOUSE_COST_BESIDE_SPREAD_BP": "0",
}
COST_BP = 12.0
"""Slippage of a market order at this venue, and a point of its tape: four a bar, where the market itself jumps."""


def on_paper(spec: Spec, changed: dict[str, str]) -> list[tuple[Trade, ShadowTrip, float]]:
    """Every trade beside its paper trip, and how far its bar of the exit fell, in bp of the entry."""
    harvests: dict[date, Harvest] = {}

    def keep(harvest: Harvest) -> None:
        harvests[harvest.on] = harvest

    plan = ModelPlan(steps=()) if "GATEHOUSE_STRATEGIES" in changed else rsi_plan()
    outcome = run(dataclasses.replace(spec, changed=changed, cases=False), plan, watch=keep)
    tape, ports = RollingTape.from_parquet(spec.bars, None), fake_ports(ny(LAST, "17:00"))
    found = []
    for day in outcome.days:
        harvest, of_day = harvests[day.on], trading_day(day.on)
        span = pre_open_at(of_day), aft_close_at(of_day)
        bars = {Symbol(name): tape.bars(name, Timeframe.MIN_5, *span) for name in tape.assets}
        told = told_to_leave(harvest.signals.values())
        book = PaperBook(ports, Seen(bars=bars, until=span[1]), hours_of(of_day), told)
        decisions = {str(row["decision_id"]): row for row in harvest.decisions.values()}
        for trade in day.trades:
            own = bars[Symbol(trade.symbol)]
            last = own[int(np.searchsorted(own.start_s, trade.left_at.timestamp(), side="right")) - 1 :][:1]
            fallen = (float(last.high[0]) - float(last.low[0])) / trade.entry_usd * 1e4
            found.append((trade, book.trip(decisions[trade.decision_id]), fallen))
    return found


@pytest.mark.parametrize("changed", [{"GATEHOUSE_COST_BESIDE_SPREAD_BP": "0"}, RULES])
def test_what_was_bought_makes_on_paper_what_the_venue_made_of_it(spec: Spec, changed: dict[str, str]) -> None:
    found = on_paper(spec, changed)
    filled = [(trade, trip, fallen) for trade, trip, fallen in found if trip.net_bp is not None]
    same = [(trade, trip, fallen) for trade, trip, fallen in filled if trip.end == trade.exit_reason]
    assert len(filled) >= 0.95 * len(found) > 20
    assert len(same) >= 0.95 * len(filled)
    apart = []
    for trade, trip, fallen in same:
        assert trip.net_bp is not None
        better = trip.net_bp - 1e4 * trade.net_return
        # A stop is sold at the next point of the tape, wherever in its bar that lies; on paper at the stop.
        bound = COST_BP + (fallen if trip.end is ShadowEnd.STOP else 0.0)
        assert -COST_BP <= better <= bound, (trade, trip)
        apart += [better] if trip.end is not ShadowEnd.STOP else []
    assert abs(float(np.median(apart))) < 3.0


def test_a_run_ends_with_its_shadow_book(outcome: BacktestOutcome, tmp_path: Path) -> None:
    made = study(outcome, rsi_plan())
    shadows = [shadow for day in outcome.days for shadow in day.shadows]
    refused = sum(day.decisions.get("refused", 0) + day.decisions.get("expired", 0) for day in outcome.days)
    assert len(shadows) == refused > 0
    (everything,) = [each for each in made.refusals if each.part is Refuser.ALL]
    assert everything.count == refused
    assert json.loads(summary_bytes(made))["value_of_refusals"][0]["count"] == refused
    page = render(made)
    write_run(made, tmp_path, page=page)
    assert len((tmp_path / "shadows.csv").read_text().splitlines()) == refused + 1
    assert "Value of refusals" in page
    assert "under 5 sessions, no interval" in page
