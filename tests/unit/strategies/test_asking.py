"""Whatever a strategy does when it is asked, it is told as its fault and harms no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from shared.core.errors import StrategyError
from shared.core.market import Bars, FloatArray
from shared.core.policy import PolicyCode
from shared.strategies import HeldPosition, Move, Rule, StateRule, Strategy, Wishes
from shared.strategies.asking import ask
from shared.strategies.protocol import Advice, SliceView
from shared.strategies.sma_cross import SmaCross
from tests.support.strategies import slice_at
from training.strategy_check import made_bars

VIEW = slice_at(made_bars(4), 3 * 78 + 20)
LONG_S = 60.0


def flags(bars: Bars, value: bool = False) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.full(len(bars), value)


def floats(bars: Bars) -> Any:
    return np.full(len(bars), np.nan)


def rule(wishes: Callable[[Bars], Any]) -> Rule:
    class Asked(Rule):
        name = "asked.v1"

        def wishes(self, bars: Bars) -> Wishes:
            found: Wishes = wishes(bars)
            return found

    return Asked()


def fail(_: Bars) -> Wishes:
    raise KeyError("mine")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (fail, "asked.v1 raised KeyError: 'mine'"),
        (lambda bars: None, "asked.v1: wishes must return Wishes, got NoneType"),
        (lambda bars: Wishes(enter=flags(bars)[1:], leave=flags(bars)[1:]), "enter must hold one bool for each of 21"),
        (lambda bars: Wishes(enter=floats(bars), leave=flags(bars)), "enter must hold one bool .* got float64"),
        (
            lambda bars: Wishes(enter=flags(bars, True), leave=flags(bars), stop=floats(bars)),
            "stop of an entry must be under the close .* got nan at bar 0",
        ),
        (
            lambda bars: Wishes(enter=flags(bars, True), leave=flags(bars), stop=bars.close * 1.01),
            "stop of an entry must be under the close",
        ),
        (
            lambda bars: Wishes(enter=flags(bars, True), leave=flags(bars), target=bars.close * 0.99),
            "target of an entry must be over the close",
        ),
        (lambda bars: Wishes(enter=flags(bars), leave=flags(bars)[1:]), "asked.v1 raised ValueError: leave must be"),
        (
            lambda bars: Wishes(enter=flags(bars), leave=flags(bars), hold_bars=-1),
            "raised ValueError: hold_bars",
        ),
    ],
)
def test_answer_that_cannot_be_used_is_told(wishes: Callable[[Bars], Any], said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        ask(rule(wishes), VIEW, LONG_S)


@pytest.mark.parametrize(
    ("rows", "move", "said"),
    [
        (lambda bars: bars.close, Move.STAY, "features must have 21 rows of numbers, got \\(21,\\)"),
        (lambda bars: bars.close[1:, None], Move.STAY, "got \\(20, 1\\)"),
        (lambda bars: [1.0], Move.STAY, "got list"),
        (lambda bars: bars.close[:, None], Move.LEAVE, "can be made while flat, got Move.LEAVE"),
        (lambda bars: bars.close[:, None], "enter", "can be made while flat, got enter"),
    ],
)
def test_rule_of_state_that_cannot_be_used_is_told(rows: Callable[[Bars], Any], move: Any, said: str) -> None:
    class Stated(StateRule):
        name = "stated.v1"

        def features(self, bars: Bars) -> FloatArray:
            found: FloatArray = rows(bars)
            return found

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            found: Move = move
            return found

    with pytest.raises(StrategyError, match=said):
        ask(Stated(), VIEW, LONG_S)


@pytest.mark.parametrize("answer", [None, [], [None], [Advice(code=PolicyCode.ENTER)] * 2, 7])
def test_answer_must_be_one_advice_a_symbol(answer: Any) -> None:
    class Own(Strategy):
        name = "own.v1"

        def advise(self, view: SliceView) -> Sequence[Advice]:
            found: Sequence[Advice] = answer
            return found

    with pytest.raises(StrategyError, match=r"own\.v1 must return one Advice for each of 1 symbols"):
        ask(Own(), VIEW, LONG_S)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds a strategy until the test lets it go."""
    event = threading.Event()
    yield event
    event.set()


def test_slow_strategy_is_left_alone_and_asked_again_once_it_has_ended(gate: threading.Event) -> None:
    def wait(bars: Bars) -> Wishes:
        gate.wait()
        return Wishes(enter=flags(bars, True), leave=flags(bars))

    slow = rule(wait)
    with pytest.raises(StrategyError, match=r"asked\.v1 took longer than 0.01 s over a slice"):
        ask(slow, VIEW, 0.01)
    with pytest.raises(StrategyError, match=r"asked\.v1 still works on an earlier slice"):
        ask(slow, VIEW, LONG_S)
    assert len(ask(SmaCross(), VIEW, LONG_S)) == 1  # the others trade on
    (thread,) = (each for each in threading.enumerate() if each.name == "asked.v1")
    gate.set()
    thread.join()
    (found,) = ask(slow, VIEW, LONG_S)
    assert found.code is PolicyCode.ENTER


def test_fault_does_not_keep_a_strategy_from_being_asked_again() -> None:
    with pytest.raises(StrategyError):
        ask(rule(fail), VIEW, LONG_S)
    found = ask(rule(lambda bars: Wishes(enter=flags(bars), leave=flags(bars, True))), VIEW, LONG_S)
    assert (found[0].code, found[0].leave is not None) == (PolicyCode.NO_WISH, True)


def test_too_little_history_is_a_fault_of_the_data_and_not_of_the_strategy() -> None:
    (advice,) = ask(SmaCross(), slice_at(made_bars(4), 10), LONG_S)
    assert advice.faults == ("history: 0 bars before the day, sma-cross.v1 needs 150",)
    assert advice.code is PolicyCode.NO_WISH
