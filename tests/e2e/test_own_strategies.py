"""Strategies that somebody else has installed: one is tried, swept and traded, and bad ones harm nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.books import opened
from shared.contracts.records import Table
from simulation.market.scenario import DEFAULT_ON, ROOT
from tests.support.backtest import write_market
from tests.support.day import ENVIRONMENT, run_day

pytestmark = [pytest.mark.slow]

STRATEGIES = '''
import time
from dataclasses import dataclass

import numpy as np

from shared.strategies import Bars, Needs, Rule, Wishes, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh(Rule):
    """Buy three falling closes, leave on one that rises, with a stop under the last lows."""

    name = "fresh.v1"
    needs = Needs(history_bars=20)

    falls: int = parameter(3, "falling closes in a row", low=1, high=9)

    def wishes(self, bars: Bars) -> Wishes:
        falling = np.diff(bars.close, prepend=np.inf) < 0
        run = np.array([falling[max(0, t + 1 - self.falls) : t + 1].all() for t in range(len(bars))])
        return Wishes(enter=run, leave=~falling, stop=bars.low - 0.02 * bars.close, hold_bars=12)


class Raising(Fresh):
    name = "raising.v1"

    def wishes(self, bars: Bars) -> Wishes:
        raise KeyError("no such column")


class Numbers(Fresh):
    name = "numbers.v1"

    def wishes(self, bars: Bars) -> Wishes:
        return Wishes(enter=np.full(len(bars), np.nan), leave=np.zeros(len(bars), np.bool_))


class Slow(Fresh):
    name = "slow.v1"

    def wishes(self, bars: Bars) -> Wishes:
        time.sleep(10)
        return Fresh.wishes(self, bars)


class Wanting(Fresh):
    name = "wanting.v1"
    needs = Needs(history_bars=20, models=("oracle",))


class Twin(Fresh):
    name = "twin.v1"


class OtherTwin(Fresh):
    name = "twin.v1"


class Pathological(Fresh):
    name = "../fresh.v1"


class Knowing(Fresh):
    name = "knowing.v1"

    def wishes(self, bars: Bars) -> Wishes:
        rises = np.append(np.diff(bars.close) > 0, False)
        return Wishes(enter=rises, leave=~rises)
'''
NAMES = ("Fresh", "Raising", "Numbers", "Slow", "Wanting", "Twin", "OtherTwin", "Pathological", "Knowing")
BAD = {
    "raising.v1": "raised KeyError",
    "numbers.v1": "enter must hold one bool",
    "slow.v1": "took longer than",
    "twin.v1": "2 strategies are named twin.v1",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An installed package, as pip leaves one: a module, and entry points beside it."""
    site = tmp_path_factory.mktemp("site")
    (site / "own_strategies.py").write_text(STRATEGIES)
    info = site / "own_strategies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-strategies\nVersion: 1.0\n")
    points = "\n".join(f"{name.lower()} = own_strategies:{name}" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[gatehouse.strategies]\n{points}\n")
    return {**ENVIRONMENT, "PYTHONPATH": str(site)}


def training(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_it_is_checked_and_one_that_knows_the_future_is_found(environment: Mapping[str, str]) -> None:
    clean = training(environment, "check", "--strategy", "fresh.v1")
    assert clean.returncode == 0, clean.stderr
    found = training(environment, "check", "--strategy", "knowing.v1")
    assert found.returncode == 1
    assert "enter" in found.stderr


def test_it_is_swept_and_traded_by_the_apps_stages(environment: Mapping[str, str], tmp_path: Path) -> None:
    bars = str(write_market(tmp_path / "bars.parquet"))
    out = ("--out", str(tmp_path / "out"))
    swept = training(environment, "sweep", "--strategy", "fresh.v1", "--data", bars, "--grid", "falls=2,3,4", *out)
    assert swept.returncode == 0, swept.stderr
    assert (tmp_path / "out" / "report.html").exists()
    traded = training(environment, "backtest", "run", "--bars", bars, "--strategy", "fresh.v1", "--no-cases", *out)
    assert traded.returncode == 0, traded.stderr
    held = training(environment, "parity", "--strategy", "fresh.v1", "--data", bars)
    assert held.returncode == 0, held.stderr
    assert "both entered" in held.stderr


@pytest.mark.parametrize("name", ["twin.v1", "../fresh.v1", "nobody.v1"])
def test_a_name_that_leads_to_none_is_told_before_anything_starts(environment: Mapping[str, str], name: str) -> None:
    refused = training(environment, "check", "--strategy", name)
    assert refused.returncode == 1
    assert "name" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_trades_a_day_beside_the_models_and_the_bad_ones_harm_nobody(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    shares = ("momentum.v1=0.3", "fresh.v1=0.2", *(f"{name}=0.1" for name in (*BAD, "wanting.v1")))
    given = ("--set", f"GATEHOUSE_STRATEGIES={' '.join(shares)}", "--set", "GATEHOUSE_STRATEGY_TIMEOUT_S=2")
    run_day(tmp_path, "--seed", "7", *given, environment=environment)
    day: dict[str, Any] = json.loads((tmp_path / "day.json").read_text())
    assert day["violations"] == []
    with opened("", tmp_path / "state") as app:
        rows = {
            table: [row for _, row in app.tables.query(table, str(DEFAULT_ON))]
            for table in (Table.SIGNALS, Table.DECISIONS, Table.FILLS, Table.INCIDENTS)
        }
    said = Counter((str(row["strategy"]), str(row["policy"])) for row in rows[Table.SIGNALS])
    assert {str(row["strategy"]) for row in rows[Table.FILLS]} == {"momentum.v1", "fresh.v1"}
    assert {str(row["strategy"]) for row in rows[Table.DECISIONS]} == {"momentum.v1", "fresh.v1"}
    for name in BAD:
        assert {policy for strategy, policy in said if strategy == name} == {"STRATEGY_HEALTH"}
    assert {policy for strategy, policy in said if strategy == "wanting.v1"} == {"MODEL_HEALTH"}
    told = {str(row["title"]): str(row["body"]) for row in rows[Table.INCIDENTS]}
    assert told.keys() == {f"{name} gives no opinion" for name in BAD}
    assert all(why in told[f"{name} gives no opinion"] for name, why in BAD.items())
