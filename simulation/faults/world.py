"""One simulated account, market, storage and host: the runtime's loop with the faults of hosts, and what it tells."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import cast

from shared.adapters.history import BlobHistory
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.messages import OrderIntent
from shared.contracts.records import Table
from shared.core.ledger import Ledger
from shared.core.market import Quote, TradingDay
from shared.core.orders import OrderRequest
from shared.core.sessions import Session
from shared.core.values import Symbol
from shared.ports import Broker, Row
from simulation.faults.committee import SimLanguage, committee_settings
from simulation.faults.drawn import last_close, plan_splits, withheld
from simulation.faults.faults import Crash, FaultyBlobs, FaultyBroker, FaultyMarket, FaultyTables, Injector, Spell
from simulation.faults.hosts import Pair
from simulation.faults.keys import KeyedBroker
from simulation.faults.market import BEFORE_OPEN, EARLY, SYMBOLS, SimMarket, SimTape
from simulation.faults.observer import WorldObserver
from simulation.faults.options import SimulationRun, faults_of
from simulation.faults.ports import SimModels, SimPorts, settings_of
from simulation.faults.queues import Queued, SimQueues
from simulation.faults.seen import SeenFacts
from simulation.faults.trace import Trace
from simulation.faults.violation import Violation
from simulation.faults.work import SeenQuote, Work
from simulation.market.days import CALENDAR
from simulation.runtime.broker import SimBroker
from simulation.runtime.clock import SimClock
from simulation.runtime.codec import MemoCodec
from simulation.runtime.durable import Lifecycle, NonDeterminism
from simulation.runtime.loop import Due, Loop, Rank
from simulation.runtime.notifier import SimNotifier
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.journal import VenueEvent
from simulation.venue.orders import VenueStatus

CASH = Decimal(100_000)
FIRST_ON = (date(2025, 10, 15), date(2025, 10, 15), date(2025, 3, 10), date(2025, 11, 28), date(2025, 12, 24))
"""Ordinary days, the first after a change of the clocks, and half days."""


class World(Loop):
    """Everything of one run.

    Parameters
    ----------
    run : SimulationRun
        Seed, days, faults.
    observe : callable, optional
        Makes who hears what happens; without it nobody does.

    Attributes
    ----------
    deliver, make_activity : callable
        Make the work that delivers a message and that runs an activity: those of the function app.
    people : callable
        Has a person do something at an instant, until it is done.
    other : object or None
        The account that the keys open while the wrong ones are in.
    hidden_until : datetime
        Until then the broker answers as if nothing were held.
    spell : Spell or None
        A rule of the broker's that refuses sales.
    """

    def __init__(
        self, run: SimulationRun, observe: Callable[[World], WorldObserver] = lambda _: WorldObserver()
    ) -> None:
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
        seated = partial(committee_settings, run.seed, self.faults.committee)
        self.settings = settings_of(seeded, random.Random(f"settings:{run.seed}"), seated)
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
        super().__init__(SimClock(first.open_at - self.before_open), MemoCodec())
        self.seen = SeenFacts(self.now())
        self.exchange = Exchange(self.tape, config, calendar=CALENDAR, start=self.clock.at)
        if (before := last_close(run.seed, self.faults.moved_before, CASH)) is not None:
            self.exchange.closing_equity.append((first.open_at - timedelta(days=1), before))
        self.broker = SimBroker(self.exchange)
        self.broker.withheld = withheld(run.seed, self.faults, CASH * config.margin_multiplier)
        self.tables, self.blobs = MemoryTables(), MemoryBlobs()
        self.is_calm = False
        self.broker_down = self.storage_down = False
        self.parts_down: set[str] = set()
        self.other: object | None = None
        self.hidden_until = self.now()
        self.spell: Spell | None = None
        self.storage_up_at: datetime | None = None
        self.current: Work | None = None
        self._pair: Pair | None = None
        self._noted = 0
        self.ports = self._make_ports()
        self.queues = SimQueues(self.faults, self.loop_rng, self.now, self._deliver_at)
        self.deliver: Callable[[Queued], Work | None] = lambda _message: None
        self.people: Callable[[datetime, str, object], None] = lambda *_: None
        self.make_activity: Callable[[Lifecycle, int, int, str], Work | None] = lambda *_: None
        self.observer = WorldObserver() if observe is None else observe(self)

    def _make_ports(self) -> SimPorts:
        self._injector = injector = Injector(self)
        return SimPorts(
            settings=self.settings,
            clock=self.clock,
            calendar=CALENDAR,
            tables=FaultyTables(self.tables, injector),
            blobs=FaultyBlobs(self.blobs, injector),
            codec=self.codec,
            history=BlobHistory(self.blobs),
            market=FaultyMarket(SimMarket(self.exchange.view, self.clock), injector),
            broker=cast(Broker, KeyedBroker(self, FaultyBroker(self.broker, injector))),
            models=SimModels(),
            notifier=SimNotifier(),
            language=SimLanguage(self),
        )

    # -- what the injectors ask ------------------------------------------------------------------------------------

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
        self.observer.stalled(self.now() + timedelta(seconds=seconds))
        self.elapse(seconds)

    def think(self, seconds: float) -> None:
        """Let a language model think: a real host does other things meanwhile, but for the work that waits for it."""
        is_gate = self.current is not None and self.current.is_gate
        (self.stall if is_gate else self.elapse)(seconds)

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
                self.observer.acted_by_hand(leg.symbol)
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
                self.observer.excused(work.symbol, self.clock.at + timedelta(seconds=seconds))
                if fault in {"stale_view", "lookup_lag"}:
                    self.observer.misled(work.symbol)

    def storage_call[T](self, name: str, effect: Callable[[], T]) -> T:
        """Run a call of storage that no port makes: the host's own, of queues and of the task hub."""
        return self._injector.storage(name, effect)

    @property
    def is_paired(self) -> bool:
        """Whether two hosts run at once."""
        return self._pair is not None

    @property
    def is_hiding(self) -> bool:
        """Whether the broker hides positions now."""
        return self.now() < self.hidden_until and not self.is_calm

    def was_hiding_since(self, at: datetime) -> bool:
        """Whether the broker has hidden positions at any time since an instant."""
        return self.hidden_until >= at

    def quoted(self, quotes: Mapping[Symbol, Quote]) -> None:
        """Note quotes that what runs now has got."""
        if self.current is not None:
            seen = {symbol: SeenQuote(quote=quote, at=self.now()) for symbol, quote in quotes.items()}
            self.current.quotes |= seen

    def answered_no(self, request: OrderRequest, words: str) -> None:
        """Note that what runs now has heard why an order was refused."""
        if self.current is not None:
            self.current.refused = (request.client_order_id, words)

    def wrote(self, how: str, table: str, row: Row) -> None:
        """Note a row that was written; `how` is the call."""
        if table == Table.LEDGER:
            text = row.get("ledger")
            if text is not None:  # otherwise a heartbeat
                before, after = self.seen.ledger, self.ports.codec.decode(Ledger, str(text))
                self.seen.ledger_written(after, self.now())
                self.observer.ledger_written(before, after)
        elif table == Table.DECISIONS:
            self.observer.decided(row)
        elif table == Table.CONTROLS and how == "put":
            self.seen.controlled(row, self.now())
        elif table == Table.CONTROLS and how == "insert" and "answer" in row:
            self.observer.answer_claimed(row)

    def subject_of(self, text: str) -> tuple[str, str]:
        """Symbol and intent of a queued text; empty for what cannot be read."""
        is_new = text not in self.seen.read
        subject = self.seen.subject_of(text)
        message = self.seen.read.get(text)
        if is_new and isinstance(message, OrderIntent):
            before = self.seen.intents.get(message.intent_id)
            self.seen.intents.setdefault(message.intent_id, message)
            self.observer.intent_sent(message, before)
        return subject

    def has_changed_since(self, symbol: str, at: datetime) -> bool:
        """Whether an order of a symbol has changed at the venue since an instant, or was never seen there."""
        known, unread = self.seen.changed_at.get(symbol), self.exchange.log[self._noted :]
        return known is None or known >= at or any(entry.symbol == symbol and entry.at >= at for entry in unread)

    # -- the loop --------------------------------------------------------------------------------------------------

    def at(self, when: datetime, what: Due, rank: int = Rank.DURABLE) -> None:
        """Have something run at an instant; where much is due at once, no rank orders it."""
        super().at(when, what)

    def step(self) -> None:
        """Run the next thing that is due, with another at once if two hosts take them."""
        when, what = self.take()
        if self.storage_down and isinstance(what, Work) and self.storage_up_at is not None:
            self.at(self.storage_up_at + timedelta(seconds=self.loop_rng.random()), what)
            return
        if when > self.clock.at:
            self.move_to(when)
        self.sync()
        if not isinstance(what, Work):
            what()
            self._after_step()
            return
        other = self._taken_by_other_host(what)
        if other is None:
            self._run(what)
        else:
            self._run_both(what, other)
        self.sync()
        self._after_step()

    def _after_step(self) -> None:
        """Read what the venue has noted since."""
        for entry in self.exchange.log[self._noted :]:
            parts = (entry.client_order_id[-12:], entry.filled_qty, "/", entry.qty, entry.fill_price or "")
            self.trace.note(entry.at, "    venue:", entry.symbol, entry.event, *parts, "holds", entry.position_after)
            self.seen.changed_at[entry.symbol] = entry.at
            self.observer.venue_noted(entry)
            if entry.event is VenueEvent.ARMED and entry.stop_price is not None:
                self.stop_armed(entry.order_id)
        self._noted = len(self.exchange.log)
        self.observer.after_step()

    def _taken_by_other_host(self, first: Work) -> Work | None:
        if self.is_calm or not self._heap or self.loop_rng.random() >= self.faults.two_hosts:
            return None
        when, _, _, what = self._heap[0]
        if not isinstance(what, Work) or when > self.clock.at + timedelta(seconds=2):
            return None
        if first.label.startswith("episode") or what.label.startswith("episode"):
            return None  # one instance is owned by one host, and an episode makes no calls
        self.take()
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
        work.begin(self.clock.at)
        self.current = work
        self.trace.note(self.clock.at, work.label)
        self.observer.begins(work)
        try:
            work.run()
        except Crash:
            back_at = work.crashed()
            if back_at is not None and work.symbol:
                self.observer.excused(work.symbol, back_at + timedelta(seconds=5))
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
        self.observer.ends(work)
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

    def episode(self, instance: Lifecycle) -> None:
        """Run an episode of an instance a moment from now."""

        def run() -> None:
            self.hub.run(instance)

        def failed(error: Exception) -> None:
            raise Violation("orchestrates", f"{instance.instance_id}: {type(error).__name__}: {error}") from error

        label = f"episode {instance.instance_id[:6]} {instance.symbol}"
        self.at(self.soon(), Work(label=label, run=run, failed=failed, crashed=lambda: None))

    def activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        """Run an activity a moment from now, perhaps twice."""
        work = self.make_activity(instance, execution, key, text)
        if work is not None:
            self.at(self.soon(), work)
            if not self.is_calm and self.loop_rng.random() < self.faults.activity_twice:
                again = self.make_activity(instance, execution, key, text)
                if again is not None:
                    self.at(self.soon(), again)
