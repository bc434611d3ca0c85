"""What a committee is shown of a planned entry: one JSON document in which every item has an id.

The plan is fixed before and its size is not shown; nothing of the account is. Names and dates are masked as they are
for narratives, and put back before a person reads what a role says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from shared.core.committee.answers import parse_role, role_schema
from shared.core.committee.values import MAX_REASON_KEPT, CommitteeRole, RoleAnswer, RoleFault
from shared.core.risk import Gate, Verdict
from shared.core.text.answers import MAX_SOURCES, AnswerError
from shared.core.text.grounding import unsaid
from shared.core.text.language import LanguageReply, LanguageRequest, Prompt
from shared.core.text.masking import Mask, mask_of, no_mask
from shared.core.text.question import document_of, require_known, shown_id, shown_stories, whole_words
from shared.core.text.stories import Story
from shared.core.values import Symbol, plain, require, require_symbol, require_utc

PLAN, GATES = "PLAN", "GATES"
REPORT_IDS = {"indicator": "IND", "pattern": "PAT", "trend": "TREND"}
"""What the technical reports are called."""
SHOWN_GATES = frozenset({Gate.SPREAD, Gate.SLIPPAGE, Gate.STALE_QUOTE, Gate.SESSION, Gate.DATA_QUALITY})
"""Gates that judge the market. The others tell of the account, or how large the entry is."""

_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeEvidence:
    """A planned entry and what is known of it. Prices in USD a unit.

    Attributes
    ----------
    at : datetime
        When it was decided: stories' ages count from here, and none was received later.
    p_up, expected_move : float or None
        Chance that the target is reached, and expected return before costs as a fraction, where anybody knows them.
    reason : str
        Why the strategy enters.
    reports : mapping of str to object
        Technical reports by the names of `REPORT_IDS`, of values that JSON has and `Decimal`.
    stories : tuple of Story
        The symbol's, `MAX_SOURCES` at most.
    gates : tuple of Verdict
        What the gates found; those of `SHOWN_GATES` are shown.
    """

    symbol: Symbol
    strategy: str
    at: datetime
    limit_usd: Decimal
    stop_usd: Decimal
    target_usd: Decimal
    p_up: float | None = None
    expected_move: float | None = None
    reason: str = ""
    reports: Mapping[str, object]
    stories: tuple[Story, ...] = ()
    gates: tuple[Verdict, ...] = ()

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_utc("at", self.at)
        unknown = set(self.reports) - set(REPORT_IDS)
        require(not unknown, "reports", sorted(unknown), f"among {', '.join(REPORT_IDS)}")
        require(len(self.stories) <= MAX_SOURCES, "stories", len(self.stories), f"at most {MAX_SOURCES}")
        require_known(self.stories, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeQuestion:
    """What is asked of a role.

    Attributes
    ----------
    shown_ids : tuple of str
        What its answer may rest on.
    named : tuple of str
        All that it is shown, names put back: what its reason may say.
    """

    role: CommitteeRole
    stories: tuple[Story, ...]
    mask: Mask
    shown_ids: tuple[str, ...]
    named: tuple[str, ...]
    request: LanguageRequest

    def answered(self, reply: LanguageReply) -> RoleAnswer:
        """Read a reply. Names and dates are still masked.

        Raises
        ------
        AnswerError
            If it is no answer.
        """
        return parse_role(reply.text, self.role, shown_ids=self.shown_ids, finish=reply.finish)

    def restored(self, answer: RoleAnswer) -> RoleAnswer:
        """Put names, dates and stories' ids back."""
        ids = {shown_id(k): story.story_id for k, story in enumerate(self.stories)}
        return replace(
            answer,
            reason=whole_words(self.mask.restore(answer.reason), MAX_REASON_KEPT),
            source_ids=tuple(ids.get(each, each) for each in answer.source_ids),
        )

    def judged(self, reply: LanguageReply) -> tuple[RoleAnswer | None, str, str]:
        """Return an answer that counts, still masked; else the `RoleFault` that it is, and why."""
        try:
            answer = self.answered(reply)
        except AnswerError as error:
            return None, RoleFault.INVALID, str(error)
        why = self.ungrounded(answer)
        return (None, RoleFault.UNGROUNDED, why) if why else (answer, "", "")

    def ungrounded(self, answer: RoleAnswer) -> str:
        """Return what an answer's reason says that the evidence does not; empty where there is nothing."""
        return unsaid(self.mask.restore(answer.reason), self.stories, named=self.named)


def role_request(
    role: CommitteeRole,
    evidence: CommitteeEvidence,
    *,
    names: Mapping[Symbol, Sequence[str]],
    prompt: Prompt,
    max_tokens: int,
    is_masked: bool = True,
    answers: Sequence[RoleAnswer] = (),
) -> CommitteeQuestion:
    """Ask a role. The same evidence always makes the same bytes.

    Parameters
    ----------
    names : mapping of symbol to sequence of str
        What companies are called: see `mask_of`.
    prompt : Prompt
        The role's instructions.
    max_tokens : int
        Of the answer.
    is_masked : bool
        Whether names and dates are hidden.
    answers : sequence of RoleAnswer
        What others have said, as `CommitteeQuestion.answered` returns it: still masked.
    """
    symbol, stories = evidence.symbol, evidence.stories
    written = [evidence.strategy, evidence.reason, *_strings(evidence.reports)]
    mask = mask_of(stories, symbol=symbol, names=names, also=written) if is_masked else no_mask(symbol)
    items = [*_items(evidence, mask.hide), *shown_stories(stories, mask, evidence.at)]
    heard = [_said(answer) for answer in answers]
    about = {"ticker": mask.ticker} | ({"company": mask.company} if mask.company else {})
    shown_ids = tuple(str(item["id"]) for item in (*items, *heard))
    document = {"about": about, "evidence": items} | ({"answers": heard} if heard else {}) | {"role": role.value}
    unmasked = [*_items(evidence, str), *shown_stories(stories, no_mask(symbol), evidence.at)]
    told = mask.restore(json.dumps([unmasked, heard], ensure_ascii=False))
    return CommitteeQuestion(
        role=role,
        stories=stories,
        mask=mask,
        shown_ids=shown_ids,
        # The names of its members are written in capitals too: RSI, MACD.
        named=(*(mask.restore(each) for each in about.values()), told, told.upper()),
        request=LanguageRequest(
            prompt_id=prompt.id,
            system=prompt.text,
            user=document_of(document),
            schema=role_schema(shown_ids),
            max_tokens=max_tokens,
        ),
    )


def chair_request(
    evidence: CommitteeEvidence,
    answers: Sequence[RoleAnswer],
    *,
    names: Mapping[Symbol, Sequence[str]],
    prompt: Prompt,
    max_tokens: int,
    is_masked: bool = True,
) -> CommitteeQuestion:
    """Ask the chair, who is shown the others' answers too: see `role_request`."""
    how = {"names": names, "prompt": prompt, "max_tokens": max_tokens, "is_masked": is_masked}
    return role_request(CommitteeRole.CHAIR, evidence, answers=answers, **how)  # type: ignore[arg-type]


def _items(evidence: CommitteeEvidence, hide: Callable[[str], str]) -> list[dict[str, object]]:
    plan = {
        "side": "buy",
        "strategy": evidence.strategy,
        "reason": evidence.reason,
        "limit": f"${plain(evidence.limit_usd)}",
        "stop": f"${plain(evidence.stop_usd)}",
        "target": f"${plain(evidence.target_usd)}",
        "p_up": evidence.p_up,
        "expected_move": evidence.expected_move,
    }
    gates = {
        each.gate.value: f"{each.found}, limit {each.limit}" for each in evidence.gates if each.gate in SHOWN_GATES
    }
    reports = {REPORT_IDS[name]: evidence.reports[name] for name in REPORT_IDS if name in evidence.reports}
    items = {PLAN: plan, **reports} | ({GATES: gates} if gates else {})
    return [{"id": name, "found": _shown(value, hide)} for name, value in items.items()]


def _said(answer: RoleAnswer) -> dict[str, object]:
    return {
        "id": answer.role.upper(),
        "stance": answer.stance.value,
        "factor": float(answer.factor),
        "reason": answer.reason,
        "sources": [*answer.source_ids],
    }


def _shown(value: object, hide: Callable[[str], str]) -> object:
    """As JSON has it, in one order and without digits that say nothing."""
    match value:
        case bool() | int() | None:
            return value
        case float():
            return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
        case Decimal():
            return plain(value)
        case str():
            return hide(str(value))
        case Mapping():
            return {str(key): _shown(value[key], hide) for key in sorted(value)}
        case Sequence():
            return [_shown(each, hide) for each in value]
    raise TypeError(f"evidence must be of JSON's values or Decimal, got {value!r}")


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key in sorted(value):
                yield from _strings(value[key])
        case Sequence():
            for each in value:
                yield from _strings(each)
