"""The app's triggers in virtual time without faults: timers, queues and the durable order lifecycle.

The order is that of the sandbox's host: at one instant everything that can run does so, durable work first come first
served, then messages in the order of their receipt; then the clock jumps to the next thing that is due, durable timers
before function timers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Protocol

from shared.contracts.messages import CandidateSlice, Message, Notice
from shared.core.order_steps import StepCall
from shared.pipeline import QUEUE_OF, TIMERS, run, wake_all
from shared.ports import Ports
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.entry.score import score_and_tell
from shared.stages.evidence.report import report as day_report
from shared.stages.market.news import news
from shared.stages.market.scan import scan
from shared.stages.order.step import carry_out
from simulation.runtime.clock import SimClock
from simulation.runtime.durable import Happened, HistoryEvent, Lifecycle
from simulation.runtime.loop import Due, Loop, Rank
from simulation.runtime.ncrontab import Schedule

JOBS = frozenset(TIMERS) - {"nightly"}
"""Timers that fire here. Case files and exports of a run are made when it is over."""


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


class IdleRule(Protocol):
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

    `idle` passes over minutes of supervision; `jobs` are the timers that fire.
    """

    score: Callable[[CandidateSlice, Ports], Sequence[Message]] = score_and_tell
    idle: IdleRule | None = None
    jobs: frozenset[str] = JOBS


class Runner(Loop):
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
        super().__init__(clock, ports.codec)
        self.ports = ports
        self.stages = stages or Stages()
        self.spent = Spent()
        self.notices: Counter[str] = Counter()
        self._fires: Mapping[str, Callable[[], None]] = {
            "scan": self._scan,
            "news": self._news,
            "supervise": self._supervise,
            "evening": self._supervise,
            "report": self._report,
        }
        jobs = [name for name in TIMERS if name in self.stages.jobs]
        self._schedules = {name: Schedule.parse(schedules[TIMERS[name]]) for name in jobs}
        for name in jobs:
            self._set_function_timer(name)

    def run(self, until: datetime) -> None:
        """Run everything that is due up to an instant, what is due then included; the clock stands there afterwards."""
        while (due := self.next_at()) is not None and due <= until:
            when, what = self.take()
            self.clock.at = max(self.clock.at, when)
            what()
        self.clock.at = max(self.clock.at, until)

    def skip_to(self, at: datetime) -> None:
        """Jump over a time in which no timer's firing would do anything: nights, weekends, holidays."""
        self.clock.at = max(self.clock.at, at)
        kept = self.clear()
        for when, rank, what in kept:
            if rank < Rank.FUNCTION_TIMER:
                self.at(max(when, self.clock.at), what, rank)
        for name in self._schedules:
            self._set_function_timer(name)

    def send(self, messages: Iterable[Message]) -> None:
        """Put messages into their queues; notices are counted, nobody reads them."""
        for message in messages:
            if isinstance(message, Notice):
                self.notices[message.kind] += 1
            else:
                self.at(self.clock.at, lambda message=message: self._process(message), Rank.MESSAGE)  # type: ignore[misc]

    # -- triggers --------------------------------------------------------------------------------------------------

    def _set_function_timer(self, name: str) -> None:
        def fire() -> None:
            self._set_function_timer(name)
            self._fires[name]()

        rank = Rank.FUNCTION_TIMER + list(TIMERS).index(name)
        self.at(self._schedules[name].next_after(self.clock.at), fire, rank)

    def _scan(self) -> None:
        self.send(self.spent.run("scan", lambda: scan(self.ports)))

    def _news(self) -> None:
        self.send(self.spent.run("news", lambda: news(self.ports)))

    def _report(self) -> None:
        self.send(self.spent.run("report", lambda: day_report(self.ports)))

    def _supervise(self) -> None:
        idle = self.stages.idle
        if idle is not None and self.spent.run("idle minutes", idle):
            return
        seen = self.spent.run("supervise", lambda: supervise(self.ports))
        if idle is not None:
            idle.supervised(seen)
        self.send(seen.messages)
        self.send(wake_all(seen.wakes, self.ports, self.hub, expected=()))

    def _stir(self) -> None:
        if self.stages.idle is not None:
            self.stages.idle.stirred()

    def _process(self, message: Message) -> None:
        queue = QUEUE_OF[type(message)]
        self._stir()
        if isinstance(message, CandidateSlice):
            self.send(self.spent.run(queue, lambda: self.stages.score(message, self.ports)))
        else:
            self.send(self.spent.run(queue, lambda: run(message, self.ports, self.hub)))

    # -- what the hub asks -----------------------------------------------------------------------------------------

    def episode(self, instance: Lifecycle) -> None:
        """Run an episode of an instance, as soon as what runs now is done."""
        self._soon("lifecycle", lambda: self.hub.run(instance))

    def activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        """Run an activity, as soon as what runs now is done, and hand its answer in."""

        def step() -> None:
            self._stir()
            asked = self.ports.codec.decode(StepCall, text)
            state, messages = carry_out(asked.state, asked.step, self.ports)
            self.send(messages)
            payload = self.ports.codec.encode(state)
            self.hub.complete(instance, execution, HistoryEvent(kind=Happened.TASK_COMPLETED, key=key, payload=payload))

        self._soon("order steps", step)

    def _soon(self, part: str, work: Due) -> None:
        self.at(self.clock.at, lambda: self.spent.run(part, work))
