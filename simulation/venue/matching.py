"""When an order can trade on a strip of points, and at which price. Pure functions of their arguments.

The tape's four points per bar are all that happens. At each, an order meets the quote that stands from there on
(marketable orders take it) and the price that traded there (resting limits are hit, stops trigger).
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from shared.core.market import BASIS_POINTS, FloatArray
from shared.core.values import Rounding, Side, round_to_tick, to_price
from simulation.venue.config import VenueConfig
from simulation.venue.orders import STOPS, Order, VenueOrderType, VenueTimeInForce
from simulation.venue.tape_view import BoolArray, Strip

COIN = Decimal("0.000000001")
SHARE = Decimal(1)
AUCTIONS = frozenset({VenueTimeInForce.OPG, VenueTimeInForce.CLS})
MIN_PRICE = Decimal("0.0001")


def eligible(order: Order, strip: Strip, start: int) -> BoolArray:
    """Points from `start` on at which the order may trade at all, shape (m - start,)."""
    mask = (strip.extended if order.extended_hours else strip.regular)[start:]
    if order.time_in_force in AUCTIONS:
        auction = strip.opening if order.time_in_force is VenueTimeInForce.OPG else strip.closing
        only = np.zeros_like(mask)
        if auction >= start:
            only[auction - start] = mask[auction - start]
        return only
    return mask


def trailing_stops(order: Order, strip: Strip, start: int, mask: BoolArray) -> FloatArray:
    """Stop level after each point from `start` on, shape (m - start,), from the best price since the order stood."""
    assert order.hwm is not None
    price, begin = strip.price[start:], float(order.hwm)
    if order.side is Side.SELL:
        best = np.maximum.accumulate(np.maximum(np.where(mask, price, begin), begin))
    else:
        best = np.minimum.accumulate(np.minimum(np.where(mask, price, begin), begin))
    return best + trail_offset(order, best)


def trail_offset(order: Order, best: FloatArray) -> FloatArray:
    """Distance of a trailing stop from the best price, signed, in USD, in the shape of `best`."""
    sign = -1.0 if order.side is Side.SELL else 1.0
    if order.trail_price is not None:
        return np.full_like(best, sign * float(order.trail_price))
    assert order.trail_percent is not None
    return best * (sign * float(order.trail_percent) / 100)


def best_price(order: Order, strip: Strip, end: int) -> Decimal:
    """High-water mark (low-water for a buy) of a trailing stop over the points [scan_from, end)."""
    assert order.hwm is not None
    mask = eligible(order, strip, order.scan_from)[: max(end - order.scan_from, 0)]
    seen = strip.price[order.scan_from : end][mask]
    if not seen.size:
        return order.hwm
    if order.side is Side.SELL:
        return max(order.hwm, Decimal(repr(float(seen.max()))))
    return min(order.hwm, Decimal(repr(float(seen.min()))))


def is_waiting_for_stop(order: Order) -> bool:
    """Whether the order is a stop that has not triggered."""
    return order.type in STOPS and not order.is_triggered


def first_point(order: Order, strip: Strip, start: int, share: float) -> int | None:
    """Index of the first point from `start` on at which something happens to the order; None if nowhere.

    A fill needs a point whose volume times `share` is worth at least one lot.
    """
    if start >= len(strip):
        return None
    mask = eligible(order, strip, start)
    if is_waiting_for_stop(order):
        hits = mask & _stop_hits(order, strip, start, mask)
    else:
        hits = mask & (strip.volume[start:] * share >= float(lot_size(is_crypto=order.is_crypto)))
        if order.acts_as is VenueOrderType.LIMIT:
            hits &= _limit_hits(order, strip, start)
        else:
            hits &= (strip.ask if order.side is Side.BUY else strip.bid)[start:] > 0
    index = int(np.argmax(hits))
    return start + index if hits[index] else None


def _stop_hits(order: Order, strip: Strip, start: int, mask: BoolArray) -> BoolArray:
    price = strip.price[start:]
    if order.type is VenueOrderType.TRAILING_STOP:
        level: FloatArray | float = trailing_stops(order, strip, start, mask)
    else:
        assert order.stop_price is not None
        level = float(order.stop_price)
    return np.asarray(price <= level if order.side is Side.SELL else price >= level)


def _limit_hits(order: Order, strip: Strip, start: int) -> BoolArray:
    assert order.limit_price is not None
    limit, price = float(order.limit_price), strip.price[start:]
    if order.side is Side.BUY:
        ask = strip.ask[start:]
        return np.asarray(((ask > 0) & (ask <= limit)) | (price <= limit))
    return np.asarray((strip.bid[start:] >= limit) | (price >= limit))


def fill_price(order: Order, strip: Strip, index: int, qty: Decimal, config: VenueConfig) -> Decimal:
    """Price in USD at which `qty` of an order trades at a point where `first_point` said it can.

    A limit order that takes the standing quote gets the quote; one that rested in the book gets its own limit. A
    market order pays the quote, part of the spread and the square-root impact of its size.
    """
    quote = float(strip.ask[index] if order.side is Side.BUY else strip.bid[index])
    if order.acts_as is VenueOrderType.LIMIT:
        assert order.limit_price is not None
        if order.has_rested or quote <= 0:
            return order.limit_price
        worst = min if order.side is Side.BUY else max
        return worst(order.limit_price, to_price(quote)) if _takes(order, quote) else order.limit_price
    other = float(strip.bid[index] if order.side is Side.BUY else strip.ask[index])
    spread = abs(quote - other) if other > 0 else 0.0
    impact_bp = float(config.slippage_impact_bp) * float(np.sqrt(min(1.0, float(qty) / float(strip.volume[index]))))
    slip = float(config.slippage_spread_share) * spread + quote * impact_bp / float(BASIS_POINTS)
    if order.side is Side.BUY:
        return to_price(quote + slip, Rounding.UP)
    return round_to_tick(max(Decimal(repr(quote - slip)), MIN_PRICE), Rounding.DOWN)


def _takes(order: Order, quote: float) -> bool:
    assert order.limit_price is not None
    return quote <= float(order.limit_price) if order.side is Side.BUY else quote >= float(order.limit_price)


def is_marketable(order: Order, strip: Strip, index: int) -> bool:
    """Whether the order takes the quote that stands since a point."""
    quote = float(strip.ask[index] if order.side is Side.BUY else strip.bid[index])
    if quote <= 0 or strip.volume[index] <= 0:
        return False
    return order.acts_as is not VenueOrderType.LIMIT or _takes(order, quote)


def volume_share(strip: Strip, index: int, share: float, *, is_crypto: bool) -> Decimal:
    """How much all our orders together may trade at a point: a share of its volume, in whole lots."""
    lot = lot_size(is_crypto=is_crypto)
    return (Decimal(repr(float(strip.volume[index]))) * Decimal(repr(share)) // lot) * lot


def lot_size(*, is_crypto: bool) -> Decimal:
    """Smallest quantity that trades."""
    return COIN if is_crypto else SHARE
