"""Documents that older code has stored: each was recorded from a day that it traded, and reads as what it was."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.codec import decode_json, encode_json
from shared.adapters.old_documents import is_old
from shared.contracts.cases import Case
from shared.core.errors import ContractError
from shared.core.ledger import Ledger
from shared.core.order_states import OrderState
from shared.core.order_steps import Observation, StepCall
from shared.core.risk import Facts

DOCUMENTS = Path(__file__).parents[2] / "contract" / "documents"
KINDS: dict[str, type[Any]] = {
    "case": Case,
    "facts": Facts,
    "ledger": Ledger,
    "order-state": OrderState,
    "step-call": StepCall,
}
NEW_NAMES = {"qty_shares": "qty", "filled_shares": "filled_qty"}


def recorded(kind: str) -> str:
    return (DOCUMENTS / f"{kind}.json").read_text()


def told(value: Any) -> Any:
    """What a document says, quantities as numbers under their new names; what only one of two tells is left out."""
    if isinstance(value, list):
        return [told(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {NEW_NAMES.get(name, name): told(item) for name, item in value.items()}
    for name in ("qty", "filled_qty", "written_off", "sized"):
        if name in found and found[name] is not None:
            found[name] = Decimal(found[name])
    if "bounds" in found:
        found["bounds"] = {name: Decimal(qty) for name, qty in found["bounds"].items()}
    if "fraction" in found:
        found["qty"] += Decimal(found.pop("fraction"))
    newer = {"automations", "committee", "lot", "schema_id", "technical", "text"}
    newer |= {"approve_by"} if "reserved_at" in found else set()
    return {name: item for name, item in found.items() if name not in newer}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_document_of_older_code_says_what_it_said(kind: str) -> None:
    old = recorded(kind)
    assert is_old(old)
    value: object = decode_json(KINDS[kind], old)
    again = encode_json(value)
    assert told(json.loads(again)) == told(json.loads(old))
    assert not is_old(again)
    assert decode_json(KINDS[kind], again) == value
    assert decode_json(KINDS[kind], old.encode()) == value


def test_the_recorded_documents_hold_every_kind_of_quantity() -> None:
    facts = decode_json(Facts, recorded("facts"))
    assert (facts.positions[-1].symbol, facts.positions[-1].qty) == ("HAND", Decimal("3.25"))
    assert all(reservation.qty > 0 for reservation in facts.ledger.reservations)
    assert facts.ledger.reservations
    state = decode_json(OrderState, recorded("order-state"))
    assert (state.written_off, state.sized) == (Decimal(2), state.plan.qty - 1)
    assert 0 < state.bought == state.sold
    case = decode_json(Case, recorded("case"))
    assert case.decision is not None
    assert case.decision.intent is not None
    assert case.decision.intent.schema_id == "order-intent.v2"
    assert case.decision.qty == case.decision.intent.qty == min((case.decision.bounds or {}).values())
    assert sum(fill.qty for fill in case.fills if fill.side == "buy") == case.outcome.qty > 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"qty_shares":3', '"qty_shares":3.5', "qty_shares: Unexpected keyword argument"),
        ('"qty_shares":3', '"qty_shares":"3"', "qty_shares: Unexpected keyword argument"),
        ('"qty_shares":3', '"qty_shares":true', "qty_shares: Unexpected keyword argument"),
        ('"qty_shares":3', '"qty_shares":3,"qty":"4"', "qty_shares: Unexpected keyword argument"),
        ('"fraction":"0.25"', '"fraction":"a quarter"', "a quantity of older code cannot be read"),
        ('"fraction":"0.25"', '"fraction":null', "a quantity of older code cannot be read"),
        ('"fraction":"0.25"', '"fraction":[]', "a quantity of older code cannot be read"),
        ('"fraction":"0.25"', '"fraction":"NaN"', "qty"),
        ('"symbol":"HAND"', '"symbol":"HAND","surprise":1', "surprise: Unexpected keyword argument"),
    ],
)
def test_what_older_code_would_not_have_written_is_refused(old: str, new: str, reason: str) -> None:
    text = recorded("facts")
    at = text.rindex('"HAND"')
    start = text.rindex("{", 0, at)
    end = text.index("}", at)
    spoilt = text[start:end].replace(old, new)
    assert spoilt != text[start:end]
    with pytest.raises(ContractError, match=reason):
        decode_json(Facts, text[:start] + spoilt + text[end:])


def test_a_deep_document_of_older_code_is_refused_too() -> None:
    with pytest.raises(ContractError, match=r"nested too deeply|recursion"):
        decode_json(Facts, '{"qty_shares":' + "[" * 1500 + "]" * 1500 + "}")


def test_a_note_that_speaks_of_the_old_name_changes_nothing() -> None:
    seen = Observation(at=decode_json(Facts, recorded("facts")).now, rejected='"qty_shares" must be whole')
    assert decode_json(Observation, encode_json(seen)) == seen
