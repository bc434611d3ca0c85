"""A deliberation: four roles side by side, then the chair, all of it within one deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from decimal import Decimal

from shared.core.committee.evidence import CommitteeEvidence, CommitteeQuestion, chair_request, role_request
from shared.core.committee.values import (
    ROLES,
    CommitteeRole,
    Deliberation,
    RoleAnswer,
    RoleFault,
    RoleOutcome,
    concluded,
)
from shared.core.text.language import LanguageFault, LanguageReply, Prompt
from shared.core.values import Symbol, require_positive

ROLES_SHARE = 0.6
"""Of the deadline, for the four roles; the chair has the rest."""
ASK_SHARE = 0.95
"""Of the time that is waited for an answer, for the service; the rest is for keeping what it says."""

type Answered = tuple[LanguageReply | None, str, str]
"""A reply, or why there is none (a `LanguageFault` or `RoleFault`, words may follow a colon); and the record's name."""
type Ask = Callable[[CommitteeQuestion, float], Answered]
"""Put a question and wait so many seconds for its answer; called from several threads at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What came of a question, and its answer as it was given: masked, for the chair."""

    outcome: RoleOutcome
    as_given: RoleAnswer | None = None


def deliberation(
    ask: Ask,
    evidence: CommitteeEvidence,
    *,
    names: Mapping[Symbol, Sequence[str]],
    prompts: Mapping[CommitteeRole, Prompt],
    max_tokens: int,
    timeout_s: float,
    default: str,
    weights: Mapping[CommitteeRole, Decimal],
    slots: int = len(ROLES),
) -> Deliberation:
    """Ask the committee about a planned entry.

    It ends within `timeout_s` even where `ask` does not keep its own time: what still hangs then is left to itself. An
    answer that took longer than it had is late though it came. In a replay `ask` has to give each role's fault of then,
    late ones among them: a record does not say how long its answer took.

    Parameters
    ----------
    ask : callable
        What it raises is raised.
    names : mapping of symbol to sequence of str
        What companies are called.
    prompts : mapping of CommitteeRole to Prompt
        One for each role.
    max_tokens : int
        Of one answer.
    timeout_s : float
        For all five.
    default, weights
        See `concluded`.
    slots : int
        Questions that are put side by side.
    """
    require_positive("timeout_s", timeout_s)
    pool = ThreadPoolExecutor(max_workers=slots)
    try:
        how = {"names": names, "max_tokens": max_tokens}
        questions = [role_request(role, evidence, prompt=prompts[role], **how) for role in ROLES]  # type: ignore[arg-type]
        heard = _put(pool, ask, questions, timeout_s * ROLES_SHARE)
        answers = [each.as_given for each in heard if each.as_given is not None]
        if answers:
            last = chair_request(evidence, answers, prompt=prompts[CommitteeRole.CHAIR], **how)  # type: ignore[arg-type]
            (chair,) = _put(pool, ask, [last], timeout_s * (1 - ROLES_SHARE))
        else:
            chair = _no_answer(CommitteeRole.CHAIR, RoleFault.UNAVAILABLE, "no role has answered")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return concluded([*(each.outcome for each in heard), chair.outcome], default=default, weights=weights)


def _put(pool: ThreadPoolExecutor, ask: Ask, questions: Sequence[CommitteeQuestion], within_s: float) -> list[_Heard]:
    asked_s = within_s * ASK_SHARE
    asked = [(each, pool.submit(ask, each, asked_s)) for each in questions]
    wait([future for _, future in asked], timeout=within_s)
    return [_judged(question, future, asked_s) for question, future in asked]


def _judged(question: CommitteeQuestion, future: Future[Answered], asked_s: float) -> _Heard:
    role = question.role
    if not future.done():
        return _no_answer(role, RoleFault.LATE, f"nothing came within {asked_s:.1f} s")
    reply, fault, record = future.result()
    if reply is None:
        is_late = fault.partition(":")[0] in {RoleFault.LATE, LanguageFault.TIMEOUT}
        return _no_answer(role, RoleFault.LATE if is_late else RoleFault.UNAVAILABLE, fault, record)
    took_ms = reply.latency_ms
    if took_ms > 1000 * asked_s:
        return _no_answer(role, RoleFault.LATE, f"it took {took_ms} ms of {1000 * asked_s:.0f}", record)
    answer, fault, why = question.judged(reply)
    if answer is None:
        return _no_answer(role, RoleFault(fault), why, record)
    outcome = RoleOutcome(role=role, answer=question.restored(answer), record=record)
    return _Heard(outcome=outcome, as_given=answer)


def _no_answer(role: CommitteeRole, fault: RoleFault, why: str, record: str = "") -> _Heard:
    return _Heard(outcome=RoleOutcome(role=role, fault=fault.value, why=why, record=record))
