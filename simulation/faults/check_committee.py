"""What must hold of a committee, reckoned from its recorded answers and from the plan as it is without one.

- It makes an entry smaller and nothing else: size is the plan's times the smaller of its factor and automation's, once.
- A veto of risk or chair buys nothing, and no answer counts that was not given in time or that is not the recorded one.
- It is asked by the gate alone, never before an exit; about one signal once, in the same words and with one answer.
- The gates judge on facts that are no older than its last answer.
- No entry of its strategies goes by it, and none of one that only alerts goes by a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from shared.contracts.messages import OrderIntent, Signal
from shared.contracts.records import Container, Table, symbol_key
from shared.core.committee.values import ABSTAIN, ROLES, CommitteeRole, Deliberation
from shared.core.risk import Facts
from shared.core.sessions import session_at
from shared.core.settings.strategies import REDUCED_FACTOR, Automation
from shared.core.values import ONE, ZERO
from shared.decision.entries import decide
from shared.ports import Row
from shared.stages.narrative.calls import recorded_call
from simulation.faults.proxy import Proxy
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World

QUARTER = Decimal("0.25")


class CommitteeRules:
    """Questions and answers of a run, and the rules for each decision."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_time: set[str] = set()
        self._consulted_at: dict[Work, datetime] = {}
        self._wrong: Violation | None = None

    # -- questions ---------------------------------------------------------------------------------------------------

    def consulted(self, record: str, *, is_on_time: bool) -> None:
        """Take in that a model was asked. What is wrong with that waits for the work's end: the app bears no model's
        exception.
        """
        world, work = self._world, self._world.current
        if is_on_time:
            self._in_time.add(record)
        if work is None or not work.is_gate:
            label = "nobody" if work is None else work.label
            self._wrong = Violation("a committee stands before no exit", f"{label} asked for {record}")
            return
        self._consulted_at[work] = world.now()
        if world.is_paired:
            return  # the other host may have recorded and decided since this one looked
        signal = world.seen.signal_of(work.intent_id)
        key = symbol_key(signal.symbol, signal.slot, signal.decision_id)
        is_decided = world.tables.get(Table.DECISIONS, str(signal.on), key) is not None
        if is_decided or world.blobs.get(Container.LANGUAGE, record) is not None:
            text = f"{signal.decision_id} is {'decided' if is_decided else 'answered'}, and {record} was asked for"
            self._wrong = Violation("a committee is asked once", text)

    def ends(self, work: Work) -> None:
        """Tell what was wrong with the questions of a work."""
        self._consulted_at.pop(work, None)
        if self._wrong is not None:
            raise self._wrong

    # -- decisions ---------------------------------------------------------------------------------------------------

    def decided(self, row: Row) -> None:
        """Judge a decision as it is written."""
        world, codec = self._world, self._world.codec
        signal = codec.decode(Signal, str(row["signal"]))
        intent = codec.decode(OrderIntent, str(row["intent"])) if row.get("intent") else None
        if intent is not None and row.get("factor") is None and self._sits_for(signal):
            raise Violation("entries are deliberated on", f"{signal.decision_id} of {signal.strategy} was not")
        if row.get("facts") is None:
            return  # expired, or too large to keep
        facts = codec.decode(Facts, str(row["facts"]))
        session = session_at(facts.now, facts.day)
        automation = world.settings.strategies.automation_of(signal.strategy, session)
        if intent is not None and intent.approve_by is None and automation is Automation.ALERT_ONLY:
            raise Violation("who only alerts asks a person", f"{intent.intent_id} of {signal.strategy} in {session}")
        factors = [REDUCED_FACTOR] if automation is Automation.REDUCED else []
        if (found := facts.committee) is not None:
            self._is_fresh(signal, facts.now)
            self._is_recorded(signal, found)
            _is_concluded(signal, found)
            factors.append(found.factor)
        if factors:
            self._is_smaller(signal, row, facts, intent, min(factors))

    def _sits_for(self, signal: Signal) -> bool:
        return signal.strategy in self._world.settings.committee.strategies

    def _is_fresh(self, signal: Signal, looked_at: datetime) -> None:
        work = self._world.current
        asked_at = None if work is None else self._consulted_at.get(work)
        if asked_at is not None and looked_at < asked_at:
            text = f"{signal.decision_id} was judged on facts of {looked_at}, the committee answered at {asked_at}"
            raise Violation("the gates look again after a committee", text)

    def _is_recorded(self, signal: Signal, found: Deliberation) -> None:
        """Each answer was given in time, and is the one that was recorded first."""
        for each in found.outcomes:
            if each.answer is None:
                continue
            name = f"{signal.decision_id}: {each.role}"
            if each.record not in self._in_time:
                raise Violation("a late answer is none", f"{name} counts, and {each.record} was not given in time")
            record = recorded_call(Proxy(self._world.ports, blobs=self._world.blobs), each.record)
            said = None if record is None else _factor_in(record.text)
            if said != each.answer.factor:
                text = f"{name} counts as {each.answer.factor}, recorded is {said}"
                raise Violation("one answer for each question", text)

    def _is_smaller(self, signal: Signal, row: Row, facts: Facts, intent: OrderIntent | None, factor: Decimal) -> None:
        """The plan is what the same facts make without a committee, by a strategy that goes by itself."""
        settings = self._world.settings.decision
        alone = replace(settings, strategies=replace(settings.strategies, automations=()))
        plan = decide(signal, replace(facts, committee=None), alone)
        qty = Decimal(str(row.get("qty") or 0))
        planned = ZERO if plan.sized is None else plan.sized.qty
        step = facts.lot.qty_step
        left = min(planned, (planned * factor / step).to_integral_value(ROUND_FLOOR) * step)
        text = f"{signal.decision_id}: {qty} of {planned} at factor {factor}"
        if qty != left or (intent is not None and intent.qty != qty):
            raise Violation("a committee makes a size smaller, once", f"{text}, {intent and intent.qty} is sent")
        if intent is not None and factor == 0:
            raise Violation("a veto buys nothing", text)
        if plan.prices is not None and _prices(row) != {name: str(getattr(plan.prices, name)) for name in _PRICES}:
            raise Violation("a committee moves no price", f"{signal.decision_id}: {_prices(row)}, not {plan.prices}")


_PRICES = ("limit", "worst", "stop", "target")


def _prices(row: Row) -> Mapping[str, object]:
    return {name: row.get(f"{name}_usd") for name in _PRICES}


def _factor_in(text: str) -> Decimal:
    return Decimal(str(json.loads(text)["factor"]))


def _is_concluded(signal: Signal, found: Deliberation) -> None:
    """The factor is the chair's, at most the mean of the roles rounded up, and none where risk or a default says so."""
    said = {each.role: each.answer.factor for each in found.outcomes if each.answer is not None}
    is_refused = said.get(CommitteeRole.RISK) == 0 or (len(said) < len(CommitteeRole) and found.default != ABSTAIN)
    mean = sum((said.get(role, ONE) for role in ROLES), ZERO) / len(ROLES)
    most = (mean / QUARTER).to_integral_value(ROUND_CEILING) * QUARTER
    right = ZERO if is_refused else min(most, said.get(CommitteeRole.CHAIR, ONE))
    if found.factor != right:
        spelled = ", ".join(f"{role} {factor}" for role, factor in said.items())
        text = f"{signal.decision_id}: {found.factor} of {spelled or 'nobody'} ({found.default}), not {right}"
        raise Violation("a committee comes to what its roles allow", text)
