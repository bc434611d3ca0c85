"""How the venue behaves: money at the start, margin, fills, slippage, fees and the rate limit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from shared.core.values import require, require_at_least, require_fraction, require_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueConfig:
    """Every choice the venue leaves open. Money in USD.

    Parameters
    ----------
    cash : Decimal
        Cash at the start.
    margin_multiplier : int
        1 is a cash account, 2 Reg-T margin, 4 intraday margin.
    allow_shorting : bool
        Whether selling what is not held opens a short position.
    volume_share : float
        Part of each point's traded volume that all our orders together may take, in [0, 1].
    slippage_spread_share : Decimal
        A market order pays this part of the spread beyond the quote.
    slippage_impact_bp : Decimal
        A market order as large as the whole volume of its point moves the price by this much; smaller ones by the
        square root of their share (the square-root law of market impact).
    sec_fee_per_million, taf_fee_per_share, taf_fee_max : Decimal
        Regulatory fees on sales of equities: per million USD sold, per share sold and its ceiling per order.
    crypto_fee_bp : Decimal
        Fee on crypto fills of both sides, taken from cash, in basis points of the notional.
    requests_per_minute : int
        HTTP calls in one minute of venue time before 429.
    quote_refresh_s : int
        The standing quote is sent anew this often while its symbol trades, so its time is at most this old.
    armed_stop_status : "held" or "new"
        What a bracket's or OCO's stop leg reports while its limit sibling works. Alpaca keeps it `held` although it
        is armed (forum.alpaca.markets 3697); the log says `armed` in both cases.
    replace_keeps_qty : bool
        Alpaca's replacement of a partly filled order asks for the whole original quantity again unless the caller
        names one (alpacahq/Alpaca-API issue 165). False asks for the unfilled rest.
    wash_trade_check : bool
        Refuse an order that could meet one of our own on the other side, as Alpaca does.
    """

    cash: Decimal = Decimal(100_000)
    margin_multiplier: int = 2
    allow_shorting: bool = False
    volume_share: float = 0.10
    slippage_spread_share: Decimal = Decimal("0.1")
    slippage_impact_bp: Decimal = Decimal(10)
    sec_fee_per_million: Decimal = Decimal("27.80")
    taf_fee_per_share: Decimal = Decimal("0.000195")
    taf_fee_max: Decimal = Decimal("9.79")
    crypto_fee_bp: Decimal = Decimal(25)
    requests_per_minute: int = 200
    quote_refresh_s: int = 1
    armed_stop_status: Literal["held", "new"] = "held"
    replace_keeps_qty: bool = True
    wash_trade_check: bool = True

    def __post_init__(self) -> None:
        require_positive("cash", self.cash)
        require(self.margin_multiplier in {1, 2, 4}, "margin_multiplier", self.margin_multiplier, "1, 2 or 4")
        require_fraction("volume_share", self.volume_share)
        for name in ("slippage_spread_share", "slippage_impact_bp", "sec_fee_per_million", "taf_fee_per_share"):
            require_at_least(name, getattr(self, name), 0)
        require_at_least("taf_fee_max", self.taf_fee_max, 0)
        require_at_least("crypto_fee_bp", self.crypto_fee_bp, 0)
        require_at_least("requests_per_minute", self.requests_per_minute, 1)
        require_at_least("quote_refresh_s", self.quote_refresh_s, 1)
        require(
            self.armed_stop_status in {"held", "new"}, "armed_stop_status", self.armed_stop_status, "'held' or 'new'"
        )
