"""`publish`: a folder's models go into the storage account of the app's settings, as champions."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from training.commands import TrainingCommand
from training.commands.options import storage_settings


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, required=True, help="folder that fit has written")


def _run(options: argparse.Namespace, console: Console) -> int:
    """Publish to the account that AzureWebJobsStorage or AzureWebJobsStorage__accountName names."""
    from shared.adapters.blobs import AzureBlobs
    from shared.adapters.clock import SystemClock
    from shared.adapters.codec import decode_json
    from shared.contracts.model_card import ModelCard
    from shared.contracts.settings import StorageSettings
    from training.publish import publish

    cards = sorted(options.models.glob("*/*/card.json"))
    if not cards:
        raise ValueError(f"{options.models}: no {{model}}/{{version}}/card.json found")
    blobs = AzureBlobs(storage_settings() or StorageSettings(connection="", account_name=""))
    for path in cards:
        card = decode_json(ModelCard, path.read_bytes())
        publish(blobs, (path.parent / "model.onnx").read_bytes(), card, promoted_at=SystemClock().now())
        console.print(f"{card.name}/{card.version} is champion", markup=False)
    return 0


COMMANDS = (
    TrainingCommand(
        name="publish", help="publish a folder's models and make them champions", add_options=_add_options, run=_run
    ),
)
