"""The HTTP API in one table: `ROUTES` says what there is, `check` holds a request against it, `document` tells it."""

from shared.contracts.openapi.checking import MAX_BODY_BYTES, Problem, check, one_line
from shared.contracts.openapi.document import document
from shared.contracts.openapi.fields import Field, FieldKind, Route
from shared.contracts.openapi.routes import ROUTES

__all__ = ["MAX_BODY_BYTES", "ROUTES", "Field", "FieldKind", "Problem", "Route", "check", "document", "one_line"]
