"""The gates once more: before every submission, and all of them, size included, after a person's answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from shared.contracts.model_card import SIGNAL_MODEL
from shared.core.approvals import Answer, Answered
from shared.core.ledger import Ledger, Unexplained, cooling_key, reserve, without
from shared.core.lots import Lot
from shared.core.market import Bars, Timeframe
from shared.core.order_states import Phase
from shared.core.risk import BEFORE_SUBMIT, GATES, Gate
from shared.core.settings import FIRST_STRATEGY
from shared.core.sizing import Basis
from shared.core.unread import Unread
from shared.core.values import Symbol
from shared.stages.base.ledger import update_ledger
from tests.support.orders import (
    AAA,
    INTENT,
    NOW,
    ON,
    PLAN,
    Life,
    entry_id,
    extended_life,
    new_life,
    planned_life,
    reservation,
)

BASIS = Basis(p_win=0.875, daily_volatility=0.02, adv_shares=1_000_000)
WAIT = timedelta(minutes=5)


def closes(life: Life, close: float, *, age: timedelta = timedelta(minutes=5)) -> None:
    """One closed 5-minute bar whose end is so old."""
    start = int((life.ports.clock.now() - age).timestamp()) - Timeframe.MIN_5.seconds
    price = np.array([close])
    life.ports.market.history[Symbol("AAA"), Timeframe.MIN_5] = Bars(
        start_s=np.array([start]), open=price, high=price, low=price, close=price, volume=np.array([1e4])
    )


def approved(life: Life | None = None, **plan: object) -> Life:
    """A large order that a person has approved four minutes after it was decided."""
    asked = {"approve_by": NOW + WAIT, "expires_at": NOW + WAIT + timedelta(minutes=4), "basis": BASIS}
    life = life or planned_life(replace(PLAN, **{**asked, **plan}))  # type: ignore[arg-type]
    given = Answered(answer=Answer.APPROVE, by="me", reason="as planned", at=life.ports.clock.now())
    life.state = replace(life.state, answered=given)
    life.ports.clock.pass_by(timedelta(minutes=4))
    closes(life, 10.00)
    return life


def change_ledger(life: Life, change: Callable[[Ledger], Ledger]) -> None:
    update_ledger(life.ports, ON, life.ports.broker.account(), change)


def gates_of(life: Life) -> dict[str, dict[str, object]]:
    """Verdicts in the journal's last row."""
    row = sorted(life.ports.rows("journal", ON).items())[-1][1]
    return {verdict["gate"]: verdict for verdict in json.loads(str(row["gates"]))}


def test_after_approval_every_gate_runs_again_and_the_journal_keeps_what_they_said() -> None:
    life = approved()
    life.step()
    assert life.state.phase is Phase.WORKING
    assert list(gates_of(life)) == list(GATES)
    assert all(verdict["passed"] for verdict in gates_of(life).values())


def test_an_entry_that_nobody_was_asked_about_meets_the_usual_gates_again() -> None:
    life = new_life()
    life.step()
    assert set(gates_of(life)) == BEFORE_SUBMIT


def test_a_later_price_of_an_approved_entry_meets_the_usual_gates() -> None:
    life = approved(patience_s=5)
    life.until(lambda state: state.entry_attempt == 1 and state.phase is Phase.WORKING)
    assert set(gates_of(life)) == BEFORE_SUBMIT


def break_models(life: Life) -> None:
    life.ports.models.break_down(SIGNAL_MODEL, "expired while the person thought")


def lose_buying_power(life: Life) -> None:
    life.ports.broker.buying_power = Decimal(5)


def cool_down(life: Life) -> None:
    until = life.ports.clock.now() + timedelta(seconds=1)
    change_ledger(life, lambda ledger: replace(ledger, cooling_until={cooling_key(FIRST_STRATEGY, AAA): until}))


@pytest.mark.parametrize(
    ("change", "gates"),
    [
        (break_models, "MODEL_HEALTH"),
        (lose_buying_power, "SIZE"),
        (cool_down, "COOLDOWN"),
        (lambda life: closes(life, 9.50), "DATA_QUALITY"),
        (lambda life: life.ports.market.history.clear(), "DATA_QUALITY"),
        (lambda life: closes(life, 10.0, age=timedelta(minutes=16)), "DATA_QUALITY"),
    ],
)
def test_what_has_changed_while_a_person_thought_refuses_the_order(
    change: Callable[[Life], object], gates: str
) -> None:
    life = approved()
    change(life)
    life.step()
    assert (life.state.outcome, life.state.note) == (Phase.DENIED, gates)
    assert life.submitted == []
    assert [gate for gate, verdict in gates_of(life).items() if not verdict["passed"]] == [gates]


def test_data_without_a_fresh_bar_says_so() -> None:
    life = approved()
    life.ports.market.history.clear()
    life.step()
    assert gates_of(life)[Gate.DATA_QUALITY]["found"] == "no fresh bar"


def test_a_bar_as_old_as_it_may_be_is_fresh() -> None:
    life = approved()
    closes(life, 10.0, age=timedelta(seconds=life.ports.settings.risk.bar_age_max_s))
    life.step()
    assert life.state.phase is Phase.WORKING


def test_liquidity_is_held_against_the_volume_that_was_scored() -> None:
    life = approved(qty=Decimal(50), basis=replace(BASIS, adv_shares=4_000))
    life.step()
    assert (gates_of(life)["LIQUIDITY"]["found"], gates_of(life)["LIQUIDITY"]["limit"]) == ("40", "<= 40")


def test_a_size_that_has_shrunk_lies_on_the_step_of_its_lot() -> None:
    lot = Lot(qty_step=Decimal("0.001"), qty_min=Decimal("64.806"), notional_min=Decimal(500))
    life = approved(lot=lot)
    life.ports.broker.buying_power = Decimal(650)
    life.step()
    assert gates_of(life)["SIZE"]["found"] == "64.805 (buying_power)"
    assert (gates_of(life)["MIN_QTY"]["found"], gates_of(life)["MIN_QTY"]["limit"]) == ("64.805", ">= 64.806")
    assert (life.state.outcome, life.state.note, life.submitted) == (Phase.DENIED, "MIN_QTY", [])


def test_a_size_that_has_shrunk_is_sent_smaller_and_kept_for_every_later_price() -> None:
    life = approved(patience_s=5)
    life.ports.broker.buying_power = Decimal(650)
    life.step()
    assert life.ports.broker.requests[0].qty == 64, "650 USD at no more than 10.03 each"
    assert gates_of(life)["SIZE"]["found"] == "64 (buying_power)"
    assert life.state.wanted == life.state.sized == 64
    life.ports.broker.buying_power = Decimal(100_000)
    life.until(lambda state: state.entry_attempt == 1 and state.phase is Phase.WORKING)
    assert life.ports.broker.requests[1].qty == 64
    assert life.state.plan.qty == 100


def test_a_size_never_grows() -> None:
    life = approved(qty=Decimal(7))
    life.step()
    assert life.ports.broker.requests[0].qty == 7
    assert life.state.sized is None


def test_its_own_room_is_not_counted_against_an_approved_order() -> None:
    life = approved(qty=Decimal(900))
    life.step()
    assert gates_of(life)["DUPLICATE"]["passed"]
    assert gates_of(life)["MAX_POSITIONS"]["found"] == "1"


def test_an_entry_whose_room_is_gone_from_the_ledger_is_not_sent() -> None:
    life = new_life()
    change_ledger(life, lambda ledger: without(ledger, INTENT))
    assert life.to_end().phase is Phase.DENIED
    assert life.submitted == []
    notes = [row.get("note") for row in life.ports.rows("journal", ON).values()]
    assert "UNRESERVED" in notes


def test_a_gate_that_refuses_is_named_before_the_missing_room() -> None:
    life = new_life()
    change_ledger(life, lambda ledger: replace(without(ledger, INTENT), unexplained=(Unexplained(subject="7 ZZZ"),)))
    life.step()
    assert life.state.note == "BROKER_HEALTH"


def test_another_orders_room_is_not_its_own() -> None:
    life = new_life()
    change_ledger(life, lambda ledger: reserve(without(ledger, INTENT), reservation("other", "BBB", "100")))
    life.step()
    assert life.state.note == "UNRESERVED"


def test_the_extended_limits_hold_outside_the_regular_session() -> None:
    life = extended_life()
    life.ports.market.prices["AAA"] = ("9.95", "10.03")  # 80 bp of their mid
    life.step()
    assert life.state.outcome is Phase.DENIED
    assert "SPREAD" in life.state.note
    assert gates_of(life)["SPREAD"]["limit"] == "<= 75"


def test_an_approved_order_before_the_open_is_held_to_its_small_share_of_the_volume() -> None:
    life = extended_life(
        approve_by=PLAN.expires_at, basis=replace(BASIS, adv_shares=50_000), expires_at=PLAN.expires_at
    )
    life = approved(life)
    life.step()
    assert gates_of(life)["LIQUIDITY"]["limit"] == "<= 50"
    assert life.ports.broker.requests[0].qty == 50
    assert life.ports.broker.requests[0].client_order_id == entry_id()


def test_a_bar_that_cannot_be_read_is_no_fresh_close_and_refuses() -> None:
    life = approved()
    life.ports.market.unread = [Unread(what="bars", name="AAA", fault="c is null", raw="{}")]
    life.step()
    verdict = gates_of(life)["DATA_QUALITY"]
    assert (verdict["found"], verdict["passed"]) == ("no fresh bar", False)
