"""The app's triggers in virtual time: timers, queues and the durable order lifecycle, one thing at a time.

The order is that of the sandbox's host: at one instant everything that can run does so, durable work first come first
served, then messages in the order of their receipt; then the clock jumps to the next thing that is due, durable timers
before function timers. Between two due things nothing can happen, so nothing is looked at.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Protocol

from shared.contracts.messages import CandidateSlice, Message, Notice
from shared.contracts.records import Queue
from shared.core.errors import InvariantError
from shared.core.order_steps import StepCall
from shared.pipeline import QUEUE_OF, ROUTES, TIMERS, run, wake_all
from shared.ports import Ports
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.entry.score import score_and_tell
from shared.stages.evidence.report import report as day_report
from shared.stages.market.news import news
from shared.stages.market.scan import scan
from shared.stages.order.step import carry_out
from simulation.runtime.clock import SimClock
from simulation.runtime.durable import Happened, HistoryEvent, Lifecycle, LightHub
from simulation.runtime.ncrontab import Schedule

MAX_STEPS_AT_ONE_INSTANT = 100_000

JOBS = frozenset(TIMERS) - {"nightly"}
"""Timers that fire here. Case files and exports of a run are made when it is over."""


@dataclass(slots=True, kw_only=True)
class Timed:
    """A function timer and when it is due next."""

    name: str
    schedule: Schedule
    fire: Callable[[], None]
    next_at: datetime


@dataclass(slots=True, kw_only=True)
class Spent:
    """Where wall time went: seconds and calls by part."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)

    def run[T](self, part: str, work: Callable[[], T]) -> T:
        """Run and count."""
        begun = perf_counter()
        try:
            return work()
        finally:
            self.seconds[part] += perf_counter() - begun
            self.calls[part] += 1


class Watch(Protocol):
    """Decides which minutes supervision may pass over."""

    def __call__(self) -> bool:
        """Whether this minute may be passed over."""

    def stirred(self) -> None:
        """Something was written or sent."""

    def supervised(self, seen: Supervision) -> None:
        """Note what a supervision has come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages that a backtest may run at less cost, each with the same outcome.

    `quiet` passes over minutes of supervision; `jobs` are the timers that fire.
    """

    score: Callable[[CandidateSlice, Ports], Sequence[Message]] = score_and_tell
    quiet: Watch | None = None
    jobs: frozenset[str] = JOBS


class Runner:
    """Runs the stages on ports.

    Parameters
    ----------
    ports : Ports
    clock : SimClock
        That of the ports; the runner moves it.
    schedules : mapping of str to str
        Texts of the timers' schedules by setting.
    stages : Stages, optional
    """

    def __init__(
        self, ports: Ports, clock: SimClock, schedules: Mapping[str, str], stages: Stages | None = None
    ) -> None:
        self.ports = ports
        self.clock = clock
        self.stages = stages or Stages()
        self.spent = Spent()
        self.notices: Counter[str] = Counter()
        self.hub = LightHub(ports.codec, lambda: clock.at, self._wake, self._set_timer, self._call)
        self._board: deque[Callable[[], None]] = deque()
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sequence = self._steps = 0
        self._in_hand: deque[Message] = deque()
        self._sent: dict[Queue, deque[Message]] = {queue: deque() for queue in ROUTES}
        fires = {
            "scan": self._scan, "news": self._news, "supervise": self._supervise, "evening": self._supervise,
            "report": self._report,
        }  # fmt: skip
        self._timers = [
            Timed(name=name, schedule=schedule, fire=fires[name], next_at=schedule.next_after(clock.at))
            for name, setting in TIMERS.items()
            if name in self.stages.jobs
            for schedule in (Schedule.parse(schedules[setting]),)
        ]

    def run(self, until: datetime) -> None:
        """Run everything that is due up to an instant, what is due then included; the clock stands there afterwards."""
        self._drain()
        while (due := self._next_due()) is not None and due <= until:
            if due > self.clock.at:
                self.clock.at, self._steps = due, 0
            self._run_due()
            self._drain()
        self.clock.at = max(self.clock.at, until)

    def skip_to(self, at: datetime) -> None:
        """Jump over a time in which no timer's firing would do anything: nights, weekends, holidays."""
        self.clock.at = max(self.clock.at, at)
        for timer in self._timers:
            timer.next_at = timer.schedule.next_after(self.clock.at)

    def send(self, messages: Iterable[Message]) -> None:
        """Put messages into their queues; notices are counted, nobody reads them."""
        for message in messages:
            if isinstance(message, Notice):
                self.notices[message.kind] += 1
            else:
                self._sent[QUEUE_OF[type(message)]].append(message)

    # -- the loop --------------------------------------------------------------------------------------------------

    def _next_due(self) -> datetime | None:
        due = [timer.next_at for timer in self._timers]
        if self._due:
            due.append(self._due[0][0])
        return min(due, default=None)

    def _run_due(self) -> None:
        now = self.clock.at
        if self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
            return
        timer = next(timer for timer in self._timers if timer.next_at <= now)
        timer.next_at = timer.schedule.next_after(now)
        timer.fire()

    def _drain(self) -> None:
        """Run all that can run at this instant."""
        while True:
            self._steps += 1
            if self._steps > MAX_STEPS_AT_ONE_INSTANT:
                raise InvariantError(f"{MAX_STEPS_AT_ONE_INSTANT} steps at {self.clock.at} without time passing")
            if self._board:
                self._board.popleft()()
            elif self._in_hand:
                self._process(self._in_hand.popleft())
            elif any(self._sent.values()):
                for queue in self._sent.values():
                    self._in_hand.extend(queue)
                    queue.clear()
            else:
                return

    # -- triggers --------------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        self.send(self.spent.run("scan", lambda: scan(self.ports)))

    def _news(self) -> None:
        self.send(self.spent.run("news", lambda: news(self.ports)))

    def _report(self) -> None:
        self.send(self.spent.run("report", lambda: day_report(self.ports)))

    def _supervise(self) -> None:
        quiet = self.stages.quiet
        if quiet is not None and self.spent.run("quiet minutes", quiet):
            return
        seen = self.spent.run("supervise", lambda: supervise(self.ports))
        if quiet is not None:
            quiet.supervised(seen)
        self.send(seen.messages)
        self.send(wake_all(seen.wakes, self.ports, self.hub, expected=()))

    def _stir(self) -> None:
        if self.stages.quiet is not None:
            self.stages.quiet.stirred()

    def _process(self, message: Message) -> None:
        queue = QUEUE_OF[type(message)]
        self._stir()
        if isinstance(message, CandidateSlice):
            self.send(self.spent.run(queue, lambda: self.stages.score(message, self.ports)))
        else:
            self.send(self.spent.run(queue, lambda: run(message, self.ports, self.hub)))

    # -- what the hub asks -----------------------------------------------------------------------------------------

    def _wake(self, instance: Lifecycle) -> None:
        self._board.append(lambda: self.spent.run("lifecycle", lambda: self.hub.run(instance)))

    def _set_timer(self, instance: Lifecycle, execution: int, key: int, due: datetime) -> None:
        def fire() -> None:
            self.hub.complete(instance, execution, HistoryEvent(kind=Happened.TIMER_FIRED, key=key))

        self._sequence += 1
        heapq.heappush(self._due, (max(due, self.clock.at), self._sequence, fire))

    def _call(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        def run() -> None:
            self._stir()
            asked = self.ports.codec.decode(StepCall, text)
            state, told = carry_out(asked.state, asked.step, self.ports)
            self.send(told)
            payload = self.ports.codec.encode(state)
            self.hub.complete(instance, execution, HistoryEvent(kind=Happened.TASK_COMPLETED, key=key, payload=payload))

        self._board.append(lambda: self.spent.run("order steps", run))
