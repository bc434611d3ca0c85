"""Rules of a committee broken on purpose; see `simulation.faults.mutants`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from shared.contracts.messages import Signal
from shared.contracts.records import Table
from shared.core import risk
from shared.core.committee import values
from shared.core.committee.values import CommitteeRole, RoleOutcome, Stance
from shared.core.order_states import OrderState
from shared.core.order_steps import Command, Step
from shared.core.risk import Facts
from shared.core.sizing import Size
from shared.core.text.language import LanguageReply
from shared.core.values import ONE
from shared.decision import entries
from shared.ports import Ports
from shared.stages.entry import deliberate, gate
from shared.stages.narrative import calls
from shared.stages.order import step as order

type Patches = Iterator[Any]


def _applied_twice() -> Patches:
    shrunk = values.shrunk
    yield patch.object(entries, "shrunk", lambda qty, factor, step: shrunk(shrunk(qty, factor, step), factor, step))


def _factors_add_up() -> Patches:
    lessened = entries.lessened

    def product(planned: Size, factors: Mapping[Any, Decimal], lot: Any) -> Size:
        first, second = factors
        return lessened(planned, {**factors, first: factors[first] * factors[second]}, lot)

    yield patch.object(entries, "lessened", product)


def _late_is_taken() -> Patches:
    def unhurried(question: Any, deadline_s: float) -> LanguageReply:
        reply: LanguageReply = question.ports.language.ask(question.request, timeout_s=deadline_s)
        return replace(reply, latency_ms=0)

    yield patch.object(calls._Question, "_reply", unhurried)


def _veto_unheard() -> Patches:
    found = values._found

    def without_risk(by_role: Mapping[CommitteeRole, RoleOutcome], *rest: Any) -> Any:
        risk, chair = by_role[CommitteeRole.RISK], by_role[CommitteeRole.CHAIR]
        is_veto = risk.answer is not None and risk.answer.stance is Stance.VETO
        return found(
            {**by_role, CommitteeRole.RISK: replace(chair, role=risk.role, answer=None, fault="LATE")}
            if is_veto
            else by_role,
            *rest,
        )

    yield patch.object(values, "_found", without_risk)


def _mean_unheard() -> Patches:
    yield patch.object(values, "_mean_at_most", lambda *_: ONE)


def _exit_deliberated() -> Patches:
    """An exit waits for what the committee says of it."""
    run = order._RUNS[Command.SUBMIT_EXIT]

    def later(state: OrderState, step: Step, ports: Ports) -> Any:
        for _, row in [*ports.tables.query(Table.DECISIONS, str(state.on))]:
            if row.get("intent_id") == state.plan.intent_id:
                signal = ports.codec.decode(Signal, str(row["signal"]))
                deliberate.deliberate(replace(signal, strategy="exit"), ports)
        return run(state, step, ports)

    yield patch.dict(order._RUNS, {Command.SUBMIT_EXIT: later})


def _first_look_counts() -> Patches:
    """What is gated after a deliberation is what was looked at before it."""
    look, looked = gate._seen, dict[str, Facts]()

    def as_before(ports: Ports, signal: Signal, quote: Any) -> Facts:
        return looked.pop(signal.decision_id, None) or looked.setdefault(signal.decision_id, look(ports, signal, quote))

    yield patch.object(gate, "_seen", as_before)


def _asked_anew() -> Patches:
    yield patch.object(calls, "_recorded", lambda *_: None)


def _alerts_alone() -> Patches:
    yield patch.object(risk, "_is_alert_only", lambda *_: False)


COMMITTEE_RULES: Mapping[str, tuple[str, Callable[[], Patches]]] = {
    "committee-applied-twice": ("The committee's factor is applied twice", _applied_twice),
    "committee-factors-add-up": ("The committee's factor comes on top of automation's", _factors_add_up),
    "committee-late-taken": ("An answer counts that came after its time", _late_is_taken),
    "committee-veto-ignored": ("The chair overrules a veto of risk", _veto_unheard),
    "committee-mean-ignored": ("The chair goes beyond what the roles say together", _mean_unheard),
    "committee-before-exit": ("An exit waits for a committee", _exit_deliberated),
    "committee-stale-facts": ("The gates judge on facts from before the deliberation", _first_look_counts),
    "committee-asked-anew": ("A signal that comes again is deliberated on anew", _asked_anew),
    "alert-only-ignored": ("A strategy that only alerts enters by itself", _alerts_alone),
}
"""Switch, what it breaks, and how, as `shared.core.committee`, gate and automation go."""
