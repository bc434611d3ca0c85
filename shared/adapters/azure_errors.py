"""The one table in which storage errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.core.errors import ConflictError, ContractError, GatehouseError, TransientError


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


def unless_absent() -> suppress:
    """Leave the block where what is read does not exist; what follows it says what that means."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

    return suppress(ResourceNotFoundError)


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
