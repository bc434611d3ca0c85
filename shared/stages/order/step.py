"""One step of an order's life at the broker: look up, act, record. The lifecycle's only activity.

Running a step twice is running it once: what the journal has is returned, what the broker has under the step's client
order id is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from shared.contracts.messages import Notice
from shared.core.errors import BrokerError, ContractError, StrategyError, TransientError
from shared.core.ids import client_order_id
from shared.core.ledger import Ledger, release
from shared.core.order_exit import beyond_exits, can_pair, exit_limit, exit_request, pair_request
from shared.core.order_states import GUARDS, OrderState, OrderView, Phase
from shared.core.order_steps import Command, Observation, Step, observe, wants_guard
from shared.core.orders import BrokerOrder, OrderClass, OrderRequest, OrderType
from shared.core.portfolio import Account, another_account
from shared.core.sessions import NEW_YORK, aft_close_at, hours_of, session_at
from shared.core.values import Rounding, Side, floor_to_step, round_to_tick
from shared.ports import Ports, trading_day
from shared.stages.base.facts import quote_of
from shared.stages.base.ledger import update_ledger, watching
from shared.stages.operator.approvals import heard
from shared.stages.order.notices import notices, oversold, troubles
from shared.stages.order.recheck import look_again
from shared.stages.order.records import chained, record_step, recorded_step
from shared.stages.order.standing import Standing, flat, held_qty, refused, standing, unknown_of_ours, with_unknown
from shared.strategies.catalogue import cooldown_min

DUPLICATE_CLIENT_ORDER_ID = 40010001
"""Alpaca's code for a client order id that is used already: the order is there, whatever was answered before."""


def carry_out(state: OrderState, step: Step, ports: Ports) -> tuple[OrderState, list[Notice]]:
    """Carry out a step and record it.

    Returns
    -------
    tuple of OrderState and list of Notice
        Where the order stands after it, and the notices for its owner.

    Raises
    ------
    TransientError
        If our own storage does not answer; the host runs the step again. A broker that does not answer is no error: it
        is an observation.
    """
    done = recorded_step(ports, state)
    if done is not None:
        # The run that recorded it may have died before its notices went out; who has them knows them by their ids.
        return done, notices(state, done, ports)
    seen = _dated(state, _observed(state, step, ports), ports)
    after = observe(state, step, seen)
    if after == state:
        return state, []  # a quote was looked at and asks for nothing: no row is worth its price
    gates = ports.codec.encode(seen.verdicts) if seen.verdicts else ""
    after = after if seen.failed else _pinned(after, ports)
    after = replace(after, chain=chained(state, step, after, seen.at, ports.codec, gates))
    incidents = troubles(ports, state, after, seen.at)
    if not record_step(ports, state, step, after, seen.at, gates):
        return recorded_step(ports, state) or after, incidents
    return after, [*incidents, *notices(state, after, ports)]


def _observed(state: OrderState, step: Step, ports: Ports) -> Observation:
    """What a step brought back. A refusal of anything but the order itself says nothing of the order: it failed.

    So does every step while the keys open another account than the order's: it goes on when the right ones are back.
    """
    try:
        with watching(ports, "broker"):
            fault = another_account(state.plan.account_id, ports.broker.account_id())
            if fault:
                return Observation(at=ports.clock.now(), failed=fault)
            return _RUNS[step.command](state, step, ports)
    except (BrokerError, TransientError, ContractError) as error:
        return Observation(at=ports.clock.now(), failed=f"{type(error).__name__}: {error}")


def _pinned(state: OrderState, ports: Ports) -> OrderState:
    """Bind an order of older code, which knew no account, to the one that its first step finds."""
    if state.plan.account_id:
        return state
    return replace(state, plan=replace(state.plan, account_id=ports.broker.account_id()))


def _dated(state: OrderState, seen: Observation, ports: Ports) -> Observation:
    """Give an order whose trading day is over the hours of the next one."""
    if state.hours is None or seen.at < state.hours.ends_at:
        return seen
    day = trading_day(ports, seen.at)
    if day is None or seen.at >= aft_close_at(day):
        day = ports.calendar.next_day(seen.at.astimezone(NEW_YORK).date())
    return replace(seen, hours=hours_of(day))


def _submit_entry(state: OrderState, step: Step, ports: Ports) -> Observation:
    """Ask the gates once more, price at the present ask, send a bracket; outside the regular session a plain limit."""
    known = ports.broker.order(step.client_order_id)
    if known is not None:
        return _seen(ports, [known])
    plan, now = state.plan, ports.clock.now()
    if state.exit_reason is not None or state.is_stopped:
        return Observation(at=now, denied=state.exit_reason or "STOPPED")
    # A new price may follow the last one for a while; after an outage the plan's stop and target are no longer right.
    if now >= plan.expires_at + state.entry_attempt * timedelta(seconds=2 * plan.patience_s):
        return Observation(at=now, denied="EXPIRED")
    quote = quote_of(ports, plan.symbol)
    if not quote.is_two_sided:
        return Observation(at=now, denied=f"SPREAD one-sided {quote.bid}/{quote.ask}")
    limit = round_to_tick(quote.ask, Rounding.UP)
    if limit > plan.worst_price:
        return Observation(at=now, denied=f"SLIPPAGE ask {limit} beyond {plan.worst_price}")
    regular = _is_regular(ports)
    if beyond := beyond_exits(plan, limit, quote.bid, is_regular=regular):
        return Observation(at=now, denied=f"EXITS {beyond}")
    recheck = look_again(state, ports, quote)
    if recheck.denied:
        return Observation(at=now, denied=recheck.denied, verdicts=recheck.verdicts)
    request = OrderRequest(
        client_order_id=step.client_order_id,
        symbol=plan.symbol,
        side=Side.BUY,
        qty=recheck.qty,
        order_type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET if regular else OrderClass.SIMPLE,
        limit_price=limit,
        stop_price=plan.stop_price if regular else None,
        target_price=plan.target_price if regular else None,
        extended_hours=not regular,
    )
    sized = recheck.qty if recheck.qty < state.wanted else None
    return replace(_send(ports, request), verdicts=recheck.verdicts, sized=sized)


def _is_regular(ports: Ports) -> bool:
    now = ports.clock.now()
    return session_at(now, trading_day(ports, now)).is_regular


def _protect(state: OrderState, step: Step, ports: Ports) -> Observation:
    """Attach a native pair of target and stop to what is held.

    Where exits are refused, the pair's target first lies under the bid: a broker that takes no plain sale may sell so.
    """
    known = ports.broker.order(step.client_order_id)
    if known is not None:
        return _seen(ports, [known])
    is_leaving = state.exit_reason is not None
    if is_leaving and not wants_guard(state, ports.clock.now()):
        return Observation(at=ports.clock.now(), denied=state.exit_reason or "")
    held = held_qty(state, ports)
    if held < step.qty:
        return with_unknown(state, ports, Observation(at=ports.clock.now(), held_at_broker=held))
    if not is_leaving:
        return _send(ports, pair_request(state.plan, step.client_order_id, step.qty))
    if unknown := unknown_of_ours(state, ports):
        return Observation(at=ports.clock.now(), orders=unknown)
    qty = _free(state, step, held, standing(state, ports))
    seen = _sold_through_pair(state, step, ports, qty)
    return seen or _send(ports, pair_request(state.plan, step.client_order_id, qty))


def _sold_through_pair(state: OrderState, step: Step, ports: Ports, qty: Decimal) -> Observation | None:
    """Send a pair whose target sells at the bid; None where none can be priced, or the broker refuses it."""
    try:
        with watching(ports, "broker"):
            target = _limit_under_bid(state, ports)
    except (TransientError, ContractError):
        return None
    if not can_pair(target):
        return None
    seen = _send(ports, pair_request(state.plan, step.client_order_id, qty, target))
    return None if seen.rejected else seen


def _watch(state: OrderState, _: Step, ports: Ports) -> Observation:
    """Look at the quote of what is held, and whether it is held still; a symbol without a quote says nothing."""
    held = held_qty(state, ports)
    quote = ports.market.quotes([state.plan.symbol]).get(state.plan.symbol)
    return Observation(at=ports.clock.now(), quote=quote, held_at_broker=held)


def _submit_exit(state: OrderState, step: Step, ports: Ports) -> Observation:
    """Market in the regular session; outside it a marketable limit, the only kind that venues take there.

    A broker that refuses the one may take the other, so every second try after a refusal is a limit.
    """
    known = ports.broker.order(step.client_order_id)
    if known is not None:
        return _seen(ports, [known])
    held = held_qty(state, ports)
    if held < step.qty:  # someone has closed it by hand, or a pair whose answer was lost
        return with_unknown(state, ports, Observation(at=ports.clock.now(), held_at_broker=held))
    others = standing(state, ports) if state.refusals else Standing()
    is_regular = _is_regular(ports)
    limit = None
    if not is_regular:
        limit = _limit_under_bid(state, ports, others.rivals)
    elif state.refusals % 2:
        with suppress(TransientError, ContractError), watching(ports, "broker"):  # without a quote at the market again
            limit = _limit_under_bid(state, ports, others.rivals)
    qty = _free(state, step, held, others)
    seen = _send(ports, exit_request(state.plan, step.client_order_id, qty, limit, is_regular=is_regular))
    return refused(state, ports, seen.rejected) if seen.rejected else seen


def _limit_under_bid(state: OrderState, ports: Ports, rivals: tuple[Decimal, ...] = ()) -> Decimal:
    """Price in USD at which a limit sells at the bid.

    Raises
    ------
    TransientError, ContractError
        If nobody can tell the bid.
    """
    bid = quote_of(ports, state.plan.symbol).bid
    if bid <= 0:
        raise ContractError(f"no bid for {state.plan.symbol}")
    return exit_limit(bid, rivals)


def _free(state: OrderState, step: Step, held: Decimal, others: Standing) -> Decimal:
    """What to sell: that which no sale of a person's has taken, or all, so that the broker says what is wrong.

    In whole steps: beside ours a person may hold a fraction of a share, and may be selling one.
    """
    free = floor_to_step(others.free(held), state.plan.lot.qty_step)
    return free if 0 < free < step.qty else step.qty


def _send(ports: Ports, request: OrderRequest) -> Observation:
    """Send once. An id that the broker has already is our own order, sent by a call whose answer was lost."""
    try:
        return _seen(ports, [ports.broker.submit(request)])
    except BrokerError as error:
        if error.code == DUPLICATE_CLIENT_ORDER_ID:
            known = ports.broker.order(request.client_order_id)
            if known is not None:
                return _seen(ports, [known])
            # The broker has the order and does not show it yet: given up now, it would be forgotten and live on.
            return Observation(at=ports.clock.now(), failed=f"{request.client_order_id} is taken and not shown yet")
        return Observation(at=ports.clock.now(), rejected=str(error))


def _cancel_entry(state: OrderState, step: Step, ports: Ports) -> Observation:
    entry = state.live_entry
    return _cancelled(state, step, ports, [] if entry is None else [entry])


def _cancel_exits(state: OrderState, step: Step, ports: Ports) -> Observation:
    """Cancel what guards or leaves the position, once it is known what is held.

    An exit is sent for shares that the account is known to have. While it cannot be asked, no exit can follow, whoever
    wants out, and a guard that was taken away would leave the position bare for as long.
    """
    if any(order.role in GUARDS for order in state.recallable):
        held_qty(state, ports)
    return _cancelled(state, step, ports, state.recallable)


def _cancelled(state: OrderState, step: Step, ports: Ports, orders: Sequence[OrderView]) -> Observation:
    """Ask for cancels and look what became of the orders, also of one whose cancel is refused."""
    refused = ""
    for order in orders:
        try:
            ports.broker.cancel(order.order_id)
        except BrokerError as error:
            refused = str(error)
    return replace(_look(state, step, ports), rejected=refused)


def _look(state: OrderState, _: Step, ports: Ports) -> Observation:
    """Ask for every order of ours that may have changed; legs come with their parents.

    One that is not found by its id is looked for in the list of all orders; only what is in neither is lost. An order
    that waits for a person has none yet: it looks for the answer.
    """
    if state.phase is Phase.APPROVAL_PENDING:
        now = ports.clock.now()
        return Observation(at=now, answered=heard(ports, state, now))
    guarded = any(order.is_live for order in state.of(*GUARDS))
    wanted = [
        order.client_order_id
        for order in state.orders.values()
        if order.client_order_id.startswith(state.plan.intent_id)
        and (order.is_live or (guarded and (order.role in GUARDS or order.filled_qty > 0)))
    ]
    found = [ports.broker.order(client_order_id) for client_order_id in wanted]
    seen = _seen(ports, [order for order in found if order is not None])
    lost = [client_order_id for client_order_id, order in zip(wanted, found, strict=True) if order is None]
    if not lost:
        return seen
    everything = ports.broker.orders(since=datetime.combine(state.on, time(), UTC))
    if unread := [row for row in everything.unread if row.may_be(state.plan.symbol)]:
        raise ContractError(f"an order of {state.plan.symbol} may be one that cannot be read: {unread[0].fault}")
    parents = {order.order_id: order.client_order_id for order in everything if order.client_order_id in lost}
    listed = [o for o in everything if o.order_id in parents or o.parent_order_id in parents]
    return replace(seen, orders=(*seen.orders, *listed), held_at_broker=held_qty(state, ports))


def _close(state: OrderState, _: Step, ports: Ports) -> Observation:
    """Give the reservation back; from now on the symbol cools down. What still shows live is cancelled before.

    More sold than bought is a short that this system never wants: it halts entries until a person has seen to it.
    An order that ends with nothing bought is looked up once more: the step that refused or lost it may have run on two
    hosts at once, and the other one has sent it.
    """
    if not state.bought:
        sent = ports.broker.order(client_order_id(state.plan.intent_id, "entry", state.entry_attempt))
        if sent is not None and sent.order_id not in state.orders:
            return _seen(ports, [sent])
    for order in state.live_sells:
        with suppress(BrokerError):  # gone already, as it should be
            ports.broker.cancel(order.order_id)
    now = ports.clock.now()
    # An order that was too old when execute read it has asked nobody.
    is_open = state.plan.approve_by is not None and state.answered is None and state.outcome is not Phase.EXPIRED
    answered = heard(ports, state, now, is_last=True) if is_open else None
    until = now + timedelta(minutes=_cooldown_min(ports, state.plan.strategy))

    def change(ledger: Ledger) -> Ledger:
        released = release(ledger, state.plan, until, state.realised)
        known = dict.fromkeys(filter(None, (*ledger.unexplained, oversold(state))))
        return replace(released, unexplained=tuple(known))

    update_ledger(ports, state.on, _account(ports), change, at=now)
    return Observation(at=now, answered=answered)


def _cooldown_min(ports: Ports, strategy: str) -> int:
    """Minutes for which the symbol rests; a strategy that has them wrong is refused before, and gets the settings'."""
    own = ports.settings.policy.cooldown_min
    try:
        return cooldown_min(ports.settings.strategies.parameters_of(strategy), own)
    except StrategyError:
        return own


def _account(ports: Ports) -> Account | None:
    """Account to mark the ledger with; None where the broker does not tell: the reservation is released anyhow."""
    try:
        with watching(ports, "broker"):
            return ports.broker.account()
    except (BrokerError, TransientError, ContractError):
        return None


_RUNS: Mapping[Command, Callable[[OrderState, Step, Ports], Observation]] = {
    Command.SUBMIT_ENTRY: _submit_entry,
    Command.CANCEL_ENTRY: _cancel_entry,
    Command.PROTECT: _protect,
    Command.WATCH: _watch,
    Command.CANCEL_EXITS: _cancel_exits,
    Command.SUBMIT_EXIT: _submit_exit,
    Command.LOOK: _look,
    Command.CLOSE: _close,
}


def _seen(ports: Ports, orders: Sequence[BrokerOrder]) -> Observation:
    return Observation(at=ports.clock.now(), orders=flat(orders))
