"""One step at the broker: look up, act, record; and what the tables then say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.memory import MemoryTables
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import canonical_json, digest
from shared.core.lots import Lot
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.order_steps import Command, Step, next_step
from shared.core.orders import OrderClass, OrderType, TimeInForce
from shared.core.values import Side, plain, tidy
from shared.ports import Row
from shared.stages.base.ledger import load_ledger
from shared.stages.order.step import carry_out
from tests.support.broker import DUPLICATE
from tests.support.orders import (
    AAA,
    INTENT,
    NOW,
    ON,
    PLAN,
    Life,
    entry_id,
    exit_id,
    extended_life,
    new_life,
    protect_id,
)
from tests.support.tape import ny

ENTRY = Step(command=Command.SUBMIT_ENTRY, client_order_id=entry_id(), qty=Decimal(100))


class CrashingTables(MemoryTables):
    """Tables that fail once, before a write to one of them."""

    crash_before: str = ""

    def _may_crash(self, table: str) -> None:
        if table == self.crash_before:
            self.crash_before = ""
            raise TransientError(f"crash before {table}")

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        self._may_crash(table)
        return super().insert(table, partition, key, row)

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        self._may_crash(table)
        super().put(table, partition, key, row)

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        self._may_crash(table)
        super().put_many(table, partition, rows)


def journal(life: Life) -> list[dict[str, object]]:
    return [row for _, row in sorted(life.ports.rows("journal", ON).items())]


def chain_breaks(life: Life) -> list[int]:
    """Sequence numbers of journal rows that do not follow from the row before them."""
    codec, last, broken = life.ports.codec, "", []
    for number, row in enumerate(journal(life), start=1):
        after = codec.decode(OrderState, str(row["state"]))
        unhashed = codec.encode(replace(after, chain=last))
        gates = [row["gates"]] if row.get("gates") else []
        made = digest(canonical_json([last, row["command"], row["at"], unhashed, *gates]))
        if row["hash"] != made or after.chain != made or row["seq"] != number:
            broken.append(number)
        last = str(row["hash"])
    return broken


def test_the_entry_is_a_marketable_bracket_under_its_own_id() -> None:
    life = new_life()
    life.step()
    (request,) = life.ports.broker.requests
    assert (request.client_order_id, request.symbol, request.side, request.qty) == (
        entry_id(),
        AAA,
        Side.BUY,
        Decimal(100),
    )
    assert (request.order_type, request.order_class, request.time_in_force) == (
        OrderType.LIMIT,
        OrderClass.BRACKET,
        TimeInForce.DAY,
    )
    assert (request.limit_price, request.stop_price, request.target_price) == (
        Decimal("10.01"),
        PLAN.stop_price,
        PLAN.target_price,
    )


def test_a_repricing_follows_the_ask_within_the_worst_price() -> None:
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    life.ports.market.prices["AAA"] = ("10.01", "10.03")
    life.step()
    assert [r.limit_price for r in life.ports.broker.requests] == [Decimal("10.01"), Decimal("10.03")]


def test_a_crash_after_the_record_gives_the_recorded_answer_and_touches_nothing() -> None:
    life = new_life()
    first, _ = carry_out(life.state, ENTRY, life.ports)
    looked = list(life.ports.broker.looked)
    life.ports.clock.pass_by(timedelta(minutes=3))
    again, told_again = carry_out(life.state, ENTRY, life.ports)
    assert again == first
    assert told_again == []
    assert life.ports.broker.looked == looked
    assert len(life.ports.broker.requests) == len(journal(life)) == 1


@pytest.mark.parametrize("table", ["orders", "journal"])
def test_a_crash_between_effect_and_record_sends_one_order_and_journals_once(table: str) -> None:
    tables = CrashingTables()
    life = new_life(tables=tables)
    tables.crash_before = table
    with pytest.raises(TransientError, match="crash before"):
        carry_out(life.state, ENTRY, life.ports)
    state, _ = carry_out(life.state, ENTRY, life.ports)
    assert state.phase is Phase.WORKING
    assert len(life.ports.broker.requests) == len(journal(life)) == 1
    life.state = state
    assert chain_breaks(life) == []


@pytest.mark.parametrize("table", ["fills", "positions", "orders", "journal"])
def test_fills_are_counted_once_although_more_came_between_a_crash_and_its_repeat(table: str) -> None:
    tables = CrashingTables()
    life = new_life(tables=tables)
    life.step()
    life.ports.broker.fill(entry_id(), 30, "10.00")
    look = next_step(life.state, life.ports.clock.now())
    tables.crash_before = table
    with pytest.raises(TransientError, match="crash before"):
        carry_out(life.state, look, life.ports)
    life.ports.broker.fill(entry_id(), 50, "10.02")
    life.act(look)
    life.look()  # a step that was journalled before the crash stays what it was: the next one sees what came since
    rows = life.ports.rows("fills", ON).values()
    assert sum(int(str(row["qty"])) for row in rows) == life.state.bought == 80
    value = sum(int(str(row["qty"])) * Decimal(str(row["price_usd"])) for row in rows)
    assert value == pytest.approx(Decimal("801.00"), abs=Decimal("0.01"))


def test_a_client_order_id_that_is_used_is_our_own_order_and_looked_up() -> None:
    """The answer was lost, and the look-up that follows is answered from before the order arrived."""
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    life.ports.broker.unseen = 1
    life.step()
    assert (life.state.phase, life.state.failures) == (Phase.WORKING, 0)
    assert len(life.ports.broker.requests) == 1


def test_a_used_id_that_nobody_shows_yet_is_looked_up_again() -> None:
    life = new_life()
    life.ports.broker.refusals["submit"] = BrokerError(422, DUPLICATE, "client_order_id must be unique")
    life.step()
    assert (life.state.outcome, life.state.failures, life.state.entry_attempt) == (None, 1, 0)


def test_a_refused_look_up_tells_nothing_of_the_order() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    life.ports.broker.refusals["order"] = BrokerError(403, 0, "forbidden")
    life.step()
    assert (life.state.outcome, life.state.failures) == (None, 2)
    life.step()
    assert life.state.phase is Phase.WORKING


@pytest.mark.parametrize(
    ("prices", "note"),
    [
        (("0", "10.01"), "SPREAD one-sided 0/10.01"),
        (("10.00", "10.04"), "SLIPPAGE ask 10.04 beyond 10.03"),
        (("9.80", "10.01"), "SPREAD SLIPPAGE"),
    ],
)
def test_the_quote_is_looked_at_again_before_submission(prices: tuple[str, str], note: str) -> None:
    life = new_life()
    life.ports.market.prices["AAA"] = prices
    life.step()
    assert life.state.note == note
    assert life.ports.broker.requests == []


def test_the_gates_are_asked_again_before_submission() -> None:
    life = new_life()
    life.ports.tables.put("controls", "controls", "kill", {"is_on": True, "reason": "by hand"})
    life.ports.market.quote_at = NOW - timedelta(seconds=20)
    life.step()
    assert life.state.note == "KILL_SWITCH STALE_QUOTE"
    assert life.ports.broker.requests == []


@pytest.mark.parametrize("error", [TransientError("time-out"), ContractError("nonsense"), BrokerError(401, 0, "no")])
def test_a_broker_that_does_not_answer_is_an_observation(error: Exception) -> None:
    life = new_life()
    life.ports.broker.outage = error
    life.step()
    assert life.state.failures == 1
    assert life.state.note.startswith(type(error).__name__)


def test_a_symbol_without_a_quote_is_no_error_of_the_orchestration() -> None:
    life = new_life()
    life.ports.market.prices.clear()
    life.step()
    assert life.state.note == "ContractError: no quote of AAA"


def test_an_exit_in_the_regular_session_is_a_market_order() -> None:
    life = new_life().protected()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    request = life.ports.broker.requests[-1]
    assert (request.order_type, request.extended_hours, request.limit_price) == (OrderType.MARKET, False, None)


def test_an_exit_after_hours_is_a_limit_under_the_bid() -> None:
    life = new_life().protected()
    life.ports.clock.at = ny(ON, "16:10")
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    request = life.ports.broker.requests[-1]
    assert (request.order_type, request.extended_hours, request.limit_price) == (
        OrderType.LIMIT,
        True,
        Decimal("9.97"),
    )


def test_an_exit_after_hours_without_a_bid_waits_for_one() -> None:
    life = new_life().protected()
    life.ports.clock.at = ny(ON, "16:10")
    life.ports.market.prices["AAA"] = ("0", "10.01")
    life.ask()
    life.until(lambda state: state.failures > 0)
    assert life.state.note == "ContractError: no bid for AAA"
    life.ports.market.prices["AAA"] = ("9.99", "10.01")
    life.until(lambda state: state.exit_attempt == 1)
    assert life.submitted[-1] == exit_id()


def test_the_pair_that_protects_a_part_carries_stop_and_target() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    request = life.ports.broker.requests[-1]
    assert (request.client_order_id, request.side, request.order_class) == (protect_id(), Side.SELL, OrderClass.OCO)
    assert (request.stop_price, request.target_price) == (PLAN.stop_price, PLAN.target_price)


def test_closing_gives_the_room_back_and_cools_the_symbol() -> None:
    life = new_life()
    life.ask()
    life.to_end()
    stored = life.ports.tables.get("ledger", "account", "current")
    assert stored is not None
    assert stored.value["reservations"] == 0
    assert '"momentum.v1|AAA":"2025-10-15T14:15:00Z"' in str(stored.value["ledger"])


def test_the_journal_of_a_whole_life_is_one_unbroken_chain() -> None:
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    life.look()
    life.to_end()
    assert [row["command"] for row in journal(life)] == life.commands
    assert chain_breaks(life) == []
    assert journal(life)[-1]["phase"] == "CLOSED"


@pytest.mark.parametrize(
    "change", [{"command": "look"}, {"at": "2025-10-15T14:00:01Z"}, {"hash": "0" * 64}, {"state": None}]
)
def test_a_changed_row_shows(change: dict[str, object]) -> None:
    life = new_life().protected()
    key, row = sorted(life.ports.rows("journal", ON).items())[0]
    changed = {**row, **change}
    if changed["state"] is None:
        changed["state"] = str(row["state"]).replace('"entry_attempt":0', '"entry_attempt":1')
    life.ports.tables.put("journal", str(ON), key, changed)  # type: ignore[arg-type]
    assert 1 in chain_breaks(life)


def test_a_missing_row_shows() -> None:
    life = new_life().protected()
    rows = life.ports.rows("journal", ON)
    life.ports.tables = MemoryTables()
    for key in sorted(rows)[1:]:
        life.ports.tables.put("journal", str(ON), key, rows[key])  # type: ignore[arg-type]
    assert chain_breaks(life)


def test_the_tables_tell_the_orders_story() -> None:
    life = new_life().protected(price="10.02")
    life.ports.broker.fill(entry_id(), leg="stop", price="9.79")
    life.look()
    life.to_end()
    (order,) = life.ports.rows("orders", ON).values()
    assert (order["phase"], order["exit_reason"], order["bought_qty"], order["sold_qty"]) == (
        "CLOSED",
        "STOP",
        "100",
        "100",
    )
    assert (order["entry_usd"], Decimal(str(order["realised_usd"]))) == ("10.02", Decimal(-23))
    fills = {str(row["role"]): row for row in life.ports.rows("fills", ON).values()}
    assert fills.keys() == {"entry", "stop"}
    assert (fills["entry"]["side"], fills["entry"]["session"], fills["entry"]["slippage_bp"]) == ("buy", "REG-AM", 20.0)
    assert fills["stop"]["slippage_bp"] == pytest.approx(10.204)
    (position,) = life.ports.rows("positions", ON).values()
    assert (position["qty"], position["exit_reason"]) == ("0", "STOP")


def test_an_exit_of_our_own_has_no_reference_to_slip_from() -> None:
    life = new_life().protected()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id(), price="9.90")
    life.to_end()
    (row,) = [row for row in life.ports.rows("fills", ON).values() if row["role"] == "exit"]
    assert "slippage_bp" not in row


def test_growing_fills_are_rows_of_their_own_at_their_own_price() -> None:
    life = new_life()
    life.step()
    for shares, price in ((30, "10.00"), (70, "10.01")):
        life.ports.broker.fill(entry_id(), shares, price)
        life.step()
    rows = [row for _, row in sorted(life.ports.rows("fills", ON).items())]
    assert {(row["qty"], Decimal(str(row["price_usd"]))) for row in rows} == {
        ("30", Decimal("10.00")),
        ("70", Decimal("10.01")),
    }


@given(parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_the_fills_of_a_coin_add_up_to_what_was_bought_digit_by_digit(parts: list[int]) -> None:
    step = Decimal("0.000000001")
    life = extended_life(qty=tidy(sum(parts) * step), lot=Lot(qty_step=step))
    life.step()
    for part in parts:
        life.ports.broker.fill(entry_id(), part * step)
        life.step()
    rows = life.ports.rows("fills", ON).values()
    assert sum(Decimal(str(row["qty"])) for row in rows) == life.state.bought == life.state.plan.qty
    (position,) = life.ports.rows("positions", ON).values()
    assert position["qty"] == plain(life.state.plan.qty)
    assert not any(mark in str(row["qty"]) for row in rows for mark in "eE")
    text = life.ports.codec.encode(life.state)
    assert life.ports.codec.decode(OrderState, text) == life.state


def test_the_owner_hears_of_the_opening_and_the_end_and_nothing_between() -> None:
    life, told = new_life(), []
    steps = 0
    while not life.state.phase.is_over:
        step = next_step(life.state, life.ports.clock.now())
        if step.not_before is not None and steps != 2:
            life.ports.clock.at = max(life.ports.clock.at, step.not_before)
        life.state, notices = carry_out(life.state, step, life.ports)
        told += notices
        steps += 1
        if steps == 1:
            life.ports.broker.fill(entry_id(), price="10.01")
        elif steps == 2:
            life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    assert [notice.kind for notice in told] == ["position-opened", "position-closed"]
    assert told[0].title == "Bought 100 AAA at 10.0100"
    assert told[1].title == "Sold 100 AAA: +39.00 USD"
    assert all(f"By momentum.v1. Intent {INTENT}, decision decision-1." in notice.body for notice in told)


def test_the_owner_hears_why_an_order_ended_without_a_fill() -> None:
    life = new_life()
    life.state = replace(life.state, outcome=Phase.CANCELED, exit_reason=ExitReason.FLATTEN)
    _, told = carry_out(life.state, next_step(life.state, NOW), life.ports)
    assert [(notice.kind, notice.title) for notice in told] == [("order-ended", "AAA: CANCELED")]


@pytest.mark.parametrize(
    ("attempt", "late_s", "is_sent"), [(0, -1, True), (0, 0, False), (1, 59, True), (1, 60, False), (3, 180, False)]
)
def test_an_entry_and_each_new_price_of_it_have_their_time(attempt: int, late_s: int, is_sent: bool) -> None:
    """Stop and target are those of the first price: after an outage they are no longer right."""
    life = new_life()
    life.state = replace(life.state, entry_attempt=attempt, phase=Phase.SUBMITTING)
    life.ports.clock.at = PLAN.expires_at + timedelta(seconds=late_s)
    life.ports.market.quote_at = life.ports.clock.now()
    life.look()
    assert len(life.submitted) == is_sent
    assert is_sent or life.state.note == "EXPIRED"


def breakers(life: Life) -> tuple[int, int]:
    stored = load_ledger(life.ports)
    assert stored is not None
    return stored.value.broker.failures, stored.value.market.failures


def test_steps_that_the_broker_does_not_answer_count_against_its_breaker_until_it_opens() -> None:
    life = new_life()
    life.ports.broker.outage = TransientError("down")
    for failures in (1, 2, 3):
        life.step()
        assert breakers(life) == (failures, 0)
    stored = load_ledger(life.ports)
    assert stored is not None
    assert stored.value.broker.is_open(life.ports.clock.now())
    life.ports.broker.outage = None
    life.look()
    assert life.state.note == "BROKER_HEALTH"
    assert life.submitted == []


def test_a_refusal_by_the_broker_is_an_answer_and_counts_against_nothing() -> None:
    life = new_life()
    life.ports.broker.refusals["submit"] = BrokerError(403, 0, "forbidden")
    life.step()
    assert breakers(life) == (0, 0)


def test_a_broker_that_does_not_tell_the_equity_at_the_end_counts_against_its_breaker_and_keeps_no_room() -> None:
    life = new_life()
    life.state = replace(life.state, outcome=Phase.CANCELED, orders={})
    life.ports.broker.down.append("account")
    life.to_end()
    assert breakers(life) == (1, 0)
    stored = load_ledger(life.ports)
    assert stored is not None
    assert stored.value.reservations == ()
