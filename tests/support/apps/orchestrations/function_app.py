# mypy: disable-error-code="untyped-decorator"
"""Orchestrations of every shape."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

app = df.DFApp()

CALLS: list[str] = []
"""Activities that ran, in order, for the tests to read."""

Steps = Generator[Any, Any, Any]


@app.activity_trigger(input_name="text")
def shout(text: str) -> str:
    CALLS.append(text)
    return text.upper()


@app.activity_trigger(input_name="text")
def fail(text: str) -> str:
    CALLS.append(text)
    raise ValueError(f"no {text}")


@app.activity_trigger(input_name="times")
def fail_at_first(times: int) -> int:
    CALLS.append("try")
    if len(CALLS) <= times:
        raise ValueError(f"attempt {len(CALLS)}")
    return len(CALLS)


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Steps:
    words = context.get_input()
    results = []
    for word in words:
        results.append((yield context.call_activity("shout", word)))
        context.set_custom_status({"done": len(results)})
    return results


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.task_all([context.call_activity("shout", str(n)) for n in range(context.get_input())]))


@app.orchestration_trigger(context_name="context")
def wait(context: df.DurableOrchestrationContext) -> Steps:
    """Wait for `go` for at most an hour."""
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    go = context.wait_for_external_event("go")
    first = yield context.task_any([go, deadline])
    if first == go:
        deadline.cancel()
        return {"go": go.result, "at": context.current_utc_datetime.isoformat()}
    return {"timeout": context.current_utc_datetime.isoformat()}


@app.orchestration_trigger(context_name="context")
def forgets_timer(context: df.DurableOrchestrationContext) -> Steps:
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    done = context.call_activity("shout", "x")
    yield context.task_any([timer, done])
    return "ended"


@app.orchestration_trigger(context_name="context")
def works_first(context: df.DurableOrchestrationContext) -> Steps:
    """Look for the event only after an activity and a timer."""
    yield context.call_activity("shout", "busy")
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=5))
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext) -> Steps:
    named = yield context.call_sub_orchestrator("chain", ["a"], "child-of-" + context.instance_id)
    unnamed = yield context.call_sub_orchestrator("chain", ["b", "c"])
    try:
        yield context.call_sub_orchestrator("catches_nothing")
    except Exception as error:
        return [named, unnamed, "failed" in str(error)]
    return None


@app.orchestration_trigger(context_name="context")
def catches_nothing(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("fail", "luck")


@app.orchestration_trigger(context_name="context")
def catches(context: df.DurableOrchestrationContext) -> Steps:
    try:
        yield context.call_activity("fail", "luck")
    except Exception as error:
        return (yield context.call_activity("shout", "no luck" if "no luck" in str(error) else "?"))


@app.orchestration_trigger(context_name="context")
def retries(context: df.DurableOrchestrationContext) -> Steps:
    """Two tasks at once, one of which is retried, then another task: their ids must not be mixed up."""
    options = df.RetryOptions(60_000, 4)
    again = context.call_activity_with_retry("fail_at_first", options, context.get_input())
    other = context.call_activity("shout", "other")
    both = yield context.task_all([again, other])
    last = yield context.call_activity("shout", "last")
    return [*both, last, context.current_utc_datetime.isoformat()]


@app.orchestration_trigger(context_name="context")
def eternal(context: df.DurableOrchestrationContext) -> Steps:
    """Add up what `add` brings, a new execution each, until zero."""
    total = context.get_input()
    number = int((yield context.wait_for_external_event("add")))
    if number == 0:
        return total
    context.continue_as_new(total + number)
    return None


@app.orchestration_trigger(context_name="context")
def unknown_activity(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("nowhere", 1)


@app.orchestration_trigger(context_name="context")
def large(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("shout", context.get_input()))


@app.orchestration_trigger(context_name="context")
def unlucky(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("fail_at_first", context.get_input()))


@app.orchestration_trigger(context_name="context")
def sub_retries(context: df.DurableOrchestrationContext) -> Steps:
    options = df.RetryOptions(60_000, 3)
    named = yield context.call_sub_orchestrator_with_retry("unlucky", options, 1, "the-child")
    unnamed = yield context.call_sub_orchestrator_with_retry("unlucky", options, 3)
    return [named, unnamed, context.current_utc_datetime.isoformat()]


@app.orchestration_trigger(context_name="context")
def long_timer(context: df.DurableOrchestrationContext) -> Steps:
    """Longer than Azure Storage can hide a message: the SDK makes several timers of it."""
    yield context.create_timer(context.current_utc_datetime + timedelta(days=10))
    return (yield context.call_activity("shout", "late"))


@app.orchestration_trigger(context_name="context")
def same_child(context: df.DurableOrchestrationContext) -> Steps:
    try:
        yield context.call_sub_orchestrator("wait", None, "shared-child")
    except Exception as error:
        return "already exists" in str(error)


@app.orchestration_trigger(context_name="context")
def waiting_parent(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_sub_orchestrator("wait", None, "child"))
