"""Checks and money arithmetic that every value type shares.

Money (price, cash, notional) and quantities (shares, coins) are `Decimal`; features, scores and returns are `float`.
The two worlds meet only in `to_price` (float to Decimal) and `to_float` (Decimal to float).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import NewType

Symbol = NewType("Symbol", str)

CENT = Decimal("0.01")
SUBPENNY = Decimal("0.0001")
ONE_DOLLAR = Decimal(1)
ONE = Decimal(1)
ZERO = Decimal(0)
BASE_GAP = CENT
"""Alpaca wants so many USD at least between an order's price and its stop or target, also where the tick is smaller."""


class Side(StrEnum):
    """Side of an order, in the broker's words."""

    BUY = "buy"
    SELL = "sell"


class Rounding(StrEnum):
    """Which neighbouring tick a price moves to."""

    DOWN = ROUND_FLOOR
    UP = ROUND_CEILING
    NEAREST = ROUND_HALF_EVEN


def tick_size(price: Decimal) -> Decimal:
    """Minimum price increment in USD: 0.01 from one dollar up, 0.0001 below (SEC Rule 612)."""
    return CENT if price >= ONE_DOLLAR else SUBPENNY


def round_to_tick(price: Decimal, rounding: Rounding = Rounding.NEAREST) -> Decimal:
    """Round a USD price to the tick that a US venue accepts.

    Raises
    ------
    ValueError
        If `price` is not a finite, positive number or rounds to zero.
    """
    if not price.is_finite() or price <= ZERO:
        raise ValueError(f"price must be finite and positive, got {price!r}")
    rounded = price.quantize(tick_size(price), rounding=rounding.value)
    if rounded <= ZERO:
        raise ValueError(f"price {price} is below the smallest tick")
    return rounded


def floor_to_tick(price: Decimal) -> Decimal:
    """Round a positive USD price down to the tick; under the smallest tick no price exists, so that stays the least."""
    return round_to_tick(max(price, SUBPENNY), Rounding.DOWN)


def stop_under(base: Decimal, stop: Decimal) -> Decimal:
    """A sale's stop in USD, moved down where it lies nearer under its base price than Alpaca takes.

    Where no room is left, at a base of a cent or less, the smallest tick stands.
    """
    return floor_to_tick(min(stop, base - BASE_GAP))


def target_over(base: Decimal, target: Decimal) -> Decimal:
    """A sale's target in USD, moved up where it lies nearer over its base price than Alpaca takes."""
    return round_to_tick(max(target, base + BASE_GAP), Rounding.UP)


def to_price(value: float, rounding: Rounding = Rounding.NEAREST) -> Decimal:
    """Carry a float price into money, on the tick; one above zero and under the smallest tick becomes that tick."""
    if not math.isfinite(value):
        raise ValueError(f"price must be finite, got {value!r}")
    price = Decimal(repr(value))
    return round_to_tick(max(price, SUBPENNY) if price > ZERO else price, rounding)


def to_float(value: Decimal) -> float:
    """Carry money into float64, for features and scores only."""
    return float(value)


def plain(value: Decimal) -> str:
    """Spell a number in the one way that a quantity has: no exponent, no zeros after its last digit."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def tidy(value: Decimal) -> Decimal:
    """Return the same number with no more digits than it needs: 1.0, which is the sum of 0.4 and 0.6, becomes 1."""
    return Decimal(plain(value))


def floor_to_step(amount: Decimal, step: Decimal, per_unit: Decimal = ONE) -> Decimal:
    """Quantity, in whole steps, that an amount buys at so much a unit. Exact, never more, and never below zero.

    Parameters
    ----------
    amount : Decimal
        In units, or in USD where `per_unit` is a price.
    step : Decimal
        Smallest difference of two quantities, in units; above zero.
    per_unit : Decimal
        What one unit takes of the amount; above zero.
    """
    if amount <= ZERO:
        return ZERO
    return tidy(_EXACT.multiply(_EXACT.divide_int(amount, _EXACT.multiply(step, per_unit)), step))


_EXACT = Context(prec=400)
"""Holds every digit of a quotient of money by the least float, so that nothing is rounded on the way to whole steps."""


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise `ValueError` naming the field, what was expected and what was found."""
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


def require_utc(name: str, value: datetime) -> None:
    """An aware datetime whose offset is zero."""
    if value.tzinfo is UTC:
        return
    require(
        value.tzinfo is not None and value.utcoffset() == timedelta(0),
        name,
        value,
        "an aware UTC datetime",
    )


def require_at_least(name: str, value: int | float | Decimal, minimum: int | float | Decimal) -> None:
    """A finite number not below `minimum`."""
    require(math.isfinite(value) and value >= minimum, name, value, f"finite and >= {minimum}")


def require_positive(name: str, value: int | float | Decimal) -> None:
    """A finite number above zero."""
    require(math.isfinite(value) and value > 0, name, value, "finite and > 0")


def require_fraction(name: str, value: float) -> None:
    """A finite number in [0, 1]."""
    require(math.isfinite(value) and 0 <= value <= 1, name, value, "in [0, 1]")


def require_symbol(name: str, value: str) -> None:
    """A ticker or crypto pair: 1 to 12 characters of A-Z, 0-9, dot, slash or dash, a letter or digit first.

    It becomes the name of a folder and of blobs: no symbol is `..`.
    """
    ok = 1 <= len(value) <= 12 and all(c.isascii() and (c.isupper() or c.isdigit() or c in "./-") for c in value)
    ok = ok and value[0] not in "./-"
    require(ok, name, value, "a symbol of 1 to 12 characters A-Z 0-9 . / -, a letter or digit first")


def from_epoch(seconds: int | float) -> datetime:
    """UTC datetime of an epoch second."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with a trailing Z, microseconds only where they are not zero."""
    require_utc("at", at)
    return at.isoformat().replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Parse an ISO 8601 instant; nanoseconds are cut to microseconds. A naive time is refused."""
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[: min(digits, 6)]}{tail[digits:]}"
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"time must carry an offset, got {text!r}")
    return at.astimezone(UTC)
