"""The search stays inside its bounds, tries the default first, and goes on where it was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.models import random_dataset
from training.fit import FitRule
from training.tune import InnerFold, TunedBoosting, TuningRule, tune

BASE = FitRule(trees=30, depth=2, threads=1)


def folds() -> list[InnerFold]:
    data = random_dataset(6, rows=800)
    return [InnerFold(train=data.on(data.dates[:k]), test=data.on(data.dates[k : k + 1])) for k in (3, 4)]


def search(rule: TuningRule, journal: Path | None, told: list[float] | None = None) -> TunedBoosting:
    heard = told if told is not None else []
    return tune(folds(), BASE, rule, seed=1, name="study", journal=journal, tell=lambda what, done: heard.append(done))


def test_the_best_of_the_trials_is_never_worse_than_the_default() -> None:
    told: list[float] = []
    found = search(TuningRule(trials=4), None, told)
    assert found.trials == 4
    assert found.log_loss <= found.log_loss_default
    assert told[-1] == 1.0
    assert found.rule.threads == BASE.threads


def test_one_trial_is_the_default() -> None:
    found = search(TuningRule(trials=1), None)
    assert found.rule == BASE
    assert found.log_loss == found.log_loss_default


def test_a_search_that_was_killed_goes_on_with_its_trials(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def dies_after_two(what: str, done: float) -> None:
        if done >= 0.5:
            raise KilledError

    journal = tmp_path / "trials.log"
    with pytest.raises(KilledError):
        tune(folds(), BASE, TuningRule(trials=4), seed=1, name="study", journal=journal, tell=dies_after_two)
    begun = journal.stat().st_size
    assert search(TuningRule(trials=4), journal).trials == 4
    assert journal.stat().st_size > begun
    done = journal.read_bytes().count(b'"values":')
    again = search(TuningRule(trials=4), journal)
    assert journal.read_bytes().count(b'"values":') == done
    assert again == search(TuningRule(trials=4), journal)


def test_a_search_ends_when_its_time_is_used_up_also_over_several_processes(tmp_path: Path) -> None:
    journal = tmp_path / "trials.log"
    first = search(TuningRule(trials=50, limit_s=1e-6), journal)
    assert first.trials == 1
    assert search(TuningRule(trials=50, limit_s=1e-6), journal).trials == 1
