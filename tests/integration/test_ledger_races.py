"""Two processes race for the last room in the ledger, and for the same step, on real Azurite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Signal
from shared.contracts.records import ACCOUNT, CURRENT, Table, symbol_key
from shared.core.errors import ConflictError
from shared.core.ledger import Ledger, open_ledger, reserve
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.order_steps import ask_exit, next_step
from shared.core.values import iso
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import ledger_row, load_ledger, update_ledger
from shared.stages.entry.gate import gate
from shared.stages.order.step import carry_out
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from simulation.venue.journal import VenueEvent
from simulation.venue.views import account_id
from tests.support.clock import HandClock
from tests.support.orders import AAA, NOW, ON, PLAN, reservation
from tests.support.ports import FakePorts
from tests.support.processes import SYMBOLS, Rivals, rivals, shared_ports
from tests.support.tape import HandTape
from tests.support.venue_life import day_of
from tests.unit.stages.entry.test_gate import signal

ROUNDS = 25
LIVES = 8
LATER = timedelta(minutes=7)
"""After this long an approved order that never came is late."""

type Fill = Callable[[Ledger], Ledger]


def decide(ports: FakePorts, asked: Signal) -> list[str]:
    return [intent.symbol for intent in gate(asked, ports)]


def step_once(ports: FakePorts, state: OrderState) -> OrderState:
    """Carry out a step; where the other process was faster in a row, again, as the lifecycle would."""
    for _ in range(5):
        with suppress(ConflictError):
            return carry_out(state, next_step(state, ports.clock.now()), ports)[0]
    raise AssertionError("lost every race")


def life_of(pair: Rivals, clock: HandClock, state: OrderState) -> OrderState:
    """A whole life, each step carried out by both processes at once: bought, protected, flattened, closed."""
    for _ in range(40):
        if state.phase.is_over:
            return state
        if state.phase is Phase.PROTECTED:
            state = ask_exit(state, ExitReason.FLATTEN)
        step = next_step(state, clock.at)
        clock.at = max(clock.at, step.not_before or clock.at)
        first, second = pair.race(state, state, at=clock.at)
        assert first == second
        state = first
    raise AssertionError(f"still {state.phase}")


def nearly_full(ledger: Ledger, count: int, notional: str) -> Ledger:
    for number in range(count):
        ledger = reserve(ledger, reservation(f"other-{number}", f"S{number}", Decimal(notional)))
    return ledger


CASES: dict[str, tuple[dict[str, str], str, Fill, str]] = {
    "the last slot": (
        {"GATEHOUSE_MAX_POSITIONS": "4"},
        "100000",
        lambda ledger: nearly_full(ledger, 3, "100"),
        "MAX_POSITIONS",
    ),
    "the last dollar": ({}, "100000", lambda ledger: nearly_full(ledger, 1, "85000"), "GROSS_EXPOSURE"),
    "the last day trade": (
        {"GATEHOUSE_DAY_TRADES_MAX": "3"},
        "20000",
        lambda ledger: ledger,
        "DAY_TRADES",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_exactly_one_of_two_processes_gets_the_last_room(what: str, storage: str) -> None:
    settings, equity, fill, code = CASES[what]
    ports = shared_ports(storage, equity=equity, settings=settings)
    for symbol in ("ADC", "EFG"):  # two day trades were made today
        for side in ("buy", "sell"):
            row = {"symbol": symbol, "side": side, "occurred_at": iso(NOW)}
            ports.tables.put(Table.FILLS, str(ON), f"{symbol}|{side}", row)
    winners = []
    with rivals(decide, storage=storage, equity=equity, settings=settings) as pair:
        for number in range(ROUNDS):
            full = fill(open_ledger(ON, ports.broker.account()))
            ports.tables.put(Table.LEDGER, ACCOUNT, CURRENT, ledger_row(ports, full))
            slot = f"10{number:02}"
            signals = [replace(signal(symbol, slot), reference_price=Decimal("10.00")) for symbol in SYMBOLS]
            approved = pair.race(signals[0], signals[1])
            assert sorted(len(each) for each in approved) == [0, 1], f"round {number}: {approved}"
            winner = next(each[0] for each in approved if each)
            stored = load_ledger(ports)
            assert stored is not None
            assert len(stored.value.reservations) == len(full.reservations) + 1
            assert stored.value.reservations[-1].symbol == winner
            decisions = [row for _, row in ports.tables.query(Table.DECISIONS, str(ON)) if row["slot"] == slot]
            rows = {str(row["symbol"]): row for row in decisions}
            loser = rows[next(symbol for symbol in SYMBOLS if symbol != winner)]
            assert rows[winner]["verdict"] == "approved"
            assert code in str(loser["refused_by"]).split()
            winners.append(winner)
    assert len(winners) == ROUNDS


def test_room_whose_order_never_came_is_released_by_reconciliation_and_taken_again(storage: str) -> None:
    settings = {"GATEHOUSE_MAX_POSITIONS": "1"}
    ports = shared_ports(storage, settings=settings)
    with rivals(decide, storage=storage, settings=settings) as pair:
        approved = pair.race(signal("AAA"), signal("BBB"))
        assert sorted(len(each) for each in approved) == [0, 1]
        ports.clock.at = NOW + timedelta(minutes=5)
        supervise(ports)
        stored = load_ledger(ports)
        assert stored is not None
        assert len(stored.value.reservations) == 1, "not before it is late"
        ports.clock.at = NOW + LATER
        supervise(ports)
        stored = load_ledger(ports)
        assert stored is not None
        assert stored.value.reservations == ()
        kinds = [row["kind"] for _, row in ports.tables.query(Table.INCIDENTS, str(ON))]
        assert kinds == ["released"]
        again = [signal(symbol, "1007", NOW + LATER) for symbol in SYMBOLS]
        approved = pair.race(again[0], again[1], at=NOW + LATER)
        assert sorted(len(each) for each in approved) == [0, 1]


def test_two_processes_that_carry_out_the_same_steps_send_one_order_and_journal_each_step_once(storage: str) -> None:
    exchange = Exchange(HandTape(ON, {("AAA", ON): day_of({"09:30": 10.00})}), VenueConfig(requests_per_minute=100_000))
    clock = HandClock(NOW)
    ports = shared_ports(storage)
    ports.broker.account_of = account_id(exchange)
    app = create_app(exchange, clock.now, keys=("the-key", "the-secret"))
    with ServerThread(app) as server, rivals(step_once, storage=storage, venue_url=server.url) as pair:
        for number in range(LIVES):
            plan = replace(PLAN, intent_id=f"intent-{number:04}", expires_at=clock.at + timedelta(minutes=4))
            plan = replace(plan, exit_by=clock.at + timedelta(hours=1))
            taken = reservation(plan.intent_id, AAA, plan.worst_price * plan.qty, qty=plan.qty)
            update_ledger(ports, ON, ports.broker.account(), lambda ledger, taken=taken: reserve(ledger, taken))  # type: ignore[misc]
            state = life_of(pair, clock, OrderState(plan=plan, on=ON))
            assert (state.phase, state.bought, state.sold) == (Phase.CLOSED, Decimal(100), Decimal(100))
            first, last = symbol_key(AAA, plan.intent_id), symbol_key(AAA, plan.intent_id + "~")
            rows = list(ports.tables.query(Table.JOURNAL, str(ON), key_from=first, key_to=last))
            assert [row["seq"] for _, row in rows] == list(range(1, state.seq + 1))
    sent = [entry.client_order_id for entry in exchange.log if entry.event is VenueEvent.PENDING_NEW]
    assert len(sent) == len(set(sent)) == 2 * LIVES, "an entry and an exit each"
    assert exchange.account.positions == {}
