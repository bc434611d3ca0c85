"""The backtest's broker against the simulation's, which goes through the venue's JSON and the app's own parsing."""

from __future__ import annotations

from datetime import timedelta

from simulation.runtime.broker import SimBroker
from tests.support.backtest import SYMBOLS, rsi_models
from training.backtest.leakcheck import sampled_days, staged
from training.backtest.spec import Spec, app_environment
from training.backtest.tape import RollingTape


def test_account_positions_and_orders_are_those_that_the_json_tells(spec: Spec) -> None:
    tape = RollingTape.from_parquet(spec.bars, None)
    (day,) = sampled_days(tape, 1)
    app, runner = staged(tape, day, rsi_models(), app_environment({}, SYMBOLS, SYMBOLS[:2]))
    seen = 0
    for minute in range(5, 391, 15):
        runner.run(day.open_at + timedelta(minutes=minute))
        app.tape_broker.sync()
        through_json = SimBroker(app.tape_broker.exchange)
        assert app.broker.account() == through_json.account()
        assert app.broker.positions() == through_json.positions()
        since = day.open_at - timedelta(hours=1)
        assert app.broker.orders(since=since) == through_json.orders(since=since)
        seen += len(app.broker.positions())
    assert seen > 3
