"""Execute: an order intent -> the one lifecycle that will carry it out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.contracts.messages import Message, OrderIntent, Severity
from shared.contracts.records import Table, symbol_key
from shared.core.order_states import EntryPlan, OrderState, Phase
from shared.core.order_steps import begin
from shared.core.sessions import hours_of
from shared.core.values import iso
from shared.core.wording import approval
from shared.ports import Ports
from shared.stages.answers import links_of
from shared.stages.notices import worded
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
        account_id=intent.account_id,
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
        guard_poll_s=policy.guard_poll_s,
        basis=intent.basis,
    )
    day = ports.calendar.day(intent.on)
    state = begin(OrderState(plan=plan, on=intent.on, hours=None if day is None else hours_of(day)))
    now = ports.clock.now()
    if now >= intent.expires_at:
        state = replace(state, outcome=Phase.EXPIRED, note=f"expired at {iso(intent.expires_at)}, seen at {iso(now)}")
    row = order_row(state, ports.codec, now)
    is_new = ports.tables.insert(Table.ORDERS, str(intent.on), symbol_key(intent.symbol, intent.intent_id), row)
    waits = is_new and state.phase is Phase.APPROVAL_PENDING
    return state, [_question(intent, ports)] if waits else []


def _question(intent: OrderIntent, ports: Ports) -> Message:
    """Ask the person: what, how much, until when."""
    until = intent.approve_by or intent.expires_at
    links = links_of(ports, intent, until)
    words = approval(
        symbol=intent.symbol,
        qty_shares=intent.qty_shares,
        notional=intent.notional,
        stop=intent.stop_price,
        target=intent.target_price,
        until=until,
        intent_id=intent.intent_id,
        has_links=bool(links),
    )
    told = worded(
        ports.clock.now(), words, kind="approval", severity=Severity.CRITICAL, cause=intent.decision_id
    )  # fmt: skip
    return replace(told, links=links)


def _expires_at(intent: OrderIntent) -> datetime:
    """An intent that waits for a person lives as long after the deadline as any other does."""
    if intent.approve_by is None:
        return intent.expires_at
    return intent.approve_by + (intent.expires_at - intent.decided_at)
