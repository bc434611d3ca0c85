"""Comparing rows: what is equal, what differs, what is on one side only."""

from __future__ import annotations

from sandbox.parity import compare
from shared.ports import Row

ROW: Row = {"symbol": "ABC", "edge": 0.1, "code_revision": "a"}


def test_equal_rows_are_equal_whatever_commit_wrote_them() -> None:
    found = compare({"signals": {"ABC|1000": ROW}}, {"signals": {"ABC|1000": {**ROW, "code_revision": "b"}}})
    assert found.fraction == 1
    assert found.differences == ()


def test_a_cell_that_differs_is_named() -> None:
    found = compare({"signals": {"ABC|1000": ROW}}, {"signals": {"ABC|1000": {**ROW, "edge": 0.2}}})
    assert found.fraction == 0
    assert found.by_column == {"signals.edge": 1}
    assert (found.differences[0].app, found.differences[0].backtest) == ("0.1", "0.2")


def test_a_row_on_one_side_only_counts_against_parity() -> None:
    found = compare({"fills": {"a": ROW, "b": ROW}}, {"fills": {"a": ROW, "c": ROW}})
    assert (found.compared, found.equal) == ({"fills": 3}, {"fills": 1})
    assert found.by_column == {"fills.row": 2}


def test_nothing_compared_is_no_parity() -> None:
    assert compare({}, {}).fraction == 0
