"""Monthly governance: no change is the default, what decayed is proposed to be left, and nothing is applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.codec import decode_json
from shared.contracts.parameters import ParameterSet, overlaid
from shared.core.review import MIN_TRIPS, Cohort, Trip, cohorts
from shared.core.sessions import Session
from tests.support.backtest import write_market
from tests.support.ports import settings_with
from training.__main__ import main
from training.backtest import sweep
from training.backtest.sweep import Trial, walk
from training.governance import (
    ParameterStudy,
    StudyFinding,
    changes,
    proposal_of,
    reasons_against,
    retirement,
    studies,
)

PARAMETERS = "GATEHOUSE_STRATEGY_PARAMETERS"
TWO = settings_with(GATEHOUSE_STRATEGIES="momentum.v1=0.6 dip-buyer.v1=0.4")


def trial(values: dict[str, str], mean: float, seed: int, trades: int = 100) -> Trial:
    """Eighty days with a mean return."""
    drawn = np.random.default_rng(seed).normal(0, 0.002, 80)
    return Trial(
        name=sweep.name_of(values),
        values=values,
        run_id=str(seed),
        dates=tuple(date(2026, 1, 1) + timedelta(days=k) for k in range(80)),
        returns=tuple((drawn - drawn.mean() + mean).tolist()),
        trades=trades,
        net_usd=1.0,
        expectancy_bp=1.0,
        max_drawdown=0.01,
    )


def trials_of(study: ParameterStudy, best: int, mean: float = 0.002) -> list[Trial]:
    """Trials of a study's sets; one of them has an edge."""
    return [trial(dict(values), mean if k == best else 0.0, k + 1) for k, values in enumerate(study.sets)]


def finding(study: ParameterStudy, best: int, mean: float = 0.002) -> StudyFinding:
    found = walk(trials_of(study, best, mean), window=10, least_past=20)
    return StudyFinding(study=study, walk=found, against=reasons_against(found))


def cohort(strategy: str, session: Session, *, decayed: bool) -> Cohort:
    return Cohort(strategy=strategy, session=session, trips=30, mean_return=-0.01, is_decayed=decayed)


# What is tried


def test_each_traded_strategys_parameters_are_tried_one_at_a_time_around_what_is_in_force() -> None:
    momentum, dips = studies(TWO)
    assert momentum.needs_models
    assert momentum.sets[0] == {"GATEHOUSE_EDGE_MIN": "0.05", "GATEHOUSE_NET_MOVE_MIN_BP": "3.0"}
    assert [one["GATEHOUSE_EDGE_MIN"] for one in momentum.sets] == ["0.05", "0.0375", "0.0625", "0.05", "0.05"]
    texts = [one[PARAMETERS] for one in dips.sets]
    assert len(set(texts)) == len(texts) == 9
    assert texts[0].startswith("dip-buyer.v1.span=20 dip-buyer.v1.band=2.0 ")
    assert "dip-buyer.v1.span=15 dip-buyer.v1.band=2.0" in texts[1]


def test_parameters_that_are_given_are_what_is_varied() -> None:
    settings = settings_with(
        GATEHOUSE_STRATEGIES="sma-cross.v1=1", GATEHOUSE_STRATEGY_PARAMETERS="sma-cross.v1.fast=40 sma-cross.v1.slow=45"
    )
    (study,) = studies(settings)
    fasts = [one[PARAMETERS].split()[0] for one in study.sets]
    assert fasts == ["sma-cross.v1.fast=40", "sma-cross.v1.fast=30", "sma-cross.v1.fast=40"]
    # A fast mean of 50 above a slow one of 45, and a slow one of 34 below a fast one of 40, are refused.


def test_what_cannot_be_tried_on_bars_is_said() -> None:
    settings = settings_with(GATEHOUSE_STRATEGIES="divergence.v1=0.5 unknown.v1=0.5")
    first, second = studies(settings)
    assert "needs stories" in first.why_not
    assert "no strategy is named" in second.why_not


@given(st.floats(0.5, 5.0))
def test_neighbours_are_within_the_parameters_bounds(band: float) -> None:
    settings = settings_with(
        GATEHOUSE_STRATEGIES="dip-buyer.v1=1", GATEHOUSE_STRATEGY_PARAMETERS=f"dip-buyer.v1.band={band!r}"
    )
    for one in studies(settings)[0].sets:
        changed = settings_with(GATEHOUSE_STRATEGIES="dip-buyer.v1=1", **one)
        assert 0.5 <= float(changed.strategies.parameters_of("dip-buyer.v1")["band"]) <= 5.0


# What speaks against a change


def test_a_set_with_an_edge_that_luck_does_not_explain_is_proposed() -> None:
    assert finding(studies(TWO)[1], best=3).against == ()


def test_what_is_in_force_stays_where_it_is_best() -> None:
    assert finding(studies(TWO)[1], best=0).against == ("what is in force was best",)


@pytest.mark.parametrize("seed", range(5))
def test_noise_proposes_nothing(seed: int) -> None:
    study = studies(TWO)[1]
    drawn = np.random.default_rng(seed).normal(0, 0.002, (len(study.sets), 80))
    trials = [
        replace(trial(dict(values), 0.0, 1), returns=tuple(row.tolist()))
        for values, row in zip(study.sets, drawn, strict=True)
    ]
    assert reasons_against(walk(trials, window=10, least_past=20))


def test_few_trades_show_nothing_however_good() -> None:
    study = studies(TWO)[1]
    trials = [replace(each, trades=MIN_TRIPS - 1) for each in trials_of(study, best=3)]
    assert reasons_against(walk(trials, window=10, least_past=20)) == (
        f"{MIN_TRIPS - 1} trades, fewer than {MIN_TRIPS}",
    )


# The proposal


def test_a_months_findings_become_one_set_that_carries_what_was_accepted() -> None:
    own = settings_with(GATEHOUSE_STRATEGIES="momentum.v1=0.6 dip-buyer.v1=0.4", GATEHOUSE_HOLD_MAX_MIN="45")
    settings = replace(
        own, strategies=settings_with(GATEHOUSE_STRATEGY_PARAMETERS="momentum.v1.cooldown_min=5").strategies
    )
    settings = replace(settings, strategies=replace(settings.strategies, traded=own.strategies.traded))
    momentum, dips = studies(settings)
    found = [finding(momentum, best=2), finding(dips, best=4)]
    changed = changes(settings, found)
    assert changed == {
        "GATEHOUSE_EDGE_MIN": "0.0625",
        PARAMETERS: "momentum.v1.cooldown_min=5 dip-buyer.v1.band=2.5",
    }
    created = datetime(2026, 11, 6, 21, 0, tzinfo=UTC)
    named: dict[str, Any] = {"name": "monthly-2026-11", "created_at": created, "blob": "reports/x.json"}
    made = proposal_of(settings, {"GATEHOUSE_HOLD_MAX_MIN": "45"}, changed, found, **named)
    assert made is not None
    assert made.values == {"GATEHOUSE_HOLD_MAX_MIN": "45", **changed}
    assert made.replaces["GATEHOUSE_EDGE_MIN"] == "0.05"
    assert made.evidence.figures["momentum.v1.deflated_sharpe_probability"] > 0.95
    assert overlaid(own, made).policy.edge_min == 0.0625
    assert proposal_of(settings, {"GATEHOUSE_HOLD_MAX_MIN": "45"}, {}, found, **named) is None


def test_a_finding_that_something_speaks_against_changes_nothing() -> None:
    assert changes(TWO, [finding(study, best=0) for study in studies(TWO)]) == {}
    assert changes(TWO, [StudyFinding(study=studies(TWO)[0], against=("not tried",))]) == {}


# Cohorts


def trips(strategy: str, session: Session, returns: Sequence[float]) -> list[Trip]:
    known = {"on": date(2026, 10, 1), "symbol": "AAA", "strategy": strategy, "session": session.value, "p_win": None}
    return [Trip(**known, cost=Decimal(1000), realised=Decimal(str(1000 * each))) for each in returns]  # type: ignore[arg-type]


def test_a_cohort_decays_by_enough_orders_that_surely_lost() -> None:
    losing = [-0.01, -0.012] * (MIN_TRIPS // 2)
    found = cohorts(
        [
            *trips("a.v1", Session.REG_AM, losing),
            *trips("a.v1", Session.REG_PM, losing[1:]),
            *trips("b.v1", Session.REG_AM, [-0.01, 0.011] * MIN_TRIPS),
        ]
    )
    assert [(each.strategy, each.session, each.is_decayed) for each in found] == [
        ("a.v1", Session.REG_AM, True),
        ("a.v1", Session.REG_PM, False),
        ("b.v1", Session.REG_AM, False),
    ]


MOMENTUM, DIPS = "momentum.v1", "dip-buyer.v1"
AM, MID, PM = Session.REG_AM, Session.REG_MID, Session.REG_PM


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ({}, {}),
        ({(MOMENTUM, PM), (DIPS, PM)}, {"GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-MID"}),
        ({(DIPS, AM), (DIPS, MID), (DIPS, PM)}, {"GATEHOUSE_STRATEGIES": "momentum.v1=0.6"}),
        (
            {(DIPS, AM), (DIPS, MID), (DIPS, PM), (MOMENTUM, AM)},
            {"GATEHOUSE_STRATEGIES": "momentum.v1=0.6", "GATEHOUSE_ENTRY_SESSIONS": "REG-MID REG-PM"},
        ),
        ({(MOMENTUM, AM)}, {"GATEHOUSE_AUTOMATION": "momentum.v1/REG-AM=alert-only"}),
        (
            {(DIPS, AM), (DIPS, MID), (DIPS, PM), (MOMENTUM, AM), (MOMENTUM, MID), (MOMENTUM, PM)},
            {
                "GATEHOUSE_AUTOMATION": " ".join(
                    f"{name}/{session}=alert-only" for name in (DIPS, MOMENTUM) for session in (AM, MID, PM)
                )
            },
        ),
    ],
)
def test_what_decayed_is_left_out_and_never_all_of_it(lost: set[tuple[str, Session]], expected: dict[str, str]) -> None:
    found = [cohort(n, s, decayed=(n, s) in lost) for n in (MOMENTUM, DIPS) for s in (AM, MID, PM)]
    values, told = retirement(found, TWO)
    assert values == expected
    assert len(told) == len(lost)
    alone = [line for line in told if line.endswith("proposed to alert only")]
    assert len(alone) == len(expected.get("GATEHOUSE_AUTOMATION", "").split())


def test_what_is_proposed_to_be_left_can_be_accepted() -> None:
    found = [cohort(DIPS, session, decayed=True) for session in (AM, PM)]
    values, _ = retirement([*found, cohort(MOMENTUM, AM, decayed=False)], TWO)
    created = datetime(2026, 11, 6, 21, 0, tzinfo=UTC)
    made = proposal_of(TWO, {}, values, [], name="monthly-2026-11", created_at=created, blob="reports/x.json")
    assert made is not None
    assert [str(each) for each in overlaid(TWO, made).strategies.traded] == ["momentum.v1=0.6"]


# The command


def governed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, best: int, on: str = "2025-10-18", more: Sequence[str] = ()
) -> Path:
    """Run the command on a small market whose trials are invented."""

    def invented(spec: Any, plan: Any, grid: Any, folder: Path, show: Any, *, jobs: int) -> list[Trial]:
        assert spec.changed["GATEHOUSE_STRATEGIES"] == "dip-buyer.v1=1"
        return trials_of(ParameterStudy(strategy="dip-buyer.v1", sets=tuple(grid)), best)

    for name in ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sweep, "run_trials", invented)
    words = ["govern", "--data", str(write_market(tmp_path / "bars.parquet")), "--out", str(tmp_path / "out")]
    words += ["--set", "GATEHOUSE_STRATEGIES=dip-buyer.v1=0.5 divergence.v1=0.5", "--past", "20", "--on", on]
    assert main([*words, *more]) == 0
    return tmp_path / "out"


def test_the_command_leaves_a_proposal_with_its_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = governed(tmp_path, monkeypatch, best=4)
    made = decode_json(ParameterSet, (out / "parameters-monthly-2025-10.json").read_bytes())
    assert made.values == {PARAMETERS: "dip-buyer.v1.band=2.5"}
    assert made.created_at == datetime(2025, 10, 17, 20, 0, tzinfo=UTC)
    evidence = json.loads((out / "monthly-2025-10-evidence.json").read_bytes())
    assert [study["what"] for study in evidence["studies"]] == [
        "dip-buyer.v1",
        "divergence.v1",
        "Cohorts of the last 40 sessions",
    ]
    assert evidence["studies"][0]["told"][0].startswith("proposed: ")


def test_the_command_says_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = governed(tmp_path, monkeypatch, best=0)
    assert not list(out.glob("parameters-*"))
    said = capsys.readouterr().err
    assert "dip-buyer.v1: no change: what is in force was best" in said
    assert "No change is proposed." in said


@pytest.mark.parametrize(("on", "is_due"), [("2025-11-01", True), ("2025-11-08", False), ("2025-11-03", False)])
def test_on_schedule_it_runs_on_the_months_first_saturday(
    on: str, is_due: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = governed(tmp_path, monkeypatch, best=0, on=on, more=["--first-saturday"])
    assert out.exists() == is_due
