"""The one error tree. An error's class decides what becomes of the message that met it.

A refusal of ours is not an error: it is a value (see `shared.core.risk.Verdict`), recorded and acknowledged.
"""


class GatehouseError(Exception):
    """Root of everything that this system raises on purpose."""


class TransientError(GatehouseError):
    """The world did not answer; the same call may succeed later. Raise: the queue redelivers."""


class RateLimitedError(TransientError):
    """The broker asked us to slow down (429)."""


class ContractError(GatehouseError):
    """Input that breaks its contract and will never be right. Quarantine and acknowledge."""


class SettingsError(GatehouseError):
    """Configuration that cannot be used. Refuse to start."""


class BrokerError(GatehouseError):
    """The broker refused a call for good (4xx). Carries its own code and words.

    Parameters
    ----------
    status : int
        HTTP status.
    code : int
        Alpaca's numeric error code, 0 where it gave none.
    message : str
        Alpaca's text.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"broker refused with HTTP {status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class ModelError(GatehouseError):
    """A published model that cannot be trusted. Keep the last good one."""


class StrategyError(GatehouseError):
    """A strategy that cannot be asked, or whose answer cannot be used. It gives no opinion; the others do."""


class ConflictError(GatehouseError):
    """Another writer changed the row first (ETag mismatch) or inserted it already."""


class InvariantError(GatehouseError):
    """Something that cannot happen did. Halt entries, raise, tell the person."""
