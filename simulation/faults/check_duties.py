"""What is due is done in time: time limits, flatten, kill, entries that nobody wants, patience, a person's deadline.

A duty begins at an instant and must be done within so much time; time that something known stands in the way does not
count, by the rules of `simulation.faults.check_protection`. What supervise has to tell is due from the first of its
firings that no fault has hit: told once only, it would be lost with the one firing that was missed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.messages import OrderIntent
from shared.core.ledger import Reservation
from shared.core.order_states import OrderState, Phase
from shared.core.order_steps import LOOK_AGAIN
from shared.core.schedule import Job, plan
from shared.core.values import Side
from shared.stages.account.reconcile import LATE, Wake
from simulation.faults.check_approvals import Answers
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World

LEFT_WITHIN = timedelta(seconds=90)
"""From a reason to leave to an exit: a look, a cancel of the guards and perhaps a second one, a submission."""
CANCELLED_WITHIN = timedelta(seconds=15)
"""From the end of its patience to the cancel of an entry that works, beside the pause between two looks: that of a step
which another run has recorded as unanswered comes on top."""
STOPPED_WITHIN = timedelta(seconds=4)
"""From a word that nothing is to be entered to the cancel of an entry that works, beside that pause."""
ENDED_WITHIN = timedelta(seconds=60)
"""From a deadline that a person let pass to the end of the order."""
GONE = timedelta(minutes=10)
"""So much longer where a lifecycle was lost: supervise starts it again once it is silent for long."""


@dataclass(slots=True, kw_only=True, eq=False)
class Duty:
    """Something that must be done within `allowed` of time that counts; `is_longer` if its lifecycle was lost."""

    rule: str
    intent_id: str
    symbol: str
    due_at: datetime
    allowed: timedelta
    is_done: Callable[[], bool]
    client_order_id: str = ""
    is_longer: bool = True
    counted: timedelta = timedelta(0)

    @property
    def key(self) -> tuple[str, str]:
        """The rule, and what it is about."""
        return self.rule, self.client_order_id or self.intent_id


class Duties:
    """Everything that is due, now or later."""

    def __init__(self, world: World, answers: Answers) -> None:
        self._world = world
        self._answers = answers
        self._later: list[tuple[datetime, int, Duty]] = []
        self._now: dict[tuple[str, str], Duty] = {}
        self._added = 0
        self._known: set[str] = set()
        self._told_to_stop: set[str] = set()
        self.gone: set[str] = set()

    @property
    def next_at(self) -> datetime | None:
        """When something is due next: at once, later, or never."""
        if self._now:
            return datetime.min.replace(tzinfo=self._world.now().tzinfo)
        return self._later[0][0] if self._later else None

    def _add(self, duty: Duty) -> None:
        if duty.key in self._now:
            return
        self._added += 1
        heapq.heappush(self._later, (duty.due_at, self._added, duty))

    def count(self, last: datetime, now: datetime, counted: Callable[[str, datetime, datetime], timedelta]) -> None:
        """Count the time from `last` to `now` against what is due."""
        while self._later and self._later[0][0] <= now:
            duty = heapq.heappop(self._later)[2]
            self._now.setdefault(duty.key, duty)
        for key, duty in list(self._now.items()):
            if duty.is_done():
                del self._now[key]
                continue
            duty.counted += counted(duty.symbol, max(last, duty.due_at), now)
            allowed = duty.allowed + (GONE if duty.is_longer and duty.intent_id in self.gone else timedelta(0))
            if duty.counted > allowed:
                text = f"{duty.intent_id} of {duty.symbol}, due at {duty.due_at:%H:%M:%S}"
                raise Violation(duty.rule, f"{text}, not done after {duty.counted.total_seconds():.0f} s")

    # -- what is due ---------------------------------------------------------------------------------------------------

    def sent(self, intent: OrderIntent) -> None:
        """An intent was sent: its time limit is known."""
        self._leave("positions are left at their time limit", intent.intent_id, intent.symbol, intent.exit_by)

    def asked(self, intent: OrderIntent) -> None:
        """A person was asked: without an answer the order ends at its deadline."""
        assert intent.approve_by is not None
        intent_id = intent.intent_id
        self._add(
            Duty(
                rule="an order that nobody approves ends at its deadline",
                intent_id=intent_id,
                symbol=intent.symbol,
                due_at=max(intent.approve_by, self._world.now()),
                allowed=ENDED_WITHIN,
                is_done=lambda: self._is_answered(intent_id),
            )
        )

    def entered(self, intent_id: str, symbol: str, client_order_id: str) -> None:
        """A lifecycle knows that its entry stands at the venue: it may work for its patience, or not at all."""
        policy = self._world.settings.policy
        self._known.add(client_order_id)
        if intent_id in self._told_to_stop:
            self._stop("entries that work are cancelled under a halt", intent_id, symbol, self._world.now())
        due_at = self._world.now() + timedelta(seconds=policy.entry_patience_s)
        self._stop("an entry works for its patience only", intent_id, symbol, due_at, client_order_id)

    def restarted(self, state: OrderState) -> None:
        """A lifecycle that was gone was started again: one whose order was guarded looks before it sleeps."""
        if state.phase is not Phase.PROTECTED:
            return
        intent_id, now = state.plan.intent_id, self._world.now()
        done = lambda: self._has_stepped_since(intent_id, now)  # noqa: E731
        self._add(
            Duty(
                rule="a lifecycle that is started again looks before it sleeps",
                intent_id=intent_id,
                symbol=state.plan.symbol,
                due_at=now,
                allowed=CANCELLED_WITHIN + state.plan.poll,
                is_longer=False,
                is_done=done,
            )
        )

    def supervised(self, began: datetime) -> None:
        """Supervise has told every order what it must do, and no fault has hit it. What came after it began waits."""
        seen, now = self._world.seen, self._world.now()
        ledger = seen.ledger
        reservations = () if ledger is None else ledger.reservations
        for reservation in reservations:
            if seen.reserved_at[reservation.intent_id] >= began:
                continue
            if seen.is_flattening_since(began):
                self._leave("a kill that flattens sells what is held", reservation.intent_id, reservation.symbol, now)
            elif self._is_late(reservation, began):
                self._leave("positions are left before the close", reservation.intent_id, reservation.symbol, now)
            elif seen.is_stopped_since(began) or seen.is_strategy_stopped_since(reservation.strategy, began):
                if reservation.intent_id in self._world.hub.instances:  # an intent on its way hears nothing yet
                    self._told_to_stop.add(reservation.intent_id)
                self._stop(
                    "entries that work are cancelled under a halt", reservation.intent_id, reservation.symbol, now
                )

    def _is_late(self, reservation: Reservation, began: datetime) -> bool:
        sessions = frozenset(self._world.settings.policy.entry_sessions)
        slots = plan(self._world.day, frozenset({Job.FLATTEN}), sessions)
        return any(began >= slot.due_at and reservation.reserved_at < slot.until for slot in slots)

    def _leave(self, rule: str, intent_id: str, symbol: str, at: datetime) -> None:
        done = lambda: self._is_leaving(intent_id, symbol)  # noqa: E731
        duty = Duty(rule=rule, intent_id=intent_id, symbol=symbol, due_at=at, allowed=LEFT_WITHIN, is_done=done)
        self._add(duty)

    def _stop(self, rule: str, intent_id: str, symbol: str, at: datetime, client_order_id: str = "") -> None:
        within = CANCELLED_WITHIN if client_order_id else STOPPED_WITHIN
        allowed = within + timedelta(seconds=self._world.settings.policy.entry_poll_s)
        done = lambda: not self._is_buying(client_order_id or intent_id, symbol)  # noqa: E731
        self._add(
            Duty(
                rule=rule,
                intent_id=intent_id,
                client_order_id=client_order_id,
                symbol=symbol,
                due_at=at,
                allowed=allowed,
                is_done=done,
            )
        )

    # -- whether it is done ------------------------------------------------------------------------------------------

    def _is_leaving(self, intent_id: str, symbol: str) -> bool:
        """Nothing of it is held, or an exit of its own was sent: one that the broker refuses is tried again."""
        seen, exchange = self._world.seen, self._world.exchange
        if seen.bought[intent_id] <= seen.sold[intent_id] or exchange.account.held(symbol) <= 0:
            return True
        return intent_id in seen.exits_tried

    def _is_buying(self, prefix: str, symbol: str) -> bool:
        """An entry whose id begins so works, its lifecycle knows it, and nobody has asked for its cancel."""
        hanging = self._world.broker.hanging
        return any(
            order.client_order_id in self._known
            and order.client_order_id.startswith(prefix)
            and order.id not in hanging
            for order in self._world.exchange.book.live[symbol]
        )

    def _has_stepped_since(self, intent_id: str, at: datetime) -> bool:
        """Whether an order has taken a step, or has ended, since an instant."""
        instance, stepped_at = self._world.hub.instances.get(intent_id), self._world.seen.stepped_at.get(intent_id)
        return instance is None or not instance.is_running or (stepped_at is not None and stepped_at >= at)

    def _is_answered(self, intent_id: str) -> bool:
        ledger = self._world.seen.ledger
        is_open = ledger is not None and any(r.intent_id == intent_id for r in ledger.reservations)
        return not is_open or self._answers.is_yes(intent_id)

    # -- who is woken ------------------------------------------------------------------------------------------

    def woken(self, wake: Wake, work: Work | None) -> None:
        """Supervise wakes a lifecycle to look: an order that is guarded and in its time has nothing to see."""
        seen, world = self._world.seen, self._world
        intent = seen.intents.get(wake.intent_id)
        if wake.event != LOOK_AGAIN or intent is None or work is None or work.is_hurt or work.began_at is None:
            return
        if world.parts_down or world.was_hiding_since(work.began_at) or world.other is not None:
            return  # supervise sees one half of the account, and asks who could know
        if world.now() > intent.exit_by + LATE or world.has_changed_since(wake.symbol, work.began_at):
            return
        if wake.intent_id not in seen.lost_reservations and self._is_guarded(wake.intent_id, wake.symbol):
            raise Violation("who is guarded is let sleep", f"{wake.intent_id} of {wake.symbol}")

    def _is_guarded(self, intent_id: str, symbol: str) -> bool:
        exchange = self._world.exchange
        stops = [
            o for o in exchange.book.live[symbol] if o.side is Side.SELL and o.stop_price is not None and o.is_open
        ]
        is_stopped = any(stop.head.client_order_id.startswith(intent_id) for stop in stops)
        return exchange.account.held(symbol) > 0 and is_stopped
