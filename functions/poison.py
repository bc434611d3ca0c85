"""Poison: what failed too often becomes an incident, kept so that it can be sent back."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.stages.incidents import poisoned

bp = func.Blueprint()


def _poison_trigger(queue: Queue) -> None:
    """Register the poison function of one queue. Notices that poison are recorded and not told again."""

    @bp.function_name(f"poison_{queue.name.lower()}")
    @bp.queue_trigger(arg_name="msg", queue_name=f"{queue}-poison", connection=STORAGE)
    @bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
    def record_poison(msg: func.QueueMessage, notices: func.Out[Texts]) -> None:
        told = poisoned(app(), queue.value, msg.get_body())
        if queue is not Queue.NOTICES:
            tell(told, notices)


for _queue in Queue:
    _poison_trigger(_queue)
