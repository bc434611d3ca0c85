"""Rules that must hold after every step, checked against the venue's own book and log."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import Notice, OrderIntent, intent_id_of
from shared.core.approvals import Answer
from shared.core.ledger import Ledger
from shared.core.order_states import OrderState
from shared.core.order_steps import Command, StepCall
from shared.core.orders import OrderClass, OrderRequest, OrderType
from shared.core.portfolio import Account
from shared.core.sessions import aft_close_at, session_at
from shared.core.values import ZERO, Side
from shared.ports import Row
from shared.stages.account.reconcile import LATE, Wake
from shared.stages.account.supervise import Supervision
from simulation.faults.check_approvals import Answers, group_exposure
from simulation.faults.check_committee import CommitteeRules
from simulation.faults.check_equity import EquityRules
from simulation.faults.check_hand_trading import BesideRules
from simulation.faults.check_protection import Guard
from simulation.faults.check_refused import RefusalRules
from simulation.faults.check_reservations import ReservationRules
from simulation.faults.check_strategies import StrategyRules
from simulation.faults.check_submissions import SubmissionRules
from simulation.faults.observer import WorldObserver
from simulation.faults.seen import intent_of
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World
from simulation.venue.journal import LogEntry, VenueEvent

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


class Checkers(WorldObserver):
    """Every rule that can be checked while the run goes on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers = Answers()
        self.guard = Guard(world, self.answers)
        self._equity = EquityRules(world)
        self._reservations = ReservationRules(world)
        self._submissions = SubmissionRules(world)
        self._refusals = RefusalRules(world)
        self._beside = BesideRules(world)
        self._strategies = StrategyRules(world)
        self._committee = CommitteeRules(world)
        self._cash = world.exchange.account.cash
        self._positions: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._noted = False
        self._sent_ids: set[str] = set()
        self._steps: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)

    # -- works -----------------------------------------------------------------------------------------------------

    def begins(self, work: Work) -> None:
        """A work begins."""
        self.guard.accrue()
        self._reservations.begins()

    def ends(self, work: Work) -> None:
        """A work ended, with or without its effect."""
        self.guard.ended(work)
        self._reservations.ends(work)
        self._committee.ends(work)

    def supervision_decided(self, seen: Supervision) -> None:
        """Supervise has looked, and has told nobody yet."""
        self._beside.supervision_decided(seen)

    def supervised(self) -> None:
        """Supervise is done; one that a fault has hit may have seen nothing."""
        work = self.world.current
        if work is None or not work.is_hurt:
            self.guard.supervised()
        self._refusals.supervised()
        if work is not None and work.began_at is not None and not work.is_hurt:
            self.guard.duties.supervised(work.began_at)
            self._equity.supervised(work.began_at)
            self._strategies.supervised()

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
        self._refusals.step_ends(asked, after)
        self._written_off(asked.state, after)
        if asked.step.command in {Command.SUBMIT_ENTRY, Command.CLOSE} and after.live_entry is not None:
            plan = after.plan
            self.guard.duties.entered(plan.intent_id, plan.symbol, after.live_entry.client_order_id)
        self._submissions.answered(asked.state, after, self.world.current)
        self._reservations.step_ended(asked.state, after, self.world.seen.ledger)

    def _written_off(self, before: OrderState, after: OrderState) -> None:
        """No shares are written off that the account holds."""
        gone = after.written_off - before.written_off
        held = self.world.exchange.account.held(after.plan.symbol)
        if gone > 0 and held > before.held - gone:
            text = f"{after.plan.intent_id} wrote off {gone} of {before.held}, the account holds {held}"
            raise Violation("nothing is written off that is there", text)

    # -- messages, people and lifecycles -----------------------------------------------------------------------------

    def intent_sent(self, intent: OrderIntent, before: OrderIntent | None) -> None:
        """An intent was sent."""
        if before is not None and before != intent:
            raise Violation("one intent per decision", f"{intent.intent_id} was sent with two contents")
        if intent.intent_id != intent_id_of(intent.decision_id) or intent.decision_id not in self.world.seen.signals:
            raise Violation("one intent per decision", f"{intent.intent_id} follows from no signal's decision")
        self.guard.duties.sent(intent)

    def notified(self, notice: Notice) -> None:
        """A notice that concerns an approval went out."""
        self.answers.notified(notice)

    def asked(self, intent: OrderIntent) -> None:
        """A person is asked about an order."""
        self.guard.duties.asked(intent)

    def found_late(self, intent: OrderIntent) -> None:
        """An order was found waiting after its deadline."""
        self.answers.found_late(intent)

    def accepted(self, intent: OrderIntent, answer: Answer) -> None:
        """A person was told that their answer counts."""
        self.answers.accepted(intent, answer)

    def answer_claimed(self, row: Row) -> None:
        """The row that makes an answer count was written."""
        self.answers.claimed(row)

    def consulted(self, record: str, *, is_on_time: bool) -> None:
        """A language model was asked."""
        self._committee.consulted(record, is_on_time=is_on_time)

    def decided(self, row: Row) -> None:
        """The row of a decision was written."""
        self._committee.decided(row)

    def resumed(self, names: Iterable[str]) -> None:
        """A person has resumed on what the ledger names as unexplained."""
        self._beside.resumed(names)

    def woken(self, wake: Wake, work: Work | None) -> None:
        """A lifecycle is told."""
        self.guard.duties.woken(wake, work)

    def restarted(self, state: OrderState) -> None:
        """A lifecycle that was gone is started again."""
        self.guard.duties.restarted(state)

    # -- faults --------------------------------------------------------------------------------------------------------

    def excused(self, symbol: str, until: datetime) -> None:
        """Nobody can do anything about a symbol until then."""
        self.guard.excused(symbol, until)

    def misled(self, symbol: str) -> None:
        """A look at a symbol's orders did not tell the truth."""
        self.guard.misled(symbol)

    def acted_by_hand(self, symbol: str, looks: int = 1) -> None:
        """What nobody can know before supervise has looked so many times."""
        self.guard.acted_by_hand(symbol, looks)

    def outage(self, change: int) -> None:
        """An outage begins or ends."""
        self.guard.outage(change)

    def stalled(self, until: datetime) -> None:
        """The simulated host waits for a time-out."""
        self.guard.stalled(until)

    def account_looked_at(self, account: Account, *, is_wrong: bool) -> None:
        """Somebody looks at the account."""
        self._equity.account_looked_at(account, is_wrong=is_wrong)

    def ledger_lost(self, ledger: Ledger | None) -> None:
        """The ledger's row has vanished, and with it what was halted and counted."""
        self._equity.ledger_lost(ledger)
        self._reservations.lost()
        self._beside.ledger_lost()

    def lifecycle_lost(self, intent_id: str, symbol: str) -> None:
        """A lifecycle has vanished: supervise starts it again once it is silent for long."""
        self.guard.acted_by_hand(symbol, LIFECYCLE_LOOKS)
        self.guard.excused(symbol, self.world.now() + LATE + SILENT)
        self.guard.duties.gone.add(intent_id)

    def was_split(self, symbol: str, qty: Decimal, in_cash: Decimal) -> None:
        """A split has changed a position; a share's rest was paid out."""
        self._positions[symbol] = qty
        self._cash += in_cash
        self.guard.was_split(symbol, qty)
        if not qty:
            self.world.seen.all_sold(symbol)

    # -- submissions -------------------------------------------------------------------------------------------------

    def submits(self, request: OrderRequest) -> None:
        """An order reaches the broker."""
        seen, intent_id = self.world.seen, intent_of(request)
        if intent_id not in seen.intents:
            raise Violation("orders have intents", f"{request.client_order_id} belongs to no intent that was sent")
        work = self.world.current
        began = work.began_at if work is not None and work.began_at is not None else self.world.now()
        self._native_in_session(request, began)
        if work is not None and request.client_order_id not in self.world.exchange.book.by_client_order_id:
            self._submissions.check(seen.intents[intent_id], request, work)
        if request.side is Side.SELL:
            self._refusals.submits(request)
            if request.order_class is OrderClass.SIMPLE:
                seen.exits_tried.add(intent_id)
            self._sells_what_is_free(request)
            return
        self.answers.check(seen.intents[intent_id], request)
        self._reservations.before_entry(request.client_order_id, began)
        if seen.is_killed_since(began):
            raise Violation("no entry after kill", request.client_order_id)
        if seen.is_halted_since(began):
            raise Violation("no entry after halt", request.client_order_id)
        self._equity.before_entry(request.client_order_id, began)
        self._strategies.before_entry(request, began)
        self._in_session(request, began)
        if seen.ledger is None or intent_id not in {r.intent_id for r in seen.ledger.reservations}:
            raise Violation("entries are reserved", f"{request.client_order_id} has no reservation in the ledger")

    def refused(self, request: OrderRequest, words: str) -> None:
        """The broker refuses an order."""
        self._refusals.refused(request, words)

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
        explained = hangs or request.symbol in self.world.seen.hand_closed or self.guard.was_misled(request.symbol)
        if request.qty > held - reserved and not explained:
            text = f"{request.client_order_id} asks for {request.qty}, held {held}, being sold {reserved}"
            raise Violation("never sells more than held", text)

    def submitted(self, request: OrderRequest) -> None:
        """No limit is exceeded once an entry stands; the venue's own book is what counts."""
        if request.side is not Side.BUY:
            return
        self._strategies.submitted(request)
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
        return client_order_id.rsplit("-", 2)[0] in self.world.seen.intents

    def _risk(self, request: OrderRequest) -> Decimal:
        """Loss at the stop: the bracket's own, or that at which the lifecycle leaves where no bracket exists."""
        assert request.limit_price is not None
        intent = self.world.seen.intents[intent_of(request)]
        if request.extended_hours:
            return (request.limit_price - intent.stop_price) * request.qty
        if request.order_class is not OrderClass.BRACKET or request.stop_price is None:
            raise Violation("entries carry a stop", request.client_order_id)
        return (request.limit_price - request.stop_price) * request.qty

    def _is_unreserved(self, exposure: dict[str, Decimal]) -> bool:
        """Whether something of it has lost its reservation: nobody counts it until reconciliation takes it again."""
        seen = self.world.seen
        reserved = (
            {reservation.intent_id for reservation in seen.ledger.reservations} if seen.ledger is not None else set()
        )
        lost = (seen.lost_reservations & seen.intents.keys()) - reserved
        return any(seen.intents[intent_id].symbol in exposure for intent_id in lost)

    # -- ledger --------------------------------------------------------------------------------------------------------

    def ledger_written(self, before: Ledger | None, after: Ledger) -> None:
        """The ledger was written."""
        self._beside.ledger_written(after)
        self._equity.ledger_written(before, after)
        known = {r.intent_id for r in before.reservations} if before is not None else set()
        added = [r for r in after.reservations if r.intent_id not in known]
        self._reservations.written(before, after, self.world.current)
        self._strategies.written(before, after)
        if not added:
            return
        risk = self.world.settings.risk
        symbols = [r.symbol for r in after.reservations]
        if len(set(symbols)) != len(symbols):
            raise Violation("one reservation per symbol", f"{sorted(symbols)}")
        if all(r.intent_id in self.world.seen.lost_reservations for r in added):
            return  # taken again, not approved: others may have been approved in its place
        if len(symbols) > risk.max_positions:
            raise Violation("no limit exceeded at approval", f"{len(symbols)} reservations")
        limit = after.equity * risk.gross_exposure_max_fraction * TOLERANCE
        if after.reserved_notional > limit:
            raise Violation("no limit exceeded at approval", f"reserved {after.reserved_notional} > {limit}")

    # -- the venue's log -----------------------------------------------------------------------------------------------

    def venue_noted(self, entry: LogEntry) -> None:
        """The venue has noted something in its log."""
        self._noted = True
        self.guard.entry(entry)
        if entry.event is VenueEvent.PENDING_NEW and entry.side == Side.BUY:
            self._one_live_entry(entry)
        if entry.event in {VenueEvent.FILL, VenueEvent.PARTIAL_FILL}:
            self._fill(entry)
        if entry.position_after < 0:
            raise Violation("never sells more than held", f"{entry.symbol} stands at {entry.position_after}")

    def after_step(self) -> None:
        """Hold what the venue has noted against its books."""
        if self._noted:
            self._noted, account = False, self.world.exchange.account
            if self._cash != account.cash:
                raise Violation("cash is the sum of fills", f"{self._cash} against {account.cash}")
            held = {symbol: position.qty for symbol, position in account.positions.items()}
            if held != {symbol: qty for symbol, qty in self._positions.items() if qty}:
                raise Violation("positions are the sum of fills", f"{dict(self._positions)} against {held}")
        self.guard.accrue()
        self._reservations.settled()

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
        seen, sign = self.world.seen, 1 if entry.side == Side.BUY else -1
        self._positions[entry.symbol] += sign * entry.fill_qty
        self._cash -= sign * entry.fill_qty * entry.fill_price + entry.fee
        if sign > 0:
            intent_id = entry.client_order_id.rsplit("-", 2)[0]
            seen.bought[intent_id] += entry.fill_qty
            self._strategies.filled(entry, intent_id)
            asked = seen.intents[intent_id].qty
            if seen.bought[intent_id] > asked:
                raise Violation("one entry per intent", f"{intent_id} bought {seen.bought[intent_id]} of {asked}")
        else:
            self._refusals.sold(entry.symbol)
            head = self.world.exchange.book.orders[entry.head_id]
            intent_id = head.client_order_id.rsplit("-", 2)[0]
            seen.sold[intent_id] += entry.fill_qty
            if intent_id in seen.intents:
                self._strategies.filled(entry, intent_id)
            if entry.position_after == 0:
                seen.all_sold(entry.symbol)
