"""The codec: what goes in comes out, and what is wrong is refused with its reason."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.codec import (
    CLAIMS,
    MAX_JSON_BYTES,
    MAX_QUEUE_BYTES,
    decode_json,
    decode_message,
    encode_json,
    encode_message,
)
from shared.adapters.memory import MemoryBlobs
from shared.contracts.messages import Envelope, Notice, OrderIntent, Severity, Signal
from shared.core.errors import ContractError
from shared.core.ids import digest
from shared.core.sessions import Session
from shared.core.settings import DecisionSettings, PolicySettings, RiskSettings
from shared.core.values import Side, Symbol

NOW = datetime(2025, 10, 15, 14, 5, tzinfo=UTC)

NAIVE = NOW.replace(tzinfo=None)

INTENT = OrderIntent(
    message_id="m",
    correlation_id="c",
    causation_id="a",
    decided_at=NOW,
    expires_at=NOW + timedelta(minutes=4),
    intent_id="i",
    decision_id="d",
    on=date(2025, 10, 15),
    symbol=Symbol("AAPL"),
    side=Side.BUY,
    session=Session.REG_AM,
    qty=Decimal(10),
    arrival_price=Decimal("100.00"),
    limit_price=Decimal("100.05"),
    worst_price=Decimal("100.30"),
    stop_price=Decimal("99.00"),
    target_price=Decimal("102.00"),
    exit_by=NOW + timedelta(hours=1),
    parameter_set="default",
)
FIELDS: dict[str, Any] = json.loads(encode_json(INTENT))
SIGNAL_FIELDS: dict[str, Any] = {
    **{name: FIELDS[name] for name in ("message_id", "correlation_id", "causation_id", "decided_at", "expires_at")},
    **{name: FIELDS[name] for name in ("decision_id", "on", "symbol", "session", "parameter_set")},
    **{"schema_id": "signal.v1", "slot": "1005", "strategy": "price", "reference_price": "100.00", "atr": "0.8"},
    **{"adv_shares": 5, "daily_volatility": 0.01, "p_up": 0.5, "p_none": 0.25, "p_down": 0.25},
    **{"expected_move": 0.01, "features_blob": "f", "model_versions": ["signal/1"]},
}


def a_notice(body: str) -> Notice:
    return Notice(
        message_id="m",
        correlation_id="c",
        causation_id="a",
        decided_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        kind="entry",
        severity=Severity.INFO,
        title="t",
        body=body,
    )


def queued(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def refused(text: str | bytes, *expected: type[Envelope]) -> str:
    with pytest.raises(ContractError) as caught:
        decode_message(text, *(expected or (OrderIntent,)))
    return str(caught.value)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    price: Decimal
    score: float
    at: datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    scores: tuple[float, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    on: date
    count: int
    flag: bool
    name: str
    side: Side
    items: tuple[Inner, ...]
    by_name: dict[str, Inner]


MOMENTS = st.datetimes(NAIVE.replace(year=1990), NAIVE.replace(year=2100), timezones=st.just(UTC))
INNERS = st.builds(
    Inner,
    price=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12),
    score=st.floats(allow_nan=False, allow_infinity=False),
    at=st.none() | MOMENTS,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OUTERS = st.builds(
    Outer,
    on=st.dates(),
    count=st.integers(-(2**63), 2**63 - 1),
    flag=st.booleans(),
    name=NAMES,
    side=st.sampled_from(Side),
    items=st.lists(INNERS, max_size=3).map(tuple),
    by_name=st.dictionaries(NAMES, INNERS, max_size=3),
)


@settings(deadline=None, max_examples=60)
@given(value=OUTERS)
def test_every_value_reads_back_as_it_was_and_is_spelled_the_same_again(value: Outer) -> None:
    data = encode_json(value)
    again = decode_json(Outer, data)
    assert again == value
    assert encode_json(again) == data
    assert [str(item.price) for item in again.items] == [format(item.price, "f") for item in value.items]


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_arbitrary_bytes_are_a_contract_error_and_nothing_else(data: bytes) -> None:
    for text in (data, queued(data)):
        assert refused(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(sorted(FIELDS)), junk=JSON_VALUES)
def test_any_junk_in_any_field_is_refused_or_a_valid_intent(name: str, junk: object) -> None:
    text = json.dumps({**FIELDS, name: junk})
    try:
        intent = decode_message(queued(text), OrderIntent)
    except ContractError:
        return
    if name != "lot":  # one without its members is that of whole shares
        assert json.loads(encode_json(intent))[name] == junk


def test_the_spelling_is_canonical() -> None:
    value = Inner(price=Decimal("1E+3"), score=0.1, at=datetime(2025, 3, 9, 7, 0, 0, 5, tzinfo=UTC))
    assert encode_json(value) == b'{"at":"2025-03-09T07:00:00.000005Z","price":"1000","score":0.1}'
    assert encode_json({"é": 1, "a": Side.SELL, "B": (1, None)}) == '{"B":[1,null],"a":"sell","é":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("-inf"),
        Decimal("NaN"),
        Decimal("Infinity"),
        NAIVE,
        datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=-5))),
        b"bytes",
        pytest.param(object(), id="object"),
        "\ud800",
    ],
    ids=str,
)
def test_what_has_no_canonical_spelling_is_refused(value: object) -> None:
    with pytest.raises(ContractError, match="cannot be written as JSON"):
        encode_json({"value": value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit_price": -1}, "prices must be stop < limit <= worst < target"),
        ({"limit_price": 100.05}, "OrderIntent.limit_price must be a finite decimal number as text, got 100.05"),
        ({"limit_price": "100,05"}, "limit_price: Input should be a valid decimal, got '100,05'"),
        ({"arrival_price": "-5"}, "arrival_price must be finite and > 0, got Decimal('-5')"),
        ({"stop_price": "NaN"}, "stop_price: Input should be a finite number, got 'NaN'"),
        ({"stop_price": "-Infinity"}, "stop_price: Input should be a finite number, got '-Infinity'"),
        ({"limit_price": "98"}, "prices must be stop < limit <= worst < target"),
        ({"qty": 10.5}, "OrderIntent.qty must be a finite decimal number as text, got 10.5"),
        ({"qty": 10}, "OrderIntent.qty must be a finite decimal number as text, got 10"),
        ({"qty": True}, "qty: Decimal input should be an integer, float, string or Decimal object, got True"),
        ({"qty": "0"}, "qty must be finite and > 0, got Decimal('0')"),
        ({"qty": "ten"}, "qty: Input should be a valid decimal, got 'ten'"),
        ({"qty_shares": 10}, "qty_shares: Unexpected keyword argument, got 10"),
        ({"decided_at": "2025-10-15T14:05:00"}, "decided_at must be an aware UTC datetime"),
        ({"decided_at": "2025-10-15T10:05:00-04:00"}, "decided_at must be an aware UTC datetime"),
        ({"decided_at": 1760537100}, "decided_at: Input should be a valid datetime, got 1760537100"),
        ({"decided_at": "yesterday"}, "decided_at: Input should be a valid datetime"),
        ({"expires_at": FIELDS["decided_at"]}, "expires_at must be after decided_at"),
        ({"on": "2025-02-30"}, "on: Input should be a valid date"),
        ({"side": "hold"}, "side: Input should be 'buy' or 'sell', got 'hold'"),
        ({"side": "sell"}, "side must be buy (long only)"),
        ({"symbol": "aapl"}, "symbol must be a symbol"),
        ({"symbol": None}, "symbol: Input should be a valid string, got None"),
        ({"message_id": ""}, "message_id must be 1 to 64 letters"),
        ({"surprise": 1}, "surprise: Unexpected keyword argument, got 1"),
        ({"schema_id": "order-intent.v3"}, "schema_id must be one of"),
        ({"schema_id": "signal.v1"}, "schema_id must be order-intent.v2 in this queue, got 'signal.v1'"),
        ({"schema_id": 1}, "schema_id must be text, got 1"),
        ({"schema_id": ["order-intent.v2"]}, "schema_id must be text"),
    ],
    ids=str,
)
def test_a_message_that_breaks_its_contract_is_refused_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(queued(json.dumps({**FIELDS, **changes})))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"hello there", "neither base64 nor a JSON object"),
        (b"\xff\xfe\x00", "neither base64 nor a JSON object"),
        (b"[1, 2]", "neither base64 nor a JSON object"),
        (queued("hello there"), "not JSON"),
        (queued(b'{"schema_id": "\xff"}'), "not UTF-8: invalid start byte at byte 15"),
        (b'{"schema_id": "\xff"}', "not UTF-8"),
        ("\ud800", "not UTF-8"),
        (queued("[1, 2]"), "message must be a JSON object, got list"),
        (queued("null"), "message must be a JSON object, got NoneType"),
        (queued('"order-intent.v2"'), "message must be a JSON object, got str"),
        (queued("{}"), "schema_id must be text, got None"),
        (queued('{"schema_id": "order-intent.v2", "atr": NaN}'), "NaN is no number"),
        (queued('{"schema_id": "order-intent.v2", "atr": -Infinity}'), "-Infinity is no number"),
        (queued('{"schema_id": "signal.v1", "schema_id": "order-intent.v2"}'), "'schema_id' appears twice"),
        (queued('{"schema_id": "order-intent.v2", "on": ' + "[" * 4000 + "]" * 4000 + "}"), "recursion limit exceeded"),
        (queued("[" * 45_000), "nested too deeply"),
        (b"{" + b"x" * MAX_QUEUE_BYTES, f"message must be at most {MAX_QUEUE_BYTES} bytes"),
        (queued("x" * 70_000), f"message must be at most {MAX_QUEUE_BYTES} bytes"),
        (queued('{"schema_id": "order-intent.v2"}'), "and 16 more"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_message_at_all_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    assert reason in refused(text)


@pytest.mark.parametrize("name", ["daily_volatility", "expected_move", "p_up"])
def test_a_number_that_overflows_to_infinity_is_refused(name: str) -> None:
    text = json.dumps(SIGNAL_FIELDS).replace(f'"{name}": {SIGNAL_FIELDS[name]}', f'"{name}": 1e999')
    assert "1e999" in text
    assert "got inf" in refused(queued(text), Signal)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"scores": [1.0, 1e999], "rows": []}', r"Columns\.scores must be finite"),
        ('{"scores": [], "rows": [[1.0, null], [null, -1e999]]}', r"Columns\.rows\.1\.1 must be finite, got -inf"),
    ],
)
def test_a_number_that_overflows_inside_a_column_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        decode_json(Columns, text)


def test_a_queue_that_carries_two_classes_reads_each_as_what_it_is() -> None:
    signal = decode_message(queued(json.dumps(SIGNAL_FIELDS)), OrderIntent, Signal)
    intent = decode_message(encode_message(INTENT), OrderIntent, Signal)
    assert isinstance(signal, Signal)
    assert intent == INTENT


def padded(size: int) -> Notice:
    """A notice of so many bytes of JSON: control characters take six bytes each."""
    full = dataclasses.replace(a_notice("\x01" * 8000), title="p")
    spare = size - len(encode_json(full))
    return dataclasses.replace(full, title="\x01" * (spare // 6) + "p" * (spare % 6 + 1))


def test_a_large_message_travels_as_a_claim_and_comes_back() -> None:
    blobs = MemoryBlobs()
    notice = a_notice("☃" * 8000)
    long = padded(MAX_JSON_BYTES + 100)
    small, large = encode_message(notice, blobs), encode_message(long, blobs)
    assert len(large) < 1000
    assert len(encode_json(long)) == MAX_JSON_BYTES + 100
    assert list(blobs.names(CLAIMS, "")) == [digest(encode_json(long))]
    assert json.loads(base64.b64decode(large)) == {
        "schema_id": "claim.v1",
        "blob": digest(encode_json(long)),
        "sha256": digest(encode_json(long)),
        "bytes": len(encode_json(long)),
    }
    assert decode_message(large, Notice, blobs=blobs) == long
    assert decode_message(small, Notice, blobs=blobs) == notice
    assert "schema_id must be signal.v1 in this queue" in _refused_claim(large, blobs, Signal)


def _refused_claim(text: str | bytes, blobs: MemoryBlobs | None, expected: type[Envelope] = OrderIntent) -> str:
    with pytest.raises(ContractError) as caught:
        decode_message(text, expected, blobs=blobs)
    return str(caught.value)


def test_a_message_at_the_limit_fits_a_queue_and_one_byte_more_needs_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    text = encode_message(padded(MAX_JSON_BYTES))
    assert len(text) <= MAX_QUEUE_BYTES
    assert decode_message(text, Notice) == padded(MAX_JSON_BYTES)
    with pytest.raises(ContractError, match=f"at most {MAX_JSON_BYTES} bytes"):
        encode_message(padded(MAX_JSON_BYTES + 1))
    monkeypatch.setattr("shared.adapters.codec.MAX_CLAIM_BYTES", MAX_JSON_BYTES + 1)
    assert encode_message(padded(MAX_JSON_BYTES + 1), MemoryBlobs())
    with pytest.raises(ContractError, match=f"at most {MAX_JSON_BYTES + 1} bytes"):
        encode_message(padded(MAX_JSON_BYTES + 2), MemoryBlobs())


def test_a_whole_number_beyond_64_bits_is_refused() -> None:
    assert "beyond 64 bits" in refused(queued(json.dumps({**FIELDS, "qty": 2**63})))
    assert "beyond 64 bits" in refused(queued(json.dumps({**FIELDS, "qty": -(10**400)})))


def test_a_claim_is_believed_only_where_its_blob_bears_it_out() -> None:
    blobs = MemoryBlobs()
    data = encode_json(INTENT)
    sha256 = digest(data)
    blobs.put(CLAIMS, sha256, data)

    def claim(**changes: object) -> bytes:
        body = {"schema_id": "claim.v1", "blob": sha256, "sha256": sha256, "bytes": len(data), **changes}
        return queued(json.dumps(body))

    assert decode_message(claim(), OrderIntent, blobs=blobs) == INTENT
    other = digest(b"other")
    assert "has no blob" in _refused_claim(claim(blob=other, sha256=other), blobs)
    assert "does not match its blob" in _refused_claim(claim(bytes=1), blobs)
    assert "blob must be the sha256" in _refused_claim(claim(blob="../models/signal/champion.json"), blobs)
    assert "64 hex digits" in _refused_claim(claim(sha256="../x", blob="../x"), blobs)
    assert "bytes must be at most" in _refused_claim(claim(bytes=10**12), blobs)
    assert "no blob store" in _refused_claim(claim(), None)
    blobs.put(CLAIMS, sha256, data.replace(b'"qty":"10"', b'"qty":"99"'))
    assert "does not match its blob" in _refused_claim(claim(), blobs)


def test_a_claim_never_stands_for_another_claim() -> None:
    blobs = MemoryBlobs()
    inner = json.dumps({"schema_id": "claim.v1", "blob": "0" * 64, "sha256": "0" * 64, "bytes": 1}).encode()
    blobs.put(CLAIMS, digest(inner), inner)
    outer = {"schema_id": "claim.v1", "blob": digest(inner), "sha256": digest(inner), "bytes": len(inner)}
    assert "schema_id must be one of" in _refused_claim(json.dumps(outer), blobs)


def test_importing_the_adapters_loads_nothing_heavy() -> None:
    script = (
        "import sys, shared.adapters.codec, shared.adapters.tables, shared.adapters.blobs, shared.adapters.memory,"
        " shared.adapters.calendar, shared.adapters.alpaca, shared.adapters.notices;"
        "print([name for name in ('pydantic', 'pandas', 'alpaca', 'azure.core', 'requests', 'tenacity') if name in"
        " sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_settings_that_an_earlier_version_kept_as_numbers_read_as_the_decimals_they_were() -> None:
    now = DecisionSettings(policy=PolicySettings(), risk=RiskSettings(gross_exposure_max_fraction=Decimal("0.35")))
    document = json.loads(encode_json(now))
    for group, names in (("risk", RiskSettings), ("policy", PolicySettings)):
        for item in dataclasses.fields(names):
            if isinstance(item.default, Decimal):
                assert isinstance(document[group][item.name], str)
                document[group][item.name] = float(document[group][item.name])
    assert decode_json(DecisionSettings, json.dumps(document)) == now


@pytest.mark.parametrize(
    ("group", "name"), [("risk", "spread_max_bp"), ("risk", "quote_age_max_s"), ("policy", "stop_atr")]
)
@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "true", "[]"])
def test_a_setting_that_is_no_finite_number_is_refused_in_a_case_of_any_version(
    group: str, name: str, text: str
) -> None:
    document = json.loads(encode_json(DecisionSettings(policy=PolicySettings(), risk=RiskSettings())))
    document[group][name] = "HERE"
    with pytest.raises(ContractError):
        decode_json(DecisionSettings, json.dumps(document).replace('"HERE"', text))
