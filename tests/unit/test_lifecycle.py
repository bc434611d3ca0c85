"""The orchestrator's generator, driven as the durable SDK drives it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.bootstrap import JsonCodec
from shared.core.errors import TransientError
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.order_steps import LOOK_AGAIN, StepCall
from shared.lifecycle import EVENT, ORDER_STEP, STEPS_PER_HISTORY, run_order
from shared.stages.order.step import carry_out
from tests.support.orders import NOW, ON, PLAN, Life, entry_id, exit_id, new_life

CODEC = JsonCodec()


@dataclass(eq=False)
class Task:
    kind: str
    result: Any = None
    is_completed: bool = False
    is_cancelled: bool = False
    fire_at: datetime | None = None

    def cancel(self) -> None:
        assert not self.is_completed, "the SDK refuses to cancel a timer that has fired"
        self.is_cancelled = True


@dataclass
class Context:
    """What the orchestrator may use of the SDK's context; time is naive there."""

    given: str
    now: datetime = NOW
    timers: list[Task] = field(default_factory=list)
    events: list[Task] = field(default_factory=list)
    carried_on: str | None = None

    def get_input(self) -> str:
        return self.given

    @property
    def current_utc_datetime(self) -> datetime:
        return self.now.replace(tzinfo=None)

    def create_timer(self, fire_at: datetime) -> Task:
        assert fire_at.replace(tzinfo=UTC) > self.now
        self.timers.append(Task("timer", fire_at=fire_at))
        return self.timers[-1]

    def wait_for_external_event(self, name: str) -> Task:
        assert name == EVENT
        self.events.append(Task("event"))
        return self.events[-1]

    def task_any(self, tasks: list[Task]) -> tuple[str, list[Task]]:
        return ("any", tasks)

    def call_activity(self, name: str, call: str) -> tuple[str, str]:
        assert name == ORDER_STEP
        return ("activity", call)

    def continue_as_new(self, given: str) -> None:
        self.carried_on = given


class Driver:
    """Runs the generator against the real activity, virtual time and events put in by the test."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.context = Context(given=CODEC.encode(life.state), now=life.ports.clock.now())
        self.generator: Generator[Any, Any, str] = run_order(self.context, CODEC)
        self.commands: list[str] = []
        self.result: str | None = None
        self.waiting: Any = None
        self._advance(None)

    def _advance(self, value: Any) -> None:
        try:
            self.waiting = self.generator.send(value)
        except StopIteration as stop:
            self.result, self.waiting = stop.value, None

    def activity(self) -> None:
        """Carry out the activity the orchestrator waits for."""
        kind, call = self.waiting
        assert kind == "activity"
        asked = CODEC.decode(StepCall, call)
        self.commands.append(asked.step.command.value)
        state, _ = carry_out(asked.state, asked.step, self.life.ports)
        self._advance(CODEC.encode(state))

    def timer(self) -> None:
        """Let the timer it sleeps on fire."""
        timer, _ = self._sleeping()
        assert timer.fire_at is not None
        self.context.now = self.life.ports.clock.at = timer.fire_at
        timer.is_completed = True
        self._advance(timer)

    def event(self, data: object, *, as_timer_fires: bool = False) -> Task:
        """Raise the event while it sleeps; return the timer it slept on."""
        timer, event = self._sleeping()
        if as_timer_fires:
            assert timer.fire_at is not None
            self.context.now = self.life.ports.clock.at = timer.fire_at
            timer.is_completed = True
        else:
            self.context.now += timedelta(microseconds=1)
        event.is_completed, event.result = True, data
        self._advance(event)
        return timer

    def _sleeping(self) -> tuple[Task, Task]:
        kind, (timer, event) = self.waiting
        assert (kind, timer.kind, event.kind) == ("any", "timer", "event")
        assert not event.is_completed
        return timer, event

    def settle(self) -> None:
        """Activities and timers until it ends or has run its history full."""
        while self.waiting is not None:
            if self.waiting[0] == "activity":
                self.activity()
            else:
                self.timer()

    @property
    def state(self) -> OrderState:
        assert self.result is not None
        return CODEC.decode(OrderState, self.result)


def protected() -> Driver:
    """An order that sleeps under its bracket."""
    driver = Driver(new_life())
    driver.activity()
    driver.life.ports.broker.fill(entry_id())
    driver.timer()
    driver.activity()
    assert driver.waiting[0] == "any"
    return driver


def test_an_order_that_is_over_ends_at_once() -> None:
    life = new_life()
    life.ask()
    life.to_end()
    driver = Driver(life)
    assert driver.state == life.state
    assert driver.commands == []


def test_a_whole_life_runs_through_the_generator() -> None:
    driver = protected()
    driver.life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    driver.event(f'"{LOOK_AGAIN}"')
    driver.settle()
    assert driver.commands == ["submit_entry", "look", "look", "close"]
    assert (driver.state.phase, driver.state.exit_reason) == (Phase.CLOSED, ExitReason.TARGET)


def test_a_protected_order_sleeps_on_one_timer_until_its_time_limit() -> None:
    driver = protected()
    assert driver.context.timers[-1].fire_at == PLAN.exit_by
    driver.timer()
    driver.activity()
    driver.activity()
    driver.activity()
    assert driver.commands[-3:] == ["look", "cancel_exits", "submit_exit"]


def test_an_event_that_wins_cancels_the_timer() -> None:
    """A timer that nobody cancels keeps the instance running."""
    driver = protected()
    assert driver.event('"changed"').is_cancelled
    assert driver.waiting[0] == "activity"


def test_an_event_that_comes_with_the_timer_leaves_the_fired_timer_alone() -> None:
    driver = protected()
    assert not driver.event('"changed"', as_timer_fires=True).is_cancelled


def test_event_data_arrives_bare_or_in_quotes() -> None:
    for data in ("FLATTEN", '"FLATTEN"'):
        driver = protected()
        driver.event(data)
        driver.activity()
        assert driver.commands[-1] == "cancel_exits"


def test_an_event_is_waited_for_anew_after_each() -> None:
    driver = protected()
    for count in range(3):
        driver.event('"changed"')
        driver.activity()
        assert len(driver.context.events) == 2 + count
    assert len({id(event) for event in driver.context.events}) == 4


def test_an_event_nobody_knows_is_a_reason_to_look_and_never_kills_the_order() -> None:
    for data in ('"NONSENSE"', None, '{"a": 1}', ""):
        driver = protected()
        driver.event(data)
        driver.activity()
        assert driver.commands[-1] == "look"
        assert driver.waiting[0] == "any"


def test_a_person_who_wants_out_is_heard_at_once_and_the_position_sold() -> None:
    driver = protected()
    driver.event('"KILL"')
    driver.activity()
    driver.activity()
    driver.life.ports.broker.fill(exit_id())
    driver.settle()
    assert (driver.state.phase, driver.state.exit_reason) == (Phase.CLOSED, ExitReason.KILL)


def test_an_ask_repeated_every_minute_does_not_put_off_a_retry_that_pauses_longer() -> None:
    """Supervision asks for the flatten each minute; the pause after five failures is eighty seconds."""
    driver = protected()
    driver.event('"FLATTEN"')
    driver.life.ports.broker.outage = TransientError("venue down")
    for _ in range(6):
        driver.activity()
        if driver.waiting[0] == "any" and len(driver.commands) < 8:
            driver.timer()
    driver.life.ports.broker.outage = None
    timer, _ = driver._sleeping()
    assert timer.fire_at is not None
    assert timer.fire_at - driver.context.now > timedelta(minutes=1)
    driver.context.now = driver.life.ports.clock.at = driver.context.now + timedelta(minutes=1)
    driver.event('"FLATTEN"')
    assert driver.waiting[0] == "activity", "it acts, and does not start the pause again"


def test_an_activity_that_fails_is_called_again_after_ever_longer_pauses() -> None:
    """Our own storage did not answer: the SDK raises a bare Exception, and the order is not given up for it."""
    driver = Driver(new_life())
    pauses = []
    for _ in range(4):
        _, call = driver.waiting
        driver.waiting = driver.generator.throw(Exception("Activity function 'order_step' failed"))
        timer = driver.waiting
        assert timer.kind == "timer"
        pauses.append((timer.fire_at.replace(tzinfo=UTC) - driver.context.now).total_seconds())
        driver.context.now = driver.life.ports.clock.at = timer.fire_at.replace(tzinfo=UTC)
        driver._advance(timer)
        assert driver.waiting == ("activity", call), "the same step"
    assert pauses == [10, 20, 40, 80]
    driver.activity()
    assert driver.life.submitted == [entry_id()]


def test_an_event_that_every_later_wait_is_given_again_does_not_make_the_order_spin() -> None:
    """The SDK keeps an event that came while nobody waited; a new execution has forgotten it."""
    driver = protected()
    for _ in range(2):
        slept_on, event = driver._sleeping()
        event.is_completed, event.result = True, '"changed"'
        driver._advance(event)
        assert slept_on.is_cancelled
        driver.activity()
    assert driver.waiting is None
    assert driver.context.carried_on is not None
    carried = CODEC.decode(OrderState, driver.context.carried_on)
    assert carried.phase is Phase.PROTECTED
    assert driver.commands == ["submit_entry", "look", "look", "look"]


def test_after_its_steps_the_history_starts_anew_with_the_state_it_has() -> None:
    driver = Driver(new_life(patience_s=600, max_reprices=0, expires_at=NOW + timedelta(hours=2)))
    driver.settle()
    assert driver.context.carried_on is not None
    assert len(driver.commands) == STEPS_PER_HISTORY
    carried = CODEC.decode(OrderState, driver.context.carried_on)
    assert (carried.phase, carried.seq) == (Phase.WORKING, STEPS_PER_HISTORY)
    second = Driver(Life(driver.life.ports, carried))
    second.settle()
    assert second.state.phase is Phase.CANCELED
    assert second.life.submitted == [entry_id()]


def test_an_event_that_comes_with_the_last_step_of_a_history_is_not_lost() -> None:
    """It completes a wait that this execution will not look at again, so the host does not carry it over."""
    driver = Driver(new_life(patience_s=600, max_reprices=0, expires_at=NOW + timedelta(hours=2)))
    while len(driver.commands) < STEPS_PER_HISTORY - 1 or driver.waiting[0] != "activity":
        if driver.waiting[0] == "activity":
            driver.activity()
        else:
            driver.timer()
    driver.context.events[-1].is_completed, driver.context.events[-1].result = True, '"KILL"'
    driver.activity()
    assert driver.context.carried_on is not None
    carried = CODEC.decode(OrderState, driver.context.carried_on)
    assert (carried.phase, carried.exit_reason) == (Phase.WORKING, ExitReason.KILL)


def test_a_replay_takes_the_same_way() -> None:
    """The same answers at the same times make the generator ask for the same things."""
    first = Driver(new_life())
    first.settle()
    again = Driver(new_life())
    again.settle()
    assert again.commands == first.commands
    assert [t.fire_at for t in again.context.timers] == [t.fire_at for t in first.context.timers]
    assert again.result == first.result
    assert first.state.on == ON
