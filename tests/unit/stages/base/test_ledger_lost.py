"""The ledger's row is gone: what had halted is known again, and entries wait for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shared.contracts.messages import Notice
from shared.contracts.records import ACCOUNT, CURRENT, Table
from shared.core.errors import TransientError
from shared.core.ledger import Ledger, StrategyBook, Unexplained, names
from shared.ports import Row
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import LEDGER_LOST, load_ledger, update_ledger
from shared.stages.entry.gate import gate
from shared.stages.operator.controls import resume
from tests.support.orders import NOW, ON
from tests.support.people import call
from tests.support.ports import MINUTE, FakePorts, fake_ports
from tests.unit.stages.entry.test_gate import refused_by, signal


def ledger(ports: FakePorts) -> Ledger:
    stored = load_ledger(ports)
    assert stored is not None
    return stored.value


def lose(ports: FakePorts) -> None:
    ports.tables.remove(Table.LEDGER, ACCOUNT, CURRENT)  # type: ignore[attr-defined]
    assert load_ledger(ports) is None


def look(ports: FakePorts, times: int = 1) -> list[str]:
    """Titles of what supervise tells, minute after minute."""
    told: list[str] = []
    for _ in range(times):
        ports.clock.pass_by(MINUTE)
        told += [message.title for message in supervise(ports).messages if isinstance(message, Notice)]
    return told


def halted(equity: int = 94_000) -> FakePorts:
    """A flat account whose day and drawdown have halted, a minute that is no fifth one; the equity is back since."""
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(equity)
    look(ports, 2)
    ports.broker.equity = Decimal(100_000)
    look(ports)
    return ports


def test_a_flat_accounts_halts_are_known_again_when_its_ledger_is_lost() -> None:
    ports = halted()
    before = ledger(ports)
    assert (before.is_day_halted, before.is_drawdown_halted) == (True, True)
    lose(ports)
    told = look(ports)
    after = ledger(ports)
    assert (after.is_day_halted, after.is_drawdown_halted, after.unexplained) == (True, True, (LEDGER_LOST,))
    assert (after.opening_equity, after.peak_equity) == (before.opening_equity, before.peak_equity)
    assert told == [f"Unexplained at the broker: {LEDGER_LOST}"]
    assert gate(signal(at=ports.clock.now()), ports) == []
    assert refused_by(ports) == ["HALTED_DAY_LOSS", "HALTED_DRAWDOWN", "BROKER_HEALTH"]


def test_the_halt_of_one_strategy_is_known_again_when_its_ledger_is_lost() -> None:
    ports = fake_ports(NOW, GATEHOUSE_STRATEGIES="momentum.v1=0.5 dip-buyer.v1=0.5")
    supervise(ports)
    ports.clock.pass_by(MINUTE)  # a minute that is no fifth one: only what halts is backed up
    lost = {"dip-buyer.v1": StrategyBook(realised=Decimal(-2_000))}
    update_ledger(ports, ON, None, lambda found: replace(found, books=lost))
    look(ports)
    assert ledger(ports).book_of("dip-buyer.v1").is_day_halted
    lose(ports)
    look(ports)
    assert ledger(ports).book_of("dip-buyer.v1").is_day_halted
    assert not ledger(ports).book_of("momentum.v1").is_day_halted


def test_a_resume_after_the_loss_lifts_no_day_halt() -> None:
    ports = halted(96_000)
    lose(ports)
    look(ports)
    resume(ports, call("resume", reason="looked at"))
    assert ledger(ports).is_day_halted
    assert ledger(ports).unexplained == ()


def test_the_gate_that_comes_first_after_the_loss_refuses_and_remembers() -> None:
    ports = halted()
    lose(ports)
    assert gate(signal(at=ports.clock.now()), ports) == []
    assert {"HALTED_DAY_LOSS", "HALTED_DRAWDOWN", "BROKER_HEALTH"} <= set(refused_by(ports))


def test_a_quiet_accounts_lost_ledger_halts_entries_too_until_a_person_resumes() -> None:
    """Nothing had halted, as far as the backup knows: what came after it nobody can tell."""
    ports = fake_ports(NOW)
    supervise(ports)
    lose(ports)
    look(ports)
    assert ledger(ports).unexplained == (LEDGER_LOST,)
    resume(ports, call("resume", reason="looked at"))
    assert len(gate(signal(at=ports.clock.now()), ports)) == 1


def test_a_peak_of_days_ago_is_known_again() -> None:
    ports = fake_ports(NOW)
    ports.broker.equity = Decimal(104_000)
    look(ports, 7)
    ports.clock.at = NOW + timedelta(days=9)
    ports.broker.equity = ports.broker.last_equity = Decimal(100_000)
    lose(ports)
    look(ports)
    assert ledger(ports).peak_equity == Decimal(104_000)
    assert ledger(ports).on == ON + timedelta(days=9)


def test_what_was_unexplained_before_the_loss_stays_named_once() -> None:
    ports = fake_ports(NOW)
    supervise(ports)

    def strange(found: Ledger) -> Ledger:
        return replace(found, unexplained=(Unexplained.parse("position in ZZZ"),))

    update_ledger(ports, ON, ports.broker.account(), strange)
    for _ in range(2):
        lose(ports)
        look(ports)
        assert names(ledger(ports).unexplained) == f"{LEDGER_LOST}; position in ZZZ"
        update_ledger(ports, ON, ports.broker.account(), lambda found: found, backs_up=True)


def test_a_new_accounts_first_ledger_is_no_lost_one() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    assert ledger(ports).unexplained == ()


def test_who_dies_while_opening_an_account_leaves_no_ledger_that_looks_lost() -> None:
    ports = fake_ports(NOW)
    insert = ports.tables.insert

    def crash(table: str, partition: str, key: str, row: Row) -> bool:
        raise TransientError("crash")

    ports.tables.insert = crash  # type: ignore[method-assign]
    supervise(ports)
    assert load_ledger(ports) is None
    ports.tables.insert = insert  # type: ignore[method-assign]
    supervise(ports)
    assert ledger(ports).unexplained == ()


def test_a_halt_that_cannot_be_backed_up_is_not_set_yet_and_is_at_the_next_look() -> None:
    """It stands in both rows, or the entry that met it fails: never in the one alone that may be lost."""
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(94_000)
    look(ports)
    put, ports.tables.put = ports.tables.put, _down  # type: ignore[method-assign]
    look(ports)
    assert not ledger(ports).is_day_halted
    assert ledger(ports).day_doubt is not None
    ports.tables.put = put  # type: ignore[method-assign]
    look(ports)
    assert ledger(ports).is_day_halted


def _down(table: str, partition: str, key: str, row: Row) -> None:
    raise TransientError("storage is down")


def test_a_ledger_of_older_code_reads_back_and_is_marked_on() -> None:
    """Its row knows no account and no doubts, and differences as texts: an upgrade loses no halt."""
    text = (
        '{"broker":{"failures":0,"open_until":null},"cooling_until":{},"equity":"99000","is_day_halted":false,'
        '"is_drawdown_halted":true,"market":{"failures":0,"open_until":null},"on":"2025-10-15","opening_equity":"99500",'
        '"peak_equity":"104000","reservations":[{"exit_by":"2025-10-15T15:00:00Z","intent_id":"i1","notional":"1000",'
        '"qty_shares":10,"reserved_at":"2025-10-15T14:00:00Z","risk":"23","symbol":"AAA"}],'
        '"suspected":["open order in ?"],"unexplained":"the ledger\'s row was lost; 3 BBB sold beyond what was held"}'
    )
    ports = fake_ports(NOW)
    ports.tables.put(Table.LEDGER, ACCOUNT, CURRENT, {"ledger": text})
    supervise(ports)
    after = ledger(ports)
    assert (after.account_id, after.opening_equity, after.peak_equity) == ("hand", Decimal(100_000), Decimal(104_000))
    assert after.is_drawdown_halted
    assert names(after.unexplained) == "the ledger's row was lost; 3 BBB sold beyond what was held"
    assert [reservation.intent_id for reservation in after.reservations] == ["i1"]


def test_a_resume_before_anybody_has_seen_the_loss_lifts_nothing_of_it() -> None:
    ports = halted()
    lose(ports)
    resume(ports, call("resume", reason="of a kill switch, an hour ago"))
    look(ports)
    after = ledger(ports)
    assert (after.unexplained, after.is_drawdown_halted) == ((LEDGER_LOST,), True)


def test_a_second_loss_after_a_resume_halts_entries_again() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    for _ in range(2):
        lose(ports)
        look(ports)
        assert ledger(ports).unexplained == (LEDGER_LOST,)
        resume(ports, call("resume", reason="looked at"))
        assert ledger(ports).unexplained == ()
