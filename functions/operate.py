"""Operate: what a person asks of the running system, over HTTP with a function key."""

from __future__ import annotations

import json
from collections.abc import Mapping

import azure.functions as func

from functions.edges import STORAGE, Texts, tell
from shared.bootstrap import app
from shared.contracts.records import Queue
from shared.stages.operate import kill, resume, status

bp = func.Blueprint()


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


class _Asked:
    """Who asks what and why, or what is wrong with the body."""

    def __init__(self, req: func.HttpRequest) -> None:
        self.problem = self.by = self.reason = ""
        self.flatten = False
        try:
            body = req.get_json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.problem = "body: expected a JSON object with by and reason"
            return
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
