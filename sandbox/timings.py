"""Where a day's time goes, by function: calls, seconds, errors."""

from __future__ import annotations

from collections import Counter, defaultdict

from sandbox.host.observer import CallOutcome, Invocation


class Timings:
    """An observer that counts."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.errors: list[str] = []

    def before(self, invocation: Invocation) -> None:
        """Nothing to do: the outcome carries the time."""

    def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
        """Count one call."""
        self.calls[invocation.function] += 1
        self.seconds[invocation.function] += outcome.wall_s
        if outcome.error is not None:
            self.errors.append(f"{invocation.function} at {invocation.at}: {outcome.error}")
