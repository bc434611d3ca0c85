"""The simulation's light executor takes the decisions that the durable SDK takes on the same history."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.durable_functions import Orchestrator

from sandbox.host.durable import history
from sandbox.host.durable.episode import parse_answer
from sandbox.host.durable.history import EventType, orchestrator_input
from sandbox.host.durable.tasks import ActionType
from shared import lifecycle
from shared.bootstrap import JsonCodec
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.values import parse_utc
from shared.lifecycle import EVENT, run_order
from shared.stages.account.reconcile import Wake
from simulation.faults import day
from simulation.faults.options import SimulationRun
from simulation.runtime.durable import (
    Episode,
    Execution,
    Happened,
    HistoryEvent,
    LightHub,
    NonDeterminism,
    Orchestration,
    replay,
)
from tests.support.orders import NOW, ON, PLAN

CODEC = JsonCodec()


def order_lifecycle(context: Any) -> Generator[Any, Any, str]:
    return (yield from run_order(context, CODEC))


def sdk_event(event: HistoryEvent, at: datetime) -> history.Event:
    match event.kind:
        case Happened.TIMER_FIRED:
            return history.event(EventType.TIMER_FIRED, at, TimerId=event.key)
        case Happened.TASK_COMPLETED:
            return history.event(
                EventType.TASK_COMPLETED, at, TaskScheduledId=event.key, Result=json.dumps(event.payload)
            )
        case Happened.TASK_FAILED:
            return history.event(
                EventType.TASK_FAILED, at, TaskScheduledId=event.key, Reason="failed", Details=event.payload
            )
        case Happened.EVENT_RAISED:
            # The client encodes twice: the data arrives as a JSON text that is in quotes itself.
            return history.event(EventType.EVENT_RAISED, at, Name=event.key, Input=json.dumps(event.payload))


def sdk_history(execution: Execution) -> Iterator[history.Event]:
    for number, episode in enumerate(execution.history):
        yield history.event(EventType.ORCHESTRATOR_STARTED, episode.at)
        if number == 0:
            yield history.event(
                EventType.EXECUTION_STARTED,
                episode.at,
                Name="order_lifecycle",
                Input=json.dumps(execution.text),
                Version="1",
            )
        for event in episode.events:
            yield sdk_event(event, episode.at)
        yield history.event(EventType.ORCHESTRATOR_COMPLETED, episode.at)


def asked_of_sdk(instance_id: str, execution: Execution) -> list[tuple[str, Any]]:
    """What the SDK asks for in the whole execution, in the words of the light executor."""
    events = list(sdk_history(execution))[:-1]
    last = max(n for n, item in enumerate(events) if item["EventType"] == EventType.ORCHESTRATOR_STARTED)
    text = orchestrator_input(
        instance_id=instance_id,
        parent_id=None,
        input_json=json.dumps(json.dumps(execution.text)),
        played=events[:last],
        new=events[last:],
    )
    answer = parse_answer(Orchestrator.create(order_lifecycle)(_Body(text)))
    assert answer.error is None
    return [in_our_words(action) for action in answer.actions]


class _Body:
    """What the worker hands the SDK."""

    def __init__(self, body: str) -> None:
        self.body = body


def in_our_words(action: Any) -> tuple[str, Any]:
    match ActionType(action["actionType"]):
        case ActionType.CALL_ACTIVITY:
            return "activity", (action["functionName"], json.loads(action["input"]))
        case ActionType.CREATE_TIMER:
            return "timer", parse_utc(action["fireAt"])
        case ActionType.WAIT_FOR_EVENT:
            return "wait", action["externalEventName"]
        case ActionType.CONTINUE_AS_NEW:
            return "continue", json.loads(action["input"])
        case other:
            raise AssertionError(f"the lifecycle asks for {other}")


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[str, Execution]]:
    """Every execution of the hubs that a test's simulations make, by number."""
    found: dict[int, tuple[str, Execution]] = {}
    run = LightHub.run

    def kept(self: LightHub, instance: Any) -> None:
        execution = instance.execution
        run(self, instance)
        found[id(self) * 100_000 + execution.number] = (instance.instance_id, execution)

    monkeypatch.setattr(LightHub, "run", kept)
    return found


def test_the_sdk_asks_for_the_same_on_every_history_of_days_with_faults(
    executions: dict[int, tuple[str, Execution]],
) -> None:
    for seed in (5003, 5005, 5011):
        assert not day.simulate(SimulationRun(seed=seed)).is_violation
    compared = 0
    for instance_id, execution in executions.values():
        if execution.asked:
            assert asked_of_sdk(instance_id, execution) == execution.asked
            compared += 1
    assert compared > 15
    kinds = {event.kind for _, execution in executions.values() for e in execution.history for event in e.events}
    assert kinds == set(Happened), "every kind of history event took part"


def test_a_replay_that_asks_for_something_else_is_noticed(executions: dict[int, tuple[str, Execution]]) -> None:
    day.simulate(SimulationRun(seed=5003, faults=frozenset()))
    instance_id, execution = next(pair for pair in executions.values() if len(pair[1].asked) > 5)
    assert replay(instance_id, execution, CODEC).actions == execution.asked
    execution.asked[3] = ("timer", execution.history[0].at + timedelta(days=1))
    with pytest.raises(NonDeterminism, match="action 3"):
        replay(instance_id, execution, CODEC)


def test_a_completion_counts_once_and_only_for_its_own_execution() -> None:
    called: list[tuple[int, int]] = []
    hub = LightHub(
        CODEC, lambda: NOW, lambda _: None, lambda *_: None, lambda _, number, key, __: called.append((number, key))
    )
    hub.start(OrderState(plan=PLAN, on=ON))
    instance = hub.instances[PLAN.intent_id]
    hub.run(instance)
    ((number, key),) = called
    done = HistoryEvent(kind=Happened.TASK_FAILED, key=key, payload="storage")
    assert not hub.complete(instance, number + 1, done)
    assert hub.complete(instance, number, done)
    assert not hub.complete(instance, number, done)
    hub.start(OrderState(plan=PLAN, on=ON))
    assert not hub.complete(instance, number, done), "a start under the same id replaces what ran there"


def test_an_event_that_nobody_waits_for_is_given_to_every_later_wait_as_the_sdk_does() -> None:
    """The first step waits for no event; what is raised meanwhile is kept."""
    life = Orchestration("order", CODEC.encode(OrderState(plan=PLAN, on=ON)), CODEC)
    life.feed(Episode(at=NOW, events=()))
    raised = HistoryEvent(kind=Happened.EVENT_RAISED, key=EVENT, payload='"changed"')
    life.feed(Episode(at=NOW, events=(raised,)))
    assert [kind for kind, _ in life.actions] == ["activity"]
    life.feed(Episode(at=NOW, events=(HistoryEvent(kind=Happened.TASK_FAILED, key=0, payload="storage"),)))
    life.feed(Episode(at=NOW + timedelta(minutes=1), events=(HistoryEvent(kind=Happened.TIMER_FIRED, key=1),)))
    answer = CODEC.encode(replace(OrderState(plan=PLAN, on=ON), phase=Phase.SUBMITTING, failures=1, seq=1))
    life.feed(
        Episode(
            at=NOW + timedelta(minutes=2), events=(HistoryEvent(kind=Happened.TASK_COMPLETED, key=2, payload=answer),)
        )
    )
    kinds = [kind for kind, _ in life.actions]
    assert kinds == ["activity", "timer", "activity", "timer", "wait", "activity"], (
        "the kept event ended the sleep at once"
    )


@pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")
@pytest.mark.parametrize(("is_before", "heard"), [(True, ExitReason.KILL), (False, None)])
def test_an_event_in_the_episode_that_continues_as_new_is_heard_before_the_last_step_and_dropped_after_it(
    monkeypatch: pytest.MonkeyPatch, is_before: bool, heard: ExitReason | None
) -> None:
    """The last wait has taken it either way, so that nothing is carried over: what must be heard is told again."""
    monkeypatch.setattr(lifecycle, "STEPS_PER_HISTORY", 2)
    timers: list[int] = []
    calls: list[int] = []
    hub = LightHub(
        CODEC,
        lambda: NOW,
        lambda _: None,
        lambda _, __, key, ___: timers.append(key),
        lambda _, __, key, ___: calls.append(key),
    )
    waiting = OrderState(plan=replace(PLAN, approve_by=NOW + timedelta(hours=1)), on=ON, phase=Phase.APPROVAL_PENDING)
    hub.start(waiting)
    instance = hub.instances[PLAN.intent_id]
    first = instance.execution
    told = Wake(on=ON, symbol=PLAN.symbol, intent_id=PLAN.intent_id, event="KILL")
    hub.run(instance)
    for is_last in (False, True):
        hub.complete(instance, first.number, HistoryEvent(kind=Happened.TIMER_FIRED, key=timers[-1]))
        hub.run(instance)
        if is_last and is_before:
            hub.tell(told)
        done = HistoryEvent(kind=Happened.TASK_COMPLETED, key=calls[-1], payload=CODEC.encode(waiting))
        assert hub.complete(instance, first.number, done)
        if is_last and not is_before:
            hub.tell(told)
        hub.run(instance)
    assert asked_of_sdk(PLAN.intent_id, first) == first.asked
    kind, text = first.asked[-1]
    assert kind == "continue"
    state = CODEC.decode(OrderState, text)
    assert (state.exit_reason, instance.inbox) == (heard, [])
    assert instance.execution.number != first.number
