"""Report: the day in figures, and on Saturdays the week."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.pipeline import TIMERS
from shared.stages.evidence.report import report
from shared.stages.operator.review import review_week

bp = func.Blueprint()


@bp.timer_trigger(schedule=f"%{TIMERS['report']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def report_day(timer: func.TimerRequest, notices: func.Out[Texts]) -> None:
    """Make the day report or the weekly review if it is due."""
    ports = app()
    with ports.telemetry.stage("report"):
        made = [*report(ports), *review_week(ports)]
    tell(made, notices)
