"""News: headlines into stories."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.stages.news import news

bp = func.Blueprint()


@bp.timer_trigger(schedule="%GATEHOUSE_NEWS_SCHEDULE%", arg_name="timer")
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def scan_news(timer: func.TimerRequest, notices: func.Out[Texts]) -> None:
    """Run the news scan if it is due."""
    tell(news(app()), notices)
