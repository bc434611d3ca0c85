"""Small real models of text with true cards: those of a seeded market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

from training.text.registry import TextModel
from training.text.seeded import seeded_text_models

TEXT_CREATED_AT = datetime(2025, 10, 14, 12, 0, tzinfo=UTC)
GOOD = "Quorum Labs raises full-year outlook after record quarter"
BAD = "Quorum Labs misses estimates, suspends guidance"
IDLE = "Quorum Labs appoints new member to its board"


@cache
def text_pair(seed: int = 7, on: date = date(2025, 10, 14)) -> tuple[TextModel, TextModel]:
    """Embedding and sentiment of a seed."""
    return seeded_text_models(seed, on, TEXT_CREATED_AT)
