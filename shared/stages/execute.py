"""Execute: an order intent -> the one lifecycle that will carry it out."""

from __future__ import annotations

from dataclasses import replace

from shared.contracts.messages import OrderIntent
from shared.contracts.records import Table, symbol_key
from shared.core.order_states import EntryPlan, OrderState, Phase
from shared.core.values import iso
from shared.ports import Ports
from shared.stages.order_records import order_row


def execute(intent: OrderIntent, ports: Ports) -> OrderState:
    """Record the order and return the state its lifecycle starts from.

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
        expires_at=intent.expires_at,
        exit_by=intent.exit_by,
        patience_s=policy.entry_patience_s,
        poll_s=policy.entry_poll_s,
        max_reprices=policy.max_reprices,
    )
    state = OrderState(plan=plan, on=intent.on)
    now = ports.clock.now()
    if now >= intent.expires_at:
        state = replace(state, outcome=Phase.EXPIRED, note=f"expired at {iso(intent.expires_at)}, seen at {iso(now)}")
    row = order_row(state, ports.codec, now)
    ports.tables.insert(Table.ORDERS, str(intent.on), symbol_key(intent.symbol, intent.intent_id), row)
    return state
