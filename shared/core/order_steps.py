"""The order lifecycle's decisions, pure: (state, clock) -> next step, and (state, what came back) -> state.

The durable orchestrator in `shared.lifecycle` only carries these out, so the same functions are tested alone, run in
the simulation and replayed. Long only: no step ever sells more than is held and not already being sold.

An entry is repriced by cancelling it and sending a fresh one, never by the broker's replace: a replace that races a
fill has reused the original quantity, and this way it cannot.

Before the open and after the close no native stop exists: the lifecycle watches the quote of what is held, and leaves
by a limit as soon as a bid that can be believed stands at the stop or at the target. From the open on a native pair
guards it, as any other position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from shared.core.approvals import Answer, Answered
from shared.core.ids import client_order_id
from shared.core.market import Quote
from shared.core.order_states import (
    GUARDS,
    EntryPlan,
    ExitReason,
    OrderState,
    OrderView,
    Phase,
    Role,
    merge,
    without_absent,
    without_stale,
    written_off,
)
from shared.core.orders import BrokerOrder, OrderStatus
from shared.core.risk import Verdict
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.sessions import Hours
from shared.core.values import ZERO, require_utc

LOOK_AGAIN = "changed"
"""What is reported to a sleeping order when its orders at the broker may have changed."""

STOP_ENTERING = "stop-entering"
"""What is reported when no entry is wanted any more, while positions may stay."""

ARM_PATIENCE = timedelta(seconds=30)
"""How long a filled entry may stand without armed exit legs before the position is closed."""

CANCEL_PATIENCE = timedelta(seconds=30)
"""How long a cancel may hang, or stay refused, before it is asked for again."""

CONFIRM_UNSENT = timedelta(seconds=10)
"""How long after a refusal the broker is asked once more whether it has the order."""

CANCELS_TOLD = 3
"""A cancel asked for so often is an incident, and no longer waited for where its sibling is cancelled."""

REFUSALS_TOLD = 3
"""An exit refused so often is an incident, and what it could not sell is guarded again between two tries."""

LOOK_AT_LEAST = timedelta(seconds=60)
"""An exit order that stands is looked at so often at least."""

MAX_BACKOFF_DOUBLINGS = 4
"""A call that gives no answer is tried again after poll * 2^n, n at most this."""

WIDE_BP = 500
"""A bid so far under its ask, in basis points of their mid, is no market: nobody stands there."""


class Command(StrEnum):
    """What the lifecycle's one activity can be asked to do."""

    SUBMIT_ENTRY = "submit_entry"
    CANCEL_ENTRY = "cancel_entry"
    PROTECT = "protect"
    WATCH = "watch"
    CANCEL_EXITS = "cancel_exits"
    SUBMIT_EXIT = "submit_exit"
    LOOK = "look"
    CLOSE = "close"


_SENDING = frozenset({Phase.SUBMITTING, Phase.FILLED, Phase.GUARDED})
"""Phases whose next step may send what the state does not know of until it is answered: an entry or a pair."""

_UNSENT = frozenset({Phase.DENIED, Phase.REJECTED})
"""Outcomes of an order that this run has not sent, or whose sending was refused to it."""

LOOKING = frozenset({Command.LOOK, Command.CANCEL_ENTRY, Command.CANCEL_EXITS})
"""Commands that bring back every order that may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Carry out `command`, after sleeping until `not_before` or until something is reported, whichever is first.

    `client_order_id` and `qty` belong to the commands that send an order.
    """

    command: Command
    client_order_id: str = ""
    qty: Decimal = ZERO
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """What the activity is handed: the step, and the state it was decided on."""

    state: OrderState
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a command brought back. `held_at_broker` is the account's position in the symbol, where it was asked for.

    `denied` is our own refusal (a gate before submission), `rejected` the broker's final one of the order sent or the
    cancel asked for; `failed` is a call without an answer: whether it had its effect is looked up before anything is
    sent again. `hours` are those of another trading day than the one the order knew of, `sized` what the gates left of
    an entry's shares after a person's answer, `verdicts` what the gates said before an entry was sent, `answered` the
    answer to the order's question.
    """

    at: datetime
    orders: tuple[BrokerOrder, ...] = ()
    held_at_broker: Decimal | None = None
    quote: Quote | None = None
    hours: Hours | None = None
    sized: Decimal | None = None
    verdicts: tuple[Verdict, ...] = ()
    answered: Answered | None = None
    denied: str = ""
    rejected: str = ""
    failed: str = ""

    def __post_init__(self) -> None:
        require_utc("at", self.at)


def next_step(state: OrderState, now: datetime) -> Step:
    """Decide what an order that is not over does next."""
    if state.outcome is not None:
        # Refused, and nothing sent as far as this run knows: another host may have sent it, which shows a little later.
        waits = state.outcome in _UNSENT and state.seq > 0 and not state.orders
        return _retried(state, Step(command=Command.CLOSE, not_before=now + CONFIRM_UNSENT if waits else None), now)
    match state.phase:
        case Phase.APPROVAL_PENDING:
            # Past its deadline only a host whose clock is behind finds no answer: it looks again, and not at once.
            until = state.plan.approve_by
            due_at = until if until is not None and now < until else now + state.plan.poll
            step = Step(command=Command.LOOK, not_before=due_at)
        case Phase.PLANNED | Phase.SUBMITTING:
            step = Step(command=Command.SUBMIT_ENTRY, client_order_id=entry_id(state), qty=state.wanted)
        case Phase.WORKING | Phase.PARTIALLY_FILLED:
            step = _working_step(state, now)
        case _ if state.rests(now):
            step = _rest(state, now)
        case Phase.FILLED | Phase.GUARDED:
            step = _unguarded_step(state, now)
        case Phase.PROTECTED:
            sleeps_until = now if state.absences else _protected_until(state)
            step = Step(command=Command.LOOK, not_before=max(sleeps_until, now + state.plan.poll))
        case _:
            step = _exit_step(state, now)
    return _retried(state, step, now)


def _retried(state: OrderState, step: Step, now: datetime) -> Step:
    """After calls without an answer the same step is tried again, each time after a longer pause."""
    if not state.failures:
        return step
    pause = state.plan.poll * 2 ** min(state.failures - 1, MAX_BACKOFF_DOUBLINGS)
    return replace(step, not_before=now + pause)


def _look(state: OrderState, now: datetime) -> Step:
    return Step(command=Command.LOOK, not_before=now + state.plan.poll)


def _protected_until(state: OrderState) -> datetime:
    """A native guard ends with its session, whatever the time limit is."""
    ends_at = state.plan.exit_by
    return ends_at if state.hours is None else min(ends_at, state.hours.closes_at)


def _rest(state: OrderState, now: datetime) -> Step:
    """Nothing trades: a look after the end brings the next trading day's hours, and its premarket wakes the order."""
    starts_at = state.hours.starts_at if state.hours is not None else now
    return Step(command=Command.LOOK, not_before=max(starts_at, now + state.plan.poll))


def _working_step(state: OrderState, now: datetime) -> Step:
    unwanted = state.exit_reason is not None or state.is_stopped
    tired = state.attempt_at is not None and now - state.attempt_at >= timedelta(seconds=state.plan.patience_s)
    if (unwanted or tired) and _may_cancel(state, now):
        return Step(command=Command.CANCEL_ENTRY)
    return _look(state, now)


def _may_cancel(state: OrderState, now: datetime) -> bool:
    return state.cancel_at is None or now - state.cancel_at >= CANCEL_PATIENCE


def _unguarded_step(state: OrderState, now: datetime) -> Step:
    """Bought and not known to be guarded: wait for the bracket's legs to arm, or attach a pair of our own.

    Where no pair can be had, the quote is watched.
    """
    if state.live_sells:
        return _look(state, now)
    if state.guards_itself(now):
        if state.exit_reason is not None:  # a pair that may have been sent has ended with its session
            return _exit_step(state, now)
        return Step(command=Command.WATCH, not_before=next_watch(state, now))
    return Step(command=Command.PROTECT, client_order_id=pair_id(state), qty=state.held)


def next_watch(state: OrderState, now: datetime) -> datetime:
    """When the quote of a guarded position is looked at next: after the pause, and at the open, to attach a pair."""
    at = now + timedelta(seconds=state.plan.guard_poll_s)
    hours = state.hours
    return min(at, hours.opens_at) if hours is not None and now < hours.opens_at else at


def pair_id(state: OrderState) -> str:
    """Client order id of the pair that is sent next, or whose answer was lost."""
    return client_order_id(state.plan.intent_id, "protect", state.protect_attempt)


def entry_id(state: OrderState) -> str:
    """Client order id of the entry that is sent next, or whose answer was lost."""
    return client_order_id(state.plan.intent_id, "entry", state.entry_attempt)


def _exit_step(state: OrderState, now: datetime) -> Step:
    guards = [order for order in state.live_sells if order.role in GUARDS]
    has_stop = any(order.role is Role.STOP for order in guards)  # a target alone guards against nothing
    tries_at = _tries_again_at(state, is_guarded=has_stop)
    if has_stop and state.refusals >= REFUSALS_TOLD and tries_at is not None and now < tries_at:
        return _look_later(state, now)
    if (guards or _is_passed_over(state, now)) and _may_cancel(state, now):
        return Step(command=Command.CANCEL_EXITS)
    if not all(_is_stuck(state, order) for order in state.live_sells):
        return _look(state, now) if guards else _look_later(state, now)
    if wants_guard(state, now):
        return Step(command=Command.PROTECT, client_order_id=pair_id(state), qty=state.held)
    leg = client_order_id(state.plan.intent_id, "exit", state.exit_attempt)
    return Step(command=Command.SUBMIT_EXIT, client_order_id=leg, qty=state.held, not_before=tries_at)


def wants_guard(state: OrderState, now: datetime) -> bool:
    """Whether an exit was refused so often that what is held is guarded until the next try, once for each refusal."""
    if state.refusals < REFUSALS_TOLD or state.live_sells or state.guards_itself(now) or state.attempt_at is None:
        return False
    return state.protect_at is None or state.protect_at < state.attempt_at


def _tries_again_at(state: OrderState, *, is_guarded: bool) -> datetime | None:
    """When a refused exit is tried again; under a guard, which the next try takes off, after a longer pause."""
    if not state.refusals or state.attempt_at is None:
        return None
    pause: timedelta = state.plan.poll * 2 ** min(state.refusals - 1, MAX_BACKOFF_DOUBLINGS)
    return state.attempt_at + (max(pause, _exit_patience(state)) if is_guarded else pause)


def _look_later(state: OrderState, now: datetime) -> Step:
    """An exit that has stood for long, in a halt say, is looked at ever more seldom: supervise sees it filled."""
    stands = now - state.attempt_at if state.attempt_at is not None else timedelta(0)
    pause = max(state.plan.poll, min(stands / 4, LOOK_AT_LEAST))
    if state.recallable:
        pause = max(state.plan.poll, min(pause, _exit_patience(state) - stands))
    return Step(command=Command.LOOK, not_before=now + pause)


def _exit_patience(state: OrderState) -> timedelta:
    """How long an exit limit may stand; it doubles with each."""
    doublings = min(max(0, state.exit_attempt - 1), MAX_BACKOFF_DOUBLINGS)
    return timedelta(seconds=state.plan.patience_s * 2**doublings)


def _is_passed_over(state: OrderState, now: datetime) -> bool:
    """Whether an exit limit has stood for its patience, or the regular session has begun: the market has left it."""
    if not state.recallable or state.attempt_at is None:
        return False
    return is_of_another_session(state, now) or now - state.attempt_at >= _exit_patience(state)


def is_of_another_session(state: OrderState, now: datetime) -> bool:
    """Whether an exit limit was sent before the open that has come since: a market order leaves better now."""
    hours, sent_at = state.hours, state.attempt_at
    return hours is not None and sent_at is not None and sent_at < hours.opens_at and hours.is_regular(now)


def _is_stuck(state: OrderState, order: OrderView) -> bool:
    """Whether a leg's cancel is never reported although its sibling is cancelled, and brokers cancel both or none.

    An exit is sent then. Should the leg stand after all, its shares are taken and the broker refuses the exit.
    """
    guards = state.of(*GUARDS)
    is_last = sum(other.is_live for other in guards) == 1  # of an earlier pair both are cancelled
    paired = is_last and any(other.status is OrderStatus.CANCELED for other in guards)
    sleeps = order.role in GUARDS and not order.status.is_working
    return sleeps and paired and state.cancels >= CANCELS_TOLD


def ask_exit(state: OrderState, reason: ExitReason) -> OrderState:
    """Ask to leave: what is held is sold, what is being bought is cancelled. The first reason stays."""
    if state.exit_reason is not None or state.outcome is not None:
        return state
    state = replace(state, exit_reason=reason, cancel_at=None, cancels=0)
    # An entry or pair whose answer was lost may stand at the broker: only a look shows what there is to leave.
    is_unsure = state.failures > 0 and state.phase in _SENDING
    return state if is_unsure else _settled(state)


def stop_entering(state: OrderState) -> OrderState:
    """No entry is wanted any more: one that works is cancelled, what is held stays guarded.

    An order that was refused and is about to end takes it in too: another host may have sent its entry.
    """
    if state.is_stopped or state.phase.is_over or state.outcome not in {None, *_UNSENT}:
        return state
    state = replace(state, is_stopped=True)
    if state.outcome is not None:
        return state
    never_sent = state.phase in {Phase.PLANNED, Phase.APPROVAL_PENDING} and not state.failures
    return replace(state, outcome=Phase.CANCELED) if never_sent else state


def begin(state: OrderState) -> OrderState:
    """Where a new order starts: with a person to ask, or not."""
    waits = state.plan.approve_by is not None and state.outcome is None
    return replace(state, phase=Phase.APPROVAL_PENDING) if waits else state


def _with_answer(state: OrderState, answered: Answered | None) -> OrderState:
    """Take the answer to the order's question; an order that no longer waits only keeps it."""
    if answered is None or state.answered is not None:
        return state
    state = replace(state, answered=answered)
    if state.phase is not Phase.APPROVAL_PENDING or state.outcome is not None:
        return state
    match answered.answer:
        case Answer.APPROVE:
            return replace(state, phase=Phase.PLANNED, note=f"approved by {answered.by}")
        case Answer.REFUSE:
            return replace(state, outcome=Phase.DENIED, note=f"APPROVAL refused by {answered.by}")
        case Answer.NOBODY:
            return replace(state, outcome=Phase.DENIED, note="APPROVAL deadline passed")


def report(state: OrderState, event: str) -> OrderState:
    """Take in what was reported to the order from outside: a stop, a reason to leave, or nothing known.

    A person's answer is not reported: it is a row that the order looks at, so that a lost event loses none.
    """
    if event == STOP_ENTERING:
        after = stop_entering(state)
    else:
        after = ask_exit(state, ExitReason(event)) if event in ExitReason else state
    return state if after == state else _soon(after)


def restarted(state: OrderState, event: str) -> OrderState:
    """State from which a lifecycle that was gone starts again: it looks before it sleeps, as its guards may be gone."""
    after = report(_soon(state), event)
    return replace(after, phase=Phase.FILLED) if after.phase is Phase.PROTECTED else after


def _soon(state: OrderState) -> OrderState:
    """Return the state with the shortest pause before its next try. That the last call had no answer stays known."""
    return replace(state, failures=min(state.failures, 1))


def observe(state: OrderState, step: Step, seen: Observation) -> OrderState:
    """Take in what a command brought back and settle where the order now stands."""
    before = state
    state = replace(state, seq=state.seq + 1, note=seen.denied or seen.rejected or seen.failed)
    if seen.failed:
        phase = Phase.SUBMITTING if state.phase is Phase.PLANNED else state.phase
        return replace(state, failures=state.failures + 1, phase=phase)
    state = replace(state, failures=0, orders=merge(state.orders, seen.orders), hours=seen.hours or state.hours)
    state = _counted(before, state, step, seen)
    if step.command in LOOKING:
        found = frozenset(order.order_id for order in seen.orders)
        state = without_absent(state, found, seen.held_at_broker)
    state = written_off(state, seen.held_at_broker, seen.at)
    state = _with_answer(state, seen.answered)
    if step.command is Command.CLOSE and not seen.orders:  # over, and nothing is left to settle
        return replace(state, phase=state.outcome or state.phase)
    state = _OBSERVED[step.command](state, seen)
    state = _settled(_timed(state, seen.at), seen.at)
    if state.outcome is not None and before.outcome is None:
        state = replace(state, why=state.note)
    is_quiet = step.command is Command.WATCH and replace(state, seq=before.seq, note=before.note) == before
    return before if is_quiet else state


def _counted(before: OrderState, state: OrderState, step: Step, seen: Observation) -> OrderState:
    """Count pairs sent, and exits refused since shares were last sold: by an answer, or after they had been taken.

    A refusal that has an order of ours behind it is no rule of the broker's: that order is cancelled first.
    """
    is_sent = any(order.client_order_id == pair_id(before) for order in seen.orders)
    is_refused = bool(seen.rejected) and not seen.orders
    late = len(_rejected_exits(state) - _rejected_exits(before))
    refused = late + (is_refused and step.command is Command.SUBMIT_EXIT)
    is_used = is_sent or (is_refused and step.command is Command.PROTECT)
    return replace(
        state,
        protect_attempt=state.protect_attempt + is_used,
        refusals=(0 if state.sold > before.sold else state.refusals) + refused,
    )


def _rejected_exits(state: OrderState) -> frozenset[str]:
    exits = state.of(Role.EXIT)
    return frozenset(order.order_id for order in exits if order.status is OrderStatus.REJECTED)


def _entry_sent(state: OrderState, seen: Observation) -> OrderState:
    if seen.denied or seen.rejected:
        ended = Phase.DENIED if seen.denied else Phase.REJECTED
        # A refused repricing ends an order that did reach the market: nothing was filled, so it counts as cancelled.
        # So does one that was called off before it is known to have been sent.
        called_off = state.entry_attempt > 0 or state.exit_reason is not None
        return replace(state, outcome=Phase.CANCELED if called_off else ended)
    sized = state.sized if seen.sized is None else seen.sized
    return replace(state, phase=Phase.SUBMITTING, attempt_at=seen.at, cancel_at=None, cancels=0, sized=sized)


def _cancel_asked(state: OrderState, seen: Observation) -> OrderState:
    return replace(state, cancel_at=seen.at, cancels=state.cancels + 1)


def _pair_sent(state: OrderState, seen: Observation) -> OrderState:
    """A pair that the broker refuses leaves the position bare: then it is closed."""
    reason = ExitReason.UNPROTECTED if seen.rejected else None
    return replace(state, exit_reason=state.exit_reason or reason, protect_at=seen.at)


def _quote_seen(state: OrderState, seen: Observation) -> OrderState:
    return replace(state, exit_reason=state.exit_reason or reached(state.plan, seen.quote))


def reached(plan: EntryPlan, quote: Quote | None) -> ExitReason | None:
    """Which of its exits a guarded position has reached; None where the quote says neither, or nothing.

    The bid is what can be had. It may be old: one that nobody has replaced still stands, and the exit is a limit.
    """
    if quote is None or not quote.is_two_sided or quote.spread_bp > WIDE_BP:
        return None
    if quote.bid <= plan.stop_price:
        return ExitReason.STOP
    return ExitReason.TARGET if quote.bid >= plan.target_price else None


def _exit_sent(state: OrderState, seen: Observation) -> OrderState:
    return replace(
        state,
        attempt_at=seen.at,
        exit_attempt=state.exit_attempt + _used(seen),
        # What a refusal has brought to light, a pair whose answer was lost say, is cancelled at once.
        cancel_at=None if seen.rejected and seen.orders else state.cancel_at,
        cancels=state.cancels if any(order.role in GUARDS for order in state.live_sells) else 0,
        orders=without_stale(state.orders),
    )


def _used(seen: Observation) -> int:
    """Attempts that a step has used up: an id is left behind when the broker has answered for it.

    Otherwise nothing may have been sent, or another host's order does not show yet: the next try looks for it under the
    same id.
    """
    return 1 if seen.orders or seen.rejected else 0


def _found_at_close(state: OrderState, seen: Observation) -> OrderState:
    """An entry stands at the broker after all: it is carried on with, as if it had been sent now."""
    return replace(state, outcome=None, why="", attempt_at=seen.at, cancel_at=None, cancels=0)


_OBSERVED: Mapping[Command, Callable[[OrderState, Observation], OrderState]] = {
    Command.SUBMIT_ENTRY: _entry_sent,
    Command.CANCEL_ENTRY: _cancel_asked,
    Command.PROTECT: _pair_sent,
    Command.WATCH: _quote_seen,
    Command.CANCEL_EXITS: _cancel_asked,
    Command.SUBMIT_EXIT: _exit_sent,
    Command.LOOK: lambda state, _: state,
    Command.CLOSE: _found_at_close,
}
"""What a command changes beside the orders that it brought back."""


def _timed(state: OrderState, at: datetime) -> OrderState:
    """Note the first fill, and let time limits turn into exits."""
    if state.bought and state.filled_at is None and state.live_entry is None:
        state = replace(state, filled_at=at)
    if state.exit_reason is None and state.held and (reason := _due_exit(state, at)) is not None:
        state = replace(state, exit_reason=reason, cancel_at=None, cancels=0)
    return state


def _due_exit(state: OrderState, at: datetime) -> ExitReason | None:
    """Reason to leave that an instant brings: no native guard though there could be one, the time limit, the end."""
    if state.guards_itself(at) and must_leave(state, at):
        return ExitReason.FLATTEN
    is_bare = state.filled_at is not None and not state.is_guarded and not state.guards_itself(at)
    if is_bare and at - stands_since(state, state.filled_at or at) >= ARM_PATIENCE:
        return ExitReason.UNPROTECTED
    return ExitReason.TIME_LIMIT if at >= state.plan.exit_by else None


def must_leave(state: OrderState, at: datetime) -> bool:
    """Whether the end of after-hours trading is so near that a position guarded by the lifecycle is left."""
    hours = state.hours
    return hours is not None and at >= hours.ends_at - LEAVE_BEFORE_CLOSE


def stands_since(state: OrderState, filled_at: datetime) -> datetime:
    """Since when a native guard could have stood over what is held: since the fill, or since the open after it."""
    return filled_at if state.hours is None else max(filled_at, state.hours.opens_at)


def _settled(state: OrderState, at: datetime | None = None) -> OrderState:
    """Derive the phase from the orders, and from the instant where what is held has no native guard."""
    if state.outcome is not None:
        return state
    entry = state.live_entry
    if entry is not None:
        return replace(state, phase=Phase.PARTIALLY_FILLED if state.bought else Phase.WORKING)
    if not state.of(Role.ENTRY):
        unwanted = state.exit_reason is not None or state.is_stopped
        return replace(state, outcome=Phase.CANCELED) if unwanted else state
    if not state.bought:
        return _unfilled(state)
    if state.held <= 0:
        return replace(state, outcome=Phase.CLOSED, exit_reason=_why_closed(state))
    if state.exit_reason is not None:
        return replace(state, phase=Phase.EXITING)
    if state.is_guarded:
        return replace(state, phase=Phase.PROTECTED)
    return replace(state, phase=Phase.GUARDED if at is not None and state.guards_itself(at) else Phase.FILLED)


def _unfilled(state: OrderState) -> OrderState:
    """The entry is final and bought nothing: send the next one, or end."""
    last = max(state.of(Role.ENTRY), key=lambda order: (order.updated_at, order.client_order_id))
    if last.status is OrderStatus.REJECTED:
        return replace(state, outcome=Phase.REJECTED)
    unwanted = state.exit_reason is not None or state.is_stopped
    if unwanted or state.entry_attempt >= state.plan.max_reprices:
        return replace(state, outcome=Phase.CANCELED)
    return replace(state, phase=Phase.SUBMITTING, entry_attempt=state.entry_attempt + 1, cancel_at=None, cancels=0)


def _why_closed(state: OrderState) -> ExitReason:
    if state.exit_reason is not None:
        return state.exit_reason
    by_stop = sum((order.filled_qty for order in state.of(Role.STOP)), ZERO)
    by_target = sum((order.filled_qty for order in state.of(Role.TARGET)), ZERO)
    return ExitReason.STOP if by_stop > by_target else ExitReason.TARGET
