"""Rows that were lost: what supervise takes again, what it releases, and what it waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.ledger import Ledger, Unexplained, names, without
from shared.core.order_states import OrderState, Phase
from shared.core.order_steps import STOP_ENTERING
from shared.core.portfolio import Position
from shared.core.values import Side, Symbol
from shared.stages.account.reconcile import Difference, Repair, settled
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import live_orders, load_ledger, opened, reservation_of, update_ledger
from shared.stages.order.records import order_row
from tests.support.orders import AAA, INTENT, NOW, ON, Life, entry_id, extended_life, new_life
from tests.support.tape import ny

MINUTE = timedelta(minutes=1)
AAA_KEY = f"AAA|{INTENT}"


def ledger(life: Life) -> Ledger:
    stored = load_ledger(life.ports)
    assert stored is not None
    return stored.value


def texts(*each: str) -> tuple[Unexplained, ...]:
    return tuple(map(Unexplained.parse, each))


def reservations(life: Life) -> list[str]:
    return [reservation.intent_id for reservation in ledger(life).reservations]


def lose_reservation(life: Life) -> None:
    update_ledger(life.ports, ON, life.ports.broker.account(), lambda found: without(found, INTENT))


def kinds(life: Life) -> list[str]:
    return [str(row["kind"]) for row in life.ports.rows("incidents", ON).values()]


def events(life: Life) -> list[str]:
    """What supervise tells, a minute on."""
    life.ports.clock.pass_by(MINUTE)
    return [wake.event for wake in supervise(life.ports).wakes]


def test_a_lost_reservation_is_taken_again_from_its_orders_row() -> None:
    life = new_life().protected()
    before = ledger(life).reservations
    lose_reservation(life)
    assert events(life) == []
    assert reservations(life) == []
    events(life)
    assert reservations(life) == [INTENT]
    (again,) = ledger(life).reservations
    assert (again.notional, again.risk, again.exit_by) == (
        before[0].notional,
        Decimal("23.00"),
        life.state.plan.exit_by,
    )
    assert again.reserved_on == ON
    assert ledger(life).unexplained == ()
    assert kinds(life) == ["adopted"]


def reservation_again(life: Life) -> tuple[Decimal, Decimal, Decimal]:
    """Shares, cost and risk of the room that supervise takes again after it was lost."""
    lose_reservation(life)
    events(life)
    events(life)
    (again,) = ledger(life).reservations
    return again.qty, again.notional, again.risk


def test_room_taken_again_after_a_part_was_bought_is_that_of_the_part() -> None:
    """The rest was cancelled, and another decision may have used its room meanwhile."""
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 47)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    assert reservation_again(life) == (Decimal(47), 47 * Decimal("10.03"), 47 * Decimal("0.23"))


def test_room_taken_again_while_the_rest_may_still_be_bought_is_that_of_all() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 47)
    life.step()
    assert life.state.phase is Phase.PARTIALLY_FILLED
    assert reservation_again(life)[0] == 100


def test_room_before_anything_is_bought_is_what_the_gates_left_after_a_person_approved() -> None:
    life = new_life()
    assert reservation_of(life.ports, life.state).qty == 100
    shrunk = reservation_of(life.ports, replace(life.state, sized=Decimal(60)))
    assert (shrunk.qty, shrunk.notional, shrunk.risk) == (Decimal(60), 60 * Decimal("10.03"), 60 * Decimal("0.23"))


def test_room_of_an_entry_that_ended_unfilled_and_will_be_priced_anew_is_that_of_all() -> None:
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    assert reservation_of(life.ports, life.state).qty == 100


def test_a_ledger_that_is_rebuilt_counts_what_was_bought_of_orders_whose_entry_is_over() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 47)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.ports.tables.remove("ledger", "account", "current")  # type: ignore[attr-defined]
    (reservation,) = opened(life.ports, ON, life.ports.broker.account()).reservations
    assert (reservation.qty, reservation.notional) == (Decimal(47), 47 * Decimal("10.03"))


def test_what_was_taken_again_is_told_to_leave_as_any_other() -> None:
    life = new_life().protected()
    lose_reservation(life)
    events(life)
    events(life)
    life.ports.clock.at = ny(ON, "15:50")
    assert events(life) == ["FLATTEN"]


def test_a_stranger_in_another_symbol_stays_unexplained_beside_it() -> None:
    life = new_life().protected()
    lose_reservation(life)
    order = life.ports.broker.book["o1"]
    life.ports.broker.book["x"] = replace(order, order_id="x", client_order_id="by hand", symbol="ZZZ")  # type: ignore[arg-type]
    events(life)
    events(life)
    assert reservations(life) == [INTENT]
    assert names(ledger(life).unexplained) == "position in ZZZ"


def test_a_lost_reservation_whose_order_row_is_lost_too_is_unexplained() -> None:
    life = new_life().protected()
    lose_reservation(life)
    life.ports.tables.remove("orders", str(ON), AAA_KEY)  # type: ignore[attr-defined]
    events(life)
    events(life)
    assert reservations(life) == []
    assert "position in AAA" in names(ledger(life).unexplained)


def test_a_reservation_that_is_there_is_not_taken_twice() -> None:
    """Between the look at the ledger and its change somebody else may have put it back."""
    life = new_life().protected()
    update_ledger(
        life.ports,
        ON,
        life.ports.broker.account(),
        lambda found: replace(found, suspected=texts("position in AAA", "open order in AAA")),
    )
    events(life)
    assert reservations(life) == [INTENT]
    assert kinds(life) == []


def test_settling_takes_no_room_twice_and_adds_to_an_earlier_difference() -> None:
    life = new_life()
    found = replace(ledger(life), suspected=texts("position in AAA", "position in ZZZ"), unexplained=texts("before"))
    (mine,) = found.reservations
    changed, seen = Repair(found=(mine,)), Difference(unexplained=found.suspected)
    after = settled(found, changed, seen)
    assert after.reservations == (mine,)
    assert names(after.unexplained) == "before; position in ZZZ"
    assert settled(after, changed, seen).unexplained == after.unexplained
    assert settled(replace(found, unexplained=()), changed, seen).unexplained == texts("position in ZZZ")


def closed_but_reserved() -> Life:
    """An order that is over, whose release was lost."""
    life = new_life().protected()
    kept = ledger(life)
    life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    life.look()
    life.to_end()
    update_ledger(life.ports, ON, life.ports.broker.account(), lambda _: kept)
    assert reservations(life) == [INTENT]
    return life


def test_a_reservation_whose_order_is_over_is_released() -> None:
    life = closed_but_reserved()
    events(life)
    assert reservations(life) == [INTENT], "it may be about to release it itself"
    life.ports.clock.pass_by(MINUTE)
    events(life)
    assert reservations(life) == []
    assert kinds(life) == ["released"]


def test_a_reservation_whose_order_seems_over_and_lives_is_woken() -> None:
    life = closed_but_reserved()
    stalled = replace(life.state, phase=Phase.PROTECTED, outcome=None)
    life.ports.tables.put("orders", str(ON), AAA_KEY, order_row(stalled, life.ports.codec, NOW))
    life.ports.clock.pass_by(2 * MINUTE)
    assert events(life) == ["changed"]
    assert reservations(life) == [INTENT]


def test_room_that_waits_for_a_person_is_not_released_before_the_deadline() -> None:
    """Its order's row is lost, and no order can have come: only the deadline tells that none will."""
    policy = new_life().ports.settings.policy
    wait = timedelta(minutes=5)
    life = new_life()
    asked = replace(ledger(life).reservations[0], approve_by=NOW + wait)
    update_ledger(life.ports, ON, life.ports.broker.account(), lambda found: replace(found, reservations=(asked,)))
    patience = timedelta(seconds=policy.signal_ttl_s) + wait + timedelta(minutes=2)
    life.ports.clock.at = NOW + patience
    supervise(life.ports)
    assert reservations(life) == [INTENT]
    life.ports.clock.at = NOW + patience + timedelta(seconds=1)
    supervise(life.ports)
    assert reservations(life) == []


def test_orders_of_the_day_before_that_live_are_among_the_living() -> None:
    life = new_life().protected()
    tomorrow = ON + timedelta(days=1)
    assert [state.plan.intent_id for state in live_orders(life.ports, tomorrow)] == [INTENT]
    assert live_orders(life.ports, tomorrow + timedelta(days=1)) == []


def test_who_leaves_is_told_so_and_who_stays_is_told_the_rest() -> None:
    """After the close an afternoon's order leaves, while an evening's one stops entering under a halt."""
    life = extended_life("16:30")
    life.step()
    halted = lambda found: replace(found, is_drawdown_halted=True, peak_equity=Decimal(200_000))  # noqa: E731
    update_ledger(life.ports, ON, life.ports.broker.account(), halted)
    asked = {"reserved_at": ny(ON, "15:59:59"), "approve_by": ny(ON, "16:29")}  # so that nobody misses an order of it
    early = replace(ledger(life).reservations[0], intent_id="early", symbol="BBB", **asked)  # type: ignore[arg-type]
    update_ledger(
        life.ports,
        ON,
        life.ports.broker.account(),
        lambda found: replace(found, reservations=(*found.reservations, early)),
    )
    life.ports.clock.pass_by(MINUTE)
    told = {(wake.intent_id, wake.event) for wake in supervise(life.ports).wakes}
    assert ("early", "FLATTEN") in told
    assert (INTENT, STOP_ENTERING) in told
    assert ("early", STOP_ENTERING) not in told
    assert (INTENT, "FLATTEN") not in told


@pytest.mark.parametrize(("at", "is_told"), [("15:59:59", True), ("16:00", False)])
def test_the_close_divides_whom_the_afternoon_flatten_tells(at: str, is_told: bool) -> None:
    life = extended_life("16:30")
    reservation = ledger(life).reservations[0]
    moved = replace(reservation, reserved_at=ny(ON, at), approve_by=ny(ON, "16:29"))
    update_ledger(life.ports, ON, life.ports.broker.account(), lambda found: replace(found, reservations=(moved,)))
    assert (events(life) == ["FLATTEN"]) is is_told


def test_a_state_with_hours_reads_back_as_it_was() -> None:
    state = extended_life().state
    codec = extended_life().ports.codec
    assert codec.decode(OrderState, codec.encode(state)) == state
    assert state.hours is not None
    assert not extended_life().ports.broker.live(Side.BUY)


def guarded_without_a_row() -> Life:
    """Bought outside the regular session, where no order guards it, and its order's row was lost."""
    life = extended_life("08:00")
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    life.ports.tables.remove("orders", str(ON), AAA_KEY)  # type: ignore[attr-defined]
    life.ports.clock.pass_by(5 * MINUTE)
    return life


def test_room_of_what_is_held_stays_though_all_its_orders_are_over_and_its_row_is_lost() -> None:
    life = guarded_without_a_row()
    assert events(life) == ["changed"]
    assert reservations(life) == [INTENT]
    assert kinds(life) == ["unrecorded"]


def test_room_without_a_row_is_given_back_once_nothing_of_it_is_held() -> None:
    life = guarded_without_a_row()
    life.ports.broker.sold_elsewhere[AAA] = 100
    events(life)
    assert reservations(life) == []
    assert kinds(life) == ["released"]


@pytest.mark.parametrize("is_alive", [True, False])
def test_an_order_of_yesterday_is_looked_up_under_its_own_date(is_alive: bool) -> None:
    """All its orders are over and nothing is held: its own row tells whether its lifecycle has still to close it."""
    life = extended_life("16:30")
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    life.ports.broker.sold_elsewhere[AAA] = 100
    if not is_alive:
        over = replace(life.state, phase=Phase.CLOSED, outcome=Phase.CLOSED)
        life.ports.tables.put("orders", str(ON), AAA_KEY, order_row(over, life.ports.codec, NOW))
    life.ports.clock.at = ny(ON + timedelta(days=1), "04:05")
    told = [(wake.on, wake.event) for wake in supervise(life.ports).wakes]
    assert told == ([(ON, "changed")] if is_alive else [])
    assert reservations(life) == ([INTENT] if is_alive else [])


def test_an_order_without_room_that_has_not_ended_is_woken_within_five_minutes() -> None:
    """It gave its room back, died before it could say so, and its lifecycle was lost: nobody else asks for it."""
    life = new_life()
    life.step()
    life.ports.broker.book.clear()
    lose_reservation(life)
    told = [events(life) for _ in range(10)]
    assert told.count(["changed"]) == 2
    assert told.count([]) == 8
    assert reservations(life) == []


def test_an_order_of_a_persons_in_the_symbol_of_an_ended_one_takes_no_room() -> None:
    """Its row says that it lives, since the run that ended it died before it wrote it."""
    life = new_life()
    life.step()
    order = life.ports.broker.book.pop("o1")
    life.ports.broker.book = {"x": replace(order, order_id="x", client_order_id="by hand")}
    price = Decimal(10)
    held = Position(symbol=Symbol("ZZZ"), qty=Decimal(1), average_price=price, market_price=price)
    life.ports.broker.unexplained.append(held)
    lose_reservation(life)
    for _ in range(3):
        events(life)
    assert reservations(life) == []
    assert names(ledger(life).unexplained) == "position in ZZZ; open order in AAA"
