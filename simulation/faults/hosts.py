"""Two hosts at once: two works in two threads with one baton, which changes hands between port calls only."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

SWITCH = 0.3
"""Chance that the other host runs on at a call."""


def _closed() -> threading.Lock:
    """A gate for one thread, opened by another's release. A plain lock switches threads with the least ado."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class Pair:
    """Runs two works to their ends, interleaved as the generator decides, never both at one instant.

    Parameters
    ----------
    rng : random.Random
        Decides who runs on.
    works : tuple of callable
        Must not raise.
    switched : callable
        Told which of the two runs from now on.
    """

    def __init__(
        self, rng: random.Random, works: tuple[Callable[[], None], Callable[[], None]], switched: Callable[[int], None]
    ) -> None:
        self._rng = rng
        self._works = works
        self._switched = switched
        self._turns = (_closed(), _closed())
        self._alive = [True, True]
        self._over = _closed()
        self._runs = 0
        self._raised: BaseException | None = None

    def run(self) -> None:
        """Run both, the first in the caller's own thread; returns when both have ended."""
        thread = threading.Thread(target=self._live, args=(1,), daemon=True)
        thread.start()
        self._hand_to(0)
        self._live(0)
        self._over.acquire()
        thread.join()
        if self._raised is not None:
            raise self._raised

    def pause(self) -> None:
        """Called by the work that runs, at each of its calls."""
        mine, other = self._runs, 1 - self._runs
        if self._alive[other] and self._rng.random() < SWITCH:
            self._hand_to(other)
            self._turns[mine].acquire()

    def _hand_to(self, which: int) -> None:
        self._runs = which
        self._switched(which)
        self._turns[which].release()

    def _live(self, which: int) -> None:
        self._turns[which].acquire()
        try:
            self._works[which]()
        except BaseException as error:  # carried over to the loop's own thread
            self._raised = error
        self._alive[which] = False
        if self._alive[1 - which]:
            self._hand_to(1 - which)
        else:
            self._over.release()
