"""Figures are what the textbooks say, and every story is read by what was there before it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.market import FloatArray
from shared.core.text.narratives import ScorePast
from shared.core.text.scores import MOST_Z, PRIOR_SPREAD, PRIOR_WEIGHT
from tests.support.stories import READER
from training.text_study.figures import (
    EventData,
    block_counts,
    chance_of,
    control,
    discoveries,
    interval,
    parts_of,
    rank_correlation,
)
from training.text_study.reading import FIRST, ReadStories, own_z, read_all
from training.text_study.story_file import StoryFile

DAY_S = 86_400


def data_of(score: list[float], value: list[float], cost: float = 0.0) -> EventData:
    n = len(score)
    return EventData.of(np.array(score), np.array(value), np.arange(n) // 2, np.arange(n) % 2, cost)


def test_figures_of_a_handful_of_events_are_those_worked_out_by_hand() -> None:
    data = data_of([2.0, 1.0, -1.0, -2.0, 0.0], [0.02, -0.01, -0.03, 0.01, 0.05], cost=0.001)
    found = data.figures()
    assert (found.events, found.dates, found.symbols) == (5, 3, 2)
    assert found.hit_rate == pytest.approx(2 / 4)
    assert found.mean == pytest.approx((0.02 - 0.01 + 0.03 - 0.01) / 4)
    assert found.net == pytest.approx(found.mean - 0.001)
    assert found.spread == pytest.approx(0.02 - 0.01 - 0.002)
    # Ranks 5 4 2 1 3 against 4 2 1 3 5: 1 - 6 (1 + 4 + 1 + 4 + 4) / (5 * 24)
    assert found.ic == pytest.approx(0.3)


def test_rank_correlation_with_ties_is_that_of_the_mean_ranks() -> None:
    found = data_of([1.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.2, 0.3]).figures().ic
    assert found == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2.5, 2.5, 4])[0, 1])


def test_figures_of_nothing_are_unknown() -> None:
    assert math.isnan(data_of([], []).figures().ic)
    assert math.isnan(data_of([1.0, 1.0], [0.1, 0.2]).figures().ic)
    assert math.isnan(rank_correlation(np.empty(0), np.empty(0)))
    empty = interval(0.1, np.full(10, np.nan))
    assert empty.side == 0
    assert math.isnan(chance_of(0.1, np.zeros(10), 10))


@given(groups=st.integers(1, 40), block=st.integers(1, 60), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_resample_draws_as_many_groups_as_there_are(groups: int, block: int, seed: int) -> None:
    counts = block_counts(groups, draws=7, block=block, seed=seed)
    assert counts.shape == (7, groups)
    assert (counts.sum(axis=1) == groups).all()


def test_intervals_widen_where_events_of_a_date_share_its_luck() -> None:
    rng = np.random.default_rng(3)
    on = np.repeat(np.arange(60), 10)
    luck = rng.normal(0, 0.02, 60)[on]
    data = EventData.of(np.ones(600), luck, on, np.arange(600), 0.0)
    together = data.resampled(on, draws=500, block=5, seed=1)["mean"]
    alone = data.resampled(np.arange(600), draws=500, block=1, seed=1)["mean"]
    assert together.std() > 2 * alone.std()


def test_an_interval_misses_the_truth_about_as_often_as_it_says() -> None:
    rng, misses = np.random.default_rng(11), 0
    for k in range(200):
        on = np.repeat(np.arange(80), 4)
        value = rng.normal(0, 0.01, 80)[on] + rng.normal(0, 0.01, 320)
        data = EventData.of(np.ones(320), value, on, on, 0.0)
        found = interval(data.figures().mean, data.resampled(on, draws=300, block=5, seed=k)["mean"])
        misses += found.side != 0
    assert 4 <= misses <= 30


@pytest.mark.parametrize(("t", "free", "p"), [(2.571, 5, 0.05), (2.787, 25, 0.01), (3.725, 25, 0.001), (0.0, 9, 1.0)])
def test_a_chance_is_that_of_students_t(t: float, free: int, p: float) -> None:
    drawn = np.array([-1.0, 1.0]) / np.std([-1.0, 1.0], ddof=1)
    assert chance_of(t, drawn, free + 1) == pytest.approx(p, rel=0.03)


def test_a_control_counts_the_real_one_among_the_shuffles() -> None:
    assert control("texts", "", 0.5, np.array([0.1, -0.6, 0.2])).p == pytest.approx(2 / 4)
    assert control("texts", "", 0.9, np.array([0.1, -0.6, 0.2])).p == pytest.approx(1 / 4)
    assert math.isnan(control("texts", "", math.nan, np.zeros(3)).p)


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    found = discoveries([0.01, 0.04, 0.03, math.nan, 0.5])
    assert found[:3] == pytest.approx([0.04, 0.16 / 3, 0.16 / 3])
    assert math.isnan(found[3])
    assert found[4] == pytest.approx(0.5)
    assert discoveries([]) == []


def test_equal_values_are_in_one_part() -> None:
    assert parts_of(np.array([1.0, 1.0, 1.0, 2.0, 3.0]), 5).tolist() == [1, 1, 1, 3, 4]


@given(
    values=st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3)), min_size=1, max_size=60),
    cut=st.integers(0, 60),
)
@settings(max_examples=80, deadline=None)
def test_a_score_is_held_against_its_symbols_own_past_and_nothing_else(
    values: list[tuple[float, int]], cut: int
) -> None:
    x, code = np.array([value for value, _ in values]), np.array([symbol for _, symbol in values], np.int64)
    found = own_z(x, code)
    pasts: dict[int, ScorePast] = {}
    for k, (value, symbol) in enumerate(values):
        past = pasts.get(symbol, ScorePast())
        weight = PRIOR_WEIGHT + past.count
        between = PRIOR_WEIGHT * past.count / weight * past.mean**2
        deviation = math.sqrt((PRIOR_WEIGHT * PRIOR_SPREAD**2 + past.squares + between) / weight)
        expected = (value - past.count * past.mean / weight) / deviation
        assert found[k] == pytest.approx(max(-MOST_Z, min(MOST_Z, expected)), abs=1e-9)
        pasts[symbol] = past.then(value)
    assert np.array_equal(own_z(x[:cut], code[:cut]), found[:cut])


def told(*rows: tuple[str, int, str]) -> StoryFile:
    symbols = tuple(sorted({symbol for symbol, _, _ in rows}))
    return StoryFile(
        name="told",
        content_id="",
        symbols=symbols,  # type: ignore[arg-type]
        code=np.array([symbols.index(symbol) for symbol, _, _ in rows], np.int64),
        at_s=np.array([at_s for _, at_s, _ in rows], np.int64),
        texts=tuple(text for _, _, text in rows),
        given=None,
        told=(),
    )


def read(stories: StoryFile) -> ReadStories:
    return read_all(stories, READER, echo_cosine=0.85, progress=lambda what, done: None)


def test_an_echo_is_linked_to_its_first_source_of_the_same_symbol_within_a_day() -> None:
    text = "profit soars on strong sales of tea"
    found = read(
        told(
            ("A", 0, text),
            ("B", 10, text),
            ("A", 20, "court fines the maker"),
            ("A", DAY_S, text + " today"),
            ("A", DAY_S + 5, text),
            ("A", 2 * DAY_S + 6, text),
        )
    )
    # A day and five seconds after the first, a story repeats the echo of it, whose source is still the first.
    assert found.echo_of.tolist() == [FIRST, FIRST, FIRST, 0, 0, FIRST]
    assert found.novelty[:2].tolist() == [1.0, 1.0]
    assert found.novelty[4] == pytest.approx(0.0, abs=1e-6)
    assert found.novelty[2] > 0.5
    assert found.polarity.tolist()[:3] == pytest.approx([2 / 3, 2 / 3, 0.0])


def test_novelty_forgets_what_is_older_than_five_days() -> None:
    text = "profit soars"
    found = read(told(("A", 0, text), ("A", 5 * DAY_S, text), ("A", 10 * DAY_S + 1, text)))
    assert found.novelty == pytest.approx([1.0, 0.0, 1.0], abs=1e-6)
    assert found.echo_of.tolist() == [FIRST] * 3


def test_what_is_received_later_changes_nothing_of_what_was_read_before() -> None:
    rng = np.random.default_rng(2)
    words = ("soars", "slumps", "tea", "court", "phone", "sales")
    rows = [("AB"[k % 2], 4000 * k, " ".join(rng.choice(words, 4))) for k in range(60)]
    whole = read(told(*rows))
    for cut in (2, 20, 41):
        part = read(told(*rows[:cut]))
        for name in ("polarity", "novelty", "echo_of"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[:cut])


def test_the_resampled_figures_are_centred_on_the_real_ones() -> None:
    rng = np.random.default_rng(4)
    score: FloatArray = rng.normal(size=2000)
    data = EventData.of(
        score, 0.01 * score + rng.normal(0, 0.05, 2000), np.arange(2000) // 20, np.arange(2000) % 20, 0.0
    )
    real, drawn = data.figures(), data.resampled(data.on, draws=400, block=5, seed=1)
    for name in ("ic", "mean", "spread", "hit_rate"):
        assert abs(float(drawn[name].mean()) - getattr(real, name)) < float(drawn[name].std())
    free = replace(data, cost=0.001).figures()
    assert real.net - free.net == pytest.approx(0.001)
