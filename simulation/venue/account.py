"""The money side: cash, positions, fees and profit. Every change comes from a fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from shared.core.market import BASIS_POINTS
from shared.core.values import CENT, ZERO, Side
from simulation.venue.config import VenueConfig
from simulation.venue.orders import Order, VenueStatus

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `price` in USD per share, `fee` in USD, `seq` its number in the venue's log."""

    seq: int
    at: datetime
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    order_status: VenueStatus

    @property
    def cash_flow(self) -> Decimal:
        """Change of cash in USD, fee included."""
        gross = self.price * self.qty
        return (gross if self.side is Side.SELL else -gross) - self.fee


@dataclass(slots=True, kw_only=True)
class VenuePosition:
    """A holding; `qty` is negative when short. `cost` is the signed cost of what is held, in USD."""

    symbol: str
    is_crypto: bool
    opened_at: datetime
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def avg_entry_price(self) -> Decimal:
        """Mean entry price in USD per share."""
        return self.cost / self.qty if self.qty else ZERO

    def take(self, change: Decimal, price: Decimal) -> None:
        """Add a signed quantity at a price; what closes is realised at average cost."""
        if self.qty * change >= 0:
            self.qty += change
            self.cost += change * price
            return
        closing = min(abs(change), abs(self.qty)).copy_sign(change)
        average = self.avg_entry_price
        self.realized += -closing * (price - average)
        self.qty += closing
        self.cost = average * self.qty if self.qty else ZERO
        if change != closing:
            self.take(change - closing, price)


class VenueAccount:
    """Cash and positions of the one account.

    Parameters
    ----------
    config : VenueConfig
        Starting cash, margin and fees.
    """

    def __init__(self, config: VenueConfig) -> None:
        self.config = config
        self.cash = config.cash
        self.positions: dict[str, VenuePosition] = {}
        self.fills: list[Fill] = []
        self.realized_closed = ZERO

    def held(self, symbol: str) -> Decimal:
        """Signed quantity held."""
        position = self.positions.get(symbol)
        return position.qty if position else ZERO

    def book(self, fill: Fill, *, is_crypto: bool) -> None:
        """Take a fill into cash and positions."""
        self.cash += fill.cash_flow
        position = self.positions.setdefault(
            fill.symbol, VenuePosition(symbol=fill.symbol, is_crypto=is_crypto, opened_at=fill.at)
        )
        position.take(fill.qty if fill.side is Side.BUY else -fill.qty, fill.price)
        if not position.qty:
            self.realized_closed += position.realized
            del self.positions[fill.symbol]
        self.fills.append(fill)

    def market_value(self, marks: Mapping[str, Decimal]) -> tuple[Decimal, Decimal]:
        """Value of long and of short positions in USD; short is negative."""
        values = [position.qty * marks[symbol] for symbol, position in self.positions.items()]
        return sum((v for v in values if v > 0), ZERO), sum((v for v in values if v < 0), ZERO)

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Cash plus the value of all positions, in USD."""
        return self.cash + sum(self.market_value(marks), ZERO)

    def buying_power(self, marks: Mapping[str, Decimal], reserved: Decimal) -> Decimal:
        """What can still be bought, in USD: equity times the multiplier less exposure and open buy orders.

        At two this is Reg T's 2 x (equity - 50 % initial margin); at one it is what cash is not spoken for.
        """
        long, short = self.market_value(marks)
        power = self.config.margin_multiplier * self.equity(marks) - long + short - reserved
        return max(power, ZERO)

    def fee(self, order: Order, price: Decimal, qty: Decimal) -> Decimal:
        """Fee of a fill in USD: what the order owes in all, rounded up to the cent, less what it paid before."""
        if order.is_crypto:
            return (price * qty * self.config.crypto_fee_bp / BASIS_POINTS).quantize(CENT, ROUND_CEILING)
        if order.side is Side.BUY:
            return ZERO
        notional = order.filled_notional + price * qty
        sec = (notional * self.config.sec_fee_per_million / MILLION).quantize(CENT, ROUND_CEILING)
        taf = min((order.filled_qty + qty) * self.config.taf_fee_per_share, self.config.taf_fee_max)
        return sec + taf.quantize(CENT, ROUND_CEILING) - order.fees
