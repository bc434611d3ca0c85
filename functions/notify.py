"""Notify: notices to the person."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, handle, tell
from shared.bootstrap import App
from shared.contracts.messages import Message, Notice
from shared.contracts.records import Queue
from shared.stages.notify import notify

bp = func.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def send_notice(msg: func.QueueMessage, notices: func.Out[Texts]) -> None:
    """Send one notice; what cannot be read is quarantined, and that is told."""
    tell(handle(Queue.NOTICES, Notice, msg, _send), notices)


def _send(message: Notice, ports: App) -> list[Message]:
    return [*notify(message, ports)]
