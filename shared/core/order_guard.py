"""Guarding a position where no native stop exists: before the open and after the close the lifecycle watches the quote.

What is held there is left by a limit as soon as a bid that can be believed stands at the stop or at the target. From
the open on a native pair guards it, as any other position.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.core.market import Quote
from shared.core.order_states import EntryPlan, ExitReason, OrderState
from shared.core.schedule import LEAVE_BEFORE_CLOSE

WIDE_BP = 500
"""A bid so far under its ask, in basis points of their mid, is no market: nobody stands there."""


def reached(plan: EntryPlan, quote: Quote | None) -> ExitReason | None:
    """Which of its exits a guarded position has reached; None where the quote says neither, or nothing.

    The bid is what can be had. It may be old: one that nobody has replaced still stands, and the exit is a limit.
    """
    if quote is None or not quote.is_two_sided or quote.spread_bp > WIDE_BP:
        return None
    if quote.bid <= plan.stop_price:
        return ExitReason.STOP
    return ExitReason.TARGET if quote.bid >= plan.target_price else None


def next_watch(state: OrderState, now: datetime) -> datetime:
    """When the quote of a guarded position is looked at next: after the pause, and at the open, to attach a pair."""
    at = now + timedelta(seconds=state.plan.guard_poll_s)
    hours = state.hours
    return min(at, hours.opens_at) if hours is not None and now < hours.opens_at else at


def must_leave(state: OrderState, at: datetime) -> bool:
    """Whether the end of after-hours trading is so near that a position guarded by the lifecycle is left."""
    hours = state.hours
    return hours is not None and at >= hours.ends_at - LEAVE_BEFORE_CLOSE


def stands_since(state: OrderState, filled_at: datetime) -> datetime:
    """Since when a native guard could have stood over what is held: since the fill, or since the open after it."""
    return filled_at if state.hours is None else max(filled_at, state.hours.opens_at)


def is_of_another_session(state: OrderState, now: datetime) -> bool:
    """Whether an exit limit was sent before the open that has come since: a market order leaves better now."""
    hours = state.hours
    return (
        hours is not None
        and state.attempt_at is not None
        and state.attempt_at < hours.opens_at
        and hours.is_regular(now)
    )
