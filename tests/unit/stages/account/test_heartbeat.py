"""The heartbeat: each whole hour once, from what supervise and the jobs have written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shared.contracts.messages import Notice
from shared.contracts.records import ACCOUNT, CURRENT, Table
from shared.core.errors import TransientError
from shared.core.ledger import StrategyBook, open_ledger
from shared.core.values import iso
from shared.ports import Cell, QueueState
from shared.stages.account.heartbeat import beat
from shared.stages.base.ledger import ledger_row
from shared.stages.operator.controls import halt_strategy
from tests.support.broker import account_at
from tests.support.orders import ON
from tests.support.people import call
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny


class OneWaits:
    """One message lies in signals."""

    def state(self, queue: str) -> QueueState:
        at = ny(ON, "10:59:30") if queue == "signals" else None
        return QueueState(count=int(at is not None), oldest_at=at)


def hour(at: str = "11:00") -> FakePorts:
    ports = fake_ports(ny(ON, at))
    ledger = replace(open_ledger(ON, account_at()), is_day_halted=True)
    ports.tables.put(Table.LEDGER, ACCOUNT, CURRENT, ledger_row(ports, ledger))
    for slot, usd in (("1050", "99000"), ("1055", "99500.50")):
        at = iso(ny(ON, f"{slot[:2]}:{slot[2:]}"))
        row: dict[str, Cell] = {"at": at, "equity_usd": usd, "positions": 2, "exposure_usd": "1234.5"}
        ports.tables.put(Table.LEDGER, str(ON), slot, row)
    for slot, status in (("1000", "done"), ("1015", "missed"), ("1030", "done")):
        ports.tables.put(Table.RUNS, str(ON), f"news-scan|{slot}", {"job": "news-scan", "slot": slot, "status": status})
    ports.broker.outage = TransientError("nobody asks the broker for a heartbeat")
    return ports


def told(ports: FakePorts) -> Notice:
    (message,) = beat(ports, OneWaits())
    assert isinstance(message, Notice)
    return message


def test_a_heartbeat_tells_equity_positions_jobs_and_queues_without_asking_the_broker() -> None:
    message = told(hour())
    assert message.kind == "heartbeat"
    assert message.title == "11:00 REG-AM: 99,500.50 USD, -499.50 USD on the day"
    assert message.body.splitlines() == [
        "2 positions, 1,234.50 USD invested, 0 orders open",
        "Halted: day loss",
        "Jobs: 2 done; odd: news-scan 1015 missed",
        "Queues: signals 1 (oldest 30 s)",
    ]


def test_a_heartbeat_names_each_strategy_that_is_halted_and_why() -> None:
    ports = fake_ports(ny(ON, "11:00"), GATEHOUSE_STRATEGIES="momentum.v1=0.5 dip-buyer.v1=0.3 sma-cross.v1=0.2")
    books = {"dip-buyer.v1": StrategyBook(realised=Decimal(-900), is_day_halted=True), "sma-cross.v1": StrategyBook()}
    ledger = replace(open_ledger(ON, account_at()), books=books)
    ports.tables.put(Table.LEDGER, ACCOUNT, CURRENT, ledger_row(ports, ledger))
    assert halt_strategy(ports, call("halt-strategy", name="momentum.v1")).is_done
    said = next(line for line in told(ports).body.splitlines() if line.startswith("Halted"))
    assert said == "Halted: momentum.v1 (halted by me: odd prices), dip-buyer.v1 (day loss)"


def test_a_heartbeat_comes_once_an_hour_and_a_quarter_late_if_it_must() -> None:
    ports = hour()
    told(ports)
    assert beat(ports, OneWaits()) == []
    late = hour("11:15")
    assert told(late).title.startswith("11:15")
    too_late = hour("11:30")
    assert beat(too_late, OneWaits()) == []


def test_a_heartbeat_without_figures_says_so() -> None:
    ports = fake_ports(ny(ON, "12:00"))
    ports.clock.pass_by(timedelta(seconds=5))
    message = told(ports)
    assert message.title == "12:00 REG-MID: equity unknown"
    assert message.body.startswith("No figures of the account")
