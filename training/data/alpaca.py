"""History from Alpaca: raw pages of bars, quotes, news, assets, calendar and splits, at our own pace.

A request is repeated after a failure that may pass, and waits as long as a 429 asks: a fetch that runs for an hour
must not end at one bad minute. What a page holds is judged later (`simulation.market.bar_checks`), so that one bad
bar costs itself and not its page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.adapters.alpaca_parse import as_list, as_object, member, parsed
from shared.adapters.rate_limit import TokenBucket
from shared.contracts.settings import BrokerSettings, Environment
from shared.core.errors import ContractError, TransientError
from shared.core.market import Timeframe
from shared.core.values import Symbol, iso

if TYPE_CHECKING:
    from shared.adapters.alpaca_http import Api

PER_PAGE = 10_000
NEWS_PER_PAGE = 50
MAX_PAGES = 10_000
TRIES = 6
FIRST_PAUSE_S = 2.0
_MICROSECOND = timedelta(microseconds=1)

type Page = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by symbol, as Alpaca wrote them."""


class AlpacaHistory:
    """Alpaca's historical data.

    Parameters
    ----------
    settings : BrokerSettings
        Keys, URLs, feed, time-out, requests a minute.
    sleep : callable
        How to wait, for the rate limit and after failures.
    """

    def __init__(self, settings: BrokerSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        from alpaca.common.enums import BaseURL  # noqa: PLC0415 - imports pandas
        from alpaca.data.historical.corporate_actions import CorporateActionsClient  # noqa: PLC0415
        from alpaca.data.historical.crypto import CryptoHistoricalDataClient  # noqa: PLC0415
        from alpaca.data.historical.news import NewsClient  # noqa: PLC0415
        from alpaca.data.historical.stock import StockHistoricalDataClient  # noqa: PLC0415
        from alpaca.trading.client import TradingClient  # noqa: PLC0415

        from shared.adapters.alpaca_http import Api, BoundedSession  # noqa: PLC0415 - imports alpaca-py

        self.feed = settings.feed.value
        self._sleep = sleep
        self.requests = 0
        bucket = TokenBucket(settings.requests_per_min, max_wait_s=120.0, sleep=sleep)
        paper = settings.environment is not Environment.LIVE
        data_url = settings.data_url.rstrip("/").removesuffix("/v2") or BaseURL.DATA.value
        own = settings.trading_url.rstrip("/").removesuffix("/v2")
        trading_url = own or (BaseURL.TRADING_PAPER if paper else BaseURL.TRADING_LIVE).value
        keys: dict[str, Any] = {"api_key": settings.key_id, "secret_key": settings.secret_key, "raw_data": True}

        def safe(client: Any, url: str) -> Api:
            return Api(client, BoundedSession(settings.timeout_s, bucket, url), settings.max_tries, sleep)

        self._stocks = safe(StockHistoricalDataClient(**keys, url_override=data_url), data_url)
        self._crypto = safe(CryptoHistoricalDataClient(**keys, url_override=data_url), data_url)
        self._news = safe(NewsClient(**keys, url_override=data_url), data_url)
        self._actions = safe(CorporateActionsClient(**keys, url_override=data_url), data_url)
        self._trading = safe(TradingClient(**keys, paper=paper, url_override=trading_url), trading_url)

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime, *, crypto: bool
    ) -> Iterator[Page]:
        """Pages of raw bars that start in [start, end), unadjusted."""
        params = self._span(symbols, start, end) | {"timeframe": timeframe.value}
        if crypto:
            yield from self._pages(self._crypto, "/crypto/us/bars", params, "bars")
        else:
            params |= {"adjustment": "raw", "feed": self.feed}
            yield from self._pages(self._stocks, "/stocks/bars", params, "bars")

    def quotes(self, symbols: Sequence[Symbol], start: datetime, end: datetime) -> Iterator[Page]:
        """Pages of raw quotes of stocks in [start, end)."""
        params = self._span(symbols, start, end) | {"feed": self.feed}
        yield from self._pages(self._stocks, "/stocks/quotes", params, "quotes")

    def news(self, start: datetime, end: datetime) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Pages of headlines of all symbols in [start, end)."""
        params = {
            "start": iso(start),
            "end": iso(end - _MICROSECOND),
            "limit": str(NEWS_PER_PAGE),
            "sort": "asc",
            "include_content": "false",
        }
        for page in self._members(self._news, "/news", params, "news"):
            yield as_list(page or [], "news")

    def splits(self, symbols: Sequence[Symbol], first: date, last: date) -> dict[Symbol, dict[date, float]]:
        """By symbol, and date from which it holds, what a price before it is multiplied by."""
        params = {
            "symbols": ",".join(symbols),
            "types": "forward_split,reverse_split",
            "start": str(first),
            "end": str(last),
            "limit": "1000",
        }
        found: dict[Symbol, dict[date, float]] = {}
        for page in self._members(self._actions, "/corporate-actions", params, "corporate_actions"):
            for kind, actions in as_object(page or {}, "corporate_actions").items():
                if kind in {"forward_splits", "reverse_splits"}:
                    for action in as_list(actions, kind):
                        symbol, on, factor = parsed("GET /corporate-actions", _read_split, action)
                        found.setdefault(symbol, {})[on] = factor
        return found

    def assets(self, asset_class: str) -> Any:
        """Assets of a class, as Alpaca lists them."""
        return as_list(self._get(self._trading, "/assets", {"asset_class": asset_class}), "assets")

    def calendar(self, first: date, last: date) -> Any:
        """The exchange's days, as Alpaca lists them."""
        return as_list(self._get(self._trading, "/calendar", {"start": str(first), "end": str(last)}), "calendar")

    @staticmethod
    def _span(symbols: Sequence[Symbol], start: datetime, end: datetime) -> dict[str, str]:
        return {
            "symbols": ",".join(symbols),
            "start": iso(start),
            "end": iso(end - _MICROSECOND),  # Alpaca's end is inclusive
            "limit": str(PER_PAGE),
            "sort": "asc",
        }

    def _pages(self, api: Api, path: str, params: Mapping[str, str], name: str) -> Iterator[Page]:
        for page in self._members(api, path, params, name):
            rows = as_object(page or {}, name)
            yield {symbol: as_list(found, symbol) for symbol, found in rows.items()}

    def _members(self, api: Api, path: str, params: Mapping[str, str], name: str) -> Iterator[Any]:
        token = ""
        for _ in range(MAX_PAGES):
            answer = self._get(api, path, {**params, "page_token": token} if token else params)
            yield parsed(f"GET {path}", lambda got: member(got, name), answer)
            following = str(answer.get("next_page_token") or "")
            if not following:
                return
            if following == token:
                break
            token = following
        raise ContractError(f"GET {path}: pages without end, last page token {token!r}")

    def _get(self, api: Api, path: str, params: Mapping[str, str]) -> Any:
        pause_s = FIRST_PAUSE_S
        for attempt in range(TRIES):
            self.requests += 1
            try:
                return api.get(path, params)
            except TransientError as error:
                if attempt == TRIES - 1:
                    raise
                self._sleep(max(pause_s, float(getattr(error, "wait_s", 0.0))))
                pause_s *= 2
        raise AssertionError("unreachable: the last try returns or raises")


def _read_split(raw: Any) -> tuple[Symbol, date, float]:
    """One split: two new shares for one old halve the price."""
    symbol, ex_date, old, new = (member(raw, name) for name in ("symbol", "ex_date", "old_rate", "new_rate"))
    return Symbol(symbol), date.fromisoformat(ex_date), float(old) / float(new)
