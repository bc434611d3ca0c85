"""Supervise while the broker tells only a part, or nothing, for hours: whoever is to be told is told all the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import chain, combinations

import pytest

from shared.contracts.messages import Notice
from shared.contracts.records import ACCOUNT, CURRENT, Table
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ledger import Ledger
from shared.core.order_states import ExitReason, Phase
from shared.core.orders import OrderStatus
from shared.core.unread import Unread
from shared.core.values import Side
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base.ledger import load_ledger
from shared.stages.operator.controls import kill
from tests.support.orders import AAA, INTENT, NOW, ON, Life, entry_id, exit_id, new_life
from tests.support.people import kill_call
from tests.support.ports import FakePorts, fake_ports, lose_ledger
from tests.support.tape import ny

PARTS = ("account", "positions", "orders")
ANY = [tuple(some) for some in chain.from_iterable(combinations(PARTS, n) for n in (1, 2, 3))]
ERRORS = (TransientError("no connection"), ContractError("nonsense"), BrokerError(403, 0, "forbidden"))


def held() -> Life:
    """Bought and guarded; an odd minute, so that no heartbeat is due."""
    life = new_life(exit_by=ny(ON, "16:00")).protected()
    life.ports.clock.pass_by(timedelta(minutes=1))
    return life


def broken(ports: FakePorts, parts: Iterable[str], error: Exception = ERRORS[0]) -> None:
    ports.broker.broken.update(dict.fromkeys(parts, error))


def events(seen: Supervision) -> list[str]:
    return [wake.event for wake in seen.wakes]


def titles(seen: Supervision) -> list[str]:
    return [each.title for each in seen.messages if isinstance(each, Notice)]


def ledger(ports: FakePorts) -> Ledger:
    stored = load_ledger(ports)
    assert stored is not None
    return stored.value


@pytest.mark.parametrize("parts", ANY, ids="+".join)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_kill_with_flatten_is_told_for_hours_whatever_the_broker_does_not_tell(
    parts: tuple[str, ...], error: Exception
) -> None:
    life = held()
    broken(life.ports, parts, error)
    kill(life.ports, kill_call(flatten=True))
    for _ in range(300):
        assert events(supervise(life.ports)) == [ExitReason.KILL]
        life.ports.clock.pass_by(timedelta(minutes=1))


@pytest.mark.parametrize("parts", ANY, ids="+".join)
def test_flatten_and_stop_entering_are_told_whatever_the_broker_does_not_tell(parts: tuple[str, ...]) -> None:
    life = held()
    broken(life.ports, parts)
    kill(life.ports, kill_call())
    looking = ["changed"] if "orders" in parts else []
    assert events(supervise(life.ports)) == [*looking, "stop-entering"]
    life.ports.clock.at = ny(ON, "15:50")
    assert events(supervise(life.ports)) == [ExitReason.FLATTEN]
    assert life.ports.rows("runs", ON)["flatten|1550"]["status"] == "done"


@pytest.mark.parametrize("equity", ["0", "-250", "NaN", "Infinity"])
def test_an_equity_that_is_none_changes_no_ledger_and_keeps_nobody_from_being_told(equity: str) -> None:
    life = held()
    supervise(life.ports)
    before = ledger(life.ports)
    life.ports.broker.equity = Decimal(equity)
    kill(life.ports, kill_call(flatten=True))
    seen = supervise(life.ports)
    assert events(seen) == [ExitReason.KILL]
    assert titles(seen) == ["The broker does not tell: account"]
    after = ledger(life.ports)
    assert (after.equity, after.peak_equity, after.is_day_halted) == (before.equity, before.peak_equity, False)
    assert after.broker.failures == 1


def test_a_loss_halts_while_positions_and_orders_cannot_be_read() -> None:
    life = held()
    supervise(life.ports)
    broken(life.ports, ("positions", "orders"))
    life.ports.broker.equity = Decimal(80_000)
    assert events(supervise(life.ports)) == ["changed"], "one print may be wrong"
    life.ports.clock.pass_by(timedelta(minutes=1))
    seen = supervise(life.ports)
    assert "stop-entering" in events(seen)
    assert "Entries halted: day loss 20.00%" in titles(seen)


def test_every_order_looks_at_its_own_while_the_list_of_all_cannot_be_read() -> None:
    """Guards that are lost meanwhile, or a time limit, are seen by the order itself, however young it is."""
    life = new_life().protected()
    broken(life.ports, ("orders",))
    assert events(supervise(life.ports)) == ["changed"]
    life.ports.broker.cancel("o1-target")
    life.look()
    assert life.state.phase is not Phase.PROTECTED


def test_a_filled_stop_wakes_its_order_while_positions_cannot_be_read() -> None:
    life = held()
    broken(life.ports, ("positions",))
    assert events(supervise(life.ports)) == []
    life.ports.broker.fill(entry_id(), leg="stop")
    assert events(supervise(life.ports)) == ["changed"]


def test_nothing_is_released_because_its_positions_could_not_be_read() -> None:
    life = held()
    life.ports.broker.fill(entry_id(), leg="stop")
    broken(life.ports, ("positions",))
    life.ports.clock.pass_by(timedelta(minutes=30))
    supervise(life.ports)
    assert [reservation.intent_id for reservation in ledger(life.ports).reservations] == [INTENT]


def test_each_part_that_cannot_be_had_is_told_once_an_hour_and_counts_as_one_failure_a_minute() -> None:
    life = held()
    broken(life.ports, ("positions", "orders"))
    assert titles(supervise(life.ports)) == ["The broker does not tell: positions, orders"]
    assert titles(supervise(life.ports)) == []
    assert ledger(life.ports).broker.failures == 2
    broken(life.ports, ("account",))
    assert titles(supervise(life.ports)) == ["Broker cannot be reached"]
    life.ports.broker.broken.clear()
    supervise(life.ports)
    assert ledger(life.ports).broker.failures == 0


def test_a_refusal_of_one_part_hides_no_failure_of_another_from_the_breaker() -> None:
    life = held()
    broken(life.ports, ("account",), BrokerError(403, 0, "forbidden"))
    supervise(life.ports)
    assert ledger(life.ports).broker.failures == 0, "a refusal is an answer"
    broken(life.ports, ("positions",), TransientError("down"))
    supervise(life.ports)
    assert ledger(life.ports).broker.failures == 1


def test_a_ledger_that_cannot_be_read_is_told_once_and_its_orders_are_told_by_their_rows() -> None:
    life = held()
    stored = life.ports.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    assert stored is not None
    life.ports.tables.put(Table.LEDGER, ACCOUNT, CURRENT, {**stored.value, "ledger": "{"})
    seen = supervise(life.ports)
    assert titles(seen) == ["A row of table ledger cannot be read: current"]
    assert events(seen) == ["stop-entering"]
    life.ports.clock.at = ny(ON, "15:51")
    seen = supervise(life.ports)
    assert (events(seen), titles(seen)) == ([ExitReason.FLATTEN], [])


def test_orders_are_told_by_their_rows_where_the_ledger_is_lost_and_the_account_cannot_be_asked() -> None:
    life = held()
    lose_ledger(life.ports)
    broken(life.ports, PARTS)
    kill(life.ports, kill_call(flatten=True))
    assert events(supervise(life.ports)) == [ExitReason.KILL]


def test_with_neither_ledger_nor_broker_nor_orders_there_is_nobody_to_tell() -> None:
    ports = fake_ports(NOW)
    broken(ports, PARTS)
    assert events(supervise(ports)) == []
    assert load_ledger(ports) is None


def sold(life: Life) -> ExitReason | None:
    """Step until an exit stands, fill it, and see the order closed with nothing held."""
    life.until(lambda state: state.exit_attempt > 0)
    life.ports.broker.fill(exit_id())
    assert life.to_end().phase is Phase.CLOSED
    assert life.ports.broker.held(AAA) == 0
    return life.state.exit_reason


# -- the lifecycle that is told to leave -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [ExitReason.KILL, ExitReason.FLATTEN, ExitReason.TIME_LIMIT])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_guards_stay_as_long_as_nobody_knows_what_is_held(reason: ExitReason, error: Exception) -> None:
    life = held()
    broken(life.ports, ("position",), error)
    life.ask(reason)
    for _ in range(20):
        life.step()
    assert life.ports.broker.cancels == []
    assert [order.status for order in life.ports.broker.live(Side.SELL)] == [OrderStatus.NEW, OrderStatus.HELD]
    life.ports.broker.broken.clear()
    assert sold(life) is reason


def test_a_row_of_ours_that_cannot_be_read_is_never_taken_for_nothing_held() -> None:
    life = held()
    life.ports.broker.unread.append(Unread(what="position", name="AAA", fault="qty is null", raw="{}"))
    life.ask(ExitReason.KILL)
    for _ in range(10):
        life.step()
    assert (life.state.phase, life.state.held, life.ports.broker.cancels) == (Phase.EXITING, Decimal(100), [])
    supervise(life.ports)
    seen = supervise(life.ports)
    assert titles(seen) == ["Unexplained at the broker: unreadable position in AAA"]
    life.ports.broker.unread.clear()
    assert sold(life) is ExitReason.KILL


@pytest.mark.parametrize("parts", ANY, ids="+".join)
def test_an_order_that_is_told_to_leave_is_flat_and_closed_while_lists_and_account_cannot_be_read(
    parts: tuple[str, ...],
) -> None:
    """What it needs is asked for by its own symbol and its own ids."""
    life = held()
    broken(life.ports, parts)
    life.ask(ExitReason.KILL)
    assert sold(life) is ExitReason.KILL
    assert ledger(life.ports).reservations == ()


def test_an_order_that_may_be_one_that_cannot_be_read_is_not_taken_for_lost() -> None:
    life = new_life()
    life.step()
    life.ports.broker.forgotten.add(entry_id())
    life.ports.broker.unlisted.add(entry_id())
    life.ports.broker.unread.append(Unread(what="order", name="AAA", fault="qty is null", raw="{}"))
    for _ in range(8):
        life.step()
    assert life.state.absences == 0
    life.ports.broker.unread[:] = [Unread(what="order", name="ZZZ", fault="qty is null", raw="{}")]
    for _ in range(8):
        life.step()
    assert life.state.absences >= 3
