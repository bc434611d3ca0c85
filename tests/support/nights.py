"""A small market and quick rules, for whoever tests the night's work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from shared.adapters.calendar import XnysCalendar
from shared.core.values import Symbol
from shared.ports import BlobStore
from simulation.market.synthetic import SyntheticTape
from training.dataset import SamplingRule
from training.fit import FitRule
from training.pipeline import TrainingRule
from training.registry.judge import PromotionRule
from training.registry.nightly import NightRule
from training.source import TapeHistory

CALENDAR = XnysCalendar()
ON = date(2025, 10, 14)
NOW = datetime(2025, 10, 14, 22, 0, tzinfo=UTC)
RULE = TrainingRule(
    sampling=SamplingRule(max_symbols=20),
    fitting=FitRule(trees=30, depth=3, leaf_weight_min=10.0),
    market_symbols=(Symbol("SPY"), Symbol("QQQ")),
    test_sessions=4,
    permutation_rows=50,
)
LENIENT = PromotionRule(margin_bp=0.0, t_min=0.0, calibration_error_max=1.0, drifted_share_max=1.0)
"""What is tested is the night, not the market: with it a seeded market's challenger passes."""


@cache
def history(edge: float = 2.0) -> TapeHistory:
    """Sessions of a small seeded market up to `ON`."""
    return TapeHistory(SyntheticTape(7, date(2025, 10, 15), n_symbols=20, history_days=36, edge=edge), CALENDAR)


def night_rule(seed: int = 7, promotion: PromotionRule = LENIENT, **changes: Any) -> NightRule:
    """A night of seconds."""
    return NightRule(seed=seed, training=lambda sessions: RULE, promotion=promotion, is_synthetic=True, **changes)


class KilledError(BaseException):
    """The process dies here; nothing that catches errors catches it."""


@dataclass(slots=True)
class MortalBlobs:
    """Blobs under which the process dies at the write numbered `dies_at`, before or after it, and writes no more."""

    blobs: BlobStore
    dies_at: int
    is_after: bool
    writes: int = field(default=0)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.blobs, name)
        if name not in {"put", "insert", "replace"}:
            return method

        def write(*arguments: Any) -> Any:
            self.writes += 1
            if self.writes > self.dies_at or (self.writes == self.dies_at and not self.is_after):
                raise KilledError
            found = method(*arguments)
            if self.writes == self.dies_at:
                raise KilledError
            return found

        return write
