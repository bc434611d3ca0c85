"""Supervise: the account every minute, the events that wake lifecycles, and every five minutes the poison queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from functions.lifecycles import DurableLifecycles
from shared.bootstrap import App, app
from shared.contracts.messages import Message
from shared.contracts.records import Queue
from shared.pipeline import TIMERS, Lifecycles, wake_all
from shared.stages.account.missed_runs import watch_stages
from shared.stages.account.poison import clear, drain
from shared.stages.account.supervise import Supervision, part_failed, supervise
from shared.stages.base.incidents import untold
from shared.stages.operator.parameters import fault_incident

bp = df.Blueprint()
logger = logging.getLogger("gatehouse.supervise")


@bp.timer_trigger(schedule=f"%{TIMERS['supervise']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def supervise_account(
    timer: func.TimerRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:
    """Look at the account, wake the lifecycles that must act, and drain the poison queues."""
    await _supervise(client, notices)


@bp.timer_trigger(schedule=f"%{TIMERS['evening']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def supervise_evening(
    timer: func.TimerRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> None:
    """The same in winter's last hour, which in UTC is of the next day: one schedule cannot name both."""
    await _supervise(client, notices)


async def _supervise(client: df.DurableOrchestrationClient, notices: func.Out[Texts]) -> None:
    await asyncio.to_thread(_minute, DurableLifecycles(client), notices)


def _minute(lifecycles: Lifecycles, notices: func.Out[Texts]) -> None:
    """Every part, wake and notice by itself: what fails is told, and keeps nothing else from being done."""
    ports = app()
    fired_at = ports.clock.now()
    messages: list[Message] = []

    def part[T](name: str, run: Callable[[], T], otherwise: T) -> T:
        try:
            return run()
        except Exception as error:
            logger.exception("%s failed", name)
            messages.extend(part_failed(ports, name, error))
            return otherwise

    seen = part("supervise", lambda: _watched(ports), Supervision())
    messages += wake_all(seen.wakes, ports, lifecycles)
    messages += part("parameters", lambda: fault_incident(ports, app.parameter_fault), [])
    messages += part("silence", lambda: watch_stages(ports, ports.queues, fired_at), [])
    messages += part("untold", lambda: untold(ports), [])
    # Last, since a function that dies sends nothing: what was swept up must be told, and only then may it go.
    drained = part("drain", lambda: drain(ports, ports.queues, fired_at), None)
    tell([*seen.messages, *messages, *(drained.notices if drained else ())], notices)
    if drained:
        clear(ports.queues, drained)


def _watched(ports: App) -> Supervision:
    with ports.telemetry.stage("supervise"):
        return supervise(ports)
