"""Recorded histories of the order lifecycle: what came to the orchestrator, and what it asked for next.

`python -m tests.support.histories NAME` writes `tests/contract/histories/NAME.json` by the code that is checked out;
a test replays every file that older code has left there. Record one more when the decisions change; never an old one
again, since what it holds is what orders in flight were decided on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.core.order_states import Phase
from shared.core.order_steps import LOOK_AGAIN
from tests.support.orders import Life, entry_id, exit_id, extended_life, protect_id
from tests.unit.test_lifecycle import CODEC, Driver, Task

HISTORIES = Path(__file__).parents[1] / "contract" / "histories"


class Recorder(Driver):
    """A driver that notes what it gives the orchestrator, and what that asks for."""

    def __init__(self, life: Life) -> None:
        self.given = CODEC.encode(life.state)
        self.started_at = life.ports.clock.now()
        self.history: list[dict[str, Any]] = []
        super().__init__(life)

    def _advance(self, value: Any) -> None:
        came = self._spelled(value)
        super()._advance(value)
        self.history.append({"came": came, "asked": self._asked()})

    def _spelled(self, value: Any) -> dict[str, str] | None:
        if isinstance(value, Task):
            if value.kind == "timer" and value.fire_at is not None:
                return {"timer_fired_at": value.fire_at.isoformat()}
            return {"event": str(value.result), "at": self.context.now.isoformat()}
        return None if value is None else {"answer": value}

    def _asked(self) -> dict[str, str] | None:
        if self.waiting is None:
            return None
        kind, what = self.waiting
        return {"activity": what} if kind == "activity" else {"timer": _fires_at(what[0]).isoformat()}

    def until(self, done: Callable[[], bool]) -> None:
        """Let timers fire and activities run until something holds."""
        while not done():
            if self.waiting[0] == "activity":
                self.activity()
            else:
                self.timer()

    def file(self) -> Mapping[str, Any]:
        """What a file of histories holds; the order must have come to its end."""
        return {
            "input": self.given,
            "started_at": self.started_at.isoformat(),
            "history": self.history,
            "result": self.result,
        }


def _fires_at(timer: Task) -> datetime:
    assert timer.fire_at is not None
    return timer.fire_at


def _bought(at: str) -> Recorder:
    """A plain limit outside the regular session, wholly filled at the first look."""
    told = Recorder(extended_life(at))
    told.activity()
    told.life.ports.broker.fill(entry_id())
    return told


def _last(told: Recorder, phase: Phase) -> bool:
    return f'"phase":"{phase}"' in told.history[-1].get("came", {}).get("answer", "")


def carried() -> Recorder:
    """Bought and watched before the open, given a pair at the open, left at its target."""
    told = _bought("09:29:20")
    told.until(lambda: _last(told, Phase.PROTECTED))
    told.life.ports.broker.fill(protect_id(), price="10.40")
    told.event(f'"{LOOK_AGAIN}"')
    told.settle()
    return told


def evening() -> Recorder:
    """Bought after the close, watched, left at its stop by a limit that is priced anew once."""
    told = _bought("16:30")
    told.until(lambda: _last(told, Phase.GUARDED))
    told.timer()
    told.activity()
    told.life.ports.market.prices["AAA"] = ("9.79", "9.81")
    told.until(lambda: exit_id(1) in told.life.submitted)
    told.life.ports.broker.fill(exit_id(1), price="9.78")
    told.settle()
    return told


SCENES: Mapping[str, Callable[[], Recorder]] = {"carried": carried, "evening": evening}


def main(names: list[str]) -> None:
    """Write the histories of some scenes."""
    for name in names:
        text = json.dumps(SCENES[name]().file(), indent=1)
        (HISTORIES / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
