"""docs/STRATEGIES.md: its examples run and pass the check, its commands and messages are those of the code."""

from __future__ import annotations

import argparse
import re
import sys
import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from shared.core.features import SymbolDay
from shared.core.sessions import session_at
from shared.core.settings import PolicySettings
from shared.core.values import from_epoch
from shared.strategies import PolicyCode, Rule, SliceView, StateRule, Strategy, SymbolText
from shared.strategies.asking import ask
from shared.strategies.catalogue import collect
from tests.support.bars import raw_day, trading_day
from tests.support.told import text_of
from training.commands import all_commands
from training.engines import Trades
from training.strategy_check import check_strategy, made_bars

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "STRATEGIES.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def known() -> Iterator[dict[str, object]]:
    """Names after the document's Python has run, top to bottom, as a module: dataclasses look theirs up."""
    module = types.ModuleType("document")
    sys.modules["document"] = module
    for code in re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        exec(compile(code, "docs/STRATEGIES.md", "exec"), module.__dict__)
    yield vars(module)
    del sys.modules["document"]


def test_examples_run_and_trade(known: dict[str, object]) -> None:
    for name in ("trades", "state_trades"):
        trades = known[name]
        assert isinstance(trades, Trades)
        assert len(trades) > 0, name


def test_every_example_is_a_strategy_that_knows_no_later_bar(known: dict[str, object]) -> None:
    made = [k for k in known.values() if isinstance(k, type) and k.__module__ == "document"]
    found = collect([(kind.__name__, kind) for kind in made])
    assert (len(found.strategies), found.faults) == (3, {})
    for strategy in (kind() for kind in found.strategies.values()):
        if strategy.needs.text:
            continue
        assert isinstance(strategy, Rule | StateRule)
        assert check_strategy(strategy, made_bars()).faults == ()


def test_the_example_that_reads_news_enters_on_good_news_and_a_price_that_bears_it(known: dict[str, object]) -> None:
    kind = known["GoodNews"]
    assert isinstance(kind, type)
    assert issubclass(kind, Strategy)
    on = trading_day(date(2025, 10, 15))
    item = raw_day("AAA", on.on, seed=4, extended=False).symbol_day(on)
    codes = set()
    for count in range(1, len(item.today), 5):
        now = from_epoch(int(item.today.start_s[count - 1]) + 300)
        shown = SymbolDay(past=item.past, today=item.today[:count])
        for text in (text_of(now), SymbolText()):
            view = SliceView(
                day=on,
                now=now,
                session=session_at(now, on),
                items=[shown],
                features=np.empty((1, 0)),
                quotes={},
                predictors={},
                policy=PolicySettings(),
                texts={item.symbol: text},
            )
            (advice,) = ask(kind(), view, 10.0)
            codes.add(advice.code)
            assert (advice.stop < float(shown.today.close[-1])) is (advice.code is PolicyCode.ENTER)
    assert codes == {PolicyCode.ENTER, PolicyCode.NO_STORY, PolicyCode.PRICE_CONDITION}


def test_commands_and_options_that_are_named_exist() -> None:
    commands = all_commands()
    named = set(re.findall(r"python -m training (\w+)", TEXT))
    assert {"new", "check", "sweep"} <= named <= set(commands)
    parser = argparse.ArgumentParser()
    commands["sweep"].add_options(parser)
    table = TEXT.partition("| `python -m training sweep` |")[2].partition("\n\n")[0]
    documented = set(re.findall(r"--[a-z][a-z-]*", table))
    assert documented == {text for action in parser._actions for text in action.option_strings} - {"-h", "--help"}


def test_messages_that_are_explained_are_those_of_the_code() -> None:
    folders = ("shared/strategies", "training")
    code = " ".join(path.read_text(encoding="utf-8") for name in folders for path in (ROOT / name).rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    table = TEXT.partition("\n## When it says no\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[2:]
    assert len(rows) == 13
    for row in rows:
        for part in re.split(r"\.\.\.|, ", row):
            words = re.sub(r"^\d+ ", "", part.strip())
            assert words in code, words
