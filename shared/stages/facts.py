"""The facts that risk gates judge on, gathered from the broker, the market and our own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from shared.contracts.cases import DecisionSettings
from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, KILL, LIVE, Table
from shared.contracts.settings import Environment, Settings
from shared.core.breaker import failed
from shared.core.day_trades import DatedFill, count_day_trades
from shared.core.errors import ConflictError, ContractError, TransientError
from shared.core.ids import digest
from shared.core.ledger import NEXT, Ledger, Reservation, mark, open_ledger
from shared.core.market import Quote
from shared.core.order_states import OrderState, Phase
from shared.core.risk import Facts, Limits
from shared.core.sessions import NEW_YORK
from shared.core.values import Side, Symbol, parse_utc
from shared.ports import Ports, Row, Stored
from shared.stages.incidents import readable
from shared.stages.panel import trading_day

DAY_TRADE_SESSIONS = 5

type Service = Literal["broker", "market"]

LEDGER_TRIES = 8
"""Writers that race for the ledger's row are few; eight losses in a row mean that something else is wrong."""


def limits_of(settings: Settings | DecisionSettings) -> Limits:
    """Carry the settings into the gates' own units."""
    risk, policy = settings.risk, settings.policy
    return Limits(
        trade_risk_max_fraction=as_decimal(risk.trade_risk_max_fraction),
        max_positions=risk.max_positions,
        gross_exposure_max_fraction=as_decimal(risk.gross_exposure_max_fraction),
        symbol_exposure_max_fraction=as_decimal(risk.symbol_exposure_max_fraction),
        group_exposure_max_fraction=as_decimal(risk.group_exposure_max_fraction),
        group_of={symbol: group.name for group in risk.symbol_groups for symbol in group.symbols},
        adv_max_fraction=as_decimal(risk.adv_max_fraction),
        adv_max_extended_fraction=as_decimal(risk.adv_max_extended_fraction),
        spread_max_bp=as_decimal(risk.spread_max_bp),
        spread_max_extended_bp=as_decimal(risk.spread_max_extended_bp),
        slippage_max_bp=as_decimal(risk.slippage_max_bp),
        quote_age_max_s=risk.quote_age_max_s,
        reference_gap_max_bp=as_decimal(risk.reference_gap_max_bp),
        day_trades_max=risk.day_trades_max,
        day_trades_below=as_decimal(risk.day_trades_below_usd),
        approval_fraction=as_decimal(risk.approval_fraction),
        entry_sessions=frozenset(policy.entry_sessions),
        no_entry_before_close=timedelta(minutes=policy.no_entry_before_close_min),
    )


def settings_id(ports: Ports, settings: DecisionSettings) -> str:
    """Hash of the settings that decisions depend on: rows with the same id were decided under the same."""
    return digest(ports.codec.encode(settings).encode())[:16]


def as_decimal(value: float) -> Decimal:
    """Carry a setting given as decimal text through float64 back into the decimal it was."""
    return Decimal(repr(value))


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


def load_ledger(ports: Ports) -> Stored[Ledger] | None:
    """Return the ledger as stored, None before the account's first day."""
    stored = ports.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    if stored is None:
        return None
    return Stored(value=ports.codec.decode(Ledger, str(stored.value["ledger"])), etag=stored.etag)


LEDGER_LOST = "the ledger's row was lost"
"""Why entries halt when there is no ledger but orders live: what halted before is forgotten."""


def opened(ports: Ports, on: date, equity: Decimal) -> Ledger:
    """Return an account's first ledger. Where its row was lost while orders live, their room is taken again.

    An order of the day before may live: a position that found no buyer is held over night.
    """
    rooms = tuple(room_of(ports, state) for state in live_orders(ports, on))
    return replace(open_ledger(on, equity), reservations=rooms, unexplained=LEDGER_LOST if rooms else "")


def live_orders(ports: Ports, on: date) -> list[OrderState]:
    """Orders of a date, and of the trading day before, that are not over, as last recorded."""
    found: list[OrderState] = []
    for day in [*(day.on for day in ports.calendar.previous_days(on, 1)), on]:
        for _, state in readable(ports, Table.ORDERS, day, lambda row: _living(ports, row)):
            found += [state] if state is not None else []
    return found


def _living(ports: Ports, row: Row) -> OrderState | None:
    return None if Phase(str(row["phase"])).is_over else ports.codec.decode(OrderState, str(row["state"]))


def room_of(ports: Ports, state: OrderState) -> Reservation:
    """Room that an order takes, worked out from its plan."""
    plan = state.plan
    return Reservation(
        intent_id=plan.intent_id,
        symbol=plan.symbol,
        qty_shares=plan.qty_shares,
        notional=plan.worst_price * plan.qty_shares,
        risk=(plan.worst_price - plan.stop_price) * plan.qty_shares,
        reserved_at=min(ports.clock.now(), plan.expires_at),  # on the order's own date, also when that is over
        exit_by=plan.exit_by,
    )


def ledger_row(ports: Ports, ledger: Ledger) -> Row:
    """Row of the ledger: the whole as JSON, and what a person wants to see."""
    return {
        "ledger": ports.codec.encode(ledger),
        "on": str(ledger.on),
        "equity_usd": str(ledger.equity),
        "reservations": len(ledger.reservations),
        "reserved_usd": str(ledger.reserved_notional),
        "is_day_halted": ledger.is_day_halted,
        "is_drawdown_halted": ledger.is_drawdown_halted,
        "unexplained": ledger.unexplained or None,
        "accepted": NEXT.join(ledger.accepted) or None,
        "broker_failures": ledger.broker.failures,
        "market_failures": ledger.market.failures,
    }


def update_ledger(
    ports: Ports,
    on: date,
    equity: Decimal | None,
    change: Callable[[Ledger], Ledger],
    *,
    known: Stored[Ledger] | None = None,
) -> Ledger:
    """Mark the ledger to the equity and change it, under its ETag. Where the equity is not known it is not marked.

    `change` is called anew with what another writer has left, until the write holds; it may return the ledger as it
    got it. Where nothing changes, nothing is written. `known` is the ledger as just read, which saves a first look.

    Raises
    ------
    TransientError
        After `LEDGER_TRIES` lost races, and where there is neither a ledger nor an equity to open one with.
    """
    risk = ports.settings.risk
    day_loss, drawdown = as_decimal(risk.day_loss_max_fraction), as_decimal(risk.drawdown_max_fraction)
    for attempt in range(LEDGER_TRIES):
        stored = known if known and attempt == 0 else load_ledger(ports)
        if equity is not None:
            before = stored.value if stored else opened(ports, on, equity)
            before = mark(before, on, equity, day_loss, drawdown)
        elif stored is not None:
            before = stored.value
        else:
            raise TransientError("there is no ledger yet, and no equity to open it with")
        after = change(before)
        row = ledger_row(ports, after)
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
    account, held = ports.broker.account(), ports.broker.positions()
    stored = load_ledger(ports)
    return Facts(
        now=now,
        day=trading_day(ports, now),
        kill_reason=kill_reason(ports),
        account=account,
        positions=held.rows,
        unread=held.unread,
        ledger=stored.value if stored else opened(ports, on, account.equity),
        quote=quote,
        model_fault=model_fault,
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


@contextmanager
def watching(ports: Ports, service: Service) -> Iterator[None]:
    """Count a failure of a service against its circuit breaker, and let it go on.

    A refusal by the broker (4xx) is an answer, not a failure.
    """
    try:
        yield
    except (TransientError, ContractError):
        stored = load_ledger(ports)
        if stored is not None:
            ledger, now = stored.value, ports.clock.now()
            if service == "broker":
                after = replace(ledger, broker=failed(ledger.broker, now))
            else:
                after = replace(ledger, market=failed(ledger.market, now))
            with suppress(ConflictError):  # another writer was faster; the next failure counts
                ports.tables.replace(Table.LEDGER, ACCOUNT, CURRENT, ledger_row(ports, after), stored.etag)
        raise


def quote_of(ports: Ports, symbol: Symbol) -> Quote:
    """Return the symbol's latest quote. Raises ContractError where the venue has none."""
    quote = ports.market.quotes([symbol]).get(symbol)
    if quote is None:
        raise ContractError(f"no quote of {symbol}")
    return quote
