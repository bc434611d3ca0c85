"""Answers to an order that waits for a person: the signed links of the question, and what an answer leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.messages import Link, OrderIntent
from shared.contracts.records import LINKS, Table, symbol_key
from shared.core.errors import ConflictError
from shared.core.links import (
    APPROVE_ANSWER,
    REFUSE_ANSWER,
    Claims,
    nonce_of,
    read_token,
    signed,
)
from shared.core.order_states import Phase
from shared.core.values import iso
from shared.ports import Cell, Ports, Row
from shared.stages.calls import FORBIDDEN, GONE, NOT_FOUND, Call, Reply, refused, told

ANSWER_PATH = "/api/answer"
USED, FREE = "used", "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a link asks, and the order it is about as the tables have it."""

    claims: Claims
    order: Row
    decision: Row | None


def links_of(ports: Ports, intent: OrderIntent, until: datetime) -> tuple[Link, ...]:
    """Return the two links that answer a question, none where no key or no address is configured."""
    operate = ports.settings.operate
    if not (operate.link_key and operate.public_url):
        return ()
    found = []
    for label, answer in (("Approve", APPROVE_ANSWER), ("Refuse", REFUSE_ANSWER)):
        claims = Claims(
            intent_id=intent.intent_id,
            on=intent.on,
            symbol=intent.symbol,
            answer=answer,
            nonce=nonce_of(intent.intent_id, until),
            expires_at=until,
        )
        address = operate.public_url.rstrip("/") + ANSWER_PATH
        found.append(Link(label=label, url=f"{address}?token={signed(claims, operate.link_key)}"))
    return tuple(found)


def asked(ports: Ports, token: str) -> Asked | Reply:
    """Read a link: what it asks, or why it cannot be used. Changes nothing."""
    key = ports.settings.operate.link_key
    if not key:
        return refused(NOT_FOUND, "links are off: GATEHOUSE_LINK_KEY is not set")
    claims = read_token(token, key)
    if claims is None:
        return refused(FORBIDDEN, "this link was not signed by this app")
    if ports.clock.now() >= claims.expires_at:
        return refused(GONE, f"this link expired at {iso(claims.expires_at)}", intent_id=claims.intent_id)
    used = ports.tables.get(Table.CONTROLS, LINKS, claims.nonce)
    if used is not None and used.value["state"] == USED:
        return refused(GONE, f"this order was answered at {used.value['at']}", intent_id=claims.intent_id)
    stored = ports.tables.get(Table.ORDERS, str(claims.on), symbol_key(claims.symbol, claims.intent_id))
    if stored is None or stored.value["phase"] != Phase.APPROVAL_PENDING.value:
        return refused(GONE, "this order no longer waits", intent_id=claims.intent_id)
    return Asked(claims=claims, order=stored.value, decision=_decision(ports, claims, str(stored.value["decision_id"])))


def _decision(ports: Ports, claims: Claims, decision_id: str) -> Row | None:
    first, last = symbol_key(claims.symbol, ""), symbol_key(claims.symbol, "~")
    for key, row in ports.tables.query(Table.DECISIONS, str(claims.on), key_from=first, key_to=last):
        if key.endswith(f"|{decision_id}"):
            return row
    return None


def claim(ports: Ports, claims: Claims) -> bool:
    """Use a link up. False where it was used before, by this or by the other answer."""
    row: dict[str, Cell] = {
        "state": USED,
        "intent_id": claims.intent_id,
        "answer": claims.answer,
        "at": iso(ports.clock.now()),
    }
    if ports.tables.insert(Table.CONTROLS, LINKS, claims.nonce, row):
        return True
    stored = ports.tables.get(Table.CONTROLS, LINKS, claims.nonce)
    if stored is None or stored.value["state"] != FREE:
        return False
    try:
        ports.tables.replace(Table.CONTROLS, LINKS, claims.nonce, row, stored.etag)
    except ConflictError:
        return False
    return True


def release(ports: Ports, claims: Claims) -> None:
    """Give a used link back: its answer did not reach the lifecycle."""
    row: dict[str, Cell] = {
        "state": FREE,
        "intent_id": claims.intent_id,
        "answer": claims.answer,
        "at": iso(ports.clock.now()),
    }
    ports.tables.put(Table.CONTROLS, LINKS, claims.nonce, row)


def answered(ports: Ports, call: Call, intent_id: str, *, is_approved: bool) -> Reply:
    """What a person's answer leaves: the caller has raised it to the lifecycle."""
    act = APPROVE_ANSWER if is_approved else REFUSE_ANSWER
    body: Mapping[str, object] = {"intent_id": intent_id, "approve": is_approved}
    record: dict[str, Cell] = {"act": act, "intent_id": intent_id}
    return Reply(body=body, messages=(told(ports, f"Order {intent_id}: {act}", call),), record=record)
