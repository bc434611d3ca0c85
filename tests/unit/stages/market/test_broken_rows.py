"""One row that cannot be read is told once and passed by; nothing else waits for it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice
from shared.contracts.records import Table, symbol_key
from shared.core.errors import TransientError
from shared.core.order_states import ExitReason, Phase
from shared.ports import Cell
from shared.stages.account.missed_runs import watch_stages
from shared.stages.account.reconcile import Wake, wake_failed
from shared.stages.account.supervise import part_failed, supervise
from shared.stages.base.incidents import untold
from shared.stages.base.ledger import live_orders, load_ledger, update_ledger
from shared.stages.evidence.report import day_report
from shared.stages.notify import notify
from shared.stages.operator.health import ready
from shared.stages.operator.metrics import samples
from tests.support.orders import AAA, INTENT, NOW, ON, Life, entry_id, exit_id, new_life
from tests.support.ports import FakePorts, fake_ports, lose_ledger
from tests.support.tape import ny
from tests.unit.stages.operator.test_health import HandGauge

CHANNELS = "phone: json://phone.invalid/a"


def spoil(ports: FakePorts, table: Table, partition: object, key: str, **cells: Cell) -> None:
    stored = ports.tables.get(table, str(partition), key)
    assert stored is not None
    ports.tables.put(table, str(partition), key, {**stored.value, **cells})


def broken(ports: FakePorts) -> list[str]:
    return [key for key, row in ports.rows("incidents", ON).items() if row["kind"] == "broken-row"]


ORDER = symbol_key(AAA, INTENT)


def silent_and_spoiled(**cells: Cell) -> Life:
    """An order whose lifecycle sleeps over its end, and whose row cannot be read."""
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), leg="stop")
    life.ports.clock.pass_by(timedelta(minutes=5))
    spoil(life.ports, Table.ORDERS, ON, ORDER, **cells)
    return life


@pytest.mark.parametrize("cells", [{"state": "{"}, {"state": None}, {"phase": "LEVITATING"}])
def test_an_order_s_row_that_cannot_be_read_is_told_once_and_its_lifecycle_is_woken(cells: dict[str, Cell]) -> None:
    life = silent_and_spoiled(**cells)
    for _ in range(3):
        seen = supervise(life.ports)
        assert [wake.event for wake in seen.wakes] == ["changed"]
    stored = load_ledger(life.ports)
    assert stored is not None
    assert [reservation.intent_id for reservation in stored.value.reservations] == [INTENT]
    assert len(broken(life.ports)) == 1


def test_one_row_that_cannot_be_read_hides_no_other_order_that_lives() -> None:
    life = new_life().protected()
    good = life.ports.tables.get(Table.ORDERS, str(ON), ORDER)
    assert good is not None
    for key, cells in (("AAB|x", {"state": "{"}), ("ZZZ|y", {"phase": "?"})):
        life.ports.tables.put(Table.ORDERS, str(ON), key, {**good.value, **cells})
    assert [state.plan.intent_id for state in live_orders(life.ports, ON)] == [INTENT]
    assert broken(life.ports) == ["broken-row|orders|AAB|x", "broken-row|orders|ZZZ|y"]


def test_a_lost_ledger_is_rebuilt_from_the_rows_that_can_be_read() -> None:
    life = new_life().protected()
    good = life.ports.tables.get(Table.ORDERS, str(ON), ORDER)
    assert good is not None
    life.ports.tables.put(Table.ORDERS, str(ON), "AAB|x", {**good.value, "state": "{"})
    lose_ledger(life.ports)
    supervise(life.ports)
    stored = load_ledger(life.ports)
    assert stored is not None
    assert [reservation.intent_id for reservation in stored.value.reservations] == [INTENT]


def test_a_journal_row_that_cannot_be_read_is_written_anew_by_the_run_that_finds_it() -> None:
    life = new_life()
    before = life.state
    life.step()
    ((key, _),) = life.ports.tables.query(Table.JOURNAL, str(ON))
    spoil(life.ports, Table.JOURNAL, ON, key, state="{")
    life.state = before
    life.step()
    assert len(life.ports.broker.requests) == 1, "found under its id, not sent again"
    assert broken(life.ports) == [f"broken-row|journal|{key}"]
    life.ports.broker.fill(entry_id())
    life.step()
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.exit_attempt > 0)
    life.ports.broker.fill(exit_id())
    assert life.to_end().phase is Phase.CLOSED


def test_a_score_that_cannot_be_read_turns_no_order_and_stops_none() -> None:
    life = new_life().protected()
    life.ports.tables.put(Table.SIGNALS, str(ON), f"{AAA}|1000", {"leave": "much", "scored_at": "soon"})
    assert supervise(life.ports).wakes == ()
    life.ports.clock.at = ny(ON, "15:50")
    assert [wake.event for wake in supervise(life.ports).wakes] == [ExitReason.FLATTEN]
    assert broken(life.ports) == ["broken-row|signals|AAA|1000"]


ROWS: tuple[tuple[Table, str, dict[str, Cell]], ...] = (
    (Table.ORDERS, "AAB|x", {"phase": "CLOSED", "decision_id": "d", "realised_usd": "a lot"}),
    (Table.JOURNAL, "AAB|x|0001", {"intent_id": "x", "seq": "first"}),
    (Table.FILLS, "AAB|x", {"symbol": "AAB", "role": "entry", "slippage_bp": "little"}),
    (Table.DECISIONS, "AAB|x", {}),
)


@pytest.mark.parametrize(("table", "key", "row"), ROWS)
def test_report_and_metrics_count_what_can_be_read(table: Table, key: str, row: dict[str, Cell]) -> None:
    ports = new_life().protected().ports
    clean = day_report(ports, ON)
    ports.tables.put(table, str(ON), key, row)
    found = day_report(ports, ON)
    assert (found.orders, found.fills, found.journal_hash) == (clean.orders, clean.fills, clean.journal_hash)
    assert broken(ports) == [f"broken-row|{table}|{key}"]
    assert samples(ports, HandGauge())


def test_health_names_a_part_whose_rows_cannot_be_read() -> None:
    ports = fake_ports(ny(ON, "10:00"))
    ports.tables.put(Table.RUNS, str(ON), "watchlist|0930", {"slot": "0930"})
    is_ready, found = ready(ports, "")
    assert not is_ready
    assert found["checks"]["jobs"]["fault"] == "KeyError: 'job'"  # type: ignore[index]
    assert found["checks"]["storage"]["ok"]  # type: ignore[index]


def test_silence_is_looked_for_beside_a_run_that_cannot_be_read() -> None:
    ports = fake_ports(ny(ON, "10:03"))
    ports.tables.put(Table.LEDGER, str(ON), "0930", {"at": "?"})
    ports.tables.put(Table.LEDGER, str(ON), "0935", {"at": "2025-10-15T13:35:00Z"})
    ports.tables.put(Table.RUNS, str(ON), "watchlist|0900", {"status": "started", "started_at": "?"})
    told = watch_stages(ports, HandGauge(), ports.clock.now())
    assert [each.kind for each in told] == ["silent"] * len(told)
    assert told
    assert set(broken(ports)) == {"broken-row|runs|watchlist|0900", "broken-row|ledger|0930"}


# -- notices ---------------------------------------------------------------------------------------------------------


def halted() -> FakePorts:
    """An account that has lost too much, whose halt was recorded, and whose notice nobody got."""
    ports = fake_ports(NOW, GATEHOUSE_NOTICE_CHANNELS=CHANNELS)
    supervise(ports)
    ports.broker.equity = Decimal(90_000)
    supervise(ports)
    ports.clock.pass_by(timedelta(minutes=1))
    supervise(ports)  # the second look confirms what the first one saw
    return ports


def titles(found: list[Notice]) -> list[str]:
    return [each.title for each in found]


BOTH = ["Entries halted: day loss 10.00%", "Entries halted: drawdown 10.00%"]


def test_a_halt_that_nobody_was_told_of_is_told_until_one_send_is_known_to_have_worked() -> None:
    ports = halted()
    assert untold(ports) == [], "the first may be on its way"
    ports.clock.pass_by(timedelta(minutes=5))
    for _ in range(3):
        again = untold(ports)
        assert titles(again) == BOTH
        ports.clock.pass_by(timedelta(minutes=1))
    for each in again:
        notify(each, ports)
    assert untold(ports) == []
    assert [words.title for _, words in ports.notifier.delivered] == [f"[sandbox] CRITICAL: {title}" for title in BOTH]


def test_a_repeated_notice_is_the_first_one_and_is_delivered_once() -> None:
    ports = halted()
    ports.clock.pass_by(timedelta(minutes=5))
    first, again = untold(ports), untold(ports)
    assert [each.message_id for each in first] == [each.message_id for each in again]
    for each in (*first, *again):
        notify(each, ports)
    assert len(ports.notifier.delivered) == 2


def test_a_notice_that_its_channel_refuses_is_left_to_its_queue_for_a_while() -> None:
    ports = halted()
    ports.notifier.dead.add("phone")
    ports.clock.pass_by(timedelta(minutes=5))
    each = untold(ports)[0]
    with pytest.raises(TransientError):
        notify(each, ports)
    assert each not in untold(ports)
    ports.clock.pass_by(timedelta(minutes=5))
    assert each in untold(ports)


def test_a_halt_that_another_stage_has_set_is_told_too() -> None:
    """The gate marks the ledger as well: supervise then finds the halt there, and no change of its own."""
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(96_000)
    for _ in range(2):  # the second look confirms what the first one saw
        update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)
        ports.clock.pass_by(timedelta(minutes=1))
    assert [each.title for each in supervise(ports).messages if isinstance(each, Notice)] == [
        "Entries halted: day loss 4.00%"
    ]


def test_an_incident_that_is_closed_or_from_an_older_version_is_not_repeated() -> None:
    ports = halted()
    for key in ports.rows("incidents", ON):
        spoil(ports, Table.INCIDENTS, ON, key, status="closed")
    ports.tables.put(Table.INCIDENTS, str(ON), "old", {"kind": "k", "status": "open", "at": "2025-10-15T13:00:00Z"})
    ports.clock.pass_by(timedelta(minutes=5))
    assert untold(ports) == []


# -- what fails beside rows ------------------------------------------------------------------------------------------


def test_a_lifecycle_that_cannot_be_told_is_an_incident_once_a_day() -> None:
    ports = fake_ports(NOW)
    wake = Wake(on=ON, symbol=AAA, intent_id=INTENT, event="KILL")
    first = wake_failed(ports, wake, RuntimeError("HTTP 500"))
    assert [each.title for each in first if isinstance(each, Notice)] == ["AAA: its order could not be told KILL"]
    assert wake_failed(ports, wake, RuntimeError("HTTP 500")) == []


def test_a_part_that_fails_is_an_incident_once_an_hour_unless_it_is_storage_that_does_not_answer() -> None:
    ports = fake_ports(NOW)
    assert part_failed(ports, "silence", TransientError("HTTP 500")) == []
    assert len(part_failed(ports, "silence", KeyError("status"))) == 1
    assert part_failed(ports, "silence", KeyError("status")) == []
    ports.clock.pass_by(timedelta(hours=1))
    assert len(part_failed(ports, "silence", KeyError("status"))) == 1
