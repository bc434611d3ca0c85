"""What a New York date may spend on a language model, kept in one row of table calls.

What a question may cost at worst is set aside before it is put, so that who asks at the same time cannot overspend
together; afterwards what it has cost takes that place.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import Table
from shared.contracts.settings import LanguageSettings
from shared.core.errors import TransientError
from shared.core.text.language import LanguageError, LanguageFault, LanguageRequest
from shared.core.values import ZERO, plain
from shared.ports import Ports, Row
from shared.stages.base.incidents import BROKEN, record_incident
from shared.stages.base.notices import language_spent
from shared.stages.base.rows import change_row

logger = logging.getLogger("gatehouse.language")

DAY = "!day"
"""Row key of a date's spending, before all of its calls."""
SPENT = "language-spent"
"""Kind and key of the incident of a budget that is spent."""

_MILLION = 1_000_000
_CAUTIOUS_CHARACTERS_PER_TOKEN = 3
"""Fewer than English has: a question is taken for longer than it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What calls have used."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = ZERO

    @classmethod
    def of(cls, row: Row | None) -> Spending:
        """Read a date's row. Raises one of `BROKEN` where it cannot be read."""
        if row is None:
            return cls()
        calls, tokens_in, tokens_out = (int(str(row[name])) for name in ("calls", "tokens_in", "tokens_out"))
        return cls(calls=calls, tokens_in=tokens_in, tokens_out=tokens_out, usd=Decimal(str(row["usd"])))

    def plus(self, other: Spending, sign: int = 1) -> Spending:
        """The sum of two; their difference where `sign` is -1."""
        return Spending(
            calls=self.calls + sign * other.calls,
            tokens_in=self.tokens_in + sign * other.tokens_in,
            tokens_out=self.tokens_out + sign * other.tokens_out,
            usd=self.usd + sign * other.usd,
        )


def spending_of(settings: LanguageSettings, tokens_in: int, tokens_out: int) -> Spending:
    """One call of so many tokens, at the configured prices."""
    usd_in = Decimal(str(settings.usd_per_million_in)) * tokens_in
    usd_out = Decimal(str(settings.usd_per_million_out)) * tokens_out
    return Spending(calls=1, tokens_in=tokens_in, tokens_out=tokens_out, usd=(usd_in + usd_out) / _MILLION)


def worst_of(settings: LanguageSettings, request: LanguageRequest) -> Spending:
    """What a question may cost at worst, as far as its length tells."""
    characters = len(request.system) + len(request.user) + len(request.schema)
    return spending_of(settings, math.ceil(characters / _CAUTIOUS_CHARACTERS_PER_TOKEN), request.max_tokens)


def set_aside(ports: Ports, on: date, worst: Spending) -> None:
    """Set aside what a question may cost.

    Raises
    ------
    LanguageError
        BUDGET, where the date has not so much left.
    TransientError
        After too many lost races for its row.
    """
    settings = ports.settings.language
    most_usd = Decimal(str(settings.usd_a_day))

    def change(row: Row | None) -> Row:
        day = Spending.of(row)
        after = day.plus(worst)
        if after.tokens_in + after.tokens_out > settings.tokens_a_day or after.usd > most_usd:
            spent = f"{day.tokens_in + day.tokens_out} tokens and {plain(day.usd)} USD of {day.calls} calls"
            room = f"{settings.tokens_a_day} tokens and {plain(most_usd)} USD"
            raise LanguageError(LanguageFault.BUDGET, f"{spent} leave no room for another one in {room}")
        return _row(after)

    change_row(ports, Table.CALLS, str(on), DAY, change)


def settle(ports: Ports, on: date, worst: Spending, used: Spending) -> None:
    """Put what was used in the place of what was set aside; where the row is fought for or broken, that stays."""
    try:
        change_row(
            ports,
            Table.CALLS,
            str(on),
            DAY,
            lambda row: _row((Spending.of(row) if row else worst).plus(worst, -1).plus(used)),
        )
    except (TransientError, *BROKEN) as error:
        logger.warning("the spending of %s on language keeps what was set aside: %s", on, error)


def tell_spent(ports: Ports, on: date, why: str) -> list[Notice]:
    """Tell that a date's budget is spent, once."""
    text = language_spent(why)
    return record_incident(
        ports,
        on,
        SPENT,
        now=ports.clock.now(),
        kind=SPENT,
        title=text.title,
        body=text.body,
        severity=Severity.WARNING,
    )


def _row(spending: Spending) -> Row:
    return {
        "calls": spending.calls,
        "tokens_in": spending.tokens_in,
        "tokens_out": spending.tokens_out,
        "usd": plain(spending.usd),
    }
