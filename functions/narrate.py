"""Narrate: what a language model makes of new stories, and then scores of their symbols."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, handle, send
from shared.contracts.records import Queue

bp = func.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.NARRATIVES.value, connection=STORAGE)
@bp.queue_output(arg_name="out", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def narrate(msg: func.QueueMessage, out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Ask for the narratives of one message."""
    send(handle(Queue.NARRATIVES, msg), out, notices)
