"""Score: a slice of candidates into signals."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, handle, send
from shared.contracts.records import Queue

bp = func.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
@bp.queue_output(arg_name="out", queue_name=Queue.SIGNALS.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def score_candidates(msg: func.QueueMessage, out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Score one slice."""
    send(handle(Queue.CANDIDATES, msg), out, notices)
