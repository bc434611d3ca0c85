"""Which models trade when: a folder's, or newly trained ones every so many sessions on what was known by then."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

from shared.adapters.calendar import XnysCalendar
from shared.contracts.model_card import MODELS, ModelCard
from shared.contracts.records import Container
from shared.contracts.settings import parse_settings
from shared.core.errors import SettingsError
from shared.core.features import context_symbols
from shared.core.ids import canonical_json, digest
from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol, require_at_least
from shared.ports import BlobStore
from training import publish
from training.backtest.batch import TrainedSet
from training.backtest.ports import FIXED
from training.backtest.spec import ModelPlan, Spec, app_environment, symbols_of
from training.backtest.tape import RollingTape
from training.dataset import Progress
from training.parquet import ParquetHistory
from training.pipeline import TrainingRule, dataset_of, train_on

CACHE = Path(".sandbox") / "backtest" / "models"
FIRST_TRAINING = 45
"""Sessions before the first models: the warm-up of the features, and enough to learn from and be judged on."""


def read_models(folder: Path) -> TrainedSet:
    """Read what `python -m training fit --out FOLDER` has written; of several versions of a model the newest.

    Raises
    ------
    SettingsError
        If there are no models.
    """
    newest: dict[str, tuple[bytes, ModelCard]] = {}
    for onnx, card in publish.models_in(folder):
        known = newest.get(card.name)
        if known is None or (known[1].trained_to, known[1].created_at) < (card.trained_to, card.created_at):
            newest[card.name] = (onnx, card)
    if not newest:
        raise SettingsError(f"{folder} holds no model: expected card.json and model.onnx below it")
    return TrainedSet(models=tuple(newest[name] for name in sorted(newest)))


def read_champion(blobs: BlobStore) -> TrainedSet:
    """Read the champions of a storage account.

    Raises
    ------
    SettingsError
        If there is none.
    ModelError
        If one is not whole.
    """
    champions = [found for name in MODELS if (found := publish.champion_of(blobs, name)) is not None]
    if not champions:
        raise SettingsError(f"container {Container.MODELS} holds no champion")
    cards = [publish.card_of(blobs, champion.name, champion.version) for champion in champions]
    return TrainedSet(models=tuple((publish.model_of(blobs, card.name, card.version), card) for card in cards))


def train_for(spec: Spec, *, every: int, seed: int, progress: Progress, cache: Path = CACHE) -> ModelPlan:
    """Walk-forward models for a run: trained with the market context that it trades with."""
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    places = tape.session_dates[FIRST_TRAINING:]
    if not places:
        raise SettingsError(f"{spec.bars}: walk-forward needs more than {FIRST_TRAINING} sessions")
    settings = parse_settings({**app_environment(spec.changed, *symbols_of(tape, places[0], spec.core)), **FIXED})
    known = {Symbol(name) for name in tape.assets}
    context = context_symbols(settings.watchlist.market_symbols, settings.watchlist.core_symbols, known)
    walk = WalkForward(every=every, seed=seed, context=context)
    return walk_forward_plan(spec.bars, walk, until=spec.until, progress=progress, cache=cache)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForward:
    """Training every `every` sessions, from the first day on which there are enough.

    `max_symbols` bounds the symbols that are learned from; `context` are those of market context and breadth.
    """

    every: int
    seed: int
    context: tuple[Symbol, ...]
    first_after: int = FIRST_TRAINING
    max_symbols: int = 160

    def __post_init__(self) -> None:
        require_at_least("every", self.every, 1)


def walk_forward_plan(
    bars: Path, walk: WalkForward, *, until: date | None, progress: Progress, cache: Path = CACHE
) -> ModelPlan:
    """Train the models of every step on the sessions before it, or read those that an earlier run has trained.

    Rows are computed once, for the last step; each step learns from those of its own past.

    Parameters
    ----------
    bars : Path
    walk : WalkForward
    until : date or None
        Last day that is to be traded.
    progress : callable
    cache : Path
        Where trained models are kept, under a hash of everything that decides them.

    Raises
    ------
    SettingsError
        If the file has too few sessions.
    """
    source = ParquetHistory(bars, XnysCalendar())
    days = [day for day in source.days if until is None or day.on <= until]
    steps = days[walk.first_after :: walk.every]
    if not steps:
        raise SettingsError(f"{bars} has {len(days)} sessions; walk-forward needs more than {walk.first_after}")
    rule = _rule(walk)
    folders = [cache / _step_id(source.content_id, walk, rule, step) for step in steps]
    missing = {step: to for step, to in zip(steps, folders, strict=True) if not (to / "done").is_file()}
    if missing:
        _train_steps(source, rule, walk.seed, missing, progress)
    return ModelPlan(steps=tuple((step.on, read_models(folder)) for step, folder in zip(steps, folders, strict=True)))


def _rule(walk: WalkForward) -> TrainingRule:
    """The quick rule of training: no tuning, so that nothing of a later step is in an earlier one."""
    rule = TrainingRule(market_symbols=walk.context)
    return dataclasses.replace(rule, sampling=dataclasses.replace(rule.sampling, max_symbols=walk.max_symbols))


def _step_id(content_id: str, walk: WalkForward, rule: TrainingRule, step: TradingDay) -> str:
    content = [content_id, walk.seed, step.on.isoformat(), dataclasses.asdict(rule), _code_digest()]
    return digest(canonical_json(content))[:20]


@cache
def _code_digest() -> str:
    """Of the code that turns bars into models, as this process has found it."""
    root = Path(__file__).resolve().parents[2]
    paths = [*(root / "training").glob("*.py"), *(root / "shared" / "core" / "features").glob("*.py")]
    return digest(b"".join(path.read_bytes() for path in sorted(paths)))


def _train_steps(
    source: ParquetHistory, rule: TrainingRule, seed: int, missing: Mapping[TradingDay, Path], progress: Progress
) -> None:
    """Train models for some steps, each into its folder; a file `done` says that all are there."""
    last = max(step.on for step in missing)
    data = dataset_of(source, rule, seed=seed, on=last, progress=progress)
    for k, (step, folder) in enumerate(missing.items()):
        known = tuple(on for on in data.dates if on < step.on)
        trained = train_on(
            dataclasses.replace(data.on(known), dates=known),
            content_id=source.content_id,
            seed=seed,
            on=step.on,
            created_at=datetime.combine(step.on, time(4), NEW_YORK).astimezone(UTC),
            rule=rule,
        )
        for model in trained.all:
            publish.write_model(folder / model.card.name, model.onnx, model.card)
        (folder / "done").write_text(json.dumps({"on": step.on.isoformat()}))
        progress("walk-forward training", (k + 1) / len(missing))
