"""Deliberate: what a committee of language models says of an entry that the gates would let pass.

It is a step of the gate, before the ledger's write: docs/adr/0015-the-committee-before-the-ledger.md says why. What it
rests on is what the score stage kept, so a signal that comes twice asks the same, and finds what was recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import Notice, Severity, Signal
from shared.contracts.prompts import committee_prompts
from shared.contracts.records import Container, Table, symbol_key
from shared.contracts.settings import CommitteeSettings
from shared.core.committee.deliberation import Answered, Ask, deliberation
from shared.core.committee.evidence import CommitteeEvidence, CommitteeQuestion
from shared.core.committee.values import (
    CommitteeRole,
    Deliberation,
    RoleFault,
    RoleOutcome,
    concluded,
)
from shared.core.errors import ContractError
from shared.core.packing import unpack
from shared.core.text.language import LanguageReply
from shared.core.text.linking import called
from shared.core.values import Symbol, parse_utc
from shared.decision.deliberated import evidence_of
from shared.ports import Cell, Ports, Row
from shared.stages.base.incidents import record_incident
from shared.stages.base.notices import committee_silent, veto_flood
from shared.stages.base.technical import reports_in
from shared.stages.market.names import listed_names
from shared.stages.narrative.calls import ask, recorded_call

logger = logging.getLogger("gatehouse.committee")

WITHIN = timedelta(hours=1)
"""Deliberations that are looked at together."""
LEAST = 4
"""Deliberations below which nothing is said of them."""


@dataclass(slots=True)
class Deliberated:
    """What a committee has come to, and what a person is to be told of asking it."""

    found: Deliberation
    notices: list[Notice] = field(default_factory=list)


def deliberate(signal: Signal, ports: Ports) -> Deliberated:
    """Ask the committee about a signal. Where it cannot be asked, every role counts as the configured default.

    Raises
    ------
    TransientError
        If storage does not answer.
    """
    settings = ports.settings.committee
    notices: list[Notice] = []
    try:
        evidence = committee_evidence(ports, signal)
    except (ContractError, ValueError) as error:
        logger.warning("the committee is shown nothing of %s: %s", signal.decision_id, error)
        return Deliberated(found=_unasked(settings, str(error)))
    found = deliberation(
        _asking(ports, signal, notices),
        evidence,
        names=committee_names(ports, signal, evidence),
        prompts=committee_prompts(),
        max_tokens=settings.max_tokens,
        timeout_s=settings.timeout_s,
        default=settings.default,
        weights=settings.weight_of,
        slots=ports.settings.language.slots,
    )
    return Deliberated(found=found, notices=notices)


def deliberated_again(recorded: Deliberation, signal: Signal, inputs: SliceInputs, ports: Ports) -> Deliberation:
    """Come to it again from what is kept: the same evidence must ask the same, and nobody is asked.

    A role's answer is read from its record, and its fault of then stands.

    Raises
    ------
    ValueError
        If a record is gone, or is of another question than the evidence makes today.
    """
    by_role = {each.role: each for each in recorded.outcomes}
    evidence = _evidence(ports, signal, inputs)

    def recall(question: CommitteeQuestion, _: float) -> Answered:
        then = by_role[question.role]
        if then.fault in {RoleFault.LATE, RoleFault.UNAVAILABLE}:
            return None, f"{then.fault}: {then.why}", then.record
        record = recorded_call(ports, then.record)
        if record is None:
            raise ValueError(f"{then.role}: {Container.LANGUAGE}/{then.record} is gone")
        if record.request != replace(question.request, max_tokens=record.request.max_tokens):
            raise ValueError(f"{then.role}: {Container.LANGUAGE}/{then.record} is of another question")
        return record.reply, "", then.record

    return deliberation(
        recall,
        evidence,
        names=committee_names(ports, signal, evidence),
        prompts=committee_prompts(),
        max_tokens=0,
        timeout_s=_LONG_S,
        default=recorded.default,
        weights=recorded.weights,
    )


_LONG_S = 3600.0
"""Reading records is not timed."""


def committee_evidence(ports: Ports, signal: Signal) -> CommitteeEvidence:
    """Return what the committee is shown of a signal, from what the score stage kept of its slice.

    Raises
    ------
    ContractError
        If that is gone or broken.
    ValueError
        If an entry could not be priced by it.
    TransientError
        If storage does not answer.
    """
    return _evidence(ports, signal, _slice_inputs(ports, signal))


def _evidence(ports: Ports, signal: Signal, inputs: SliceInputs) -> CommitteeEvidence:
    reports = reports_in(ports, inputs, signal.symbol)
    return evidence_of(signal, inputs, reports, reason=_reason(ports, signal))


def _asking(ports: Ports, signal: Signal, notices: list[Notice]) -> Ask:
    def put(question: CommitteeQuestion, timeout_s: float) -> Answered:
        def judge(reply: LanguageReply) -> str:
            return question.judged(reply)[1] or GIVEN

        call = ask(ports, question.request, on=signal.on, deadline_s=timeout_s, judge=judge)
        notices.extend(call.notices)
        return call.reply, call.why, call.record

    return put


GIVEN = "GIVEN"
"""Status, in table calls, of a role's answer that counts."""


def _unasked(settings: CommitteeSettings, why: str) -> Deliberation:
    outcomes = [RoleOutcome(role=role, fault=RoleFault.UNAVAILABLE, why=why) for role in CommitteeRole]
    return concluded(outcomes, default=settings.default, weights=settings.weight_of)


def _slice_inputs(ports: Ports, signal: Signal) -> SliceInputs:
    """What the score stage kept of a signal's slice. Raises ContractError where it is gone or broken."""
    stored = ports.blobs.get(Container.FEATURES, signal.features_blob)
    if stored is None:
        raise ContractError(f"{Container.FEATURES}/{signal.features_blob} is gone")
    return ports.codec.decode(SliceInputs, unpack(stored.value))


def _reason(ports: Ports, signal: Signal) -> str:
    key = symbol_key(signal.symbol, signal.slot, signal.strategy)
    stored = ports.tables.get(Table.SIGNALS, str(signal.on), key)
    return str(stored.value.get("reason") or "") if stored else ""


def committee_names(ports: Ports, signal: Signal, evidence: CommitteeEvidence) -> Mapping[Symbol, tuple[str, ...]]:
    """Return what the companies are called that evidence names, for masking."""
    listed = listed_names(ports, signal.on)
    told_of = {signal.symbol, *(symbol for story in evidence.stories for symbol in story.symbols)}
    return {symbol: called(listed[symbol]) for symbol in sorted(told_of) if symbol in listed}


def committee_cells(found: Deliberation | None) -> dict[str, Cell]:
    """Cells of a decision's row that say what a committee left of its size, and how many of the five gave an answer."""
    if found is None:
        return {}
    return {"factor": str(found.factor), "answers": sum(each.answer is not None for each in found.outcomes)}


def committee_incidents(ports: Ports, signal: Signal, now: datetime) -> list[Notice]:
    """Tell of an hour in which a committee has vetoed nearly all, or said nothing at all, once a day each."""
    rows = ports.tables.query(Table.DECISIONS, str(signal.on), columns=("decided_at", "factor", "answers"))
    recent = [row for _, row in rows if row.get("factor") is not None and _is_recent(row, now)]
    if len(recent) < LEAST:
        return []
    vetoed, share = _count(float(str(row["factor"])) == 0 for row in recent), ports.settings.committee.flood_share
    silent = _count(not row.get("answers") for row in recent)
    notices: list[Notice] = []
    if vetoed > share * len(recent) and not silent:
        text = veto_flood(vetoed, len(recent))
        notices += record_incident(
            ports, signal.on, FLOOD, now=now, kind=FLOOD, title=text.title, body=text.body, severity=Severity.WARNING
        )
    if silent == len(recent):
        text = committee_silent(silent, ports.settings.committee.default)
        notices += record_incident(
            ports, signal.on, SILENT, now=now, kind=SILENT, title=text.title, body=text.body, severity=Severity.WARNING
        )
    return notices


FLOOD, SILENT = "veto-flood", "committee-silent"
"""Kinds and keys of incidents."""


def _is_recent(row: Row, now: datetime) -> bool:
    return now - WITHIN < parse_utc(str(row["decided_at"])) <= now


def _count(found: Iterable[bool]) -> int:
    return sum(found)
