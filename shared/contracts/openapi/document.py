"""The OpenAPI 3.1 description, made of the table of routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.contracts.openapi.fields import Field, FieldKind, Route
from shared.contracts.openapi.routes import ROUTES

PREFIX = "/api"
MAX_TOKEN_CHARACTERS = 1200

_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
_BEFORE = {
    400: "a field is missing, unknown or wrong; the answer names it",
    413: "body too large",
    415: "the body must be application/json",
}
NO_KEY = 401
ADDRESS = 400


def document(*, version: str) -> dict[str, Any]:
    """Return the description of every route.

    Parameters
    ----------
    version : str
        Revision of the running code.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES.values():
        paths.setdefault(f"{PREFIX}/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gatehouse",
            "version": version,
            "description": "See it, steer it, stop it. Every call but a read is recorded in table controls.",
        },
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {str(status): _response(route, status, what) for status, what in _answers(route)},
    }
    if route.is_keyless:
        found["security"] = []
        found |= _link(route)
    if route.parts:
        found["parameters"] = [
            {"name": part.name, "in": "path", "required": True, "description": part.what, "schema": schema_of(part)}
            for part in route.parts
        ]
    if route.fields:
        content = {"application/json": {"schema": body_schema(route.fields)}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _answers(route: Route) -> Iterable[tuple[int, str]]:
    before = {} if route.is_keyless else {NO_KEY: "no good function key"}
    if route.fields:
        before |= _BEFORE
    if route.parts:
        before |= {404: "no such " + route.parts[0].what}
    return sorted({**before, **route.answers}.items())


def _response(route: Route, status: int, what: str) -> dict[str, Any]:
    if status == NO_KEY or (status == ADDRESS and route.method == "GET"):
        return {"description": what}  # the host answers, in its own words
    if route.media == "text/html":
        return {"description": what, "content": {route.media: {"schema": {"type": "string"}}}}
    if status == 200:
        schema = {"type": "string"} if route.media == "text/plain" else {"type": "object"}
        return {"description": what, "content": {route.media: {"schema": schema}}}
    # A check that fails answers with all checks, not with an error.
    schema = {"type": "object"} if route.name == "health-ready" else {"$ref": "#/components/schemas/Error"}
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _link(route: Route) -> dict[str, Any]:
    """The token of a signed link: in the address of the page, in the form of the answer."""
    token = {"type": "string", "maxLength": MAX_TOKEN_CHARACTERS, "pattern": "^[A-Za-z0-9_.-]+$"}
    if route.method == "GET":
        return {"parameters": [{"name": "token", "in": "query", "required": True, "schema": token}]}
    form = {
        "type": "object",
        "properties": {"token": token, "reason": {"type": "string", "maxLength": 500}},
        "required": ["token"],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}}


def body_schema(fields: Iterable[Field]) -> dict[str, Any]:
    """JSON schema of a body."""
    every = tuple(fields)
    return {
        "type": "object",
        "properties": {field.name: schema_of(field) for field in every},
        "required": [field.name for field in every if field.is_required],
        "additionalProperties": False,
    }


def schema_of(field: Field) -> dict[str, Any]:
    """JSON schema of one field."""
    if field.kind is FieldKind.FLAG:
        found: dict[str, Any] = {"type": "boolean", "description": field.what}
        return found if field.default is None else {**found, "default": field.default}
    found = {"type": "string", "minLength": 1, "maxLength": field.max_characters, "description": field.what}
    if field.choices:
        found["enum"] = list(field.choices)
    if field.pattern:
        found["pattern"] = f"^(?:{field.pattern})$"
    if field.example and not field.choices:
        found["examples"] = [field.example]
    return found
