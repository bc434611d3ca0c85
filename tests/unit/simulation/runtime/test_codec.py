"""The codec of a simulation gives the real one's answers, and notices a value that changed behind its back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.codec import decode_json, encode_json
from shared.core.errors import ContractError, InvariantError
from shared.core.order_states import OrderState
from simulation.runtime.codec import _CHECK_EVERY, MemoCodec
from tests.support.orders import ON, PLAN

STATE = OrderState(on=ON, plan=PLAN)


def test_texts_and_values_are_those_of_the_real_codec() -> None:
    codec = MemoCodec()
    for state in (STATE, replace(STATE, seq=1), STATE):
        text = codec.encode(state)
        assert text == encode_json(state).decode()
        assert codec.decode(OrderState, text) == decode_json(OrderState, text) == state
        assert codec.decode(OrderState, text.encode()) is codec.decode(OrderState, text)


def test_what_cannot_be_read_is_refused_each_time() -> None:
    codec = MemoCodec()
    for _ in range(2):
        with pytest.raises(ContractError, match="seq"):
            codec.decode(OrderState, codec.encode(STATE).replace('"seq":0', '"seq":"0"'))


def test_a_value_that_changes_after_it_was_encoded_is_noticed() -> None:
    codec, counts = MemoCodec(), {"orders": 1}
    codec.encode(counts)
    counts["orders"] = 2
    for _ in range(_CHECK_EVERY - 1):
        assert codec.encode(counts) == '{"orders":1}'
    with pytest.raises(InvariantError, match="dict was changed after it was encoded"):
        codec.encode(counts)


def test_another_value_in_the_same_place_has_its_own_text() -> None:
    codec = MemoCodec()
    for seq in range(5_000):  # each is gone before the next is made, so that ids come again
        assert f'"seq":{seq},' in codec.encode(replace(STATE, seq=seq))
