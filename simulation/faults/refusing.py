"""A broker that refuses sales for a while: by a rule, or because of an order that a person has left standing.

What must hold is that a person is told after three refusals, and that an exit is tried again while its lifecycle lives.
That what is held is guarded between the tries is the guard's own rule: only where every sale is refused, guards too,
does it not count the time.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.contracts.records import Table, symbol_key
from shared.core.market import TradingDay
from shared.core.order_states import OrderState
from shared.core.order_steps import MAX_BACKOFF_DOUBLINGS, Command, StepCall
from shared.core.orders import OrderClass, OrderRequest
from shared.core.sessions import session_at
from shared.core.values import CENT, Rounding, Side, Symbol, round_to_tick
from shared.stages.base.requests import Call
from shared.stages.operator.controls import resume
from simulation.faults.violation import Violation
from simulation.venue.orders import VenueRole
from simulation.venue.refusals import Refusal
from simulation.venue.requests import parse_order

if TYPE_CHECKING:
    from simulation.faults.world import World

TRIES_A_DAY = 3
LENGTHS_S = (120, 600, 3000)
TOLD_AFTER = 3
"""Refusals in a row after which a person must have been told."""
HELD_UP = timedelta(minutes=20)
"""Outages, crashes and hanging cancels may hold up a try for so long, beside its own pause."""
RESUMED_AFTER = timedelta(minutes=3)


class Rule(StrEnum):
    """What a broker does not take."""

    PLAIN = "use complex orders"
    AT_ONCE = "no sale that sells at once"
    ANY = "no sale at all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A rule in force until an instant."""

    rule: Rule
    ends_at: datetime


class Refusing:
    """Refuses what a spell's rule refuses, and holds the lifecycles against what they must do then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._spell: Spell | None = None
        self._refused: set[str] = set()
        self._heard: defaultdict[str, set[str]] = defaultdict(set)
        self._tried_at: dict[str, datetime] = {}
        self._last: dict[str, OrderState] = {}

    def plan(self, day: TradingDay, busy: Sequence[datetime]) -> None:
        """Plan a day's spells and a person's orders, as likely as not soon after orders are on their way."""
        world = self._world
        rng = random.Random(f"refusing:{world.run.seed}:{day.on}")
        for begin in (self._begin, self._begin, self._stand):
            for _ in range(TRIES_A_DAY):
                at = day.open_at + timedelta(seconds=rng.randrange(int((day.close_at - day.open_at).total_seconds())))
                if rng.random() < 0.5:
                    at = max(day.open_at, rng.choice(busy)) + timedelta(minutes=40 * rng.random())
                length = timedelta(seconds=rng.choice(LENGTHS_S))
                rule, pick = rng.choice(tuple(Rule)), rng.randrange(1000)
                if rng.random() < world.faults.refusing and at < day.close_at:
                    ends_at = min(at + length, day.close_at)
                    world.at(at, lambda b=begin, r=rule, p=pick, e=ends_at: b(r, p, e))  # type: ignore[misc]

    def _begin(self, rule: Rule, _: int, ends_at: datetime) -> None:
        world = self._world
        if not world.is_calm:
            self._spell = Spell(rule=rule, ends_at=ends_at)
            world.trace.note(world.now(), "the broker takes", rule, f"until {ends_at:%H:%M:%S}")

    def _stand(self, _: Rule, pick: int, ends_at: datetime) -> None:
        """A person leaves a buy far under the market standing in a symbol of ours, and takes it back later."""
        world = self._world
        held = sorted(world.exchange.account.positions)
        if world.is_calm or not held:
            return
        symbol = held[pick % len(held)]
        limit = round_to_tick(max(world.exchange.mark(symbol) / 2, CENT), Rounding.DOWN)
        body = {"symbol": symbol, "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day"}
        with suppress(Refusal):  # an exit of ours stands there: that would be a wash trade as well
            order = world.exchange.submit(parse_order(body | {"limit_price": str(limit)}))
            world.trace.note(world.now(), "a person's buy stands in", symbol, f"until {ends_at:%H:%M:%S}")
            world.at(ends_at, lambda: self._take_back(order.id))

    def _take_back(self, order_id: str) -> None:
        world = self._world
        with suppress(Refusal):  # it has ended with its session, or was cancelled
            world.exchange.cancel(order_id)
        if world.checkers.ledger is not None and world.checkers.ledger.unexplained:
            call = Call(route="resume", by="person", reason="it was mine", caller="simulation")
            world.people(world.now() + RESUMED_AFTER, "resume", lambda: resume(world.ports, call))

    # -- what the broker asks ----------------------------------------------------------------------------------------

    def words(self, request: OrderRequest) -> str:
        """Why a submission is refused now; empty where it is taken."""
        world, spell = self._world, self._spell
        if request.side is not Side.SELL:
            return ""
        is_plain = request.order_class is OrderClass.SIMPLE
        if is_plain:
            self._tried_at[_intent_of(request)] = world.now()
        if spell is None or world.is_calm or world.now() >= spell.ends_at:
            return ""
        mark, plan = world.exchange.mark(request.symbol), world.checkers.intents[_intent_of(request)]
        if spell.rule is Rule.ANY or (spell.rule is Rule.AT_ONCE and plan.target_price <= mark):
            self._excuse(request.symbol, spell)
        is_at_once = is_plain or (request.target_price or 0) <= mark
        is_refused = is_plain if spell.rule is Rule.PLAIN else is_at_once or spell.rule is Rule.ANY
        return spell.rule.value if is_refused else ""

    def _excuse(self, symbol: Symbol, spell: Spell) -> None:
        """Nothing can be sold and nothing guarded: until the spell is over, and the longest pause after it."""
        pause = timedelta(seconds=self._world.settings.policy.entry_poll_s) * 2**MAX_BACKOFF_DOUBLINGS
        self._world.checkers.guard.excuse(symbol, spell.ends_at + pause + timedelta(seconds=5))

    def refused(self, request: OrderRequest, words: str) -> None:
        """Note that the broker has refused an exit, by a rule or as a wash trade."""
        is_exit = request.side is Side.SELL and request.order_class is OrderClass.SIMPLE
        if is_exit and (words in set(Rule) or "wash trade" in words):
            self._refused.add(request.client_order_id)

    # -- what must hold ----------------------------------------------------------------------------------------------

    def step_ended(self, asked: StepCall, after: OrderState) -> None:
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
        if self._world.hiding.is_on and "orders" in self._world.parts_down:
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


def _intent_of(request: OrderRequest) -> str:
    return request.client_order_id.rsplit("-", 2)[0]
