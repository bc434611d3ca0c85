"""The commentator over HTTP: OpenAI's chat completions, and the sandbox's own way to change how it answers."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulation.language.commentator import MODEL, QuestionError, complete, error_body
from simulation.language.config import CommentatorConfig, changed

MODELS, COMPLETIONS = "/v1/models", "/v1/chat/completions"
PATHS = frozenset({MODELS, COMPLETIONS})
"""They want no keys of the account, and what befalls the venue does not befall them."""

CONTROL = "/sandbox/commentator"
_RETRY_AFTER = {"Retry-After": "1"}


async def models(request: Request) -> Response:
    """GET /v1/models."""
    return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "sandbox"}]})


async def chat_completions(request: Request) -> Response:
    """POST /v1/chat/completions."""
    config: CommentatorConfig = request.app.state.commentator
    try:
        body = json.loads(await request.body())
        if not isinstance(body, dict):
            raise QuestionError("the request must be a JSON object")
        done = complete(body, config)
    except ValueError as error:
        return JSONResponse(error_body("invalid_request_error", str(error)), 400)
    await asyncio.sleep(done.delay_s)
    return JSONResponse(done.body, done.status, headers=_RETRY_AFTER if done.status == 429 else None)


async def get_commentator(request: Request) -> Response:
    """GET /sandbox/commentator: how it answers."""
    config: CommentatorConfig = request.app.state.commentator
    return JSONResponse(config.as_json())


async def post_commentator(request: Request) -> Response:
    """POST /sandbox/commentator: `{"faults": {"429": 1}, "quality", "seed", "delay_s"}`; what is left out stays."""
    try:
        body = json.loads(await request.body())
        request.app.state.commentator = changed(request.app.state.commentator, dict(body))
    except (TypeError, ValueError) as error:
        return JSONResponse(error_body("invalid_request_error", str(error)), 422)
    return await get_commentator(request)


ROUTES: list[BaseRoute] = [
    Route(MODELS, models),
    Route(COMPLETIONS, chat_completions, methods=["POST"]),
    Route(CONTROL, get_commentator),
    Route(CONTROL, post_commentator, methods=["POST"]),
]
"""Of an app whose state has a `commentator`, its configuration."""
