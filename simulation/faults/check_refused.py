"""What must hold where the broker refuses exits: a person is told, and the exit is tried again.

That what is held is guarded between the tries is a rule of `simulation.faults.check_protection`: only where every sale
is refused, guards too, does it not count the time.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from shared.contracts.records import Table, symbol_key
from shared.core.order_states import OrderState
from shared.core.order_steps import MAX_BACKOFF_DOUBLINGS, Command, StepCall
from shared.core.orders import OrderClass, OrderRequest
from shared.core.sessions import session_at
from shared.core.values import Side
from simulation.faults.faults import BrokerRule
from simulation.faults.seen import intent_of
from simulation.faults.violation import Violation
from simulation.faults.world import World
from simulation.venue.orders import VenueRole

TOLD_AFTER = 3
"""Refusals in a row after which a person must have been told."""
HELD_UP = timedelta(minutes=20)
"""Outages, crashes and hanging cancels may hold up a try for so long, beside its own pause."""


class RefusalRules:
    """Exits that the broker has refused, by intent, and what was done about them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._refused: set[str] = set()
        self._heard: defaultdict[str, set[str]] = defaultdict(set)
        self._tried_at: dict[str, datetime] = {}
        self._last: dict[str, OrderState] = {}

    def submits(self, request: OrderRequest) -> None:
        """Note that an exit reaches the broker."""
        if _is_exit(request):
            self._tried_at[intent_of(request)] = self._world.now()

    def refused(self, request: OrderRequest, words: str) -> None:
        """Note that the broker has refused an exit, by a rule or as a wash trade."""
        if _is_exit(request) and (words in set(BrokerRule) or "wash trade" in words):
            self._refused.add(request.client_order_id)

    def step_ends(self, asked: StepCall, after: OrderState) -> None:
        """Look whether a person has been told of an order whose exits are refused."""
        intent_id, step = after.plan.intent_id, asked.step
        self._last[intent_id] = after
        if after.sold > asked.state.sold:
            self._heard.pop(intent_id, None)
        is_heard = step.command is Command.SUBMIT_EXIT and after.exit_attempt > asked.state.exit_attempt
        if not is_heard or step.client_order_id not in self._refused or len(after.orders) > len(asked.state.orders):
            return
        self._heard[intent_id].add(step.client_order_id)
        if len(self._heard[intent_id]) < TOLD_AFTER:
            return
        key = symbol_key(after.plan.symbol, "exit-refused", intent_id)
        if self._world.tables.get(Table.INCIDENTS, str(after.on), key) is None:
            raise Violation(
                "refused exits are told", f"{intent_id}: {len(self._heard[intent_id])} refusals, no incident"
            )

    def sold(self, symbol: str) -> None:
        """Note that shares were sold: the count begins anew."""
        for intent_id, state in self._last.items():
            if state.plan.symbol == symbol:
                self._heard.pop(intent_id, None)

    def supervised(self) -> None:
        """Look whether exits that were refused are tried again, as far as anybody can tell what is held."""
        if self._world.is_hiding and "orders" in self._world.parts_down:
            self._tried_at.update(dict.fromkeys(self._heard, self._world.now()))
        for intent_id, refused in self._heard.items():
            state = self._last[intent_id]
            if len(refused) >= TOLD_AFTER and not state.phase.is_over:
                self._tried_again(state, self._tried_at[intent_id])

    def _tried_again(self, state: OrderState, tried_at: datetime) -> None:
        world, plan = self._world, state.plan
        longest = timedelta(seconds=plan.patience_s) * 2**MAX_BACKOFF_DOUBLINGS + HELD_UP
        if world.now() - tried_at <= longest or not session_at(tried_at, world.day).is_regular:
            return
        live = world.exchange.book.live[plan.symbol]
        stands = any(order.side is Side.SELL and order.role is VenueRole.ENTRY for order in live)
        if session_at(world.now(), world.day).is_regular and world.exchange.account.held(plan.symbol) and not stands:
            minutes = (world.now() - tried_at) / timedelta(minutes=1)
            raise Violation("refused exits are tried again", f"{plan.intent_id}: no try for {minutes:.0f} minutes")


def _is_exit(request: OrderRequest) -> bool:
    return request.side is Side.SELL and request.order_class is OrderClass.SIMPLE
