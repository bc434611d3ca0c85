"""What the reports have in common: colours, one style sheet that each page carries inside, and a warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

ACCENT = "#0f766e"
SOFT = "#99cfc8"
LOSS = "#b4541f"
INK = "#1c2733"
FAINT = "#8a97a6"
GRID = "#e7ecf1"
TEXT = "#66758a"

INVENTED = "The market is an invented one: nothing here says anything of a real one."
"""Stands beside every verdict on models that have learned from a seeded market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParts:
    """A training's HTML report in parts: what it is of, the verdict with its checks, and all that it rests on."""

    title: str
    data: str
    verdict: str
    details: str


_SHEET = Path(__file__).with_suffix(".css")


def style() -> str:
    """Return the style sheet with its colours."""
    colours = {"accent": ACCENT, "soft": SOFT, "loss": LOSS, "ink": INK, "faint": TEXT}
    colours |= {"line": "#e3e9ef", "paper": "#ffffff", "ground": "#f5f7f9"}
    names = " ".join(f"--{name}: {value};" for name, value in colours.items())
    return f":root {{ {names} }}\n{_SHEET.read_text(encoding='utf-8')}"


def template(path: Path, **filters: Callable[..., str]) -> Template:
    """Open a page's template. What it is given is escaped; a name that it is not given is an error."""
    import jinja2  # noqa: PLC0415 - only who reports pays

    loader, strict = jinja2.FileSystemLoader(path.parent), jinja2.StrictUndefined
    environment = jinja2.Environment(
        loader=loader, undefined=strict, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(filters)
    return environment.get_template(path.name)
