"""Execute: an order intent -> the one lifecycle that will carry it out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.contracts.messages import Message, OrderIntent, Severity
from shared.contracts.records import Table, symbol_key
from shared.core.order_states import EntryPlan, OrderState, Phase
from shared.core.order_steps import begin
from shared.core.values import iso
from shared.ports import Ports
from shared.stages.notices import notice
from shared.stages.order_records import order_row


def execute(intent: OrderIntent, ports: Ports) -> tuple[OrderState, list[Message]]:
    """Record the order; return the state its lifecycle starts from, and what its owner should hear.

    The caller starts the lifecycle under the intent's id unless it is there already, so a repeated intent changes
    nothing. An intent that expired in the queue starts one too: it will close at once and give its room back.
    """
    policy = ports.settings.policy
    plan = EntryPlan(
        intent_id=intent.intent_id,
        decision_id=intent.decision_id,
        symbol=intent.symbol,
        qty_shares=intent.qty_shares,
        arrival_price=intent.arrival_price,
        limit_price=intent.limit_price,
        worst_price=intent.worst_price,
        stop_price=intent.stop_price,
        target_price=intent.target_price,
        expires_at=_expires_at(intent),
        exit_by=intent.exit_by,
        patience_s=policy.entry_patience_s,
        poll_s=policy.entry_poll_s,
        max_reprices=policy.max_reprices,
        approve_by=intent.approve_by,
    )
    state = begin(OrderState(plan=plan, on=intent.on))
    now = ports.clock.now()
    if now >= intent.expires_at:
        state = replace(state, outcome=Phase.EXPIRED, note=f"expired at {iso(intent.expires_at)}, seen at {iso(now)}")
    row = order_row(state, ports.codec, now)
    is_new = ports.tables.insert(Table.ORDERS, str(intent.on), symbol_key(intent.symbol, intent.intent_id), row)
    waits = is_new and state.phase is Phase.APPROVAL_PENDING
    return state, [_question(intent, ports)] if waits else []


def _question(intent: OrderIntent, ports: Ports) -> Message:
    """Ask the person: what, how much, until when."""
    title = f"Approve? Buy {intent.qty_shares} {intent.symbol}, up to {intent.notional} USD"
    body = f"Stop {intent.stop_price}, target {intent.target_price}. Refused without an answer by {intent.approve_by}."
    body = f"{body}\nPOST /api/approve with intent_id {intent.intent_id}."
    severity = Severity.CRITICAL
    cause = intent.decision_id
    return notice(ports.clock.now(), kind="approval", severity=severity, title=title, body=body, cause=cause)


def _expires_at(intent: OrderIntent) -> datetime:
    """An intent that waits for a person lives as long after the deadline as any other does."""
    if intent.approve_by is None:
        return intent.expires_at
    return intent.approve_by + (intent.expires_at - intent.decided_at)
