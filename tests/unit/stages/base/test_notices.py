"""The text of notices, beside the examples that docs/NOTICES.md shows."""

from __future__ import annotations

from shared.core.notices import ChannelState, delivered, withheld
from shared.core.sessions import NEW_YORK
from shared.stages.base.notices import withheld_lines
from tests.unit.core.test_notices import MINUTE, NOW, RULE


def test_what_is_withheld_is_counted_by_kind_and_told_with_the_next_notice() -> None:
    state = ChannelState()
    for minute, kind in enumerate(("fill", "job-missed", "fill")):
        state = withheld(state, kind, f"title {minute}", NOW + minute * MINUTE)
    assert withheld_lines(state, NEW_YORK).splitlines() == [
        "And 3 more since Wed 12:00:",
        "- 1 job-missed, last: title 1",
        "- 2 fill, last: title 2",
    ]
    assert withheld_lines(delivered(state, "halt", NOW, RULE, state.withheld), NEW_YORK) == ""
