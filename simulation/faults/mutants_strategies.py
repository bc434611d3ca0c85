"""Rules of single strategies broken on purpose; see `simulation.faults.mutants`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from shared.core import risk
from shared.core.ledger import Ledger, release
from shared.core.order_states import EntryPlan
from shared.core.risk import Gate
from shared.stages.account import supervise
from shared.stages.base import facts
from shared.stages.entry import execute
from shared.stages.order import step

type Patches = Iterator[Any]


def _passes(*gates: Gate) -> Callable[[], Patches]:
    def patches() -> Patches:
        for gate in gates:
            rule = risk.GATES[gate]
            yield patch.dict(risk.GATES, {gate: lambda *given, rule=rule: replace(rule(*given), passed=True)})

    return patches


def _halt_unread() -> Patches:
    yield patch.object(facts, "strategy_halt", lambda *_: "")


def _halt_works_on() -> Patches:
    yield patch.object(supervise, "_halted_strategies", lambda *_: frozenset())


def _loss_halts_nobody() -> Patches:
    yield patch.object(supervise, "mark_strategies", lambda found, *_: found)


def _realised_forgotten() -> Patches:
    def worthless(found: Ledger, entry: Any, until: Any, realised: Any) -> Ledger:
        return release(found, entry, until, realised * 0)

    yield patch.object(step, "release", worthless)


def _all_of_the_first() -> Patches:
    yield patch.object(execute, "EntryPlan", lambda **given: EntryPlan(**{**given, "strategy": "trend.v1"}))


STRATEGY_RULES: Mapping[str, tuple[str, Callable[[], Patches]]] = {
    "budget-unread": (
        "a strategy may take all positions and all exposure",
        _passes(Gate.STRATEGY_POSITIONS, Gate.STRATEGY_EXPOSURE),
    ),
    "strategy-halt-unread": ("a person's halt of a strategy is not read", _halt_unread),
    "strategy-halt-works-on": ("the halt of a strategy does not stop its entries that work", _halt_works_on),
    "strategy-loss-unseen": ("no strategy is halted by its loss", _loss_halts_nobody),
    "strategy-loss-forgotten": ("what a strategy has realised is not counted", _realised_forgotten),
    "whose-order": ("every order is taken for one strategy's", _all_of_the_first),
}
"""What can be broken of strategies: what it means, and the patches that do it."""
