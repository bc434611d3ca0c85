"""What a refuser saved is what its refusals would have lost; days, not entries, are drawn anew."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from shared.core.refusals import Estimate, RefusalValue, Refuser, Shadow, sections, spelled, value_of_refusals, worth
from shared.core.shadow import ShadowEnd, ShadowTrip
from tests.support.tape import ny

FIRST = date(2026, 10, 12)


def shadow(
    by: str = "SPREAD",
    *,
    day: int = 0,
    at: str = "12:00:20",
    symbol: str = "AAA",
    bp: float | None = -20.0,
    usd: float | None = -30.0,
    factor: str = "0",
    held_min: int = 30,
    strategy: str = "momentum.v1",
    **roles: str,
) -> Shadow:
    on = FIRST + timedelta(days=day)
    decided_at = ny(on, at)
    is_filled = bp is not None
    return Shadow(
        on=on,
        decision_id=f"{on}{at}{symbol}{by}",
        decided_at=decided_at,
        strategy=strategy,
        symbol=symbol,
        session="REG-MID",
        refused_by=tuple(by.split()),
        factor=Decimal(factor),
        roles={role: Decimal(asked) for role, asked in roles.items()},
        trip=ShadowTrip(
            end=ShadowEnd.STOP if is_filled else ShadowEnd.NOT_FILLED,
            entered_at=decided_at if is_filled else None,
            left_at=decided_at + timedelta(minutes=held_min) if is_filled else None,
            net_bp=bp,
        ),
        plan_usd=usd if is_filled else None,
    )


def of(values: tuple[RefusalValue, ...], part: Refuser, name: str = "") -> RefusalValue:
    (found,) = [each for each in values if (each.part, each.name) == (part, name)]
    return found


def test_what_a_refused_entry_would_have_lost_is_saved() -> None:
    value = of(value_of_refusals([shadow(), shadow(day=1, bp=10.0, usd=12.0)]), Refuser.ALONE, "SPREAD")
    assert (value.count, value.filled, value.sessions) == (2, 2, 2)
    assert value.net_bp == Estimate(value=-5.0)
    assert value.saved_usd == Estimate(value=18.0)
    assert worth(value) == "saved 18 USD, 5.0 bp each; under 5 sessions, no interval"


def test_what_it_would_have_made_is_a_cost_and_says_so() -> None:
    value = of(value_of_refusals([shadow(bp=10.0, usd=12.0)]), Refuser.ALONE, "SPREAD")
    assert worth(value).startswith("cost 12 USD, 10.0 bp each")


def test_a_decision_refused_by_several_counts_for_each_among_others_and_for_none_alone() -> None:
    values = value_of_refusals([shadow("SPREAD COOLDOWN"), shadow("SPREAD", symbol="BBB")])
    assert of(values, Refuser.AMONG_OTHERS, "SPREAD").count == 1
    assert of(values, Refuser.AMONG_OTHERS, "COOLDOWN").count == 1
    assert of(values, Refuser.ALONE, "SPREAD").count == 1
    assert of(values, Refuser.ALL).count == 2
    assert not [each for each in values if (each.part, each.name) == (Refuser.ALONE, "COOLDOWN")]


def test_of_a_shrunk_entry_the_part_that_was_not_bought_counts() -> None:
    value = of(value_of_refusals([shadow("COMMITTEE", factor="0.75", usd=-40.0)]), Refuser.ALONE, "COMMITTEE")
    assert value.saved_usd == Estimate(value=10.0)
    assert value.net_bp == Estimate(value=-20.0)


def test_a_role_is_valued_as_if_its_advice_alone_had_been_followed() -> None:
    overruled = shadow("", factor="1", usd=-40.0, bear="0.5", bull="1")
    vetoed = shadow("COMMITTEE", symbol="BBB", usd=20.0, bp=8.0, bear="1", risk="0")
    values = value_of_refusals([overruled, vetoed])
    assert of(values, Refuser.ROLE, "bear").saved_usd == Estimate(value=20.0)
    assert of(values, Refuser.ROLE, "risk").saved_usd == Estimate(value=-20.0)
    assert of(values, Refuser.ALL).count == 1
    assert not [each for each in values if each.name == "bull"]


def test_a_repeat_while_the_paper_position_stands_does_not_count_twice() -> None:
    repeated = [shadow(at=f"12:{minute:02}:20") for minute in (0, 5, 30, 35)]
    value = of(value_of_refusals(repeated), Refuser.ALONE, "SPREAD")
    assert (value.count, value.filled, value.saved_usd) == (4, 2, Estimate(value=60.0))


def test_another_strategys_position_is_no_repeat() -> None:
    both = [shadow(), shadow(at="12:05:20", strategy="breakout.v1")]
    assert of(value_of_refusals(both), Refuser.ALL).filled == 2
    assert of(value_of_refusals(both), Refuser.STRATEGY, "breakout.v1").count == 1


def test_what_was_not_filled_or_had_no_size_counts_in_its_place_alone() -> None:
    values = value_of_refusals([shadow(bp=None), shadow("SIZE", usd=None, symbol="BBB")])
    unfilled, sizeless = of(values, Refuser.ALONE, "SPREAD"), of(values, Refuser.ALONE, "SIZE")
    assert (unfilled.count, unfilled.filled, unfilled.net_bp) == (1, 0, None)
    assert worth(unfilled) == "nothing was filled on paper"
    assert (sizeless.net_bp, sizeless.saved_usd) == (Estimate(value=-20.0), None)
    assert worth(sizeless) == "saved 20.0 bp each; under 5 sessions, no interval"


def test_from_five_sessions_on_there_is_an_interval_and_it_is_the_same_each_time() -> None:
    rng = np.random.default_rng(3)
    many = [shadow(day=day, bp=float(bp), usd=float(bp)) for day, bp in enumerate(rng.normal(-20, 5, 20))]
    few = of(value_of_refusals(many[:4]), Refuser.ALL).saved_usd
    assert few is not None
    assert (few.low, few.high) == (None, None)
    assert few.value == pytest.approx(-sum(each.plan_usd or 0 for each in many[:4]), abs=0.01)
    value = of(value_of_refusals(many), Refuser.ALL)
    assert value == of(value_of_refusals(reversed(many)), Refuser.ALL)
    assert value.net_bp is not None
    assert value.net_bp.is_sure
    assert value.net_bp.low is not None
    assert value.net_bp.high is not None
    assert value.net_bp.low < value.net_bp.value < value.net_bp.high < 0
    assert "beyond chance" in worth(value)


def test_many_entries_of_one_day_make_an_interval_no_narrower() -> None:
    rng = np.random.default_rng(4)
    moves = rng.normal(0, 20, 8)
    once = [shadow(day=day, bp=float(bp)) for day, bp in enumerate(moves)]
    often = [shadow(day=day, bp=float(bp), symbol=f"S{k}") for day, bp in enumerate(moves) for k in range(9)]
    one, nine = (of(value_of_refusals(each), Refuser.ALL).net_bp for each in (once, often))
    assert one == nine
    assert one is not None
    assert not one.is_sure


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        days = rng.normal(-10, 30, 30)
        found = of(value_of_refusals([shadow(day=k, bp=float(bp)) for k, bp in enumerate(days)]), Refuser.ALL).net_bp
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= -10 <= found.high
    assert covered >= 50


def test_money_and_mean_that_point_apart_are_both_said() -> None:
    small, large = shadow(bp=-50.0, usd=-5.0), shadow(day=1, bp=10.0, usd=100.0)
    value = of(value_of_refusals([small, large]), Refuser.ALL)
    assert worth(value) == "cost 95 USD, saved 20.0 bp each; under 5 sessions, no interval"


def test_lines_are_read_by_whose_own_worth_they_are() -> None:
    values = value_of_refusals(
        [
            *(shadow("SPREAD", symbol="AAA", day=day) for day in range(2)),
            shadow("KILL_SWITCH", symbol="BBB"),
            shadow("SPREAD COOLDOWN", symbol="CCC", strategy="breakout.v1"),
            shadow("", symbol="DDD", factor="1", bear="0.5"),
        ]
    )
    assert {heading: [each.name for each in lines] for heading, lines in sections(values).items()} == {
        "Refused by one alone": ["SPREAD"],
        "No judgement of the entry": ["KILL_SWITCH"],
        "Roles, each followed alone": ["bear"],
        "Refused by others as well": ["COOLDOWN", "SPREAD"],
        "All of them": ["", "momentum.v1", "breakout.v1"],
    }
    words = "saved 120 USD, 20.0 bp each; under 5 sessions, no interval"
    assert spelled(values[0]) == ("all", "4", "4", "-20.0", "+120", words)


def test_a_switch_is_no_judgement_of_the_entry() -> None:
    values = value_of_refusals([shadow("KILL_SWITCH"), shadow("SPREAD", symbol="BBB")])
    assert [of(values, Refuser.ALONE, name).is_judgement for name in ("KILL_SWITCH", "SPREAD")] == [False, True]
