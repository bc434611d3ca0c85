"""Buy what fell out of its band, and leave at the mean. Copy this file for a strategy of your own."""

from __future__ import annotations

from dataclasses import dataclass

from shared.strategies import Bars, Needs, Rule, Wishes, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class DipBuyer(Rule):
    """Enter under the lower Bollinger band with a stop under it; leave at the mean, or after some bars."""

    name = "dip-buyer.v1"
    needs = Needs(history_bars=78)

    span: int = parameter(20, "bars in the mean and its deviation", low=5, high=60)
    band: float = parameter(2.0, "deviations from the mean to the band", low=0.5, high=5.0)
    stop_atr: float = parameter(2.0, "ATR(14) from the close down to the stop", low=0.5, high=10.0)
    hold: int = parameter(12, "bars after which a position is left", low=1, high=78)

    def wishes(self, bars: Bars) -> Wishes:
        """Return the wishes at every bar's close."""
        import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

        _, mean, lower = talib.BBANDS(bars.close, self.span, self.band, self.band)
        atr = talib.ATR(bars.high, bars.low, bars.close, 14)
        return Wishes(
            enter=(bars.close < lower) & (atr > 0),
            leave=bars.close > mean,
            stop=bars.close - self.stop_atr * atr,
            hold_bars=self.hold,
        )
