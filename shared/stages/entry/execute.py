"""Execute: an order intent -> the one lifecycle that will carry it out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from shared.contracts.messages import Message, OrderIntent, Severity
from shared.contracts.records import Table, symbol_key
from shared.core.errors import ContractError
from shared.core.order_states import EntryPlan, OrderState, Phase
from shared.core.order_steps import begin
from shared.core.sessions import hours_of
from shared.core.values import iso
from shared.ports import Ports
from shared.stages.account.reconcile import recorded_order
from shared.stages.base.decision_notices import approval
from shared.stages.base.links import links_of
from shared.stages.base.notices import to_notice
from shared.stages.operator.approvals import decision_of, question_of
from shared.stages.order.records import order_row


def execute(intent: OrderIntent, ports: Ports) -> tuple[OrderState, list[Message]]:
    """Record the order; return the state its lifecycle starts from, and what its owner should hear.

    The caller starts the lifecycle under the intent's id unless it is there already, so a repeated intent changes
    nothing: it goes on from what is recorded. While that waits for a person, each repeat asks again, since the run
    before may have died between row and question; who has the question knows it by its id. An intent that expired in
    the queue starts one too: it will close at once and release its reservation.
    """
    policy = ports.settings.policy
    plan = EntryPlan(
        intent_id=intent.intent_id,
        decision_id=intent.decision_id,
        strategy=intent.strategy,
        account_id=intent.account_id,
        symbol=intent.symbol,
        qty=intent.qty,
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
        lot=intent.lot,
    )
    day = ports.calendar.day(intent.on)
    state = begin(OrderState(plan=plan, on=intent.on, hours=None if day is None else hours_of(day)))
    now = ports.clock.now()
    expires_at = min(intent.expires_at, intent.approve_by or intent.expires_at)
    if now >= expires_at:
        why = f"expired at {iso(expires_at)}, seen at {iso(now)}"
        state = replace(state, outcome=Phase.EXPIRED, note=why, why=why)
    row = order_row(state, ports.codec, now)
    if not ports.tables.insert(Table.ORDERS, str(intent.on), symbol_key(intent.symbol, intent.intent_id), row):
        with suppress(ContractError):  # supervise tells of a row that cannot be read; the journal knows what was done
            state = recorded_order(ports, intent.on, intent.symbol, intent.intent_id) or state
    waits = state.phase is Phase.APPROVAL_PENDING and state.answered is None
    is_open = intent.approve_by is not None and now < intent.approve_by
    return state, [_question(intent, plan, ports)] if waits and is_open else []


def _question(intent: OrderIntent, plan: EntryPlan, ports: Ports) -> Message:
    """Ask the person: what, how much, until when. The same words at each repeat, so that the notice is known."""
    links = links_of(ports, intent, plan.approve_by or plan.expires_at)
    question = question_of(plan, decision_of(ports, intent.on, plan.symbol, plan.decision_id))
    text = approval(question, has_links=bool(links))
    asked = to_notice(text, intent.decided_at, kind="approval", severity=Severity.CRITICAL, cause=plan.decision_id)
    return replace(asked, links=links)


def _expires_at(intent: OrderIntent) -> datetime:
    """An intent that waits for a person lives as long after the deadline as any other does."""
    if intent.approve_by is None:
        return intent.expires_at
    return intent.approve_by + (intent.expires_at - intent.decided_at)
