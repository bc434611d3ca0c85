"""Nightly: case files, the replay of a sample, and the tables exported."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.pipeline import TIMERS
from shared.stages.evidence.nightly import close_books

bp = func.Blueprint()


@bp.timer_trigger(schedule=f"%{TIMERS['nightly']}%", arg_name="timer", use_monitor=False)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def keep_books(timer: func.TimerRequest, notices: func.Out[Texts]) -> None:
    """Run whatever of the nightly jobs is due."""
    tell(close_books(app()), notices)
