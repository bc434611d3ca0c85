"""Thresholds by regime: only where the regime's own days show it out of sample, and every regime has enough of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from shared.contracts.model_card import ModelCard
from shared.core.market import FloatArray
from shared.core.regime import Regime
from shared.core.settings import PolicySettings
from tests.support.backtest import rsi_models, rsi_plan
from training.__main__ import main
from training.backtest.batch import TrainedSet
from training.backtest.by_regime import LEAST_JUDGED, RegimeFinding, by_regime, regimes_of, threshold_values
from training.backtest.engine import run
from training.backtest.harvest import Harvest
from training.backtest.spec import ModelPlan, Spec
from training.backtest.sweep import Trial
from training.cards import packed_regimes
from training.regimes import fit_regimes

FIRST = date(2024, 1, 1)
DAYS = 3 * (LEAST_JUDGED + 60)
REGIMES = {FIRST + timedelta(days=k): tuple(Regime)[k % 3] for k in range(DAYS)}
POLICY = PolicySettings()


def trial(edge: str, returns: FloatArray) -> Trial:
    return Trial(
        name=f"edge_min={edge}",
        values={"GATEHOUSE_EDGE_MIN": edge},
        run_id=edge,
        dates=tuple(REGIMES),
        returns=tuple(returns.tolist()),
        trades=10,
        net_usd=1.0,
        expectancy_bp=1.0,
        max_drawdown=0.01,
    )


def trials(gains: Mapping[str, Sequence[float]], seed: int = 1) -> list[Trial]:
    """Trials by threshold, with so much more a day in each regime than noise."""
    rng = np.random.default_rng(seed)
    return [trial(edge, rng.normal(0, 0.004, DAYS) + np.resize(gain, DAYS)) for edge, gain in gains.items()]


def found_in(tried: Sequence[Trial]) -> dict[Regime, RegimeFinding]:
    return {each.regime: each for each in by_regime(tried, REGIMES, window=10, least_past=20)}


def test_a_regime_whose_own_days_show_more_gets_a_threshold_of_its_own() -> None:
    found = found_in(trials({"0.05": [0, 0, 0.002], "0.1": [0, 0, 0.0045], "0.2": [0, 0, 0.002]}))
    assert not found[Regime.STRESSED].against
    assert found[Regime.CALM].against
    assert found[Regime.NORMAL].against
    assert found[Regime.STRESSED].figures()["stressed.deflated_sharpe_probability"] > 0.95
    assert "edge_min=0.1 (out of sample +" in found[Regime.STRESSED].told
    assert threshold_values(list(found.values()), POLICY) == {"GATEHOUSE_EDGE_FACTOR_STRESSED": "3"}


def test_what_moves_the_normal_threshold_leaves_the_other_regimes_where_they_are() -> None:
    found = found_in(trials({"0.05": [0, 0.002, 0], "0.1": [0, 0.004, 0]}))
    values = threshold_values(list(found.values()), POLICY)
    assert values == {
        "GATEHOUSE_EDGE_MIN": "0.1",
        "GATEHOUSE_EDGE_FACTOR_CALM": "0.5",
        "GATEHOUSE_EDGE_FACTOR_STRESSED": "0.75",
    }
    moved = replace(POLICY, edge_min=0.1, edge_factor_calm=0.5, edge_factor_stressed=0.75)
    for regime in (Regime.CALM, Regime.STRESSED):
        for session in POLICY.entry_sessions:
            assert moved.edge_least(session, regime) == pytest.approx(POLICY.edge_least(session, regime))


@pytest.mark.parametrize("seed", range(5))
def test_noise_gives_no_regime_a_threshold(seed: int) -> None:
    found = found_in(trials({edge: [0, 0, 0] for edge in ("0.05", "0.1", "0.15", "0.2")}, seed))
    assert threshold_values(list(found.values()), POLICY) == {}
    assert all(each.against for each in found.values())


def test_where_one_regime_has_too_few_days_none_gets_a_threshold() -> None:
    rare = {on: Regime.CALM if regime is Regime.STRESSED else regime for on, regime in REGIMES.items()}
    tried = trials({"0.05": [0, 0.002, 0], "0.1": [0, 0.004, 0]})
    found = by_regime(tried, rare, window=10, least_past=20)
    assert [each.walk is None for each in found] == [False, False, True]
    assert not found[1].against
    assert found[2].told == f"stressed: no evidence: 0 days out of sample, {LEAST_JUDGED} needed"
    assert threshold_values(found, POLICY) == {}


def test_days_of_one_regime_say_nothing_of_another() -> None:
    tried = trials({"0.05": [0, 0, 0], "0.1": [0.001, 0.002, 0.003]})
    other = [
        replace(
            each,
            returns=tuple(
                made if REGIMES[on] is Regime.CALM else -made for on, made in zip(each.dates, each.returns, strict=True)
            ),
        )
        for each in tried
    ]
    assert found_in(other)[Regime.CALM].figures() == found_in(tried)[Regime.CALM].figures()


def with_regimes() -> TrainedSet:
    """The models of the tests with a regime model whose states the small market's volatility falls between."""
    rng = np.random.default_rng(4)
    rows = np.stack(
        [np.repeat([0.050, 0.055, 0.062], 80) + rng.normal(0, 0.001, 240), rng.normal(0.3, 0.1, 240)], axis=1
    )
    mixture = fit_regimes(rows, seed=1)
    (_, like), *_ = rsi_models().models
    how = {"version": "rsi", "label": "regimes", "code_revision": "", "created_at": like.created_at}
    days = {"trained_from": like.trained_from, "trained_to": like.trained_to, "expires_on": like.expires_on}
    packed = packed_regimes(partial(ModelCard, **how, **days), {}, mixture, rows, 2)  # type: ignore[arg-type]
    assert isinstance(packed.card, ModelCard)
    return TrainedSet(models=(*rsi_models().models, (packed.onnx, packed.card)))


def test_a_days_regime_is_the_one_that_the_app_recorded(spec: Spec) -> None:
    recorded: dict[date, set[str]] = {}

    def watch(day: Harvest) -> None:
        recorded[day.on] = {str(row["regime"]) for row in day.signals.values()}

    longer, plan = replace(spec, since=date(2025, 10, 10), cases=False), ModelPlan(steps=((date.min, with_regimes()),))
    run(longer, plan, watch=watch)
    found = regimes_of(longer, plan)
    seen = {on: names for on, names in recorded.items() if names}
    assert len(seen) >= 3
    assert seen == {on: {found[on].value} if on in found else {"unknown"} for on in seen}
    assert len(set(found.values())) >= 2


def test_without_a_regime_model_no_day_has_a_regime(spec: Spec) -> None:
    assert regimes_of(spec, rsi_plan()) == {}


def test_the_command_says_that_there_is_no_evidence(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    call = ["backtest", "walkforward", "--bars", str(recorded), "--strategy", "sma-cross.v1=1", "--by-regime"]
    call += ["--from", "2025-10-16", "--workers", "1", "--out", str(tmp_path), "--propose", "autumn"]
    assert main([*call, "--grid", "GATEHOUSE_EDGE_MIN=0.1"]) == 0
    told = capsys.readouterr().err
    assert "stressed: no evidence: 0 days out of sample" in told
    assert "No change is proposed." in told
    evidence = json.loads((tmp_path / "by-regime-autumn.json").read_text())
    assert evidence["chosen"] == {}
    assert not list(tmp_path.glob("parameters-*"))
    assert main([*call, "--grid", "GATEHOUSE_STOP_ATR=1"]) == 1
    assert "expected --grid GATEHOUSE_EDGE_MIN" in capsys.readouterr().err
