"""Parameter walk-forward: chosen on the past, run once, proposed and never accepted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.bootstrap import JsonCodec
from shared.contracts.parameters import ParameterSet
from shared.contracts.records import CONTROLS, PARAMETERS, Container, Table
from shared.core.errors import SettingsError
from shared.stages.operator.parameters import propose
from tests.support.backtest import rsi_plan
from training.backtest.spec import BacktestOutcome, Spec
from training.backtest.sweep import Trial, parse_grid, proposal, run_trials, walk

NOW = datetime(2025, 10, 20, tzinfo=UTC)


def trial(name: str, returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Trial:
    days = tuple(date(2025, 1, 1) + timedelta(days=k) for k in range(returns.size))
    return Trial(
        name=name,
        values={"GATEHOUSE_EDGE_MIN": name},
        run_id=name,
        dates=days,
        returns=tuple(returns.tolist()),
        trades=10,
        net_usd=1.0,
        expectancy_bp=1.0,
        max_drawdown=0.01,
    )


def test_grid_is_every_combination_of_what_a_set_may_hold() -> None:
    found = parse_grid(["GATEHOUSE_EDGE_MIN=0.1,0.2", "GATEHOUSE_STOP_ATR=1.5"])
    assert found == [
        {"GATEHOUSE_EDGE_MIN": "0.1", "GATEHOUSE_STOP_ATR": "1.5"},
        {"GATEHOUSE_EDGE_MIN": "0.2", "GATEHOUSE_STOP_ATR": "1.5"},
    ]


@pytest.mark.parametrize("text", ["GATEHOUSE_EDGE_MIN", "GATEHOUSE_EDGE_MIN=", "AzureWebJobsStorage=x"])
def test_a_grid_that_cannot_be_a_parameter_set_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_grid([text])


def test_a_window_is_traded_by_what_was_best_before_it_alone() -> None:
    rng = np.random.default_rng(1)
    early, late = rng.normal(0, 0.001, (2, 60))
    early[:30] += 0.01
    late[30:] += 0.01
    found = walk([trial("early", early), trial("late", late)], window=10, least_past=30)
    assert found.choices[0].name == "early"
    assert found.choices[0].day_returns == tuple(early[30:40].tolist())
    assert found.total_return < float(np.prod(1 + late[30:]) - 1)


def test_noise_gives_no_proof_and_a_probability_of_overfitting() -> None:
    rng = np.random.default_rng(2)
    found = walk([trial(str(k), rng.normal(0, 0.01, 100)) for k in range(8)], window=10)
    assert found.probability < 0.95
    assert found.overfitting > 0.1
    assert found.figures()["trials"] == 8


def test_finished_runs_are_not_run_again(spec: Spec, outcome: BacktestOutcome, tmp_path: Path) -> None:
    grid = parse_grid([f"GATEHOUSE_EDGE_MIN={outcome.settings.policy.edge_min},0.9"])
    told: list[str] = []
    first = run_trials(spec, rsi_plan(), grid, tmp_path, lambda what, done: told.append(what), jobs=1)
    assert told.count("parameter sets") == 2
    told.clear()
    again = run_trials(spec, rsi_plan(), grid, tmp_path, lambda what, done: told.append(what), jobs=1)
    assert again == first
    assert not told
    assert first[0].trades == len(outcome.trades)
    assert first[1].trades < first[0].trades
    assert first[0].returns == tuple(day.day_return for day in outcome.days)


def test_a_proposal_is_stored_with_its_evidence_and_accepted_by_nobody() -> None:
    rng = np.random.default_rng(3)
    found = walk([trial("0.1", rng.normal(0, 0.01, 60)), trial("0.2", rng.normal(0.002, 0.01, 60))], window=10)
    made = proposal(found, name="autumn-1", created_at=NOW, blob="reports/backtests/autumn-1.json")
    blobs, tables, codec = MemoryBlobs(), MemoryTables(), JsonCodec()
    propose(blobs, codec, made)
    stored = blobs.get(Container.PARAMETERS, "autumn-1.json")
    assert stored is not None
    read = codec.decode(ParameterSet, stored.value)
    assert read.values == found.chosen.values
    assert read.evidence.figures["trials"] == 2
    assert tables.get(Table.CONTROLS, CONTROLS, PARAMETERS) is None


def test_a_name_that_no_blob_could_have_is_refused() -> None:
    found = walk([trial("a", np.random.default_rng(4).normal(0, 1e-3, 40))], window=10)
    with pytest.raises(SettingsError, match="--propose"):
        proposal(found, name="No Name", created_at=NOW, blob="x")
