"""Credibility: bounded, slow, blind to echoes, order and the future; chance moves nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.credibility import LEAST_FORECASTS, SPAN, STEP, Credibility, Forecast, role_weights, source_weights

FIRST = datetime(2026, 9, 1, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNTIL = FIRST + timedelta(days=400)


def forecast(k: int, *, who: str = "wire", said: float = 1.0, came: float = 1.0, echo_of: str = "") -> Forecast:
    """The k-th of one: two a day, four hours apart."""
    at = FIRST + timedelta(days=k // 2, hours=4 * (k % 2))
    return Forecast(
        who=who,
        event_id=f"{who}-{k}",
        about=(f"S{k % 7}",),
        said_at=at,
        known_at=at + HOUR,
        said=said,
        came=came,
        echo_of=echo_of,
    )


def record(who: str, hits: int, n: int) -> list[Forecast]:
    """As many good as bad outcomes, of which it has told so many."""
    return [
        forecast(k, who=who, came=(-1.0) ** k, said=(-1.0) ** k * (1 if k * hits // n != (k + 1) * hits // n else -1))
        for k in range(n)
    ]


def weights(
    found: Sequence[Forecast], current: Mapping[str, float] | None = None, prior: Mapping[str, float] | None = None
) -> dict[str, Credibility]:
    made = source_weights(found, current or {}, prior=prior or current or {}, until=UNTIL)
    return {each.who: each for each in made}


def test_a_source_that_is_mostly_right_weighs_more_by_one_step_and_one_that_is_mostly_wrong_less() -> None:
    found = weights([*record("good", 210, 300), *record("bad", 90, 300)], {"good": 0.6, "bad": 0.6})
    assert (found["good"].weight, found["bad"].weight) == (0.7, 0.5)
    assert found["good"].hit_rate == 0.7
    assert found["good"].chance == pytest.approx(0.5, abs=0.01)
    assert found["good"].low > found["good"].chance
    assert found["good"].forecasts == 300


def test_weights_end_at_their_span_however_many_months_agree() -> None:
    weight, month = 0.6, record("wire", 300, 300)
    for _ in range(12):
        weight = weights(month, {"wire": weight}, {"wire": 0.6})["wire"].weight
    assert weight == pytest.approx(0.6 * (1 + SPAN))
    assert weights(month, {"wire": 1.0})["wire"].weight == 1.0, "no source is worth more than 1"


def test_a_role_weighs_up_to_one_and_a_half() -> None:
    weight = 1.0
    for _ in range(12):
        (found,) = role_weights(record("bear", 300, 300), {"bear": weight}, until=UNTIL)
        weight = found.weight
    assert weight == 1.5


def test_what_was_learned_goes_back_to_the_prior_where_evidence_no_longer_bears_it() -> None:
    assert weights(record("wire", 150, 300), {"wire": 0.8}, {"wire": 0.6})["wire"].weight == 0.7


def test_with_too_few_forecasts_a_weight_stays_where_it_is() -> None:
    few = record("wire", LEAST_FORECASTS - 1, LEAST_FORECASTS - 1)
    found = weights(few, {"wire": 0.7}, {"wire": 0.6})["wire"]
    assert found.weight == 0.7
    assert math.isnan(found.low)
    (silent,) = source_weights([], {"wire": 0.7}, prior={"wire": 0.6}, until=UNTIL)
    assert (silent.weight, silent.forecasts) == (0.7, 0)


def test_who_only_ever_says_yes_knows_nothing_though_most_things_turn_out_well() -> None:
    well = [forecast(k, came=-1.0 if k % 5 == 0 else 1.0) for k in range(400)]
    found = weights(well)["wire"]
    assert found.hit_rate == found.chance == 0.8
    assert found.weight == 1.0


def test_many_forecasts_of_one_day_are_not_as_many_days() -> None:
    month = record("wire", 130, 200)
    day = [replace(each, said_at=FIRST, known_at=FIRST + HOUR, about=(f"D{k}",)) for k, each in enumerate(month)]
    spread, crowded = weights(month)["wire"], weights(day)["wire"]
    assert (spread.hit_rate, spread.days, crowded.days) == (crowded.hit_rate, 100, 1)
    assert crowded.high - crowded.low > 2 * (spread.high - spread.low)


def test_words_about_one_symbol_within_the_hour_count_once() -> None:
    month = record("wire", 200, 200)
    again = [replace(each, event_id=f"{each.event_id}b", said_at=each.said_at + HOUR / 2) for each in month]
    assert weights([*month, *again]) == weights(month)


signs = st.sampled_from([-1.0, 1.0])
histories = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), signs, signs), max_size=160)


def made(history: Sequence[tuple[str, float, float]]) -> list[Forecast]:
    return [forecast(k, who=who, said=said, came=came) for k, (who, said, came) in enumerate(history)]


@given(histories, st.floats(0, 1), st.floats(0, 1))
def test_a_weight_stays_within_its_span_and_moves_one_step_at_most(
    history: list[tuple[str, float, float]], prior: float, place: float
) -> None:
    low, high = prior * (1 - SPAN), min(prior * (1 + SPAN), 1)
    current = min(max(low + place * (high - low), low), high)
    for each in weights(made(history), {"a": current}, {"a": prior}).values():
        own = prior if each.who == "a" else 1.0
        assert own * (1 - SPAN) <= each.weight <= min(own * (1 + SPAN), 1)
        assert abs(each.weight - each.current) <= STEP + 1e-6


@given(histories, st.randoms())
def test_no_order_of_the_evidence_matters(history: list[tuple[str, float, float]], random: object) -> None:
    ordered = made(history)
    shuffled = list(ordered)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert repr(weights(shuffled)) == repr(weights(ordered))


@given(histories, st.lists(st.tuples(st.integers(0, 159), signs, signs), max_size=40))
def test_echoes_change_nothing(history: list[tuple[str, float, float]], echoes: list[tuple[int, float, float]]) -> None:
    own = made(history)
    repeats = [forecast(k, who="a", said=said, came=came, echo_of="first") for k, said, came in echoes]
    assert repr(weights([*repeats, *own])) == repr(weights(own))


@given(histories, st.lists(st.tuples(st.integers(0, 159), signs, signs), max_size=40))
def test_what_is_known_after_the_end_never_counts(
    history: list[tuple[str, float, float]], later: list[tuple[int, float, float]]
) -> None:
    own = made(history)
    until = FIRST + timedelta(days=100)
    future = [
        replace(forecast(k, who="a", said=said, came=came), known_at=until + timedelta(seconds=1))
        for k, said, came in later
    ]
    before, after = (source_weights(each, {}, prior={}, until=until) for each in (own, [*own, *future]))
    assert repr(after) == repr(before)


@given(st.integers(30, 160), st.data())
def test_one_more_hit_never_makes_a_weight_smaller(n: int, data: st.DataObject) -> None:
    said = data.draw(st.lists(signs, min_size=n, max_size=n))
    came = data.draw(st.lists(signs, min_size=n, max_size=n))
    others = made(data.draw(histories))
    own = [forecast(400 + k, who="own", said=x, came=y) for k, (x, y) in enumerate(zip(said, came, strict=True))]
    at = data.draw(st.integers(0, n - 1))
    with_hit, with_miss = (
        [*own[:at], replace(own[at], came=sign * own[at].said), *own[at + 1 :], *others] for sign in (1, -1)
    )
    assert weights(with_hit)["own"].weight >= weights(with_miss)["own"].weight


def test_outcomes_dealt_out_anew_leave_weights_at_their_prior() -> None:
    """A control: the words of eight sources, of some skill, beside outcomes that are shuffled among them."""
    rng = np.random.default_rng(5)
    sources = [f"s{k}" for k in range(8)]
    came = rng.choice([-1.0, 1.0], (8, 250), p=[0.55, 0.45])
    said = np.where(rng.random((8, 250)) < 0.7, came, -came)
    moved = 0
    for _ in range(100):
        dealt = rng.permutation(came.ravel()).reshape(came.shape)
        found = weights(
            [
                forecast(k, who=who, said=said[j, k], came=dealt[j, k])
                for j, who in enumerate(sources)
                for k in range(250)
            ]
        )
        moved += any(each.is_moved for each in found.values())
        assert all(abs(each.weight - each.prior) <= STEP for each in found.values())
    assert moved <= 5, "that any of them moves is at most one month in twenty"
    assert all(
        each.is_moved
        for each in weights(
            [
                forecast(k, who=who, said=said[j, k], came=came[j, k])
                for j, who in enumerate(sources)
                for k in range(250)
            ],
            dict.fromkeys(sources, 0.5),
        ).values()
    )


def test_what_says_nothing_or_came_to_nothing_does_not_count() -> None:
    found = weights([forecast(0, said=0.0), forecast(1, came=0.0), forecast(2, came=math.nan), forecast(3)])
    assert found["wire"].forecasts == 1
    with pytest.raises(ValueError, match="known_at"):
        replace(forecast(0), known_at=FIRST)
