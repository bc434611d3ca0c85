"""What the stages need of the world, as protocols. Adapters fulfil them; tests and the simulation bring their own.

Every port may raise `TransientError` (try again), `ContractError` (nonsense came back) or the error its docstring
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from shared.contracts.messages import Notice, NoticeText, Severity
from shared.contracts.settings import NewsFeed, NoticeChannel, Settings
from shared.core.features import Past
from shared.core.market import Asset, Bars, FloatArray, Headline, Quote, Snapshot, Timeframe, TradingDay
from shared.core.orders import BrokerOrder, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.text.language import LanguageReply, LanguageRequest
from shared.core.unread import Listing
from shared.core.values import Symbol
from shared.strategies.protocol import Predictor

type Cell = str | int | float | bool | None
type Row = Mapping[str, Cell]
"""One table row without its keys: instants as ISO 8601 text, money as decimal text, structures as JSON text."""


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """Return an aware UTC datetime."""


class Calendar(Protocol):
    """The exchange's session dates."""

    def day(self, on: date) -> TradingDay | None:
        """Return the trading day of a date, None where the exchange is closed.

        Raises ContractError for a date the calendar does not cover.
        """

    def next_day(self, after: date) -> TradingDay:
        """Return the first trading day after a date."""

    def previous_days(self, before: date, count: int) -> Sequence[TradingDay]:
        """Return the `count` trading days before a date, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored[T]:
    """A value as it was read, with the tag a conditional write must show."""

    value: T
    etag: str


class TableStore(Protocol):
    """Azure Tables: rows under (partition, row key)."""

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent. Return False, having changed nothing, where the row exists already."""

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace whatever stands there."""

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        """Replace the row that still carries `etag`. Raises ConflictError where it does not."""

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        """Insert or replace rows of one partition by key, in transactions of at most 100."""

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        """Yield (row key, row) of a partition with key_from <= key < key_to, in key order.

        Of each row only the cells of `columns`, where a row has them; all of them where none is named.
        """


class BlobStore(Protocol):
    """Azure Blobs: bytes under (container, name)."""

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent. Return False, having changed nothing, where the blob exists already."""

    def replace(self, container: str, name: str, data: bytes, etag: str) -> None:
        """Replace the blob that still carries `etag`. Raises ConflictError where it does not."""

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""


class Codec(Protocol):
    """Values to JSON and back, checked."""

    def encode(self, value: object) -> str:
        """Return the one JSON spelling of a dataclass value."""

    def decode[T](self, cls: type[T], text: str | bytes) -> T:
        """Return the value. Raises ContractError naming field, expected and found."""


class HistoryStore(Protocol):
    """The past bars that a day's features need: one immutable parquet blob per version of the watchlist."""

    def write(
        self,
        on: date,
        slot: str,
        bars: Mapping[Timeframe, Mapping[Symbol, Bars]],
        *,
        kind: str = "history",
        left_out: Mapping[Symbol, str] = MappingProxyType({}),
    ) -> str:
        """Write and return the blob's name, which starts with `kind` and carries the content's hash.

        `left_out` says of symbols that are missing why they are.
        """

    def bars(self, blob: str) -> Mapping[Timeframe, Mapping[Symbol, Bars]]:
        """Return what was written. Raises ContractError where the blob is missing or broken."""

    def left_out(self, blob: str) -> Mapping[Symbol, str]:
        """Return why symbols were left out. Raises ContractError where the blob is missing or broken."""

    def pasts(self, blob: str, day: TradingDay) -> Mapping[Symbol, Past]:
        """Return every symbol's prepared past. Raises ContractError where the blob is missing or broken."""


class MarketData(Protocol):
    """Prices as they stand at the clock's now; never a bar that has not closed.

    Prices and volumes are as traded: `splits` brings earlier ones into a day's terms (`shared.core.splits`). A row that
    cannot be read is left out, the others are served, and `shared.core.unread.unread_in` tells of it.
    """

    def assets(self) -> Sequence[Asset]:
        """Return tradable instruments of the configured asset class, by symbol."""

    def snapshots(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Snapshot]:
        """Return snapshots; a symbol without a trade is missing."""

    def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Return latest quotes; a symbol without one is missing."""

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Return closed bars that start in [start, end), empty `Bars` for a symbol that has none.

        A symbol is missing where one of its bars cannot be read.
        """

    def splits(self, first: date, last: date) -> Mapping[Symbol, Splits]:
        """Return the splits of every symbol that hold from a date in [first, last] on."""

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Return headlines published in [start, end), oldest first."""


class Broker(Protocol):
    """The account at Alpaca. A 4xx answer is a BrokerError, 429 a RateLimitedError."""

    def now(self) -> datetime:
        """Return the broker's own time."""

    def account_id(self) -> str:
        """Return the id of the account that the keys open, which never changes: asked for once in a process."""

    def account(self) -> Account:
        """Return equity, cash, buying power and flags."""

    def positions(self) -> Listing[Position]:
        """Return open positions, by symbol, and those that cannot be read."""

    def position(self, symbol: Symbol) -> Position | None:
        """Return what is held of one symbol, None where nothing is. Raises ContractError where it cannot be read."""

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return orders of every status submitted after `since`, legs as orders of their own, oldest first.

        Those that cannot be read are listed too, unless they are over.
        """

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        """Return what is open in a symbol, however old and whoever sent it, legs as orders of their own."""

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """Return one order with its legs, None where the broker does not know it."""

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Send one order, once. A time-out is a TransientError: look the order up before sending again."""

    def cancel(self, order_id: str) -> None:
        """Ask for a cancel; that it is done shows in a later look. Cancelling what is closed already is no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """A queue from outside: about how many messages lie in it, and when the one in front was put there.

    `oldest_at` is None where none is visible: there is none, or all are being worked on.
    """

    count: int
    oldest_at: datetime | None = None


class QueueGauge(Protocol):
    """Looks at queues without taking anything out."""

    def state(self, queue: str) -> QueueState:
        """Return a queue's state; one that does not exist yet is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueText:
    """A message's text as its bytes, taken out of a queue for a while; `receipt` is what deletes it."""

    data: bytes
    receipt: tuple[str, str]


class PoisonQueues(QueueGauge, Protocol):
    """Empties queues that nothing listens to."""

    def take(self, queue: str, *, hidden: timedelta) -> Sequence[QueueText]:
        """Return up to 32 messages; they come back after `hidden` unless they are deleted.

        A queue that does not exist yet is empty.
        """

    def delete(self, queue: str, taken: QueueText) -> None:
        """Delete what was taken; what has come back or is gone meanwhile stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """The model in use, and what is wrong where it is not the newest champion (`fault` empty: healthy)."""

    predictor: Predictor | None
    fault: str = ""


class Models(Protocol):
    """Published models, verified before use."""

    def current(self, name: str) -> ModelState:
        """Return the newest champion that can be trusted; a newer one that fails its checks is named in `fault`."""


class TextReader(Protocol):
    """Embedding and sentiment, verified before use."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Return `name/version` of each model in use."""

    @property
    def has_sentiment(self) -> bool:
        """Return whether there is a sentiment model beside the embedding."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, float64 of shape (len(texts), d)."""

    def polarity(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Return what texts sound like, float64 of shape (len(texts),) in [-1, 1]; NaN without a sentiment model.

        `vectors` are theirs, as `embed` returns them.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TextState:
    """The models of text in use, and what is wrong where one is missing or is not the newest champion."""

    reader: TextReader | None
    fault: str = ""


class TextModels(Protocol):
    """Published models of text."""

    def current(self) -> TextState:
        """Return the newest champions that can be trusted; nothing reads without an embedding."""


class LanguageModel(Protocol):
    """A service that answers a question in words."""

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        """Ask once, with another key where one is refused. Raises LanguageError within `timeout_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What a feed said of itself when it was last read: for a conditional GET."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """What came of reading one feed: its items, `symbols` empty, or why there are none (`fault`)."""

    feed: NewsFeed
    items: Sequence[Headline] = ()
    state: FeedState = FeedState()
    is_unchanged: bool = False
    fault: str = ""


class Feeds(Protocol):
    """RSS and Atom feeds."""

    def read(self, feeds: Sequence[NewsFeed], states: Mapping[str, FeedState]) -> Sequence[FeedReading]:
        """Read feeds, each within its bounds; one that fails says so and keeps no other from being read."""


class ModelArchive(Protocol):
    """Every published version of a model, for who looks back."""

    def version(self, name: str, version: str) -> Predictor:
        """Return a version, checked against its card, expired or not. Raises ModelError where it cannot be had."""


class RowExporter(Protocol):
    """Table rows in a form for analysis outside the app."""

    def parquet(self, on: date, rows: Sequence[tuple[str, Row]]) -> bytes:
        """Spell (row key, row) pairs of a session date as one parquet file. Raises ContractError where they cannot."""


class Notifier(Protocol):
    """The log that every notice is in, and the person's channels."""

    def log(self, notice: Notice) -> None:
        """Write one notice to the log."""

    def deliver(self, channel: NoticeChannel, text: NoticeText, severity: Severity) -> None:
        """Send to one channel, once. Raises TransientError, which does not name the address, where it is not taken."""


class Ports(Protocol):
    """Everything a stage may touch. The bootstrap builds each at its first use, so a stage pays for what it needs."""

    @property
    def settings(self) -> Settings:
        """Parsed settings."""

    @property
    def code_revision(self) -> str:
        """Revision of the running code."""

    @property
    def clock(self) -> Clock:
        """The clock."""

    @property
    def calendar(self) -> Calendar:
        """The exchange's calendar."""

    @property
    def tables(self) -> TableStore:
        """Azure Tables."""

    @property
    def blobs(self) -> BlobStore:
        """Azure Blobs."""

    @property
    def codec(self) -> Codec:
        """Values to JSON and back."""

    @property
    def history(self) -> HistoryStore:
        """Past bars of the day's symbols."""

    @property
    def market(self) -> MarketData:
        """Market data."""

    @property
    def broker(self) -> Broker:
        """The account."""

    @property
    def models(self) -> Models:
        """Published models."""

    @property
    def texts(self) -> TextModels:
        """Published models of text."""

    @property
    def language(self) -> LanguageModel:
        """The language model that writes narratives."""

    @property
    def feeds(self) -> Feeds:
        """RSS and Atom feeds."""

    @property
    def notifier(self) -> Notifier:
        """The log of notices and the person's channels."""


class NightPorts(Ports, Protocol):
    """What the jobs after the day touch beside."""

    @property
    def archive(self) -> ModelArchive:
        """Every published version of a model."""

    @property
    def exporter(self) -> RowExporter:
        """Table rows as parquet."""


def trading_day(ports: Ports, at: datetime) -> TradingDay | None:
    """Return the exchange's day of an instant's New York date."""
    return ports.calendar.day(at.astimezone(NEW_YORK).date())
