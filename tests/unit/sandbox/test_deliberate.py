"""What a committee's answers are counted as."""

from __future__ import annotations

from sandbox.deliberate import counted_roles
from shared.core.committee.values import ABSTAIN, concluded
from tests.support.committee import outcomes_of


def test_counts_are_by_role_and_times_by_deliberation() -> None:
    done = [
        (concluded(outcomes_of("1", None, "0.5", "1", "1"), default=ABSTAIN, weights={}), 100),
        (concluded(outcomes_of("1", "1", "1", "0", "1"), default=ABSTAIN, weights={}), 4000),
    ]
    assert counted_roles(done).splitlines() == [
        "analyst  2 valid",
        "bull     1 LATE, 1 valid",
        "bear     2 valid",
        "risk     2 valid",
        "chair    2 valid",
        "factors  1 x 0, 1 x 1",
        "2 deliberations: p50 0.10 s, p99 4.00 s, at most 4.00 s",
    ]
