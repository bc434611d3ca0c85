"""How well the commentator answers, and what goes wrong with which share of its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from shared.core.values import require, require_at_least, require_fraction


class CommentatorFault(StrEnum):
    """What goes wrong with an answer."""

    MALFORMED_ONCE = "malformed_once"
    """No JSON, until it is told so."""
    MALFORMED_ALWAYS = "malformed_always"
    WRONG_TYPES = "wrong_types"
    CUT = "cut"
    """It ends at half its length, as at the most tokens allowed."""
    UNGROUNDED_NUMBER = "ungrounded_number"
    INVENTED_TICKER = "invented_ticker"
    INJECTION_OBEYED = "injection_obeyed"
    """Where a story gives an order, score and confidence are 1; other stories are answered as ever."""
    LYING = "lying"
    """Sure of the opposite."""
    OVERCONFIDENT = "overconfident"
    """Confidence 1 and a score of 1 or -1, whatever the stories say."""
    LATE = "late"
    """`delay_s` of real time pass first."""
    ERROR_429 = "429"
    ERROR_500 = "500"
    SLOW_ROLE = "slow_role"
    """Of one entry's committee one role, the chair among them, is `delay_s` late; narratives are answered as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentatorConfig:
    """Quality and faults.

    Parameters
    ----------
    seed : int
        With what is asked, it decides everything that is left open.
    quality : float
        In [0, 1]: how much of a score is what the stories mean; the rest is noise.
    faults : mapping of CommentatorFault to float
        The share of questions that each strikes, or of entries `SLOW_ROLE`; 1 in all at most. A question that is asked
        again meets the same.
    delay_s : float
        Of a `LATE` answer and of a `SLOW_ROLE`, in seconds.
    """

    seed: int = 0
    quality: float = 0.9
    faults: Mapping[CommentatorFault, float] = field(default_factory=lambda: MappingProxyType({}))
    delay_s: float = 30.0

    def __post_init__(self) -> None:
        require_fraction("quality", self.quality)
        require_at_least("delay_s", self.delay_s, 0)
        for fault, share in self.faults.items():
            require_fraction(fault, share)
        total = math.fsum(self.faults.values())
        require(total <= 1, "faults", total, "shares of 1 in all at most")

    def as_json(self) -> dict[str, Any]:
        """Return what `changed` reads."""
        return {"seed": self.seed, "quality": self.quality, "faults": dict(self.faults), "delay_s": self.delay_s}


NEWCOMERS_FAULTS: Mapping[CommentatorFault, float] = MappingProxyType(
    {
        CommentatorFault.MALFORMED_ONCE: 0.06,
        CommentatorFault.MALFORMED_ALWAYS: 0.03,
        CommentatorFault.UNGROUNDED_NUMBER: 0.04,
    }
)
"""Of a sandbox day: it shows what is repaired and what is rejected, and no second is waited."""


def changed(config: CommentatorConfig, members: Mapping[str, Any]) -> CommentatorConfig:
    """Return a configuration with some members replaced; `faults` as a whole.

    Raises
    ------
    ValueError
        For a member or a fault that there is not, or a value that none can have.
    """
    try:
        faults = {CommentatorFault(name): float(share) for name, share in dict(members.get("faults", {})).items()}
        given = {**config.as_json(), "faults": config.faults} | dict(members)
        if "faults" in members:
            given["faults"] = MappingProxyType(faults)
        return CommentatorConfig(**given)
    except TypeError as error:
        raise ValueError(f"expected seed, quality, faults and delay_s, got {dict(members)!r}") from error


def parse_commentator(text: str, config: CommentatorConfig) -> CommentatorConfig:
    """Read `NAME=VALUE`, split by blanks or commas: a fault and its share, `quality`, `seed` or `delay_s`.

    Faults that are named replace all that there were; `none` leaves none.

    Raises
    ------
    ValueError
        For anything else.
    """
    members: dict[str, Any] = {}
    for part in text.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if part == "none":
            members.setdefault("faults", {})
        elif equals and name == "seed":
            members[name] = int(value)
        elif equals and name in {"quality", "delay_s"}:
            members[name] = float(value)
        elif equals:
            members.setdefault("faults", {})[name] = float(value)
        else:
            raise ValueError(f"{part!r} is not NAME=VALUE")
    return changed(config, members)
