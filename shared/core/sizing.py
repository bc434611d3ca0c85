"""How much to buy: the smallest of up to six bounds, the binding one named. Quantities round down to the step."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.values import ZERO, floor_to_step, require_at_least, require_fraction, require_positive


class Bound(StrEnum):
    """What limited a size."""

    TRADE_RISK = "trade_risk"
    KELLY = "kelly"
    VOLATILITY = "volatility"
    LIQUIDITY = "liquidity"
    SYMBOL_EXPOSURE = "symbol_exposure"
    BUYING_POWER = "buying_power"
    AUTOMATION = "automation"
    """A strategy that is to go in half its size."""
    COMMITTEE = "committee"
    """What the committee has left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a size rests on beside account and prices: the chance to win where it is known, daily volatility, volume."""

    p_win: float | None
    daily_volatility: float
    adv_shares: int

    def __post_init__(self) -> None:
        if self.p_win is not None:
            require_fraction("p_win", self.p_win)
        require_at_least("daily_volatility", self.daily_volatility, 0)
        require_at_least("adv_shares", self.adv_shares, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingInputs:
    """What a size depends on. Prices in USD per unit; fractions of equity unless the name says otherwise.

    Attributes
    ----------
    limit_price, worst_price : Decimal
        What a share costs at first asking, and the most that it may cost.
    stop_price, target_price : Decimal
        Where it is left.
    p_win : float or None
        Calibrated probability that the target is reached before the stop, given that one is; where nobody knows it, the
        Kelly bound does not apply.
    daily_volatility : float
        Standard deviation of daily returns; NaN or zero switches that bound off only if it is unknown, in which case
        the size is zero (fail closed).
    adv_shares : int
        Average daily volume.
    buying_power : Decimal
        USD, reservations already taken off.
    held_exposure : Decimal
        USD held or reserved in the symbol already.
    lot : Lot
        In what steps the asset is bought.
    """

    equity: Decimal
    limit_price: Decimal
    worst_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    p_win: float | None
    daily_volatility: float
    adv_shares: int
    buying_power: Decimal
    held_exposure: Decimal
    trade_risk_fraction: Decimal
    kelly_fraction: Decimal
    volatility_target_fraction: Decimal
    adv_max_fraction: Decimal
    symbol_exposure_max_fraction: Decimal
    lot: Lot = WHOLE_SHARES

    def __post_init__(self) -> None:
        require_positive("worst_price", self.worst_price)
        require_positive("stop_price", self.stop_price)
        require_at_least("adv_shares", self.adv_shares, 0)
        if not self.stop_price < self.limit_price <= self.worst_price < self.target_price:
            found = (self.stop_price, self.limit_price, self.worst_price, self.target_price)
            raise ValueError(f"prices must be stop < limit <= worst < target, got {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A quantity in units of the asset, the bound that binds, and what each bound would have allowed."""

    qty: Decimal
    binding: Bound
    bounds: dict[Bound, Decimal]


def kelly_stake(p_win: float, win: Decimal, loss: Decimal) -> Decimal:
    """Fraction of equity to stake by Kelly (1956) on a bet that wins `win` or loses `loss` per share.

    The stake is the loss at the stop, so f* = p - (1 - p) / (win / loss). Never negative.
    """
    p = Decimal(repr(p_win))
    return max(ZERO, p - (1 - p) * loss / win)


def size(inputs: SizingInputs) -> Size:
    """Smallest of the bounds; the first in `Bound`'s order wins a tie.

    What is risked is counted from the worst price. Kelly's odds are those of the limit: the chance to win was learned
    on entries that pay slippage already, and the worst price would charge it twice.
    """
    i, step = inputs, inputs.lot.qty_step
    loss = i.worst_price - i.stop_price
    volatility = Decimal(repr(i.daily_volatility)) if i.daily_volatility > 0 else None
    room = i.equity * i.symbol_exposure_max_fraction - i.held_exposure
    bounds = {
        Bound.TRADE_RISK: floor_to_step(i.equity * i.trade_risk_fraction, step, loss),
        **_kelly_bound(i, loss),
        Bound.VOLATILITY: ZERO
        if volatility is None
        else floor_to_step(i.equity * i.volatility_target_fraction, step, i.worst_price * volatility),
        Bound.LIQUIDITY: floor_to_step(i.adv_shares * i.adv_max_fraction, step),
        Bound.SYMBOL_EXPOSURE: floor_to_step(room, step, i.worst_price),
        Bound.BUYING_POWER: floor_to_step(i.buying_power, step, i.worst_price),
    }
    binding = min(bounds, key=lambda bound: bounds[bound])
    return Size(qty=bounds[binding], binding=binding, bounds=bounds)


def _kelly_bound(i: SizingInputs, loss: Decimal) -> dict[Bound, Decimal]:
    if i.p_win is None:
        return {}
    stake = kelly_stake(i.p_win, i.target_price - i.limit_price, i.limit_price - i.stop_price)
    return {Bound.KELLY: floor_to_step(i.equity * i.kelly_fraction * stake, i.lot.qty_step, loss)}
