"""What people are told of an order: its opening and its end, and incidents that its own steps cannot put right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import symbol_key
from shared.core.ledger import Unexplained
from shared.core.order_states import ABSENCES_BELIEVED, OrderState, Phase
from shared.core.order_steps import CANCELS_TOLD, REFUSALS_TOLD
from shared.core.portfolio import OTHER_ACCOUNT
from shared.core.values import plain
from shared.ports import Ports
from shared.stages.base.decision_notices import closed, ended, opened
from shared.stages.base.incidents import record_incident
from shared.stages.base.notices import to_notice
from shared.stages.entry.announce import announced_order


def notices(before: OrderState, after: OrderState, ports: Ports) -> list[Notice]:
    """Notices of a position opened and of an order's end; between, that an order is sent for which a person answered.

    Where a person was asked, an end that bought nothing is as urgent as the question was.
    """
    now = ports.clock.now()
    sent = announced_order(after, ports) if after.answered and after.orders and not before.orders else []
    if after.phase is before.phase:
        return sent
    if after.phase in _OPENED and not _is_known(after, now):
        kind, text = "position-opened", opened(after)
    elif after.phase is Phase.CLOSED:
        kind, text = "position-closed", closed(after)
    elif after.phase.is_over:
        kind, text = "order-ended", ended(after)
    else:
        return sent
    is_answer = after.answered is not None and kind == "order-ended"
    severity = Severity.CRITICAL if is_answer else Severity.INFO
    return [*sent, to_notice(text, now, kind=kind, severity=severity, cause=after.plan.decision_id)]


_OPENED = frozenset({Phase.PROTECTED, Phase.GUARDED})


def _is_known(state: OrderState, now: datetime) -> bool:
    """Whether a position has only come over the open or the close: that it was opened is known."""
    if state.hours is None or state.filled_at is None:
        return False
    return any(state.filled_at < edge <= now for edge in (state.hours.opens_at, state.hours.closes_at))


def oversold(state: OrderState) -> Unexplained | None:
    """Say how far more was sold than was held; None where it was not."""
    text = f"{plain(-state.held)} {state.plan.symbol} sold beyond what was held"
    return Unexplained(subject=text) if state.held < 0 else None


def troubles(ports: Ports, before: OrderState, after: OrderState, now: datetime) -> list[Notice]:
    """Record an incident for each thing that has just gone wrong, and return their notices.

    Called before the step is recorded, so that a crash in between repeats it: the incident's key keeps it one.
    """
    recorded: list[Notice] = []
    plan = after.plan
    for kind, title, body in _found(before, after):
        key = symbol_key(plan.symbol, kind, plan.intent_id)
        text = f"{body}\nIntent {plan.intent_id}, decision {plan.decision_id}."
        recorded += record_incident(ports, after.on, key, now=now, kind=kind, title=title, body=text)
    return recorded


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
        yield "exit-refused", f"{symbol}: the broker refuses to sell {plain(after.held)} shares", body
    if before.absences < ABSENCES_BELIEVED <= after.absences:
        gone = [key for key, order in before.orders.items() if order.is_live and not after.orders[key].is_live]
        what = f"Taken for cancelled: {', '.join(gone)}." if gone else "It may have bought what is held; looking on."
        yield "order-lost", f"{symbol}: the broker does not know an order that it had", what
    if before.hours != after.hours and after.held > 0 and after.hours is not None:
        at = f"{after.hours.starts_at:%Y-%m-%d %H:%M}Z"
        body = f"Nobody has bought it before trading ended. Its room stays taken; its exit goes on at {at}."
        yield "held-overnight", f"{symbol}: {plain(after.held)} shares are held over night", body
    if after.note.startswith(OTHER_ACCOUNT) and not before.note.startswith(OTHER_ACCOUNT):
        body = f"{after.note}. Nothing is done for the order there. It goes on when the keys of its account are back."
        yield "other-account", f"{symbol}: the keys open an account that the order does not belong to", body
    if after.phase.is_over and oversold(after):
        body = "Entries are halted. Buy the short back at the broker, then resume."
        yield "oversold", f"{symbol}: {oversold(after)}", body
