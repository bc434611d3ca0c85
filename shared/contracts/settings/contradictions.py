"""Settings that are fine alone and wrong together."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from shared.contracts.settings.declare import Environment
from shared.contracts.settings.groups import Settings
from shared.core.sessions import Session


def contradictions(settings: Settings) -> list[str]:
    """Settings that are fine alone and wrong together."""
    watchlist, policy, risk = settings.watchlist, settings.policy, settings.risk
    problems = _broker_contradictions(settings)
    if watchlist.price_min_usd > watchlist.price_max_usd:
        problems.append("GATEHOUSE_SCAN_PRICE_MIN_USD: expected at most GATEHOUSE_SCAN_PRICE_MAX_USD")
    if policy.stop_atr > policy.target_atr:
        found = f"GATEHOUSE_STOP_ATR = {policy.stop_atr}"
        problems.append(f"{found}: expected at most GATEHOUSE_TARGET_ATR {policy.target_atr}")
    if Session.CLOSED in policy.entry_sessions:
        problems.append("GATEHOUSE_ENTRY_SESSIONS holds CLOSED: expected sessions in which the exchange trades")
    if risk.trade_risk_fraction > risk.trade_risk_max_fraction:
        problems.append("GATEHOUSE_TRADE_RISK_FRACTION: expected at most GATEHOUSE_TRADE_RISK_MAX_FRACTION")
    problems += _operate_contradictions(settings)
    if not settings.storage.connection and not settings.storage.account_name:
        either = "a connection string or AzureWebJobsStorage__accountName"
        problems.append(f"AzureWebJobsStorage is missing: expected {either}")
    return problems


MIN_LINK_KEY_CHARACTERS = 32


def _operate_contradictions(settings: Settings) -> list[str]:
    """A link key is long and a secret; an address is https, but for the sandbox's own machine."""
    problems: list[str] = []
    operate, key = settings.operate, settings.operate.link_key
    if key and (len(key) < MIN_LINK_KEY_CHARACTERS or len(set(key)) < 8):
        expected = f"a random key of {MIN_LINK_KEY_CHARACTERS} characters or more"
        problems.append(f"GATEHOUSE_LINK_KEY = ***: expected {expected}")
    url, is_sandbox = operate.public_url, settings.broker.environment is Environment.SANDBOX
    if url and not (_PLAIN_URL.fullmatch(url) and (is_sandbox or url.lower().startswith("https://"))):
        problems.append(f"GATEHOUSE_PUBLIC_URL = {url!r}: expected https, a host and nothing else")
    if url and not key:
        problems.append("GATEHOUSE_LINK_KEY is missing: expected a key, since GATEHOUSE_PUBLIC_URL is set")
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
