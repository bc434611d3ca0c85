"""What can go wrong in the host."""

from __future__ import annotations

from shared.core.errors import GatehouseError


class AppError(GatehouseError):
    """The function app cannot be loaded: an import failed, or a binding is one that this host does not know."""


class FunctionError(GatehouseError):
    """A function raised.

    Parameters
    ----------
    message : str
        Exception type and text, as the worker reports them.
    stack_trace : str
        The worker's traceback.
    """

    def __init__(self, message: str, stack_trace: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.stack_trace = stack_trace


class WorkerLostError(GatehouseError):
    """Raised by an observer: the worker died at this point, and nobody answered for the trigger.

    The host redelivers what was running once its lease has run out, as Azure does after a crash.
    """
