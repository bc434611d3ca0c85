"""News: headlines into stories; each hour a heartbeat, and a look whether supervise lives."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, logger, send
from shared.bootstrap import app
from shared.contracts.messages import Message
from shared.contracts.records import Queue
from shared.core.errors import GatehouseError
from shared.pipeline import TIMERS
from shared.stages.account.heartbeat import beat
from shared.stages.account.missed_runs import watch_supervise
from shared.stages.market.news import news

bp = func.Blueprint()


@bp.timer_trigger(schedule=f"%{TIMERS['news']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="out", queue_name=Queue.STORIES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def scan_news(timer: func.TimerRequest, out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Run the news scan and the heartbeat if they are due. Headlines that cannot be had silence neither."""
    ports = app()
    messages: list[Message] = [*watch_supervise(ports), *beat(ports, ports.queues)]
    try:
        with ports.telemetry.stage("news"):
            messages += news(ports)
    except GatehouseError:
        # A failed function writes no output. The slot stays `started`, so another firing or the watch finds it.
        logger.exception("the news scan failed")
    send(messages, out, notices)
