"""Every setting, parsed once into frozen values. A number's name carries its unit.

`parse_settings` reads environment-like text and reports all problems at once, each with name, value and what was
expected. docs/CONFIG.md gives each setting's reason.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from shared.core.errors import SettingsError
from shared.core.sessions import Session
from shared.core.values import Symbol, require_symbol


class Environment(StrEnum):
    """Which Alpaca the app talks to."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class Feed(StrEnum):
    """Market data feed."""

    IEX = "iex"
    SIP = "sip"


def _setting(name: str, default: Any, what: str, low: Any = None, high: Any = None, *, secret: bool = False) -> Any:
    """Declare one setting: its environment name, default, meaning and bounds (both inclusive)."""
    meta = {"name": name, "what": what, "low": low, "high": high, "secret": secret}
    if default is REQUIRED:
        return field(metadata=meta)
    return field(default=default, metadata=meta)


REQUIRED = object()
_CORE = tuple(
    map(Symbol, ("SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "META", "GOOGL", "TSLA", "AMD", "AVGO", "NFLX"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolGroup:
    """Symbols that are expected to fall together."""

    name: str
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the account is."""

    environment: Environment = _setting("ALPACA_ENVIRONMENT", REQUIRED, "which Alpaca: sandbox, paper or live")
    key_id: str = _setting("ALPACA_KEY_ID", REQUIRED, "API key id", secret=True)
    secret_key: str = _setting("ALPACA_SECRET_KEY", REQUIRED, "API secret key", secret=True)
    trading_url: str = _setting("ALPACA_TRADING_URL", "", "base URL of the trading API; empty: the environment's own")
    data_url: str = _setting("ALPACA_DATA_URL", "", "base URL of the market data API; empty: Alpaca's")
    allow_live: str = _setting("GATEHOUSE_ALLOW_LIVE", "", "account id that may trade live; needed for live only")
    feed: Feed = _setting("ALPACA_FEED", Feed.IEX, "market data feed: iex (free) or sip")
    timeout_s: float = _setting("ALPACA_TIMEOUT_S", 10.0, "time-out of one call", 0.1, 60)
    requests_per_min: int = _setting("ALPACA_REQUESTS_PER_MIN", 180, "own ceiling below the broker's 200", 1, 10_000)
    max_tries: int = _setting("ALPACA_MAX_TRIES", 3, "tries of an idempotent call within one activity", 1, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistSettings:
    """What the scanners let through."""

    core_symbols: tuple[Symbol, ...] = _setting(
        "GATEHOUSE_CORE_SYMBOLS",
        _CORE,
        "core liquid symbols, always candidates for the watchlist",
    )
    market_symbols: tuple[Symbol, ...] = _setting(
        "GATEHOUSE_MARKET_SYMBOLS", (Symbol("SPY"), Symbol("QQQ")), "the market's own symbols, context of every feature"
    )
    max_watchlist: int = _setting("GATEHOUSE_MAX_WATCHLIST", 50, "symbols watched in a day", 1, 500)
    price_min_usd: float = _setting("GATEHOUSE_SCAN_PRICE_MIN_USD", 1.0, "premarket scan: lowest price", 0.01, 1e6)
    price_max_usd: float = _setting("GATEHOUSE_SCAN_PRICE_MAX_USD", 10.0, "premarket scan: highest price", 0.01, 1e6)
    gap_min_fraction: float = _setting("GATEHOUSE_SCAN_GAP_MIN_FRACTION", 0.04, "premarket scan: least |gap|", 0, 10)
    rvol_min: float = _setting("GATEHOUSE_SCAN_RVOL_MIN", 3.0, "scans: least relative volume", 0, 1000)
    dollar_volume_min_usd: float = _setting(
        "GATEHOUSE_SCAN_DOLLAR_VOLUME_MIN_USD", 1e6, "scans: least dollar volume of a usual day", 0, 1e12
    )
    spread_max_bp: float = _setting("GATEHOUSE_SCAN_SPREAD_MAX_BP", 100.0, "scans: widest spread", 0, 10_000)
    float_proxy_max_shares: float = _setting(
        "GATEHOUSE_SCAN_FLOAT_PROXY_MAX_SHARES", 5e7, "premarket scan: highest median 20-day volume", 0, 1e12
    )
    range_min_atr: float = _setting(
        "GATEHOUSE_SCAN_RANGE_MIN_ATR", 2.0, "intraday scan: least range in ATR(5m)", 0, 100
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """When to enter and when to leave."""

    edge_min: float = _setting("GATEHOUSE_EDGE_MIN", 0.10, "least p_up - p_down of an entry", 0, 1)
    net_move_min_bp: float = _setting(
        "GATEHOUSE_NET_MOVE_MIN_BP", 3.0, "least expected move after costs", -1000, 10_000
    )
    entry_sessions: tuple[Session, ...] = _setting(
        "GATEHOUSE_ENTRY_SESSIONS",
        (Session.REG_AM, Session.REG_MID, Session.REG_PM),
        "sessions in which entries are enabled",
    )
    no_entry_before_close_min: int = _setting("GATEHOUSE_NO_ENTRY_BEFORE_CLOSE_MIN", 10, "no entry so late", 0, 390)
    cooldown_min: int = _setting("GATEHOUSE_COOLDOWN_MIN", 15, "pause per symbol after an order has ended", 0, 1440)
    stop_atr: float = _setting("GATEHOUSE_STOP_ATR", 2.0, "stop below entry in ATR(5m)", 0.1, 20)
    target_atr: float = _setting("GATEHOUSE_TARGET_ATR", 2.0, "target above entry in ATR(5m)", 0.1, 40)
    stop_min_bp: float = _setting("GATEHOUSE_STOP_MIN_BP", 30.0, "least stop distance", 1, 5000)
    hold_max_min: int = _setting("GATEHOUSE_HOLD_MAX_MIN", 60, "time limit of a position", 1, 390)
    signal_ttl_s: int = _setting(
        "GATEHOUSE_SIGNAL_TTL_S", 240, "age at which a candidate or signal is dropped", 5, 3600
    )
    entry_patience_s: int = _setting("GATEHOUSE_ENTRY_PATIENCE_S", 30, "time an entry price may work", 5, 600)
    entry_poll_s: int = _setting("GATEHOUSE_ENTRY_POLL_S", 5, "pause between looks at a working order", 1, 60)
    max_reprices: int = _setting("GATEHOUSE_MAX_REPRICES", 3, "times an entry is repriced", 0, 10)
    parameter_set: str = _setting("GATEHOUSE_PARAMETER_SET", "default", "name of the accepted parameter set")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """What no decision may exceed. Fractions are of equity unless the name says otherwise."""

    trade_risk_fraction: float = _setting(
        "GATEHOUSE_TRADE_RISK_FRACTION", 0.005, "sizing: risk at the stop", 1e-5, 0.01
    )
    trade_risk_max_fraction: float = _setting(
        "GATEHOUSE_TRADE_RISK_MAX_FRACTION", 0.01, "gate: most risk at the stop", 1e-5, 0.01
    )
    kelly_fraction: float = _setting("GATEHOUSE_KELLY_FRACTION", 0.25, "share of the Kelly stake", 0, 0.5)
    volatility_target_fraction: float = _setting(
        "GATEHOUSE_VOLATILITY_TARGET_FRACTION", 0.005, "sizing: daily volatility of one position", 1e-5, 0.1
    )
    adv_max_fraction: float = _setting("GATEHOUSE_ADV_MAX_FRACTION", 0.01, "shares over average daily volume", 0, 0.2)
    day_loss_max_fraction: float = _setting("GATEHOUSE_DAY_LOSS_MAX_FRACTION", 0.03, "halts the day", 1e-4, 1)
    drawdown_max_fraction: float = _setting("GATEHOUSE_DRAWDOWN_MAX_FRACTION", 0.05, "halts until resumed", 1e-4, 1)
    max_positions: int = _setting("GATEHOUSE_MAX_POSITIONS", 10, "open positions, reservations counted", 1, 15)
    gross_exposure_max_fraction: float = _setting("GATEHOUSE_GROSS_EXPOSURE_MAX_FRACTION", 1.0, "all positions", 0, 2)
    symbol_exposure_max_fraction: float = _setting("GATEHOUSE_SYMBOL_EXPOSURE_MAX_FRACTION", 0.1, "one symbol", 0, 1)
    spread_max_bp: float = _setting("GATEHOUSE_SPREAD_MAX_BP", 100.0, "spread in regular sessions", 0, 10_000)
    spread_max_extended_bp: float = _setting(
        "GATEHOUSE_SPREAD_MAX_EXTENDED_BP", 75.0, "spread in PRE and AFT", 0, 10_000
    )
    slippage_max_bp: float = _setting("GATEHOUSE_SLIPPAGE_MAX_BP", 30.0, "entry price beyond arrival", 0, 1000)
    quote_age_max_s: float = _setting("GATEHOUSE_QUOTE_AGE_MAX_S", 15.0, "age of the quote at the gate", 0.1, 600)
    group_exposure_max_fraction: float = _setting("GATEHOUSE_GROUP_EXPOSURE_MAX_FRACTION", 0.3, "one group", 0, 2)
    symbol_groups: tuple[SymbolGroup, ...] = _setting(
        "GATEHOUSE_SYMBOL_GROUPS", (), "groups of symbols that move together, as NAME: A B; NAME: C D"
    )
    approval_fraction: float = _setting(
        "GATEHOUSE_APPROVAL_FRACTION", 0.5, "notional over account value from which a person must approve", 0, 10
    )
    approval_wait_min: int = _setting("GATEHOUSE_APPROVAL_WAIT_MIN", 5, "time a person has to approve", 1, 240)
    day_trades_max: int = _setting("GATEHOUSE_DAY_TRADES_MAX", 0, "day trades in 5 sessions; 0: no such rule", 0, 100)
    day_trades_below_usd: float = _setting(
        "GATEHOUSE_DAY_TRADES_BELOW_USD", 25_000.0, "equity under which day trades are counted", 0, 1e9
    )
    reference_gap_max_bp: float = _setting(
        "GATEHOUSE_REFERENCE_GAP_MAX_BP", 300.0, "quote's distance from the scored bar's close", 1, 10_000
    )
    bar_age_max_s: float = _setting("GATEHOUSE_BAR_AGE_MAX_S", 900.0, "age of the last closed bar", 1, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where state lives. One of connection string or account URL prefix is the Functions host's own setting."""

    connection: str = _setting(
        "AzureWebJobsStorage", "", "storage connection string (Azurite); empty: identity is used", secret=True
    )
    account_name: str = _setting(
        "AzureWebJobsStorage__accountName", "", "storage account for identity-based access; empty: connection string"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them."""

    broker: BrokerSettings
    watchlist: WatchlistSettings
    policy: PolicySettings
    risk: RiskSettings
    storage: StorageSettings
    clock_file: str = _setting("GATEHOUSE_CLOCK_FILE", "", "sandbox only: file that drives the clock; empty: real time")
    code_revision: str = _setting("GATEHOUSE_CODE_REVISION", "", "revision of the deployed code; empty: unknown")


GROUPS: Mapping[str, type] = {
    "broker": BrokerSettings,
    "watchlist": WatchlistSettings,
    "policy": PolicySettings,
    "risk": RiskSettings,
    "storage": StorageSettings,
}


def _parse_tuple(text: str, of: Callable[[str], Any]) -> tuple[Any, ...]:
    return tuple(of(part) for part in text.replace(",", " ").split())


def _parse_groups(text: str) -> tuple[SymbolGroup, ...]:
    groups = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, symbols = part.partition(":")
        if not (colon and name.strip() and symbols.split()):
            raise ValueError(f"{part!r} is not NAME: SYMBOLS")
        groups.append(SymbolGroup(name=name.strip(), symbols=_parse_tuple(symbols, _parse_symbol)))
    return tuple(groups)


def _parse_symbol(text: str) -> Symbol:
    require_symbol("symbol", text)
    return Symbol(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


_PARSERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (_parse_float, "a finite number"),
    Decimal: (Decimal, "a decimal number"),
    Environment: (Environment, f"one of {', '.join(Environment)}"),
    Feed: (Feed, f"one of {', '.join(Feed)}"),
    tuple[Symbol, ...]: (lambda text: _parse_tuple(text, _parse_symbol), "symbols, split by blanks or commas"),
    tuple[SymbolGroup, ...]: (_parse_groups, "groups as NAME: SYMBOLS, split by semicolons"),
    tuple[Session, ...]: (lambda text: _parse_tuple(text, Session), f"sessions out of {', '.join(Session)}"),
}


def _parse_one(item: dataclasses.Field[Any], hint: Any, source: Mapping[str, str], problems: list[str]) -> Any:
    meta = item.metadata
    text = source.get(meta["name"], "").strip()
    if not text:
        if item.default is dataclasses.MISSING:
            problems.append(f"{meta['name']} is missing: expected {meta['what']}")
            return None
        return item.default
    parse, expected = _PARSERS[hint]
    shown = "***" if meta["secret"] else repr(text)
    try:
        value = parse(text)
    except (ValueError, InvalidOperation):
        problems.append(f"{meta['name']} = {shown}: expected {expected} ({meta['what']})")
        return None
    low, high = meta["low"], meta["high"]
    if (low is not None and value < low) or (high is not None and value > high):
        problems.append(f"{meta['name']} = {shown}: expected {expected} from {low} to {high} ({meta['what']})")
    return value


def _parse_group(group: type, source: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    hints = get_type_hints(group)
    return {
        item.name: _parse_one(item, hints[item.name], source, problems)
        for item in dataclasses.fields(group)
        if "name" in item.metadata
    }


def parse_settings(source: Mapping[str, str]) -> Settings:
    """Parse environment-like text.

    Raises
    ------
    SettingsError
        Listing every problem, one a line: name, value (never a secret's), what was expected.
    """
    problems: list[str] = []
    parsed = {name: _parse_group(group, source, problems) for name, group in GROUPS.items()}
    own = _parse_group(Settings, source, problems)
    if not problems:
        settings = Settings(**{name: GROUPS[name](**values) for name, values in parsed.items()}, **own)
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise SettingsError("settings cannot be used:\n" + "\n".join(f"- {problem}" for problem in problems))


def _contradictions(settings: Settings) -> list[str]:
    """Settings that are fine alone and wrong together."""
    watchlist, policy, risk = settings.watchlist, settings.policy, settings.risk
    problems = _broker_contradictions(settings)
    if watchlist.price_min_usd > watchlist.price_max_usd:
        problems.append("GATEHOUSE_SCAN_PRICE_MIN_USD: expected at most GATEHOUSE_SCAN_PRICE_MAX_USD")
    if policy.stop_atr > policy.target_atr:
        found = f"GATEHOUSE_STOP_ATR = {policy.stop_atr}"
        problems.append(f"{found}: expected at most GATEHOUSE_TARGET_ATR {policy.target_atr}")
    if irregular := [session.value for session in policy.entry_sessions if not session.is_regular]:
        problems.append(f"GATEHOUSE_ENTRY_SESSIONS holds {' '.join(irregular)}: expected regular sessions only")
    if risk.trade_risk_fraction > risk.trade_risk_max_fraction:
        problems.append("GATEHOUSE_TRADE_RISK_FRACTION: expected at most GATEHOUSE_TRADE_RISK_MAX_FRACTION")
    if not settings.storage.connection and not settings.storage.account_name:
        either = "a connection string or AzureWebJobsStorage__accountName"
        problems.append(f"AzureWebJobsStorage is missing: expected {either}")
    return problems


ALPACA_HOST = ".alpaca.markets"
PAPER_HOST = "paper-api.alpaca.markets"
_PLAIN_URL = re.compile(r"https?://([a-z0-9.-]+)(:[0-9]{1,5})?/?", re.IGNORECASE)
"""Scheme, host, port and nothing else: what a user part or a backslash would make of the host differs by parser."""


def _broker_contradictions(settings: Settings) -> list[str]:
    """A paper or live account is reached at Alpaca only, the sandbox anywhere but there."""
    problems: list[str] = []
    broker = settings.broker
    is_sandbox, is_live = broker.environment is Environment.SANDBOX, broker.environment is Environment.LIVE
    if is_live and not broker.allow_live:
        problems.append("GATEHOUSE_ALLOW_LIVE is missing: expected the account id, since ALPACA_ENVIRONMENT is live")
    if is_sandbox and not (broker.trading_url and broker.data_url):
        problems.append("ALPACA_TRADING_URL and ALPACA_DATA_URL are missing: expected the sandbox venue's URLs")
    for name, url in (("ALPACA_TRADING_URL", broker.trading_url), ("ALPACA_DATA_URL", broker.data_url)):
        if url and not _leads_where_it_should(url, is_sandbox=is_sandbox):
            where = "a plain URL that is not Alpaca's" if is_sandbox else f"https at a host of {ALPACA_HOST[1:]}"
            problems.append(f"{name} = {url!r}: expected {where}, since the environment is {broker.environment}")
    host = (urlsplit(broker.trading_url).hostname or "") if broker.trading_url else ""
    if host and not is_sandbox and (host == PAPER_HOST) is is_live:
        other = "live" if is_live else "paper"
        problems.append(f"ALPACA_TRADING_URL = {broker.trading_url!r}: expected the {other} account's URL")
    if settings.clock_file and not is_sandbox:
        problems.append(f"GATEHOUSE_CLOCK_FILE = {settings.clock_file!r}: expected empty outside the sandbox")
    return problems


def _leads_where_it_should(url: str, *, is_sandbox: bool) -> bool:
    plain = _PLAIN_URL.fullmatch(url)
    if plain is None:
        return False
    at_alpaca = plain.group(1).lower().endswith(ALPACA_HOST)
    return not at_alpaca if is_sandbox else at_alpaca and url.lower().startswith("https://")
