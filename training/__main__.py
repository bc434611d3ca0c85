"""From a file of bars to published models.

`python -m training fit --data BARS.parquet --out FOLDER` trains both models and writes them with their cards;
`python -m training publish --models FOLDER` puts them into the storage account of the app's settings, as champions.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.adapters.blobs import AzureBlobs
from shared.adapters.calendar import XnysCalendar
from shared.adapters.clock import SystemClock
from shared.adapters.codec import decode_json, encode_json
from shared.contracts.model_card import ModelCard
from shared.contracts.settings import StorageSettings
from shared.core.errors import GatehouseError
from training.parquet import ParquetHistory
from training.pipeline import TrainedModel, TrainedModels, train
from training.publish import publish


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m training", description="From bars to models.")
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train both models on a parquet file of bars, write them to a folder")
    fit.add_argument("--data", type=Path, required=True, help="parquet: symbol, ts, open, high, low, close, volume")
    fit.add_argument("--out", type=Path, required=True, help="folder that gets {model}/{version}/model.onnx, card.json")
    fit.add_argument("--on", type=date.fromisoformat, help="read nothing of this date or later (default: all is read)")
    fit.add_argument("--seed", type=int, default=7, help="draws symbols, and rows and columns of the trees")
    fit.add_argument("--code-revision", default="", help="goes into the cards")
    send = commands.add_parser("publish", help="publish a folder's models and make them champions")
    send.add_argument("--models", type=Path, required=True, help="folder that fit has written")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        return _COMMANDS[options.command](options, console)
    except (GatehouseError, ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


def _publish(options: argparse.Namespace, console: Console) -> int:
    """Publish to the account that AzureWebJobsStorage or AzureWebJobsStorage__accountName names."""
    cards = sorted(options.models.glob("*/*/card.json"))
    if not cards:
        raise ValueError(f"{options.models}: no {{model}}/{{version}}/card.json found")
    blobs = AzureBlobs(
        StorageSettings(
            connection=os.environ.get("AzureWebJobsStorage", ""),
            account_name=os.environ.get("AzureWebJobsStorage__accountName", ""),
        )
    )
    for path in cards:
        card = decode_json(ModelCard, path.read_bytes())
        publish(blobs, (path.parent / "model.onnx").read_bytes(), card, promoted_at=SystemClock().now())
        console.print(f"{card.name}/{card.version} is champion", markup=False)
    return 0


def _fit_and_write(options: argparse.Namespace, console: Console) -> int:
    models = _fit(options, console)
    for model in (models.signal, models.move):
        folder = options.out / model.card.name / model.card.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model.onnx)
        (folder / "card.json").write_bytes(encode_json(model.card))
        console.print(_metrics(model), f"{folder}")
    return 0


def _fit(options: argparse.Namespace, console: Console) -> TrainedModels:
    source = ParquetHistory(options.data, XnysCalendar())
    if not source.days:
        raise ValueError(f"{options.data}: no session dates found")
    columns = (TextColumn("{task.description:>20}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=done)

        return train(
            source,
            seed=options.seed,
            on=options.on or source.days[-1].on + timedelta(days=1),
            created_at=SystemClock().now(),
            code_revision=options.code_revision,
            progress=show,
        )


def _metrics(model: TrainedModel) -> Table:
    card = model.card
    table = Table("metric", "value", title=f"{card.name} {card.version}: {card.label}; out of sample")
    for name, value in card.metrics.items():
        table.add_row(name, f"{value:.6g}")
    return table


_COMMANDS = {"fit": _fit_and_write, "publish": _publish}


if __name__ == "__main__":
    sys.exit(main())
