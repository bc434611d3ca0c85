"""A strategy asked with care: whatever it does, it harms no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.core.errors import StrategyError
from shared.strategies.protocol import Advice, SliceView, Strategy

logger = logging.getLogger("gatehouse.strategies")

_busy: dict[str, threading.Thread] = {}
"""Strategies of this process that still work on an answer that nobody waits for any more."""


@dataclass(slots=True)
class _Said:
    found: object = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


def ask(strategy: Strategy, view: SliceView, timeout_s: float) -> Sequence[Advice]:
    """Ask a strategy about a slice.

    A thread cannot be stopped: one that does not answer in time is left alone, and the strategy is not asked again
    before it has ended.

    Raises
    ------
    StrategyError
        If it raises, takes longer, still works on an earlier slice, or answers with anything but one advice a symbol.
    """
    earlier = _busy.get(strategy.name)
    if earlier is not None and earlier.is_alive():
        raise StrategyError(f"{strategy.name} still works on an earlier slice")
    answer = _Said()

    def run() -> None:
        try:
            answer.found = strategy.advise(view)
        except Exception as error:  # a strategy may raise anything
            answer.error = error
        finally:
            answer.done.set()

    thread = threading.Thread(target=run, name=strategy.name, daemon=True)
    thread.start()
    if not answer.done.wait(timeout_s):
        _busy[strategy.name] = thread
        raise StrategyError(f"{strategy.name} took longer than {timeout_s:g} s over a slice")
    _busy.pop(strategy.name, None)
    if isinstance(answer.error, StrategyError):
        raise answer.error
    if answer.error is not None:
        logger.warning("%s raised", strategy.name, exc_info=answer.error)
        kind = type(answer.error).__name__
        raise StrategyError(f"{strategy.name} raised {kind}: {answer.error}") from answer.error
    found = answer.found
    if not isinstance(found, Sequence) or len(found) != len(view.items) or any(type(a) is not Advice for a in found):
        raise StrategyError(f"{strategy.name} must return one Advice for each of {len(view.items)} symbols")
    return found
