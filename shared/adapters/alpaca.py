"""The broker and the market, as Alpaca serves them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import batched, chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.adapters.alpaca_parse import (
    ORDER_ID,
    UNREADABLE,
    as_list,
    as_object,
    bad_bar,
    is_symbol,
    member,
    named,
    order_or_unread,
    parsed,
    position_or_unread,
    read_account,
    read_account_id,
    read_asset,
    read_bars,
    read_clock,
    read_headline,
    read_order,
    read_position,
    read_quote,
    read_snapshot,
    read_split,
    row_id,
    shown,
    sift,
    splits_of,
    submitted_at,
)
from shared.adapters.rate_limit import TokenBucket
from shared.contracts.settings import BrokerSettings, Environment
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.market import Asset, Bars, Headline, Quote, Snapshot, Timeframe
from shared.core.orders import BrokerOrder, OrderClass, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.unread import BySymbol, Listing, Unread
from shared.core.values import Symbol, iso, plain, require
from shared.ports import Clock

if TYPE_CHECKING:
    from shared.adapters.alpaca_http import Api, BoundedSession

SYMBOLS_PER_CALL = 1000
ORDERS_PER_PAGE = 500
BARS_PER_PAGE = 10_000
NEWS_PER_PAGE = 50
ACTIONS_PER_PAGE = 1000
NO_POSITION = (404, 40410000)
"""HTTP status and Alpaca's own code where nothing is held; a 404 of anything else says nothing about it."""
MAX_PAGES = 1000
"""More pages than any honest answer has."""

SPLIT_TYPES = ("forward_split", "reverse_split", "unit_split", "stock_dividend")
"""Corporate actions that change what a share is."""
PROCESSED_WITHIN = timedelta(days=7)
"""Actions are asked for by the date of processing, which may lie some days from the one from which they hold."""

_MICROSECOND = timedelta(microseconds=1)


def _no_wait(seconds: float) -> None:
    """Let no time pass: in the sandbox time is virtual, and a real wait would only hold it up."""


class _Connection:
    """alpaca-py's clients on one bounded session. Its import (and pandas with it) happens here, once."""

    def __init__(self, settings: BrokerSettings, sleep: Callable[[float], None] | None) -> None:
        self._settings = settings
        in_sandbox = settings.environment is Environment.SANDBOX
        self._sleep = sleep or (_no_wait if in_sandbox else time.sleep)
        self._bucket = None if in_sandbox else TokenBucket(settings.requests_per_min, sleep=self._sleep)
        self._keys: dict[str, Any] = {
            "api_key": settings.key_id,
            "secret_key": settings.secret_key,
            "raw_data": True,
        }

    def trading(self) -> Api:
        """Trading API, v2."""
        from alpaca.common.enums import BaseURL  # noqa: PLC0415 - imports pandas
        from alpaca.trading.client import TradingClient  # noqa: PLC0415

        paper = self._settings.environment is not Environment.LIVE
        url = _base_url(self._settings.trading_url) or (BaseURL.TRADING_PAPER if paper else BaseURL.TRADING_LIVE).value
        return self._safe(TradingClient(**self._keys, paper=paper, url_override=url), url)

    def stocks(self) -> Api:
        """Stock data API, v2."""
        from alpaca.data.historical.stock import StockHistoricalDataClient  # noqa: PLC0415 - imports pandas

        return self._safe(StockHistoricalDataClient(**self._keys, url_override=self._data_url()), self._data_url())

    def news(self) -> Api:
        """News API, v1beta1."""
        from alpaca.data.historical.news import NewsClient  # noqa: PLC0415 - imports pandas

        return self._safe(NewsClient(**self._keys, url_override=self._data_url()), self._data_url())

    def corporate_actions(self) -> Api:
        """Corporate actions API, v1."""
        from alpaca.data.historical.corporate_actions import CorporateActionsClient  # noqa: PLC0415 - imports pandas

        return self._safe(CorporateActionsClient(**self._keys, url_override=self._data_url()), self._data_url())

    def _data_url(self) -> str:
        from alpaca.common.enums import BaseURL  # noqa: PLC0415 - imports pandas

        return _base_url(self._settings.data_url) or BaseURL.DATA.value

    def _safe(self, client: Any, url: str) -> Api:
        from shared.adapters.alpaca_http import Api, BoundedSession  # noqa: PLC0415 - imports alpaca-py

        session: BoundedSession = BoundedSession(self._settings.timeout_s, self._bucket, url)
        return Api(client, session, self._settings.max_tries, self._sleep)


def _base_url(url: str) -> str:
    """URL without the version that Alpaca's own web page shows at its end; alpaca-py adds it."""
    return url.rstrip("/").removesuffix("/v2")


class AlpacaBroker:
    """`Broker` on Alpaca's trading API.

    Parameters
    ----------
    settings : BrokerSettings
        Account, URL, time-out, own rate limit, tries of a GET.
    sleep : callable, optional
        How to wait between tries; in the sandbox nothing waits unless this is given.
    """

    def __init__(self, settings: BrokerSettings, *, sleep: Callable[[float], None] | None = None) -> None:
        self._api = _Connection(settings, sleep).trading()
        self._account_id = ""

    def now(self) -> datetime:
        """Return the broker's own time."""
        return parsed("GET /clock", read_clock, self._api.get("/clock"))

    def account_id(self) -> str:
        """Return the id of the account that the keys open; asked for once, whatever else of the account is wrong."""
        if not self._account_id:
            self._account_id = parsed("GET /account", read_account_id, self._api.get("/account"))
        return self._account_id

    def account(self) -> Account:
        """Return equity, cash, buying power and flags."""
        found = parsed("GET /account", read_account, self._api.get("/account"))
        self._account_id = found.account_id
        return found

    def positions(self) -> Listing[Position]:
        """Return open positions, by symbol."""
        rows = parsed("GET /positions", lambda raw: as_list(raw, "positions"), self._api.get("/positions"))
        found = [position_or_unread(row) for row in rows]
        read = sorted((each for each in found if isinstance(each, Position)), key=lambda each: each.symbol)
        return Listing(tuple(read), tuple(each for each in found if isinstance(each, Unread)))

    def position(self, symbol: Symbol) -> Position | None:
        """Return what is held of one symbol, None where nothing is."""
        path = f"/positions/{quote(symbol, safe='')}"
        try:
            raw = self._api.get(path)
        except BrokerError as error:
            if (error.status, error.code) == NO_POSITION:
                return None
            raise
        found = parsed(f"GET {path}", read_position, raw)
        if found.symbol != symbol:
            raise ContractError(f"GET {path}: symbol must be {symbol}, got {found.symbol}")
        return found

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return orders of every status submitted after `since`, oldest first.

        A bracket's or OCO's legs are orders of their own here, with their parent's id, and also stay in its `legs`.
        """
        found: dict[str, BrokerOrder | Unread | None] = {}
        after = since
        while True:
            params = {
                "status": "all",
                "after": iso(after),
                "limit": str(ORDERS_PER_PAGE),
                "direction": "asc",
                "nested": "true",
            }
            page = parsed("GET /orders", lambda raw: as_list(raw, "orders"), self._api.get("/orders", params))
            fresh = {key: row for row in page if (key := row_id(row)) not in found}
            found |= {key: order_or_unread(row) for key, row in fresh.items()}
            if len(page) < ORDERS_PER_PAGE:
                break
            times = [at for row in page if (at := submitted_at(row)) is not None]
            if not fresh or not times:
                raise ContractError(f"GET /orders: more than {ORDERS_PER_PAGE} orders at {iso(after)}")
            # `after` is exclusive and our times are cut to microseconds: step back one, drop what comes twice
            after = max(times) - _MICROSECOND
        return _with_legs(found.values())

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        """Return what is open in a symbol, however old and whoever sent it; the newest 500 at most."""
        params = {"status": "open", "symbols": symbol, "limit": str(ORDERS_PER_PAGE), "nested": "true"}
        rows = parsed("GET /orders", lambda raw: as_list(raw, "orders"), self._api.get("/orders", params))
        return _with_legs(order_or_unread(row) for row in rows)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """Return one order with its legs, None where the broker does not know it."""
        path = "/orders:by_client_order_id"
        try:
            raw = self._api.get(path, {"client_order_id": client_order_id, "nested": "true"})
        except BrokerError as error:
            if error.status == 404:
                return None
            raise
        order = parsed(f"GET {path}", read_order, raw)
        if order.order_class == OrderClass.SIMPLE or order.legs:
            return order
        return self._order_by_id(order.order_id)  # this path may leave the legs out

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Send one order, once.

        Raises
        ------
        TransientError
            If no readable answer came: the order may stand, look it up before sending again.
        BrokerError
            If Alpaca refused it.
        """
        try:
            return parsed("POST /orders", read_order, self._api.send_once("POST", "/orders", order_fields(request)))
        except ContractError as error:
            raise TransientError(f"{error}; the order may stand, look it up") from error

    def cancel(self, order_id: str) -> None:
        """Ask for a cancel; that it is done shows in a later look. Cancelling what is closed already is no error."""
        try:
            self._api.send_once("DELETE", _order_path(order_id))
        except BrokerError as error:
            if error.status != 422:  # not cancelable any more
                raise

    def _order_by_id(self, order_id: str) -> BrokerOrder:
        path = _order_path(order_id)
        return parsed(f"GET {path}", read_order, self._api.get(path, {"nested": "true"}))


def _with_legs(found: Iterable[BrokerOrder | Unread | None]) -> Listing[BrokerOrder]:
    """Orders and their legs in one row, oldest first, and those that cannot be read."""
    known = list(found)
    flat = (part for each in known if isinstance(each, BrokerOrder) for part in (each, *each.legs))
    unread = tuple(each for each in known if isinstance(each, Unread))
    return Listing(tuple(sorted(flat, key=lambda order: order.submitted_at)), unread)


def _order_path(order_id: str) -> str:
    require(ORDER_ID.fullmatch(order_id) is not None, "order_id", order_id, "letters, digits and dashes")
    return f"/orders/{order_id}"


def order_fields(request: OrderRequest) -> dict[str, Any]:
    """Body of `POST /orders`. Money travels as text, so that no float comes near it."""
    fields: dict[str, Any] = {
        "symbol": request.symbol,
        "qty": plain(request.qty),
        "side": request.side.value,
        "type": request.order_type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if request.extended_hours:
        fields["extended_hours"] = True
    if request.limit_price is not None and request.order_class is not OrderClass.OCO:
        fields["limit_price"] = format(request.limit_price, "f")
    if request.order_class is OrderClass.SIMPLE:
        if request.stop_price is not None:
            fields["stop_price"] = format(request.stop_price, "f")
        return fields
    return fields | {
        "order_class": request.order_class.value,
        "take_profit": {"limit_price": f"{request.target_price:f}"},
        "stop_loss": {"stop_price": f"{request.stop_price:f}"},
    }


class AlpacaMarketData:
    """`MarketData` on Alpaca's data API, for US equities.

    What of an answer cannot be read is left out, told in the answer's `unread` and to `tell`; the rest is served. An
    answer that is no JSON object or list at all is a ContractError.

    Parameters
    ----------
    settings : BrokerSettings
        Keys, URLs, feed, time-out, own rate limit, tries.
    clock : Clock
        Decides which bars have closed and which day it is.
    sleep : callable, optional
        As in `AlpacaBroker`.
    tell : callable, optional
        Gets what could not be read of an answer, never nothing.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        clock: Clock,
        *,
        sleep: Callable[[float], None] | None = None,
        tell: Callable[[Sequence[Unread]], None] = lambda unread: None,
    ) -> None:
        connection = _Connection(settings, sleep)
        self._clock = clock
        self._feed = settings.feed.value
        self._tell = tell
        self._trading = connection.trading()
        self._stocks = connection.stocks()
        self._news = connection.news()
        self._actions = connection.corporate_actions()

    def assets(self) -> Listing[Asset]:
        """Return active, tradable US equities, by symbol."""
        raw = self._trading.get("/assets", {"status": "active", "asset_class": "us_equity"})
        rows = parsed("GET /assets", lambda answer: as_list(answer, "assets"), raw)
        found, unread = sift("asset", ((named(row), row) for row in rows), lambda _, row: read_asset(row))
        tradable = (asset for asset in found if asset and asset.is_tradable)
        return Listing(tuple(sorted(tradable, key=lambda asset: asset.symbol)), self._told(unread))

    def snapshots(self, symbols: Sequence[Symbol]) -> BySymbol[Snapshot]:
        """Return snapshots; a symbol without a trade is missing."""
        today = self._clock.now().astimezone(NEW_YORK).date()
        known = self._latest("/stocks/snapshots", symbols, lambda answer: as_object(answer, "answer"))
        found, unread = sift("snapshot", known, lambda symbol, raw: read_snapshot(symbol, raw, today))
        return BySymbol({each.symbol: each for each in found if each is not None}, self._told(unread))

    def quotes(self, symbols: Sequence[Symbol]) -> BySymbol[Quote]:
        """Return latest quotes; a symbol without one is missing."""
        known = self._latest(
            "/stocks/quotes/latest", symbols, lambda answer: as_object(member(answer, "quotes") or {}, "quotes")
        )
        found, unread = sift("quote", known, read_quote)
        return BySymbol({quote.symbol: quote for quote in found}, self._told(unread))

    def bars(self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime) -> BySymbol[Bars]:
        """Return closed bars that start in [start, end), empty `Bars` for a symbol that has none.

        One bar that cannot be read leaves its symbol out: past a hole the others would tell another story.
        """
        path = "/stocks/bars"
        end = min(end, self._clock.now() - timedelta(seconds=timeframe.seconds) + _MICROSECOND)
        rows: dict[Symbol, list[Any]] = {symbol: [] for symbol in symbols}
        for part in batched(symbols if start < end else (), SYMBOLS_PER_CALL, strict=False):
            params = {
                "symbols": ",".join(part),
                "timeframe": timeframe.value,
                "start": iso(start),
                "end": iso(end - _MICROSECOND),  # Alpaca's end is inclusive
                "limit": str(BARS_PER_PAGE),
                "adjustment": "raw",
                "feed": self._feed,
                "sort": "asc",
            }
            for page in _pages(self._stocks, path, params, "bars"):
                known = parsed(f"GET {path}", lambda answer: as_object(answer or {}, "bars"), page)
                for symbol in rows.keys() & known.keys():
                    # What is no list becomes a bar that cannot be read.
                    rows[symbol] += known[symbol] if isinstance(known[symbol], list) else [known[symbol]]
        lo, hi = _ceil_s(start), _ceil_s(end)
        found: dict[Symbol, Bars] = {}
        unread: list[Unread] = []
        for symbol, raw in rows.items():
            try:
                found[symbol] = read_bars(raw).between(lo, hi)
            except UNREADABLE as error:
                unread.append(Unread(what="bars", name=symbol, fault=str(error), raw=shown(bad_bar(raw))))
        return BySymbol(found, self._told(unread))

    def splits(self, first: date, last: date) -> BySymbol[Splits]:
        """Return the splits of every symbol that hold from a date in [first, last] on."""
        path = "/corporate-actions"
        params = {
            "types": ",".join(SPLIT_TYPES),
            "start": str(first - PROCESSED_WITHIN),
            "end": str(last + PROCESSED_WITHIN),
            "limit": str(ACTIONS_PER_PAGE),
        }
        found: list[tuple[Symbol, date, float]] = []
        unread: list[Unread] = []
        for page in _pages(self._actions, path, params, "corporate_actions"):
            for kind, rows in parsed(f"GET {path}", _actions, page).items():
                good, bad = sift("split", _of_our_symbols(rows), _split_reader(kind))
                found += good
                unread += bad
        # Something happened to these, and nobody knows when or what.
        found += [(Symbol(row.name), last, math.nan) for row in unread if is_symbol(row.name)]
        return BySymbol(splits_of([row for row in found if first <= row[1] <= last]), self._told(unread))

    def news(self, start: datetime, end: datetime) -> Listing[Headline]:
        """Return headlines published in [start, end), oldest first."""
        params = {
            "start": iso(start),
            "end": iso(end),
            "limit": str(NEWS_PER_PAGE),
            "sort": "asc",
            "include_content": "false",
        }
        pages = _pages(self._news, "/news", params, "news")
        rows = chain.from_iterable(
            parsed("GET /news", lambda answer: as_list(answer or [], "news"), page) for page in pages
        )
        found, unread = sift("headline", (("", row) for row in rows), lambda _, row: read_headline(row))
        wanted = (headline for headline in found if start <= headline.published_at < end)
        ordered = sorted(wanted, key=lambda headline: (headline.published_at, headline.news_id))
        return Listing(tuple(ordered), self._told(unread))

    def _latest(
        self, path: str, symbols: Sequence[Symbol], pick: Callable[[Any], Mapping[str, Any]]
    ) -> Iterator[tuple[Symbol, Any]]:
        """What an answer holds for each asked symbol that it knows, in the order asked."""
        for part in batched(symbols, SYMBOLS_PER_CALL, strict=False):
            answer = self._stocks.get(path, {"symbols": ",".join(part), "feed": self._feed})
            known = parsed(f"GET {path}", pick, answer)
            yield from ((symbol, known[symbol]) for symbol in part if known.get(symbol) is not None)

    def _told(self, unread: Sequence[Unread]) -> tuple[Unread, ...]:
        if unread:
            self._tell(unread)
        return tuple(unread)


def _actions(raw: Any) -> Mapping[str, Sequence[Any]]:
    """Corporate actions by kind of one page; null is none."""
    return {kind: as_list(rows, kind) for kind, rows in as_object(raw or {}, "corporate_actions").items()}


def _split_reader(kind: str) -> Callable[[str, Any], tuple[Symbol, date, float]]:
    return lambda _, raw: read_split(kind, raw)


def _of_our_symbols(rows: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Rows with their symbols, but for those of instruments that are none of ours."""
    for row in rows:
        name = named(row) or named(row, "new_symbol")
        if not name or is_symbol(name):
            yield name, row


def _pages(api: Api, path: str, params: Mapping[str, str], name: str) -> Iterator[Any]:
    """Member `name` of every page of an answer."""
    token = ""
    for _ in range(MAX_PAGES):
        page = api.get(path, {**params, "page_token": token} if token else params)
        yield parsed(f"GET {path}", lambda answer: member(answer, name), page)
        following = page.get("next_page_token")
        if not following:
            return
        if following == token:
            break
        token = str(following)
    raise ContractError(f"GET {path}: pages without end, last page token {token!r}")


def _ceil_s(at: datetime) -> int:
    """First whole epoch second at or after an instant."""
    return -int(-at.timestamp() // 1)
