"""The one codec: frozen dataclasses to canonical JSON and back, and messages to the text of a queue.

Queue text is base64 of the JSON, as Storage Explorer shows and edits it. The host is told not to decode
(host.json `messageEncoding` is "none"), so that what is not base64 reaches us and can be quarantined with its bytes.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from shared.adapters.old_documents import is_old, rewritten, text_of
from shared.contracts.messages import Envelope, Message
from shared.core.errors import ContractError
from shared.core.ids import digest
from shared.core.values import iso, require, require_at_least
from shared.ports import BlobStore

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

MAX_QUEUE_BYTES = 64 * 1024
"""What Azure Storage takes as one queue message."""
MAX_JSON_BYTES = 48 * 1024
"""The same before base64: anything larger travels as a claim."""
MAX_CLAIM_BYTES = 4 * 1024 * 1024
CLAIMS = "claims"
"""Container of messages too large for a queue, each under its SHA-256."""

_SHOWN = 3
_SHOWN_CHARACTERS = 120


def _schema_id(cls: type[Envelope]) -> str:
    return next(str(field.default) for field in dataclasses.fields(cls) if field.name == "schema_id")


MESSAGE_CLASSES: Mapping[str, type[Envelope]] = {_schema_id(cls): cls for cls in get_args(Message.__value__)}
"""Message class by `schema_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Stands in a queue for a message that is kept in container `claims`."""

    schema_id: str = "claim.v1"
    blob: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        hexadecimal = len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef")
        require(hexadecimal, "sha256", self.sha256, "64 hex digits")
        require(self.blob == self.sha256, "blob", self.blob, "the sha256 of the message")
        require_at_least("bytes", self.bytes, 1)
        require(self.bytes <= MAX_CLAIM_BYTES, "bytes", self.bytes, f"at most {MAX_CLAIM_BYTES}")


def encode_json(value: Any) -> bytes:
    """Spell a value as canonical JSON: sorted keys, no blanks, UTF-8, Decimal as text, instants in UTC with Z.

    Raises
    ------
    ContractError
        If the value holds NaN, an infinity, a naive time or something JSON has no word for.
    """
    try:
        text = json.dumps(
            value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"{type(value).__name__} cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    """What `json` cannot spell by itself, one level deep."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"number must be finite, got {value}")
        return format(value, "f")
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__} {value!r:.{_SHOWN_CHARACTERS}}")


def decode_json[T](cls: type[T], data: bytes | str) -> T:
    """Read a value of a known class. Nothing is guessed: types are strict, unknown fields refused.

    Raises
    ------
    ContractError
        Naming field, what was expected and what was found.
    """
    return _build(cls, *_of_today(data))


def _of_today(data: bytes | str) -> tuple[bytes | str, Any]:
    """A document and what it says, both under today's names."""
    parsed = parse_json(data)
    if not is_old(data):
        return data, parsed
    try:
        parsed = rewritten(parsed)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ContractError(f"a quantity of older code cannot be read: {error}") from error
    except RecursionError as error:
        raise ContractError("JSON is nested too deeply") from error
    return text_of(parsed), parsed


def parse_json(data: bytes | str) -> Any:
    """Parse JSON without reading it as anything. NaN, infinities, repeated names and deep nesting are refused."""
    try:
        text = data if isinstance(data, str) else data.decode()
        return json.loads(text, parse_int=_whole, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise ContractError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise ContractError("JSON is nested too deeply") from error
    except ValueError as error:
        raise ContractError(f"not JSON: {error}") from error


def _whole(text: str) -> int:
    """A whole number that tables can hold; Python itself knows no bound."""
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{text[:20]}... is beyond 64 bits")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"name {next(n for n in names if names.count(n) > 1)!r} appears twice in one object")
    return found


_adapters: dict[object, TypeAdapter[Any]] = {}


def _adapter(cls: type) -> TypeAdapter[Any]:
    """Build the validator of a class on first use; pydantic itself is imported no earlier."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - a cold start pays for it only where something is decoded

    adapter = _adapters.get(cls)
    if adapter is None:
        adapter = _adapters[cls] = TypeAdapter(cls)
    return adapter


def _build[T](cls: type[T], data: bytes | str, parsed: Any) -> T:
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    try:
        value: T = _adapter(cls).validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        raise ContractError(f"{_name(cls)}: {_explain(error)}") from error
    try:
        _check(value, parsed, _name(cls))
    except ValueError as error:
        raise ContractError(str(error)) from error
    return value


def _name(cls: Any) -> str:
    return getattr(cls, "__name__", str(cls))


def _explain(error: ValidationError) -> str:
    """First few problems: field, expected, found."""
    problems = []
    for item in error.errors(include_url=False)[:_SHOWN]:
        where = ".".join(map(str, item["loc"]))
        if item["type"] == "value_error":  # our own check, which names field and value itself
            problems.append(f"{where + ': ' if where else ''}{item['msg'].removeprefix('Value error, ')}")
        else:
            problems.append(f"{where or 'value'}: {item['msg']}, got {item['input']!r:.{_SHOWN_CHARACTERS}}")
    more = error.error_count() - _SHOWN
    return "; ".join(problems) + (f"; and {more} more" if more > 0 else "")


def _check(value: Any, parsed: Any, path: str) -> None:
    """What strict validation still lets through: money as a JSON number, naive or offset times, overflowing floats."""
    if dataclasses.is_dataclass(value) and isinstance(parsed, dict):
        for field in dataclasses.fields(value):
            if field.name in parsed:
                _check(getattr(value, field.name), _spelled(field, parsed[field.name]), f"{path}.{field.name}")
    elif isinstance(value, float):
        require(math.isfinite(value), path, value, "finite")
    elif isinstance(value, Decimal):
        require(isinstance(parsed, str) and value.is_finite(), path, parsed, "a finite decimal number as text")
    elif isinstance(value, datetime):
        require(value.utcoffset() == timedelta(0), path, parsed, "an instant in UTC")
    elif isinstance(value, Mapping):
        for (key, item), found in zip(value.items(), parsed.values(), strict=True):
            _check(item, found, f"{path}.{key}")
    elif isinstance(value, tuple | list) and set(map(type, value)) == {float}:
        require(all(map(math.isfinite, value)), path, value, "finite")  # long columns of numbers deserve the short way
    elif isinstance(value, Sequence) and isinstance(parsed, list):
        for index, (item, found) in enumerate(zip(value, parsed, strict=True)):
            _check(item, found, f"{path}.{index}")


def _spelled(field: dataclasses.Field[Any], found: Any) -> Any:
    """What was found; a number among the settings of a decision as text: earlier versions kept them so, exactly."""
    is_old = "Decimal" in str(field.type) and "tuning" in field.metadata and isinstance(found, int | float)
    return str(found) if is_old else found


def encode_message(message: Message | Envelope, blobs: BlobStore | None = None) -> str:
    """Spell a message as queue text. One over 48 KiB is put in `blobs` and its claim is spelled instead.

    Raises
    ------
    ContractError
        If the message cannot be written, is over 4 MiB, or needs a claim and no blob store was given.
    """
    data = encode_json(message)
    if len(data) > MAX_JSON_BYTES:
        if blobs is None or len(data) > MAX_CLAIM_BYTES:
            limit = MAX_JSON_BYTES if blobs is None else MAX_CLAIM_BYTES
            raise ContractError(f"{type(message).__name__} must be at most {limit} bytes of JSON, got {len(data)}")
        sha256 = digest(data)
        blobs.insert(CLAIMS, sha256, data)
        data = encode_json(Claim(blob=sha256, sha256=sha256, bytes=len(data)))
    return base64.b64encode(data).decode()


def decode_message[M: Envelope](text: str | bytes, *expected: type[M], blobs: BlobStore | None = None) -> M:
    """Read a message from queue text: base64 of JSON, or plain JSON as a person may have typed it.

    Parameters
    ----------
    text : str or bytes
        The message's body as the queue gave it.
    *expected : type
        Classes that may arrive here; at least one.
    blobs : BlobStore, optional
        Where claims are redeemed; without it a claim is refused.

    Raises
    ------
    ContractError
        If the text is anything but a valid message of an expected class.
    TransientError
        If the blob store did not answer.
    """
    data, parsed = _of_today(_unwrap(text))
    if _schema_of(parsed) == "claim.v1":
        data, parsed = _of_today(_redeem(decode_json(Claim, data), blobs))
    schema_id = _schema_of(parsed)
    by_schema = {_schema_id(cls): cls for cls in expected}
    if schema_id not in MESSAGE_CLASSES:
        raise ContractError(f"schema_id must be one of {', '.join(MESSAGE_CLASSES)}, got {schema_id!r}")
    if schema_id not in by_schema:
        raise ContractError(f"schema_id must be {' or '.join(by_schema)} in this queue, got {schema_id!r}")
    return _build(by_schema[schema_id], data, parsed)


def _unwrap(text: str | bytes) -> bytes:
    """JSON bytes of queue text."""
    try:
        raw = (text.encode() if isinstance(text, str) else text).strip()
    except UnicodeEncodeError as error:
        raise ContractError(f"not UTF-8: {error.reason} at character {error.start}") from error
    if len(raw) > MAX_QUEUE_BYTES:
        raise ContractError(f"message must be at most {MAX_QUEUE_BYTES} bytes, got {len(raw)}")
    if raw.startswith(b"{"):
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise ContractError(f"neither base64 nor a JSON object: {raw[:40]!r} ({error})") from error


def _schema_of(parsed: Any) -> str:
    if not isinstance(parsed, dict):
        raise ContractError(f"message must be a JSON object, got {type(parsed).__name__}")
    schema_id = parsed.get("schema_id")
    if not isinstance(schema_id, str):
        raise ContractError(f"schema_id must be text, got {schema_id!r:.{_SHOWN_CHARACTERS}}")
    return schema_id


def _redeem(claim: Claim, blobs: BlobStore | None) -> bytes:
    """Bytes that a claim stands for, checked against it."""
    if blobs is None:
        raise ContractError(f"claim {claim.sha256} cannot be redeemed here: no blob store")
    stored = blobs.get(CLAIMS, claim.blob)
    if stored is None:
        raise ContractError(f"claim {claim.sha256} has no blob in container {CLAIMS}")
    data = stored.value
    if len(data) != claim.bytes or digest(data) != claim.sha256:
        raise ContractError(
            f"claim {claim.sha256} of {claim.bytes} bytes does not match its blob: {digest(data)} of {len(data)} bytes"
        )
    return data
