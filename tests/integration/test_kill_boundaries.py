"""kill -9 before and after every call that an order's life makes to storage, market or venue."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.clock import ClockFile
from shared.bootstrap import JsonCodec
from shared.contracts.records import Table, symbol_key
from shared.core.ids import canonical_json, digest
from shared.core.ledger import reserve
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.stages.base.ledger import load_ledger, update_ledger
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from simulation.venue.journal import VenueEvent
from simulation.venue.views import account_id
from tests.support.mortal import Cradle, Doom, Place, live
from tests.support.orders import AAA, NOW, ON, PLAN, reservation
from tests.support.ports import FakePorts
from tests.support.processes import shared_ports
from tests.support.tape import HandTape
from tests.support.venue_life import day_of

HOLD = timedelta(seconds=12)


class Stage:
    """One venue and one storage account; lives follow each other on them."""

    def __init__(self, storage: str, folder: Path, exchange: Exchange, url: str) -> None:
        self.exchange = exchange
        self.clock = ClockFile(folder / "clock", NOW)
        self.ports: FakePorts = shared_ports(storage)
        self.ports.broker.account_of = account_id(exchange)
        self.place = Place(storage=storage, venue_url=url, clock=folder / "clock", notes=folder / "notes.json")
        self.cradle = Cradle()
        self.lives = 0

    def begin(self) -> str:
        """Note an approved order, as execute does; return its intent's id."""
        self.lives += 1
        now = self.clock.now()
        plan = replace(PLAN, intent_id=f"intent-{self.lives:04}", expires_at=now + timedelta(minutes=4))
        plan = replace(plan, exit_by=now + HOLD)
        taken = replace(reservation(plan.intent_id, AAA, plan.worst_price * 100, qty=100), exit_by=plan.exit_by)
        update_ledger(self.ports, ON, self.ports.broker.account(), lambda ledger: reserve(ledger, taken))
        self.place.notes.write_text(JsonCodec().encode(OrderState(plan=plan, on=ON)))
        return plan.intent_id

    def check(self, intent_id: str) -> None:
        """The account is flat, each id was sent once, the journal is whole, the room is given back."""
        state = JsonCodec().decode(OrderState, self.place.notes.read_text())
        assert (state.phase, state.exit_reason) == (Phase.CLOSED, ExitReason.TIME_LIMIT)
        assert (state.bought, state.sold, state.held) == (Decimal(100), Decimal(100), Decimal(0))
        assert self.exchange.account.positions == {}
        assert not any(order.is_open for order in self.exchange.book.orders.values())
        sent = Counter(e.client_order_id for e in self.exchange.log if e.event is VenueEvent.PENDING_NEW)
        assert max(sent.values()) == 1
        assert sorted(name for name in sent if intent_id in name) == [f"{intent_id}-entry-0", f"{intent_id}-exit-0"]
        rows = self.rows(Table.JOURNAL, intent_id)
        assert [row["seq"] for row in rows] == list(range(1, state.seq + 1))
        assert chain_breaks(rows) == []
        fills = self.rows(Table.FILLS, intent_id)
        for side in ("buy", "sell"):
            assert sum(int(str(row["qty"])) for row in fills if row["side"] == side) == 100
        (order,) = self.rows(Table.ORDERS, intent_id)
        (position,) = self.rows(Table.POSITIONS, intent_id)
        assert (order["phase"], order["seq"], position["qty"]) == ("CLOSED", state.seq, "0")
        stored = load_ledger(self.ports)
        assert stored is not None
        assert (stored.value.reservations, stored.value.unexplained) == ((), ())

    def rows(self, table: Table, intent_id: str) -> list[dict[str, object]]:
        first, last = symbol_key(AAA, intent_id), symbol_key(AAA, f"{intent_id}~")
        return [dict(row) for _, row in self.ports.tables.query(table, str(ON), key_from=first, key_to=last)]


def chain_breaks(rows: list[dict[str, object]]) -> list[object]:
    """Rows that do not follow from the row before them."""
    codec, last, broken = JsonCodec(), "", []
    for row in rows:
        after = codec.decode(OrderState, str(row["state"]))
        unhashed, gates = codec.encode(replace(after, chain=last)), [row["gates"]] if row.get("gates") else []
        made = digest(canonical_json([last, row["command"], row["at"], unhashed, *gates]))
        if not row["hash"] == made == after.chain:
            broken.append(row["seq"])
        last = str(row["hash"])
    return broken


@pytest.mark.slow
def test_an_order_survives_kill_9_before_and_after_every_call_of_its_life(storage: str, tmp_path: Path) -> None:
    """After a call that only reads, death is the same as before the next: those are killed before only."""
    clock = ClockFile(tmp_path / "clock", NOW)
    exchange = Exchange(HandTape(ON, {("AAA", ON): day_of({"09:30": 10.00})}), VenueConfig(requests_per_minute=10**6))
    with ServerThread(create_app(exchange, clock.now, keys=("the-key", "the-secret"))) as server:
        stage = Stage(storage, tmp_path, exchange, server.url)
        intent_id, whole = stage.begin(), Doom()
        live(stage.place, whole)
        stage.check(intent_id)
        assert whole.calls > 40
        dooms = [Doom(at=n) for n in range(1, whole.calls + 1)]
        dooms += [Doom(at=n, is_after=True) for n in whole.effects]
        for doom in dooms:
            intent_id = stage.begin()
            assert stage.cradle.live(stage.place, doom) == -signal.SIGKILL, doom
            live(stage.place, Doom())
            stage.check(intent_id)
        assert stage.lives == 1 + whole.calls + len(whole.effects)
