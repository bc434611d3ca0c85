"""Strategies: pure functions with a name, one file each. What a file of your own needs is imported from here."""

from shared.core.market import Bars, FloatArray
from shared.core.policy import PolicyCode
from shared.core.text.stories import SymbolText
from shared.core.values import Symbol
from shared.strategies.protocol import (
    Advice,
    BarStrategy,
    Needs,
    Rule,
    SliceView,
    StateRule,
    Strategy,
    parameter,
)
from shared.strategies.wishes import HeldPosition, Move, Wishes

__all__ = [
    "Advice",
    "BarStrategy",
    "Bars",
    "FloatArray",
    "HeldPosition",
    "Move",
    "Needs",
    "PolicyCode",
    "Rule",
    "SliceView",
    "StateRule",
    "Strategy",
    "Symbol",
    "SymbolText",
    "Wishes",
    "parameter",
]
