"""What is fetched beside bars: headlines, quotes, assets and the exchange's calendar, each a parquet file in the store.

News are kept by month (`news/{yyyy-mm}.parquet`), quotes by symbol and date (`quotes/{symbol}/{yyyy-mm-dd}.parquet`):
a file that is there is whole and not asked for again. Assets are a list of the day they were asked on
(`assets/{yyyy-mm-dd}.parquet`): kept day by day they tell who was listed when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from shared.adapters.alpaca_parse import parsed, read_headline, read_quote
from shared.adapters.storage_rules import key_of
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol, from_epoch
from shared.ports import Calendar
from simulation.market.bar_rows import is_crypto, span_s
from training.data.manifest import Dates
from training.data.store import BarStore, parquet_bytes


class ExtraSource(Protocol):
    """Where raw headlines, quotes, assets and days come from."""

    def news(self, start: datetime, end: datetime) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Pages of headlines published in [start, end)."""

    def quotes(
        self, symbols: Sequence[Symbol], start: datetime, end: datetime
    ) -> Iterator[Mapping[str, Sequence[Mapping[str, Any]]]]:
        """Pages of quotes in [start, end)."""

    def assets(self, asset_class: str) -> Any:
        """Assets of a class."""

    def calendar(self, first: date, last: date) -> Any:
        """The exchange's days."""


def fetch_news(source: ExtraSource, store: BarStore, dates: Dates) -> int:
    """Fetch the headlines of every month that has no file yet; return how many came.

    A month is fetched whole as far as the dates reach; a month that they end within is fetched again next time.
    """
    count = 0
    for month in dates.pieces():
        whole = (month.last + timedelta(days=1)).day == 1
        name = f"news/{month.first:%Y-%m}.parquet"
        if whole and store.get_file(name) is not None:
            continue
        first = month.first.replace(day=1) if whole else month.first
        start_s, end_s = span_s(first, month.last)
        found = {
            headline.news_id: headline
            for page in source.news(from_epoch(start_s), from_epoch(end_s))
            for headline in (parsed("GET /news", read_headline, raw) for raw in page)
        }
        rows = sorted(found.values(), key=lambda headline: (headline.published_at, headline.news_id))
        names = ("news_id", "published_at", "source", "headline", "summary")
        table: dict[str, list[Any]] = {each: [getattr(row, each) for row in rows] for each in names}
        table["symbols"] = [" ".join(row.symbols) for row in rows]
        label = name if whole else f"news/{month.first:%Y-%m}-until-{month.last:%d}.parquet"
        store.put_file(label, parquet_bytes(table))
        count += len(rows)
    return count


def fetch_quotes(
    source: ExtraSource, store: BarStore, symbols: Sequence[Symbol], dates: Dates, calendar: Calendar
) -> int:
    """Fetch the quotes of stocks of every trading day that has no file yet; return how many came."""
    count = 0
    for on in dates.each():
        if calendar.day(on) is None:
            continue
        start_s, end_s = span_s(on, on)
        for symbol in symbols:
            name = f"quotes/{key_of(symbol)}/{on}.parquet"
            if is_crypto(symbol) or store.get_file(name) is not None:
                continue
            rows = [
                parsed(f"GET /stocks/quotes {symbol}", partial(read_quote, symbol), raw)
                for page in source.quotes([symbol], from_epoch(start_s), from_epoch(end_s))
                for raw in page.get(symbol, ())
            ]
            table: dict[str, list[Any]] = {
                "symbol": [row.symbol for row in rows],
                "ts": [row.at for row in rows],
                "bid": [float(row.bid) for row in rows],
                "ask": [float(row.ask) for row in rows],
                "bid_size": [row.bid_size for row in rows],
                "ask_size": [row.ask_size for row in rows],
            }
            store.put_file(name, parquet_bytes(table))
            count += len(rows)
    return count


def fetch_assets(source: ExtraSource, store: BarStore, on: date) -> int:
    """Fetch what is listed today, active or not; return how many."""
    rows = [raw for kind in ("us_equity", "crypto") for raw in source.assets(kind)]
    names = ("symbol", "name", "exchange", "class", "status")
    flags = ("tradable", "fractionable", "shortable", "easy_to_borrow")
    table: dict[str, list[Any]] = {name: [str(raw.get(name) or "") for raw in rows] for name in names}
    table |= {name: [bool(raw.get(name)) for raw in rows] for name in flags}
    store.put_file(f"assets/{on}.parquet", parquet_bytes(table))
    return len(rows)


def fetch_calendar(source: ExtraSource, store: BarStore, dates: Dates, calendar: Calendar) -> list[str]:
    """Fetch the exchange's days; return in words where our calendar differs."""
    rows = source.calendar(dates.first, dates.last)
    table = {name: [str(raw.get(name) or "") for raw in rows] for name in ("date", "open", "close")}
    store.put_file(f"calendar/{dates.first}-{dates.last}.parquet", parquet_bytes(table))
    theirs = dict(zip(table["date"], zip(table["open"], table["close"], strict=True), strict=True))
    differences = []
    for on in dates.each():
        day = calendar.day(on)
        ours = None if day is None else (_wall(day.open_at), _wall(day.close_at))
        if theirs.get(str(on)) != ours:
            differences.append(f"{on}: Alpaca says {theirs.get(str(on))}, our calendar {ours}")
    return differences


def _wall(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M}"
