"""Virtual time: what is due runs by time, at one instant by rank, and time has to pass."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from shared.core.errors import InvariantError
from simulation.runtime import loop
from simulation.runtime.clock import SimClock
from simulation.runtime.codec import MemoCodec
from simulation.runtime.durable import Lifecycle
from simulation.runtime.loop import Loop, Rank
from tests.support.orders import NOW

LATER = NOW + timedelta(minutes=1)


class Line(Loop):
    """A loop without lifecycles."""

    def episode(self, instance: Lifecycle) -> None:
        raise AssertionError(instance)

    def activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        raise AssertionError(text)


def run_all(line: Loop) -> None:
    while line.next_at() is not None:
        when, what = line.take()
        line.clock.at = max(line.clock.at, when)
        what()


def test_what_is_due_runs_by_time_then_rank_then_first_come_first_served() -> None:
    line, done = Line(SimClock(NOW), MemoCodec()), list[str]()
    for name, when, rank in (
        ("timer", NOW, Rank.FUNCTION_TIMER),
        ("later", LATER, Rank.DURABLE),
        ("first message", NOW, Rank.MESSAGE),
        ("durable timer", NOW, Rank.DURABLE_TIMER),
        ("second message", NOW, Rank.MESSAGE),
        ("episode", NOW, Rank.DURABLE),
    ):
        line.at(when, partial(done.append, name), rank)
    run_all(line)
    assert done == ["episode", "first message", "second message", "durable timer", "timer", "later"]
    assert line.now() == LATER


def test_what_is_cleared_comes_in_its_order_and_is_gone() -> None:
    line = Line(SimClock(NOW), MemoCodec())
    line.at(LATER, str, Rank.MESSAGE)
    line.at(NOW, int, Rank.FUNCTION_TIMER)
    line.at(NOW, float, Rank.DURABLE)
    assert [what for _, _, what in line.clear()] == [float, int, str]
    assert line.next_at() is None


def test_time_has_to_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_STEPS_AT_ONE_INSTANT", 50)
    line = Line(SimClock(NOW), MemoCodec())

    def again() -> None:
        line.at(line.now(), again)

    line.at(NOW, again)
    with pytest.raises(InvariantError, match=r"50 steps at .* without time passing"):
        run_all(line)
