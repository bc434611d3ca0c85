"""What is prepared for a world once and kept in a folder: its core symbols and its first models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.core.errors import SettingsError
from shared.core.ids import digest, hash_id
from simulation.market.scenario import ROOT, STATE, Scenario

_MADE_BY = (
    *("training/*.py", "training/data/*.py", "training/text/*.py", "simulation/market/**/*.py", "sandbox/prepare.py"),
    *("shared/core/features/**/*.py", "shared/core/splits.py", "shared/core/text/lexicon.py"),
)
"""Sources whose change makes a prepared world stale. What else stands under training fetches, judges or publishes."""


def _code_digest() -> str:
    paths = sorted(path for pattern in _MADE_BY for path in ROOT.glob(pattern))
    return digest(b"".join(path.read_bytes() for path in paths))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What stands ready in a folder: `world.json`, and models below `models/{name}` and `texts/{name}`."""

    folder: Path
    core_symbols: tuple[str, ...]
    market_symbols: tuple[str, ...]
    content_id: str
    trained_on: str
    told: tuple[str, ...] = ()
    """What to say of the files of recorded bars: rows, and those that were set aside."""

    @classmethod
    def read(cls, folder: Path) -> Prepared:
        """Read a prepared world."""
        document: dict[str, Any] = json.loads((folder / "world.json").read_text())
        return cls(
            folder=folder,
            core_symbols=tuple(document["core_symbols"]),
            market_symbols=tuple(document["market_symbols"]),
            content_id=document["content_id"],
            trained_on=document["trained_on"],
            told=tuple(document["told"]),
        )


def folder_of(world: Scenario) -> Path:
    """Where a world is prepared."""
    return STATE / "worlds" / key_of(world)


def key_of(world: Scenario) -> str:
    """Name of a prepared world: what it is, and the code that prepares it."""
    files = [_spelled(path) for path in (world.bars, world.daily, world.quotes) if path]
    return hash_id("world", str(world.seed), str(world.on), *files, _code_digest())


def _spelled(path: Path) -> str:
    """A file as part of a world's name: where it is and how large. Raises SettingsError where it is missing."""
    if not path.is_file():
        raise SettingsError(f"file of recorded bars must exist, got {str(path)!r}")
    return f"{path.resolve()}{path.stat().st_size}"
