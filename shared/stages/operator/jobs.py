"""Jobs by hand: a person runs one now, due or not, and it is recorded as any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.contracts.messages import Message, Notice
from shared.core.schedule import DueJob, Job
from shared.ports import NightPorts
from shared.stages.base.requests import CONFLICT, Call, Reply, act_notice, refused
from shared.stages.base.runs import run_now
from shared.stages.evidence.nightly import JOBS as BOOKS
from shared.stages.evidence.nightly import run_slot as run_book
from shared.stages.evidence.report import run_slot as run_report
from shared.stages.market.news import run_slot as run_news
from shared.stages.market.scan import JOBS as SCANS
from shared.stages.market.scan import run_slot as run_scan

RUNS: Mapping[Job, Callable[[NightPorts, DueJob], Sequence[Message]]] = {
    **dict.fromkeys(SCANS, run_scan),
    **dict.fromkeys(BOOKS, run_book),
    Job.NEWS_SCAN: run_news,
    Job.DAY_REPORT: run_report,
}
"""What each job that a person may run does in its slot."""


def run_job(ports: NightPorts, call: Call) -> tuple[Reply, Sequence[Message]]:
    """Run a job in the slot of this minute, once.

    Returns
    -------
    tuple of Reply and messages
        The messages of the job itself beside the reply's own notice: candidates go to their queue.
    """
    job = Job(call.text("job"))
    done = run_now(ports, job, lambda slot: RUNS[job](ports, slot))
    if done is None:
        return refused(
            CONFLICT, "today is no trading day, or it ran in this minute's slot", "job", matter=job.value
        ), ()
    slot, sent = done
    notices = tuple(message for message in sent if isinstance(message, Notice))
    body = {"job": job.value, "slot": slot.slot, "on": str(slot.on), "messages": len(sent)}
    reply = Reply(
        body=body,
        messages=(act_notice(ports, f"Job {slot.key} run by hand", call), *notices),
        record={"matter": slot.key},
    )
    return reply, tuple(message for message in sent if not isinstance(message, Notice))
