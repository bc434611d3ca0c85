"""Supervise: the account every minute, and the events that wake lifecycles."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.lifecycle import EVENT
from shared.stages.supervise import supervise

bp = df.Blueprint()


@bp.timer_trigger(schedule="%GATEHOUSE_SUPERVISE_SCHEDULE%", arg_name="timer")
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def supervise_account(
    timer: func.TimerRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:  # fmt: skip
    """Look at the account, then wake the lifecycles that must act."""
    seen = await asyncio.to_thread(supervise, app())
    tell(seen.messages, notices)
    for wake in seen.wakes:
        await raise_event(client, wake.intent_id, wake.event)


async def raise_event(client: df.DurableOrchestrationClient, instance_id: str, data: Any) -> None:
    """Raise the lifecycle's event where the lifecycle still runs."""
    status = await client.get_status(instance_id)
    if status is not None and status.runtime_status in _RUNNING:
        await client.raise_event(instance_id, EVENT, data)


_RUNNING = (df.OrchestrationRuntimeStatus.Running, df.OrchestrationRuntimeStatus.Pending)
