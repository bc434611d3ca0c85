"""Seeded days with faults: no rule is broken, the same seed is the same day, and what is broken on purpose is found."""

from __future__ import annotations

import io
import os
from argparse import ArgumentParser
from unittest.mock import patch

import pytest
from rich.console import Console

from shared.core import order_steps
from shared.core.errors import SettingsError
from simulation.faults import cli
from simulation.faults.day import SimulationOutcome, simulate
from simulation.faults.mutants import MUTANTS, mutant
from simulation.faults.options import ALL, NAMES, SimulationRun, faults_of, parse_faults
from simulation.faults.runner import run_all, shrink

SEEDS = range(5001, 5041)


def test_days_with_all_faults_break_no_rule() -> None:
    """Each seed meets some of the faults, so that together all are met."""
    processes = min(2, os.cpu_count() or 1)
    outcomes: list[SimulationOutcome] = []
    runs = [SimulationRun(seed=seed) for seed in SEEDS]
    summary = run_all(runs, outcomes.append, processes=processes, stop_at_first=False)
    assert [(o.run.seed, o.rule, o.text) for o in summary.violations] == []
    assert summary.seeds == len(SEEDS) <= summary.days, "some are played over a night"
    assert summary.fills > 5 * len(SEEDS), "days on which hardly anything is bought would prove nothing"
    assert sum(o.orders > 0 for o in outcomes) > 0.7 * len(SEEDS), "some find the account full, halted or switched off"


def test_days_without_faults_break_no_rule_and_trade() -> None:
    for seed in range(5001, 5004):
        outcome = simulate(SimulationRun(seed=seed, faults=frozenset()))
        assert (outcome.rule, outcome.text) == ("", "")
        assert outcome.fills > 0


def test_days_in_a_row_carry_their_state_over() -> None:
    outcome = simulate(SimulationRun(seed=5002, days=3))
    assert (outcome.rule, outcome.text, outcome.days) == ("", "", 3)


SPLITS = frozenset({"carry", "split"})


@pytest.mark.parametrize(("seed", "ratios"), [(453, ("2", "2")), (636, ("1/4", "2"))])
def test_a_split_of_what_is_held_over_night_ends_flat_and_sells_nothing_twice(
    seed: int, ratios: tuple[str, ...]
) -> None:
    """Missing shares are written off; a person sells what a split has added, and resumes."""
    outcome = simulate(SimulationRun(seed=seed, faults=SPLITS, swarm=False, is_traced=True))
    assert (outcome.rule, outcome.text, outcome.days) == ("", "", 2)
    told = [line for line in outcome.trace if " a split S" in line]
    assert [line.split(":")[2].split()[-1] for line in told] == list(ratios)
    assert any("a person sells what a split has added" in line for line in outcome.trace)


def test_shares_that_a_split_took_and_that_are_not_written_off_are_noticed() -> None:
    with patch.object(order_steps, "written_off", lambda state, *_: state):
        outcome = simulate(SimulationRun(seed=152, faults=SPLITS, swarm=False))
    assert outcome.rule == "no storm", "its exit asks for shares that are not there, again and again"


def test_the_same_seed_is_the_same_day_with_and_without_its_trace() -> None:
    first, again = simulate(SimulationRun(seed=5007)), simulate(SimulationRun(seed=5007, is_traced=True))
    assert first.digest == again.digest
    assert again.trace
    assert not first.trace
    assert simulate(SimulationRun(seed=5008)).digest != first.digest


@pytest.mark.parametrize("name", ["no-look-up", "no-guard", "own-word", "kill-unread", "no-wakes"])
def test_a_rule_broken_on_purpose_is_noticed(name: str) -> None:
    assert any(simulate(SimulationRun(seed=seed, mutant=name)).is_violation for seed in range(1, 61))


def test_what_is_planted_is_gone_afterwards() -> None:
    broken = simulate(SimulationRun(seed=2, mutant="no-release"))
    assert broken.rule == "an order that is over has no reservation"
    assert simulate(SimulationRun(seed=2)).rule == ""


def test_a_planted_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="no-such-thing"), mutant("no-such-thing"):
        pass
    assert len(MUTANTS) >= 12


def test_a_failure_is_shrunk_to_fewer_faults_with_the_same_broken_rule() -> None:
    found = next(
        o for seed in range(1, 40) if (o := simulate(SimulationRun(seed=seed, mutant="no-guard"))).is_violation
    )
    shortest = shrink(found)
    assert shortest.rule == found.rule
    assert shortest.run.faults < found.run.faults
    assert shortest.trace[-1].split("VIOLATION ")[1].startswith(found.rule)


def test_faults_are_read_by_name_and_every_seed_switches_some_of_them_on() -> None:
    assert parse_faults("all") == frozenset(NAMES)
    assert parse_faults("none") == frozenset()
    assert parse_faults("crash, kill") == {"crash", "kill"}
    with pytest.raises(SettingsError, match="floods"):
        parse_faults("crash,floods")
    assert faults_of(1, frozenset(NAMES), swarm=False) == ALL
    on = [faults_of(seed, frozenset(NAMES)) for seed in range(30)]
    for name in NAMES:
        assert {bool(getattr(faults, name)) for faults in on} == {True, False}, name
        assert not any(getattr(faults_of(seed, frozenset(NAMES) - {name}), name) for seed in range(30))


def command(*words: str) -> tuple[int, str]:
    parser = ArgumentParser()
    cli.add_arguments(parser)
    text = io.StringIO()
    code = cli.run(parser.parse_args(words), Console(file=text, width=200, highlight=False))
    return code, text.getvalue()


def test_the_command_tells_rate_and_verdict() -> None:
    code, text = command("--seeds", "5001..5002", "--faults", "none", "--processes", "1")
    assert code == 0
    assert "2 days of 2 seeds" in text
    assert "no violation" in text
    assert "days/s" in text


def test_the_command_shows_a_failure_with_its_seed_commit_rule_and_replay() -> None:
    code, text = command("--seeds", "5..6", "--mutant", "no-guard", "--processes", "1", "--stop-at-first")
    assert code == 1
    assert "positions are guarded" in text
    assert "commit " in text
    arguments = text.split("python -m sandbox simulate ")[1].split()
    replayed, trace = command(*arguments)
    assert replayed == 1
    assert "VIOLATION positions are guarded" in trace


def test_the_command_refuses_seeds_that_make_no_range() -> None:
    for text in ("a..b", "9..1"):
        with pytest.raises(SettingsError, match="--seeds"):
            command("--seeds", text)
