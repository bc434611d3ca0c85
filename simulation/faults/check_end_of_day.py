"""What must hold when a day has come to rest: every message, order, fill and reservation accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from shared.contracts.messages import intent_id_of
from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, Table
from shared.core.ids import digest
from shared.core.order_states import Phase
from shared.core.risk import GATES
from shared.core.values import ZERO, Side
from shared.stages.order.recheck import UNRESERVED
from simulation.day_checks import Day, fills_agree, journal_whole
from simulation.faults.check_approvals import Answers, check_day_trades
from simulation.faults.queues import MessageFate
from simulation.faults.violation import Violation
from simulation.faults.world import World

type Rows = Mapping[str, Mapping[str, Any]]

_BY_DAY = (Table.DECISIONS, Table.ORDERS, Table.JOURNAL, Table.FILLS, Table.POSITIONS, Table.RUNS, Table.INCIDENTS)


def rows_of(world: World, table: Table) -> Rows:
    """Rows of a table over all days of the run."""
    return {f"{day.on}|{k}": row for day in world.days for k, row in world.tables.query(table, str(day.on))}


def check_end(world: World, answers: Answers, *, is_last: bool = True) -> int:
    """Hold the books against each other.

    Parameters
    ----------
    world : World
    answers : Answers
        What was heard of questions and answers.
    is_last : bool
        Whether no day follows: what the market made impossible to sell is carried over otherwise.

    Returns
    -------
    int
        Positions left because the market made an exit impossible.

    Raises
    ------
    Violation
        At the first rule that does not hold.
    """
    rows = {table: rows_of(world, table) for table in _BY_DAY}
    stuck = _stuck(world)
    for rule, found in (
        ("every message comes to its end", _messages(world, rows)),
        ("flat where flat was asked", _flat(world, stuck)),
        ("every order comes to its end", _orders_end(world, rows, stuck)),
        ("every decision is recorded once", _decisions(world, rows)),
        ("reservations equal the open orders", _reservations(world, rows)),
        ("reservations are lost and left by nobody", _reservations_kept(world, rows)),
        ("every fill is recorded once", _fills(world, rows)),
        ("the journal is whole", _journal(world, rows)),
        ("positions are recorded", _positions(world, rows, stuck)),
        ("every gate runs again after approval", _second_gates(world, rows)),
        ("every decision records every gate", _verdicts(rows)),
        ("who is asked hears the question and the end", answers.at_end(world, rows[Table.ORDERS])),
        ("what a person holds is left alone", iter(world.exchange.beside.touched)),
    ):
        for text in found:
            raise Violation(rule, text)
    check_day_trades(world)
    return len(stuck) if is_last else 0


def _stuck(world: World) -> set[str]:
    """Symbols held whose exit stands at the venue, or was halted at the close: the market gave no way out.

    Outside the regular session an exit is a limit 20 bp under the bid; where nobody trades, it finds no buyer.
    """
    exchange = world.exchange
    halts = {halt.symbol for halt in world.tape.halts(world.day.on) if halt.end_at >= world.day.close_at}
    return {
        symbol
        for symbol in exchange.account.positions
        if symbol in halts
        or any(order.side is Side.SELL for order in exchange.book.live[symbol])
        or any(symbol == s and world.tape.traits[s].is_thin for s in world.tape.traits)
    }


def _messages(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    """Acknowledged with its effect, quarantined with an incident, or poisoned with an incident."""
    seen = world.seen
    incidents = Counter(str(row["kind"]) for row in rows[Table.INCIDENTS].values())
    for message in world.queues.messages:
        if message.fate is MessageFate.PENDING:
            yield f"{message.queue} #{message.number} is still there after {message.deliveries} deliveries"
        unread = world.subject_of(message.text) == ("", "") and message.text not in seen.quarantined_texts
        if unread and message.fate is MessageFate.ACKNOWLEDGED:
            yield f"{message.queue} #{message.number} cannot be read, and is not in quarantine"
    if seen.poisoned_texts and not incidents["poison"]:
        yield f"{len(seen.poisoned_texts)} messages were poisoned, and nobody was told"
    if seen.quarantined_texts and not incidents["quarantine"]:
        yield f"{len(seen.quarantined_texts)} messages are in quarantine, and nobody was told"


def _flat(world: World, stuck: set[str]) -> Iterator[str]:
    for symbol, position in world.exchange.account.positions.items():
        if symbol not in stuck:
            yield f"{position.qty} {symbol} are held"
    for order in world.exchange.book.orders.values():
        if order.is_open and order.symbol not in stuck:
            yield f"{order.client_order_id} of {order.symbol} is open"


def _orders_end(world: World, rows: Mapping[Table, Rows], stuck: set[str]) -> Iterator[str]:
    for instance in world.hub.instances.values():
        if instance.is_running and instance.symbol not in stuck:
            yield f"{instance.instance_id} of {instance.symbol} is running, inbox {len(instance.inbox)}"
    seen = world.seen
    for row in rows[Table.ORDERS].values():
        intent_id = str(row["intent_id"])
        if row["symbol"] in stuck or intent_id in world.seen.lost_intents():
            continue
        if not Phase(row["phase"]).is_over:
            yield f"{intent_id} of {row['symbol']} stands as {row['phase']}"
        is_split = row["symbol"] in world.seen.split
        gone = Decimal(row["written_off_qty"]) if is_split else ZERO  # those that a reverse split took
        if Decimal(row["bought_qty"]) != Decimal(row["sold_qty"]) + gone and row["symbol"] not in seen.hand_closed:
            yield f"{intent_id} bought {row['bought_qty']} and sold {row['sold_qty']}, {gone} are gone"


def _decisions(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    decided = {str(row["decision_id"]): row for row in rows[Table.DECISIONS].values()}
    orders = {str(row["intent_id"]) for row in rows[Table.ORDERS].values()}
    lost = world.seen.lost_decisions()
    for decision_id in world.seen.signals.keys() ^ decided.keys():
        if decision_id not in lost:
            yield f"{decision_id} is a signal or a decision, not both"
    approved = {intent_id_of(d) for d, row in decided.items() if row["verdict"] == "approved"}
    for intent_id in approved ^ orders:
        if intent_id not in world.seen.lost_intents():
            yield f"{intent_id} is approved or ordered, not both"


def _reservations(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    """Room is taken by what is still open, and by nothing else; a poisoned intent's is for the person to settle."""
    stored = world.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    reserved = (
        set() if stored is None else {r["intent_id"] for r in json.loads(str(stored.value["ledger"]))["reservations"]}
    )
    running = {each.instance_id for each in world.hub.instances.values() if each.is_running}
    for intent_id in sorted(reserved ^ running):
        if intent_id not in world.seen.lost_intents():
            yield f"{intent_id} is reserved or running, not both"


def _reservations_kept(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    """An order has its reservation while it lives and releases it itself: repairs are for rows that were lost."""
    lost = world.seen.lost_reservations
    sent = {each.rpartition("-entry-")[0] for each in world.exchange.book.by_client_order_id}
    for key, row in rows[Table.INCIDENTS].items():
        intent_id = key.rpartition("|")[2]
        is_repair = row["kind"] == "adopted" or (row["kind"] == "released" and intent_id in sent)
        if is_repair and intent_id not in lost:
            yield f"supervise had to repair the reservation of {intent_id}: {row['title']}"
    for row in rows[Table.JOURNAL].values():
        if row.get("note") == UNRESERVED and row["intent_id"] not in lost:
            yield f"{row['intent_id']} found that its reservation was gone"


def _fills(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    """Of orders whose lifecycle still runs the last fills may not have been seen yet."""
    running = {each.instance_id for each in world.hub.instances.values() if each.is_running}
    legs = world.exchange.book.orders
    heads = {o.client_order_id: o.head.client_order_id.rsplit("-", 2)[0] for o in legs.values()}
    log = [e.as_json() for e in world.exchange.log if e.fill_qty and heads[e.client_order_id] in world.seen.intents]
    log = [e for e in log if heads[str(e["client_order_id"])] not in running]
    kept = {k: row for k, row in rows[Table.FILLS].items() if row["intent_id"] not in running}
    yield from fills_agree(Day(rows={Table.FILLS.value: kept}, log=log, report={}, open_orders=(), open_positions=()))


def _journal(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    running = {each.instance_id for each in world.hub.instances.values() if each.is_running}
    kept = {
        table.value: {k: row for k, row in rows[table].items() if row["intent_id"] not in running}
        for table in (Table.JOURNAL, Table.ORDERS)
    }
    yield from journal_whole(Day(rows=kept, log=(), report={}, open_orders=(), open_positions=()))


def _positions(world: World, rows: Mapping[Table, Rows], stuck: set[str]) -> Iterator[str]:
    by_intent = {str(row["intent_id"]): row for row in rows[Table.POSITIONS].values()}
    for row in rows[Table.ORDERS].values():
        found = by_intent.get(str(row["intent_id"]))
        if row["symbol"] in stuck:
            continue
        if (found is not None) != (Decimal(row["bought_qty"]) > 0):
            yield f"{row['intent_id']} has bought {row['bought_qty']}, its position is {found}"
        elif found is not None and found["bought_qty"] != row["bought_qty"]:
            yield f"{row['intent_id']} has bought {row['bought_qty']}, its position says {found['bought_qty']}"
        elif found is not None and found["qty"] != "0":
            yield f"{row['intent_id']} is over, its position says {found['qty']}"


def _second_gates(world: World, rows: Mapping[Table, Rows]) -> Iterator[str]:
    """The journal of an entry that a person approved shows every gate's second word."""
    for row in rows[Table.JOURNAL].values():
        intent = world.seen.intents.get(str(row["intent_id"]))
        if intent is None or intent.approve_by is None or not row.get("gates"):
            continue
        state = json.loads(str(row["state"]))
        found = {verdict["gate"] for verdict in json.loads(str(row["gates"]))}
        if state["entry_attempt"] == 0 and found != set(GATES):
            yield f"{intent.intent_id}: {sorted(set(GATES) - found)} did not run"


def _verdicts(rows: Mapping[Table, Rows]) -> Iterator[str]:
    """Passed or not, in their one order; a signal that came too late was judged by none."""
    for row in rows[Table.DECISIONS].values():
        found = [verdict["gate"] for verdict in json.loads(str(row.get("gates") or "[]"))]
        if row["verdict"] != "expired" and found != list(GATES):
            yield f"{row['decision_id']} names {found}"


def table_digest(world: World) -> str:
    """Hash of every row that the run left."""
    rows = {table.value: rows_of(world, table) for table in _BY_DAY}
    ledger = world.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    controls = dict(world.tables.query(Table.CONTROLS, CONTROLS))
    rest = [ledger.value if ledger else None, controls]
    return digest(json.dumps([rows, rest], sort_keys=True).encode())[:16]
