"""Approvals: a person's answer to an order that waits, with a function key or through a signed link."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from urllib.parse import parse_qs

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from functions.http import Begun, begin, caller_of, finish, guarded, media_of, said
from functions.pages import HEADERS, message_page, question_page
from shared.bootstrap import App, app
from shared.contracts.openapi import routes
from shared.contracts.openapi.document import MAX_TOKEN_CHARACTERS
from shared.contracts.records import Queue
from shared.core.order_steps import APPROVE, REFUSE
from shared.core.sessions import NEW_YORK
from shared.lifecycle import EVENT
from shared.stages.answers import Asked, answered, asked, claim, release
from shared.stages.calls import FORBIDDEN, GONE, NOT_FOUND, Call, Reply, record_call, refused

bp = df.Blueprint()

MAX_FORM_BYTES = 8 * 1024
FORM = "application/x-www-form-urlencoded"
LONGEST = {"token": MAX_TOKEN_CHARACTERS, "reason": 500}
"""The form's fields, and how many characters each may have."""

logger = logging.getLogger("gatehouse")


@bp.route(routes.APPROVE.path, methods=[routes.APPROVE.method], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def answer_approval(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> func.HttpResponse:  # fmt: skip
    """The answer goes to the lifecycle that waits for it."""
    begun = await asyncio.to_thread(begin, routes.APPROVE, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    intent_id, is_approved = begun.call.text("intent_id"), begun.call.flag("approve")
    if not await _waits(client, intent_id):
        reply = refused(NOT_FOUND, f"no order {intent_id} waits", "intent_id", intent_id=intent_id)
        return await asyncio.to_thread(finish, begun.call, reply, begun.ports)
    await client.raise_event(intent_id, EVENT, APPROVE if is_approved else REFUSE)
    return await asyncio.to_thread(_close, begun, intent_id, is_approved, notices)


@bp.route(routes.ANSWER_PAGE.path, methods=[routes.ANSWER_PAGE.method], auth_level=func.AuthLevel.ANONYMOUS)
def show_question(req: func.HttpRequest) -> func.HttpResponse:
    """The page that a link opens: the order, and a button. Changes nothing."""
    token = req.params.get("token", "")
    ports = app()
    found = _tried(ports, token)
    if isinstance(found, Reply):
        return _refusal(found)
    order, claims = found.order, found.claims
    rows = {
        "Symbol": claims.symbol,
        "Shares": str(order["qty_shares"]),
        "Limit": f"{order['limit_usd']} USD",
        "Cost, about": f"{Decimal(str(order['limit_usd'])) * int(str(order['qty_shares'])):,.2f} USD",
        "Stop": f"{order['stop_usd']} USD",
        "Target": f"{order['target_usd']} USD",
        **_why(found),
        "Order": claims.intent_id,
    }
    verb = "Approve" if claims.is_approval else "Refuse"
    until = f"{claims.expires_at.astimezone(NEW_YORK):%H:%M:%S} New York"
    text = question_page(f"{verb} this order?", rows, token=token, button=f"{verb} {claims.symbol}", until=until)
    return func.HttpResponse(text, mimetype="text/html", headers=HEADERS)


@bp.route(routes.ANSWER.path, methods=[routes.ANSWER.method], auth_level=func.AuthLevel.ANONYMOUS)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def answer_question(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> func.HttpResponse:  # fmt: skip
    """The answer that a link carries, once. The signature is the key."""
    form = _form_of(req)
    if isinstance(form, func.HttpResponse):
        return form
    ports = await asyncio.to_thread(app)
    found = await asyncio.to_thread(_tried, ports, form.get("token", ""))
    reason = said(form.get("reason")) or "by link"
    call = Call(route=routes.ANSWER.name, by="link", reason=reason, caller=caller_of(req, ports))
    if isinstance(found, Reply):
        if found.status == GONE:  # signed once: worth a row; what anybody can make up is not
            await asyncio.to_thread(record_call, ports, call, found)
        return _refusal(found)
    claims = found.claims
    if not await _waits(client, claims.intent_id) or not await asyncio.to_thread(claim, ports, claims):
        gone = refused(GONE, "this order no longer waits, or was answered before", intent_id=claims.intent_id)
        await asyncio.to_thread(record_call, ports, call, gone)
        return _refusal(gone)
    try:
        await client.raise_event(claims.intent_id, EVENT, APPROVE if claims.is_approval else REFUSE)
    except Exception:
        await asyncio.to_thread(release, ports, claims)
        raise
    await asyncio.to_thread(_close, Begun(call=call, ports=ports), claims.intent_id, claims.is_approval, notices)
    verb = "approved" if claims.is_approval else "refused"
    return _page(f"Order {verb}", f"{claims.symbol}: {verb}. The record says so; you may close this page.")


def _close(begun: Begun, intent_id: str, is_approved: bool, notices: func.Out[Texts]) -> func.HttpResponse:
    reply = answered(begun.ports, begun.call, intent_id, is_approved=is_approved)
    tell(reply.messages, notices)
    return finish(begun.call, reply, begun.ports)


async def _waits(client: df.DurableOrchestrationClient, intent_id: str) -> bool:
    status = await client.get_status(intent_id)
    return status is not None and status.runtime_status is df.OrchestrationRuntimeStatus.Running


def _tried(ports: App, token: str) -> Asked | Reply:
    """Read a link; where storage does not answer, say so instead."""
    found: list[Asked] = []

    def stage() -> Reply:
        result = asked(ports, token)
        if isinstance(result, Reply):
            return result
        found.append(result)
        return Reply()

    reply = guarded(stage)
    if reply.status == FORBIDDEN:
        logger.warning("a link was shown that this app did not sign")
    return found[0] if found else reply


def _form_of(req: func.HttpRequest) -> dict[str, str] | func.HttpResponse:
    """Fields of the answer's form."""
    data = req.get_body()
    if len(data) > MAX_FORM_BYTES:
        return _page("Too large", "This form is larger than any that this app makes.", 413)
    if media_of(req.headers) != FORM:
        return _page("Not a form", f"Expected {FORM}.", 415)
    try:
        fields = parse_qs(data.decode(), strict_parsing=False, max_num_fields=10, keep_blank_values=True)
    except ValueError:
        return _page("Not a form", "This form cannot be read.", 400)
    form = {name: values[0] for name, values in fields.items() if name in LONGEST and len(values) == 1}
    bad = [name for name in fields if name not in form]
    bad += [name for name, text in form.items() if len(text) > LONGEST[name]]
    if bad or "token" not in form:
        return _page(
            "Not a form", f"Expected one token, and at most one reason of {LONGEST['reason']} characters.", 400
        )
    return form


def _why(found: Asked) -> dict[str, str]:
    """What the models said, where the decision can be found."""
    row = found.decision
    if row is None:
        return {}
    return {
        "Up, by the model": f"{float(str(row['p_up'])):.0%}",
        "Down, by the model": f"{float(str(row['p_down'])):.0%}",
        "Expected move": f"{float(str(row['expected_move'])):+.2%}",
        "Session": str(row["session"]),
    }


_TITLES = {FORBIDDEN: "Not a link of this app", GONE: "Too late", NOT_FOUND: "Links are off"}


def _refusal(reply: Reply) -> func.HttpResponse:
    return _page(_TITLES.get(reply.status, "Not now"), str(reply.body["error"]), reply.status)


def _page(title: str, text: str, status: int = 200) -> func.HttpResponse:
    return func.HttpResponse(message_page(title, text), status_code=status, mimetype="text/html", headers=HEADERS)
