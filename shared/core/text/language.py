"""What is asked of a language model and what it says, whoever serves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from shared.core.errors import GatehouseError


class LanguageFault(StrEnum):
    """Why there is no answer."""

    OFF = "OFF"
    """None is configured."""
    BUDGET = "BUDGET"
    """The day's tokens or USD are spent."""
    RESTING = "RESTING"
    """It failed so often that it is not asked for a while."""
    TIMEOUT = "TIMEOUT"
    RATE_LIMITED = "RATE_LIMITED"
    """Every key was refused with 429."""
    DOWN = "DOWN"
    """No connection, or 5xx."""
    REFUSED = "REFUSED"
    """Any other 4xx: the key, the model's name or the question."""
    NONSENSE = "NONSENSE"
    """What came is no chat completion, or longer than anything that was asked for."""
    INVENTED = "INVENTED"
    """The sandbox's commentator, outside the sandbox."""
    UNRECORDED = "UNRECORDED"
    """Nothing is asked in a replay or a backtest, and this was not recorded."""


class LanguageError(GatehouseError):
    """There is no answer; price-only trading goes on.

    Parameters
    ----------
    fault : LanguageFault
    message : str
    """

    def __init__(self, fault: LanguageFault, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The wrapper's words, under an id that names their version and their hash."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRequest:
    """One question: the wrapper's words, the evidence as JSON, and the JSON schema of the answer."""

    prompt_id: str
    system: str
    user: str
    schema: str
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageReply:
    """One answer as it came. `latency_ms` is the wall's; `finish` is the server's word for why it ended."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int
    latency_ms: int
    finish: str


TEMPERATURE, SEED = 0.0, 0
"""How every question is asked: as repeatable as the service can be. Part of every record."""

COMMENTATOR = "commentator-seeded"
"""How the sandbox's own commentator names its model."""


def is_invented(model: str) -> bool:
    """Whether an answer is the sandbox's commentator's, which knows an invented market and nothing else."""
    return model.startswith(COMMENTATOR)


CUTOFF_MARGIN = timedelta(days=30)
"""What a model has read does not end on one day."""


def may_have_read(on: date, cutoff: date | None) -> bool:
    """Whether a model may have read how a date ended; of one whose cutoff is not known, every date."""
    return cutoff is None or on <= cutoff + CUTOFF_MARGIN
