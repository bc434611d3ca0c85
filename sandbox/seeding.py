"""Put a prepared world's models where the app looks for them."""

from __future__ import annotations

from datetime import datetime

from sandbox.prepared import Prepared
from shared.adapters.blobs import AzureBlobs
from shared.contracts.settings import StorageSettings
from training.publish import models_in, publish
from training.text.registry import publish_text, text_models_in


def publish_models(prepared: Prepared, connection: str, *, at: datetime) -> None:
    """Publish the prepared models and make them champions."""
    blobs = AzureBlobs(StorageSettings(connection=connection))
    for onnx, card in models_in(prepared.folder / "models"):
        publish(blobs, onnx, card, promoted_at=at)
    for model in text_models_in(prepared.folder / "texts"):
        publish_text(blobs, model, promoted_at=at)
