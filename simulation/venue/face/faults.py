"""Faults on demand: the venue answers with errors, with nonsense, late or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulation.venue.face.spoilt import SPOILS
from simulation.venue.refusals import invalid


class Fault(StrEnum):
    """What goes wrong with a request."""

    ERROR_500 = "500"
    ERROR_429 = "429"
    TIMEOUT = "timeout"
    LOST_ANSWER = "lost_answer"
    NONSENSE = "nonsense"
    BAD_ROW = "bad_row"


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """One way to fail.

    Parameters
    ----------
    kind : Fault
        `timeout` never does what is asked and stays silent for `delay_s` of real time; `lost_answer` does it and drops
        the connection; `nonsense` does it and answers 200 with what is no JSON; `bad_row` spoils the rows of one
        symbol in an answer that is sound for the rest (`simulation.venue.face.spoilt`).
    path : str
        Prefix of the paths it is for.
    method : str
        HTTP method, or empty for all.
    remaining : int or None
        Fails so many requests and then rests; None leaves it to `probability`.
    probability : float
        Chance per request, drawn from `seed` and a counter, so that a run can be repeated.
    symbol, how : str
        Of `bad_row`: whose rows, and one of `SPOILS`.
    """

    kind: Fault
    path: str = "/"
    method: str = ""
    remaining: int | None = None
    probability: float = 0.0
    seed: int = 0
    delay_s: float = 30.0
    symbol: str = ""
    how: str = "null"
    seen: int = field(default=0)

    def strikes(self, method: str, path: str) -> bool:
        """Count a request and say whether it fails."""
        if not path.startswith(self.path) or self.method not in {"", method}:
            return False
        self.seen += 1
        if self.remaining is not None:
            self.remaining -= 1
            return self.remaining >= 0
        draw = hashlib.sha256(f"{self.seed}:{self.kind}:{self.seen}".encode()).digest()
        return int.from_bytes(draw[:8]) / 2**64 < self.probability


def parse_rules(body: object) -> list[FaultRule]:
    """Read a POST /sandbox/faults body: `{"rules": [{"kind", "path", "method", "next" | "probability", ...}]}`.

    Raises
    ------
    Refusal
        422 for an unknown kind or member.
    """
    rules = body.get("rules") if isinstance(body, Mapping) else None
    if not isinstance(rules, list):
        raise invalid("faults need a list of rules")
    return [_parse_rule(rule) for rule in rules]


def _parse_rule(rule: Any) -> FaultRule:
    try:
        members = dict(rule)
        kind = Fault(str(members.pop("kind")))
        if members.get("how", "null") not in SPOILS:
            raise ValueError(f"how must be one of {', '.join(sorted(SPOILS))}")
        remaining = members.pop("next", None)
        return FaultRule(kind=kind, remaining=None if remaining is None else int(remaining), **members)
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f"fault rule {rule!r} is not usable: {error}") from None
