"""Something that a host runs, and what is known of it while it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.records import Queue
from shared.core.market import Quote
from shared.core.values import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQuote:
    """A quote, and when a work got it."""

    quote: Quote
    at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """A message, an activity or a firing. `intent_id` is whose lifecycle it belongs to.

    `is_hurt` says that a fault has hit it, `is_heard` that the lifecycle took its answer; `faults` are those that hit
    it, `quotes` the last of each symbol that it got, `refused` the client order id that the broker refused it, and why.
    """

    label: str
    run: Callable[[], object]
    failed: Callable[[Exception], object]
    crashed: Callable[[], datetime | None]
    symbol: str = ""
    intent_id: str = ""
    began_at: datetime | None = None
    is_hurt: bool = False
    is_heard: bool = False
    faults: set[str] = field(default_factory=set)
    quotes: dict[Symbol, SeenQuote] = field(default_factory=dict)
    refused: tuple[str, str] | None = None

    @property
    def is_gate(self) -> bool:
        """Whether it decides on a signal."""
        return self.label.startswith(f"{Queue.SIGNALS} #")

    def __call__(self) -> None:
        """Run it."""
        self.run()

    def begin(self, at: datetime) -> None:
        """Begin, perhaps not for the first time: what was known of an earlier run is forgotten."""
        self.began_at, self.is_hurt, self.is_heard = at, False, False
        self.faults, self.quotes, self.refused = set(), {}, None
