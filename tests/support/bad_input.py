"""Queue texts that no stage may act on, made from one good message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shared.adapters.codec import MAX_CLAIM_BYTES, encode_json
from shared.contracts.messages import Envelope
from shared.contracts.records import Container
from shared.core.ids import digest
from shared.ports import BlobStore
from tests.support.app import base64_of

ANOTHER = {
    "stories.v1": "narratives.v1",
    "narratives.v1": "stories.v1",
    "candidates.v1": "signal.v1",
    "signal.v1": "notice.v1",
    "order-intent.v2": "signal.v1",
    "notice.v1": "x",
}
"""A schema that does not belong into the queue of the first."""

NOT_SHOWN = (
    *("\r\nCRITICAL forged", "\n", "\r", "\t", "\x0b", "\x00", "\x1b[31m", "\x7f", "\x85", "\x9b"),
    *("\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"),
)
"""What no text of a person may hold: control characters, ends of lines and paragraphs, turns of direction."""

OUT_OF_RANGE: dict[str, dict[str, Any]] = {
    "stories.v1": {"stories": [], "on": "2026-02-30", "message_id": "a/../b"},
    "narratives.v1": {"asked": [], "on": 7, "causation_id": ""},
    "candidates.v1": {
        "symbols": [f"S{n}" for n in range(26)],
        "slot": "9:35",
        "symbols ": ["A"],
        "on": "2026-02-30",
        "history_blob": "../models/signal/champion.json",
        "watchlist_blob": "",
        "message_id": "a/../b",
    },
    "signal.v1": {
        "reference_price": "-1.00",
        "atr": "0",
        "p_up": 1.5,
        "adv_shares": -1,
        "symbol": "../x",
        "decision_id": "a/b",
        "features_blob": "../x",
        "slot": "²³¹²",
        "strategy": "x" * 65,
        "model_versions": ["m/1"] * 9,
    },
    "order-intent.v2": {
        "arrival_price": "-1.00",
        "qty": "0",
        "lot": {"qty_step": "0"},
        "side": "sell",
        "stop_price": "0",
        "symbol": "",
        "intent_id": "x#y",
        "decision_id": "",
        "parameter_set": "x" * 30_000,
    },
    "notice.v1": {"title": "", "severity": "loud", "body": "x" * 8001, "message_id": ""},
}
"""For each schema: values that its message may not have, by field."""

NUMBER = {
    "stories.v1": "message_id",
    "narratives.v1": "causation_id",
    "candidates.v1": "slot",
    "signal.v1": "p_up",
    "order-intent.v2": "qty",
    "notice.v1": "title",
}
"""A field of each schema that is filled with NaN and infinities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A queue text and a word of the reason for which it is refused."""

    name: str
    text: str
    reason: str


def bad_texts(good: Envelope, blobs: BlobStore) -> list[Bad]:
    """Every way to spoil a message. Claims point to blobs that are put into `blobs`."""
    members: dict[str, Any] = json.loads(encode_json(good))
    schema = str(members["schema_id"])
    bad = _not_messages() + _claims(blobs, members)

    def spoil(name: str, reason: str, **changes: Any) -> None:
        bad.append(Bad(name=name, text=base64_of(json.dumps(members | changes)), reason=reason))

    spoil("unknown schema", "schema_id", schema_id="weather.v1")
    spoil("later version of the schema", "schema_id", schema_id=f"{schema[:-1]}{int(schema[-1]) + 1}")
    spoil("schema of another queue", "schema_id", schema_id=ANOTHER[schema])
    spoil("schema that is no text", "schema_id", schema_id=1)
    spoil("field that nobody knows", "urgent", urgent=True)
    for value in (float("nan"), float("inf"), float("-inf")):
        spoil(f"{value}", "no number", **{NUMBER[schema]: value})
    spoil("number beyond float64", "64 bits", **{NUMBER[schema]: 10**400})
    naive = str(members["decided_at"]).removesuffix("Z")
    spoil("naive time", "decided_at", decided_at=naive)
    spoil("time elsewhere than UTC", "decided_at", decided_at=f"{naive}-04:00")
    spoil("time as a number", "decided_at", decided_at=1_791_986_400)
    spoil("expired before it was decided", "expires_at", expires_at="2000-01-01T00:00:00Z")
    spoil("id too long", "correlation_id", correlation_id="x" * 65)
    spoil("lone surrogate", "", correlation_id="\ud800")
    for field, value in OUT_OF_RANGE[schema].items():
        spoil(f"{field} = {str(value)[:20]}", field.strip(), **{field: value})
    missing = {name: value for name, value in members.items() if name != "expires_at"}
    bad.append(Bad(name="field missing", text=base64_of(json.dumps(missing)), reason="expires_at"))
    deep = json.dumps(members)[:-1] + ',"x":' + "[" * 3000 + "]" * 3000 + "}"
    bad.append(Bad(name="nested deeply", text=base64_of(deep), reason=""))
    twice = json.dumps(members)[:-1] + ',"schema_id":"' + schema + '"}'
    bad.append(Bad(name="name given twice", text=base64_of(twice), reason="twice"))
    return bad


def _not_messages() -> list[Bad]:
    return [
        Bad(name="blanks", text="   ", reason=""),
        Bad(name="not base64", text="not base64!", reason="base64"),
        Bad(name="base64 cut short", text="eyJzY2hlbWFfaWQiO", reason="base64"),
        Bad(name="not JSON", text=base64_of("hello"), reason="not JSON"),
        Bad(name="JSON cut short", text=base64_of('{"schema_id": "sig'), reason="not JSON"),
        Bad(name="plain JSON that is no message", text="{}", reason="schema_id"),
        Bad(name="not UTF-8", text=base64_of(b"\xff\xfe\x00"), reason="UTF-8"),
        Bad(name="a list", text=base64_of("[]"), reason="object"),
        Bad(name="null", text=base64_of("null"), reason="object"),
        Bad(name="only brackets", text=base64_of("[" * 40_000), reason=""),
        Bad(name="as large as a queue takes", text="A" * 65_536, reason="not JSON"),
    ]


def _claims(blobs: BlobStore, members: dict[str, Any]) -> list[Bad]:
    large = json.dumps(members | {"padding": "x" * 70_000}).encode()
    blobs.insert(Container.CLAIMS, digest(large), large)
    other = b"other bytes than the claim says"
    blobs.insert(Container.CLAIMS, "ab" * 32, other)
    garbage = b"\x00" * 70_000
    blobs.insert(Container.CLAIMS, digest(garbage), garbage)
    nested = _claim(digest(large), len(large)).encode()
    blobs.insert(Container.CLAIMS, digest(nested), nested)

    def bad(name: str, text: str, reason: str) -> Bad:
        return Bad(name=f"claim: {name}", text=base64_of(text), reason=reason)

    return [
        bad("70 KB with an unknown field", _claim(digest(large), len(large)), "padding"),
        bad("70 KB of zeros", _claim(digest(garbage), len(garbage)), "not JSON"),
        bad("no blob", _claim("cd" * 32, 10), "no blob"),
        bad("wrong hash", _claim("ab" * 32, len(other)), "does not match"),
        bad("wrong size", _claim(digest(large), len(large) - 1), "does not match"),
        bad("too large", _claim("ef" * 32, MAX_CLAIM_BYTES + 1), "bytes"),
        bad("claim of a claim", _claim(digest(nested), len(nested)), "schema_id"),
        bad("path out of the container", _claim("12" * 32, 10, blob="../models/signal/champion.json"), "blob"),
        bad("other blob", _claim("12" * 32, 10, blob=digest(large)), "blob"),
        bad("hash that is none", _claim("../" * 21 + "x", 10), "sha256"),
    ]


def _claim(sha256: str, size: int, blob: str = "") -> str:
    return json.dumps({"schema_id": "claim.v1", "blob": blob or sha256, "sha256": sha256, "bytes": size})
