"""The text of a role's answer becomes a value, or is refused: there is no repair, since there is no time for one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from shared.core.committee.values import FACTORS, MAX_REASON, CommitteeRole, RoleAnswer, Stance, stance_of
from shared.core.text.answers import MAX_ID, answer_object, refuse, shown, text_of, texts_of

MAX_ROLE_ANSWER = 1024
"""Characters of an answer that are looked at."""
MAX_ROLE_SOURCES = 2
ROLE_KEYS = ("stance", "factor", "reason", "sources")


def role_schema(shown_ids: Sequence[str]) -> str:
    """Return the JSON schema of an answer that may rest on these ids; that stance and factor agree it cannot say."""
    properties = {
        "stance": {"type": "string", "enum": [*Stance]},
        "factor": {"type": "number", "enum": [_number(factor) for factor in FACTORS]},
        "reason": {"type": "string", "minLength": 1, "maxLength": MAX_REASON},
        "sources": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ROLE_SOURCES,
            "items": {"type": "string", "enum": [*shown_ids]},
        },
    }
    form = {"type": "object", "properties": properties, "required": [*ROLE_KEYS], "additionalProperties": False}
    return json.dumps(form)


def parse_role(text: str, role: CommitteeRole, *, shown_ids: Sequence[str], finish: str = "") -> RoleAnswer:
    """Read a role's answer; one code fence around the one object is taken, as of a narrative.

    Parameters
    ----------
    text : str
        As it came.
    shown_ids : sequence of str
        What it may rest on.
    finish : str
        The server's word for why it ended.

    Raises
    ------
    AnswerError
        If it is not exactly one JSON object of the keys `ROLE_KEYS`, each of its type, or contradicts itself.
    """
    found = answer_object(text, ROLE_KEYS, finish=finish, longest=MAX_ROLE_ANSWER)
    stance, factor = _stance(found["stance"]), _factor(found["factor"])
    if stance is not stance_of(factor):
        refuse(f"stance {stance} contradicts factor {factor}: approve is 1, veto is 0, shrink lies between")
    sources = texts_of("sources", found["sources"], least=1, most=MAX_ROLE_SOURCES, longest=MAX_ID)
    if unknown := [each for each in sources if each not in shown_ids]:
        refuse(f"sources: {shown(unknown[0])} was not shown")
    reason = text_of("reason", found["reason"], MAX_REASON)
    return RoleAnswer(role=role, stance=stance, factor=factor, reason=reason, source_ids=sources)


def _stance(found: object) -> Stance:
    if type(found) is not str or found not in set(Stance):
        refuse(f"stance: expected one of {', '.join(Stance)}, found {shown(found)}")
    return Stance(found)


def _factor(found: object) -> Decimal:
    # An object's numbers are all read as floats, and each of the five is one exactly.
    same = [factor for factor in FACTORS if factor == found] if type(found) is float else []
    if not same:
        refuse(f"factor: expected one of {', '.join(map(str, FACTORS))}, found {shown(found)}")
    return same[0]


def _number(factor: Decimal) -> int | float:
    return int(factor) if factor == int(factor) else float(factor)
