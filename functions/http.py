"""The edge of every HTTP function: check, call, record, answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import azure.functions as func

from functions.edges import Texts, tell
from shared.adapters.codec import parse_json
from shared.bootstrap import App, app
from shared.contracts.openapi import MAX_BODY_BYTES, Problem, Route, check, one_line
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.stages.base.requests import DOWN, Call, Reply, record_call, refused

SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What is shown of an account is nobody else's: kept by no proxy, read as nothing but what it is."""

TOO_LARGE, NOT_JSON, BAD = 413, 415, 400

logger = logging.getLogger("gatehouse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A call that passed every check, with the app that it is made to."""

    call: Call
    ports: App


def begin(route: Route, req: func.HttpRequest) -> Begun | func.HttpResponse:
    """Check a request against its route; a refusal is recorded and answered."""
    ports = app()
    body: object = None
    problem = None
    if route.fields:
        body, problem = _body_of(req)
    found = problem or check(route, req.route_params, body)
    given = body if isinstance(body, dict) else {}
    call = Call(
        route=route.name,
        by=said(given.get("by")),
        reason=said(given.get("reason")),
        caller=caller_of(req, ports),
        values={} if isinstance(found, Problem) else found,
    )
    if isinstance(found, Problem):
        reply = refused(found.status, found.text, found.field)
        return finish(call, reply, ports) if route.fields else respond(reply)
    return Begun(call=call, ports=ports)


def act(
    route: Route, req: func.HttpRequest, stage: Callable[[App, Call], Reply], notices: func.Out[Texts]
) -> func.HttpResponse:
    """Serve a route that changes something: check, do, record who and why, tell."""
    begun = begin(route, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    reply = guarded(lambda: stage(begun.ports, begun.call))
    tell(reply.messages, notices)
    return finish(begun.call, reply, begun.ports)


def show(route: Route, req: func.HttpRequest, stage: Callable[[App, Call], Reply]) -> func.HttpResponse:
    """Serve a route that only reads."""
    begun = begin(route, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    return respond(guarded(lambda: stage(begun.ports, begun.call)))


def guarded(stage: Callable[[], Reply]) -> Reply:
    """Run a stage; where the world did not answer, say so."""
    try:
        return stage()
    except (TransientError, BrokerError, ContractError) as error:
        logger.warning("a call could not be served: %s", error)
        return refused(DOWN, str(error)[:500])


def finish(call: Call, reply: Reply, ports: App) -> func.HttpResponse:
    """Record a call and answer it.

    A store that does not answer leaves a line in the log instead: what was done is done, and the caller should know.
    """
    try:
        record_call(ports, call, reply)
    except TransientError:
        logger.exception("call %s by %s (%s) could not be recorded: %s", call.route, call.by, call.caller, call.reason)
    return respond(reply)


def respond(reply: Reply) -> func.HttpResponse:
    """Answer with JSON."""
    text = json.dumps(reply.body, ensure_ascii=False)
    return func.HttpResponse(text, status_code=reply.status, mimetype="application/json", headers=SAFE)


def caller_of(req: func.HttpRequest, ports: App) -> str:
    """Who the platform says is calling, where it is trusted to; the host does not tell which function key was shown."""
    header = ports.settings.operator.principal_header
    return said(req.headers.get(header.lower()) or req.headers.get(header)) if header else ""


def media_of(headers: Mapping[str, str]) -> str:
    """Media type of a request's body, without its parameters."""
    return (headers.get("content-type") or headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _body_of(req: func.HttpRequest) -> tuple[object, Problem | None]:
    data = req.get_body()
    if len(data) > MAX_BODY_BYTES:
        return None, Problem(status=TOO_LARGE, field="body", text=f"expected at most {MAX_BODY_BYTES} bytes")
    media = media_of(req.headers)
    if media != "application/json":
        return None, Problem(status=NOT_JSON, field="body", text="expected Content-Type application/json")
    try:
        return parse_json(data), None
    except ContractError as error:
        return None, Problem(status=BAD, field="body", text=str(error)[:200])


def said(value: object) -> str:
    """What somebody says of themselves or of their reasons, as far as a row and a line of the log keep it."""
    return one_line(value)[:500] if isinstance(value, str) else ""
