"""The day report: figures that the tables bear out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from shared.contracts.messages import Notice
from shared.contracts.records import Table
from shared.contracts.reports import DayReport, StrategyDay
from shared.core.errors import TransientError
from shared.core.settings import FIRST_STRATEGY
from shared.ports import Cell
from shared.stages.base.incidents import quarantine
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.evidence.report import day_report, report
from tests.support.orders import NOW, ON, Life
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny
from tests.unit.stages.entry.test_gate import signal


def traded(leg: str = "target", price: str = "10.40") -> FakePorts:
    """A day with one order closed, one refused signal and one quarantined message."""
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    life = Life(ports, execute(intent, ports)[0])
    life.step()
    ports.broker.fill(f"{intent.intent_id}-entry-0", price="10.01")
    life.step()
    ports.broker.fill(f"{intent.intent_id}-entry-0", leg=leg, price=price)
    life.look()
    life.to_end()
    ports.clock.pass_by(timedelta(seconds=1))
    gate(signal(slot="1005", at=ports.clock.now()), ports)
    quarantine(ports, "signals", b"{", "not JSON")
    return ports


def test_a_report_counts_what_the_tables_hold() -> None:
    ports = traded()
    found = day_report(ports, ON)
    shares = sum(int(str(row["qty"])) for row in ports.rows("fills", ON).values() if row["side"] == "buy")
    assert shares > 0
    assert found.decisions == {"approved": 1, "refused": 1}
    assert found.refused_by == {"COOLDOWN": 1}
    assert (found.orders, found.exits, found.fills) == ({"CLOSED": 1}, {"TARGET": 1}, 2)
    assert found.realised_usd == f"{shares * 0.39:.2f}"
    assert found.realised_by_session == {"REG-AM": f"{shares * 0.39:.2f}"}
    assert (found.wins, found.losses) == (1, 0)
    assert found.mean_entry_slippage_bp == 10.0
    assert (found.open_orders, found.open_positions) == (0, 0)
    assert (found.quarantined, found.incidents) == (1, 1)
    assert (found.journal_rows, found.symbols_traded) == (4, ("AAA",))


def test_a_loss_is_a_loss() -> None:
    found = day_report(traded(leg="stop", price="9.90"), ON)
    assert (found.wins, found.losses, found.exits) == (0, 1, {"STOP": 1})
    assert found.realised_usd.startswith("-")


def test_a_day_on_which_nothing_happened_has_a_report_too() -> None:
    found = day_report(fake_ports(NOW), ON)
    assert (found.scored, found.fills, found.realised_usd, found.mean_entry_slippage_bp) == (0, 0, "0.00", None)
    assert (found.open_orders, found.open_positions, found.day_change_usd) == (0, 0, "0")


def dip_bought(ports: FakePorts, number: int, realised_usd: str) -> None:
    """An order of another strategy, which gives no chances, bought and left."""
    whose: dict[str, Cell] = {"decision_id": f"d{number}", "intent_id": f"i{number}", "strategy": "dip-buyer.v1"}
    decided: dict[str, Cell] = {"session": "REG-PM", "verdict": "approved", "refused_by": ""}
    ended: dict[str, Cell] = {"phase": "CLOSED", "exit_reason": "SIGNAL", "realised_usd": realised_usd}
    fill: dict[str, Cell] = {"symbol": "BBB", "role": "entry", "slippage_bp": 4.0}
    ports.tables.put(Table.DECISIONS, str(ON), f"BBB|1500|d{number}", {**whose, **decided})
    ports.tables.put(Table.ORDERS, str(ON), f"BBB|i{number}", {**whose, **ended})
    ports.tables.put(Table.FILLS, str(ON), f"BBB|i{number}-entry-0|0002", {**whose, **fill})


def test_one_strategy_alone_is_not_told_apart() -> None:
    assert day_report(traded(), ON).by_strategy == {}


def test_several_strategies_are_told_apart_and_add_up_to_the_day() -> None:
    ports = traded()
    dip_bought(ports, 1, "-20.00")
    dip_bought(ports, 2, "5.50")
    found = day_report(ports, ON)
    dips = StrategyDay(decisions={"approved": 2}, fills=2, realised_usd="-14.50", wins=1, losses=1)
    assert list(found.by_strategy) == ["dip-buyer.v1", FIRST_STRATEGY]
    assert found.by_strategy["dip-buyer.v1"] == dips
    parts = found.by_strategy.values()
    assert sum(Decimal(part.realised_usd) for part in parts) == Decimal(found.realised_usd)
    assert sum(part.fills for part in parts) == found.fills
    assert (sum(part.wins for part in parts), sum(part.losses for part in parts)) == (found.wins, found.losses)


def test_rows_of_older_code_are_the_first_strategys() -> None:
    ports = traded()
    for table in (Table.DECISIONS, Table.ORDERS, Table.FILLS):
        for key, row in list(ports.tables.query(table, str(ON))):
            ports.tables.put(table, str(ON), key, {name: cell for name, cell in row.items() if name != "strategy"})
    dip_bought(ports, 1, "-20.00")
    assert day_report(ports, ON).by_strategy[FIRST_STRATEGY].wins == 1


def test_a_candidate_is_scored_once_however_many_strategies_have_an_opinion() -> None:
    ports = fake_ports(NOW)
    for strategy, policy in ((FIRST_STRATEGY, "ENTER"), ("dip-buyer.v1", "NO_WISH")):
        row = {"symbol": "AAA", "slot": "1000", "strategy": strategy, "policy": policy}
        ports.tables.put(Table.SIGNALS, str(ON), f"AAA|1000|{strategy}", row)
    found = day_report(ports, ON)
    assert (found.scored, found.policy) == (1, {"ENTER": 1, "NO_WISH": 1})


def test_the_seal_covers_every_orders_chain() -> None:
    ports = traded()
    before = day_report(ports, ON).journal_hash
    assert day_report(traded(), ON).journal_hash == before, "the same day has the same seal"
    rows = ports.rows("journal", ON)
    last = max(rows)
    ports.tables.put("journal", str(ON), last, {**rows[last], "hash": "0" * 64})  # type: ignore[dict-item]
    assert day_report(ports, ON).journal_hash != before


def test_a_broker_that_is_down_costs_its_figures_and_not_the_report() -> None:
    ports = traded()
    ports.broker.outage = TransientError("down")
    found = day_report(ports, ON)
    assert (found.equity_usd, found.open_orders, found.open_positions) == (None, None, None)
    assert found.fills == 2


def test_the_report_is_made_once_when_due_and_told() -> None:
    ports = traded()
    ports.clock.at = ny(ON, "16:29")
    assert report(ports) == []
    ports.clock.at = ny(ON, "16:30")
    dip_bought(ports, 1, "-20.00")
    (told,) = report(ports)
    assert isinstance(told, Notice)
    assert told.title.startswith(f"Day {ON}: +")
    assert "dip-buyer.v1: -20.00 USD, 0 won, 1 lost" in told.body
    assert "Refused by: 1 COOLDOWN" in told.body
    assert report(ports) == []
    stored = ports.blobs.get("reports", f"{ON}/day.json")
    assert stored is not None
    assert ports.codec.decode(DayReport, stored.value).fills == 3
