"""Settings that are fine alone and wrong together."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts.settings.address import PRIVATE_ENDINGS, Address, address_of
from shared.contracts.settings.groups import Settings
from shared.core.committee.values import DEFAULTS
from shared.core.sessions import Session
from shared.core.settings import Environment
from shared.core.settings.strategies import is_strategy_name


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
    problems += _strategy_contradictions(settings)
    problems += _operate_contradictions(settings)
    problems += _language_contradictions(settings)
    if not settings.storage.connection and not settings.storage.account_name:
        either = "a connection string or AzureWebJobsStorage__accountName"
        problems.append(f"AzureWebJobsStorage is missing: expected {either}")
    return problems


def _strategy_contradictions(settings: Settings) -> list[str]:
    """Names that are none, one named twice, shares beyond the whole, and a share that holds no position."""
    traded, most = settings.strategies.traded, settings.risk.max_positions
    names = [each.name for each in traded]
    problems = [
        f"GATEHOUSE_STRATEGIES holds {name[:80]!r}: expected a name with a version, as dip-buyer.v1"
        for name in (*names, *(each.strategy for each in settings.strategies.parameters))
        if not is_strategy_name(name)
    ]
    problems += [f"GATEHOUSE_STRATEGIES names {name} twice" for name in sorted(set(names)) if names.count(name) > 1]
    problems += [
        f"GATEHOUSE_STRATEGIES: {each.name} has a share of {each.share}: expected above 0, and a position out of {most}"
        for each in traded
        if not 0 < each.share <= 1 or int(each.share * most) < 1
    ]
    if (total := sum(each.share for each in traded)) > 1:
        problems.append(f"GATEHOUSE_STRATEGIES: shares add up to {total}: expected 1 at most")
    if not traded:
        problems.append("GATEHOUSE_STRATEGIES is empty: expected a strategy")
    automations = [(each.strategy, each.session or "") for each in settings.strategies.automations]
    problems += [
        f"GATEHOUSE_AUTOMATION names {'/'.join(filter(None, each))} twice"
        for each in sorted(set(automations))
        if automations.count(each) > 1
    ]
    problems += [
        f"GATEHOUSE_AUTOMATION names {name[:80]!r}: expected one of GATEHOUSE_STRATEGIES"
        for name in sorted({name for name, _ in automations} - {*names})
    ]
    given = [(each.strategy, each.name) for each in settings.strategies.parameters]
    problems += [
        f"GATEHOUSE_STRATEGY_PARAMETERS gives {strategy}.{name} twice"
        for strategy, name in sorted(set(given))
        if given.count((strategy, name)) > 1
    ]
    return problems


def _language_contradictions(settings: Settings) -> list[str]:
    """A service is reached by https, or on a machine of one's own, and its model has a name; a committee needs one."""
    language, committee = settings.language, settings.committee
    traded = {each.name for each in settings.strategies.traded}
    problems = [
        f"GATEHOUSE_COMMITTEE names {name[:80]!r}: expected one of GATEHOUSE_STRATEGIES"
        for name in sorted({*committee.strategies} - traded)
    ]
    if committee.default not in DEFAULTS:
        problems.append(f"GATEHOUSE_COMMITTEE_DEFAULT = {committee.default!r}: expected {' or '.join(DEFAULTS)}")
    if not language.url:
        needed = "GATEHOUSE_LANGUAGE_URL is missing: expected an address, since GATEHOUSE_COMMITTEE is set"
        return [*problems, needed] if committee.strategies else problems
    base = "/".join(language.url.split("/")[:3])
    address = address_of(base)
    if address is None or not (address.scheme == "https" or address.is_private) or "?" in language.url:
        expected = "https://host/v1, or a machine of one's own"
        problems.append(f"GATEHOUSE_LANGUAGE_URL = {language.url!r}: expected {expected}")
    if not language.model:
        problems.append("GATEHOUSE_LANGUAGE_MODEL is missing: expected a model, since GATEHOUSE_LANGUAGE_URL is set")
    return problems


MIN_LINK_KEY_CHARACTERS = 32


def _operate_contradictions(settings: Settings) -> list[str]:
    """A link key is long and a secret; an address is https, but for the sandbox's own machine."""
    problems: list[str] = []
    operator, key = settings.operator, settings.operator.link_key
    if key and (len(key) < MIN_LINK_KEY_CHARACTERS or len(set(key)) < 8):
        expected = f"a random key of {MIN_LINK_KEY_CHARACTERS} characters or more"
        problems.append(f"GATEHOUSE_LINK_KEY = ***: expected {expected}")
    url, is_sandbox = operator.public_url, settings.broker.environment is Environment.SANDBOX
    address = address_of(url)
    if url and not (address and (is_sandbox or address.scheme == "https")):
        problems.append(f"GATEHOUSE_PUBLIC_URL = {url!r}: expected https, a host and nothing else")
    if url and not key:
        problems.append("GATEHOUSE_LINK_KEY is missing: expected a key, since GATEHOUSE_PUBLIC_URL is set")
    return problems


TRADING_HOSTS: Mapping[Environment, str] = {
    Environment.PAPER: "paper-api.alpaca.markets",
    Environment.LIVE: "api.alpaca.markets",
}
DATA_HOST = "data.alpaca.markets"
"""One for paper and live."""


def _broker_contradictions(settings: Settings) -> list[str]:
    """A paper or live account is reached at Alpaca's own hosts only, the sandbox on machines of one's own."""
    problems: list[str] = []
    broker, environment = settings.broker, settings.broker.environment
    is_sandbox = environment is Environment.SANDBOX
    if environment is Environment.LIVE and not broker.allow_live:
        problems.append("GATEHOUSE_ALLOW_LIVE is missing: expected the account id, since ALPACA_ENVIRONMENT is live")
    if is_sandbox and not (broker.trading_url and broker.data_url):
        problems.append("ALPACA_TRADING_URL and ALPACA_DATA_URL are missing: expected the sandbox venue's URLs")
    for name, url, host in (
        ("ALPACA_TRADING_URL", broker.trading_url, TRADING_HOSTS.get(environment)),
        ("ALPACA_DATA_URL", broker.data_url, None if is_sandbox else DATA_HOST),
    ):
        address = address_of(url)
        if url and not (address and _leads_where_it_should(address, host)):
            where = f"https://{host}, or empty" if host else _OWN_MACHINE
            problems.append(f"{name} = {url!r}: expected {where}, since ALPACA_ENVIRONMENT is {environment}")
    if settings.clock_file and not is_sandbox:
        problems.append(f"GATEHOUSE_CLOCK_FILE = {settings.clock_file!r}: expected empty outside the sandbox")
    return problems


_ENDINGS = ", ".join(PRIVATE_ENDINGS)
_OWN_MACHINE = f"a plain URL at a loopback or private address, a name without dots or one ending in {_ENDINGS}"


def _leads_where_it_should(address: Address, host: str | None) -> bool:
    """At one host, encrypted; without one, anywhere that is one's own."""
    return address.is_private if host is None else address.is_https and address.host == host
