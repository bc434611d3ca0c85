"""The weekly review: figures that can be checked by hand, and proposals only where enough speaks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.review import MIN_TRIPS, Review, Trip, Tuned, Week, drawdown, group, review
from shared.core.sessions import Session

DAY = date(2026, 10, 12)
TUNED = Tuned(edge_min=0.1, net_move_min_bp=3.0, entry_sessions=(Session.REG_AM, Session.REG_MID, Session.REG_PM))


MODELS, RULE = "momentum.v1", "dip-buyer.v1"


def trip(realised: object, *, session: str = "REG-AM", p_win: float | None = 0.5, strategy: str = MODELS) -> Trip:
    return Trip(
        on=DAY,
        symbol="AAA",
        session=session,
        strategy=strategy,
        realised=Decimal(str(realised)),
        cost=Decimal(1000),
        p_win=p_win,
    )


def week(*trips: Trip, entry_bp: Sequence[float] = ()) -> Week:
    return Week(
        days=[DAY],
        trips=trips,
        slippages={"entry": entry_bp, "stop": ()},
        decisions={},
        refused_by={},
        incidents={},
        missed_jobs=0,
        equities=[Decimal(100), Decimal(110), Decimal(99), Decimal(120)],
    )


def proposals(made: Review) -> dict[str, str]:
    return {each.setting: each.value for each in made.proposals}


def test_figures_are_those_of_the_trips() -> None:
    made = review(week(trip(30), trip(-10), trip(-10), trip(0), trip(5, session="REG-PM")), TUNED)
    total = made.total
    assert total is not None
    assert (total.trips, total.realised_usd, total.expectancy_usd) == (5, "15.00", 3.0)
    assert (total.hit_rate, total.profit_factor) == (0.4, 1.75)
    assert {name: each.realised_usd for name, each in made.by_session.items()} == {"REG-AM": "10.00", "REG-PM": "5.00"}
    assert made.by_session["REG-PM"].profit_factor is None
    assert made.drawdown_fraction == 0.1
    assert made.brier == 0.25
    assert made.proposals == ()


def test_a_week_without_orders_is_a_week() -> None:
    made = review(week(), TUNED)
    assert (made.total, made.brier, made.by_session, made.calibration) == (None, None, {}, ())


def test_a_week_without_days_is_none() -> None:
    with pytest.raises(ValueError, match="trading day"):
        review(replace(week(), days=[]), TUNED)


def test_calibration_sets_prediction_beside_outcome() -> None:
    made = review(week(trip(1, p_win=0.52), trip(-1, p_win=0.53), trip(1, p_win=0.9)), TUNED)
    assert [(b.low, b.trips, b.predicted, b.observed) for b in made.calibration] == [
        (0.5, 2, 0.525, 0.5),
        (0.7, 1, 0.9, 1.0),
    ]


def test_what_gives_no_chances_is_in_no_calibration_and_speaks_against_no_edge() -> None:
    silent = [trip(-5 - i % 3, p_win=None, strategy=RULE) for i in range(3 * MIN_TRIPS)]
    made = review(week(trip(1, p_win=0.9), *silent), replace(TUNED, entry_sessions=(Session.REG_AM,)))
    assert [(b.low, b.trips) for b in made.calibration] == [(0.7, 1)]
    assert made.brier == 0.01
    assert proposals(made) == {}
    alone = review(week(*silent), TUNED)
    assert (alone.brier, alone.calibration) == (None, ())


def test_a_session_that_surely_loses_is_proposed_to_be_left_out() -> None:
    losing = [trip(-5 - i % 3, session="REG-PM", p_win=0.1) for i in range(MIN_TRIPS)]
    assert proposals(review(week(*losing), TUNED)) == {"GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-MID"}
    assert proposals(review(week(*losing[1:]), TUNED)) == {}


def test_a_session_whose_loss_may_be_chance_stays() -> None:
    noisy = [trip(-100 if i % 2 else 98, session="REG-PM", p_win=0.5) for i in range(60)]
    assert "GATEHOUSE_ENTRY_SESSIONS" not in proposals(review(week(*noisy), TUNED))


def test_the_last_session_is_never_proposed_away() -> None:
    losing = [trip(-5 - i % 3, p_win=0.1) for i in range(60)]
    only = replace(TUNED, entry_sessions=(Session.REG_AM,))
    assert "GATEHOUSE_ENTRY_SESSIONS" not in proposals(review(week(*losing), only))


def test_overconfidence_asks_for_a_larger_edge_up_to_a_ceiling() -> None:
    trips = [trip(10 if i % 10 < 4 else -1, p_win=0.6) for i in range(100)]
    assert proposals(review(week(*trips), TUNED)) == {"GATEHOUSE_EDGE_MIN": "0.15"}
    assert proposals(review(week(*trips), replace(TUNED, edge_min=0.48)))["GATEHOUSE_EDGE_MIN"] == "0.5"
    assert proposals(review(week(*trips), replace(TUNED, edge_min=0.5))) == {}
    honest = [replace(each, p_win=0.42) for each in trips]
    assert proposals(review(week(*honest), TUNED)) == {}


def test_dear_entries_ask_for_a_larger_move() -> None:
    assert proposals(review(week(entry_bp=[6.4] * MIN_TRIPS), TUNED)) == {"GATEHOUSE_NET_MOVE_MIN_BP": "8"}
    assert proposals(review(week(entry_bp=[6.4] * (MIN_TRIPS - 1)), TUNED)) == {}
    assert proposals(review(week(entry_bp=[3.9] * MIN_TRIPS), TUNED)) == {}


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1, max_size=40))
def test_a_groups_sum_is_the_sum_and_its_rates_are_fractions(values: list[Decimal]) -> None:
    found = group(trip(value) for value in values)
    assert found is not None
    assert Decimal(found.realised_usd) == sum(values)
    assert 0 <= found.hit_rate <= 1


@given(st.lists(st.tuples(st.decimals(-1000, 1000, places=2), st.sampled_from((MODELS, RULE))), max_size=40))
def test_strategies_are_told_apart_where_there_are_several_and_add_up(found: list[tuple[Decimal, str]]) -> None:
    made = review(week(*(trip(value, strategy=name) for value, name in found)), TUNED)
    names = {name for _, name in found}
    assert set(made.by_strategy) == (names if len(names) > 1 else set())
    if made.by_strategy and made.total is not None:
        parts = made.by_strategy.values()
        assert sum(Decimal(part.realised_usd) for part in parts) == Decimal(made.total.realised_usd)
        assert sum(part.trips for part in parts) == made.total.trips


@given(st.lists(st.decimals("0.01", 1_000_000, places=2), max_size=40))
def test_a_drawdown_is_a_fraction_and_none_while_equity_rises(equities: list[Decimal]) -> None:
    assert 0 <= drawdown(equities) <= 1
    assert drawdown(sorted(equities)) == 0
