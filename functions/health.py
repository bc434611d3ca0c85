"""Health, metrics and the description of the API: what machines read."""

from __future__ import annotations

import azure.functions as func

from functions.http import SAFE, begin, guarded, respond, show
from shared.bootstrap import app
from shared.contracts.openapi import document, routes
from shared.core.values import iso
from shared.stages.base.requests import DOWN, GOOD, Reply
from shared.stages.operator.health import ready
from shared.stages.operator.metrics import samples

bp = func.Blueprint()


@bp.route(routes.LIVE.path, methods=[routes.LIVE.method], auth_level=func.AuthLevel.FUNCTION)
def show_liveness(req: func.HttpRequest) -> func.HttpResponse:
    """The process answers, and its settings are sound."""
    return show(routes.LIVE, req, lambda ports, _: Reply(body={"live": True, "now": iso(ports.clock.now())}))


@bp.route(routes.READY.path, methods=[routes.READY.method], auth_level=func.AuthLevel.FUNCTION)
def show_readiness(req: func.HttpRequest) -> func.HttpResponse:
    """Every part on which trading stands, 503 where one is not well."""
    begun = begin(routes.READY, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    is_ready, found = ready(begun.ports, app.parameter_fault)
    return respond(Reply(status=GOOD if is_ready else DOWN, body=found))


@bp.route(routes.METRICS.path, methods=[routes.METRICS.method], auth_level=func.AuthLevel.FUNCTION)
def show_metrics(req: func.HttpRequest) -> func.HttpResponse:
    """The day's figures as Prometheus text."""
    from shared.adapters.prometheus import CONTENT_TYPE, exposition  # noqa: PLC0415 - only who scrapes pays for it

    begun = begin(routes.METRICS, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    text = b""

    def stage() -> Reply:
        nonlocal text
        text = exposition(samples(begun.ports, begun.ports.queues))
        return Reply()

    reply = guarded(stage)
    if not reply.is_done:
        return respond(reply)
    return func.HttpResponse(text, headers={**SAFE, "Content-Type": CONTENT_TYPE})


@bp.route(routes.DESCRIPTION.path, methods=[routes.DESCRIPTION.method], auth_level=func.AuthLevel.FUNCTION)
def show_description(req: func.HttpRequest) -> func.HttpResponse:
    """OpenAPI 3.1."""
    return show(routes.DESCRIPTION, req, lambda ports, _: Reply(body=document(version=ports.code_revision)))
