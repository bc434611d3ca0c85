"""The app's ports in one process: the same composition root, with memory for storage and a tape for the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import takewhile

from shared.adapters.absent import NoLanguage
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.bootstrap import App
from shared.core.orders import BrokerOrder
from shared.core.portfolio import Account, Position
from shared.core.unread import Listing, listing
from shared.core.values import Symbol
from shared.stages.narrative.calls import RecordedLanguage
from simulation.runtime.broker import SimBroker
from simulation.runtime.clock import SimClock
from simulation.runtime.codec import MemoCodec
from simulation.runtime.notifier import SimNotifier
from simulation.venue.engine import Exchange
from simulation.venue.views import account_id, money
from training.backtest.market import TapeMarket
from training.backtest.told_stories import NO_STORIES, ToldStories

FIXED = {
    "ALPACA_ENVIRONMENT": "sandbox",
    "ALPACA_KEY_ID": "backtest",
    "ALPACA_SECRET_KEY": "backtest",
    "ALPACA_TRADING_URL": "http://127.0.0.1:1",
    "ALPACA_DATA_URL": "http://127.0.0.1:1",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
"""What the app asks of every environment, and nothing in a backtest ever uses."""


class TapeBroker(SimBroker):
    """The exchange as `Broker`: it is brought to the clock's now whenever a call looks at it.

    Parameters
    ----------
    exchange : Exchange
    clock : SimClock
    """

    def __init__(self, exchange: Exchange, clock: SimClock) -> None:
        self._clock = clock
        super().__init__(exchange)
        self._account_id = account_id(exchange)

    @property
    def exchange(self) -> Exchange:
        """The exchange, as it stands at the clock's now."""
        return self.sync()

    @exchange.setter
    def exchange(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def sync(self) -> Exchange:
        """Let the market go on to the clock's now."""
        if self._exchange.now < self._clock.at:
            self._exchange.advance(self._clock.at)
        return self._exchange

    def account(self) -> Account:
        """Return what `read_account` reads off the venue's JSON, without the JSON."""
        exchange, held = self.exchange, self.exchange.account
        marks = exchange.marks()
        return Account(
            account_id=self._account_id,
            equity=Decimal(money(held.equity(marks))),
            last_equity=Decimal(money(exchange.last_equity())),
            cash=Decimal(money(held.cash)),
            buying_power=Decimal(money(held.buying_power(marks, exchange.book.reserved_cash()))),
            is_blocked=False,
        )

    def _position(self, symbol: str) -> Position:
        held = self.exchange.account.positions[symbol]
        return Position(
            symbol=Symbol(symbol),
            qty=held.qty,
            average_price=Decimal(money(held.avg_entry_price)),
            market_price=Decimal(money(self.exchange.mark(symbol))),
        )

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return orders of every status submitted after `since`, oldest first."""
        # The book is in the order of submission: months of orders are not looked through for those of a day.
        heads = takewhile(lambda order: order.created_at > since, reversed(self.exchange.book.orders.values()))
        views = [self._view(order) for order in heads if order.parent is None][::-1]
        flat = (part for view in views for part in (view, *view.legs))
        return listing(sorted(flat, key=lambda order: order.submitted_at))


class BacktestApp(App):
    """The app on memory, a tape and a clock that stands until it is moved.

    Parameters
    ----------
    environment : mapping of str to str
        Settings as text.
    exchange : Exchange
    clock : SimClock
    revision : str
        Of the code, for the rows that name it.
    trades_on, stories : optional
        As in `TapeMarket`.

    Raises
    ------
    SettingsError
        Naming every setting that cannot be used.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        exchange: Exchange,
        clock: SimClock,
        revision: str,
        trades_on: Callable[[str, date], bool] | None = None,
        *,
        stories: ToldStories = NO_STORIES,
    ) -> None:
        super().__init__({**environment, **FIXED})
        self.code_revision = revision
        self.codec = MemoCodec()
        self.clock = clock
        self.memory_tables = MemoryTables()
        self.memory_blobs = MemoryBlobs()
        self.tape_broker = TapeBroker(exchange, clock)
        self.tables = self.memory_tables
        self.blobs = self.memory_blobs
        self.market = TapeMarket(exchange, clock, trades_on, stories=stories)
        self.broker = self.tape_broker
        self.language = (
            RecordedLanguage(settings=self.settings.language) if self.settings.language.url else NoLanguage()
        )
        self.notifier = SimNotifier()
