"""Prepare a world once: choose its core symbols and train its first models on the sessions before its day.

Runs in a process of its own, so that neither the training library nor the market's history weighs on the app.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.prepared import folder_of
from sandbox.state import held
from shared.adapters.calendar import XnysCalendar
from shared.core.market import Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol
from simulation.market.recorded import RecordedTape
from simulation.market.scenario import DEFAULT_SEED, MARKET_SYMBOLS, STATE, Scenario, core_symbols
from simulation.market.synthetic import SyntheticTape
from simulation.market.tape import Tape
from training.pipeline import TrainedModels, TrainingRule, train
from training.publish import write_model
from training.source import TapeHistory
from training.text.registry import write_text_model
from training.text.seeded import seeded_text_models

MIN_SESSIONS = 35
"""Fewer recorded sessions than the quick rule splits teach nothing: then the seeded market does."""


def prepare(world: Scenario, console: Console) -> Path:
    """Return the folder of the prepared world, made now unless it stands there already or another process makes it."""
    folder = folder_of(world)
    if not _is_prepared(folder):
        with held(folder, "sandbox prepare", waiting=console.print):
            if not _is_prepared(folder):
                _prepare(world, folder, console)
    return folder


def _is_prepared(folder: Path) -> bool:
    return (folder / "world.json").is_file()


def _prepare(world: Scenario, folder: Path, console: Console) -> None:
    for left in folder.parent.glob(f"{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    tape = world.tape()
    teacher = tape if _teaches(tape) else SyntheticTape(DEFAULT_SEED, world.on, cache_dir=STATE / "markets")
    models = _train(teacher, world, console)
    partial = folder.with_suffix(f".{os.getpid()}.partial")
    for model in models.all:
        write_model(partial / "models" / model.card.name, model.onnx, model.card)
    # Recorded bars have no stories, and real ones are not to be had: the seeded market teaches to read.
    for reader in seeded_text_models(world.seed, world.on, _before_the_day(world)):
        write_text_model(partial / "texts" / reader.card.name, reader)
    document = {
        "core_symbols": core_symbols(tape),
        "market_symbols": [s for s in MARKET_SYMBOLS if s in tape.assets] or list(core_symbols(tape)[:1]),
        "content_id": tape.content_id,
        "trained_on": teacher.content_id,
        "told": list(tape.told) if isinstance(tape, RecordedTape) else [],
    }
    (partial / "world.json").write_text(json.dumps(document, indent=1))
    partial.rename(folder)


def _teaches(tape: Tape) -> bool:
    """Whether the days before the traded one are enough to learn from."""
    sessions = [on for on in tape.session_dates if on < tape.on]
    if len(sessions) < MIN_SESSIONS or not set(MARKET_SYMBOLS) <= set(tape.assets):
        return False
    start = datetime.combine(sessions[-MIN_SESSIONS], time(), NEW_YORK)
    end = datetime.combine(tape.on, time(), NEW_YORK)
    return len(tape.bars(MARKET_SYMBOLS[0], Timeframe.MIN_5, start, end)) > MIN_SESSIONS * 70


def _before_the_day(world: Scenario) -> datetime:
    return datetime.combine(world.on, time(4), NEW_YORK).astimezone(UTC)


def _train(tape: Tape, world: Scenario, console: Console) -> TrainedModels:
    rule = TrainingRule(market_symbols=tuple(map(Symbol, core_symbols(tape))))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("train the first models", total=1.0)

        def show(what: str, done: float) -> None:
            progress.update(task, description=f"train the first models: {what}", completed=done)

        return train(
            TapeHistory(tape, XnysCalendar()),
            seed=world.seed,
            on=world.on,
            created_at=_before_the_day(world),
            is_synthetic=not isinstance(tape, RecordedTape),  # what is not recorded is invented
            rule=rule,
            progress=show,
        )
