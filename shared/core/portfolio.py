"""The account and what it holds. Money in USD, quantities in units of the asset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.core.unread import Listing
from shared.core.values import ZERO, Symbol, require_at_least, require_symbol, require_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The broker's account as it stands.

    `last_equity` is that at the last trading day's close, not above 0 where the broker knows none; `paid_in` what was
    paid in since, less what was paid out.
    """

    account_id: str
    equity: Decimal
    last_equity: Decimal
    cash: Decimal
    buying_power: Decimal
    is_blocked: bool
    paid_in: Decimal = ZERO

    @property
    def opening_equity(self) -> Decimal:
        """What a day's loss is measured from, in USD; 0 where the broker knows no last close.

        A deposit is no profit to be lost again. What was paid out does count as lost: it halts sooner, never later.
        """
        return self.last_equity + max(self.paid_in, ZERO) if self.last_equity > 0 else ZERO

    @property
    def holdings(self) -> Decimal:
        """What the account counts its positions to be worth, in USD; short ones count below 0."""
        return self.equity - self.cash


OTHER_ACCOUNT = "the keys open another account"


def another_account(pinned: str, found: str) -> str:
    """Say that what belongs to account `pinned` is nothing to do with `found`, whose keys we have.

    Empty where it is the same, or where nothing is pinned yet: rows of older code know no account.
    """
    return "" if not pinned or pinned == found else f"{OTHER_ACCOUNT}: {found}, not {pinned}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one symbol; negative is short, which this system never opens.

    `qty` may be any: a person may hold fractions of shares that this system never buys.
    """

    symbol: Symbol
    qty: Decimal
    average_price: Decimal
    market_price: Decimal

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_at_least("market_price", self.market_price, 0)

    @property
    def market_value(self) -> Decimal:
        """Signed value in USD."""
        return self.market_price * self.qty

    @property
    def open_result(self) -> Decimal:
        """What it has gained since it was bought, in USD before fees."""
        return (self.market_price - self.average_price) * self.qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """When, in UTC, and at which average price in USD what is held was bought, as a strategy sees it."""

    at: datetime
    price: float

    def __post_init__(self) -> None:
        require_utc("at", self.at)


def hides_positions(account: Account, listed: Listing[Position]) -> bool:
    """Whether an empty list of positions is contradicted by the account, which counts a dollar or more as held.

    Believed, it would release what is bought, forget what a person has accepted, and let an entry exceed its limits.
    """
    return not listed and not listed.unread and abs(account.holdings) >= 1


def exposure_by_symbol(positions: Iterable[Position]) -> Mapping[Symbol, Decimal]:
    """Absolute market value by symbol, in USD."""
    exposure: dict[Symbol, Decimal] = {}
    for position in positions:
        exposure[position.symbol] = exposure.get(position.symbol, ZERO) + abs(position.market_value)
    return exposure
