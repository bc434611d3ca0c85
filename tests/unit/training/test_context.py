"""Which symbols are context of every row: training, sandbox and backtest must mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.features import context_symbols
from shared.core.market import Bars
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol
from simulation.market.scenario import core_symbols
from tests.support.nights import ON, history
from training.context import LEAST_CORE, context_of
from training.source import TapeHistory

SETTINGS = WatchlistSettings()


@dataclass
class Listed:
    """A history that only knows its symbols."""

    symbols: tuple[Symbol, ...]
    content_id: str = "listed"
    days: tuple[()] = ()

    def bars(self, *_: object) -> Bars:
        return Bars.empty()

    def splits(self, symbol: Symbol) -> Splits:
        return NO_SPLITS


@pytest.mark.parametrize("before", [date(2025, 10, 1), ON, date(2025, 10, 15)])
def test_an_invented_market_has_the_core_that_the_sandbox_trades_with(before: date) -> None:
    source = history()
    assert isinstance(source, TapeHistory)
    tape = source._tape
    expected = tuple(map(Symbol, core_symbols(tape, on=before)))
    found = context_of(source, before=before)
    assert found == context_symbols(SETTINGS.market_symbols, expected)
    assert len(found) > len(SETTINGS.market_symbols)


def test_a_market_with_the_apps_core_is_counted_over_that() -> None:
    known = SETTINGS.core_symbols[:LEAST_CORE]
    own = context_symbols(SETTINGS.market_symbols, SETTINGS.core_symbols)
    assert context_of(Listed(known), before=ON) == own
    assert context_of(Listed(known[1:]), before=ON) != own
