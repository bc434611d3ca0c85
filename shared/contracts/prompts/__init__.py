"""The language model's instructions: one file a version, part of the package, hashed into their id."""

from __future__ import annotations

from functools import cache
from importlib import resources

from shared.core.ids import digest
from shared.core.text.language import Prompt

NARRATIVE, REPAIR = "narrative.v1", "repair.v1"
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
