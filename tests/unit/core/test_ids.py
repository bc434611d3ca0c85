"""Ids from logical content."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.ids import ID_LENGTH, canonical_json, client_order_id, decision_id, digest, hash_id
from shared.core.orders import MAX_CLIENT_ORDER_ID

ON = date(2025, 10, 15)


def test_ids_of_the_same_content_never_change() -> None:
    """Golden: rows and orders of past days are found under these."""
    assert hash_id("slice", "2025-10-15", "0935", "0") == "5d3008c07649c4b1cc9c"
    assert decision_id(ON, "1005", "AAPL", "momentum.v1") == hash_id(
        "decision", "2025-10-15", "1005", "AAPL", "momentum.v1"
    )


@given(parts=st.lists(st.text(st.characters(exclude_characters="\x1f", codec="utf-8")), min_size=2, max_size=4))
def test_where_one_part_ends_and_the_next_begins_matters(parts: list[str]) -> None:
    joined = ["".join(parts[:2]), *parts[2:]]
    assert hash_id("k", *parts) != hash_id("k", *joined)
    assert len(hash_id("k", *parts)) == ID_LENGTH


@pytest.mark.parametrize(
    "other",
    [
        decision_id(date(2025, 10, 16), "1005", "AAPL", "s"),
        decision_id(ON, "1010", "AAPL", "s"),
        decision_id(ON, "1005", "AMZN", "s"),
        decision_id(ON, "1005", "AAPL", "t"),
    ],
)
def test_each_part_of_a_decision_tells_it_from_others(other: str) -> None:
    assert decision_id(ON, "1005", "AAPL", "s") != other


@given(attempt=st.integers(0, 10**9), leg=st.sampled_from(["entry", "protect", "exit"]))
def test_a_client_order_id_fits_the_broker_and_names_leg_and_attempt(attempt: int, leg: str) -> None:
    intent = hash_id("intent", "x")
    made = client_order_id(intent, leg, attempt)
    assert len(made) <= MAX_CLIENT_ORDER_ID
    assert made.split("-") == [intent, leg, str(attempt)]


def test_canonical_json_spells_equal_content_equally() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


def test_canonical_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([math.nan])


def test_digest_is_sha256_in_hex() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
