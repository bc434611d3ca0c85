"""The plan of a run: signals, supervision, people, outages; and the loop from the first open to the last quiet."""

from __future__ import annotations

import base64
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.adapters.codec import encode_message
from shared.contracts.records import Queue, Table
from shared.core.errors import GatehouseError
from shared.core.market import TradingDay
from shared.core.order_states import Phase
from shared.core.sessions import Session, aft_close_at
from shared.core.values import Side
from shared.stages.base.requests import Call
from shared.stages.operator.controls import halt_strategy, kill, resume, resume_strategy
from simulation.faults.check_end_of_day import check_end, table_digest
from simulation.faults.checkers import Checkers
from simulation.faults.functions import Functions
from simulation.faults.hand_trading import plan_beside
from simulation.faults.lifecycles import plan_lost_lifecycles
from simulation.faults.losses import plan_losses
from simulation.faults.options import SimulationRun
from simulation.faults.outages import (
    plan_broker_outage,
    plan_hiding,
    plan_keys,
    plan_outages,
    set_broker,
    set_keys,
    set_storage,
)
from simulation.faults.refusing import plan_refusals
from simulation.faults.signals import GARBAGE, Planned, plan_signals
from simulation.faults.slices import keep_slice
from simulation.faults.splits import split_what_is_held
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World

CALM_AFTER_CLOSE = timedelta(minutes=5)
CALM_IN_THE_EVENING = timedelta(hours=3)
"""From here on faults cease, so that everything comes to its end and the books can be compared; the later one counts
where entries after the close are enabled."""
MINUTE = timedelta(minutes=1)
LATE_IN_MINUTE = 35
"""Second of a minute from which what is sent may still work at the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOutcome:
    """What a run came to. `rule` and `text` say which rule was broken, and how; both are empty for none.

    `cpu_s` is the time that it took of one core.
    """

    run: SimulationRun
    rule: str = ""
    text: str = ""
    at: datetime | None = None
    minute: int = 0
    digest: str = ""
    days: int = 0
    orders: int = 0
    fills: int = 0
    stuck: int = 0
    steps: int = 0
    cpu_s: float = 0.0
    trace: tuple[str, ...] = ()

    @property
    def is_violation(self) -> bool:
        """Whether a rule was broken."""
        return bool(self.rule)


def simulate(run: SimulationRun) -> SimulationOutcome:
    """Run a seed."""
    from simulation.faults.mutants import mutant  # noqa: PLC0415 - it patches what the stages import

    with mutant(run.mutant), _quiet():
        return _Days(run).outcome()


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the app log nothing: what a fault does is in the trace."""
    logger = logging.getLogger("gatehouse")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _call(route: str, values: Mapping[str, str | bool]) -> Call:
    return Call(route=route, by="person", reason="drill", caller="simulation", values=values)


class _Days:
    def __init__(self, run: SimulationRun) -> None:
        self.world = world = World(run, self._watched)
        self.functions = Functions(world, self._person)
        world.people = self._person
        self.stuck = 0
        self.done_days = 0

    def _watched(self, world: World) -> Checkers:
        self._checkers = Checkers(world)
        return self._checkers

    def outcome(self) -> SimulationOutcome:
        """Run every day; a broken rule ends the run."""
        world = self.world
        rule = text = ""
        try:
            for day in world.days:
                self._day(day)
                self.done_days += 1
                if world.run.minutes is not None:
                    break
        except Violation as violation:
            rule, text = violation.rule, violation.text
            world.trace.note(world.now(), "VIOLATION", rule, text)
        return SimulationOutcome(
            run=world.run,
            rule=rule,
            text=text,
            at=world.now() if rule else None,
            minute=int((world.now() - world.day.open_at + world.before_open) / MINUTE),
            digest=f"{world.trace.digest()}{table_digest(world)}",
            days=self.done_days,
            orders=len(world.exchange.book.orders),
            fills=len(world.exchange.account.fills),
            stuck=self.stuck,
            steps=world.trace.count,
            trace=tuple(world.trace.lines),
        )

    def _day(self, day: TradingDay) -> None:
        world = self.world
        world.day, world.is_calm, world.queues.is_calm = day, False, False
        starts_at = day.open_at - world.before_open
        if starts_at > world.now():
            world.move_to(starts_at)
        if len(world.days) > 1 and day is world.days[1]:
            split_what_is_held(world)
        sessions = world.settings.policy.entry_sessions
        is_first = day is world.days[0]
        signals = plan_signals(
            world.plan_rng, world.tape, day, world.settings, is_carried=bool(world.carried) and is_first
        )
        for planned in signals:
            world.at(planned.at, lambda planned=planned: self._send(planned))  # type: ignore[misc]
        self._plan_people(day, [planned.at for planned in signals])
        plan_outages(world, day)
        busy = [planned.at for planned in signals]
        self._plan_while_entering(day, busy)
        self._plan_strategy_halts(day, busy)
        plan_keys(world, day, busy)
        plan_losses(world, day, busy)
        plan_lost_lifecycles(world, day, busy)
        plan_beside(world, day, busy)
        plan_refusals(world, day, busy)
        plan_hiding(world, day, busy)
        calm_after = CALM_IN_THE_EVENING if Session.AFT in sessions else CALM_AFTER_CLOSE
        world.at(day.close_at + calm_after, self._calm_down)
        self._supervise_from(starts_at + MINUTE, day)
        ends_at = aft_close_at(day)
        stop_at = ends_at if world.run.minutes is None else starts_at + world.run.minutes * MINUTE
        while (due := world.next_at()) is not None and due < stop_at:
            world.step()
            if world.is_calm and self._is_quiet():
                break
        if stop_at == ends_at:
            self.stuck += check_end(world, self._checkers.answers, is_last=day is world.days[-1])

    # -- what comes from outside -------------------------------------------------------------------------------------

    def _send(self, planned: Planned) -> None:
        world = self.world
        signal = replace(planned.signal, reference_price=world.exchange.mark(planned.signal.symbol))
        world.seen.signals[signal.decision_id] = signal
        keep_slice(world, signal)
        world.trace.note(world.now(), "signal", planned.signal.symbol, planned.signal.decision_id[:6])
        world.queues.send(Queue.SIGNALS, encode_message(signal))
        if world.plan_rng.random() < world.faults.garbage:
            text = world.plan_rng.choice(GARBAGE)
            if world.plan_rng.random() < 0.5:
                text = base64.b64encode(text.encode()).decode()
            world.queues.send(world.plan_rng.choice((Queue.SIGNALS, Queue.ORDER_INTENTS)), text)

    def _supervise_from(self, when: datetime, day: TradingDay) -> None:
        """One firing a minute, late, missed or doubled; idle minutes are passed over: nothing could come of them."""
        world, rng, faults = self.world, self.world.loop_rng, self.world.faults

        def fire() -> None:
            is_idle = self._is_idle()
            following = self._woken_after(when) if is_idle else when + MINUTE
            if following < aft_close_at(day):
                self._supervise_from(following, day)
            if is_idle:
                return
            draw = rng.random()
            if world.is_calm or draw >= faults.timer_late + faults.timer_missed + faults.timer_doubled:
                world.at(world.now(), self.functions.supervision())
            elif draw < faults.timer_late:
                world.at(world.now() + timedelta(seconds=50 * rng.random()), self.functions.supervision())
            elif draw < faults.timer_late + faults.timer_doubled:
                world.at(world.now(), self.functions.supervision())
                world.at(world.now(), self.functions.supervision())
            if not world.is_calm and rng.random() < faults.restart:
                world.trace.note(world.now(), "host restarts")
                world.hub.forget()

        world.at(when, fire)

    def _woken_after(self, when: datetime) -> datetime:
        """The next firing at which something can have happened; without a live order only events change anything."""
        due = self.world.next_at()
        if due is None or any(self.world.exchange.book.live.values()):
            return when + MINUTE
        return when + MINUTE * max(1, -((when - due) // MINUTE))

    def _is_idle(self) -> bool:
        """Nothing is reserved, held, open, unfinished or in doubt: supervise would find the account as it left it."""
        world = self.world
        ledger = world.seen.ledger
        if ledger is None or ledger.day_doubt is not None or ledger.drawdown_doubt is not None:
            return False
        if ledger.reservations or world.exchange.account.positions:
            return False
        rows = world.tables.query(Table.ORDERS, str(world.day.on))
        return all(Phase(str(row["phase"])).is_over for _, row in rows)

    def _is_quiet(self) -> bool:
        world = self.world
        running = any(instance.is_running for instance in world.hub.instances.values())
        pending = any(message.fate == "pending" for message in world.queues.messages)
        return self._is_idle() and not running and not pending

    def _calm_down(self) -> None:
        world = self.world
        world.trace.note(world.now(), "calm")
        world.is_calm = world.queues.is_calm = True
        world.parts_down.clear()
        set_broker(world, down=False)
        set_storage(world, up_at=None)
        set_keys(world, are_other=False)

    def _plan_while_entering(self, day: TradingDay, busy: list[datetime]) -> None:
        """While entries work the broker goes down for long, or a person kills: drawn apart from all else."""
        world, rng = self.world, random.Random(f"entering:{self.world.run.seed}:{day.on}")
        if rng.random() < world.faults.broker_outage:
            begins_at = rng.choice(busy) + timedelta(seconds=rng.randrange(5, 45))
            plan_broker_outage(world, begins_at, begins_at + timedelta(seconds=rng.randrange(280, 420)))
        if rng.random() < world.faults.kill:
            # Shortly before a firing of supervise, so that an entry may work over it.
            sent_at = rng.choice([at for at in busy if at.second >= LATE_IN_MINUTE] or busy)
            at = sent_at + (60 - sent_at.second) * timedelta(seconds=rng.uniform(0.3, 0.95))
            flags = {"flatten": False, "cancel_all": False}
            self._person(at, "kill", lambda: kill(world.ports, _call("kill", flags)))
            back = at + timedelta(seconds=rng.randrange(100, 400))
            self._person(back, "resume", lambda: resume(world.ports, _call("resume", {})))

    def _plan_strategy_halts(self, day: TradingDay, busy: list[datetime]) -> None:
        """A person halts one strategy, mostly while an entry may work, and resumes it: drawn apart from all else."""
        world, rng = self.world, random.Random(f"strategies:{self.world.run.seed}:{day.on}")
        if rng.random() >= world.faults.strategy_halt:
            return
        strategy = rng.choice(world.settings.strategies.traded).name
        at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=rng.choice((-20, 5, 30)))
        self._person(at, "halt", lambda: halt_strategy(world.ports, _call("halt-strategy", {"name": strategy})))
        if rng.random() < 0.7:
            back = at + timedelta(seconds=rng.randrange(60, 3600))
            self._person(
                back, "go on", lambda: resume_strategy(world.ports, _call("resume-strategy", {"name": strategy}))
            )

    # -- people ------------------------------------------------------------------------------------------------------

    def _plan_people(self, day: TradingDay, busy: list[datetime]) -> None:
        """People act at any time; the kill switch is as likely turned on while orders are on their way."""
        world, rng = self.world, self.world.plan_rng
        length = int((day.close_at - day.open_at).total_seconds())
        if rng.random() < world.faults.kill:
            at = day.open_at + timedelta(seconds=rng.randrange(length))
            if rng.random() < 0.7:
                at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=30 * rng.random() ** 3)
            flatten = rng.random() < 0.5
            flags = {"flatten": flatten, "cancel_all": False}
            self._person(at, "kill", lambda: kill(world.ports, _call("kill", flags)))
            if rng.random() < 0.7:
                back = at + timedelta(seconds=rng.randrange(20, 3600))
                self._person(back, "resume", lambda: resume(world.ports, _call("resume", {})))
        for chance, act in ((world.faults.hand_close, self._close), (world.faults.hand_cancel, self._cancel)):
            for _ in range(3):
                at = day.open_at + timedelta(seconds=rng.randrange(length))
                pick = rng.randrange(1000)
                if rng.random() < chance:
                    world.at(at, lambda act=act, pick=pick: act(pick))  # type: ignore[misc]

    def _person(self, at: datetime, label: str, act: object) -> None:
        """A person tries again until it is done."""
        world = self.world
        assert callable(act)

        def again(_: object = None) -> datetime:
            back_at = world.now() + timedelta(seconds=15)
            world.at(back_at, Work(label=label, run=work.run, failed=failed, crashed=again))
            return back_at

        def failed(error: Exception) -> None:
            if not isinstance(error, GatehouseError):
                raise Violation("stages raise only what they say", f"{label}: {error!r}") from error
            again()

        work = Work(label=label, run=lambda: act() and None, failed=failed, crashed=again)
        world.at(at, work)

    def _held(self, pick: int) -> str | None:
        held = sorted(self.world.exchange.account.positions)
        return held[pick % len(held)] if held else None

    def _close(self, pick: int) -> None:
        """Sell a position at the broker by hand, its exits cancelled first, as Alpaca's own page does."""
        world = self.world
        symbol = self._held(pick)
        if symbol is None:
            return
        world.trace.note(world.now(), "a person closes", symbol)
        world.seen.hand_closed.add(symbol)
        world.observer.acted_by_hand(symbol)
        self._cancel_orders(symbol)
        if world.exchange.account.held(symbol) > 0:
            world.exchange.close_position(symbol)

    def _cancel(self, pick: int) -> None:
        """Cancel every order of a symbol at the broker by hand."""
        world = self.world
        symbol = self._held(pick)
        if symbol is None:
            return
        world.trace.note(world.now(), "a person cancels", symbol)
        world.observer.acted_by_hand(symbol)
        self._cancel_orders(symbol)

    def _cancel_orders(self, symbol: str) -> None:
        exchange = self.world.exchange
        for order in sorted(exchange.book.live[symbol], key=lambda each: each.side is not Side.BUY):
            if order.is_open:
                exchange.cancel(order.id)
