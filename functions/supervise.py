"""Supervise: the account every minute, the events that wake lifecycles, and every five minutes the poison queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import App, app
from shared.contracts.messages import Message
from shared.contracts.records import Queue
from shared.core.order_steps import restarted
from shared.lifecycle import EVENT, LIFECYCLE
from shared.stages.account.missed_runs import watch_stages
from shared.stages.account.poison import clear, sweep
from shared.stages.account.reconcile import Wake, recorded_order, wake_failed
from shared.stages.account.supervise import Supervision, part_failed, supervise
from shared.stages.base.incidents import untold
from shared.stages.operator.parameters import fault_incident

bp = df.Blueprint()
logger = logging.getLogger("gatehouse.supervise")


@bp.timer_trigger(schedule="%GATEHOUSE_SUPERVISE_SCHEDULE%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def supervise_account(
    timer: func.TimerRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:  # fmt: skip
    """Look at the account, wake the lifecycles that must act, and sweep up poison."""
    await _supervise(client, notices)


@bp.timer_trigger(schedule="%GATEHOUSE_EVENING_SCHEDULE%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def supervise_evening(
    timer: func.TimerRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:  # fmt: skip
    """The same in winter's last hour, which in UTC is of the next day: one schedule cannot name both."""
    await _supervise(client, notices)


async def _supervise(client: df.DurableOrchestrationClient, notices: func.Out[Texts]) -> None:
    """Every part, wake and notice by itself: what fails is told, and keeps nothing else from being done."""
    ports = await asyncio.to_thread(app)
    fired_at = ports.clock.now()
    told: list[Message] = []

    async def part[T](name: str, run: Callable[[], T], otherwise: T) -> T:
        try:
            return await asyncio.to_thread(run)
        except Exception as error:
            logger.exception("%s failed", name)
            told.extend(await asyncio.to_thread(part_failed, ports, name, error))
            return otherwise

    seen = await part("supervise", lambda: _watched(ports), Supervision())
    for wake in seen.wakes:
        try:
            await tell_lifecycle(client, wake)
        except Exception as error:
            logger.exception("%s is not told %s", wake.intent_id, wake.event)
            told.extend(await asyncio.to_thread(wake_failed, ports, wake, error))
    told += await part("parameters", lambda: fault_incident(ports, app.parameter_fault), [])
    told += await part("silence", lambda: watch_stages(ports, ports.queues, fired_at), [])
    told += await part("untold", lambda: untold(ports), [])
    # Last, since a function that dies sends nothing: what was swept up must be told, and only then may it go.
    swept = await part("sweep", lambda: sweep(ports, ports.queues, fired_at), None)
    tell([*seen.messages, *told, *(swept.notices if swept else ())], notices)
    if swept:
        await asyncio.to_thread(clear, ports.queues, swept)


def _watched(ports: App) -> Supervision:
    with ports.telemetry.stage("supervise"):
        return supervise(ports)


async def tell_lifecycle(client: df.DurableOrchestrationClient, wake: Wake) -> None:
    """Raise a lifecycle's event; where it is gone before its order has ended, start it again from what is recorded."""
    status = await client.get_status(wake.intent_id)
    if status is not None and status.runtime_status in _ALIVE:
        await client.raise_event(wake.intent_id, EVENT, wake.event)
        return
    state = await asyncio.to_thread(recorded_order, app(), wake.on, wake.symbol, wake.intent_id)
    if state is not None and not state.phase.is_over:
        await client.start_new(LIFECYCLE, wake.intent_id, app.own.codec.encode(restarted(state, wake.event)))


_ALIVE = (
    df.OrchestrationRuntimeStatus.Running,
    df.OrchestrationRuntimeStatus.Pending,
    df.OrchestrationRuntimeStatus.ContinuedAsNew,
    df.OrchestrationRuntimeStatus.Suspended,
)
