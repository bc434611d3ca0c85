"""Operate: what a person asks of the running system, over HTTP with a function key."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping

import azure.durable_functions as df
import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.core.order_steps import APPROVE, REFUSE
from shared.lifecycle import EVENT
from shared.stages.operate import kill, record_answer, resume, status

bp = df.Blueprint()

_INTENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _answer(body: Mapping[str, object], code: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=code, mimetype="application/json")


@bp.route("status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def show_status(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what stands now."""
    return _answer(status(app()))


@bp.route("kill", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def turn_kill_switch_on(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Body: {"by", "reason", "flatten": bool}."""
    asked = _Asked(req)
    if asked.problem:
        return _answer({"error": asked.problem}, 400)
    tell(kill(app(), by=asked.by, reason=asked.reason, flatten=asked.flatten), notices)
    return _answer({"kill_switch": asked.reason, "flatten": asked.flatten})


@bp.route("resume", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
def resume_trading(req: func.HttpRequest, notices: func.Out[Texts]) -> func.HttpResponse:
    """Body: {"by", "reason"}."""
    asked = _Asked(req)
    if asked.problem:
        return _answer({"error": asked.problem}, 400)
    tell(resume(app(), by=asked.by, reason=asked.reason), notices)
    return _answer({"kill_switch": None})


@bp.route("approve", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@bp.queue_output(arg_name="notices", queue_name=Queue.NOTICES.value, connection=STORAGE)
@bp.durable_client_input(client_name="client")
async def answer_approval(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, notices: func.Out[Texts]
) -> func.HttpResponse:  # fmt: skip
    """Body: {"by", "reason", "intent_id", "approve": bool}. The answer goes to the lifecycle that waits for it."""
    asked = _Asked(req)
    intent_id, answer = asked.body.get("intent_id"), asked.body.get("approve")
    # The id becomes part of the durable API's address, so nothing but an id may pass.
    if not asked.problem and not (isinstance(intent_id, str) and _INTENT_ID.fullmatch(intent_id)):
        asked.problem = f"intent_id: expected an intent's id, got {intent_id!r}"[:200]
    if not asked.problem and not isinstance(answer, bool):
        asked.problem = f"approve: expected true or false, got {answer!r}"[:200]
    if asked.problem or not isinstance(intent_id, str):
        return _answer({"error": asked.problem}, 400)
    status = await client.get_status(intent_id)
    if status is None or status.runtime_status is not df.OrchestrationRuntimeStatus.Running:
        return _answer({"error": f"intent_id: no order {intent_id} waits"}, 404)
    told = await asyncio.to_thread(
        record_answer, app(), intent_id, by=asked.by, reason=asked.reason, is_approved=bool(answer)
    )
    await client.raise_event(intent_id, EVENT, APPROVE if answer else REFUSE)
    tell(told, notices)
    return _answer({"intent_id": intent_id, "approve": answer})


class _Asked:
    """Who asks what and why, or what is wrong with the body."""

    def __init__(self, req: func.HttpRequest) -> None:
        self.problem = self.by = self.reason = ""
        self.flatten = False
        self.body: Mapping[str, object] = {}
        try:
            body = req.get_json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.problem = "body: expected a JSON object with by and reason"
            return
        self.body = body
        for name in ("by", "reason"):
            value = body.get(name)
            if not isinstance(value, str) or not 0 < len(value) <= 500:
                self.problem = f"{name}: expected 1 to 500 characters, got {value!r}"[:200]
                return
            setattr(self, name, value)
        flatten = body.get("flatten", False)
        if not isinstance(flatten, bool):
            self.problem = f"flatten: expected true or false, got {flatten!r}"[:200]
            return
        self.flatten = flatten
