"""Packed bytes: the same for the same content, and nothing else is taken for them."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import ContractError
from shared.core.packing import pack, unpack


@given(data=st.binary(max_size=2000))
def test_what_was_packed_comes_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_no_time_is_in_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack(b"x" * 100)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert pack(b"x" * 100) == first
    assert gzip.decompress(first) == b"x" * 100


@pytest.mark.parametrize("data", [b"", b"{}", pack(b"x" * 100)[:-9], pack(b"x" * 100)[:12] + b"\xff" * 20])
def test_what_is_no_gzip_is_said_so(data: bytes) -> None:
    with pytest.raises(ContractError, match="expected gzip"):
        unpack(data)
