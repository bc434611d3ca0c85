"""What a backtest is given and what it leaves: the run's specification, its models by day, and its outcome."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from shared.contracts.settings import Settings
from shared.contracts.settings.groups import GROUPS
from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.errors import SettingsError
from shared.pipeline import TIMERS
from simulation.market.scenario import MARKET_SYMBOLS, ROOT, core_symbols
from simulation.market.tape import Tape
from simulation.runtime.local_settings import read_local_settings
from simulation.venue.config import VenueConfig
from training.backtest.batch import TrainedSet
from training.backtest.records import DayResult, Judged, Trade
from training.context import LEAST_CORE


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """Which models trade from which day on, ascending."""

    steps: tuple[tuple[date, TrainedSet], ...]

    def of(self, on: date) -> TrainedSet | None:
        """The models of a day; None before the first."""
        known = [pair for since, pair in self.steps if since <= on]
        return known[-1] if known else None

    def is_in_sample(self, on: date) -> bool:
        """Whether either model of the day has learned from it."""
        pair = self.of(on)
        cards = () if pair is None else tuple(card for _, card in pair.models)
        return any(card.trained_from <= on <= card.trained_to for card in cards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is to be run.

    Attributes
    ----------
    bars : Path
        Parquet file of recorded bars.
    since, until : date or None
        First and last traded day; the file's where None.
    changed : mapping of str to str
        App settings that differ from the example's, by name.
    cash_usd : Decimal
    venue : VenueConfig
        How the exchange fills; its cash is `cash_usd`.
    workers : int
        Processes that compute scores ahead; with 0 this one does.
    core : int
        Size of the core list, most traded first; 0 takes the settings' own.
    exact : bool
        Run every candidate and every minute through the stages, without what the batch saves.
    cases : bool
        Put together the case file of every trade.
    stories : Path, optional
        File of stories that the app hears of as its news.
    """

    bars: Path
    since: date | None = None
    until: date | None = None
    changed: Mapping[str, str] = field(default_factory=dict)
    cash_usd: Decimal = Decimal(100_000)
    venue: VenueConfig = field(default_factory=VenueConfig)
    workers: int = 2
    core: int = 0
    exact: bool = False
    cases: bool = False
    stories: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOutcome:
    """What came of a run.

    `seconds` and `calls` say where the time went, `bars` how many bars were scored, `cases` are the trades' case files
    by blob name where they were asked for.
    """

    spec: Spec
    settings: Settings
    days: tuple[DayResult, ...]
    judged: Judged
    content_id: str
    models: tuple[str, ...]
    seconds: Mapping[str, float]
    calls: Mapping[str, int]
    wall_s: float
    bars: int
    unfinished: int
    cases: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Every trade, by day."""
        return tuple(trade for day in self.days for trade in day.trades)


def setting_names() -> frozenset[str]:
    """Names of every setting of the app."""
    groups = (*GROUPS.values(), Settings)
    return frozenset(f.metadata["name"] for group in groups for f in dataclasses.fields(group) if "name" in f.metadata)


_OF_THE_SANDBOX = ("GATEHOUSE_STRATEGIES", "GATEHOUSE_LANGUAGE_URL", "GATEHOUSE_LANGUAGE_MODEL", "GATEHOUSE_COMMITTEE")


def app_environment(changed: Mapping[str, str], core: Sequence[str], market: Sequence[str]) -> dict[str, str]:
    """The example's settings with a market's symbols, and with what is changed.

    What the example says of the sandbox's own news and committee is left out: momentum.v1 alone trades unless others
    are named.

    Raises
    ------
    SettingsError
        If a changed name is no setting.
    """
    if unknown := sorted(set(changed) - setting_names() - set(TIMERS.values())):
        raise SettingsError(f"no such setting: {', '.join(unknown)}")
    return {
        **read_local_settings(ROOT / "local.settings.json.example"),
        **dict.fromkeys(_OF_THE_SANDBOX, ""),
        "GATEHOUSE_CORE_SYMBOLS": " ".join(core),
        "GATEHOUSE_MARKET_SYMBOLS": " ".join(market),
        **changed,
    }


def symbols_of(tape: Tape, on: date, most_traded: int = 0) -> tuple[Sequence[str], Sequence[str]]:
    """Core and market symbols for a tape.

    The core is the settings' own, as far as it trades there; with `most_traded`, or where hardly any of it does, the
    market's symbols and those most traded in the sessions before `on`.
    """
    market = [symbol for symbol in MARKET_SYMBOLS if symbol in tape.assets]
    if most_traded:
        return core_symbols(tape, most_traded, on=on), market
    named = [symbol for symbol in WatchlistSettings().core_symbols if symbol in tape.assets]
    return named if len(named) >= LEAST_CORE else core_symbols(tape, on=on), market


def totals(days: Sequence[DayResult], name: str) -> dict[str, int]:
    """Sum one of the days' counts: policy, decisions or refused_by."""
    summed: Counter[str] = Counter()
    for day in days:
        summed.update(getattr(day, name))
    return dict(summed.most_common())
