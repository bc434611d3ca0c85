"""One simulated account, market, storage and host: the loop that runs what is due, and the loop's own faults."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import cast

from shared.adapters.history import BlobHistory
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.core.market import TradingDay
from shared.core.portfolio import Account
from shared.core.sessions import Session
from shared.ports import Broker
from simulation.faults.checkers import Checkers, Violation
from simulation.faults.equity import last_close
from simulation.faults.faults import Crash, FaultyBlobs, FaultyBroker, FaultyMarket, FaultyTables, Injector
from simulation.faults.hiding import Hiding
from simulation.faults.hosts import Pair
from simulation.faults.keys import KeyedBroker, OtherAccount
from simulation.faults.lifecycles import withheld
from simulation.faults.market import BEFORE_OPEN, EARLY, SYMBOLS, SimMarket, SimTape
from simulation.faults.options import SimulationRun, faults_of
from simulation.faults.ports import SimModels, SimPorts, settings_of
from simulation.faults.queues import Queued, SimQueues
from simulation.faults.refusing import Refusing
from simulation.faults.sent import SeenQuote
from simulation.faults.splits import plan_splits
from simulation.faults.trace import Trace
from simulation.market.days import CALENDAR
from simulation.runtime.broker import SimBroker
from simulation.runtime.clock import SimClock
from simulation.runtime.codec import MemoCodec
from simulation.runtime.durable import Happened, HistoryEvent, Lifecycle, LightHub, NonDeterminism
from simulation.runtime.notifier import SimNotifier
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.orders import VenueStatus

CASH = Decimal(100_000)
FIRST_ON = (date(2025, 10, 15), date(2025, 10, 15), date(2025, 3, 10), date(2025, 11, 28), date(2025, 12, 24))
"""Ordinary days, the first after a change of the clocks, and half days."""


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """Something that a host runs: a message, an activity, a firing. `intent_id` is whose lifecycle it belongs to.

    `is_hurt` says that a fault has hit it, `is_heard` that the lifecycle took its answer; `faults` are those that hit
    it, `quotes` the last of each symbol that it got, `refused` the client order id that the broker refused it, and why.
    """

    label: str
    run: Callable[[], None]
    failed: Callable[[Exception], None]
    crashed: Callable[[], datetime | None]
    symbol: str = ""
    intent_id: str = ""
    began_at: datetime | None = None
    is_hurt: bool = False
    is_heard: bool = False
    faults: set[str] = field(default_factory=set)
    quotes: dict[str, SeenQuote] = field(default_factory=dict)
    refused: tuple[str, str] | None = None


class World:
    """Everything of one run.

    Parameters
    ----------
    run : SimulationRun
        Seed, days, faults.
    """

    def __init__(self, run: SimulationRun) -> None:
        self.run = run
        seeded = random.Random(f"plan:{run.seed}")
        self.faults = faults_of(run.seed, run.faults, swarm=run.swarm)
        self.rng = random.Random(f"calls:{run.seed}")
        self.loop_rng = random.Random(f"loop:{run.seed}")
        self.plan_rng = seeded
        self.trace = Trace(is_on=run.is_traced)
        first = CALENDAR.day(seeded.choice(FIRST_ON))
        assert first is not None
        self.days: list[TradingDay] = [first]
        is_carried = seeded.random() < self.faults.carry
        while len(self.days) < run.days + is_carried:
            self.days.append(CALENDAR.next_day(self.days[-1].on))
        self.day = first
        self.settings = settings_of(seeded, random.Random(f"settings:{run.seed}"))
        self.before_open = EARLY if Session.PRE in self.settings.policy.entry_sessions else BEFORE_OPEN
        self.carried = frozenset(SYMBOLS[:6]) if is_carried else frozenset()
        self.splits = plan_splits(run.seed, self.faults.split, self.carried)
        self.tape = SimTape(
            run.seed,
            self.days,
            self.faults,
            before_open=self.before_open,
            carried=self.carried,
            splits=self.splits,
        )
        config = VenueConfig(cash=CASH, margin_multiplier=seeded.choice((1, 2)))
        self.clock = SimClock(first.open_at - self.before_open)
        self.exchange = Exchange(self.tape, config, calendar=CALENDAR, start=self.clock.at)
        if (before := last_close(run.seed, self.faults.moved_before, CASH)) is not None:
            self.exchange.closing_equity.append((first.open_at - timedelta(days=1), before))
        self.broker = SimBroker(self.exchange)
        self.broker.withheld = withheld(run.seed, self.faults, CASH * config.margin_multiplier)
        self.tables, self.blobs = MemoryTables(), MemoryBlobs()
        self.is_calm = False
        self.broker_down = self.storage_down = False
        self.parts_down: set[str] = set()
        self.other: OtherAccount | None = None
        self.storage_up_at: datetime | None = None
        self.current: Work | None = None
        self._pair: Pair | None = None
        self._heap: list[tuple[datetime, int, Work | Callable[[], None]]] = []
        self._sequence = 0
        self.ports = self._make_ports()
        self.queues = SimQueues(self.faults, self.loop_rng, self.now, self._deliver_at)
        self.hub = LightHub(self.ports.codec, self.now, self._wake, self._set_timer, self._call_activity)
        self.checkers = Checkers(self)
        self.refusing, self.hiding = Refusing(self), Hiding(self)
        self.deliver: Callable[[Queued], Work | None] = lambda _message: None
        self.people: Callable[[datetime, str, object], None] = lambda *_: None
        self.activity: Callable[[Lifecycle, int, int, str], Work | None] = lambda *_: None

    def _make_ports(self) -> SimPorts:
        self._injector = injector = Injector(self)
        return SimPorts(
            settings=self.settings,
            clock=self.clock,
            calendar=CALENDAR,
            tables=FaultyTables(self.tables, injector),
            blobs=FaultyBlobs(self.blobs, injector),
            codec=MemoCodec(),
            history=BlobHistory(self.blobs),
            market=FaultyMarket(SimMarket(self.exchange.view, self.clock), injector),
            broker=cast(Broker, KeyedBroker(self, FaultyBroker(self.broker, injector))),
            models=SimModels(),
            notifier=SimNotifier(),
        )

    # -- what the injectors ask ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The simulated instant."""
        return self.clock.at

    def pause(self) -> None:
        """Let the other host run, perhaps."""
        if self._pair is not None:
            self._pair.pause()

    def elapse(self, seconds: float) -> None:
        """Let time pass within a call; the market follows when somebody looks at it."""
        self.clock.at += timedelta(microseconds=int(seconds * 1_000_000))

    def sync(self) -> None:
        """Let the market go on to the clock's now."""
        if self.exchange.now < self.clock.at:
            self.move_to(self.clock.at)

    def stall(self, seconds: float) -> None:
        """Let a time-out pass. A real host does other things meanwhile; that this one does not is nobody's fault."""
        self.checkers.guard.accrue()
        self.elapse(seconds)
        self.checkers.guard.skip()

    def move_to(self, at: datetime) -> None:
        """Move clock and market to an instant; cancels that hung are done on the way."""
        hanging = self.broker.hanging
        while hanging:
            order_id = min(hanging, key=lambda each: (hanging[each], each))
            if hanging[order_id] > at:
                break
            self.exchange.advance(max(self.exchange.now, hanging.pop(order_id)))
            self.broker.cancel(order_id)
        self.clock.at = at
        self.exchange.advance(at)

    def stop_armed(self, order_id: str) -> None:
        """Lose a stop leg as it is armed or later, perhaps: its target stays."""
        if self.is_calm or self.loop_rng.random() >= self.faults.leg_lost:
            return

        def lose() -> None:
            leg = self.exchange.book.orders[order_id]
            if leg.is_open and not leg.is_triggered and not leg.filled_qty:
                self.trace.note(self.clock.at, "  ! leg_lost", leg.symbol, order_id[-12:])
                self.checkers.guard.by_hand(leg.symbol)
                self.exchange.book.end(leg, VenueStatus.CANCELED, self.exchange.now)

        later = self.loop_rng.choice((0, 0, 300, 900)) * self.loop_rng.random()
        self.at(self.clock.at + timedelta(seconds=later), lose)

    def hurt(self, fault: str, where: str, seconds: float = 0.0) -> None:
        """Note a fault against what runs now."""
        work = self.current
        self.trace.note(self.clock.at, "  !", fault, where)
        if work is not None:
            work.is_hurt = True
            work.faults.add(fault)
            if work.symbol:
                self.checkers.guard.excuse(work.symbol, self.clock.at + timedelta(seconds=seconds))
                if fault in {"stale_view", "lookup_lag"}:
                    self.checkers.guard.misled(work.symbol)

    def storage_call[T](self, name: str, effect: Callable[[], T]) -> T:
        """Run a call of storage that no port makes: the host's own, of queues and of the task hub."""
        return self._injector.storage(name, effect)

    @property
    def is_paired(self) -> bool:
        """Whether two hosts run at once."""
        return self._pair is not None

    def shown(self, account: Account) -> Account:
        """What a look at the account is told."""
        return self.checkers.equity.shown(account)

    def saw(self, call: str, detail: object) -> None:
        """Let the checkers see a call's effect."""
        self.checkers.saw(call, detail)

    # -- the loop --------------------------------------------------------------------------------------------------

    def at(self, when: datetime, what: Work | Callable[[], None]) -> None:
        """Run something at an instant."""
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, what))

    def next_at(self) -> datetime | None:
        """When the next thing is due."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Run the next thing that is due, with another at once if two hosts take them."""
        when, _, what = heapq.heappop(self._heap)
        if self.storage_down and isinstance(what, Work) and self.storage_up_at is not None:
            self.at(self.storage_up_at + timedelta(seconds=self.loop_rng.random()), what)
            return
        if when > self.clock.at:
            self.move_to(when)
        self.sync()
        if not isinstance(what, Work):
            what()
            self.checkers.after_step(None)
            return
        other = self._taken_by_other_host(what)
        if other is None:
            self._run(what)
        else:
            self._run_both(what, other)
        self.sync()
        self.checkers.after_step(what)

    def _taken_by_other_host(self, first: Work) -> Work | None:
        if self.is_calm or not self._heap or self.loop_rng.random() >= self.faults.two_hosts:
            return None
        when, _, what = self._heap[0]
        if not isinstance(what, Work) or when > self.clock.at + timedelta(seconds=2):
            return None
        if first.label.startswith("episode") or what.label.startswith("episode"):
            return None  # one instance is owned by one host, and an episode makes no calls
        heapq.heappop(self._heap)
        return what

    def _run_both(self, first: Work, second: Work) -> None:
        works = (first, second)

        def switched(which: int) -> None:
            self.current = works[which]

        self._pair = Pair(self.loop_rng, (lambda: self._run(first), lambda: self._run(second)), switched)
        try:
            self._pair.run()
        finally:
            self._pair = None
            self.current = None

    def _run(self, work: Work) -> None:
        work.began_at, work.is_hurt, work.is_heard = self.clock.at, False, False
        work.faults, work.quotes, work.refused = set(), {}, None
        self.current = work
        self.trace.note(self.clock.at, work.label)
        self.checkers.begins(work)
        try:
            work.run()
        except Crash:
            back_at = work.crashed()
            if back_at is not None and work.symbol:
                self.checkers.guard.excuse(work.symbol, back_at + timedelta(seconds=5))
            if self.loop_rng.random() < 0.5:
                self.trace.note(self.clock.at, "  host restarts")
                self.hub.forget()
        except NonDeterminism as error:
            raise Violation("deterministic", str(error)) from error
        except Violation:
            raise
        except Exception as error:  # what becomes of it is the host's affair
            self.trace.note(self.clock.at, "  failed:", type(error).__name__, error)
            work.failed(error)
        self.checkers.ends(work)
        self.current = None

    # -- what hub and queues ask -------------------------------------------------------------------------------------

    def soon(self) -> datetime:
        """A moment from now."""
        return self.clock.at + timedelta(milliseconds=self.loop_rng.randrange(1, 60))

    def _deliver_at(self, when: datetime, message: Queued) -> None:
        def begin() -> None:
            work = self.deliver(message)
            if work is not None:
                self.at(self.clock.at, work)

        self.at(when, begin)

    def _wake(self, instance: Lifecycle) -> None:
        def run() -> None:
            self.hub.run(instance)

        def failed(error: Exception) -> None:
            raise Violation("orchestrates", f"{instance.instance_id}: {type(error).__name__}: {error}") from error

        label = f"episode {instance.instance_id[:6]} {instance.symbol}"
        self.at(self.soon(), Work(label=label, run=run, failed=failed, crashed=lambda: None))

    def _set_timer(self, instance: Lifecycle, execution: int, key: int, due: datetime) -> None:
        def fire() -> None:
            self.hub.complete(instance, execution, HistoryEvent(kind=Happened.TIMER_FIRED, key=key))

        self.at(max(due, self.clock.at), fire)

    def _call_activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        work = self.activity(instance, execution, key, text)
        if work is not None:
            self.at(self.soon(), work)
            if not self.is_calm and self.loop_rng.random() < self.faults.activity_twice:
                again = self.activity(instance, execution, key, text)
                if again is not None:
                    self.at(self.soon(), again)
