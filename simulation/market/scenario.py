"""Which market the sandbox plays, and what is prepared for it once: its core symbols and its first models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from shared.core.errors import ContractError, SettingsError
from shared.core.market import Timeframe
from shared.core.sessions import NEW_YORK
from simulation.market.days import CALENDAR, tradable_day
from simulation.market.tape import Tape

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".sandbox"
DEFAULT_ON = date(2026, 10, 14)
DEFAULT_SEED = 7
CORE_SIZE = 38
MARKET_SYMBOLS = ("SPY", "QQQ")
LIQUIDITY_DAYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
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
            from simulation.market.recorded import RecordedTape

            return RecordedTape.from_parquet(self.bars, self.on, daily=self.daily, quotes=self.quotes)
        from simulation.market.splits import SplitTape, seeded_splits
        from simulation.market.synthetic import SyntheticTape

        market = SyntheticTape(self.seed, self.on, cache_dir=STATE / "markets")
        return SplitTape(market, seeded_splits(market, self.seed))


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
