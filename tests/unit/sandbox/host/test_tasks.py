"""Task ids: the host must count as the SDK counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.durable.history import EventType, event
from sandbox.host.durable.tasks import NonDeterministicError, TaskBook, TaskKind, UnservedActionError, flatten

NOW = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)


def activity(name: str) -> dict[str, Any]:
    return {"actionType": 0, "functionName": name, "input": "1"}


def retried(name: str, attempts: int) -> dict[str, Any]:
    options = {"firstRetryIntervalInMilliseconds": 1000, "maxNumberOfAttempts": attempts}
    return {"actionType": 1, "functionName": name, "input": "1", "retryOptions": options}


def timer(*, cancelled: bool = False) -> dict[str, Any]:
    return {"actionType": 5, "fireAt": "2025-03-03T14:05:00.000000Z", "isCanceled": cancelled}


def completed(key: int) -> dict[str, Any]:
    return event(EventType.TASK_COMPLETED, NOW, TaskScheduledId=key, Result="1")


def failed(key: int) -> dict[str, Any]:
    return event(EventType.TASK_FAILED, NOW, TaskScheduledId=key, Reason="no", Details="")


def fired(key: int) -> dict[str, Any]:
    return event(EventType.TIMER_FIRED, NOW, TimerId=key, FireAt="")


def test_actions_are_numbered_once_in_their_order() -> None:
    book = TaskBook()

    assert [key for key, _ in book.read([activity("a"), timer()])] == [0, 1]
    assert [(key, task.name) for key, task in book.read([activity("a"), timer(), activity("b")])] == [(2, "b")]


def test_waiting_for_an_event_takes_no_number() -> None:
    book = TaskBook()
    wait = {"actionType": 6, "externalEventName": "go"}

    assert [key for key, _ in book.read([activity("a"), wait, activity("b")])] == [0, 1]
    assert book.waits == {"go": 1}


def test_compound_actions_are_flattened_depth_first() -> None:
    nested = {
        "actionType": 12,
        "compoundActions": [activity("a"), {"actionType": 11, "compoundActions": [activity("b"), timer()]}],
    }

    assert [action.get("functionName") for action in flatten([[nested, activity("c")]])] == ["a", "b", None, "c"]


def test_retry_takes_the_next_number_for_its_timer_and_another_for_its_attempt() -> None:
    book = TaskBook()
    book.read([retried("a", 2), activity("b")])

    ((timer_id, wait),) = book.settle(failed(0), NOW)
    assert (timer_id, wait.kind, wait.due) == (2, TaskKind.TIMER, "2025-03-03T14:00:01Z")
    ((attempt_id, attempt),) = book.settle(fired(2), NOW)
    assert (attempt_id, attempt.kind, attempt.name, attempt.attempt) == (3, TaskKind.ACTIVITY, "a", 2)
    # The last attempt is followed by one more timer, and then by nothing.
    ((last_timer, _),) = book.settle(failed(3), NOW)
    assert book.settle(fired(last_timer), NOW) == []
    assert set(book.open) == {1}


def test_book_is_retrying_only_while_a_task_with_retries_is_open() -> None:
    book = TaskBook()
    book.read([retried("a", 3)])
    assert book.retrying
    book.settle(completed(0), NOW)
    assert not book.retrying


def test_cancelled_timer_is_no_longer_open() -> None:
    book = TaskBook()
    book.read([timer(), activity("a")])
    book.read([timer(cancelled=True), activity("a")])

    assert set(book.open) == {1}
    assert not book.accepts(fired(0))


def test_replay_that_asks_for_less_is_not_deterministic() -> None:
    book = TaskBook()
    book.read([activity("a"), activity("b")])

    with pytest.raises(NonDeterministicError, match="asked for 1 tasks"):
        book.read([activity("a")])


def test_an_entity_is_refused_by_its_number() -> None:
    with pytest.raises(UnservedActionError, match="action type 7 "):
        TaskBook().read([{"actionType": 7}])


@given(st.lists(st.sampled_from(["activity", "retried", "timer", "wait"]), max_size=12), st.data())
def test_book_survives_being_written_and_read(kinds: list[str], data: st.DataObject) -> None:
    made = {
        "activity": activity("a"),
        "retried": retried("r", 3),
        "timer": timer(),
        "wait": {"actionType": 6, "externalEventName": "go"},
    }
    book = TaskBook()
    book.read([made[kind] for kind in kinds])
    for key in data.draw(st.lists(st.sampled_from(sorted(book.open)), unique=True) if book.open else st.just([])):
        book.settle(fired(key) if book.open[key].kind is TaskKind.TIMER else failed(key), NOW)

    assert TaskBook.load(json.loads(json.dumps(book.dump()))) == book
