"""One small market, and one run on it, for all tests of this folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.backtest import rsi_plan, write_market
from training.backtest.engine import run
from training.backtest.spec import BacktestOutcome, Spec

SINCE = date(2025, 10, 16)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "bars.parquet")


@pytest.fixture(scope="session")
def spec(recorded: Path) -> Spec:
    return Spec(bars=recorded, since=SINCE, workers=0, cases=True)


@pytest.fixture(scope="session")
def outcome(spec: Spec) -> BacktestOutcome:
    return run(spec, rsi_plan())
