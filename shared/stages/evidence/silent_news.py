"""Silent news: at the day's end, which symbols that have news in every session had none, or whether there was none."""

from __future__ import annotations

from datetime import date

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import Table, symbol_key
from shared.core.text.silence import silence
from shared.core.values import Symbol
from shared.ports import Ports
from shared.stages.base.incidents import record_incident
from shared.stages.base.notices import silent_news, silent_symbol

SYMBOL, NEWS = "silent-symbol", "silent-news"
"""Kinds of incidents."""


def tell_silence(ports: Ports, on: date) -> list[Notice]:
    """Record and tell of each watched symbol that is suddenly silent; of the news once, where all of it is."""
    sessions = ports.settings.news.silent_sessions
    if not sessions:
        return []
    past = [_in_stories(ports, day.on) for day in ports.calendar.previous_days(on, sessions)]
    found = silence(past, _in_stories(ports, on), _watched(ports, on))
    texts = {f"{SYMBOL}|{symbol_key(symbol)}": silent_symbol(symbol, sessions) for symbol in found.symbols}
    if found.is_all:
        texts = {NEWS: silent_news(sessions)}
    now, severity = ports.clock.now(), Severity.WARNING
    notices: list[Notice] = []
    for key, text in texts.items():
        kind, told = key.partition("|")[0], {"title": text.title, "body": text.body}
        notices += record_incident(ports, on, key, now=now, kind=kind, severity=severity, **told)
    return notices


def _in_stories(ports: Ports, on: date) -> frozenset[Symbol]:
    """The symbols of a session's stories, echoes too."""
    rows = ports.tables.query(Table.STORIES, str(on), columns=("symbols",))
    return frozenset(Symbol(symbol) for _, row in rows for symbol in str(row.get("symbols") or "").split())


def _watched(ports: Ports, on: date) -> frozenset[Symbol]:
    rows = ports.tables.query(Table.WATCHLIST, str(on), columns=("symbol",))
    return frozenset(Symbol(str(row["symbol"])) for _, row in rows) | frozenset(ports.settings.watchlist.core_symbols)
