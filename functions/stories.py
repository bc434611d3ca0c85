"""Read stories: a batch of what the feeds have found into rows, and what is asked about them."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, handle, send_each
from shared.contracts.messages import CandidateSlice, NarrativeRequest
from shared.contracts.records import Queue

bp = func.Blueprint()


@bp.queue_trigger(arg_name="msg", queue_name=Queue.STORIES.value, connection=STORAGE)
@bp.queue_output(arg_name="narratives", queue_name=Queue.NARRATIVES.value, connection=STORAGE)
@bp.queue_output(arg_name="candidates", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def read_stories(
    msg: func.QueueMessage, narratives: func.Out[Texts], candidates: func.Out[Texts], notices: func.Out[Texts]
) -> None:
    """Read one batch."""
    send_each(handle(Queue.STORIES, msg), {NarrativeRequest: narratives, CandidateSlice: candidates}, notices)
