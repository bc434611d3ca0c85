"""Group 1: what can happen to a submission."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.core.errors import BrokerError, TransientError
from shared.core.order_states import Phase
from shared.core.order_steps import CANCELS_TOLD
from shared.core.orders import OrderStatus
from shared.core.values import Side
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from tests.support.broker import DUPLICATE
from tests.support.orders import AAA, NOW, ON, PLAN, Life, entry_id, extended_life, new_life
from tests.support.ports import fake_ports
from tests.support.tape import ny
from tests.unit.stages.entry.test_gate import signal


def ended(life: Life) -> tuple[Phase, str]:
    """How it ended, with nothing bought, nothing live and no room taken; and why."""
    reasons: list[str] = []
    for _ in range(60):
        if life.state.phase.is_over:
            break
        life.step()
        reasons.append(life.state.note)
    assert life.state.phase.is_over
    assert life.state.bought == 0
    assert life.ports.broker.live(Side.BUY) == []
    stored = life.ports.tables.get("ledger", "account", "current")
    assert stored is not None
    assert stored.value["reservations"] == 0
    return life.state.phase, next(filter(None, reasons), "")


def test_a_time_out_of_a_submit_that_arrived_finds_the_order() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.until(lambda state: state.phase is Phase.WORKING)
    assert life.submitted == [entry_id()]


def test_a_time_out_of_a_submit_that_was_lost_sends_it_once_more() -> None:
    life = new_life()
    life.ports.broker.down.append("submit")
    life.until(lambda state: state.phase is Phase.WORKING)
    assert life.commands == ["submit_entry", "submit_entry"]
    assert life.submitted == [entry_id()]


def test_a_refused_duplicate_id_is_our_own_order() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    life.ports.broker.unseen = 1
    life.step()
    assert life.state.phase is Phase.WORKING
    assert life.submitted == [entry_id()]


def test_a_duplicate_id_that_the_broker_cannot_show_is_looked_up_again() -> None:
    life = new_life()
    life.ports.broker.refusals["submit"] = BrokerError(422, DUPLICATE, "client_order_id must be unique")
    life.step()
    assert (life.state.outcome, life.state.failures) == (None, 1)
    life.until(lambda state: state.phase is Phase.WORKING)
    assert life.submitted == [entry_id()], "never under another id"


def test_missing_buying_power_is_a_rejection() -> None:
    life = new_life()
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, "insufficient buying power")
    phase, note = ended(life)
    assert phase is Phase.REJECTED
    assert "insufficient buying power" in note


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_broker_is_asked_again_under_the_same_id(status: int) -> None:
    """The adapter turns 429 and 5xx, once its own retries are used up, into a TransientError."""
    life = new_life()
    life.ports.broker.outage = TransientError(f"HTTP {status}")
    for _ in range(2):
        life.step()
    life.ports.broker.outage = None
    life.until(lambda state: state.phase is Phase.WORKING)
    assert life.submitted == [entry_id()]


def test_an_order_rejected_after_it_was_accepted_ends_rejected() -> None:
    life = new_life()
    life.step()
    life.ports.broker.end("o1", OrderStatus.REJECTED)
    assert ended(life)[0] is Phase.REJECTED
    assert life.submitted == [entry_id()]


@pytest.mark.parametrize("status", [OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW, OrderStatus.PENDING_REVIEW])
def test_an_order_accepted_and_then_silent_is_cancelled_after_its_patience(status: OrderStatus) -> None:
    life = new_life(max_reprices=0)
    life.step()
    life.ports.broker.say(entry_id(), status)
    assert ended(life)[0] is Phase.CANCELED
    assert life.ports.clock.now() - NOW < timedelta(seconds=PLAN.patience_s + 2 * PLAN.poll_s)


def test_a_market_that_closed_between_gate_and_submit_is_a_denial() -> None:
    life = new_life(expires_at=ny(ON, "23:00"), exit_by=ny(ON, "23:00"))
    life.ports.clock.at = ny(ON, "16:00")
    assert ended(life) == (Phase.DENIED, "SESSION")
    assert life.submitted == []


def test_the_last_minutes_before_the_close_deny_too() -> None:
    life = new_life(expires_at=ny(ON, "23:00"), exit_by=ny(ON, "23:00"))
    life.ports.clock.at = ny(ON, "15:50")
    assert ended(life) == (Phase.DENIED, "SESSION")


def test_a_halted_symbol_has_an_old_quote_and_is_denied() -> None:
    life = new_life()
    life.ports.market.quote_at = NOW - timedelta(seconds=16)
    assert ended(life) == (Phase.DENIED, "STALE_QUOTE")
    assert life.submitted == []


def test_a_price_beyond_the_cap_is_not_chased() -> None:
    life = new_life()
    life.ports.market.prices["AAA"] = ("10.02", "10.04")
    assert ended(life) == (Phase.DENIED, "SLIPPAGE ask 10.04 beyond 10.03")
    assert life.submitted == []


def test_an_entry_whose_price_has_come_to_its_own_stop_is_not_sent() -> None:
    life = new_life()
    life.ports.market.prices["AAA"] = ("9.69", "9.70")
    assert ended(life) == (Phase.DENIED, "EXITS ask 9.70 not above the stop 9.80 by 0.01")
    assert life.submitted == []


def test_before_the_open_an_entry_is_not_sent_that_its_guard_would_leave_at_once() -> None:
    life = extended_life("08:00")
    life.ports.market.prices["AAA"] = ("9.80", "9.83")
    assert ended(life) == (Phase.DENIED, "EXITS bid 9.80 at the stop 9.80 already")
    assert life.submitted == []


def test_a_new_price_under_the_stop_counts_as_cancelled() -> None:
    life = new_life()
    life.step()
    life.ports.market.prices["AAA"] = ("9.70", "9.71")
    assert life.to_end().phase is Phase.CANCELED
    assert life.submitted == [entry_id()]


def test_an_intent_that_expired_in_the_queue_gives_its_room_back() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    ports.clock.at = intent.expires_at
    state, _ = execute(intent, ports)
    life = Life(ports, state)
    assert ended(life)[0] is Phase.EXPIRED
    assert life.submitted == []


def test_an_intent_that_aged_in_the_lifecycle_is_denied() -> None:
    life = new_life()
    life.ports.clock.at = PLAN.expires_at
    assert ended(life) == (Phase.DENIED, "EXPIRED")


@pytest.mark.parametrize("at", ["08:00", "16:30"])
def test_entries_outside_the_regular_session_are_denied(at: str) -> None:
    life = new_life(expires_at=ny(ON, "23:00"), exit_by=ny(ON, "23:00"))
    life.ports.clock.at = ny(ON, at)
    assert ended(life) == (Phase.DENIED, "SESSION")


def test_a_cancel_that_is_never_carried_out_is_asked_again_and_told() -> None:
    life = new_life()
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancels == CANCELS_TOLD)
    assert life.ports.broker.cancels == ["o1"] * CANCELS_TOLD
    (row,) = life.ports.rows("incidents", ON).values()
    assert (row["kind"], row["title"]) == ("cancel-hangs", "AAA: a cancel is not carried out")
    assert row["body"].startswith("Asked 3 times for entry o1 (pending_cancel).")  # type: ignore[attr-defined]
    life.until(lambda state: state.cancels == CANCELS_TOLD + 1)
    assert len(life.ports.rows("incidents", ON)) == 1, "told once"
    life.ports.broker.hangs = False
    life.ports.broker.settle_cancels()
    life.ask()
    assert ended(life)[0] is Phase.CANCELED
    assert life.ports.broker.held(AAA) == 0
