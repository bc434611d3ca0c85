"""What the tables say of an order: its row, its journal, its fills, its position."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from shared.contracts.records import Table, symbol_key
from shared.core.errors import ConflictError, TransientError
from shared.core.ids import canonical_json, digest
from shared.core.order_states import SELLS, ExitReason, OrderState, OrderView, Role
from shared.core.order_steps import Step
from shared.core.sessions import session_at
from shared.core.values import ZERO, iso, parse_utc, plain
from shared.ports import Cell, Codec, Ports, Row, Stored, trading_day
from shared.stages.base.incidents import BROKEN, record_broken

WRITE_TRIES = 4
"""Two runs of one step are rare, and each writes three rows: more lost races mean that something else is wrong."""


def order_row(state: OrderState, codec: Codec, at: datetime) -> dict[str, Cell]:
    """Row of table orders: where the order stands, its whole state as JSON."""
    plan = state.plan
    entry = max(state.of(Role.ENTRY), key=lambda order: order.filled_qty, default=None)
    return {
        "intent_id": plan.intent_id,
        "decision_id": plan.decision_id,
        "strategy": plan.strategy,
        "symbol": plan.symbol,
        "phase": state.phase.value,
        "exit_reason": state.exit_reason.value if state.exit_reason else None,
        "qty": plain(plan.qty),
        "bought_qty": plain(state.bought),
        "sold_qty": plain(state.sold),
        "written_off_qty": plain(state.written_off),
        "arrival_usd": str(plan.arrival_price),
        "limit_usd": str(plan.limit_price),
        "stop_usd": str(plan.stop_price),
        "target_usd": str(plan.target_price),
        "entry_usd": _text(entry.average_price if entry else None),
        "realised_usd": str(state.realised),
        "note": state.note or state.why or None,
        "seq": state.seq,
        "updated_at": iso(at),
        "state": codec.encode(state),
    }


def recorded_step(ports: Ports, before: OrderState) -> OrderState | None:
    """Return the state that another run of this step left in the journal, None where it has none.

    An activity may run twice: again after a crash before the host noted its answer, or on two hosts at once. What the
    first run may not have come to write, the rows that follow from its journal row, is written here.
    """
    recorded = _recorded(ports, before)
    if recorded is None:
        return None
    after, at = recorded
    for _ in range(WRITE_TRIES):
        with suppress(ConflictError):  # the other run is writing these very rows: see what is left to do
            _write_rows_again(ports, before, after, at)
            return after
    raise TransientError(f"rows of {before.plan.intent_id} were changed by others {WRITE_TRIES} times in a row")


def _recorded(ports: Ports, before: OrderState) -> tuple[OrderState, datetime] | None:
    """What the journal says of the step after a state; None also where its row cannot be read.

    What another run saw is then lost, but not what it did: the broker has its orders under their ids.
    """
    key = _journal_key(before, before.seq + 1)
    stored = ports.tables.get(Table.JOURNAL, str(before.on), key)
    if stored is None:
        return None
    try:
        return ports.codec.decode(OrderState, str(stored.value["state"])), parse_utc(str(stored.value["at"]))
    except BROKEN as error:
        record_broken(ports, Table.JOURNAL, before.on, key, error)
        return None


def _write_rows_again(ports: Ports, before: OrderState, after: OrderState, at: datetime) -> None:
    """Write what follows from a journal row, unless a later step has: a late run must not put an older state back.

    Raises
    ------
    ConflictError
        If another run wrote in between.
    """
    partition, key = str(after.on), symbol_key(after.plan.symbol, after.plan.intent_id)
    position = ports.tables.get(Table.POSITIONS, partition, key)
    order = ports.tables.get(Table.ORDERS, partition, key)
    if order is not None and int(str(order.value["seq"])) > after.seq:
        return
    fills = _fills(ports, before, after, at)
    if fills:
        ports.tables.put_many(Table.FILLS, partition, fills)
    if fills or after.held != before.held:
        _put_if_unchanged(ports, Table.POSITIONS, (partition, key), _position(after, at), position)
    _put_if_unchanged(ports, Table.ORDERS, (partition, key), order_row(after, ports.codec, at), order)


def _put_if_unchanged(ports: Ports, table: Table, keys: tuple[str, str], row: Row, known: Stored[Row] | None) -> None:
    if known is not None:
        ports.tables.replace(table, *keys, row, known.etag)
    elif not ports.tables.insert(table, *keys, row):
        raise ConflictError(f"{table} {keys} was written by another run")


def record_step(  # noqa: PLR0917 - a step is what it was, with what it left
    ports: Ports, before: OrderState, step: Step, after: OrderState, at: datetime, gates: str = ""
) -> bool:
    """Write the journal row that makes the step count as done, then what follows from it: fills, position, order row.

    The journal comes first. Were fills written before it, a run that died in between would leave fills that the next
    run, which may see something else at the broker, records again under its own step.

    Returns
    -------
    bool
        False, nothing being written, where another run has recorded this step: the first record wins.
    """
    row, key = journal_row(ports, step, after, at, gates), _journal_key(after, after.seq)
    if not ports.tables.insert(Table.JOURNAL, str(after.on), key, row):
        if _recorded(ports, before) is not None:
            return False
        ports.tables.put(Table.JOURNAL, str(after.on), key, row)  # in the place of one that cannot be read
    _write_rows(ports, before, after, at)
    return True


def _write_rows(ports: Ports, before: OrderState, after: OrderState, at: datetime) -> None:
    partition, key = str(after.on), symbol_key(after.plan.symbol, after.plan.intent_id)
    fills = _fills(ports, before, after, at)
    if fills:
        ports.tables.put_many(Table.FILLS, partition, fills)
    if fills or after.held != before.held:  # what is written off leaves no fill
        ports.tables.put(Table.POSITIONS, partition, key, _position(after, at))
    ports.tables.put(Table.ORDERS, partition, key, order_row(after, ports.codec, at))


def journal_row(ports: Ports, step: Step, after: OrderState, at: datetime, gates: str = "") -> Row:
    """Row of table journal. `hash` covers the row and, through `previous`, every row of the order before it.

    `gates` holds the verdicts that were passed on an entry immediately before it was sent, as JSON.
    """
    return {
        "intent_id": after.plan.intent_id,
        "strategy": after.plan.strategy,
        "symbol": after.plan.symbol,
        "seq": after.seq,
        "command": step.command.value,
        "phase": after.phase.value,
        "note": after.note or None,
        "gates": gates or None,
        "at": iso(at),
        "code_revision": ports.code_revision,
        "state": ports.codec.encode(after),
        "hash": after.chain,
    }


def chained(  # noqa: PLR0917 - the row's content
    before: OrderState, step: Step, after: OrderState, at: datetime, codec: Codec, gates: str = ""
) -> str:
    """Hash of a step: what it was, when, what it left, and the hash of the step before."""
    content = [before.chain, step.command.value, iso(at), codec.encode(after), *([gates] if gates else [])]
    return digest(canonical_json(content))


def _journal_key(state: OrderState, seq: int) -> str:
    return symbol_key(state.plan.symbol, state.plan.intent_id, f"{seq:04d}")


def _fills(ports: Ports, before: OrderState, after: OrderState, at: datetime) -> Mapping[str, Row]:
    """One row for each order whose fills have grown since the step before.

    The key names the step: written again after a crash, it is the same row.
    """
    rows: dict[str, Row] = {}
    for order_id, order in after.orders.items():
        known = before.orders.get(order_id)
        grown = order.filled_qty - (known.filled_qty if known else ZERO)
        if grown > 0 and order.average_price is not None:
            key = symbol_key(after.plan.symbol, order.client_order_id, f"{after.seq:04d}")
            rows[key] = _fill(ports, after, order, known, at)
    return rows


def _fill(ports: Ports, state: OrderState, order: OrderView, known: OrderView | None, at: datetime) -> Row:
    grown = order.filled_qty - (known.filled_qty if known else ZERO)
    value = order.filled_qty * (order.average_price or ZERO)
    value_before = known.filled_qty * (known.average_price or ZERO) if known else ZERO
    price = (value - value_before) / grown
    arrival = state.plan.arrival_price
    is_sell = order.role in SELLS
    role = _aimed_for(state, order)
    reference = {Role.TARGET: state.plan.target_price, Role.STOP: state.plan.stop_price}.get(role, arrival)
    paid_beyond = (reference - price if is_sell else price - reference) / reference * 10_000
    return {
        "intent_id": state.plan.intent_id,
        "strategy": state.plan.strategy,
        "symbol": state.plan.symbol,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "role": order.role.value,
        "side": "sell" if is_sell else "buy",
        "qty": plain(grown),
        "price_usd": str(round(price, 6)),
        "session": session_at(order.updated_at, trading_day(ports, order.updated_at)).value,
        "slippage_bp": None if role is Role.EXIT else float(round(paid_beyond, 3)),
        "occurred_at": iso(order.updated_at),
        "received_at": iso(at),
    }


def _aimed_for(state: OrderState, order: OrderView) -> Role:
    """What a sale stands for: the target of a pair that was priced to sell at once is an exit like any other."""
    if order.role is Role.TARGET and order.limit_price not in {None, state.plan.target_price}:
        return Role.EXIT
    return _ROLES_OF_OWN.get(state.exit_reason, order.role) if order.role is Role.EXIT else order.role


_ROLES_OF_OWN: Mapping[ExitReason | None, Role] = {ExitReason.STOP: Role.STOP, ExitReason.TARGET: Role.TARGET}
"""What an exit of the lifecycle's own stands for, where it has watched the quote in a native order's place."""


def _position(state: OrderState, at: datetime) -> Row:
    average = state.value(Role.ENTRY) / state.bought if state.bought else None
    return {
        "intent_id": state.plan.intent_id,
        "strategy": state.plan.strategy,
        "symbol": state.plan.symbol,
        "qty": plain(state.held),
        "bought_qty": plain(state.bought),
        "average_usd": _text(round(average, 6) if average is not None else None),
        "stop_usd": str(state.plan.stop_price),
        "target_usd": str(state.plan.target_price),
        "realised_usd": str(round(state.realised, 6)),
        "exit_reason": state.exit_reason.value if state.exit_reason else None,
        "updated_at": iso(at),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
