"""Redrive: a poison or quarantined message goes back to the queue it came from."""

from __future__ import annotations

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from functions.http import begin, finish, guarded
from shared.contracts.openapi import Route, routes
from shared.contracts.records import Queue
from shared.stages.base.requests import Reply
from shared.stages.operator.redrive import redrive

bp = func.Blueprint()


def _redrive_route(route: Route, kind: str) -> None:
    """Register the function that redrives one kind of incident. Every queue is an output; one of them gets the text."""

    @bp.function_name(f"redrive_{kind}")
    @bp.route(route.path, methods=[route.method], auth_level=func.AuthLevel.FUNCTION)
    @bp.queue_output(arg_name="stories", queue_name=Queue.STORIES.value, connection=STORAGE)
    @bp.queue_output(arg_name="narratives", queue_name=Queue.NARRATIVES.value, connection=STORAGE)
    @bp.queue_output(arg_name="candidates", queue_name=Queue.CANDIDATES.value, connection=STORAGE)
    @bp.queue_output(arg_name="signals", queue_name=Queue.SIGNALS.value, connection=STORAGE)
    @bp.queue_output(arg_name="intents", queue_name=Queue.ORDER_INTENTS.value, connection=STORAGE)
    @bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
    def send_back(  # noqa: PLR0917 - the worker hands every output in by its name
        req: func.HttpRequest,
        stories: func.Out[Texts],
        narratives: func.Out[Texts],
        candidates: func.Out[Texts],
        signals: func.Out[Texts],
        intents: func.Out[Texts],
        notices: func.Out[Texts],
    ) -> func.HttpResponse:
        outs = {
            Queue.STORIES: stories,
            Queue.NARRATIVES: narratives,
            Queue.CANDIDATES: candidates,
            Queue.SIGNALS: signals,
            Queue.ORDER_INTENTS: intents,
        }
        begun = begin(route, req)
        if isinstance(begun, func.HttpResponse):
            return begun
        raw: list[str] = []

        def stage() -> Reply:
            found = redrive(begun.ports, begun.call, kind)
            if found.queue is Queue.NOTICES:
                raw.append(found.text)
            elif found.queue is not None:
                outs[found.queue].set([found.text])
            return found.reply

        reply = guarded(stage)
        tell(reply.messages, notices, raw)
        return finish(begun.call, reply, begun.ports)


_redrive_route(routes.POISON_REDRIVE, "poison")
_redrive_route(routes.QUARANTINE_REDRIVE, "quarantine")
