"""Who watches invocations: progress bars, profiles, fault injection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class TriggerKind(StrEnum):
    """What starts a function, as its binding type names it."""

    QUEUE = "queueTrigger"
    TIMER = "timerTrigger"
    HTTP = "httpTrigger"
    ORCHESTRATION = "orchestrationTrigger"
    ACTIVITY = "activityTrigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a function.

    `trigger_id` names what started it: the queue message's id, the timer's due instant, the HTTP method and path, the
    orchestration's instance id, or `instance:task` of an activity. `at` is the host's time.
    """

    function: str
    kind: TriggerKind
    trigger_id: str
    invocation_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """How a call ended: measured seconds of wall time, and the error's text, None after success."""

    wall_s: float
    error: str | None


class Observer(Protocol):
    """Called around every invocation, in the order of the invocations.

    An ordinary exception from `before` fails the invocation without running it; from `after`, it fails the invocation
    whose effects have happened but whose outputs are not written. `WorkerLostError` stands for a crash of the worker
    at that point: the trigger is redelivered after its lease. A BaseException ends the run.
    """

    def before(self, invocation: Invocation) -> None:
        """Called right before the function runs."""

    def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
        """Called when the function has ended, before its outputs are written."""


class SilentObserver:
    """Sees nothing."""

    def before(self, invocation: Invocation) -> None:
        """Do nothing."""

    def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
        """Do nothing."""
