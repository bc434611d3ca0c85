"""Strategies are found by name; what cannot be used is named with why, and the others are found."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import shared.strategies
from shared.core.errors import StrategyError
from shared.core.market import Bars, Timeframe
from shared.core.settings import StrategySettings
from shared.core.settings.strategies import StrategyParameter, StrategyShare
from shared.strategies import Needs, Rule, StateRule, Strategy, Wishes, catalogue, parameter
from shared.strategies.catalogue import Catalogue, collect, installed, load, traded
from shared.strategies.dip_buyer import DipBuyer

FOLDER = Path(shared.strategies.__file__).parent
NUMBERS = itertools.count()
PLAIN = """
from dataclasses import dataclass
from shared.strategies import Rule
@dataclass(frozen=True)
class {cls}(Rule):
    name = {name!r}
"""


class Quiet(Rule):
    """Wants nothing."""

    def wishes(self, bars: Bars) -> Wishes:
        nowhere = np.zeros(len(bars), np.bool_)
        return Wishes(enter=nowhere, leave=nowhere)


def sound_class(title: str, **own: object) -> type[Strategy]:
    return dataclass(frozen=True)(type(title, (Quiet,), own))


def named(name: object) -> type[Strategy]:
    return sound_class("Named", name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded(Quiet):
    """A strategy of the tests."""

    name = "bounded.v1"

    count: int = parameter(3, "a whole number", low=1, high=5)
    part: float = parameter(0.5, "a fraction", low=0.0, high=1.0)


BOUNDED = collect([("here", Bounded)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Catalogue]:
    """A function that finds the strategies of a folder with a sound one and files of the test's."""

    def found(files: dict[str, str]) -> Catalogue:
        shutil.copy(FOLDER / "dip_buyer.py", tmp_path / "copied_dip_buyer.py")
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(catalogue, "_FOLDER", tmp_path)
        monkeypatch.setattr(shared.strategies, "__path__", [str(tmp_path), str(FOLDER)])
        return collect(list(catalogue._of_folder()))

    return found


def test_those_of_the_folder_are_found() -> None:
    assert {"momentum.v1", "sma-cross.v1", "dip-buyer.v1", "breakout.v1"} <= set(installed().strategies)
    assert isinstance(load("dip-buyer.v1", {}), DipBuyer)


def test_two_files_of_one_name_are_both_refused_and_named(folder: Callable[[dict[str, str]], Catalogue]) -> None:
    found = folder({f"t_{k}.py": PLAIN.format(cls="Same", name="same.v1") for k in "ab"})
    assert set(found.strategies) == {"dip-buyer.v1"}
    why = "2 strategies are named same.v1: shared/strategies/t_a.py and shared/strategies/t_b.py"
    assert found.why_not("same.v1") == why
    with pytest.raises(StrategyError, match=why):
        load("same.v1", {}, found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def broken(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: "),
        ("x = 1", "expected one class that is a strategy, got 0"),
        (PLAIN.format(cls="One", name="one.v1") + PLAIN.format(cls="Two", name="two.v1"), "strategy, got 2"),
        (
            PLAIN.format(cls="Odd", name="../odd.v1"),
            "name must be one with a version, as dip-buyer.v1, got",
        ),
        (PLAIN.format(cls="Odd", name="odd"), "got 'odd'"),
        (PLAIN.format(cls="Odd", name=7), "got 7"),
        ("from shared.strategies import Rule\nclass Odd(Rule):\n    name = 'odd.v1'", "Odd must be a dataclass"),
        (PLAIN.format(cls="Odd", name="odd.v1").replace("name =", "other ="), "got None"),
    ],
)
def test_broken_file_is_named_and_the_others_are_found(
    text: str, said: str, folder: Callable[[dict[str, str]], Catalogue]
) -> None:
    name = f"t_{next(NUMBERS)}.py"  # a module is imported once
    found = folder({name: text})
    assert set(found.strategies) == {"dip-buyer.v1"}
    assert said in found.faults[f"shared/strategies/{name}"]
    with pytest.raises(StrategyError) as raised:
        load("odd.v1", {}, found)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["../evil.v1", "/etc/x.v1", "a/b.v1", "A.v1", "a.v0", "a", "a.v1\n", "", None, 7])
def test_name_that_is_none_is_refused(name: object) -> None:
    found = collect([("package x", named(name))])
    assert not found.strategies
    assert found.faults["package x"].startswith("package x: name must be one with a version")


def test_package_and_folder_of_one_name_are_both_refused() -> None:
    found = collect([("shared/strategies/a.py", named("a.v1")), ("entry point a (m:A)", named("a.v1"))])
    assert found.why_not("a.v1") == "2 strategies are named a.v1: shared/strategies/a.py and entry point a (m:A)"


def test_entry_point_of_something_else_is_named() -> None:
    found = collect([("entry point x", dict), ("entry point y", "ImportError: no")])
    assert found.faults["entry point y"] == "entry point y holds no strategy: ImportError: no"
    assert "entry point x holds no strategy" in found.why_not("x.v1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cuont": "3"}, "bounded.v1 has no parameter 'cuont': it has count, part"),
        ({"count": "6"}, "bounded.v1: count must be a number from 1 to 5, got 6"),
        ({"count": "0"}, "count must be a number from 1 to 5"),
        ({"count": "2.5"}, "bounded.v1.count must be of type int, got '2.5'"),
        ({"part": "half"}, "bounded.v1.part must be of type float, got 'half'"),
        ({"part": "nan"}, "part must be a number from 0.0 to 1.0, got nan"),
        ({"part": "inf"}, "part must be a number from 0.0 to 1.0, got inf"),
        ({"part": ""}, "bounded.v1.part must be of type float"),
    ],
)
def test_parameter_that_cannot_be_used_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        load("bounded.v1", given, BOUNDED)


def test_parameters_are_given_as_text_and_others_have_their_defaults() -> None:
    assert load("bounded.v1", {"count": "5", "cooldown_min": "30"}, BOUNDED) == Bounded(count=5, part=0.5)


def test_one_that_cannot_be_used_keeps_none_from_trading() -> None:
    daily = sound_class("Daily", name="daily.v1", needs=Needs(timeframe=Timeframe.DAY_1))
    crypto = sound_class("Crypto", name="crypto.v1", needs=Needs(asset_class="crypto"))
    reader = sound_class("Reader", name="reader.v1", needs=Needs(text=True))
    found = collect([("here", each) for each in (Bounded, daily, crypto, reader)])
    names = ("none.v1", "daily.v1", "crypto.v1", "reader.v1", "bounded.v1")
    settings = StrategySettings(traded=tuple(StrategyShare(name=name, share=Decimal("0.2")) for name in names))
    *faulty, reading, sound = traded(settings, found)
    assert [each.strategy for each in faulty] == [None] * 3
    said = ["no strategy is named 'none.v1'", "in bars of 1Day", "needs crypto"]
    assert all(word in str(each.fault) for word, each in zip(said, faulty, strict=True))
    assert (sound.strategy, sound.share) == (Bounded(), Decimal("0.2"))
    assert (reading.strategy, reading.fault) == (reader(), "")


def test_one_that_cannot_be_built_keeps_none_from_trading() -> None:
    @dataclass(frozen=True)
    class Failing(Quiet):
        name = "failing.v1"

        def __post_init__(self) -> None:
            raise ZeroDivisionError("of mine")

    settings = StrategySettings(
        traded=tuple(StrategyShare(name=name, share=Decimal("0.5")) for name in ("failing.v1", "bounded.v1"))
    )
    failing, sound = traded(settings, collect([("here", Failing), ("there", Bounded)]))
    assert failing.fault == "failing.v1 cannot be built: ZeroDivisionError: of mine"
    assert sound.strategy == Bounded()


@pytest.mark.parametrize(
    ("form", "lacks"), [(Strategy, "advise"), (Rule, "wishes"), (StateRule, "'decide', 'features'")]
)
def test_one_that_lacks_its_answer_is_told_of_before_it_is_asked(form: type[Strategy], lacks: str) -> None:
    bare: type[Strategy] = dataclass(frozen=True)(type("Bare", (form,), {"name": "bare.v1"}))
    with pytest.raises(StrategyError, match=rf"bare\.v1 cannot be built: TypeError: .*{lacks}"):
        load("bare.v1", {}, collect([("here", bare)]))


@pytest.mark.parametrize(("value", "said"), [("x", "cooldown_min"), ("-1", "cooldown_min"), ("1441", "cooldown_min")])
def test_rest_that_is_none_is_told(value: str, said: str) -> None:
    settings = StrategySettings(
        traded=(StrategyShare(name="bounded.v1", share=Decimal(1)),),
        parameters=(StrategyParameter(strategy="bounded.v1", name="cooldown_min", value=value),),
    )
    (found,) = traded(settings, BOUNDED)
    assert found.strategy is None
    assert said in str(found.fault)
