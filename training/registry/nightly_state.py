"""What a night remembers of itself: one document, changed after every step, from which a killed night goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from shared.contracts.records import Container
from shared.core.values import require, require_utc
from training.registry.judge import PromotionVerdict
from training.registry.live import LiveCheck


class NightStep(StrEnum):
    """What a night does, in order. Each may be repeated: what it makes is named by content."""

    FETCH = "fetch"
    DATA = "data"
    TRAIN = "train"
    JUDGE = "judge"
    PROMOTE = "promote"
    LIVE = "live"
    ROLL_BACK = "roll-back"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedNight:
    """One step that is over, with what it came to in words."""

    step: NightStep
    at: datetime
    outcome: str

    def __post_init__(self) -> None:
        require_utc("at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightRun:
    """`nightly/YYYY-MM-DD/run.json` in container reports.

    Attributes
    ----------
    on : date
        Session date after whose close it runs.
    attempt : int
        1, more after a run that was killed or failed.
    content_id : str
        Names the data that it learned from.
    challenger : str
        Version that it trained; empty until then.
    verdict : PromotionVerdict or None
        On the challenger; None also where it was champion already.
    live : LiveCheck or None
        On the champion.
    finished : tuple of FinishedNight
        Steps that are over, in order.
    """

    schema_id: str = "nightly.v1"
    on: date
    attempt: int
    content_id: str = ""
    challenger: str = ""
    verdict: PromotionVerdict | None = None
    live: LiveCheck | None = None
    finished: tuple[FinishedNight, ...] = ()

    def __post_init__(self) -> None:
        require(self.schema_id == "nightly.v1", "schema_id", self.schema_id, "nightly.v1")

    def has(self, step: NightStep) -> bool:
        """Whether a step is over."""
        return any(done.step is step for done in self.finished)

    @property
    def is_over(self) -> bool:
        """Whether every step is."""
        return all(self.has(step) for step in NightStep)


CONTAINER = Container.REPORTS


NIGHTLY = "nightly"


def folder_of(on: date, label: str = NIGHTLY) -> str:
    """Where the documents of a night lie in container reports, or those of a training by hand of another label."""
    return f"{label}/{on.isoformat()}"
