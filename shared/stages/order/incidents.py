"""What goes wrong in an order's life and that its own steps cannot put right: an incident each, told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shared.contracts.messages import Notice
from shared.contracts.records import symbol_key
from shared.core.order_states import ABSENCES_BELIEVED, OrderState
from shared.core.order_steps import CANCELS_TOLD, REFUSALS_TOLD
from shared.core.portfolio import OTHER_ACCOUNT
from shared.ports import Ports
from shared.stages.base.incidents import record_incident


def oversold(state: OrderState) -> str:
    """Say how far more was sold than was held; empty where it was not."""
    return f"{-state.held} {state.plan.symbol} sold beyond what was held" if state.held < 0 else ""


def troubles(ports: Ports, before: OrderState, after: OrderState, now: datetime) -> list[Notice]:
    """Record what has just gone wrong.

    Called before the step is recorded, so that a crash in between repeats it: the incident's key keeps it one.
    """
    told: list[Notice] = []
    plan = after.plan
    for kind, title, body in _found(before, after):
        key = symbol_key(plan.symbol, kind, plan.intent_id)
        text = f"{body}\nIntent {plan.intent_id}, decision {plan.decision_id}."
        told += record_incident(ports, after.on, key, now=now, kind=kind, title=title, body=text)
    return told


def _found(before: OrderState, after: OrderState) -> Iterator[tuple[str, str, str]]:
    symbol = after.plan.symbol
    live = [after.live_entry] if after.live_entry else after.recallable
    if before.cancels < CANCELS_TOLD <= after.cancels and live:
        names = ", ".join(f"{order.role} {order.order_id} ({order.status})" for order in live)
        yield "cancel-hangs", f"{symbol}: a cancel is not carried out", f"Asked {after.cancels} times for {names}."
    if before.refusals < REFUSALS_TOLD <= after.refusals:
        body = (
            f"Refused {after.refusals} times, last with: {after.note or 'no words, after it was taken'}. "
            "Cancel at the broker what stands in its way, or sell there by hand. "
            "Until then a stop guards it where the broker takes one, and the exit is tried again."
        )
        yield "exit-refused", f"{symbol}: the broker refuses to sell {after.held} shares", body
    if before.absences < ABSENCES_BELIEVED <= after.absences:
        gone = [key for key, order in before.orders.items() if order.is_live and not after.orders[key].is_live]
        what = f"Taken for cancelled: {', '.join(gone)}." if gone else "It may have bought what is held; looking on."
        yield "order-lost", f"{symbol}: the broker does not know an order that it had", what
    if before.hours != after.hours and after.held > 0 and after.hours is not None:
        at = f"{after.hours.starts_at:%Y-%m-%d %H:%M}Z"
        body = f"Nobody has bought it before trading ended. Its room stays taken; its exit goes on at {at}."
        yield "held-overnight", f"{symbol}: {after.held} shares are held over night", body
    if after.note.startswith(OTHER_ACCOUNT) and not before.note.startswith(OTHER_ACCOUNT):
        body = f"{after.note}. Nothing is done for the order there. It goes on when the keys of its account are back."
        yield "other-account", f"{symbol}: the keys open an account that the order does not belong to", body
    if after.phase.is_over and oversold(after):
        body = "Entries are halted. Buy the short back at the broker, then resume."
        yield "oversold", f"{symbol}: {oversold(after)}", body
