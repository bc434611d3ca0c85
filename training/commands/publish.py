"""`publish`: a folder's models go into the storage account of the app's settings, as champions."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from training.commands import command
from training.commands.options import storage_settings


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, required=True, help="folder that fit has written")


@command("publish", "publish a folder's models and make them champions", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    """Publish to the account that AzureWebJobsStorage or AzureWebJobsStorage__accountName names."""
    from shared.adapters.blobs import AzureBlobs
    from shared.adapters.clock import SystemClock
    from shared.contracts.settings import StorageSettings
    from training.publish import models_in, publish

    models = models_in(options.models, "*/*/card.json")
    if not models:
        raise ValueError(f"{options.models}: no {{model}}/{{version}}/card.json found")
    blobs = AzureBlobs(storage_settings() or StorageSettings(connection="", account_name=""))
    for onnx, card in models:
        publish(blobs, onnx, card, promoted_at=SystemClock().now())
        console.print(f"{card.name}/{card.version} is champion", markup=False)
    return 0
