"""Notify: notices to the person."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, handle, tell
from shared.contracts.records import Queue

bp = func.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def send_notice(msg: func.QueueMessage, notices: func.Out[Texts]) -> None:
    """Send one notice; what cannot be read is quarantined, and that is told."""
    tell(handle(Queue.NOTICES, msg), notices)
