"""Put a prepared world's models where the app looks for them."""

from __future__ import annotations

from datetime import datetime

from sandbox.prepared import Prepared
from shared.adapters.blobs import AzureBlobs
from shared.adapters.codec import decode_json
from shared.contracts.model_card import ModelCard
from shared.contracts.settings import StorageSettings
from training.publish import publish


def publish_models(prepared: Prepared, connection: str, *, at: datetime) -> None:
    """Publish the prepared models and make them champions."""
    blobs = AzureBlobs(StorageSettings(connection=connection))
    for folder in sorted((prepared.folder / "models").iterdir()):
        card = decode_json(ModelCard, (folder / "card.json").read_bytes())
        publish(blobs, (folder / "model.onnx").read_bytes(), card, promoted_at=at)
