"""Scan: the watchlist jobs and the candidates of every slot."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, send
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.pipeline import TIMERS
from shared.stages.market.scan import scan

bp = func.Blueprint()


@bp.timer_trigger(schedule=f"%{TIMERS['scan']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="out", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def scan_market(timer: func.TimerRequest, out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Run whatever scan is due."""
    ports = app()
    with ports.telemetry.stage("scan"):
        sent = scan(ports)
    send(sent, out, notices)
