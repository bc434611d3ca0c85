"""A committee can only say less: whatever its roles answer, or do not answer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.committee.values import (
    ABSTAIN,
    FACTORS,
    REFUSE,
    CommitteeRole,
    Deliberation,
    RoleAnswer,
    RoleOutcome,
    Stance,
    concluded,
    shrunk,
)
from tests.support.committee import committees, outcome, outcomes_of, sayings, weightings

Weights = Mapping[CommitteeRole, Decimal]
Said = tuple[Decimal | None, ...]


def factor_of(*said: str | Decimal | None, default: str = ABSTAIN, weights: Weights | None = None) -> Decimal:
    return concluded(outcomes_of(*said), default=default, weights=weights or {}).factor


@pytest.mark.parametrize(
    ("said", "factor"),
    [
        (("1", "1", "1", "1", "1"), "1"),
        (("1", "1", "1", "1", "0.25"), "0.25"),
        (("1", "1", "1", "1", "0"), "0"),
        (("1", "1", "0.5", "1", "1"), "1"),  # the mean of 0.875 is rounded up
        (("0.5", "1", "0", "0.75", "1"), "0.75"),  # of 0.5625
        (("0.5", "1", "0.25", "0.25", "1"), "0.5"),  # of 0.5 exactly
        (("0", "0", "0", "0.25", "1"), "0.25"),
        (("1", "1", "1", "0", "1"), "0"),
    ],
)
def test_it_is_the_chairs_factor_and_never_above_the_roles_mean(said: tuple[str, ...], factor: str) -> None:
    assert factor_of(*said) == Decimal(factor)


def test_a_role_that_weighs_more_counts_more_and_the_chair_has_no_weight() -> None:
    said = ("1", "1", "0", "1", "1")
    assert factor_of(*said) == Decimal("0.75")
    assert factor_of(*said, weights={CommitteeRole.BEAR: Decimal(3)}) == Decimal("0.5")
    assert factor_of(*said, weights={CommitteeRole.BEAR: Decimal(0)}) == Decimal("1")
    assert factor_of(*said, weights={CommitteeRole.CHAIR: Decimal(1000)}) == Decimal("0.75")


@given(committees, st.sampled_from([ABSTAIN, REFUSE]), weightings)
def test_a_veto_of_risk_stands_whatever_the_others_say(said: Said, default: str, weights: Weights) -> None:
    vetoed = (*said[:3], Decimal(0), said[4])
    found = concluded(outcomes_of(*vetoed), default=default, weights=weights)
    assert found.factor == 0
    assert found.why == "risk veto: so says risk"


@given(committees, weightings)
def test_with_refuse_one_answer_that_is_missing_ends_the_entry(said: Said, weights: Weights) -> None:
    assert factor_of(*said, default=REFUSE, weights=weights) == 0 or None not in said


@given(committees, weightings)
def test_with_abstain_a_missing_answer_counts_as_one(said: Said, weights: Weights) -> None:
    full = tuple(Decimal(1) if each is None else each for each in said)
    assert factor_of(*said, weights=weights) == factor_of(*full, weights=weights)


@given(committees, st.sampled_from([ABSTAIN, REFUSE]), weightings)
def test_it_is_always_one_of_five_factors(said: Said, default: str, weights: Weights) -> None:
    found = factor_of(*said, default=default, weights=weights)
    assert found in FACTORS
    assert all(found <= each for each in (said[4],) if each is not None)


@given(committees, st.integers(0, 4), sayings, st.sampled_from([ABSTAIN, REFUSE]), weightings)
def test_a_stricter_answer_never_enlarges(
    said: Said, at: int, other: Decimal | None, default: str, weights: Weights
) -> None:
    def counted(each: Decimal | None) -> Decimal:
        return each if each is not None else Decimal(default == ABSTAIN)

    replaced = (*said[:at], other, *said[at + 1 :])
    less, more = sorted([said, replaced], key=lambda each: counted(each[at]))
    if counted(less[at]) < counted(more[at]):
        less_factor = factor_of(*less, default=default, weights=weights)
        assert less_factor <= factor_of(*more, default=default, weights=weights)


@given(st.integers(0, 10**12), st.sampled_from(FACTORS), st.sampled_from(["1", "0.001", "0.000000001"]).map(Decimal))
def test_a_quantity_is_only_ever_made_smaller_and_stays_in_whole_steps(
    steps: int, factor: Decimal, step: Decimal
) -> None:
    qty = steps * step
    found = shrunk(qty, factor, step)
    assert 0 <= found <= qty
    assert found % step == 0
    assert qty * factor - step < found <= qty * factor


@given(st.decimals("0", "1e9", places=9), st.decimals("-1e300", "1e300", allow_nan=False))
def test_no_factor_that_there_is_enlarges_a_quantity(qty: Decimal, factor: Decimal) -> None:
    assert 0 <= shrunk(qty, factor, Decimal("0.000000001")) <= qty


def test_what_decided_is_said_in_words() -> None:
    def why(*said: str | None, default: str = ABSTAIN) -> str:
        return concluded(outcomes_of(*said), default=default, weights={}).why

    assert why("1", "1", "1", "1", "0.5") == "chair shrink: so says chair"
    assert why("0.5", "0.5", "0.5", "0.5", "1") == "the roles' mean: 0.5"
    assert why("1", None, "1", "1", "0.5") == "chair shrink: so says chair (abstain: bull LATE)"
    assert why(None, None, None, None, None).startswith("nobody objects (abstain: analyst LATE, ")
    assert why("1", "1", None, "1", "1", default=REFUSE) == "refuse: bear LATE"


GOOD: dict[str, Any] = {
    "role": CommitteeRole.BEAR,
    "stance": Stance.SHRINK,
    "factor": Decimal("0.5"),
    "reason": "overbought",
    "source_ids": ("IND",),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"factor": Decimal("0.3")}, "factor must be one of 0, 0.25, 0.5, 0.75, 1"),
        ({"factor": Decimal(5)}, "factor must be one of"),
        ({"factor": Decimal("NaN")}, "factor must be one of"),
        ({"stance": Stance.VETO}, "stance must be shrink"),
        ({"stance": Stance.APPROVE}, "stance must be shrink"),
        ({"factor": Decimal(0)}, "stance must be veto"),
        ({"factor": Decimal(1)}, "stance must be approve"),
        ({"reason": ""}, "reason must be of 1 to 160 characters"),
        ({"reason": "x" * 161}, "reason must be of 1 to 160 characters"),
        ({"source_ids": ()}, "source_ids must be one at least"),
        ({"source_ids": ("IND", "")}, "source_ids must be one at least"),
    ],
)
def test_an_answer_that_contradicts_itself_cannot_be_made(changes: dict[str, Any], expected: str) -> None:
    RoleAnswer(**GOOD)
    with pytest.raises(ValueError, match=expected):
        RoleAnswer(**GOOD | changes)


def test_an_outcome_is_an_answer_or_a_fault_that_there_is() -> None:
    role, answer = CommitteeRole.BEAR, RoleAnswer(**GOOD)
    for members in (
        {"role": role},
        {"role": role, "fault": "TIRED"},
        {"role": role, "answer": answer, "fault": "LATE"},
        {"role": CommitteeRole.BULL, "answer": answer},
    ):
        with pytest.raises(ValueError, match="must be"):
            RoleOutcome(**members)


def test_a_committee_is_one_of_each_role() -> None:
    all_of_it = outcomes_of("1", "1", "1", "1", "1")
    for found in (all_of_it[:4], [*all_of_it, outcome(CommitteeRole.BULL, "1")], [*all_of_it[:4], all_of_it[0]]):
        with pytest.raises(ValueError, match="outcomes must be one of each role"):
            concluded(found, default=ABSTAIN, weights={})
    assert concluded(all_of_it[::-1], default=ABSTAIN, weights={}).outcomes == tuple(all_of_it)


def test_a_deliberation_has_no_other_factor_and_no_other_default() -> None:
    found = concluded(outcomes_of("1", "1", "1", "1", "1"), default=ABSTAIN, weights={})
    for factor, default in ((Decimal(2), ABSTAIN), (Decimal("0.9"), ABSTAIN), (Decimal(1), "enlarge")):
        with pytest.raises(ValueError, match="must be one of"):
            Deliberation(factor=factor, why="", default=default, outcomes=found.outcomes)
    with pytest.raises(ValueError, match="default must be one of abstain, refuse"):
        concluded(found.outcomes, default="hold", weights={})


def test_weights_that_are_negative_or_all_zero_are_refused() -> None:
    for each in ("-1", "0"):
        with pytest.raises(ValueError, match="weights must be not negative, and one above zero"):
            factor_of("1", "1", "1", "1", "1", weights=dict.fromkeys(CommitteeRole, Decimal(each)))
