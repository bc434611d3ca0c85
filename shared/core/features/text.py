"""Features of the news of a symbol at an instant, from what was known by then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from shared.core.features.catalogue import TEXT_FEATURES
from shared.core.market import FloatArray
from shared.core.text.scores import decayed, known_by
from shared.core.text.stories import SymbolText
from shared.core.values import Symbol

_LOW = np.array([feature.low for feature in TEXT_FEATURES])
_HIGH = np.array([feature.high for feature in TEXT_FEATURES])


def text_features(texts: Mapping[Symbol, SymbolText], symbols: Sequence[Symbol], at: datetime) -> FloatArray:
    """Text features of each symbol at an instant, shape (len(symbols), len(TEXT_FEATURES)).

    A row is NaN where a symbol has no text, or one that cannot be relied on. So is a value outside its range: no text
    is a reason against a decision on price alone.
    """
    rows = np.array([_row(texts.get(symbol), at) for symbol in symbols], np.float64).reshape(-1, len(TEXT_FEATURES))
    with np.errstate(invalid="ignore"):
        return np.where((rows >= _LOW) & (rows <= _HIGH), rows, np.nan)


def _row(text: SymbolText | None, at: datetime) -> tuple[float, ...]:
    """Values in the order of the catalogue."""
    if text is None or text.fault:
        return (math.nan,) * len(TEXT_FEATURES)
    known = known_by(text, at)
    told = known.narrative
    newest = max(known.stories, key=lambda story: (story.received_at, story.story_id), default=None)
    return (
        math.nan if told is None else decayed(told.score, told.told_at, at),
        math.nan if newest is None or newest.novelty is None else newest.novelty,
        float(sum(not story.echo_of for story in known.stories)),
        math.nan if newest is None else newest.weight,
    )
