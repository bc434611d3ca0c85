"""More rules broken on purpose: times, prices, reservations and ids, each by one wrong line such as a person writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from shared import lifecycle, pipeline
from shared.contracts.records import CONTROLS, KILL, Table
from shared.core import order_exit, order_steps, risk
from shared.core.ledger import Ledger, Reservation, mark, without
from shared.core.market import TradingDay
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.order_steps import STOP_ENTERING, Command, Observation, Step
from shared.core.portfolio import Account
from shared.core.risk import Gate, Verdict
from shared.core.schedule import Job, plan, slot_of
from shared.core.sessions import NEW_YORK, session_at
from shared.core.unread import listing
from shared.core.values import CENT, Rounding, round_to_tick
from shared.decision import entries
from shared.ports import Ports
from shared.stages.account import reconcile, supervise
from shared.stages.base import facts, ledger
from shared.stages.entry import gate
from shared.stages.order import step as order
from simulation.faults.proxy import Proxy

type Patches = Iterator[Any]

TEN_MINUTES = timedelta(minutes=10)
_DAY = timedelta(days=1)


def _otherwise_planned(state: OrderState, **changes: object) -> OrderState:
    return replace(state, plan=replace(state.plan, **changes))  # type: ignore[arg-type]


def _with_plan(command: Command, change: Callable[[OrderState], OrderState]) -> Any:
    """A command's run on an order whose plan was changed."""
    run = order._RUNS[command]
    return patch.dict(order._RUNS, {command: lambda state, step, ports: run(change(state), step, ports)})


def _stale_in_extended_hours() -> Patches:
    rule = risk.GATES[Gate.STALE_QUOTE]

    def passes(proposal: Any, found: risk.Facts, limits: Any) -> Verdict:
        said = rule(proposal, found, limits)
        return said if session_at(found.now, found.day).is_regular else replace(said, passed=True)

    yield patch.dict(risk.GATES, {Gate.STALE_QUOTE: passes})


def _held_is_silent() -> Patches:
    silent = reconcile._is_silent
    yield patch.object(reconcile, "_is_silent", lambda r, orders, seen, *rest: silent(r, orders, _empty(seen), *rest))


def _empty(seen: reconcile.AccountView) -> reconcile.AccountView:
    return replace(seen, positions=listing(()))


def _new_prices_never_expire() -> Patches:
    def lasting(state: OrderState) -> OrderState:
        return _otherwise_planned(state, expires_at=state.plan.expires_at + _DAY) if state.entry_attempt else state

    yield _with_plan(Command.SUBMIT_ENTRY, lasting)


def _loser_keeps_reservation() -> Patches:
    yield patch.object(gate, "_settle_reservation", lambda *_: None)


def _breaker_never_counts() -> Patches:
    yield patch.object(ledger, "failed", lambda breaker, _: breaker)


def _under_todays_date() -> Patches:
    recorded = reconcile.recorded_order

    def of_today(ports: Ports, _: date, *rest: Any) -> OrderState | None:
        return recorded(ports, ports.clock.now().astimezone(NEW_YORK).date(), *rest)

    yield patch.object(reconcile, "recorded_order", of_today)
    yield patch.object(pipeline, "recorded_order", of_today)


def _late_time_limit() -> Patches:
    due = order_steps._due_exit

    def ten_minutes_late(state: OrderState, at: datetime) -> ExitReason | None:
        return due(_otherwise_planned(state, exit_by=state.plan.exit_by + TEN_MINUTES), at)

    yield patch.object(order_steps, "_due_exit", ten_minutes_late)


def _exit_above_bid() -> Patches:
    yield patch.object(order_exit, "LIMIT_BELOW_BID", -order_exit.LIMIT_BELOW_BID)


def _no_cooldown() -> Patches:
    yield patch.object(order, "release", lambda ledger, intent_id, *_: without(ledger, intent_id))


def _rejected_keeps_reservation() -> Patches:
    close = order._RUNS[Command.CLOSE]

    def closed(state: OrderState, step: Step, ports: Ports) -> Observation:
        is_rejected = state.outcome is Phase.REJECTED
        return Observation(at=ports.clock.now()) if is_rejected else close(state, step, ports)

    yield patch.dict(order._RUNS, {Command.CLOSE: closed})


def _flatten_told_once() -> Patches:
    flattened = supervise._flattened

    def at_its_minute(
        ports: Ports, day: TradingDay, now: datetime, reservations: Sequence[Reservation]
    ) -> list[Reservation]:
        slots = plan(day, frozenset({Job.FLATTEN}), frozenset(ports.settings.policy.entry_sessions))
        is_its_minute = slot_of(now) in {slot.slot for slot in slots}
        return flattened(ports, day, now, reservations) if is_its_minute else []

    yield patch.object(supervise, "_flattened", at_its_minute)


def _untold(*events: str) -> Callable[[], Patches]:
    """A kill switch that does not tell some events."""

    def patches() -> Patches:
        told = supervise._orders_to_all

        def silent(ports: Ports, *rest: Any, **others: Any) -> Any:
            stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
            is_killed = stored is not None and bool(stored.value.get("is_on"))
            return tuple(wake for wake in told(ports, *rest, **others) if not (is_killed and wake.event in events))

        yield patch.object(supervise, "_orders_to_all", silent)

    return patches


def _power_unreserved() -> Patches:
    yield patch.object(risk.Facts, "free_buying_power", lambda self: self.account.buying_power)


def _empty_list_believed() -> Patches:
    for stage in (facts, supervise):
        yield patch.object(stage, "hides_positions", lambda account, listed: False)


def _yesterday_resets() -> Patches:
    def marked(before: Ledger, on: date, account: Account, at: datetime, *limits: Decimal) -> Ledger:
        if on != before.on:
            before = replace(before, on=on, opening_equity=account.equity, is_day_halted=False, cooling_until={})
        return mark(before, on, account, at, *limits)

    yield patch.object(ledger, "mark", marked)


def _last_hour_only() -> Patches:
    from simulation.faults import functions  # noqa: PLC0415 - it imports what this module patches

    def short_sighted(ports: Ports) -> supervise.Supervision:
        since = ports.clock.now() - timedelta(hours=1)
        broker = Proxy(ports.broker, orders=lambda **_: ports.broker.orders(since=since))
        return supervise.supervise(Proxy(ports, broker=broker))

    yield patch.object(functions, "supervise", short_sighted)


def _refused_id_kept() -> Patches:
    yield patch.object(order_steps, "_used", lambda seen: 1 if seen.orders else 0)


def _stop_loosened() -> Patches:
    def loosened(state: OrderState) -> OrderState:
        stop = round_to_tick(state.plan.stop_price * Decimal("0.99"), Rounding.DOWN)
        return _otherwise_planned(state, stop_price=stop)

    yield _with_plan(Command.PROTECT, loosened)


def _patient() -> Patches:
    working = order_steps._working_step

    def waits(state: OrderState, now: datetime) -> Step:
        return working(_otherwise_planned(state, patience_s=5 * state.plan.patience_s), now)

    yield patch.object(order_steps, "_working_step", waits)


def _priced_without_end() -> Patches:
    unfilled = order_steps._unfilled

    def again(state: OrderState) -> OrderState:
        after = unfilled(_otherwise_planned(state, max_reprices=state.plan.max_reprices + 2))
        return replace(after, plan=state.plan)

    yield patch.object(order_steps, "_unfilled", again)


def _dearer() -> Patches:
    def dearer(state: OrderState) -> OrderState:
        return _otherwise_planned(state, worst_price=state.plan.target_price - CENT)

    yield _with_plan(Command.SUBMIT_ENTRY, dearer)


def _late_deadline() -> Patches:
    planned = order_steps.next_step

    def waits(state: OrderState, now: datetime) -> Step:
        step = planned(state, now)
        is_asked = state.phase is Phase.APPROVAL_PENDING and step.not_before is not None
        return replace(step, not_before=step.not_before + TEN_MINUTES) if is_asked and step.not_before else step

    yield patch.object(lifecycle, "next_step", waits)


def _first_refusal_only() -> Patches:
    verdicts = risk.verdicts

    def until_refused(*given: Any) -> tuple[Verdict, ...]:
        found = verdicts(*given)
        first = next((n for n, verdict in enumerate(found) if not verdict.passed), len(found))
        return found[: first + 1]

    yield patch.object(entries, "verdicts", until_refused)


def _reservation_of_the_plan() -> Patches:
    reservation_of = ledger.reservation_of

    def of_all(ports: Ports, state: OrderState) -> Reservation:
        return reservation_of(ports, replace(state, orders={}))

    yield patch.object(ledger, "reservation_of", of_all)
    yield patch.object(reconcile, "reservation_of", of_all)


def _restarted_stalled() -> Patches:
    yield patch.object(pipeline, "restarted", order_steps.report)


def _broker_health_passes() -> Patches:
    rule = risk.GATES[Gate.BROKER_HEALTH]
    passes = lambda p, f, limits: replace(rule(p, f, limits), passed=True)  # noqa: E731
    yield patch.dict(risk.GATES, {Gate.BROKER_HEALTH: passes})


RULES: Mapping[str, tuple[str, Callable[[], Patches]]] = {
    "stale-when-extended": ("outside the regular session a quote may be of any age", _stale_in_extended_hours),
    "held-is-silent": ("what is held without an order counts as silent", _held_is_silent),
    "prices-never-expire": ("a new price of an entry is sent however late", _new_prices_never_expire),
    "loser-keeps-reservation": ("who loses the race for a decision keeps its reservation", _loser_keeps_reservation),
    "breaker-never-counts": ("calls without an answer count against no breaker", _breaker_never_counts),
    "under-todays-date": ("an order of the day before is looked up under today's date", _under_todays_date),
    "late-time-limit": ("the time limit comes ten minutes late", _late_time_limit),
    "exit-above-bid": ("an exit limit stands above the bid", _exit_above_bid),
    "no-cooldown": ("a symbol does not cool down after its order", _no_cooldown),
    "rejected-keeps-reservation": ("an order that was rejected keeps its reservation", _rejected_keeps_reservation),
    "flatten-told-once": ("the flatten is told in its first minute only", _flatten_told_once),
    "kill-works-on": ("the kill switch does not stop entries that work", _untold(STOP_ENTERING)),
    "kill-sells-nothing": ("a kill that flattens does not sell", _untold(ExitReason.KILL)),
    "empty-list": ("an empty list of positions is believed whatever the account counts", _empty_list_believed),
    "power-unreserved": ("free buying power ignores reservations", _power_unreserved),
    "yesterday-resets": ("an order of yesterday that ends today opens its day anew", _yesterday_resets),
    "last-hour-only": ("supervise asks for the orders of the last hour", _last_hour_only),
    "refused-id-kept": ("an order that was refused is sent again under its id", _refused_id_kept),
    "stop-loosened": ("the pair after a partial fill stops lower than planned", _stop_loosened),
    "patient": ("an entry works for five times its patience", _patient),
    "priced-without-end": ("an entry is priced anew more often than it may be", _priced_without_end),
    "dearer": ("an entry may cost more than its worst price", _dearer),
    "late-deadline": ("an order waits ten minutes longer for a person", _late_deadline),
    "first-refusal-only": ("gates after the first that refuses are not run", _first_refusal_only),
    "reservation-of-the-plan": ("what was lost is reserved again for all that was planned", _reservation_of_the_plan),
    "restarted-asleep": ("a lifecycle that was gone starts again asleep", _restarted_stalled),
    "broker-health-passes": ("an open breaker stops no entry", _broker_health_passes),
}
"""What can be broken beside what `simulation.faults.mutants` names: what it means, and the patches that do it."""
