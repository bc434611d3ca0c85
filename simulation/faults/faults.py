"""Fault injectors around the ports: every call may fail, hang, lose its answer or kill its host."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.settings import Settings
from shared.core.errors import BrokerError, ConflictError, RateLimitedError, TransientError
from shared.core.market import Asset, Bars, Headline, Quote, Snapshot, Timeframe
from shared.core.order_steps import MAX_BACKOFF_DOUBLINGS
from shared.core.orders import BrokerOrder, OrderClass, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.splits import Splits
from shared.core.unread import Listing
from shared.core.values import CENT, Side, Symbol
from shared.ports import Row, Stored
from simulation.faults.market import SimMarket
from simulation.faults.observer import WorldObserver
from simulation.faults.options import Faults, SimulationRun
from simulation.faults.seen import SeenFacts, intent_of
from simulation.faults.trace import Trace
from simulation.runtime.broker import SimBroker

STORAGE_TIMEOUT_S = 15.0
BROKER_TIMEOUT_S = 10.0
HANGS_MAX_S = 60.0
LAG_MAX_S = 4.0
FORBIDDEN, NO_POWER = 403, 40310000
LATE_S = (20.0, 40.0, 200.0)
MISPRINTS = (Decimal("1.8"), Decimal("0.5"), Decimal("0.00001"))
"""What a wrong print makes of the equity."""
MISPRINTS_APART = timedelta(minutes=5)
SANE = Decimal("0.1")
"""The ledger's last look is right where it stands this near the venue's own figure."""


class Crash(BaseException):
    """The host died here."""


class BrokerRule(StrEnum):
    """What a broker does not take."""

    PLAIN = "use complex orders"
    AT_ONCE = "no sale that sells at once"
    ANY = "no sale at all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A rule that holds until an instant."""

    rule: BrokerRule
    ends_at: datetime


class Surroundings(Protocol):
    """What the injectors need of the simulation."""

    faults: Faults
    run: SimulationRun
    settings: Settings
    seen: SeenFacts
    observer: WorldObserver
    trace: Trace
    spell: Spell | None
    other: object | None
    rng: random.Random
    is_calm: bool
    broker_down: bool
    parts_down: set[str]
    storage_down: bool

    @property
    def is_hiding(self) -> bool:
        """Whether the broker hides positions now."""

    def pause(self) -> None:
        """Let the other host run, perhaps."""

    def elapse(self, seconds: float) -> None:
        """Let time pass within a call."""

    def sync(self) -> None:
        """Let the market go on to now."""

    def stall(self, seconds: float) -> None:
        """Let a time-out pass."""

    def think(self, seconds: float) -> None:
        """Let a language model think."""

    def now(self) -> datetime:
        """The simulated instant."""

    def hurt(self, fault: str, where: str, seconds: float = 0.0) -> None:
        """Note a fault; what runs now may be held up by it, for so long at least."""

    def wrote(self, how: str, table: str, row: Row) -> None:
        """Note a row that was written; `how` is the call."""

    def quoted(self, quotes: Mapping[Symbol, Quote]) -> None:
        """Note quotes that what runs now has got."""

    def answered_no(self, request: OrderRequest, words: str) -> None:
        """Note that what runs now has heard why an order was refused."""


class Injector:
    """Decides what becomes of a call."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world

    def _begin(self, base_s: float, spread_s: float) -> float | None:
        """Spend the call's time and draw; None while all is calm."""
        world = self.world
        world.pause()
        if world.is_calm:
            world.elapse(base_s)
            return None
        world.elapse(base_s + spread_s * world.rng.random())
        return world.rng.random()

    def storage[T](self, name: str, effect: Callable[[], T], *, is_conditional: bool = False) -> T:
        """Run a call of storage."""
        world = self.world
        draw = self._begin(0.003, 0.01)
        if world.storage_down:
            world.hurt("storage_outage", name)
            raise TransientError(f"{name}: storage is down")
        if draw is None:
            return effect()
        faults = world.faults
        draw -= faults.crash
        if draw < 0:
            return self._crash(name, effect)
        draw -= faults.storage_error
        if draw < 0:
            world.hurt("storage_error", name)
            raise TransientError(f"{name}: HTTP 500 or 429")
        draw -= faults.storage_timeout
        if draw < 0:
            world.hurt("storage_timeout", name)
            if world.rng.random() < 0.7:
                effect()
            world.stall(STORAGE_TIMEOUT_S)
            raise TransientError(f"{name}: no answer")
        if is_conditional and draw < faults.storage_conflict:
            world.hurt("storage_conflict", name)
            raise ConflictError(f"{name}: HTTP 412")
        return effect()

    def broker[T](self, name: str, effect: Callable[[], T]) -> T:
        """Run a call of the broker or of market data."""
        world = self.world
        draw = self._begin(0.02, 0.15)
        world.sync()
        if world.broker_down:
            world.hurt("broker_outage", name)
            world.stall(BROKER_TIMEOUT_S)
            raise TransientError(f"{name}: the broker is down")
        if draw is None:
            return effect()
        faults = world.faults
        draw -= faults.crash
        if draw < 0:
            return self._crash(name, effect)
        draw -= faults.broker_error
        if draw < 0:
            world.hurt("broker_error", name)
            raise (RateLimitedError if draw < -faults.broker_error / 2 else TransientError)(f"{name}: HTTP 429 or 500")
        if draw < faults.broker_timeout:
            world.hurt("broker_timeout", name)
            if world.rng.random() < 0.6:
                with suppress(Exception):  # the answer is lost, a refusal too
                    effect()
            world.stall(BROKER_TIMEOUT_S)
            raise TransientError(f"{name}: no answer")
        return effect()

    def _crash[T](self, name: str, effect: Callable[[], T]) -> T:
        """Die before or after the effect."""
        is_after = self.world.rng.random() < 0.5
        self.world.hurt("crash", f"{'after' if is_after else 'before'} {name}")
        if is_after:
            try:
                effect()
            except Exception as error:
                raise Crash(name) from error
        raise Crash(name)


class FaultyTables:
    """`TableStore` on unsafe ground."""

    def __init__(self, tables: MemoryTables, injector: Injector) -> None:
        self._tables = tables
        self._call = injector.storage
        self._wrote = injector.world.wrote

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""
        return self._call(f"get {table}", lambda: self._tables.get(table, partition, key))

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent."""

        def effect() -> bool:
            done = self._tables.insert(table, partition, key, row)
            if done:
                self._wrote("insert", table, row)
            return done

        return self._call(f"insert {table}", effect)

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace."""

        def effect() -> None:
            self._tables.put(table, partition, key, row)
            self._wrote("put", table, row)

        self._call(f"put {table}", effect)

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        """Replace the row that still carries `etag`."""

        def effect() -> None:
            self._tables.replace(table, partition, key, row, etag)
            self._wrote("replace", table, row)

        self._call(f"replace {table}", effect, is_conditional=True)

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        """Insert or replace rows of one partition."""
        self._call(f"put_many {table}", lambda: self._tables.put_many(table, partition, rows))

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        """Yield rows of a partition."""
        return self._call(
            f"query {table}",
            lambda: self._tables.query(table, partition, key_from=key_from, key_to=key_to, columns=columns),
        )


class FaultyBlobs:
    """`BlobStore` on unsafe ground."""

    def __init__(self, blobs: MemoryBlobs, injector: Injector) -> None:
        self._blobs = blobs
        self._call = injector.storage

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""
        return self._call(f"get {container}", lambda: self._blobs.get(container, name))

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write."""
        self._call(f"put {container}", lambda: self._blobs.put(container, name, data))

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent."""
        return self._call(f"insert {container}", lambda: self._blobs.insert(container, name, data))

    def replace(self, container: str, name: str, data: bytes, etag: str) -> None:
        """Replace the blob that still carries `etag`."""
        self._call(
            f"replace {container}", lambda: self._blobs.replace(container, name, data, etag), is_conditional=True
        )

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return names."""
        return self._call(f"names {container}", lambda: self._blobs.names(container, prefix))


class FaultyBroker:
    """`Broker` that answers late, wrongly or not at all."""

    def __init__(self, broker: SimBroker, injector: Injector) -> None:
        self._broker = broker
        self._world = injector.world
        self._call = injector.broker
        self._hidden: dict[str, datetime] = {}
        self._refused: set[str] = set()
        self._taken: set[str] = set()
        # Of its own, so that what other faults draw stays where it is.
        self._prints = random.Random(f"equity:{injector.world.run.seed}")
        self._misprinted_at = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the broker's time."""
        return self._call("clock", self._broker.now)

    def account_id(self) -> str:
        """Return the account's id, which a process knows once it has seen the account."""
        return self._broker.account_id()

    def account(self) -> Account:
        """Return the account."""
        return self._part("account", lambda: self._printed(self._broker.account()))

    def _printed(self, account: Account) -> Account:
        """The account as it is shown. A wrong print is shown to one look, and to none for minutes after."""
        world, draw, factor = self._world, self._prints.random(), self._prints.choice(MISPRINTS)
        ledger, now = world.seen.ledger, world.now()
        is_wrong = (
            not world.is_calm
            and draw < world.faults.bad_equity
            and now - self._misprinted_at > MISPRINTS_APART
            and ledger is not None
            and abs(ledger.equity / account.equity - 1) < SANE
        )
        world.observer.account_looked_at(account, is_wrong=is_wrong)
        if not is_wrong:
            return account
        self._misprinted_at = now
        world.hurt("bad_equity", f"account x {factor}")
        return dataclasses.replace(account, equity=max(CENT, (account.equity * factor).quantize(CENT)))

    def positions(self) -> Listing[Position]:
        """Return open positions."""
        return self._part("positions", lambda: Listing() if self._world.is_hiding else self._broker.positions())

    def position(self, symbol: Symbol) -> Position | None:
        """Return what is held of one symbol."""

        def effect() -> Position | None:
            return None if self._world.is_hiding else self._broker.position(symbol)

        return self._call(f"position {symbol}", effect)

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return orders."""
        return self._part("orders", lambda: self._broker.orders(since=since))

    def _part[T](self, name: str, effect: Callable[[], T]) -> T:
        """A call that may be down by itself for long; no excuse for anything that does not need it."""
        if name in self._world.parts_down:
            self._world.elapse(0.05)
            raise TransientError(f"{name}: HTTP 503")
        return self._call(name, effect)

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        """Return what is open in a symbol."""
        return self._call(f"open orders {symbol}", lambda: self._broker.open_orders(symbol))

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """Return one order, perhaps as it was, or not yet."""
        world = self._world

        def effect() -> BrokerOrder | None:
            hidden_until = self._hidden.get(client_order_id)
            if hidden_until is not None and world.now() < hidden_until and not world.is_calm:
                world.hurt("lookup_lag", f"order {client_order_id}", (hidden_until - world.now()).total_seconds())
                return None
            if not world.is_calm and world.rng.random() < world.faults.stale_view:
                earlier = self._broker.earlier(client_order_id)
                if earlier is not None:
                    world.hurt("stale_view", f"order {client_order_id}", 10.0)
                    return earlier
            return self._broker.order(client_order_id)

        return self._call(f"order {client_order_id}", effect)

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Send one order."""
        world = self._world

        def effect() -> BrokerOrder:
            world.observer.submits(request)
            try:
                if self._is_refused(request):
                    raise BrokerError(FORBIDDEN, NO_POWER, "a rule of the broker forbids it")
                if words := self._rule_against(request):
                    raise BrokerError(FORBIDDEN, NO_POWER, words)
                order = self._broker.submit(self._left_behind(request))
            except BrokerError as error:
                world.observer.refused(request, error.message)
                raise
            world.observer.submitted(request)
            if not world.is_calm and world.rng.random() < world.faults.lookup_lag:
                self._hidden[request.client_order_id] = world.now() + timedelta(seconds=LAG_MAX_S * world.rng.random())
            return order

        try:
            return self._call(f"submit {request.client_order_id}", effect)
        except BrokerError as error:
            world.answered_no(request, str(error))
            raise

    def _rule_against(self, request: OrderRequest) -> str:
        """Why a submission is refused for a while; empty where it is taken."""
        world, spell = self._world, self._world.spell
        if request.side is not Side.SELL or spell is None or world.is_calm or world.now() >= spell.ends_at:
            return ""
        mark, plan = self._broker.exchange.mark(request.symbol), world.seen.intents[intent_of(request)]
        if spell.rule is BrokerRule.ANY or (spell.rule is BrokerRule.AT_ONCE and plan.target_price <= mark):
            # Nothing can be sold and nothing guarded: until the spell is over, and the longest pause after it.
            pause = timedelta(seconds=world.settings.policy.entry_poll_s) * 2**MAX_BACKOFF_DOUBLINGS
            world.observer.excused(request.symbol, spell.ends_at + pause + timedelta(seconds=5))
        is_plain = request.order_class is OrderClass.SIMPLE
        is_at_once = is_plain or (request.target_price or 0) <= mark
        is_refused = is_plain if spell.rule is BrokerRule.PLAIN else is_at_once or spell.rule is BrokerRule.ANY
        return spell.rule.value if is_refused else ""

    def _left_behind(self, request: OrderRequest) -> OrderRequest:
        """The order as it stands to the market on its arrival: one that ran away is as good as a lower limit."""
        world = self._world
        chance, stop = world.faults.runs_away, request.stop_price
        is_entry = request.side is Side.BUY and stop is not None
        if not chance or not is_entry or world.is_calm or world.rng.random() >= chance:
            return request
        assert stop is not None
        return dataclasses.replace(request, limit_price=stop + CENT)

    def _is_refused(self, request: OrderRequest) -> bool:
        """A rule says the same of the same order, whichever host sends it."""
        world, client_order_id = self._world, request.client_order_id
        if client_order_id in self._taken:
            return False
        if client_order_id not in self._refused:
            chance = world.faults.order_refused
            if not chance or world.is_calm or request.order_class is OrderClass.OCO or world.rng.random() >= chance:
                self._taken.add(client_order_id)
                return False
            self._refused.add(client_order_id)
        if request.side is Side.SELL:
            world.hurt("order_refused", f"submit {request.client_order_id}")
        return True

    def cancel(self, order_id: str) -> None:
        """Ask for a cancel, which may hang."""
        world = self._world

        def effect() -> None:
            if order_id in self._broker.hanging:
                return
            order = self._broker.exchange.book.orders.get(order_id)
            is_open = order is not None and order.is_open
            if is_open and not world.is_calm and world.rng.random() < world.faults.cancel_hangs:
                seconds = HANGS_MAX_S * world.rng.random() ** 2
                self._broker.hanging[order_id] = world.now() + timedelta(seconds=seconds)
                world.hurt("cancel_hangs", f"cancel {order_id[:8]}", seconds + 10)
                return
            self._broker.cancel(order_id)

        self._call(f"cancel {order_id[:8]}", effect)


SPOILT_QUOTES: tuple[Mapping[str, object], ...] = (
    {"bp": None},
    {"ap": float("nan")},
    {"bp": -1},
    {"as": "many"},
    {"t": "noon"},
    {"t": None},
)
"""Members that make a quote's row one that cannot be read."""


class FaultyMarket:
    """`MarketData` whose quotes may be old, or of rows that cannot be read."""

    def __init__(self, market: SimMarket, injector: Injector) -> None:
        self._market = market
        self._world = injector.world
        self._call = injector.broker
        # Of its own, so that what other faults draw stays where it is.
        self._spoils = random.Random(f"bad_rows:{injector.world.run.seed}")

    def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Return latest quotes, perhaps of some time ago."""
        world = self._world

        def effect() -> Mapping[Symbol, Quote]:
            if not world.is_calm and world.rng.random() < world.faults.late_data:
                world.hurt("late_data", " ".join(symbols))
                found = self._market.quotes_at(symbols, world.now() - timedelta(seconds=world.rng.choice(LATE_S)))
            elif not world.is_calm and self._spoils.random() < world.faults.bad_rows:
                world.hurt("bad_rows", " ".join(symbols))
                found = self._market.spoilt_quotes(symbols, self._spoils.choice(SPOILT_QUOTES))
            else:
                found = self._market.quotes(symbols)
            world.quoted(found)
            return found

        return self._call("quotes", effect)

    def assets(self) -> Sequence[Asset]:
        """Return instruments."""
        return self._call("assets", self._market.assets)

    def snapshots(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Snapshot]:
        """Return snapshots."""
        return self._market.snapshots(symbols)

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Return bars."""
        return self._market.bars(symbols, timeframe, start, end)

    def splits(self, first: date, last: date) -> Mapping[Symbol, Splits]:
        """Return splits."""
        return self._market.splits(first, last)

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Return headlines."""
        return self._market.news(start, end)
