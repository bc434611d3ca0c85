"""Two engines that fill strategies alike: one jumps to events, one steps every bar; and how strategies are asked."""

from training.engines.asking import AskedDays, asked_rows, asked_wishes, split_days, trades_of
from training.engines.jump import run
from training.engines.step import ShownRows, step, step_state
from training.engines.trades import Costs, ExitCause, Trades

__all__ = [
    "AskedDays",
    "Costs",
    "ExitCause",
    "ShownRows",
    "Trades",
    "asked_rows",
    "asked_wishes",
    "run",
    "split_days",
    "step",
    "step_state",
    "trades_of",
]
