"""A look at the account every minute: halts, flatten, wake-ups, strangers, outages."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.portfolio import Position
from shared.core.values import Symbol
from shared.stages.account.reconcile import Wake
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base.ledger import load_ledger
from shared.stages.entry.gate import gate
from shared.stages.operator.controls import kill, resume
from tests.support.orders import AAA, INTENT, NOW, ON, Life, entry_id, new_life
from tests.support.people import call, kill_call
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny
from tests.unit.stages.entry.test_gate import refused_by, signal

HALF_DAY = date(2026, 11, 27)


def told(event: str) -> Wake:
    return Wake(on=ON, symbol=AAA, intent_id=INTENT, event=event)


LOOK = told("changed")


def titles(seen: Supervision) -> list[str]:
    return [message.title for message in seen.messages if isinstance(message, Notice)]


def stranger(symbol: str = "ZZZ", qty: int = 7) -> Position:
    return Position(symbol=Symbol(symbol), qty=Decimal(qty), average_price=Decimal(5), market_price=Decimal(5))


def filled() -> Life:
    """Bought, but its lifecycle does not know yet; the next odd minute, so that no heartbeat is due."""
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id())
    life.ports.clock.pass_by(timedelta(minutes=1))
    return life


@pytest.mark.parametrize("at", ["03:59", "20:00"])
def test_outside_the_sessions_nobody_is_asked(at: str) -> None:
    ports = fake_ports(ny(ON, at))
    ports.broker.outage = TransientError("down")
    assert supervise(ports) == Supervision()


def test_on_a_holiday_nobody_is_asked() -> None:
    ports = fake_ports(ny(date(2026, 11, 26), "12:00"))
    ports.broker.outage = TransientError("down")
    assert supervise(ports) == Supervision()


def test_a_quiet_minute_marks_the_ledger_and_says_nothing() -> None:
    ports = fake_ports(NOW)
    ports.broker.equity = Decimal(100_500)
    assert supervise(ports) == Supervision()
    stored = load_ledger(ports)
    assert stored is not None
    assert (stored.value.opening_equity, stored.value.equity) == (Decimal(100_000), Decimal(100_500))


def looked_twice(ports: FakePorts) -> Supervision:
    """What the second of two looks says, a minute after the first; an equity is believed by then."""
    supervise(ports)
    ports.clock.pass_by(timedelta(minutes=1))
    return supervise(ports)


def test_a_heartbeat_is_kept_every_five_minutes() -> None:
    ports = fake_ports(NOW)
    for _ in range(11):
        supervise(ports)
        ports.clock.pass_by(timedelta(minutes=1))
    rows = ports.rows("ledger", ON)
    assert list(rows) == ["1000", "1005", "1010"]
    assert (rows["1000"]["session"], rows["1000"]["equity_usd"]) == ("REG-AM", "100000")


def test_a_day_loss_halts_entries_and_is_told_once() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(97_000)
    assert titles(supervise(ports)) == [], "one look may be wrong"
    assert titles(looked_twice(ports)) == ["Entries halted: day loss 3.00%"]
    assert titles(supervise(ports)) == []
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["HALTED_DAY_LOSS"]


def test_a_day_halt_survives_a_resume_and_ends_with_its_day() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(96_900)
    looked_twice(ports)
    resume(ports, call("resume", reason="I know better"))
    assert titles(supervise(ports)) == []
    assert gate(signal(), ports) == []
    ports.clock.at, ports.broker.last_equity = NOW + timedelta(days=1), Decimal(96_900)
    supervise(ports)
    assert len(gate(signal(slot="1001", at=ports.clock.now()), ports)) == 1


def test_a_drawdown_over_days_halts_until_a_person_resumes() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    for days, equity in ((1, 97_500), (2, 95_000)):
        ports.clock.at = NOW + timedelta(days=days)
        ports.broker.last_equity = ports.broker.equity
        ports.broker.equity = Decimal(97_500)
        supervise(ports)
        ports.broker.equity = Decimal(equity)
        seen = looked_twice(ports)
    assert titles(seen) == ["Entries halted: drawdown 5.00%"]
    ports.clock.at = NOW + timedelta(days=5)
    assert titles(supervise(ports)) == ["Entries halted: drawdown 5.00%"], "once a day while it stands"
    assert titles(supervise(ports)) == []
    stored = load_ledger(ports)
    assert stored is not None
    assert stored.value.is_drawdown_halted
    resume(ports, call("resume", reason="reviewed"))
    assert titles(supervise(ports)) == []
    assert len(gate(signal(at=ports.clock.now()), ports)) == 1
    ports.broker.equity = ports.broker.last_equity = Decimal(90_000)
    assert titles(looked_twice(ports)) == ["Entries halted: drawdown 5.26%"], "a second one on the day of the resume"


def test_a_halt_of_yesterday_is_told_anew_when_it_happens_again_today() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    ports.broker.equity = Decimal(97_000)
    looked_twice(ports)
    ports.clock.at, ports.broker.last_equity = NOW + timedelta(days=1), Decimal(97_000)
    supervise(ports)
    ports.broker.equity = Decimal("94090")
    assert "Entries halted: day loss 3.00%" in titles(looked_twice(ports))


def test_the_flatten_asks_every_open_order_from_ten_minutes_before_the_close() -> None:
    life = filled()
    life.ports.clock.at = ny(ON, "15:49:59")
    life.look()
    assert told("FLATTEN") not in supervise(life.ports).wakes
    life.ports.clock.at = ny(ON, "15:50")
    assert supervise(life.ports).wakes == (told("FLATTEN"),)
    assert life.ports.rows("runs", ON)["flatten|1550"]["status"] == "done"
    life.ports.clock.at = ny(ON, "15:53")
    assert supervise(life.ports).wakes == (told("FLATTEN"),), "until none is open"


def test_the_flatten_of_a_half_day_comes_at_ten_to_one() -> None:
    ports = fake_ports(ny(HALF_DAY, "12:50"))
    supervise(ports)
    assert list(ports.rows("runs", HALF_DAY)) == ["flatten|1250"]


def test_a_flatten_with_nothing_open_is_recorded_at_its_minute_only() -> None:
    ports = fake_ports(ny(ON, "15:51"))
    supervise(ports)
    assert ports.rows("runs", ON) == {}


def test_the_kill_switch_sells_only_when_asked_to_flatten() -> None:
    life = filled()
    kill(life.ports, kill_call(reason="enough"))
    life.look()
    assert supervise(life.ports).wakes == (told("stop-entering"),)
    kill(life.ports, kill_call(reason="out", flatten=True))
    assert supervise(life.ports).wakes == (told("KILL"),)
    resume(life.ports, call("resume", reason="again"))
    assert supervise(life.ports).wakes == ()


def test_a_sleeping_order_with_its_guards_in_place_is_let_sleep() -> None:
    assert supervise(filled().ports).wakes == ()


def test_an_order_that_still_enters_is_let_alone() -> None:
    life = new_life()
    assert supervise(life.ports).wakes == ()
    life.step()
    life.ports.broker.fill(entry_id(), 30)
    assert supervise(life.ports).wakes == ()


@pytest.mark.parametrize("leg", ["stop", "target"])
def test_a_filled_exit_wakes_its_lifecycle(leg: str) -> None:
    life = filled()
    life.ports.broker.fill(entry_id(), leg=leg)
    assert supervise(life.ports).wakes == (LOOK,)


def test_lost_guards_wake_the_lifecycle() -> None:
    life = filled()
    life.ports.broker.cancel("o1-target")
    assert supervise(life.ports).wakes == (LOOK,)


def test_a_position_sold_by_someone_else_wakes_the_lifecycle() -> None:
    life = filled()
    life.ports.broker.sold_elsewhere[AAA] = 100
    assert supervise(life.ports).wakes == (LOOK,)


def test_an_unknown_position_seen_twice_is_told_once_left_alone_and_halts_entries() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(stranger())
    assert titles(supervise(ports)) == []
    assert titles(supervise(ports)) == ["Unexplained at the broker: position in ZZZ"]
    assert titles(supervise(ports)) == []
    (row,) = ports.rows("incidents", ON).values()
    assert (row["kind"], row["status"]) == ("unexplained", "open")
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["BROKER_HEALTH"]
    assert ports.broker.requests == []


def test_entries_stay_halted_after_a_stranger_left_until_a_person_resumes() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(stranger())
    supervise(ports)
    supervise(ports)
    ports.broker.unexplained.clear()
    supervise(ports)
    assert gate(signal(), ports) == []
    resume(ports, call("resume", reason="it was mine"))
    assert len(gate(signal(slot="1005"), ports)) == 1


def test_a_stranger_seen_at_one_look_only_is_nothing() -> None:
    ports = fake_ports(NOW)
    for is_there in (True, False, True, False):
        ports.broker.unexplained[:] = [stranger()] if is_there else []
        assert titles(supervise(ports)) == []


def test_room_whose_order_never_came_is_given_back() -> None:
    """The intent was lost between the gate and execute: nothing at the broker, no order row."""
    ports = new_life().ports
    supervise(ports)
    ports.clock.pass_by(timedelta(minutes=30))
    assert titles(supervise(ports)) == ["Released the room of AAA: no order of it lives"]
    stored = load_ledger(ports)
    assert stored is not None
    assert stored.value.reservations == ()


def test_a_position_of_ours_is_no_stranger() -> None:
    assert titles(supervise(filled().ports)) == []


@pytest.mark.parametrize("error", [TransientError("time-out"), BrokerError(401, 0, "no"), ContractError("nonsense")])
def test_a_broker_that_is_down_is_an_incident_once_an_hour(error: Exception) -> None:
    ports = fake_ports(NOW)
    ports.broker.outage = error
    told = []
    for _ in range(62):
        told += titles(supervise(ports))
        ports.clock.pass_by(timedelta(minutes=1))
    assert told == ["Broker cannot be reached"] * 2
    assert list(ports.rows("incidents", ON)) == ["broker-down|10", "broker-down|11"]


def test_orders_are_asked_for_only_when_something_is_open() -> None:
    ports = fake_ports(NOW)
    ports.broker.down.append("orders")
    supervise(ports)
    supervise(ports)
    assert ports.broker.down == ["orders"]


def test_a_doubled_firing_asks_for_the_same() -> None:
    life = filled()
    life.ports.broker.fill(entry_id(), leg="stop")
    assert supervise(life.ports).wakes == supervise(life.ports).wakes == (LOOK,)
