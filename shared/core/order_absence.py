"""What the broker shows no more: orders that its look-ups miss, and shares that left the account without us."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shared.core.order_states import ExitReason, OrderState
from shared.core.orders import OrderStatus

CONFIRM_MISSING = timedelta(seconds=15)
"""How long shares must be missing at the broker before they are believed to be gone."""

ABSENCES_BELIEVED = 3
"""An order that the broker has had and does not know at so many looks in a row is gone, if the position agrees."""


def without_absent(state: OrderState, found: frozenset[str], held_at_broker: int | None) -> OrderState:
    """Orders that several looks in a row did not bring back are gone; not while shares show that they may have bought.

    Shares that a forgotten exit has sold are found missing by the next step, and written off.

    Parameters
    ----------
    found : frozenset of str
        Ids of the orders that the look brought back.
    held_at_broker : int or None
        The account's shares of the symbol, where they were asked for.
    """
    lost = {key: order for key, order in state.orders.items() if order.is_live and key not in found}
    if not lost:
        return replace(state, absences=0)
    state = replace(state, absences=state.absences + 1)
    if state.absences < ABSENCES_BELIEVED or (held_at_broker or 0) > state.held:
        return state
    gone = {key: replace(order, status=OrderStatus.CANCELED) for key, order in lost.items()}
    return replace(state, orders={**state.orders, **gone})


def written_off(state: OrderState, held_at_broker: int | None, at: datetime) -> OrderState:
    """Shares that the account no longer has, with nothing of ours working that could have sold them, are gone.

    A broker may show a position late, so they must be missing twice, some time apart, before that is believed.
    """
    if held_at_broker is None:
        return state
    gone = state.held - max(0, held_at_broker)
    if gone <= 0 or state.live_sells or state.live_entry:
        return replace(state, missing_at=None)
    if state.missing_at is None or at - state.missing_at < CONFIRM_MISSING:
        return replace(state, missing_at=state.missing_at or at, failures=1)
    return replace(state, written_off=state.written_off + gone, missing_at=None, exit_reason=ExitReason.OUTSIDE)
