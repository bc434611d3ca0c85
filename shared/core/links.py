"""Signed links: a person's answer to one order, carried in an address. Whoever holds it may give that answer, once.

A token is `claims.signature`, both base64url: canonical JSON, and HMAC-SHA256 over a purpose and the claims' text.
Nothing in it is secret but the right to answer, and that ends at `expires_at` or with the first answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import date, datetime

from shared.core.approvals import Answer
from shared.core.ids import canonical_json
from shared.core.values import Symbol, iso, parse_utc, require, require_symbol, require_utc

MIN_KEY_CHARACTERS = 32
"""A shorter key could be guessed from one link."""

MAX_TOKEN_CHARACTERS = 1200
PURPOSE = b"gatehouse answer v1\n"
"""Signed with the claims, so that nothing else that is ever signed with this key can pass for a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a link says."""

    intent_id: str
    on: date
    symbol: Symbol
    answer: Answer
    expires_at: datetime

    def __post_init__(self) -> None:
        require(self.answer in {Answer.APPROVE, Answer.REFUSE}, "answer", self.answer, "approve or refuse")
        require_symbol("symbol", self.symbol)
        require_utc("expires_at", self.expires_at)

    @property
    def is_approval(self) -> bool:
        """Whether the answer lets the order go."""
        return self.answer is Answer.APPROVE


def signed(claims: Claims, key: str) -> str:
    """Return the token.

    Raises
    ------
    ValueError
        If the key is short.
    """
    require(len(key) >= MIN_KEY_CHARACTERS, "key", f"{len(key)} characters", f"at least {MIN_KEY_CHARACTERS}")
    content = {
        "intent_id": claims.intent_id,
        "on": claims.on.isoformat(),
        "symbol": claims.symbol,
        "answer": claims.answer,
        "expires_at": iso(claims.expires_at),
    }
    text = _spelled(canonical_json(content))
    return f"{text}.{_spelled(_signature(text, key))}"


def read_token(token: str, key: str) -> Claims | None:
    """Return what a token claims, None where this key has not signed it. Whether it has expired is not looked at."""
    if len(key) < MIN_KEY_CHARACTERS or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
        return None
    text, _, signature = token.partition(".")
    expected = _spelled(_signature(text, key))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return Claims(
            intent_id=str(content["intent_id"]),
            on=date.fromisoformat(content["on"]),
            symbol=Symbol(content["symbol"]),
            answer=Answer(content["answer"]),
            expires_at=parse_utc(content["expires_at"]),
        )
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None  # signed by an app that wrote other claims


def _signature(text: str, key: str) -> bytes:
    return hmac.new(key.encode(), PURPOSE + text.encode(), hashlib.sha256).digest()


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
