"""Group 5: what others do to our orders, positions, tables and hosts."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from shared.adapters.memory import MemoryTables
from shared.bootstrap import JsonCodec
from shared.contracts.messages import Notice
from shared.contracts.records import Table
from shared.core.errors import BrokerError
from shared.core.ledger import Ledger, names
from shared.core.lots import Lot
from shared.core.order_exit import exit_request
from shared.core.order_states import ABSENCES_BELIEVED, CONFIRM_MISSING, ExitReason, OrderState, Phase
from shared.core.order_steps import LOOK_AGAIN, REFUSALS_TOLD, Command, StepCall, next_step
from shared.core.orders import OrderStatus
from shared.core.portfolio import Position
from shared.core.values import Side, Symbol
from shared.lifecycle import run_order
from shared.stages.account.reconcile import recorded_order
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import LEDGER_LOST, load_ledger
from shared.stages.entry.gate import gate
from shared.stages.order.step import carry_out
from tests.support.histories import HISTORIES, SCENES
from tests.support.orders import AAA, INTENT, ON, PLAN, Life, entry_id, exit_id, new_life, protect_id
from tests.unit.stages.entry.test_gate import signal
from tests.unit.test_lifecycle import Context

RECORDED = sorted(path.stem for path in HISTORIES.glob("*.json"))


def ledger(life: Life) -> Ledger:
    stored = load_ledger(life.ports)
    assert stored is not None
    return stored.value


def kinds(life: Life) -> list[str]:
    return [str(row["kind"]) for row in life.ports.rows("incidents", ON).values()]


def forget(life: Life, *client_order_ids: str) -> None:
    """Neither by its id nor in its list does the broker know these orders any more."""
    life.ports.broker.forgotten |= set(client_order_ids)
    life.ports.broker.unlisted |= set(client_order_ids)


def lose(life: Life, table: str) -> None:
    """Every row of a table is gone."""
    left = MemoryTables()
    days = ("account", "controls", str(ON))
    for name, partition in product(sorted({*Table} - {table}), days):
        left.put_many(name, partition, dict(life.ports.tables.query(name, partition)))
    life.ports.tables = left


def test_a_position_closed_by_hand_is_written_off_after_a_second_look() -> None:
    life = new_life().protected()
    life.ports.broker.cancel("o1-target")
    life.ports.broker.sold_elsewhere[AAA] = 100
    first = life.ports.clock.now()
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.written_off) == (Phase.CLOSED, ExitReason.OUTSIDE, Decimal(100))
    assert [row["qty"] for row in life.ports.rows("positions", ON).values()] == ["0"]
    assert life.ports.clock.now() - first >= CONFIRM_MISSING
    assert life.ports.broker.oversells == 0


def hidden(life: Life, *, is_worthless: bool = False) -> Life:
    """The broker shows no position any more; where `is_worthless`, its account counts none either."""
    life.ports.broker.shows_nothing = True
    life.ports.broker.counts_nothing = is_worthless
    return life


def left_by_sale(life: Life) -> OrderState:
    """Step to the end in a market that takes the exit."""
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    return life.to_end()


@pytest.mark.parametrize("qty", ["100", "0.25"])
def test_an_empty_list_of_positions_is_not_believed_while_the_account_counts_the_shares(qty: str) -> None:
    life = hidden(new_life(qty=Decimal(qty), lot=Lot(qty_step=Decimal("0.01"))).protected())
    life.ask(ExitReason.KILL)
    state = left_by_sale(life)
    assert (state.exit_reason, state.sold, state.written_off) == (ExitReason.KILL, Decimal(qty), Decimal(0))


def test_an_empty_list_that_comes_between_the_cancel_and_the_sale_writes_nothing_off() -> None:
    life = new_life().protected()
    life.ask()
    life.until(lambda state: not state.live_sells)
    state = left_by_sale(hidden(life))
    assert (state.exit_reason, state.sold, state.written_off) == (ExitReason.FLATTEN, Decimal(100), Decimal(0))


def test_what_was_bought_is_guarded_while_the_list_of_positions_is_empty() -> None:
    life = hidden(new_life())
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    assert life.submitted == [entry_id(), protect_id()]


def test_what_a_person_has_sold_is_believed_by_that_order_where_the_accounts_worth_says_nothing() -> None:
    """An option beside it is worth more than the shares: the account cannot tell whether they are there."""
    life = new_life().protected()
    life.ask()
    life.until(lambda state: not state.live_sells)
    life.ports.broker.unlisted_usd = Decimal(5000)
    theirs = life.ports.broker.rest(Side.SELL, 100, "9.99")
    life.ports.broker.fill("by-hand")
    assert life.ports.broker.book[theirs].filled_qty == 100
    state = life.to_end()
    assert (state.exit_reason, state.written_off) == (ExitReason.OUTSIDE, Decimal(100))


def test_of_what_a_person_has_sold_a_part_the_rest_is_sold_while_the_list_of_positions_is_empty() -> None:
    """Less than half is left, so that the account's worth would pass for nothing; found missing once and again."""
    life = new_life().protected()
    life.ports.broker.rest(Side.SELL, 70, "9.99")
    life.ports.broker.fill("by-hand")
    life.ports.broker.refuses = lambda request: "rule" if request.client_order_id == exit_id() else ""
    life.ask()
    hidden(life)
    life.until(lambda state: state.written_off == 70)
    life.until(lambda state: state.exit_attempt == 2)
    sale = life.ports.broker.requests[-1]
    assert (sale.side, sale.qty) == (Side.SELL, Decimal(30))
    life.ports.broker.fill(sale.client_order_id)
    state = life.to_end()
    assert (state.sold, state.written_off, life.ports.broker.oversells) == (Decimal(30), Decimal(70), 0)


@pytest.mark.parametrize("is_guarded_again", [False, True])
def test_an_exit_refused_to_this_run_and_taken_from_another_host_is_found_before_anything_is_sold_twice(
    is_guarded_again: bool,
) -> None:
    """The account's worth cannot tell either: a wrong equity, or an option beside."""
    life = new_life().protected()
    life.ask()
    life.until(lambda state: not state.live_sells)
    life.ports.broker.refuses = lambda _: "rule"
    life.until(lambda state: state.refusals == (REFUSALS_TOLD if is_guarded_again else 1))
    life.ports.broker.refuses = lambda _: ""
    last = exit_id(life.state.exit_attempt - 1)
    life.ports.broker.submit(exit_request(PLAN, last, Decimal(100), None, is_regular=True))
    life.ports.broker.fill(last)
    life.ports.broker.unlisted_usd = Decimal(5000)
    state = life.to_end()
    assert life.ports.broker.requests[-1].client_order_id == last
    assert (state.exit_reason, state.sold, state.written_off) == (ExitReason.FLATTEN, Decimal(100), Decimal(0))


@pytest.mark.parametrize("shares", [99, 100])
def test_a_sale_of_a_persons_from_before_ours_were_bought_explains_nothing(shares: int) -> None:
    life = new_life()
    life.ports.broker.rest(Side.SELL, shares, "9.99")
    life.ports.broker.book["o1"] = replace(
        life.ports.broker.book["o1"],
        filled_qty=Decimal(shares),
        status=OrderStatus.FILLED,
        filled_at=life.ports.clock.now(),
    )
    life.ports.broker.sold_elsewhere[AAA] = -shares
    life.ports.clock.pass_by(timedelta(seconds=1))
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    life.ask()
    assert left_by_sale(hidden(life)).written_off == 0


def test_a_position_that_is_there_after_all_when_its_order_was_closed_as_gone_is_unexplained() -> None:
    life = hidden(new_life().protected(), is_worthless=True)
    life.ports.broker.cancel("o1-target")
    state = life.to_end()
    assert (state.exit_reason, state.written_off) == (ExitReason.OUTSIDE, Decimal(100))
    life.ports.broker.shows_nothing = life.ports.broker.counts_nothing = False
    supervise(life.ports)
    supervise(life.ports)
    assert names(ledger(life).unexplained) == "position in AAA"
    assert "unexplained" in kinds(life)


def test_an_unknown_position_halts_entries_when_seen_twice_and_is_a_persons_to_explain() -> None:
    life = new_life()
    stranger = Position(symbol=Symbol("ZZZ"), qty=Decimal(5), average_price=Decimal(9), market_price=Decimal(9))
    life.ports.broker.unexplained.append(stranger)
    supervise(life.ports)
    assert ledger(life).unexplained == ()
    supervise(life.ports)
    assert names(ledger(life).unexplained) == "position in ZZZ"
    assert kinds(life) == ["unexplained"]
    assert gate(signal("AAA", slot="1001"), life.ports) == []
    life.step()
    assert life.state.note == "BROKER_HEALTH", "an order that was approved before is not sent either"


def test_an_unknown_open_order_halts_entries_when_seen_twice() -> None:
    life = new_life().protected()
    strange = replace(life.ports.broker.book["o1"], order_id="x", client_order_id="by hand", symbol=Symbol("ZZZ"))
    life.ports.broker.book["x"] = replace(
        strange, status=OrderStatus.NEW, filled_qty=Decimal(0), filled_average_price=None
    )
    supervise(life.ports)
    supervise(life.ports)
    assert names(ledger(life).unexplained) == "open order in ZZZ"


def test_a_split_overnight_finds_nothing_to_change() -> None:
    """Orders are for the day and the flatten ends every position before the close: nothing is held overnight."""
    life = new_life().protected()
    assert all(request.time_in_force.value == "day" for request in life.ports.broker.requests)
    life.ports.clock.at = life.state.plan.exit_by.replace(hour=19, minute=51)
    assert {wake.event for wake in supervise(life.ports).wakes} == {"FLATTEN"}


def test_a_split_of_what_is_held_shows_as_missing_shares_and_never_oversells() -> None:
    """A reverse split in the session: a tenth of the shares is left, and that is all that is sold."""
    life = new_life().protected()
    life.ports.broker.sold_elsewhere[AAA] = 90
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    state = life.to_end()
    assert (state.sold, state.written_off) == (Decimal(10), Decimal(90))
    assert life.ports.broker.oversells == 0


def test_an_order_that_a_look_up_forgets_is_found_in_the_list() -> None:
    life = new_life()
    life.step()
    life.ports.broker.forgotten.add(entry_id())
    life.ports.broker.fill(entry_id())
    life.step()
    assert (life.state.phase, life.state.absences) == (Phase.PROTECTED, 0)


def test_a_working_entry_that_the_broker_forgets_is_gone_after_three_looks_and_the_order_goes_on() -> None:
    life = new_life()
    life.step()
    forget(life, entry_id())
    for expected in range(1, ABSENCES_BELIEVED):
        life.step()
        assert (life.state.phase, life.state.absences) == (Phase.WORKING, expected)
    life.step()
    assert (life.state.phase, life.state.entry_attempt) == (Phase.SUBMITTING, 1)
    assert kinds(life) == ["order-lost"]
    (row,) = life.ports.rows("incidents", ON).values()
    assert str(row["body"]).startswith("Taken for cancelled: o1.")
    life.step()
    assert life.submitted == [entry_id(), entry_id(1)]


def test_an_order_that_is_shown_again_in_time_is_as_if_it_had_never_been_gone() -> None:
    life = new_life()
    life.step()
    forget(life, entry_id())
    life.step()
    life.step()
    life.ports.broker.forgotten.clear()
    life.step()
    assert (life.state.phase, life.state.absences) == (Phase.WORKING, 0)
    assert kinds(life) == []


def test_a_forgotten_entry_whose_shares_are_in_the_account_is_kept_and_told() -> None:
    """It has filled, whatever the broker says: giving it up would leave the shares to nobody."""
    life = new_life(patience_s=3600)
    life.step()
    forget(life, entry_id())
    life.ports.broker.fill(entry_id())
    for _ in range(2 * ABSENCES_BELIEVED):
        life.step()
    assert life.state.live_entry is not None
    assert kinds(life) == ["order-lost"]
    (row,) = life.ports.rows("incidents", ON).values()
    assert str(row["body"]).startswith("It may have bought what is held; looking on.")
    life.ports.broker.forgotten.clear()
    life.step()
    assert (life.state.phase, life.state.held) == (Phase.PROTECTED, Decimal(100))


def test_forgotten_guards_are_gone_when_the_shares_are_still_there_and_the_position_is_closed() -> None:
    life = new_life().protected()
    life.ports.clock.pass_by(timedelta(minutes=1))
    for name in ("o1", "o1-target", "o1-stop"):
        forget(life, life.ports.broker.book[name].client_order_id)
    life.look()
    life.until(lambda state: state.phase is Phase.EXITING)
    for name in ("o1-target", "o1-stop"):
        life.ports.broker.end(name, OrderStatus.CANCELED)
    life.until(lambda state: state.exit_attempt >= 1)
    life.ports.broker.fill(life.submitted[-1])
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.UNPROTECTED, Decimal(100))
    assert life.ports.broker.held(AAA) == 0


def test_a_forgotten_exit_that_has_sold_is_written_off() -> None:
    life = new_life().protected()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    forget(life, exit_id())
    life.ports.broker.fill(exit_id())
    state = life.to_end()
    assert (state.phase, state.held, state.written_off) == (Phase.CLOSED, Decimal(0), Decimal(100))
    assert [r.client_order_id for r in life.ports.broker.requests] == [entry_id(), exit_id()]
    assert kinds(life) == ["order-lost"]


def test_a_cancel_of_an_order_that_the_broker_does_not_know_is_a_look() -> None:
    life = new_life(max_reprices=0)
    life.step()
    life.ports.broker.refusals["cancel"] = BrokerError(404, 40410000, "order not found")
    life.until(lambda state: state.cancels == 1)
    assert life.state.phase is Phase.WORKING
    assert life.to_end().phase is Phase.CANCELED


def test_a_lost_order_row_is_written_again_by_the_next_step() -> None:
    life = new_life()
    life.step()
    lose(life, "orders")
    assert life.ports.rows("orders", ON) == {}
    life.ports.broker.fill(entry_id())
    life.step()
    (row,) = life.ports.rows("orders", ON).values()
    assert (row["phase"], row["seq"]) == ("PROTECTED", 2)


def test_an_order_that_should_act_and_has_no_row_is_told_to_a_person_once() -> None:
    """With its lifecycle gone too nothing is left that could sell: only a person can."""
    life = new_life().protected()
    lose(life, "orders")
    assert kinds(life) == []
    life.ports.clock.pass_by(PLAN.exit_by - life.ports.clock.now() + timedelta(minutes=3))
    supervise(life.ports)
    told = [each.kind for each in supervise(life.ports).messages if isinstance(each, Notice)]
    assert kinds(life) == ["unrecorded"]
    assert told == []
    (row,) = life.ports.rows("incidents", ON).values()
    assert f"Intent {INTENT}" in str(row["body"])


def test_an_order_that_should_act_and_has_its_row_is_only_woken() -> None:
    life = new_life().protected()
    life.ports.clock.pass_by(PLAN.exit_by - life.ports.clock.now() + timedelta(minutes=3))
    assert [wake.event for wake in supervise(life.ports).wakes] == [LOOK_AGAIN]
    assert kinds(life) == []


def test_a_lost_journal_row_repeats_the_step_and_sends_nothing_twice() -> None:
    life = new_life()
    before = life.state
    life.step()
    lose(life, "journal")
    again, _ = carry_out(before, next_step(before, life.ports.clock.now()), life.ports)
    assert again.phase is Phase.WORKING
    assert life.submitted == [entry_id()]
    assert len(life.ports.rows("journal", ON)) == 1


def test_a_lost_ledger_is_rebuilt_from_the_open_orders_and_halts_entries() -> None:
    life = new_life().protected()
    lose(life, "ledger")
    supervise(life.ports)
    rebuilt = ledger(life)
    assert rebuilt.unexplained == (LEDGER_LOST,)
    (reservation,) = rebuilt.reservations
    assert (reservation.intent_id, reservation.symbol, reservation.qty) == (INTENT, AAA, Decimal(100))
    assert (reservation.notional, reservation.risk) == (Decimal(1003), Decimal(23))
    assert (reservation.exit_by, reservation.reserved_at) == (PLAN.exit_by, life.ports.clock.now())


def test_the_gate_finds_a_lost_ledger_too_and_refuses() -> None:
    life = new_life().protected()
    lose(life, "ledger")
    assert gate(signal(slot="1001"), life.ports) == []
    (row,) = life.ports.rows("decisions", ON).values()
    assert {"BROKER_HEALTH", "DUPLICATE"} <= set(str(row["refused_by"]).split())


def test_a_first_ledger_after_orders_that_are_over_is_an_empty_one() -> None:
    life = new_life()
    life.ask()
    life.to_end()
    lose(life, "ledger")
    supervise(life.ports)
    assert (ledger(life).reservations, ledger(life).unexplained) == ((), ())


def test_two_hosts_that_carry_out_the_same_step_send_one_order_and_journal_one_row() -> None:
    life = new_life()
    step = next_step(life.state, life.ports.clock.now())
    first, _ = carry_out(life.state, step, life.ports)
    second, told = carry_out(life.state, step, life.ports)
    assert first == second
    assert told == []
    assert life.submitted == [entry_id()]
    assert len(life.ports.rows("journal", ON)) == 1


def test_a_lifecycle_that_is_gone_goes_on_from_its_last_record() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.step()
    recorded = recorded_order(life.ports, ON, AAA, INTENT)
    assert recorded == life.state
    again = Life(life.ports, recorded)
    again.until(lambda state: state.phase is Phase.PROTECTED)
    assert again.submitted == [entry_id(), protect_id()]


# -- a new version of the code, with orders under way ------------------------------------------------------------------


def history(name: str) -> dict[str, Any]:
    return JsonCodec().decode(dict[str, Any], (HISTORIES / f"{name}.json").read_text())


def replayed(recorded: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]], str | None]:
    """Give the orchestrator what came; return what it was recorded to ask for, what it asks for now, and its result."""
    codec = JsonCodec()
    context = Context(given=recorded["input"], now=datetime.fromisoformat(recorded["started_at"]))
    generator: Generator[Any, Any, str] = run_order(context, codec)
    asked: list[tuple[str, Any]] = []
    waiting, result = next(generator), None
    for entry in recorded["history"][1:]:
        asked.append(_spelled(waiting, codec))
        came = entry["came"]
        if "answer" in came:
            value: Any = came["answer"]
        else:
            at = datetime.fromisoformat(came.get("timer_fired_at") or came["at"])
            context.now = at
            _, (timer, event) = waiting
            value = timer if "timer_fired_at" in came else event
            value.is_completed, value.result = True, came.get("event")
        try:
            waiting = generator.send(value)
        except StopIteration as stop:
            result = stop.value
    wanted = [_wanted(entry["asked"], codec) for entry in recorded["history"] if entry["asked"] is not None]
    return wanted, asked, result


def _spelled(waiting: Any, codec: JsonCodec) -> tuple[str, Any]:
    if waiting[0] == "activity":
        return "activity", codec.decode(StepCall, waiting[1]).step
    return "timer", waiting[1][0].fire_at


def _commands(recorded: Mapping[str, Any]) -> set[Command]:
    asked = (_wanted(entry["asked"], JsonCodec()) for entry in recorded["history"] if entry["asked"] is not None)
    return {step.command for kind, step in asked if kind == "activity"}


def _wanted(asked: dict[str, str], codec: JsonCodec) -> tuple[str, Any]:
    if "activity" in asked:
        return "activity", codec.decode(StepCall, asked["activity"]).step
    return "timer", datetime.fromisoformat(asked["timer"])


@pytest.mark.parametrize("name", RECORDED)
def test_histories_recorded_by_older_code_replay_step_by_step(name: str) -> None:
    """Old states lack the fields that came since; what was decided on them is decided again."""
    recorded = history(name)
    wanted, asked, result = replayed(recorded)
    assert asked == wanted
    assert result is not None
    assert JsonCodec().decode(OrderState, result) == JsonCodec().decode(OrderState, recorded["result"])


def test_histories_of_every_kind_of_life_are_kept() -> None:
    """Of the regular session, written by code that knew no other; over the open, and an evening, by code since."""
    assert {"target", "kill", "repriced", "carried", "evening"} <= set(RECORDED)
    assert {command for name in RECORDED for command in _commands(history(name))} == set(Command)


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_recorded_now_replays_too(scene: str) -> None:
    wanted, asked, result = replayed(SCENES[scene]().file())
    assert asked == wanted
    assert result is not None


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_cut_off_anywhere_goes_on_from_the_state_it_had(name: str) -> None:
    """What supervise starts anew where a replay fails after all: any state that older code recorded."""
    codec = JsonCodec()
    answers = [entry["came"]["answer"] for entry in history(name)["history"][1:] if "answer" in entry["came"]]
    for answer in answers:
        state = codec.decode(OrderState, answer)
        if not state.phase.is_over:
            assert next_step(state, PLAN.expires_at).command is not None


def test_supervise_wakes_a_lifecycle_that_missed_a_change() -> None:
    life = new_life().protected()
    life.ports.broker.cancel("o1-target")
    life.ports.clock.pass_by(timedelta(minutes=1))
    (wake,) = supervise(life.ports).wakes
    assert (wake.intent_id, wake.event) == (INTENT, LOOK_AGAIN)


def test_nothing_of_ours_is_sold_that_a_person_holds_besides() -> None:
    """A person's own 50 shares of the symbol stay: only what the order bought is sold."""
    life = new_life().protected()
    life.ports.broker.sold_elsewhere[AAA] = -50
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert life.to_end().sold == 100
    assert life.ports.broker.held(AAA) == 50
    assert life.ports.broker.live(Side.SELL) == []
