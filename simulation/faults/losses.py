"""Rows that vanish: what a person deletes in Storage Explorer, or a fault of storage takes.

Of an order either its row or its reservation goes: where both are gone nothing is left to find it by, but for the
incident of what nobody can explain.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.records import ACCOUNT, CURRENT, Table, symbol_key
from shared.core.ledger import Ledger, Reservation
from shared.core.market import TradingDay
from shared.core.sessions import Session
from shared.stages.base.ledger import ledger_row
from shared.stages.base.requests import Call
from shared.stages.operator.controls import resume
from simulation.faults.world import World

LOOKS = 3
"""Supervisions after which a lost reservation is there again."""
EVENING = timedelta(hours=3)
EVENING_LOSSES = 6
RESUMED_AFTER = timedelta(minutes=20)


def plan_losses(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan a day's losses: each kind now and then, at any time, and as likely while orders are on their way."""
    rng = world.plan_rng
    length = int((day.close_at - day.open_at).total_seconds())
    for lose in (_order_row, _position_row, _ledger, *[_reservation] * 4):
        at = day.open_at + timedelta(seconds=rng.randrange(length))
        if rng.random() < 0.6:
            at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=3 * rng.random())
        pick = rng.randrange(1000)
        if rng.random() < world.faults.row_lost:
            world.at(at, lambda lose=lose, pick=pick: lose(world, pick))  # type: ignore[misc]
    _plan_evening(world, day)


def _plan_evening(world: World, day: TradingDay) -> None:
    """Lose an order's row where nothing of it stands at the venue either: outside the regular session it is watched.

    Drawn apart, so that the other losses stay where they were.
    """
    sessions, rng = world.settings.policy.entry_sessions, random.Random(f"evening:{world.run.seed}:{day.on}")
    early, late = day.open_at - world.before_open, day.close_at + EVENING
    spans = [(early, day.open_at)] if Session.PRE in sessions else []
    spans += [(day.close_at, late)] if Session.AFT in sessions else []
    for begins_at, ends_at in spans:
        for _ in range(EVENING_LOSSES):
            at, pick = begins_at + rng.random() * (ends_at - begins_at), rng.randrange(1000)
            if rng.random() < world.faults.row_lost:
                world.at(at, lambda pick=pick: _order_row(world, pick))  # type: ignore[misc]


def _order_row(world: World, pick: int) -> None:
    _living_row(world, Table.ORDERS, pick)


def _position_row(world: World, pick: int) -> None:
    _living_row(world, Table.POSITIONS, pick)


def _living_row(world: World, table: Table, pick: int) -> None:
    """Lose a row of an order that lives: its next step, or its next fill, writes it again."""
    living = {each.instance_id for each in world.hub.instances.values() if each.is_running}
    rows = {
        (str(day.on), key): row
        for day in world.days
        for key, row in world.tables.query(table, str(day.on))
        if row["intent_id"] in living and (table is Table.ORDERS or Decimal(str(row["qty"])) > 0)
    }
    if table is Table.ORDERS:
        ledger = world.seen.ledger
        reserved = {reservation.intent_id for reservation in ledger.reservations} if ledger is not None else set()
        rows = {place: row for place, row in rows.items() if row["intent_id"] in reserved}
    if rows:
        on, key = sorted(rows)[pick % len(rows)]
        world.trace.note(world.now(), "a row is lost:", table, key)
        world.seen.lost_reservations.add(key.rpartition("|")[2])
        world.tables.remove(table, on, key)


def _reservation(world: World, pick: int) -> None:
    def change(ledger: Ledger) -> Ledger:
        found = [reservation for reservation in ledger.reservations if _can_be_found(world, reservation)]
        if not found:
            return ledger
        lost = found[pick % len(found)]
        world.trace.note(world.now(), "a reservation is lost:", lost.symbol, lost.intent_id)
        world.observer.acted_by_hand(lost.symbol, LOOKS)
        world.seen.lost_reservations.add(lost.intent_id)
        return replace(ledger, reservations=tuple(r for r in ledger.reservations if r != lost))

    _change_ledger(world, change)


def _can_be_found(world: World, reservation: Reservation) -> bool:
    """Whether an order has its row, or has not begun yet."""
    if reservation.intent_id not in world.hub.instances:
        return True
    return (
        world.tables.get(
            Table.ORDERS, str(reservation.reserved_on), symbol_key(reservation.symbol, reservation.intent_id)
        )
        is not None
    )


def _change_ledger(world: World, change: Callable[[Ledger], Ledger]) -> None:
    stored = world.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    if stored is None:
        return
    ledger = world.ports.codec.decode(Ledger, str(stored.value["ledger"]))
    row = ledger_row(world.ports, change(ledger))
    world.tables.put(Table.LEDGER, ACCOUNT, CURRENT, row)
    world.wrote("put", Table.LEDGER, row)


def _ledger(world: World, _: int) -> None:
    """Lose the ledger: what it forgets, halts included, is a person's to judge, who resumes after a while."""
    known: Ledger | None = world.seen.ledger
    is_there = world.tables.get(Table.LEDGER, ACCOUNT, CURRENT) is not None
    if (
        known is None
        or not is_there
        or not all(_can_be_found(world, reservation) for reservation in known.reservations)
    ):
        return
    world.trace.note(world.now(), "the ledger is lost")
    world.tables.remove(Table.LEDGER, ACCOUNT, CURRENT)
    world.observer.ledger_lost(world.seen.ledger_lost())
    for symbol in world.exchange.account.positions:
        world.observer.acted_by_hand(symbol, LOOKS)
    call = Call(route="resume", by="person", reason="looked at", caller="simulation")
    world.people(world.now() + RESUMED_AFTER, "resume", lambda: resume(world.ports, call))
