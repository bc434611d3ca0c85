"""What must hold of the ledger from one write to the next, and of the reservations in it.

- Its date never goes back; a day's halt ends with its day, the others and an unexplained difference by a person.
- Nothing is approved of a symbol that cools down for its strategy, nor while a circuit breaker is open, nor beyond the
  buying power.
- What was lost is reserved again for what its order still takes.
- The reservation of what is held stays; an order that is over has none; the recorded decision alone has any.
- A call that the broker did not answer is counted against its breaker.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import OrderIntent, Signal
from shared.contracts.records import Table, symbol_key
from shared.core.ledger import Ledger, Reservation
from shared.core.order_states import OrderState, Phase
from shared.core.values import ZERO, Symbol
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World

UNANSWERED = frozenset({"broker_error", "broker_timeout", "broker_outage"})
"""Faults of a call to broker or market data."""
UNHARMFUL = frozenset({"late_data", "cancel_hangs", "stale_view", "lookup_lag", "order_refused"})
"""Faults that stop no work."""
POWER_TOLERANCE = Decimal("1.01")
"""Marks move between the look at the account and the write of the ledger."""
_BOUGHT = frozenset({Phase.FILLED, Phase.GUARDED, Phase.PROTECTED, Phase.EXITING})


class ReservationRules:
    """What is known of reservations, and of what may take none."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cooling: dict[tuple[str, Symbol], datetime] = {}
        self._breaker_opened_at: datetime | None = None
        self._counted = self._counted_at_begin = 0
        self._is_carried_on = self._had_ledger = False
        self._gated: list[str] = []
        self._hurt: set[str] = set()

    def lost(self) -> None:
        """Note that the ledger's row has vanished, and what it knew."""
        self._cooling.clear()
        self._breaker_opened_at = None

    # -- from one write to the next ----------------------------------------------------------------------------------

    def written(self, before: Ledger | None, after: Ledger, work: Work | None) -> None:
        """Look at a ledger that was written by a work over the one before."""
        failures = 0 if before is None else before.broker.failures + before.market.failures
        self._counted += after.broker.failures + after.market.failures > failures
        self._note_breaker(after)
        if before is None:
            return
        self._halts_stay(before, after, work)
        kept = {r.intent_id: r for r in after.reservations}
        known = {r.intent_id for r in before.reservations}
        for reservation in before.reservations:
            if reservation.intent_id not in kept:
                self._given_back(reservation, after, work)
        for reservation in after.reservations:
            if reservation.intent_id not in known:
                self._taken(reservation, before, after, work)

    def _note_breaker(self, ledger: Ledger) -> None:
        until = [b.open_until for b in (ledger.broker, ledger.market) if b.open_until is not None]
        if not until or max(until) <= self._world.now():
            self._breaker_opened_at = None
        elif self._breaker_opened_at is None:
            self._breaker_opened_at = self._world.now()

    def _halts_stay(self, before: Ledger, after: Ledger, work: Work | None) -> None:
        if after.on < before.on:
            raise Violation("the ledger's date never goes back", f"{before.on} to {after.on}")
        if before.is_day_halted and not after.is_day_halted and after.on == before.on:
            raise Violation("a halt ends with its day or by a person", f"day halt of {before.on} lifted")
        if work is not None and work.label == "resume":
            return
        if before.is_drawdown_halted and not after.is_drawdown_halted:
            raise Violation("a halt ends with its day or by a person", "drawdown halt lifted")
        if before.unexplained and not after.unexplained:
            raise Violation("a halt ends with its day or by a person", f"forgotten: {before.unexplained}")

    def _given_back(self, reservation: Reservation, after: Ledger, work: Work | None) -> None:
        seen, symbol = self._world.seen, reservation.symbol
        if work is not None and work.intent_id == reservation.intent_id and work.label.startswith("activity"):
            began = work.began_at or self._world.now()
            self._cooling[reservation.strategy, symbol] = began + timedelta(
                minutes=self._world.settings.policy.cooldown_min
            )
        is_ours = seen.bought[reservation.intent_id] > seen.sold[reservation.intent_id]
        is_held = self._world.exchange.account.held(symbol) > 0 and symbol not in seen.split
        if work is not None and is_ours and is_held:
            raise Violation("the reservation of what is held stays", f"{reservation.intent_id} of {symbol}")

    def _taken(self, reservation: Reservation, before: Ledger, after: Ledger, work: Work | None) -> None:
        is_adopted = work is not None and work.label.startswith("supervise")
        if is_adopted or reservation.intent_id in self._world.seen.lost_reservations:
            self._taken_again(reservation)
            return
        until = self._cooling.get((reservation.strategy, reservation.symbol))
        if until is not None and reservation.reserved_at < until and after.on == before.on:
            raise Violation("nothing is approved of a symbol that cools down", f"{reservation.symbol} until {until}")
        for breaker in (before.broker, before.market):
            if breaker.is_open(reservation.reserved_at):
                raise Violation("nothing is entered while a breaker is open", f"{reservation.symbol}: {breaker}")
        self._within_power(after)

    def _taken_again(self, reservation: Reservation) -> None:
        key = symbol_key(reservation.symbol, reservation.intent_id)
        stored = self._world.tables.get(Table.ORDERS, str(reservation.reserved_on), key)
        if stored is not None and Phase(str(stored.value["phase"])) in _BOUGHT:
            bought = Decimal(str(stored.value["bought_qty"]))
            if reservation.qty != bought:
                text = f"{reservation.intent_id} takes {reservation.qty} again, bought {bought}"
                raise Violation("what is reserved again is what its order takes", text)

    def _within_power(self, ledger: Ledger) -> None:
        """What has bought nothing yet must be payable, each at its worst price."""
        bought, exchange = self._world.seen.bought, self._world.exchange
        waiting = [r for r in ledger.reservations if not bought[r.intent_id] and not exchange.account.held(r.symbol)]
        unseen = sum((reservation.notional for reservation in waiting), ZERO)
        # What waits at the venue has its cash set aside there already.
        power = self._world.broker.account().buying_power + exchange.book.reserved_cash()
        if unseen > power * POWER_TOLERANCE:
            raise Violation("no more is approved than can be paid", f"{unseen} of {power}")

    # -- decisions, orders, calls --------------------------------------------------------------------------------------

    def begins(self) -> None:
        """A work begins."""
        self._counted_at_begin, self._is_carried_on = self._counted, False
        self._had_ledger = self._world.seen.ledger is not None

    def ends(self, work: Work) -> None:
        """A work ended."""
        stops = work.faults - UNHARMFUL
        if stops:
            self._hurt.add(work.intent_id)
        if work.label.startswith("signals"):
            self._gated.append(work.intent_id)
        is_watched = work.label.startswith(("activity", "signals", "supervise")) and not self._world.is_paired
        is_owed = is_watched and not self._is_carried_on and self._had_ledger and bool(stops) and stops <= UNANSWERED
        if is_owed and self._counted == self._counted_at_begin:
            raise Violation("a call without an answer is counted", f"{work.label}: {sorted(stops)}")

    def settled(self) -> None:
        """All that ran at once has ended: the reservations of what was gated are those of the recorded decisions."""
        if not self._gated:
            return
        gated, self._gated = self._gated, []
        seen = self._world.seen
        reservations = () if seen.ledger is None else seen.ledger.reservations
        for reservation in reservations:
            is_known = reservation.intent_id in self._hurt or reservation.intent_id in seen.lost_reservations
            if reservation.intent_id in gated and not is_known:
                self._is_the_decisions(seen.signal_of(reservation.intent_id), reservation)

    def _is_the_decisions(self, signal: Signal, reservation: Reservation) -> None:
        key = symbol_key(signal.symbol, signal.slot, signal.decision_id)
        stored = self._world.tables.get(Table.DECISIONS, str(signal.on), key)
        text = None if stored is None else stored.value.get("intent")
        intent = None if text is None else self._world.ports.codec.decode(OrderIntent, str(text))
        if intent is None or (reservation.qty, reservation.reserved_at) != (
            intent.qty,
            intent.decided_at,
        ):
            text = f"{reservation.intent_id} of {reservation.symbol}"
            raise Violation("a reservation is that of the recorded decision", text)

    def step_ended(self, before: OrderState, after: OrderState, ledger: Ledger | None) -> None:
        """A step is done: an order that is over has released its reservation.

        A step may go on without an answer that it can spare, as that of a look at what else stands in the symbol.
        """
        self._is_carried_on = after.failures <= before.failures
        intent_id = after.plan.intent_id
        if ledger is None or not after.phase.is_over or intent_id in self._world.seen.lost_reservations:
            return
        if any(r.intent_id == intent_id for r in ledger.reservations):
            raise Violation("an order that is over has no reservation", f"{intent_id} is {after.phase}")

    def before_entry(self, client_order_id: str, began: datetime) -> None:
        """Look at an entry that is about to be sent."""
        opened_at = self._breaker_opened_at
        ledger = self._world.seen.ledger
        if opened_at is None or opened_at >= began or ledger is None:
            return
        if any(breaker.is_open(self._world.now()) for breaker in (ledger.broker, ledger.market)):
            raise Violation("nothing is entered while a breaker is open", client_order_id)
