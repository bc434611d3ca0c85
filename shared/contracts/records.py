"""Where things are kept: table names, keys and containers. docs/DATA_SCHEMA.md describes every column.

Keys let a person find a day, then a symbol, in Storage Explorer: the partition is the session date, the row key starts
with the symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum

from shared.core.sessions import NEW_YORK
from shared.core.settings import FIRST_STRATEGY


class Table(StrEnum):
    """Azure Tables."""

    RUNS = "runs"
    WATCHLIST = "watchlist"
    SIGNALS = "signals"
    DECISIONS = "decisions"
    ORDERS = "orders"
    JOURNAL = "journal"
    FILLS = "fills"
    POSITIONS = "positions"
    LEDGER = "ledger"
    CONTROLS = "controls"
    STORIES = "stories"
    FEEDS = "feeds"
    NARRATIVES = "narratives"
    CALLS = "calls"
    INCIDENTS = "incidents"
    NOTICES = "notices"
    SHADOWS = "shadows"


class Container(StrEnum):
    """Blob containers."""

    BARS = "bars"
    WATCHLISTS = "watchlists"
    MODELS = "models"
    FEATURES = "features"
    REPORTS = "reports"
    CLAIMS = "claims"
    QUARANTINE = "quarantine"
    PARAMETERS = "parameters"
    CASES = "cases"
    EXPORTS = "exports"
    LANGUAGE = "language"


class Queue(StrEnum):
    """Queues between stages."""

    STORIES = "stories"
    NARRATIVES = "narratives"
    CANDIDATES = "candidates"
    SIGNALS = "signals"
    ORDER_INTENTS = "order-intents"
    NOTICES = "notices"


ACCOUNT = "account"
CURRENT = "current"
BACKUP = "backup"
CONTROLS = "controls"
KILL = "kill"
CHANNELS = "channels"
PARAMETERS = "parameters"
LIVE = "live"
ANSWERS = "answers"


RENAMED = {
    "qty": "qty_shares",
    "bought_qty": "bought_shares",
    "sold_qty": "sold_shares",
    "written_off_qty": "written_off_shares",
    "received_at": "seen_at",
}
"""Columns, and the names that older code gave them: its rows are still read."""


def renamed[T](row: Mapping[str, T]) -> dict[str, T]:
    """A row under today's names of its columns."""
    return {_NEW_NAMES.get(name, name): cell for name, cell in row.items()}


_NEW_NAMES = {old: new for new, old in RENAMED.items()}


def symbol_key(symbol: str, *parts: str) -> str:
    """Row key that starts with the symbol; a crypto pair's slash, which keys may not hold, becomes an underscore."""
    return "|".join((symbol.replace("/", "_"), *parts))


def strategy_key(strategy: str) -> str:
    """Row key in table controls of a person's halt of a strategy."""
    return f"strategy|{strategy}"


def strategy_of(row: Mapping[str, object]) -> str:
    """Whose idea a row is of; older code, which knew one strategy, has left rows that do not say."""
    return str(row.get("strategy") or FIRST_STRATEGY)


def candidates_in(signals: Iterable[Mapping[str, object]]) -> int:
    """How many candidates rows of signals are of: each symbol once a slot, however many strategies say something."""
    return len({(row.get("symbol"), row.get("slot")) for row in signals})


def time_key(at: datetime, *parts: str) -> str:
    """Row key that starts with New York time as HHMMSS."""
    return "|".join((at.astimezone(NEW_YORK).strftime("%H%M%S"), *parts))


def notice_key(at: datetime, kind: str, message_id: str) -> tuple[str, str]:
    """Partition and row key of a notice: the New York date, and `kind|id`."""
    return str(at.astimezone(NEW_YORK).date()), f"{kind}|{message_id}"


def export_blob(table: str, on: date) -> str:
    """`{table}/YYYY-MM-DD.parquet` in container exports."""
    return f"{table}/{on.isoformat()}.parquet"


def watchlist_blob(on: date, slot: str) -> str:
    """`YYYY-MM-DD/HHMM.json` in container watchlists."""
    return f"{on.isoformat()}/{slot}.json"
