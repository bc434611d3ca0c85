"""Stored backtests."""

from __future__ import annotations

import json

from dashboard.runs import load_run, run_ids
from shared.contracts.records import Container
from tests.support.views import MemorySource, many_days, shown, words

SUMMARY = {
    "schema_id": "backtest-summary.v1",
    "verdict": "not proven",
    "reasons": ["too few", "costs"],
    "settings": {},
    "models": ["signal/1"],
    "run": {"sharpe": 1.5, "t": None},
    "trades": {"trades": 4, "win_rate": 0.5},
    "overfitting": None,
    "benchmarks": [{"name": "SPY", "total_return": 0.02}],
    "splits": {"session": {"PRE": {"net_usd": 1.0, "t": None}}},
    "curve": [{"at": "2026-10-13T20:00:00Z", "equity_usd": 5.0}],
    "calibration_up": [{"stated": 0.1}],
}


def test_a_run_is_sorted_into_facts_metrics_splits_and_curve() -> None:
    source = MemorySource()
    source.blobs.put(Container.REPORTS, "backtests/b/summary.json", json.dumps(SUMMARY).encode())
    source.blobs.put(Container.REPORTS, "backtests/b/trades.csv", b"")
    assert run_ids(source) == ["b"]
    run = load_run(source, "b")
    assert run is not None
    assert run.facts == {"verdict": "not proven", "reasons": "too few, costs", "models": "signal/1", "settings": "none"}
    trades = {"trades.trades": 4.0, "trades.win_rate": 0.5}
    assert run.metrics == {"run.sharpe": 1.5, **trades, "benchmark.SPY.total_return": 0.02}
    assert run.splits == {"session": {"PRE": {"net_usd": 1.0, "t": None}}}
    assert list(run.curve["equity_usd"]) == [5.0]


def test_the_page_lays_runs_beside_each_other() -> None:
    source = MemorySource()
    many_days(source, 1)
    for name in ("a", "b"):
        source.blobs.put(Container.REPORTS, f"backtests/{name}/summary.json", json.dumps(SUMMARY).encode())
    with shown("backtests", source) as app:
        assert not app.exception
        text = words(app)
    assert text.count("not proven") == 2
    assert "PRE" in text


def test_a_broken_or_missing_summary_is_no_run() -> None:
    source = MemorySource()
    source.blobs.put(Container.REPORTS, "backtests/a/summary.json", b"{not json")
    assert load_run(source, "a") is None
    assert load_run(source, "b") is None
