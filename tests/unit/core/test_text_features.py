"""Text stands behind the features of bars, as it was known at the instant, and keeps no symbol from being traded on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.features import (
    ALL_FEATURE_NAMES,
    FEATURE_NAMES,
    TEXT_FEATURE_NAMES,
    feature_faults,
    latest_features,
)
from shared.core.features.text import text_features
from shared.core.market import FloatArray
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.stories import Story, SymbolText
from shared.core.values import Symbol
from tests.support.bars import raw_day, trading_day
from tests.support.told import SYMBOL, narrative, story, text_of, untold

AT = datetime(2025, 10, 15, 15, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
DAY = trading_day(date(2025, 10, 15))
ITEMS = [raw_day(name, DAY.on, seed=1).symbol_day(DAY) for name in ("AAA", "BBB")]


def named(text: SymbolText, at: datetime = AT) -> dict[str, float]:
    return dict(zip(TEXT_FEATURE_NAMES, text_features({SYMBOL: text}, [SYMBOL], at)[0].tolist(), strict=True))


def bits(table: FloatArray) -> bytes:
    return table.tobytes()


def test_without_text_the_table_is_that_of_bars() -> None:
    table = latest_features(ITEMS, [], DAY)
    assert table.shape == (2, len(FEATURE_NAMES))
    assert ALL_FEATURE_NAMES[: len(FEATURE_NAMES)] == FEATURE_NAMES


def test_text_stands_behind_the_features_of_bars_and_changes_none_of_their_bits() -> None:
    bare = latest_features(ITEMS, [], DAY)
    table = latest_features(ITEMS, [], DAY, texts={SYMBOL: text_of(AT)}, at=AT)
    assert table.shape == (2, len(ALL_FEATURE_NAMES))
    assert bits(np.ascontiguousarray(table[:, : len(FEATURE_NAMES)])) == bits(bare)
    assert np.isfinite(table[0, len(FEATURE_NAMES) :]).all()
    assert np.isnan(table[1, len(FEATURE_NAMES) :]).all()
    with pytest.raises(ValueError, match="at must be an instant"):
        latest_features(ITEMS, [], DAY, texts={})


def test_features_say_what_the_catalogue_says() -> None:
    stories = (story(AT - 60 * MIN, "s0", novelty=0.9), story(AT - 5 * MIN, weight=0.5))
    echo = story(AT - 4 * MIN, "s2", echo_of="s1", novelty=0.1, weight=0.7)
    text = SymbolText(stories=(*stories, echo), narrative=narrative(AT - 90 * MIN, score=0.8))
    assert named(text) == {
        "narrative_score": pytest.approx(0.4),
        "story_novelty": 0.1,
        "story_count": 2,
        "source_weight": 0.7,
    }


def test_no_story_is_a_count_of_none_and_else_nothing() -> None:
    found = named(SymbolText())
    assert found.pop("story_count") == 0
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("text", [None, SymbolText(stories=(story(AT),), fault="the stories cannot be read")])
def test_text_that_cannot_be_relied_on_is_nothing(text: SymbolText | None) -> None:
    texts = {} if text is None else {SYMBOL: text}
    assert np.isnan(text_features(texts, [SYMBOL, Symbol("BBB")], AT)).all()
    assert text_features(texts, [], AT).shape == (0, 4)


def test_a_narrative_that_came_to_nothing_has_no_score() -> None:
    text = SymbolText(narrative=untold(AT, NarrativeStatus.INVALID_PARSE))
    assert np.isnan(named(text)["narrative_score"])


def test_a_value_out_of_range_is_nothing_and_no_fault_of_the_symbol() -> None:
    hostile = replace(story(AT), novelty=1e308)
    text = SymbolText(stories=(hostile,), narrative=narrative(AT, score=5.0))
    found = named(text)
    assert np.isnan(found["story_novelty"])
    assert np.isnan(found["narrative_score"])
    bare = latest_features(ITEMS, [], DAY)
    table = latest_features(ITEMS, [], DAY, texts={SYMBOL: text}, at=AT)
    assert [feature_faults(row) for row in table] == [feature_faults(row) for row in bare]


@settings(max_examples=100)
@given(st.lists(st.integers(-2000, 2000), max_size=8), st.integers(-2000, 2000))
def test_what_comes_later_changes_no_feature(minutes: list[int], told: int) -> None:
    stories: tuple[Story, ...] = tuple(story(AT + k * MIN, f"s{n}", novelty=n / 10) for n, k in enumerate(minutes))
    known = tuple(each for each in stories if each.received_at <= AT)
    text = SymbolText(stories=stories, narrative=narrative(AT + told * MIN))
    reduced = SymbolText(stories=known, narrative=text.narrative if told <= 0 else None)
    rows = [text_features({SYMBOL: each}, [SYMBOL], AT) for each in (text, reduced)]
    assert bits(rows[0]) == bits(rows[1])
