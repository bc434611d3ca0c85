"""The one table in which storage errors become ours, and the options every storage client is built with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.core.errors import ConflictError, ContractError, GatehouseError, TransientError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
RETRIES = 2
"""Repeats of what may be repeated (reads, unconditional writes). A conditional write is sent once: repeated after
a lost answer it would meet its own effect and report a conflict."""

ONCE: dict[str, Any] = {"retry_total": 0}

_QUIET = logging.getLogger("gatehouse.storage")
_QUIET.setLevel(logging.WARNING)  # the SDK would log every request at INFO, which Application Insights bills


def client_options() -> dict[str, Any]:
    """Keyword arguments of every storage client."""
    return {"connection_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S, "logger": _QUIET}


def error_code(error: Exception) -> str:
    """Storage's own word for what went wrong, empty where it gave none."""
    code = getattr(error, "error_code", None)
    if code is None:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        code = headers.get("x-ms-error-code", "")
    return str(getattr(code, "value", code))


@contextmanager
def translated(tried: str) -> Iterator[None]:
    """Turn what the storage SDK raises inside into our errors; `tried` says what was being done."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - not on the cold path

    try:
        yield
    except AzureError as error:
        raise translate(error, tried) from error


def translate(error: Exception, tried: str) -> GatehouseError:
    """Decide the error's class by HTTP status.

    412 is a conflict. Other 4xx but 401, 403, 408, 409 and 429 are our own malformed request. Everything else (no
    answer, throttled, server error, credentials or roles not in place yet) may succeed later.
    """
    status = getattr(error, "status_code", None)
    found = f"HTTP {status} {error_code(error)}".strip() if status else f"{type(error).__name__}: {error}"
    text = f"{tried}: {found}"
    if status == 412:
        return ConflictError(text)
    if status is not None and 400 <= status < 500 and status not in {401, 403, 408, 409, 429}:
        return ContractError(text)
    return TransientError(text)
