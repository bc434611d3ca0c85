"""Which market the sandbox plays, and what is prepared for it once: its core symbols and its first models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.market.days import CALENDAR, tradable_day
from sandbox.market.tape import Tape
from shared.core.errors import ContractError, SettingsError
from shared.core.ids import digest, hash_id
from shared.core.market import Timeframe
from shared.core.sessions import NEW_YORK

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".sandbox"
DEFAULT_ON = date(2026, 10, 14)
DEFAULT_SEED = 7
CORE_SIZE = 38
MARKET_SYMBOLS = ("SPY", "QQQ")
LIQUIDITY_DAYS = 20

_MADE_BY = (
    "training/*.py", "training/data/*.py", "shared/core/features/**/*.py", "shared/core/splits.py",
    "sandbox/market/**/*.py", "sandbox/world.py", "sandbox/prepare.py",
)  # fmt: skip
"""Sources whose change makes a prepared world stale. What else stands under training fetches, judges or publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A market to trade on one day: seeded, or recorded bars with what belongs to them.

    `bars` is a parquet file of recorded bars; `daily` and `quotes` are optional companions. Without `bars`, the market
    is the seeded one.
    """

    seed: int = DEFAULT_SEED
    on: date = DEFAULT_ON
    bars: Path | None = None
    daily: Path | None = None
    quotes: Path | None = None

    def arguments(self) -> list[str]:
        """Spell the world as command line arguments."""
        given = {
            "--seed": self.seed,
            "--on": self.on,
            "--bars": self.bars,
            "--daily": self.daily,
            "--quotes": self.quotes,
        }
        return [text for name, value in given.items() if value is not None for text in (name, str(value))]

    def tape(self) -> Tape:
        """Build the market.

        Raises
        ------
        SettingsError
            If the day is no session or a file cannot be used.
        """
        if self.bars is not None:
            from sandbox.market.replay import ReplayTape

            return ReplayTape.from_parquet(self.bars, self.on, daily=self.daily, quotes=self.quotes)
        from sandbox.market.splits import SplitTape, seeded_splits
        from sandbox.market.synthetic import SyntheticTape

        market = SyntheticTape(self.seed, self.on, cache_dir=STATE / "markets")
        return SplitTape(market, seeded_splits(market, self.seed))

    @property
    def key(self) -> str:
        """Name of the prepared world: what it is, and the code that prepares it."""
        files = [_spelled(path) for path in (self.bars, self.daily, self.quotes) if path]
        return hash_id("world", str(self.seed), str(self.on), *files, _code_digest())


def _spelled(path: Path) -> str:
    """A file as part of a world's name: where it is and how large. Raises SettingsError where it is missing."""
    if not path.is_file():
        raise SettingsError(f"file of recorded bars must exist, got {str(path)!r}")
    return f"{path.resolve()}{path.stat().st_size}"


def _code_digest() -> str:
    paths = sorted(path for pattern in _MADE_BY for path in ROOT.glob(pattern))
    return digest(b"".join(path.read_bytes() for path in paths))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What stands ready in a folder: `world.json`, and `models/{name}/model.onnx` with `card.json`."""

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


def folder_of(world: World) -> Path:
    """Where a world is prepared."""
    return STATE / "worlds" / world.key


def core_symbols(tape: Tape, size: int = CORE_SIZE, *, on: date | None = None) -> tuple[str, ...]:
    """The market's own symbols, then the most traded equities by median dollar volume of 20 days before a day.

    The day is the tape's own unless given.
    """
    end = datetime.combine(on or tape.on, datetime.min.time(), NEW_YORK)
    start = end - timedelta(days=2 * LIQUIDITY_DAYS)
    turnover: dict[str, float] = {}
    for symbol, asset in tape.assets.items():
        if asset.asset_class == "us_equity" and asset.is_tradable:
            bars = tape.bars(symbol, Timeframe.DAY_1, start, end)[-LIQUIDITY_DAYS:]
            values = sorted((bars.close * bars.volume).tolist())
            turnover[symbol] = values[len(values) // 2] if values else 0.0
    market = [symbol for symbol in MARKET_SYMBOLS if symbol in turnover]
    ranked = sorted((s for s in turnover if s not in market), key=lambda s: (-turnover[s], s))
    return (*market, *ranked[: size - len(market)])


def parse_on(text: str) -> date:
    """Read the date of a session that can be traded. Raises SettingsError naming what was found and what is covered."""
    return tradable_day(parse_date("--on", text)).on


def parse_date(name: str, text: str) -> date:
    """Read an option's date, a session or none. Raises SettingsError naming what was found and what is covered."""
    try:
        return CALENDAR.read(text)
    except ContractError as error:
        raise SettingsError(f"{name}: {error}") from error
