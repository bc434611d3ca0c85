"""The order lifecycle as a durable orchestration: one per intent, its instance id the intent's id.

Deterministic and small: what to do next is decided by `shared.core.order_steps`, everything that touches the world is
in the one activity. The orchestration sleeps between, and wakes at the time it set or at an event that someone raised.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC
from typing import Any

from shared.core.order_states import OrderState
from shared.core.order_steps import MAX_BACKOFF_DOUBLINGS, StepCall, next_step, report
from shared.ports import Codec

LIFECYCLE = "order_lifecycle"
"""Name of the orchestrator function."""

ORDER_STEP = "order_step"
"""Name of the activity."""

EVENT = "order_event"
"""Name of the external event: its data is `LOOK_AGAIN` or an exit reason."""

STEPS_PER_HISTORY = 100
"""After so many steps the orchestration continues as new, so that replay stays short."""


def run_order(context: Any, codec: Codec) -> Generator[Any, Any, str]:
    """Carry an order from plan to end.

    Parameters
    ----------
    context : azure.durable_functions.DurableOrchestrationContext
        Its input is an `OrderState` as JSON.
    codec : Codec

    Returns
    -------
    str
        The last state, as JSON.
    """
    state = codec.decode(OrderState, context.get_input())
    event = context.wait_for_external_event(EVENT)
    failed = at_once = 0
    for _ in range(STEPS_PER_HISTORY):
        if state.phase.is_over:
            return codec.encode(state)
        if at_once > 1 and not failed:
            break
        now = context.current_utc_datetime.replace(tzinfo=UTC)
        step = next_step(state, now)
        # After a failure the pause was the sleep: the step is due, also one that nobody would plan again for long.
        if step.not_before is not None and step.not_before > now and not failed:
            slept_at = context.current_utc_datetime
            timer = context.create_timer(step.not_before)
            woken = yield context.task_any([timer, event])
            if woken == event:
                if not timer.is_completed:
                    timer.cancel()
                # The SDK keeps an event that came while nobody waited, and gives it to every later wait of the same
                # execution too: each would return at once, and the order spin. A new execution has forgotten it.
                at_once = at_once + 1 if context.current_utc_datetime == slept_at else 0
                asked, event = _text_of(event.result), context.wait_for_external_event(EVENT)
                after = report(state, asked)
                if after != state:
                    state = after
                    continue
                # Nothing new was asked: act now. Planning anew would let one event a minute postpone a step for ever.
        try:
            answer = yield context.call_activity(ORDER_STEP, codec.encode(StepCall(state=state, step=step)))
        except Exception:  # the SDK raises whatever the activity raised as a bare Exception
            # Our own storage did not answer. An order is never given up: the same step again, after a pause.
            failed += 1
            pause = state.plan.poll * 2 ** min(failed, MAX_BACKOFF_DOUBLINGS)
            yield context.create_timer(context.current_utc_datetime + pause)
            continue
        failed = 0
        state = codec.decode(OrderState, answer)
    # What came while the last step ran completed a wait that nobody will look at again: the host takes it for heard.
    if event.is_completed:
        state = report(state, _text_of(event.result))
    context.continue_as_new(codec.encode(state))
    return codec.encode(state)


def _text_of(data: object) -> str:
    """Event data as text: the SDK's client encodes it twice, so it arrives in quotes (durable-python issue 295)."""
    return str(data).strip('"')
