"""Case files and their replay."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSettings:
    """What is kept of decisions, and how it is checked."""

    replay_sample: int = setting(
        "GATEHOUSE_REPLAY_SAMPLE",
        25,
        "decisions replayed each night",
        low=0,
        high=1000,
        unit="cases",
        why="A change that touches one decision in ten is noticed in 93 of 100 nights",
    )
