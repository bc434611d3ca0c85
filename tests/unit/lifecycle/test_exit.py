"""Group 4: every way out, each while another is already under way."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest

from shared.core.order_states import ExitReason, Phase, Role
from shared.core.order_steps import STOP_ENTERING, report
from shared.core.orders import OrderStatus
from shared.core.values import Side
from simulation.market.tape import Halt
from tests.support.orders import AAA, ON, PLAN, Life, entry_id, exit_id, new_life
from tests.support.tape import ny
from tests.support.venue_life import day_of, venue_life

ASKED = ("FLATTEN", "KILL", "REVERSAL", STOP_ENTERING)
WAYS = ("TARGET", "STOP", "TIME_LIMIT", "UNPROTECTED", *ASKED)


def take(life: Life, way: str) -> None:
    """Begin to leave on this way: a leg fills in part, the time is up, the guards vanish, or someone asks."""
    broker = life.ports.broker
    if way in {"TARGET", "STOP"}:
        leg = broker.find(entry_id(), way.lower())
        if not leg.status.is_final:
            broker.fill(entry_id(), 30, "10.40" if way == "TARGET" else "9.80", leg=way.lower())
    elif way == "TIME_LIMIT":
        life.ports.clock.at = max(life.ports.clock.at, PLAN.exit_by)
        life.look()
    elif way == "UNPROTECTED":
        life.ports.clock.pass_by(timedelta(minutes=1))
        for order in broker.live(Side.SELL):
            if order.client_order_id.startswith(entry_id()):
                broker.end(order.order_id, OrderStatus.CANCELED)
        life.look()
    else:
        life.state = report(life.state, way)


def finish(life: Life) -> None:
    """Step to the end in a market that takes every exit of ours, and the target where nobody wants out."""
    for _ in range(60):
        if life.state.phase.is_over:
            return
        if life.state.phase is Phase.PROTECTED:
            life.ports.broker.fill(entry_id(), leg="target", price="10.40")
            life.look()
            continue
        for order in life.ports.broker.live(Side.SELL):
            if "-exit-" in order.client_order_id:
                life.ports.broker.fill(order.client_order_id)
        life.step()
    raise AssertionError(f"still {life.state.phase} after {life.commands}")


def flat(life: Life) -> None:
    assert (life.state.bought, life.state.sold, life.state.held) == (Decimal(100), Decimal(100), Decimal(0))
    assert life.ports.broker.held(AAA) == 0
    assert life.ports.broker.oversells == 0
    assert life.ports.broker.live(Side.SELL) == []
    assert len(set(life.submitted)) == len(life.submitted)


@pytest.mark.parametrize(("first", "second"), list(product(WAYS, WAYS)))
def test_every_exit_while_another_is_under_way_sells_exactly_what_is_held(first: str, second: str) -> None:
    life = new_life().protected()
    take(life, first)
    take(life, second)
    finish(life)
    flat(life)
    asked = [way for way in (first, second) if way not in {"TARGET", "STOP", STOP_ENTERING}]
    assert life.state.exit_reason in ({asked[0]} if asked else {"TARGET", "STOP"})


@pytest.mark.parametrize(("first", "second"), list(product(WAYS, WAYS)))
def test_every_exit_asked_while_the_guards_are_being_cancelled_sells_exactly_what_is_held(
    first: str, second: str
) -> None:
    life = new_life().protected()
    life.ports.broker.hangs = True
    take(life, first)
    life.step()
    take(life, second)
    life.step()
    life.ports.broker.hangs = False
    life.ports.broker.settle_cancels()
    finish(life)
    flat(life)


@pytest.mark.parametrize("way", ["FLATTEN", "KILL", "REVERSAL"])
def test_an_exit_asked_while_the_exit_order_works_sends_no_second_one(way: str) -> None:
    life = new_life().protected()
    life.ask(ExitReason.TIME_LIMIT)
    life.until(lambda state: state.exit_attempt == 1)
    before = life.state
    life.state = report(life.state, way)
    assert life.state == before
    finish(life)
    flat(life)
    assert life.submitted == [entry_id(), exit_id()]


def test_a_halt_of_entries_is_no_exit() -> None:
    life = new_life().protected()
    life.state = report(life.state, STOP_ENTERING)
    life.look()
    assert life.state.phase is Phase.PROTECTED
    assert life.ports.broker.cancels == []


def test_a_target_that_fills_while_the_exit_waits_for_its_cancel_sells_nothing_twice() -> None:
    life = new_life().protected()
    life.ports.broker.hangs = True
    life.ask(ExitReason.KILL)
    life.step()
    life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    life.to_end()
    flat(life)
    assert life.submitted == [entry_id()]


def test_an_exit_limit_that_nobody_takes_is_priced_anew_with_growing_patience() -> None:
    life = new_life().protected()
    life.ports.clock.at = ny(ON, "16:10")
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.market.prices["AAA"] = ("9.80", "9.82")
    life.until(lambda state: state.exit_attempt == 2)
    life.ports.market.prices["AAA"] = ("9.70", "9.72")
    life.until(lambda state: state.exit_attempt == 3)
    sent = [r for r in life.ports.broker.requests if r.side is Side.SELL]
    assert [r.limit_price for r in sent] == [Decimal("9.97"), Decimal("9.78"), Decimal("9.68")]
    at = [life.ports.broker.find(exit_id(n)).submitted_at for n in range(3)]
    assert timedelta(seconds=30) <= at[1] - at[0] < timedelta(seconds=45)
    assert timedelta(seconds=60) <= at[2] - at[1] < timedelta(seconds=75)
    assert life.ports.rows("incidents", ON) == {}
    finish(life)
    flat(life)


def test_a_repriced_exit_sells_only_what_the_first_left() -> None:
    life = new_life().protected()
    life.ports.clock.at = ny(ON, "16:10")
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id(), 60)
    life.until(lambda state: state.exit_attempt == 2)
    assert life.ports.broker.requests[-1].qty == 40
    finish(life)
    flat(life)


def test_a_market_exit_is_left_alone_however_long_it_takes() -> None:
    """It only waits in a halt; a new one would stand behind it in the reopening auction."""
    life = new_life().protected()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    cancels = len(life.ports.broker.cancels)
    life.ports.clock.pass_by(timedelta(minutes=20))
    life.look()
    assert len(life.ports.broker.cancels) == cancels
    assert life.submitted == [entry_id(), exit_id()]


def test_an_exit_in_a_halt_is_sold_at_the_reopening() -> None:
    halt = Halt(symbol="AAA", start_at=ny(ON, "10:10"), end_at=ny(ON, "10:30"), reason="news")
    life = venue_life(day_of({"09:30": 10.00, "10:10": 9.90}), halts=[halt])
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.ports.clock.at = ny(ON, "10:12")
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.exit_attempt == 1)
    life.sleep_until(ny(ON, "10:29"))
    assert life.state.held == 100
    life.sleep_until(ny(ON, "10:40"))
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.KILL, Decimal(100))
    assert len([o for o in state.orders.values() if o.role is Role.EXIT]) == 1


def test_an_exit_after_the_close_follows_the_market_down_until_it_is_taken() -> None:
    falling = {"09:30": 10.00} | {f"16:{m:02}": 10.00 - 0.05 * (m - 10) for m in range(11, 40)}
    life = venue_life(day_of(falling, volume=400))
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.ports.clock.at = ny(ON, "16:12")
    life.meet()
    life.ask()
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.held) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(0))
    assert life.exchange.account.held("AAA") == 0


def test_a_time_limit_exit_sells_at_the_market() -> None:
    life = venue_life(day_of({"09:30": 10.00}))
    life.until(lambda state: state.phase is Phase.PROTECTED)
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.TIME_LIMIT, Decimal(100))
    assert life.ports.clock.now() - PLAN.exit_by < timedelta(seconds=30)
