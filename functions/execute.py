"""Execute: an order intent starts the one lifecycle that carries it out; the lifecycle and its activity."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, handle, tell
from functions.lifecycles import DurableLifecycles
from shared.bootstrap import JsonCodec, app
from shared.contracts.records import Queue
from shared.core.order_steps import StepCall
from shared.lifecycle import LIFECYCLE, ORDER_STEP, run_order
from shared.stages.order.step import carry_out

bp = df.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.ORDER_INTENTS.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def execute_intent(
    msg: func.QueueMessage, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:
    """Record the order, then start its lifecycle unless it is there already."""
    tell(await asyncio.to_thread(handle, Queue.ORDER_INTENTS, msg, DurableLifecycles(client)), notices)


@bp.orchestration_trigger(context_name="context", orchestration=LIFECYCLE)
def order_lifecycle(context: df.DurableOrchestrationContext) -> Generator[Any, Any, str]:
    """One order from plan to end."""
    return (yield from run_order(context, JsonCodec()))


@bp.activity_trigger(input_name="call", activity=ORDER_STEP)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def order_step(call: str, notices: func.Out[Texts]) -> str:
    """Carry out one step of an order at the broker."""
    codec = JsonCodec()
    asked = codec.decode(StepCall, call)
    ports, plan = app(), asked.state.plan
    ids = {"correlation_id": plan.decision_id, "intent_id": plan.intent_id, "command": asked.step.command.value}
    with ports.telemetry.stage("order-step", **ids):
        state, messages = carry_out(asked.state, asked.step, ports)
    tell(messages, notices)
    return codec.encode(state)
