"""Strategies as pure functions, and two engines that fill them alike: one jumps to events, one steps every bar."""

from training.strategies.jump import run
from training.strategies.rules import Costs, ExitCause, HeldPosition, Move, StateRule, Trades, Wishes
from training.strategies.sma_cross import SmaCross
from training.strategies.step import step, step_state

__all__ = [
    "Costs",
    "ExitCause",
    "HeldPosition",
    "Move",
    "SmaCross",
    "StateRule",
    "Trades",
    "Wishes",
    "run",
    "step",
    "step_state",
]
