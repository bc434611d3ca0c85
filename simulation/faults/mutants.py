"""Rules broken on purpose: each switch takes one safeguard out of the code under test, and the checkers must notice.

A switch patches what the stages themselves look up, in this process and for one run; nothing of it is in the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from shared import lifecycle, pipeline
from shared.adapters import alpaca_parse
from shared.contracts.messages import OrderIntent
from shared.contracts.records import Table
from shared.core import ledger, order_states, order_steps, risk
from shared.core.approvals import Answer, Answered
from shared.core.errors import ContractError, SettingsError, TransientError
from shared.core.ids import client_order_id
from shared.core.order_states import OrderState, OrderView
from shared.core.order_steps import Command, Observation, Step
from shared.core.orders import BrokerOrder, OrderStatus
from shared.core.risk import Gate
from shared.core.values import ZERO
from shared.ports import Cell, Ports, Row
from shared.stages.account import reconcile
from shared.stages.account import supervise as supervise_stage
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base import facts, incidents
from shared.stages.entry import execute, gate
from shared.stages.operator import approvals, controls
from shared.stages.order import notices as order_notices
from shared.stages.order import recheck
from shared.stages.order import records as order_records
from shared.stages.order import step as order
from simulation.faults.faults import FaultyTables
from simulation.faults.mutants_committee import COMMITTEE_RULES
from simulation.faults.mutants_ledger import LEDGER_RULES
from simulation.faults.mutants_rules import RULES
from simulation.faults.mutants_strategies import STRATEGY_RULES
from simulation.faults.proxy import Proxy

type Patches = Iterator[Any]


def _blind(ports: Ports) -> Any:
    """Ports whose broker finds no order."""
    return Proxy(ports, broker=Proxy(ports.broker, order=lambda _: None))


def _with_command(command: Command, run: Callable[[OrderState, Step, Ports], Observation]) -> Any:
    return patch.dict(order._RUNS, {command: run})


def _no_look_up() -> Patches:
    submit, close = order._RUNS[Command.SUBMIT_ENTRY], order._RUNS[Command.CLOSE]
    yield _with_command(Command.SUBMIT_ENTRY, lambda state, step, ports: submit(state, step, _blind(ports)))
    yield _with_command(Command.CLOSE, lambda state, step, ports: close(state, step, _blind(ports)))


def _no_last_look() -> Patches:
    close = order._RUNS[Command.CLOSE]
    yield _with_command(Command.CLOSE, lambda state, step, ports: close(state, step, _blind(ports)))


def _no_release() -> Patches:
    yield _with_command(Command.CLOSE, lambda state, step, ports: Observation(at=ports.clock.now()))


def _new_ids() -> Patches:
    plan = order_steps.next_step

    def renamed(state: OrderState, now: Any) -> Step:
        step = plan(state, now)
        tries = f"{state.failures}" if step.client_order_id and state.failures else ""
        return replace(step, client_order_id=step.client_order_id + tries)

    yield patch.object(lifecycle, "next_step", renamed)


def _no_etag() -> Patches:
    def replace_blindly(self: FaultyTables, table: str, partition: str, key: str, row: Row, _: str) -> None:

        self.put(table, partition, key, row)

    yield patch.object(FaultyTables, "replace", replace_blindly)


def _no_reservations() -> Patches:
    exposure = risk.Facts.exposure

    def held_only(self: risk.Facts) -> Mapping[Any, Any]:
        return exposure(replace(self, ledger=replace(self.ledger, reservations=())))

    yield patch.object(risk.Facts, "exposure", held_only)


def _exit_for_all_bought() -> Patches:
    yield patch.object(order_states.OrderState, "held", property(lambda self: self.bought))


def _exit_beside_guards() -> Patches:
    def exit_at_once(state: OrderState, now: Any) -> Step:
        exits = [each for each in state.live_sells if each.role is order_states.Role.EXIT]
        if exits:
            return order_steps._look(state, now)
        leg = client_order_id(state.plan.intent_id, "exit", state.exit_attempt)
        return Step(command=Command.SUBMIT_EXIT, client_order_id=leg, qty=state.held)

    yield patch.object(order_steps, "_exit_step", exit_at_once)


def _no_guard() -> Patches:
    yield patch.object(order_steps, "_unguarded_step", order_steps._look)
    yield patch.object(order_steps, "ARM_PATIENCE", order_steps.ARM_PATIENCE * 100)


def _fills_forgotten() -> Patches:
    fills = order_records._fills

    def entries_only(*given: Any) -> Mapping[str, Row]:
        return {key: row for key, row in fills(*given).items() if row["side"] == "buy"}

    yield patch.object(order_records, "_fills", entries_only)


def _fills_first() -> Patches:
    def record(ports: Ports, before: OrderState, step: Step, after: OrderState, *rest: Any) -> bool:
        order_records._write_rows(ports, before, after, rest[0])
        row = order_records.journal_row(ports, step, after, *rest)
        key = order_records._journal_key(after, after.seq)
        return ports.tables.insert(Table.JOURNAL, str(after.on), key, row)

    yield patch.object(order, "record_step", record)


def _own_word() -> Patches:
    record = order_records.record_step

    def recorded(*given: Any) -> bool:
        record(*given)
        return True

    yield patch.object(order, "record_step", recorded)


def _no_chain() -> Patches:
    chained = order_records.chained
    yield patch.object(order, "chained", lambda before, *rest: chained(replace(before, chain=""), *rest))


def _journal_put() -> Patches:
    def put(self: FaultyTables, table: str, partition: str, key: str, row: Mapping[str, Cell]) -> bool:
        if table != Table.JOURNAL:
            return insert(self, table, partition, key, row)
        self.put(table, partition, key, row)
        return True

    insert = FaultyTables.insert
    yield patch.object(FaultyTables, "insert", put)
    yield patch.object(order, "recorded_step", lambda *_: None)


def _kill_unread() -> Patches:
    yield patch.object(facts, "kill_reason", lambda _: "")


def _gate_passes(*gates: Gate) -> Callable[[], Patches]:
    def patches() -> Patches:
        for code in gates:
            rule = risk.GATES[code]
            passes = lambda p, f, limits, rule=rule: replace(rule(p, f, limits), passed=True)  # noqa: E731
            yield patch.dict(risk.GATES, {code: passes})

    return patches


def _no_second_gates() -> Patches:
    yield patch.object(recheck, "BEFORE_SUBMIT", frozenset())


def _no_wakes() -> Patches:
    from simulation.faults import functions  # noqa: PLC0415 - it imports what this module patches

    yield patch.object(functions, "supervise", lambda ports: Supervision(messages=supervise(ports).messages))


def _target_is_enough() -> Patches:
    yield patch.object(reconcile, "_guards", lambda _: True)


def _decided_anew() -> Patches:
    yield patch.object(gate, "_decided", lambda *_: None)


def _cancel_believed() -> Patches:
    final = OrderStatus.is_final.fget  # type: ignore[attr-defined]
    believed = property(lambda self: final(self) or self is OrderStatus.PENDING_CANCEL)
    yield patch.object(OrderStatus, "is_final", believed)


def _latest_view() -> Patches:
    def taken(known: Mapping[str, OrderView], seen: Any) -> dict[str, OrderView]:
        return {**known, **{each.order_id: order_states._view(each) for each in seen if isinstance(each, BrokerOrder)}}

    yield patch.object(order_steps, "merge", taken)


def _hasty() -> Patches:
    from random import random  # noqa: PLC0415 - what no orchestrator may use

    plan = order_steps.next_step

    def jittered(state: OrderState, now: Any) -> Step:
        step = plan(state, now)
        return step if step.not_before is None else replace(step, not_before=step.not_before + (now - now) + _jitter())

    def _jitter() -> Any:
        return order_steps.ARM_PATIENCE * (random() / 100)

    yield patch.object(lifecycle, "next_step", jittered)


def _unasked() -> Patches:
    yield patch.object(execute, "begin", lambda state: state)


def _no_gates_after_approval() -> Patches:
    looked = recheck.look_again

    def as_before(state: OrderState, ports: Ports, quote: Any) -> Any:
        return looked(replace(state, plan=replace(state.plan, basis=None)), ports, quote)

    yield patch.object(order, "look_again", as_before)


def _blind_watch() -> Patches:
    yield patch.object(order_steps, "reached", lambda *_: None)


def _no_pair_at_the_open() -> Patches:
    unguarded = order_steps._unguarded_step

    def watched(state: OrderState, now: Any) -> Step:
        step = unguarded(state, now)
        return replace(step, command=Command.WATCH) if step.command is Command.PROTECT and state.hours else step

    yield patch.object(order_steps, "_unguarded_step", watched)
    yield patch.object(order_steps, "ARM_PATIENCE", order_steps.ARM_PATIENCE * 1000)


def _native_always() -> Patches:
    yield patch.object(order, "_is_regular", lambda _: True)


def _exits_pile_up() -> Patches:
    yield patch.object(order_steps, "without_stale", lambda orders: orders)
    yield patch.object(order_steps, "_exit_patience", lambda state: state.plan.poll)


def _sleeps_over_the_close() -> Patches:
    yield patch.object(OrderState, "guards_itself", lambda *_: False)


def _reservation_unneeded() -> Patches:
    yield patch.object(recheck.Recheck, "denied", property(lambda self: " ".join(risk.refusals(self.verdicts))))


def _asked_once() -> Patches:
    run = execute.execute

    def once(intent: OrderIntent, ports: Ports) -> Any:
        is_known = reconcile.recorded_order(ports, intent.on, intent.symbol, intent.intent_id) is not None
        state, messages = run(intent, ports)
        return state, [] if is_known else messages

    yield patch.object(pipeline, "execute", once)


def _end_told_once() -> Patches:
    from simulation.faults import functions  # noqa: PLC0415 - it imports what this module patches

    run = order.carry_out

    def once(state: OrderState, step: Step, ports: Ports) -> Any:
        is_known = order_records.recorded_step(ports, state) is not None
        after, messages = run(state, step, ports)
        return after, [] if is_known else messages

    yield patch.object(functions, "carry_out", once)


def _both_accepted() -> Patches:
    claim = approvals._claim

    def accepted(*given: Any, **named: Any) -> bool:
        claim(*given, **named)
        return True

    yield patch.object(approvals, "_claim", accepted)
    yield patch.object(approvals, "_objection", lambda *_: "")


def _deadline_unclaimed() -> Patches:
    claim = approvals._claim

    def by_people(ports: Ports, state: OrderState, given: Answered, **named: Any) -> bool:
        return given.answer is Answer.NOBODY or claim(ports, state, given, **named)

    yield patch.object(approvals, "_claim", by_people)


def _answer_unread() -> Patches:
    def nobody(ports: Ports, state: OrderState, now: Any, **_: Any) -> Answered | None:
        is_late = state.plan.approve_by is not None and now >= state.plan.approve_by
        return Answered(answer=Answer.NOBODY, by="", reason="", at=now) if is_late else None

    yield patch.object(order, "heard", nobody)


def _bad_row_raises() -> Patches:
    sound = alpaca_parse.sift

    def all_or_nothing(*given: Any) -> Any:
        found, unread = sound(*given)
        if unread:
            raise ContractError(unread[0].fault)
        return found, unread

    yield patch("simulation.faults.market.sift", all_or_nothing)


def _three_reads() -> Patches:
    look = supervise_stage._look

    def whole(*given: Any) -> Any:
        seen = look(*given)
        if seen.faults:
            raise TransientError(f"the broker does not tell {', '.join(seen.faults)}")
        return seen

    yield patch.object(supervise_stage, "_look", whole)


def _unread_dropped() -> Patches:
    yield patch.object(reconcile.AccountView, "unread", property(lambda _: ()))


def _resume_forgets() -> Patches:
    resumed = ledger.resume
    yield patch.object(controls, "lift_halts", lambda ledger: replace(resumed(ledger), accepted=()))


def _cancels_the_symbol() -> Patches:
    cancelled = order._cancelled

    def whole_symbol(state: OrderState, step: Step, ports: Ports, orders: Any) -> Observation:
        for each in ports.broker.orders(since=state.plan.expires_at - timedelta(days=1)):
            if each.symbol == state.plan.symbol and not each.status.is_final:
                ports.broker.cancel(each.order_id)
        return cancelled(state, step, ports, orders)

    yield patch.object(order, "_cancelled", whole_symbol)


def _one_row_for_all() -> Patches:
    def ends(_: Ports, table: Table, on: object, key: str, error: Exception) -> Any:
        raise error

    for module in (reconcile, incidents, order_records):
        yield patch.object(module, "record_broken", ends)


def _no_guard_again() -> Patches:
    yield patch.object(order_steps, "wants_guard", lambda *_: False)


def _refusals_untold() -> Patches:
    yield patch.object(order_notices, "REFUSALS_TOLD", 1_000_000)


def _refused_for_good() -> Patches:
    yield patch.object(order_steps, "_exit_patience", lambda state: order_steps.ARM_PATIENCE * 1000)


def _list_believed() -> Patches:
    def shown(state: OrderState, ports: Ports) -> Decimal:
        position = ports.broker.position(state.plan.symbol)
        return ZERO if position is None else position.qty

    yield patch.object(order, "held_qty", shown)


MUTANTS: Mapping[str, tuple[str, Callable[[], Patches]]] = {
    "no-look-up": ("an entry is sent, and given up, without looking for one under its id", _no_look_up),
    "no-last-look": ("an order is closed as refused though another host has sent it", _no_last_look),
    "new-ids": ("a repeated submission gets a new client order id", _new_ids),
    "no-etag": ("rows are replaced whoever has changed them", _no_etag),
    "no-reservations": ("gates count what is held, not what is reserved", _no_reservations),
    "no-release": ("a closed order keeps its reservation", _no_release),
    "exit-for-all-bought": ("an exit is sent for all that was bought, whatever was sold since", _exit_for_all_bought),
    "exit-beside-guards": ("an exit is sent while stop and target still stand", _exit_beside_guards),
    "no-guard": ("a partial fill gets no stop", _no_guard),
    "fills-forgotten": ("sales are not recorded", _fills_forgotten),
    "fills-first": ("fills are recorded before the journal says that the step was done", _fills_first),
    "own-word": ("a run that lost the race for the journal believes itself", _own_word),
    "no-chain": ("journal rows do not carry the hash of the row before", _no_chain),
    "journal-put": ("a journal row is written over by a second run", _journal_put),
    "kill-unread": ("the kill switch is not read", _kill_unread),
    "halt-unread": ("halts are not read", _gate_passes(Gate.HALTED_DAY_LOSS, Gate.HALTED_DRAWDOWN)),
    "session-unread": ("the session is not checked", _gate_passes(Gate.SESSION)),
    "no-second-gates": ("gates do not run again before submission", _no_second_gates),
    "exposure-passes": (
        "exposure gates let everything through",
        _gate_passes(Gate.MAX_POSITIONS, Gate.GROSS_EXPOSURE, Gate.BUYING_POWER),
    ),
    "no-wakes": ("supervise sees and wakes nobody", _no_wakes),
    "target-is-enough": ("supervise takes a target alone for a guard", _target_is_enough),
    "decided-anew": ("a repeated signal is decided anew", _decided_anew),
    "cancel-believed": ("a cancel that was asked for counts as done", _cancel_believed),
    "latest-view": ("the broker's last word is believed, also where fills shrink", _latest_view),
    "group-passes": ("the group's exposure is not limited", _gate_passes(Gate.GROUP_EXPOSURE)),
    "day-trades-pass": ("day trades are not counted", _gate_passes(Gate.DAY_TRADES)),
    "unasked": ("a large order does not wait for a person", _unasked),
    "no-gates-after-approval": ("after a person's answer only the usual gates run again", _no_gates_after_approval),
    "blind-watch": ("outside the regular session the quote is watched and not understood", _blind_watch),
    "no-pair-at-the-open": ("a position from before the open gets no native pair", _no_pair_at_the_open),
    "native-always": ("brackets and market orders are sent outside the regular session too", _native_always),
    "sleeps-over-the-close": ("what is held outside the regular session is not watched", _sleeps_over_the_close),
    "exits-pile-up": ("every exit limit of a night is remembered", _exits_pile_up),
    "reservation-unneeded": ("an entry is sent though its reservation has vanished", _reservation_unneeded),
    "random-plan": ("the orchestrator decides by chance", _hasty),
    "asked-once": ("a person is asked by the first run of an intent alone, which may die", _asked_once),
    "end-told-once": ("an end is told by the first run of its step alone, which may die", _end_told_once),
    "both-accepted": ("every answer is accepted, a second and a late one too", _both_accepted),
    "deadline-unclaimed": ("a deadline ends a wait without claiming it", _deadline_unclaimed),
    "answer-unread": ("an order that waits does not look for its answer", _answer_unread),
    "bad-row-raises": ("a quote that cannot be read fails the call that it came in", _bad_row_raises),
    "three-reads": ("nobody is told to leave unless account, positions and orders can all be had", _three_reads),
    "unread-dropped": ("what cannot be read of a person's own is passed over in silence", _unread_dropped),
    "resume-forgets": ("what a person has accepted halts entries again", _resume_forgets),
    "cancels-the-symbol": ("a cancel takes every order of the symbol, a person's too", _cancels_the_symbol),
    "one-row-for-all": ("a row that cannot be read ends the look at all the others", _one_row_for_all),
    **RULES,
    **LEDGER_RULES,
    **STRATEGY_RULES,
    **COMMITTEE_RULES,
    "no-guard-again": ("what a refused exit leaves is not guarded again", _no_guard_again),
    "refusals-untold": ("nobody is told of exits that are refused", _refusals_untold),
    "refused-for-good": ("under its guard a refused exit is not tried again", _refused_for_good),
    "list-believed": ("that no position is shown is taken for none being held", _list_believed),
}
"""What can be broken: what it means, and the patches that do it."""


@contextmanager
def mutant(name: str) -> Iterator[None]:
    """Break one rule while the block runs; an empty name breaks none.

    Raises
    ------
    SettingsError
        If there is no such rule.
    """
    if not name:
        yield
        return
    if name not in MUTANTS:
        raise SettingsError(f"planted fault {name!r}: expected one of {', '.join(MUTANTS)}")
    with ExitStack() as stack:
        for each in MUTANTS[name][1]():
            stack.enter_context(each)
        yield
