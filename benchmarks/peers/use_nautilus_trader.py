"""The SMA cross in NautilusTrader: its matching engine fills a market order in the bar that the order met."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model import Bar, BarType, Money, TraderId, Venue
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.instruments import Equity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from work import FAST, SLOW, Sheet, Trade, measure

VENUE = Venue("XNAS")


class CrossConfig(StrategyConfig, frozen=True):
    """What one strategy trades."""

    bar_type: BarType


class Cross(Strategy):
    """Long one share while the fast mean is above the slow one."""

    def __init__(self, config: CrossConfig) -> None:
        super().__init__(config)
        self.fast = SimpleMovingAverage(FAST)
        self.slow = SimpleMovingAverage(SLOW)
        self.instrument: Equity | None = None
        self.was_above = False
        self.is_long = False
        self.seen = 0
        self.trades: list[Trade] = []

    def on_start(self) -> None:
        """Subscribe."""
        self.instrument = self.cache.instrument(self.config.bar_type.instrument_id)
        self.register_indicator_for_bars(self.config.bar_type, self.fast)
        self.register_indicator_for_bars(self.config.bar_type, self.slow)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        """Decide at a bar's close."""
        is_above = self.slow.initialized and self.fast.value > self.slow.value
        if is_above and not self.was_above and not self.is_long:
            self._send(OrderSide.BUY)
            self.trades.append((self.seen, -1, float(bar.close)))
        elif self.is_long and not is_above:
            self._send(OrderSide.SELL)
            entry, _, price = self.trades[-1]
            self.trades[-1] = (entry, self.seen, price)
        self.was_above = is_above
        self.seen += 1

    def _send(self, side: OrderSide) -> None:
        instrument = self.instrument
        self.submit_order(self.order_factory.market(instrument.id, side, instrument.make_qty(Decimal(1))))
        self.is_long = side is OrderSide.BUY


def run(sheet: Sheet) -> list[list[Trade]]:
    """Trades of every symbol, by the bar in which each was decided."""
    found = []
    for bars in sheet:
        instrument = TestInstrumentProvider.equity(symbol="ABC", venue="XNAS")
        bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
        frame = pd.DataFrame({name: bars[name].round(2) for name in ("open", "high", "low", "close", "volume")})
        frame.index = pd.date_range("2020-01-01", periods=len(frame), freq="min", tz="UTC")
        engine = BacktestEngine(
            BacktestEngineConfig(trader_id=TraderId("PEER-001"), logging=LoggingConfig(bypass_logging=True))
        )
        engine.add_venue(
            venue=VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=USD,
            starting_balances=[Money(1_000_000, USD)],
        )
        engine.add_instrument(instrument)
        engine.add_data(BarDataWrangler(bar_type, instrument).process(frame))
        strategy = Cross(CrossConfig(bar_type=bar_type))
        engine.add_strategy(strategy)
        engine.run()
        found.append(strategy.trades)
        engine.dispose()
    return found


if __name__ == "__main__":
    measure(run)
