"""`fit`: both models from a parquet file of bars, written to a folder with their cards."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import BARS_FILE, date_option, progress_bars, say

if TYPE_CHECKING:
    from training.cards import TrainedModel
    from training.pipeline import TrainedModels


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help=BARS_FILE)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets {model}/{version}/model.onnx, card.json"
    )
    parser.add_argument("--on", type=date_option, help="read nothing of this date or later (default: all)")
    parser.add_argument("--seed", type=int, default=7, help="draws symbols, and rows and columns of the trees")
    parser.add_argument("--code-revision", default="", help="goes into the cards")


@command("fit", "train the models by the quick rule on a parquet file of bars, write them to a folder", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from training.publish import write_model

    for model in _fit(options, console).all:
        folder = options.out / model.card.name / model.card.version
        write_model(folder, model.onnx, model.card)
        console.print(_metrics(model), f"{folder}")
    return 0


def _fit(options: argparse.Namespace, console: Console) -> TrainedModels:
    from shared.adapters.calendar import XnysCalendar
    from shared.adapters.clock import SystemClock
    from training.context import context_of
    from training.parquet import ParquetHistory
    from training.pipeline import TrainingRule, train

    source = ParquetHistory(options.data, XnysCalendar())
    say(console, source.told)
    if not source.days:
        raise ValueError(f"{options.data}: no session dates found")
    on = options.on or source.days[-1].on + timedelta(days=1)
    with progress_bars(console) as show:
        return train(
            source,
            seed=options.seed,
            on=on,
            created_at=SystemClock().now(),
            code_revision=options.code_revision,
            rule=TrainingRule(market_symbols=context_of(source, before=on)),
            progress=show,
        )


def _metrics(model: TrainedModel) -> Table:
    card = model.card
    table = Table("metric", "value", title=f"{card.name} {card.version}: {card.label}; out of sample")
    for name, value in card.metrics.items():
        table.add_row(name, f"{value:.6g}")
    return table
