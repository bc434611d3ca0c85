"""Signed links: only this app's key makes one, and nothing in one can be changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.approvals import Answer
from shared.core.links import MAX_TOKEN_CHARACTERS, PURPOSE, Claims, read_token, signed
from shared.core.values import Symbol

KEY = "k3y-of-the-test-that-is-long-enough-0123456789"
OTHER = KEY[::-1]
UNTIL = datetime(2026, 10, 14, 14, 5, tzinfo=UTC)


def claims(answer: str = "approve", until: datetime = UNTIL) -> Claims:
    return Claims(
        intent_id="feedface",
        on=date(2026, 10, 14),
        symbol=Symbol("BRK.B"),
        answer=Answer(answer),
        expires_at=until,
    )


@pytest.mark.parametrize("answer", ["approve", "refuse"])
def test_a_signed_link_says_what_was_signed(answer: str) -> None:
    token = signed(claims(answer), KEY)
    assert read_token(token, KEY) == claims(answer)
    assert len(token) < 500
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_no_link_says_that_nobody_has_answered() -> None:
    with pytest.raises(ValueError, match="approve or refuse"):
        claims("nobody")


def test_another_key_opens_nothing() -> None:
    assert read_token(signed(claims(), OTHER), KEY) is None
    assert read_token(signed(claims(), KEY), OTHER) is None


@given(st.data())
def test_no_change_of_a_link_leaves_it_good(data: st.DataObject) -> None:
    token = signed(claims("refuse"), KEY)
    where = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.sampled_from("aA0_-.=") | st.characters(max_codepoint=1000))
    changed = token[:where] + put + token[where + 1 :]
    assert changed == token or read_token(changed, KEY) is None


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nothing_made_up_is_a_link(text: str) -> None:
    assert read_token(text, KEY) is None
    assert read_token(f"{text}.{text}", KEY) is None


def test_claims_of_one_link_under_the_signature_of_another_are_refused() -> None:
    approve, refuse = signed(claims("approve"), KEY), signed(claims("refuse"), KEY)
    assert read_token(f"{approve.split('.')[0]}.{refuse.split('.')[1]}", KEY) is None


def test_a_signature_for_another_purpose_does_not_make_a_link() -> None:
    text = signed(claims(), KEY).split(".")[0]
    bare = base64.urlsafe_b64encode(hmac.new(KEY.encode(), text.encode(), hashlib.sha256).digest()).rstrip(b"=")
    assert read_token(f"{text}.{bare.decode()}", KEY) is None


def test_without_a_signature_or_with_an_empty_one_nothing_opens() -> None:
    text = signed(claims(), KEY).split(".")[0]
    for token in (text, f"{text}.", ".", "", f".{text}", "a" * (MAX_TOKEN_CHARACTERS + 1)):
        assert read_token(token, KEY) is None


@pytest.mark.parametrize("key", ["", "short", "x" * 31])
def test_a_short_key_signs_and_opens_nothing(key: str) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        signed(claims(), key)
    assert read_token(signed(claims(), KEY), key) is None


def test_claims_that_this_app_would_not_write_are_refused_although_signed() -> None:
    for content in ("{}", '{"answer": "sell everything"}', "[]", '"x"', "not json"):
        text = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()
        signature = hmac.new(KEY.encode(), PURPOSE + text.encode(), hashlib.sha256).digest()
        assert read_token(f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}", KEY) is None
