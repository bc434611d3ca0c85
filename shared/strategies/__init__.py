"""Strategies: pure functions with a name, one file each. What a file of your own needs is imported from here."""

from shared.core.market import Bars, FloatArray
from shared.strategies.protocol import Needs, Rule, StateRule, Strategy, parameter
from shared.strategies.wishes import HeldPosition, Move, Wishes

__all__ = [
    "Bars",
    "FloatArray",
    "HeldPosition",
    "Move",
    "Needs",
    "Rule",
    "StateRule",
    "Strategy",
    "Wishes",
    "parameter",
]
