"""Report: the day in figures."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.stages.report import report

bp = func.Blueprint()


@bp.timer_trigger(schedule="%GATEHOUSE_REPORT_SCHEDULE%", arg_name="timer")
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def report_day(timer: func.TimerRequest, notices: func.Out[Texts]) -> None:
    """Make the day report if it is due."""
    tell(report(app()), notices)
