"""Approvals: a person's answer to an order that waits, with a function key or through a signed link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from functions.http import Begun, begin, caller_of, finish, guarded, media_of, said
from functions.lifecycles import DurableLifecycles
from functions.pages import HEADERS, message_page, question_page
from shared.bootstrap import app
from shared.contracts.openapi import routes
from shared.contracts.openapi.document import MAX_TOKEN_CHARACTERS
from shared.contracts.records import Queue
from shared.core.approvals import Answer
from shared.core.order_states import OrderState
from shared.core.order_steps import LOOK_AGAIN
from shared.core.values import plain
from shared.pipeline import Lifecycles, wake
from shared.stages.account.reconcile import Wake
from shared.stages.base.notices import until_when
from shared.stages.base.requests import CONFLICT, FORBIDDEN, GONE, NOT_FOUND, Call, Reply
from shared.stages.operator.approvals import Asked, answer, asked, quote_now, waiting

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
) -> func.HttpResponse:
    """The answer is claimed for the order that waits, and its lifecycle told to look."""
    return await asyncio.to_thread(_answer_approval, req, DurableLifecycles(client), notices)


def _answer_approval(req: func.HttpRequest, lifecycles: Lifecycles, notices: func.Out[Texts]) -> func.HttpResponse:
    begun = begin(routes.APPROVE, req)
    if isinstance(begun, func.HttpResponse):
        return begun
    chosen = Answer.APPROVE if begun.call.flag("approve") else Answer.REFUSE
    order = _found(lambda: waiting(begun.ports, begun.call.text("intent_id")))
    reply = order if isinstance(order, Reply) else _answered(lifecycles, begun, order, chosen)
    reply = replace(reply, record={**reply.record, "answer": chosen.value})
    tell(reply.messages, notices)
    return finish(begun.call, reply, begun.ports)


@bp.route(routes.ANSWER_PAGE.path, methods=[routes.ANSWER_PAGE.method], auth_level=func.AuthLevel.ANONYMOUS)
def show_question(req: func.HttpRequest) -> func.HttpResponse:
    """The page that a link opens: the order, and a button. Changes nothing."""
    token = req.params.get("token", "")
    ports = app()
    found = _found(lambda: asked(ports, token))
    if isinstance(found, Reply):
        return _refusal(found)
    plan, claims = found.order.plan, found.claims
    question = found.question
    rows = {
        "Symbol": plan.symbol,
        "Quantity": plain(plan.qty),
        "Limit": f"{plan.limit_price} USD",
        "Cost": question.cost,
        "Stop": f"{plan.stop_price} USD",
        "Target": f"{plan.target_price} USD",
        "Risk": question.loss,
        "Quote at the decision": question.quote,
        "Quote now": quote_now(ports, plan.symbol),
        **_why(found),
        "Order": claims.intent_id,
    }
    rows = {name: text for name, text in rows.items() if text}
    verb = "Approve" if claims.is_approval else "Refuse"
    until = until_when(claims.expires_at)
    text = question_page(f"{verb} this order?", rows, token=token, button=f"{verb} {claims.symbol}", until=until)
    return func.HttpResponse(text, mimetype="text/html", headers=HEADERS)


@bp.route(routes.ANSWER.path, methods=[routes.ANSWER.method], auth_level=func.AuthLevel.ANONYMOUS)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def answer_question(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> func.HttpResponse:
    """The answer that a link carries, once. The signature is the key."""
    return await asyncio.to_thread(_answer_question, req, DurableLifecycles(client), notices)


def _answer_question(req: func.HttpRequest, lifecycles: Lifecycles, notices: func.Out[Texts]) -> func.HttpResponse:
    form = _form_of(req)
    if isinstance(form, func.HttpResponse):
        return form
    ports = app()
    found = _found(lambda: asked(ports, form.get("token", "")))
    reason = said(form.get("reason")) or "by link"
    call = Call(route=routes.ANSWER.name, by="link", reason=reason, caller=caller_of(req, ports))
    if isinstance(found, Reply):
        if found.status == GONE:  # signed once: worth a row; what anybody can make up is not
            finish(call, found, ports)
        return _refusal(found)
    begun = Begun(call=call, ports=ports)
    reply = _answered(lifecycles, begun, found.order, found.claims.answer)
    if reply.status == CONFLICT:  # answered between the two looks: the link is used up
        reply = replace(reply, status=GONE)
    tell(reply.messages, notices)
    finish(call, reply, ports)
    if not reply.is_done:
        return _refusal(reply)
    verb = "approved" if found.claims.is_approval else "refused"
    return _page(f"Order {verb}", f"{found.claims.symbol}: {verb}. The record says so; you may close this page.")


def _answered(lifecycles: Lifecycles, begun: Begun, order: OrderState, chosen: Answer) -> Reply:
    """Claim an answer, then wake the order that it is for."""
    reply = guarded(lambda: answer(begun.ports, begun.call, order, chosen))
    if reply.is_done:
        plan = order.plan
        try:
            told = Wake(on=order.on, symbol=plan.symbol, intent_id=plan.intent_id, event=LOOK_AGAIN)
            wake(told, begun.ports, lifecycles)
        except Exception:  # the SDK's client raises whatever the host answered
            # The answer stands: supervise tells the order within a minute, and its deadline looks by itself.
            logger.exception("order %s could not be told that it was answered", plan.intent_id)
    return reply


def _found[T](look: Callable[[], T | Reply]) -> T | Reply:
    """Look something up; where storage does not answer, say so instead."""
    found: list[T] = []

    def stage() -> Reply:
        result = look()
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
    if not row:
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
