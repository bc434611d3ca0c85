"""Parameters: which set is in force, what is stored, and a person's acceptance."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts
from functions.http import act, show
from shared.bootstrap import App, app
from shared.contracts.openapi import routes
from shared.contracts.records import Queue
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.parameters import accept_set, shown_set, shown_sets

bp = func.Blueprint()


@bp.route(routes.PARAMETERS.path, methods=[routes.PARAMETERS.method], auth_level=func.AuthLevel.FUNCTION)
def show_parameters(req: func.HttpRequest) -> func.HttpResponse:
    """The set in force, its acceptance, and the names of all sets."""
    return show(routes.PARAMETERS, req, lambda ports, _: Reply(body=shown_sets(ports, app.parameter_fault)))


@bp.route(routes.PARAMETER_SET.path, methods=[routes.PARAMETER_SET.method], auth_level=func.AuthLevel.FUNCTION)
def show_parameter_set(req: func.HttpRequest) -> func.HttpResponse:
    """One stored set with its evidence."""
    return show(routes.PARAMETER_SET, req, shown_set)


@bp.route(routes.ACCEPT_PARAMETERS.path, methods=[routes.ACCEPT_PARAMETERS.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def accept_parameters(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Bring a stored set into force, here at once and in every other process within minutes."""

    def stage(ports: App, call: Call) -> Reply:
        reply = accept_set(ports, app.own.settings, call)
        if reply.is_done:
            app.look_again()
        return reply

    return act(routes.ACCEPT_PARAMETERS, req, stage, notices)
