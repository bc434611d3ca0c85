"""The facts that risk gates judge on, gathered from the broker, the market and our own tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, KILL, Table
from shared.contracts.settings import Settings
from shared.core.errors import ConflictError, ContractError, TransientError
from shared.core.ledger import Ledger, mark, open_ledger
from shared.core.market import Quote
from shared.core.risk import Facts, Limits
from shared.core.values import Symbol
from shared.ports import Ports, Row, Stored
from shared.stages.panel import trading_day

LEDGER_TRIES = 8
"""Writers that race for the ledger's row are few; eight losses in a row mean that something else is wrong."""


def limits_of(settings: Settings) -> Limits:
    """Carry the settings into the gates' own units."""
    risk, policy = settings.risk, settings.policy
    return Limits(
        trade_risk_max_fraction=as_decimal(risk.trade_risk_max_fraction),
        max_positions=risk.max_positions,
        gross_exposure_max_fraction=as_decimal(risk.gross_exposure_max_fraction),
        symbol_exposure_max_fraction=as_decimal(risk.symbol_exposure_max_fraction),
        adv_max_fraction=as_decimal(risk.adv_max_fraction),
        spread_max_bp=as_decimal(risk.spread_max_bp),
        spread_max_extended_bp=as_decimal(risk.spread_max_extended_bp),
        slippage_max_bp=as_decimal(risk.slippage_max_bp),
        quote_age_max_s=risk.quote_age_max_s,
        entry_sessions=frozenset(policy.entry_sessions),
        no_entry_before_close=timedelta(minutes=policy.no_entry_before_close_min),
    )


def as_decimal(value: float) -> Decimal:
    """Carry a setting given as decimal text through float64 back into the decimal it was."""
    return Decimal(repr(value))


def kill_reason(ports: Ports) -> str:
    """Why the kill switch is on; empty where it is off."""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    if stored is None or not stored.value.get("is_on"):
        return ""
    return str(stored.value.get("reason") or "on")


def load_ledger(ports: Ports) -> Stored[Ledger] | None:
    """Return the ledger as stored, None before the account's first day."""
    stored = ports.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    if stored is None:
        return None
    return Stored(value=ports.codec.decode(Ledger, str(stored.value["ledger"])), etag=stored.etag)


def update_ledger(
    ports: Ports,
    on: date,
    equity: Decimal,
    change: Callable[[Ledger], Ledger],
    *,
    known: Stored[Ledger] | None = None,
) -> Ledger:
    """Mark the ledger to the equity and change it, under its ETag.

    `change` is called anew with what another writer has left, until the write holds; it may return the ledger as it
    got it. Where nothing changes, nothing is written. `known` is the ledger as just read, which saves a first look.

    Raises
    ------
    TransientError
        After `LEDGER_TRIES` lost races.
    """
    risk = ports.settings.risk
    day_loss, drawdown = as_decimal(risk.day_loss_max_fraction), as_decimal(risk.drawdown_max_fraction)
    for attempt in range(LEDGER_TRIES):
        stored = known if known and attempt == 0 else load_ledger(ports)
        before = stored.value if stored else open_ledger(on, equity)
        after = change(mark(before, on, equity, day_loss, drawdown))
        row: Row = {
            "ledger": ports.codec.encode(after),
            "on": str(after.on),
            "equity_usd": str(after.equity),
            "reservations": len(after.reservations),
            "reserved_usd": str(after.reserved_notional),
            "is_day_halted": after.is_day_halted,
            "is_drawdown_halted": after.is_drawdown_halted,
        }
        if stored is None:
            if ports.tables.insert(Table.LEDGER, ACCOUNT, CURRENT, row):
                return after
            continue
        if after == stored.value:
            return after
        try:
            ports.tables.replace(Table.LEDGER, ACCOUNT, CURRENT, row, stored.etag)
        except ConflictError:
            continue
        return after
    raise TransientError(f"ledger was changed by others {LEDGER_TRIES} times in a row")


def gather(ports: Ports, on: date, quote: Quote, model_fault: str = "") -> Facts:
    """Gather what the gates judge on, the ledger as it is stored."""
    now = ports.clock.now()
    account = ports.broker.account()
    stored = load_ledger(ports)
    return Facts(
        now=now,
        day=trading_day(ports, now),
        kill_reason=kill_reason(ports),
        account=account,
        positions=tuple(ports.broker.positions()),
        ledger=stored.value if stored else open_ledger(on, account.equity),
        quote=quote,
        model_fault=model_fault,
    )


def quote_of(ports: Ports, symbol: Symbol) -> Quote:
    """Return the symbol's latest quote. Raises ContractError where the venue has none."""
    quote = ports.market.quotes([symbol]).get(symbol)
    if quote is None:
        raise ContractError(f"no quote of {symbol}")
    return quote
