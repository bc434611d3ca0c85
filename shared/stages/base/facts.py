"""The facts that risk gates judge on, gathered from the broker, the market and our own tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from shared.contracts.records import CONTROLS, KILL, LIVE, Table, strategy_key
from shared.contracts.settings import Environment
from shared.core.day_trades import DatedFill, count_day_trades
from shared.core.errors import ContractError, TransientError
from shared.core.ids import digest
from shared.core.ledger import Ledger
from shared.core.market import Quote
from shared.core.portfolio import another_account, hides_positions
from shared.core.risk import Facts
from shared.core.sessions import NEW_YORK
from shared.core.settings import FIRST_STRATEGY, DecisionSettings
from shared.core.values import Side, Symbol, parse_utc
from shared.ports import Ports, Row, trading_day
from shared.stages.base.ledger import load_ledger, opened
from shared.strategies.catalogue import installed

DAY_TRADE_SESSIONS = 5


def settings_id(ports: Ports, settings: DecisionSettings) -> str:
    """Hash of the settings that decisions depend on: rows with the same id were decided under the same."""
    return digest(ports.codec.encode(settings).encode())[:16]


def kill_reason(ports: Ports) -> str:
    """Why nothing may be entered: the kill switch, or live trading that nobody has accepted; empty where it may."""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    if stored is None or not stored.value.get("is_on"):
        return live_bar(ports)
    return str(stored.value.get("reason") or "on")


def live_bar(ports: Ports) -> str:
    """Why a live account may not enter: nobody has accepted, over the API, that it does. Empty where it may."""
    broker = ports.settings.broker
    if broker.environment is not Environment.LIVE:
        return ""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, LIVE)
    if stored is not None and stored.value.get("account_id") == broker.allow_live:
        return ""
    return f"nobody has accepted that account {broker.allow_live} trades live: POST /api/live/accept"


def not_ours(ports: Ports, account_id: str) -> str:
    """Why an account that the keys open is none of ours: the ledger is of another. Empty where it is, or is none."""
    stored = load_ledger(ports)
    return "" if stored is None else another_account(stored.value.account_id, account_id)


def cautious(facts: Facts, day_loss_max: Decimal) -> Facts:
    """Facts on which a decision may be sized.

    An equity that stands further above the last one seen, and the last close, than the day may lose waits for a second
    look: one wrong print would size an entry beyond every limit.
    """
    seen, last = facts.account.equity, facts.ledger.equity
    if seen <= max(last, facts.ledger.opening_equity) * (1 + day_loss_max):
        return facts
    return replace(facts, account=replace(facts.account, equity=last))


def strategy_halt(ports: Ports, strategy: str) -> str:
    """Why a person has halted a strategy; empty where nobody has."""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, strategy_key(strategy))
    if stored is None or not stored.value.get("is_on"):
        return ""
    return f"halted by {stored.value.get('by')}: {stored.value.get('reason')}"


def halt_of(ports: Ports, ledger: Ledger | None, strategy: str) -> str:
    """Why one strategy enters nothing while others may: a person's halt, or its loss of the day; empty where it may."""
    is_lost = ledger is not None and ledger.book_of(strategy).is_day_halted
    return strategy_halt(ports, strategy) or ("day loss" if is_lost else "")


def model_fault(ports: Ports, strategy: str) -> str:
    """Why the models that a strategy needs cannot be trusted; empty where they can, and where it needs none."""
    known = installed().strategies.get(strategy)
    states = [ports.models.current(name) for name in known.needs.models] if known else []
    return "; ".join(state.fault for state in states if state.predictor is None)


def gather(ports: Ports, on: date, quote: Quote, fault: str = "", *, strategy: str = FIRST_STRATEGY) -> Facts:
    """Gather what the gates judge on, the ledger as it is stored.

    Parameters
    ----------
    fault : str
        Why the strategy's models cannot be trusted.

    Raises
    ------
    TransientError
        If no position is listed while the account counts some: nobody can tell what a limit has left.
    """
    now = ports.clock.now()
    account, held = ports.broker.account(), ports.broker.positions()
    if hides_positions(account, held):
        raise TransientError(f"no position is listed, and the account counts {account.holdings} USD as held")
    stored = load_ledger(ports)
    return Facts(
        now=now,
        day=trading_day(ports, now),
        kill_reason=kill_reason(ports),
        account=account,
        positions=held.rows,
        unread=held.unread,
        ledger=stored.value if stored else opened(ports, on, account),
        quote=quote,
        model_fault=fault,
        strategy_halt=strategy_halt(ports, strategy),
        day_trades=_day_trades(ports, on) if ports.settings.risk.day_trades_max else 0,
    )


def _day_trades(ports: Ports, on: date) -> int:
    """Day trades of the last five sessions, counted from our own fills."""
    days = [*(day.on for day in ports.calendar.previous_days(on, DAY_TRADE_SESSIONS - 1)), on]
    return count_day_trades(
        DatedFill(on=_date_of(row), symbol=Symbol(str(row["symbol"])), side=Side(str(row["side"])))
        for day in days
        for _, row in ports.tables.query(Table.FILLS, str(day))
    )


def _date_of(fill: Row) -> date:
    """New York date on which a fill occurred: that of an exit may be after the order's own."""
    return parse_utc(str(fill["occurred_at"])).astimezone(NEW_YORK).date()


def quote_of(ports: Ports, symbol: Symbol) -> Quote:
    """Return the symbol's latest quote. Raises ContractError where the venue has none."""
    quote = ports.market.quotes([symbol]).get(symbol)
    if quote is None:
        raise ContractError(f"no quote of {symbol}")
    return quote
