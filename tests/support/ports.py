"""Every port in memory: real tables, blobs, calendar, codec, history; clock, broker and market made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from shared.adapters.absent import NoFeeds, NoLanguage, NoText
from shared.adapters.calendar import XnysCalendar
from shared.adapters.history import BlobHistory
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.bootstrap import JsonCodec
from shared.contracts.messages import Notice, NoticeText, Severity
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard, RecordedPair
from shared.contracts.records import ACCOUNT, CURRENT, Table
from shared.contracts.settings import NoticeChannel, Settings, parse_settings
from shared.core.errors import TransientError
from shared.core.features import FEATURE_NAMES
from shared.core.market import Asset, Bars, FloatArray, Headline, Quote, Snapshot, Timeframe
from shared.core.splits import Splits
from shared.core.unread import BySymbol, Listing, Unread
from shared.core.values import Symbol
from shared.ports import (
    BlobStore,
    Calendar,
    Codec,
    Feeds,
    HistoryStore,
    LanguageModel,
    ModelState,
    TableStore,
    TextModels,
)
from tests.support.broker import HandBroker
from tests.support.clock import HandClock

CALENDAR = XnysCalendar()

ENVIRONMENT: Mapping[str, str] = {
    "ALPACA_ENVIRONMENT": "sandbox",
    "ALPACA_KEY_ID": "key-of-the-test",
    "ALPACA_SECRET_KEY": "secret-of-the-test",
    "ALPACA_TRADING_URL": "http://127.0.0.1:1",
    "ALPACA_DATA_URL": "http://127.0.0.1:1",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "GATEHOUSE_CORE_SYMBOLS": "SPY QQQ",
    "GATEHOUSE_MARKET_SYMBOLS": "SPY QQQ",
}


def settings_with(**changes: str) -> Settings:
    """Sound settings, some of them changed by their environment names."""
    return parse_settings({**ENVIRONMENT, **changes})


@dataclass(slots=True)
class HandMarket:
    """Market data as a test lays it out. Quotes carry the clock's time unless `quote_at` says otherwise."""

    clock: HandClock
    prices: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Bid and ask by symbol, in USD."""
    seen: dict[str, Snapshot] = field(default_factory=dict)
    history: dict[tuple[str, Timeframe], Bars] = field(default_factory=dict)
    headlines: list[Headline] = field(default_factory=list)
    splits_of: dict[str, Splits] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    """Rows that cannot be read: their symbol is left out of answers of their kind."""
    splits_error: Exception | None = None
    quote_at: datetime | None = None
    error: Exception | None = None

    def assets(self) -> Sequence[Asset]:
        self._answer()
        symbols = sorted({*self.seen, *self.prices, *(symbol for symbol, _ in self.history)})
        return [
            Asset(
                symbol=Symbol(s),
                name=s,
                exchange="NASDAQ",
                asset_class="us_equity",
                is_tradable=True,
                is_fractionable=False,
            )
            for s in symbols
        ]

    def snapshots(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Snapshot]:
        self._answer()
        return self._readable("snapshot", {s: self.seen[s] for s in symbols if s in self.seen})

    def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        self._answer()
        at = self.quote_at or self.clock.now()
        found = {
            s: Quote(symbol=s, bid=Decimal(bid), ask=Decimal(ask), bid_size=100, ask_size=100, at=at)
            for s in symbols
            if s in self.prices
            for bid, ask in (self.prices[s],)
        }
        return self._readable("quote", found)

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Bars that have closed by the clock's now."""
        self._answer()
        closed_by = int(self.clock.now().timestamp()) - timeframe.seconds + 1
        until = min(int(np.ceil(end.timestamp())), closed_by)
        first = int(start.timestamp())
        found = {s: self.history.get((s, timeframe), Bars.empty()).between(first, max(first, until)) for s in symbols}
        return self._readable("bars", found)

    def splits(self, first: date, last: date) -> Mapping[Symbol, Splits]:
        self._answer()
        if self.splits_error is not None:
            raise self.splits_error
        return BySymbol({Symbol(s): each for s, each in self.splits_of.items()})

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        self._answer()
        found = sorted((h for h in self.headlines if start <= h.published_at < end), key=lambda h: h.published_at)
        return Listing(tuple(found), tuple(row for row in self.unread if row.what == "headline"))

    def _readable[T](self, what: str, found: Mapping[Symbol, T]) -> Mapping[Symbol, T]:
        bad = [row for row in self.unread if row.what == what and row.name in found]
        names = {row.name for row in bad}
        return BySymbol({symbol: value for symbol, value in found.items() if symbol not in names}, bad)

    def _answer(self) -> None:
        if self.error is not None:
            raise self.error


def card(name: str, outputs: tuple[str, ...], version: str = "v1") -> ModelCard:
    """A card that names our features."""
    return ModelCard(
        name=name,
        version=version,
        sha256="0" * 64,
        feature_names=FEATURE_NAMES,
        output_names=outputs,
        label="made by hand",
        trained_from=date(2025, 9, 1),
        trained_to=date(2025, 10, 1),
        created_at=datetime(2025, 10, 14, 22, 0, tzinfo=UTC),
        expires_on=date(2026, 10, 14),
        code_revision="",
        metrics={},
        pairs=(RecordedPair(features=(0.0,) * len(FEATURE_NAMES), output=(0.0,) * len(outputs)),),
    )


@dataclass(slots=True, kw_only=True)
class HandPredictor:
    """A model that says what the test says."""

    card: ModelCard
    answer: Callable[[FloatArray], FloatArray]

    def predict(self, features: FloatArray) -> FloatArray:
        return self.answer(features)


def always(name: str, outputs: tuple[str, ...], values: Sequence[float]) -> HandPredictor:
    """A model with one answer to everything."""
    return HandPredictor(card=card(name, outputs), answer=lambda rows: np.tile(np.asarray(values), (len(rows), 1)))


@dataclass(slots=True)
class HandModels:
    """Published models by name."""

    states: dict[str, ModelState]

    def current(self, name: str) -> ModelState:
        return self.states.get(name, ModelState(predictor=None, fault="no champion has been published"))

    def break_down(self, name: str, fault: str) -> None:
        self.states[name] = ModelState(predictor=None, fault=fault)


def sure_models(down: float = 0.1, none: float = 0.2, up: float = 0.7, move: float = 0.01) -> HandModels:
    """A signal and a move model that always say the same."""
    chances = dict(zip(("down", "none", "up"), (down, none, up), strict=True))
    signal = always(SIGNAL_MODEL, SIGNAL_CLASSES, [chances[name] for name in SIGNAL_CLASSES])
    return HandModels(
        {
            SIGNAL_MODEL: ModelState(predictor=signal),
            MOVE_MODEL: ModelState(predictor=always(MOVE_MODEL, ("expected_move",), [move])),
        }
    )


@dataclass(slots=True)
class HandNotifier:
    """A phone that keeps what it got."""

    sent: list[Notice] = field(default_factory=list)

    delivered: list[tuple[str, NoticeText]] = field(default_factory=list)
    """Channel and text of what was taken."""
    dead: set[str] = field(default_factory=set)
    """Channels that take nothing."""

    def log(self, notice: Notice) -> None:
        self.sent.append(notice)

    def deliver(self, channel: NoticeChannel, text: NoticeText, severity: Severity) -> None:
        if channel.name in self.dead:
            raise TransientError(f"channel {channel.name} did not take the notice")
        self.delivered.append((channel.name, text))


@dataclass(slots=True, kw_only=True)
class FakePorts:
    """`shared.ports.Ports` without a network."""

    settings: Settings
    clock: HandClock
    calendar: Calendar
    tables: TableStore
    blobs: BlobStore
    codec: Codec
    history: HistoryStore
    market: HandMarket
    broker: HandBroker
    models: HandModels
    notifier: HandNotifier
    texts: TextModels = field(default_factory=NoText)
    language: LanguageModel = field(default_factory=NoLanguage)
    feeds: Feeds = field(default_factory=NoFeeds)
    code_revision: str = "revision-of-the-test"

    def rows(self, table: str, partition: object) -> dict[str, dict[str, object]]:
        """Rows of a partition by key."""
        return {key: dict(row) for key, row in self.tables.query(table, str(partition))}


def fake_ports(at: datetime, *, tables: TableStore | None = None, **settings: str) -> FakePorts:
    """Ports of an empty account with 100,000 USD at an instant, one symbol AAA quoted 9.99 to 10.01."""
    clock = HandClock(at)
    blobs = MemoryBlobs()
    market = HandMarket(clock, prices={"AAA": ("9.99", "10.01")})
    return FakePorts(
        settings=settings_with(**settings),
        clock=clock,
        calendar=CALENDAR,
        tables=tables or MemoryTables(),
        blobs=blobs,
        codec=JsonCodec(),
        history=BlobHistory(blobs),
        market=market,
        broker=HandBroker(clock),
        models=sure_models(),
        notifier=HandNotifier(),
    )


def lose_ledger(ports: FakePorts) -> None:
    """Take the ledger's row out, as a person may in Storage Explorer."""
    assert isinstance(ports.tables, MemoryTables)
    ports.tables.remove(Table.LEDGER, ACCOUNT, CURRENT)


MINUTE = timedelta(minutes=1)
