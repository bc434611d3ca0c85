"""Operate: what a person sees and asks of the running system, over HTTP with a function key."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, send_each, tell
from functions.http import act, begin, finish, guarded, show
from shared.bootstrap import app
from shared.contracts.messages import CandidateSlice, StoryBatch
from shared.contracts.openapi import routes
from shared.contracts.records import Queue
from shared.stages.base.requests import Reply
from shared.stages.operator import controls
from shared.stages.operator.jobs import run_job
from shared.stages.operator.rollback import roll_back

bp = func.Blueprint()


@bp.route(routes.STATUS.path, methods=[routes.STATUS.method], auth_level=func.AuthLevel.FUNCTION)
def show_status(req: func.HttpRequest) -> func.HttpResponse:
    """What stands now."""
    return show(routes.STATUS, req, lambda ports, _: Reply(body=_with_fault(controls.status(ports))))


@bp.route(routes.POSITIONS.path, methods=[routes.POSITIONS.method], auth_level=func.AuthLevel.FUNCTION)
def show_positions(req: func.HttpRequest) -> func.HttpResponse:
    """Positions and working orders at the broker."""
    return show(routes.POSITIONS, req, lambda ports, _: Reply(body=controls.positions(ports)))


@bp.route(routes.KILL.path, methods=[routes.KILL.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def turn_kill_switch_on(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Kill switch on, with cancel-all and flatten as choices."""
    return act(routes.KILL, req, controls.kill, notices)


@bp.route(routes.HALT.path, methods=[routes.HALT.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def halt_entries(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Entries off, positions stay."""
    return act(routes.HALT, req, controls.halt, notices)


@bp.route(routes.RESUME.path, methods=[routes.RESUME.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def resume_trading(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Kill switch and drawdown halt off."""
    return act(routes.RESUME, req, controls.resume, notices)


@bp.route(routes.HALT_STRATEGY.path, methods=[routes.HALT_STRATEGY.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def halt_one_strategy(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Entries of one strategy off."""
    return act(routes.HALT_STRATEGY, req, controls.halt_strategy, notices)


@bp.route(routes.RESUME_STRATEGY.path, methods=[routes.RESUME_STRATEGY.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def resume_one_strategy(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Entries of one strategy on again."""
    return act(routes.RESUME_STRATEGY, req, controls.resume_strategy, notices)


@bp.route(routes.ACCEPT_LIVE.path, methods=[routes.ACCEPT_LIVE.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def accept_live_trading(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """A person's acceptance that the account trades real money."""
    return act(routes.ACCEPT_LIVE, req, controls.accept_live, notices)


@bp.route(routes.TEST_NOTICE.path, methods=[routes.TEST_NOTICE.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def send_test_notice(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """A notice that says nothing, to see that it arrives."""
    return act(routes.TEST_NOTICE, req, controls.try_notices, notices)


@bp.route(routes.ROLL_BACK.path, methods=[routes.ROLL_BACK.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def roll_model_back(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """The champion before the present one."""
    return act(routes.ROLL_BACK, req, roll_back, notices)


@bp.route(routes.RUN_JOB.path, methods=[routes.RUN_JOB.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="candidates", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
@bp.queue_output(arg_name="stories", queue_name=Queue.STORIES.value, connection=STORAGE)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def run_job_now(
    req: func.HttpRequest, candidates: func.Out[Texts], stories: func.Out[Texts], notices: func.Out[Texts]
) -> func.HttpResponse:
    """A job in the slot of this minute."""
    begun = begin(routes.RUN_JOB, req)
    if isinstance(begun, func.HttpResponse):
        return begun

    def stage() -> Reply:
        reply, sent = run_job(begun.ports, begun.call)
        send_each(sent, {CandidateSlice: candidates, StoryBatch: stories}, notices)
        return reply

    reply = guarded(stage)
    tell(reply.messages, notices)
    return finish(begun.call, reply, begun.ports)


def _with_fault(found: object) -> dict[str, object]:
    assert isinstance(found, dict)
    return {**found, "parameter_fault": app.parameter_fault or None}
