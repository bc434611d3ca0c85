"""The language model's instructions: one file a version, part of the package, hashed into their id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from shared.core.committee.values import CommitteeRole
from shared.core.ids import digest
from shared.core.text.language import Prompt

NARRATIVE, REPAIR = "narrative.v1", "repair.v1"
COMMITTEE = "committee.v1"
"""What the instructions of all its roles have in common."""
ROLE_PROMPTS: Mapping[CommitteeRole, str] = {role: f"{role}.v1" for role in CommitteeRole}
REVIEW = "review.v1"
_HASH_LENGTH = 12


@cache
def prompt(name: str) -> Prompt:
    """Return a prompt by name; its id is `name@hash`, so that no edit goes by unseen.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    text = resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Prompt(id=f"{name}@{digest(text.encode())[:_HASH_LENGTH]}", text=text)


@cache
def committee_prompts() -> Mapping[CommitteeRole, Prompt]:
    """Return each role's instructions: its own words, then what all have in common; the id names both files."""
    common = prompt(COMMITTEE)
    own = {role: prompt(name) for role, name in ROLE_PROMPTS.items()}
    return {role: Prompt(id=f"{each.id}+{common.id}", text=f"{each.text}\n{common.text}") for role, each in own.items()}
