"""Two engines that fill strategies alike: one jumps to events, one steps every bar."""

from training.engines.jump import run
from training.engines.step import step, step_state
from training.engines.trades import Costs, ExitCause, Trades

__all__ = ["Costs", "ExitCause", "Trades", "run", "step", "step_state"]
