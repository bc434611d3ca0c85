"""The check finds a strategy that knows the future, forgets itself or spoils its bars, and lets a sound one pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.core.errors import StrategyError
from shared.core.market import Bars, FloatArray
from shared.strategies import HeldPosition, Move, Needs, Rule, StateRule, Wishes
from shared.strategies.dip_buyer import DipBuyer
from shared.strategies.momentum import Momentum
from shared.strategies.sma_cross import SmaCross
from tests.support.strategies import made_market, write_market
from training.__main__ import main
from training.strategy_check import StrategyCheck, check_strategy, made_bars

type Enter = Callable[[Bars], NDArray[Any]]


def rule(enter: Enter, history: int = 0) -> Rule:
    """A rule that enters where a function of bars is above zero."""

    class Given(Rule):
        name = "given.v1"
        needs = Needs(history_bars=history)

        def wishes(self, bars: Bars) -> Wishes:
            return Wishes(enter=np.asarray(enter(bars)) > 0, leave=np.zeros(len(bars), np.bool_))

    return Given()


def checked(enter: Enter, history: int = 0) -> StrategyCheck:
    return check_strategy(rule(enter, history), made_bars(4))


LEAKS: dict[str, Enter] = {
    "the next bar": lambda bars: np.append(np.diff(bars.close), 0.0),
    "a bar far ahead": lambda bars: np.append(bars.close, np.full(40, bars.close[-1]))[40:] - bars.close,
    "the mean of the whole": lambda bars: bars.close - bars.close.mean(),
    "the highest of the whole": lambda bars: bars.close - 0.999 * bars.close.max(),
    "how many there are": lambda bars: np.arange(len(bars)) - len(bars) / 2,
    "which is the last": lambda bars: np.arange(len(bars)) == len(bars) - 1,
    "the order of what comes": lambda bars: bars.close - bars.close[-1],
    "the next open": lambda bars: np.append(bars.open[1:] - bars.close[:-1] * 1.0001, 0.0),
    "the next volume": lambda bars: np.append(np.diff(bars.volume), 0.0),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_strategy_that_knows_the_future_is_caught(leak: str) -> None:
    check = checked(LEAKS[leak])
    assert not check.is_clean
    assert check.faults[0].startswith("enter of the bar at 2026-03-0")
    assert "on are others" in check.faults[0]


def test_leak_of_stop_target_and_limit_is_named() -> None:
    class Leaks(Rule):
        name = "leaks.v1"
        later = ""

        def wishes(self, bars: Bars) -> Wishes:
            none = np.zeros(len(bars), np.bool_)
            level = np.full(len(bars), bars.close[-1])
            fields = {"stop": level} if self.later == "stop" else {"target": level} if self.later == "target" else {}
            hold = len(bars) if self.later == "hold_bars" else 0
            return Wishes(enter=none, leave=none, hold_bars=hold, **fields)

    for name in ("stop", "target", "hold_bars"):
        made = type("Of", (Leaks,), {"later": name})()
        assert check_strategy(made, made_bars(2)).faults[0].startswith(f"{name} of the bar at")


def test_leak_of_a_feature_is_named() -> None:
    class Featured(StateRule):
        name = "featured.v1"

        def features(self, bars: Bars) -> FloatArray:
            return np.column_stack([bars.close, np.append(bars.close[1:], bars.close[-1])])

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            return Move.STAY

    assert check_strategy(Featured(), made_bars(2)).faults[0].startswith("feature 1 of the bar at")


def test_strategy_that_is_not_pure_is_caught() -> None:
    turns = itertools.count()
    assert "asked twice about the same bars" in checked(lambda bars: np.full(len(bars), next(turns) % 2.0)).faults[0]


def test_decision_that_is_not_pure_is_caught() -> None:
    turns = itertools.count()

    class Fickle(StateRule):
        name = "fickle.v1"

        def features(self, bars: Bars) -> FloatArray:
            return bars.close[:, None]

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            if held is None:
                return Move.ENTER
            return Move.LEAVE if next(turns) % 7 == 0 else Move.STAY

    assert "other trades of the same bars" in check_strategy(Fickle(), made_bars(3)).faults[0]


def test_strategy_that_spoils_its_bars_is_caught() -> None:
    def spoil(bars: Bars) -> FloatArray:
        bars.close[:] = np.round(bars.close)
        return bars.close - bars.open

    assert "given.v1 changes the bars that it is given: close" in checked(spoil).faults


def test_strategy_that_raises_is_told_with_what_and_where() -> None:
    def fail(bars: Bars) -> FloatArray:
        raise ZeroDivisionError("of mine")

    (fault, *_) = checked(fail).faults
    assert fault == "given.v1 raised ZeroDivisionError: of mine (bars from 2026-03-02 09:30 on)"


def test_bars_are_left_as_they_are() -> None:
    bars = made_bars(4)
    before = bars.close.copy()

    def spoil(given: Bars) -> FloatArray:
        given.close[:] = 0
        return given.close

    check_strategy(rule(spoil), bars)
    assert np.array_equal(bars.close, before)


def test_memory_that_is_longer_than_it_says_is_counted_and_no_fault() -> None:
    def mean_of_all(bars: Bars) -> FloatArray:
        return bars.close - np.cumsum(bars.close) / np.arange(1, len(bars) + 1)

    check = checked(mean_of_all, history=10)
    assert check.is_clean
    assert 0 < check.remembered <= check.rows
    assert check_strategy(SmaCross(), made_bars()).remembered == 0
    assert check_strategy(DipBuyer(), made_bars()).remembered > 0  # Wilder's mean never quite forgets


def test_nothing_compared_is_not_clean() -> None:
    check = check_strategy(SmaCross(), made_bars(1))
    assert not check.is_clean
    assert check.faults == ("no day has the 150 bars before it that are needed",)


def test_strategy_of_models_is_refused() -> None:
    with pytest.raises(StrategyError, match="neither a rule nor a rule of state"):
        check_strategy(Momentum(), made_bars(2))


def test_command_is_told_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_market(tmp_path / "bars.parquet", made_market(["AAA", "BBB"], 6))
    assert main(["check", "--strategy", "dip-buyer.v1", "--data", str(path), "--symbols", "BBB"]) == 0
    said = capsys.readouterr().err
    assert "BBB: clean" in said
    assert "its memory is longer than the 78 bars" in said
    assert "AAA" not in said
    leaky = lambda self, bars: Wishes(  # noqa: E731
        enter=np.append(np.diff(bars.close) > 0, False), leave=np.zeros(len(bars), np.bool_)
    )
    monkeypatch.setattr(DipBuyer, "wishes", leaky)
    assert main(["check", "--strategy", "dip-buyer.v1", "--set", "hold=3"]) == 1
    said = capsys.readouterr().err
    assert "made bars: NOT clean" in said
    assert "enter of the bar at" in said
    assert main(["check", "--strategy", "dip-buyer.v1", "--set", "hold=300"]) == 1
    assert "hold must be a number from 1 to 78" in " ".join(capsys.readouterr().err.split())
