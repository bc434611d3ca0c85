"""What the app makes of a sweep: every difference has its reason, and one without is found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import training.backtest.speeds
from shared.strategies.breakout import Breakout
from shared.strategies.dip_buyer import DipBuyer
from shared.strategies.protocol import Strategy
from training.backtest.spec import Spec
from training.backtest.speeds import Became, Speeds, compare_speeds
from training.engines import asked_wishes, trades_of
from training.sweeps.market import read_market

PARAMETERS = "dip-buyer.v1.band=1.2 breakout.v1.span=10"


def compared(strategy: Strategy, spec: Spec) -> Speeds:
    changed = {"GATEHOUSE_STRATEGIES": f"{strategy.name}=1", "GATEHOUSE_STRATEGY_PARAMETERS": PARAMETERS}
    market = read_market(spec.bars, strategy.needs.timeframe, since=spec.since, until=spec.until)
    return compare_speeds(strategy, market, dataclasses.replace(spec, changed=changed), lambda what, done: None)


@pytest.mark.parametrize("strategy", [DipBuyer(band=1.2), Breakout(span=10)], ids=["rule", "rule of state"])
def test_every_difference_between_sweep_and_app_has_a_reason(spec: Spec, strategy: Strategy) -> None:
    found = compared(strategy, spec)
    assert found.is_explained, found.examples
    assert found.entries[Became.SAME, ""] > 0
    assert sum(found.exits.values()) > 0


def test_an_entry_of_the_app_that_the_strategy_did_not_want_is_found(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanting_nothing(*given: object, **named: object) -> object:
        wishes = asked_wishes(*given, **named)  # type: ignore[arg-type]
        return dataclasses.replace(wishes, enter=np.zeros_like(wishes.enter))

    def trading_nothing(strategy: object, bars: object, **named: object) -> object:
        return trades_of(strategy, bars[:0], **(named | {"days": None}))  # type: ignore[arg-type, index]

    monkeypatch.setattr("training.backtest.speeds.asked_wishes", wanting_nothing)
    monkeypatch.setattr("training.backtest.speeds.trades_of", trading_nothing)
    found = compared(DipBuyer(band=1.2), spec)
    assert not found.is_explained
    assert found.examples


def test_an_entry_that_the_app_has_no_row_of_is_found(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.backtest.speeds._AppRows, "is_watched", lambda *_: True)
    became = training.backtest.speeds._became
    rows = training.backtest.speeds._AppRows()
    assert became(rows, ("2025-10-15", "ABLE", "1000")) == (Became.UNEXPLAINED, "no row")
    rows.signals["2025-10-15", "ABLE", "1000"] = {"policy": "NO_WISH", "decision_id": "x"}
    assert became(rows, ("2025-10-15", "ABLE", "1000")) == (Became.UNEXPLAINED, "NO_WISH")
    rows.signals["2025-10-15", "ABLE", "1000"] = {"policy": "ENTER", "decision_id": "x"}
    assert became(rows, ("2025-10-15", "ABLE", "1000")) == (Became.UNEXPLAINED, "no decision")
