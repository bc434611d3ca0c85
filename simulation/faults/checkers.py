"""Rules that must hold after every step, checked against the venue's own book and log."""

from __future__ import annotations

from collections import defaultdict, deque
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from shared.adapters.codec import decode_message
from shared.contracts.messages import OrderIntent, Signal, intent_id_of
from shared.core.errors import ContractError
from shared.core.ledger import Ledger
from shared.core.order_states import OrderState
from shared.core.order_steps import Command, StepCall
from shared.core.orders import OrderClass, OrderRequest, OrderType
from shared.core.sessions import aft_close_at, session_at
from shared.core.values import ZERO, Side
from shared.ports import Row
from shared.stages.account.reconcile import LATE
from simulation.faults.check_approvals import Answers, group_exposure
from simulation.faults.check_hand_trading import BesideRules
from simulation.faults.check_protection import Guard
from simulation.faults.check_reservations import Rooms
from simulation.faults.equity import EquityRules
from simulation.faults.sent import SeenQuote, Sent
from simulation.faults.violation import Violation
from simulation.venue.journal import LogEntry, VenueEvent

if TYPE_CHECKING:
    from simulation.faults.world import Work, World

__all__ = ["Checkers", "Violation"]

TOLERANCE = Decimal("1.01")
"""A price moves between the look at the account and the order that follows within the same second."""
LIFECYCLE_LOOKS = 4
SILENT = timedelta(minutes=2)
"""A lifecycle that is gone is started again after so many supervisions and so long."""
STORM_STEPS = 60
STORM = timedelta(seconds=30)
"""Steps of one order within this time: more is a lifecycle that turns in a circle.

One that has waited minutes for its host works through what it was told meanwhile, a step or two for each event.
"""


def _decoded(text: str) -> Signal | OrderIntent:
    message = decode_message(text, Signal, OrderIntent)
    assert isinstance(message, Signal | OrderIntent)
    return message


class Checkers:
    """Every rule that can be checked while the run goes on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.guard = Guard(world)
        self.equity = EquityRules(world)
        self.cash = world.exchange.account.cash
        self.positions: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.signals: dict[str, Signal] = {}
        self.sent_by_decision: dict[str, int] = {}
        self.intents: dict[str, OrderIntent] = {}
        self.read: dict[str, Signal | OrderIntent] = {}
        self.subjects: dict[str, tuple[str, str]] = {}
        self.poisoned_texts: set[str] = set()
        self.quarantined_texts: set[str] = set()
        self.hand_closed: set[str] = set()
        self.bought: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.sold: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.changed_at: dict[str, datetime] = {}
        self.reserved_at: dict[str, datetime] = {}
        self.exits_tried: set[str] = set()
        self._seen_log = 0
        self._sent_ids: set[str] = set()
        self._ledger: Ledger | None = None
        self._killed_at: datetime | None = None
        self._flattening_at: datetime | None = None
        self._halted_at = world.now()
        self._steps: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)
        self.asked = Answers()
        self._rooms = Rooms(world)
        self._sent = Sent(world)
        self.beside = BesideRules(world)
        self.lost_rooms: set[str] = set()
        self.split: set[str] = set()

    # -- what is told to the checkers --------------------------------------------------------------------------------

    def subject_of(self, text: str) -> tuple[str, str]:
        """Symbol and intent of a queued text; empty for what cannot be read."""
        known = self.subjects.get(text)
        if known is None:
            known = ("", "")
            with suppress(ContractError):
                message = self.read[text] = _decoded(text)
                if isinstance(message, Signal):
                    known = (message.symbol, intent_id_of(message.decision_id))
                else:
                    self._intent_sent(message)
                    known = (message.symbol, message.intent_id)
            self.subjects[text] = known
        return known

    def _intent_sent(self, intent: OrderIntent) -> None:
        before = self.intents.setdefault(intent.intent_id, intent)
        if before != intent:
            raise Violation("one intent per decision", f"{intent.intent_id} was sent with two contents")
        if intent.intent_id != intent_id_of(intent.decision_id) or intent.decision_id not in self.signals:
            raise Violation("one intent per decision", f"{intent.intent_id} follows from no signal's decision")
        self.guard.duties.sent(intent)

    def poisoned(self, text: str) -> None:
        """Note a message that failed too often."""
        self.poisoned_texts.add(text)

    def quarantined(self, text: str) -> None:
        """Note a message that could not be read."""
        self.quarantined_texts.add(text)

    def lost_decisions(self) -> set[str]:
        """Decisions whose signal poisoned: told to the person, who may send it back."""
        texts = self.poisoned_texts
        return {d for text in texts for d, signal in self.signals.items() if self.subjects[text][1] == intent_id_of(d)}

    def signal_of(self, intent_id: str) -> Signal:
        """The signal that an intent follows from."""
        return next(signal for d, signal in self.signals.items() if intent_id_of(d) == intent_id)

    def lost_intents(self) -> set[str]:
        """Intents whose signal or intent message poisoned."""
        return {self.subjects[text][1] for text in self.poisoned_texts}

    def ledger_lost(self) -> None:
        """Note that the ledger's row has vanished, and with it what was halted and counted."""
        rooms = () if self._ledger is None else self._ledger.reservations
        self.lost_rooms |= {*self.intents, *(each.intent_id for each in rooms)}
        self.equity.ledger_lost(self._ledger)
        self._ledger = None
        self._rooms.lost()
        self.beside.ledger_lost()

    def lifecycle_lost(self, intent_id: str, symbol: str) -> None:
        """Note that a lifecycle has vanished: supervise starts it again once it is silent for long."""
        self.guard.by_hand(symbol, LIFECYCLE_LOOKS)
        self.guard.excuse(symbol, self.world.now() + LATE + SILENT)
        self.guard.duties.gone.add(intent_id)

    def was_split(self, symbol: str, qty: Decimal, in_cash: Decimal) -> None:
        """Note what a split has made of a position; a share's rest was paid out."""
        self.split.add(symbol)
        self.positions[symbol] = qty
        self.cash += in_cash
        self.guard.was_split(symbol, qty)
        if not qty:
            self._all_sold(symbol)

    def supervised(self) -> None:
        """Note that supervise has run; one that a fault has hit may have seen nothing."""
        work = self.world.current
        if work is None or not work.is_hurt:
            self.guard.supervised()
        self.world.refusing.supervised()
        if work is not None and work.began_at is not None and not work.is_hurt:
            self.guard.duties.supervised(work.began_at)
            self.equity.supervised(work.began_at)

    def stepped_since(self, intent_id: str, at: datetime) -> bool:
        """Whether an order has taken a step, or has ended, since an instant."""
        instance = self.world.hub.instances.get(intent_id)
        is_running = instance is not None and instance.is_running
        return not is_running or any(step >= at for step, _ in self._steps[intent_id])

    def is_approved(self, intent_id: str) -> bool:
        """Whether a person has said yes to an order."""
        return self.asked.is_yes(intent_id)

    def is_flattening_since(self, began: datetime) -> bool:
        """Whether the kill switch has wanted a flat account since before an instant."""
        return self._flattening_at is not None and self._flattening_at < began

    def is_stopped_since(self, began: datetime) -> bool:
        """Whether the kill switch, or a halt, has stopped entries since before an instant."""
        ledger = self._ledger
        is_halted = ledger is not None and (ledger.is_day_halted or ledger.is_drawdown_halted)
        is_killed = self._killed_at is not None and self._killed_at < began
        return is_killed or (is_halted and self._halted_at < began)

    def begins(self, work: Work) -> None:
        """A work begins."""
        self.guard.accrue()
        self._rooms.begins()

    def ends(self, work: Work) -> None:
        """A work ended, with or without its effect."""
        self.guard.ended(work)
        self._rooms.ends(work)

    def step_begins(self, asked: StepCall) -> None:
        """An order's step begins."""
        now, intent_id = self.world.now(), asked.state.plan.intent_id
        times = self._steps[intent_id]
        times.append((now, asked.state.seq))
        while times[0][0] < now - STORM:
            times.popleft()
        # A step that the host runs twice is one; a look at a quote that asks for nothing is none, and counts each time.
        is_quiet = asked.step.command is Command.WATCH
        if (len(times) if is_quiet else len({seq for _, seq in times})) > STORM_STEPS:
            raise Violation("no storm", f"{intent_id} took {len(times)} steps in {STORM.seconds} s")

    def step_ends(self, asked: StepCall, after: OrderState) -> None:
        """An order's step is done."""
        if after.held < 0:
            raise Violation("never sells more than held", f"{after.plan.intent_id} holds {after.held}")
        self.world.refusing.step_ended(asked, after)
        self.world.hiding.step_ended(asked, after)
        if asked.step.command in {Command.SUBMIT_ENTRY, Command.CLOSE} and after.live_entry is not None:
            plan = after.plan
            self.guard.duties.entered(plan.intent_id, plan.symbol, after.live_entry.client_order_id)
        self._sent.answered(asked.state, after, self.world.current)
        self._rooms.step_ended(asked.state, after, self._ledger)

    def saw(self, call: str, detail: object) -> None:
        """Look at a call's effect."""
        if call == "submit":
            assert isinstance(detail, OrderRequest)
            self._before_submit(detail)
        elif call == "submitted":
            assert isinstance(detail, OrderRequest)
            if detail.side is Side.BUY:
                self._within_limits(detail)
        elif call.endswith(" ledger"):
            assert isinstance(detail, dict)
            self._ledger_written(detail)
        elif call.endswith("put controls"):
            assert isinstance(detail, dict)
            self._controlled(detail)
        elif call == "insert controls" and isinstance(detail, dict) and "answer" in detail:
            self.asked.claimed(detail)
        elif call == "quotes" and self.world.current is not None:
            assert isinstance(detail, dict)
            seen = {symbol: SeenQuote(quote=quote, at=self.world.now()) for symbol, quote in detail.items()}
            self.world.current.quotes.update(seen)
        elif call == "refused" and self.world.current is not None:
            assert isinstance(detail, tuple)
            self.world.current.refused = detail

    def _controlled(self, row: Row) -> None:
        """The kill switch was turned, on or off, or from on to on."""
        now = self.world.now()
        is_on, is_flattening = bool(row.get("is_on")), bool(row.get("is_flattening"))
        self._killed_at = (self._killed_at or now) if is_on else None
        self._flattening_at = (self._flattening_at or now) if is_on and is_flattening else None

    # -- submissions -------------------------------------------------------------------------------------------------

    def _before_submit(self, request: OrderRequest) -> None:
        intent_id = request.client_order_id.rsplit("-", 2)[0]
        if intent_id not in self.intents:
            raise Violation("orders have intents", f"{request.client_order_id} belongs to no intent that was sent")
        work = self.world.current
        began = work.began_at if work is not None and work.began_at is not None else self.world.now()
        self._native_in_session(request, began)
        if work is not None and request.client_order_id not in self.world.exchange.book.by_client_order_id:
            self._sent.check(self.intents[intent_id], request, work)
        if request.side is Side.SELL:
            if request.order_class is OrderClass.SIMPLE:
                self.exits_tried.add(intent_id)
            self._sells_what_is_free(request)
            return
        self.asked.check(self.intents[intent_id], request)
        ledger = self._ledger
        self._rooms.before_entry(request.client_order_id, began)
        if self._killed_at is not None and self._killed_at < began:
            raise Violation("no entry after kill", request.client_order_id)
        if ledger is not None and (ledger.is_day_halted or ledger.is_drawdown_halted) and self._halted_at < began:
            raise Violation("no entry after halt", request.client_order_id)
        self.equity.before_entry(request.client_order_id, began)
        self._in_session(request, began)
        if ledger is None or intent_id not in {r.intent_id for r in ledger.reservations}:
            raise Violation("entries are reserved", f"{request.client_order_id} has no room in the ledger")

    def _in_session(self, request: OrderRequest, began: datetime) -> None:
        day, session = self.world.day, session_at(began, self.world.day)
        edge = day.close_at if began < day.close_at else aft_close_at(day)
        late = edge - timedelta(minutes=self.world.settings.policy.no_entry_before_close_min)
        if session not in self.world.settings.policy.entry_sessions or began >= late:
            raise Violation("no entry outside its session", f"{request.client_order_id} at {began}")

    def _native_in_session(self, request: OrderRequest, began: datetime) -> None:
        """Brackets, pairs, stops and market orders are for the regular session, where they work at once."""
        is_limit = request.order_type is OrderType.LIMIT and request.order_class is OrderClass.SIMPLE
        day, now = self.world.day, self.world.now()
        if is_limit and request.extended_hours:
            return
        if any(session_at(at, day).is_regular for at in (began, now)):
            return
        raise Violation("no native orders outside the regular session", f"{request.client_order_id} at {now}")

    def _sells_what_is_free(self, request: OrderRequest) -> None:
        exchange = self.world.exchange
        if request.client_order_id in exchange.book.by_client_order_id:
            return  # the venue knows the id and refuses it
        held = exchange.account.held(request.symbol)
        reserved, _ = exchange.book.reserved_to_sell(request.symbol)
        # What a person sold by hand, or a broker that showed an old state, explains the difference until the next look;
        # so does a guard whose cancel hangs for so long that nobody waits for it: the broker refuses the exit then.
        hangs = any(order.id in self.world.broker.hanging for order in exchange.book.live[request.symbol])
        explained = hangs or request.symbol in self.hand_closed or self.guard.was_misled(request.symbol)
        if request.qty_shares > held - reserved and not explained:
            text = f"{request.client_order_id} asks for {request.qty_shares}, held {held}, being sold {reserved}"
            raise Violation("never sells more than held", text)

    def _within_limits(self, request: OrderRequest) -> None:
        """No limit is exceeded once the entry stands; the venue's own book is what counts."""
        world, risk = self.world, self.world.settings.risk
        exchange = world.exchange
        exposure: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for symbol, position in exchange.account.positions.items():
            exposure[symbol] += abs(position.qty) * exchange.mark(symbol)
        for orders in exchange.book.live.values():
            for order in orders:
                if order.side is Side.BUY and order.limit_price is not None and self._is_ours(order.client_order_id):
                    exposure[order.symbol] += order.remaining * order.limit_price
        equity = exchange.equity()
        found = {
            "positions": (Decimal(len(exposure)), Decimal(risk.max_positions)),
            "gross": (
                sum(exposure.values(), ZERO),
                equity * risk.gross_exposure_max_fraction * TOLERANCE,
            ),
            "symbol": (
                exposure[request.symbol],
                equity * risk.symbol_exposure_max_fraction * TOLERANCE,
            ),
            "group": (
                group_exposure(world, exposure, request.symbol),
                equity * risk.group_exposure_max_fraction * TOLERANCE,
            ),
            "trade risk": (self._risk(request), equity * risk.trade_risk_max_fraction * TOLERANCE),
        }
        for name, (value, limit) in found.items():
            if value > limit and not (name != "trade risk" and self._is_unreserved(exposure)):
                raise Violation(
                    "no limit exceeded at submission", f"{request.client_order_id}: {name} {value} > {limit}"
                )

    def _is_ours(self, client_order_id: str) -> bool:
        return client_order_id.rsplit("-", 2)[0] in self.intents

    def _risk(self, request: OrderRequest) -> Decimal:
        """Loss at the stop: the bracket's own, or that at which the lifecycle leaves where no bracket exists."""
        assert request.limit_price is not None
        intent = self.intents[request.client_order_id.rsplit("-", 2)[0]]
        if request.extended_hours:
            return (request.limit_price - intent.stop_price) * request.qty_shares
        if request.order_class is not OrderClass.BRACKET or request.stop_price is None:
            raise Violation("entries carry a stop", request.client_order_id)
        return (request.limit_price - request.stop_price) * request.qty_shares

    def _is_unreserved(self, exposure: dict[str, Decimal]) -> bool:
        """Whether something of it has lost its reservation: nobody counts it until reconciliation takes it again."""
        reserved = {room.intent_id for room in self._ledger.reservations} if self._ledger is not None else set()
        return any(self.intents[lost].symbol in exposure for lost in (self.lost_rooms & self.intents.keys()) - reserved)

    # -- ledger --------------------------------------------------------------------------------------------------------

    def _ledger_written(self, row: Row) -> None:
        text = row.get("ledger")
        if text is None:
            return  # a heartbeat
        after = self.world.ports.codec.decode(Ledger, str(text))
        before = self._ledger
        self._ledger = after
        self.beside.ledger_written(after)
        self.equity.ledger_written(before, after)
        known = {r.intent_id: r for r in before.reservations} if before is not None else {}
        added = [r for r in after.reservations if r.intent_id not in known]
        self.reserved_at |= {r.intent_id: self.world.now() for r in added}
        self._rooms.written(before, after, self.world.current)
        is_halted = after.is_day_halted or after.is_drawdown_halted
        if is_halted and not (before is not None and (before.is_day_halted or before.is_drawdown_halted)):
            self._halted_at = self.world.now()
        if not added:
            return
        risk = self.world.settings.risk
        symbols = [r.symbol for r in after.reservations]
        if len(set(symbols)) != len(symbols):
            raise Violation("one reservation per symbol", f"{sorted(symbols)}")
        if all(r.intent_id in self.lost_rooms for r in added):
            return  # taken again, not approved: others may have been approved in its place
        if len(symbols) > risk.max_positions:
            raise Violation("no limit exceeded at approval", f"{len(symbols)} reservations")
        limit = after.equity * risk.gross_exposure_max_fraction * TOLERANCE
        if after.reserved_notional > limit:
            raise Violation("no limit exceeded at approval", f"reserved {after.reserved_notional} > {limit}")

    # -- after every step ----------------------------------------------------------------------------------------------

    def after_step(self, work: Work | None) -> None:
        """Read what the venue has noted since, and hold it against the rules."""
        exchange = self.world.exchange
        log = exchange.log
        for entry in log[self._seen_log :]:
            self._entry(entry)
        if self._seen_log != len(log):
            self._seen_log = len(log)
            if self.cash != exchange.account.cash:
                raise Violation("cash is the sum of fills", f"{self.cash} against {exchange.account.cash}")
            held = {symbol: position.qty for symbol, position in exchange.account.positions.items()}
            if held != {symbol: qty for symbol, qty in self.positions.items() if qty}:
                raise Violation("positions are the sum of fills", f"{dict(self.positions)} against {held}")
        self.guard.accrue()
        self._rooms.settled()

    def changed_since(self, symbol: str, at: datetime) -> bool:
        """Whether an order of a symbol has changed at the venue since an instant, or was never seen there."""
        known = self.changed_at.get(symbol)
        unread = self.world.exchange.log[self._seen_log :]
        return known is None or known >= at or any(entry.symbol == symbol and entry.at >= at for entry in unread)

    def _entry(self, entry: LogEntry) -> None:
        self.world.trace.note(
            entry.at, "    venue:", entry.symbol, entry.event, entry.client_order_id[-12:], entry.filled_qty, "/",
            entry.qty, entry.fill_price or "", "holds", entry.position_after,
        )  # fmt: skip
        self.changed_at[entry.symbol] = entry.at
        self.guard.entry(entry)
        if entry.event is VenueEvent.PENDING_NEW and entry.side == Side.BUY:
            self._one_live_entry(entry)
        if entry.event is VenueEvent.ARMED and entry.stop_price is not None:
            self.world.stop_armed(entry.order_id)
        if entry.event in {VenueEvent.FILL, VenueEvent.PARTIAL_FILL}:
            self._fill(entry)
        if entry.position_after < 0:
            raise Violation("never sells more than held", f"{entry.symbol} stands at {entry.position_after}")

    def _one_live_entry(self, entry: LogEntry) -> None:
        if entry.client_order_id in self._sent_ids:
            raise Violation("one order per client order id", entry.client_order_id)
        self._sent_ids.add(entry.client_order_id)
        intent_id = entry.client_order_id.rsplit("-", 2)[0]
        live = [
            order.client_order_id
            for order in self.world.exchange.book.orders.values()
            if order.side is Side.BUY and order.client_order_id.startswith(intent_id) and order.is_open
        ]
        if len(live) > 1:
            raise Violation("one live entry per intent", f"{live}")

    def _fill(self, entry: LogEntry) -> None:
        sign = 1 if entry.side == Side.BUY else -1
        self.positions[entry.symbol] += sign * entry.fill_qty
        self.cash -= sign * entry.fill_qty * entry.fill_price + entry.fee
        if sign > 0:
            intent_id = entry.client_order_id.rsplit("-", 2)[0]
            self.bought[intent_id] += entry.fill_qty
            asked = self.intents[intent_id].qty_shares
            if self.bought[intent_id] > asked:
                raise Violation("one entry per intent", f"{intent_id} bought {self.bought[intent_id]} of {asked}")
        else:
            self.world.refusing.sold(entry.symbol)
            head = self.world.exchange.book.orders[entry.head_id]
            self.sold[head.client_order_id.rsplit("-", 2)[0]] += entry.fill_qty
            if entry.position_after == 0:
                self._all_sold(entry.symbol)

    def _all_sold(self, symbol: str) -> None:
        """Nothing is left of a symbol, whoever has sold it."""
        for intent in self.intents.values():
            if intent.symbol == symbol:
                self.sold[intent.intent_id] = self.bought[intent.intent_id]

    @property
    def ledger(self) -> Ledger | None:
        """The ledger as last written."""
        return self._ledger
