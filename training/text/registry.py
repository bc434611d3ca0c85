"""Models of text in the registry, beside those of the market: files with their card, stored, published, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.adapters.codec import decode_json, encode_json
from shared.contracts.text_card import FILES, TextCard
from shared.core.errors import ModelError
from shared.ports import BlobStore
from training.publish import CONTAINER, promote, store_files, text_card_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """A model of text: its files by name, and its card."""

    files: Mapping[str, bytes]
    card: TextCard


def store_text(blobs: BlobStore, model: TextModel) -> None:
    """Write a version's files and card: what `store_files` does and raises."""
    store_files(blobs, model.card, {name: (data, model.card.files[name]) for name, data in model.files.items()})


def publish_text(blobs: BlobStore, model: TextModel, *, promoted_at: datetime, reason: str = "") -> None:
    """Store a version and make it champion; what `store_text` and `promote` raise."""
    store_text(blobs, model)
    promote(blobs, model.card.name, model.card.version, promoted_at=promoted_at, reason=reason)


def stored_text(blobs: BlobStore, name: str, version: str) -> TextModel:
    """Read a stored version. Raises ModelError where it is not whole."""
    files = {}
    for file in FILES[name]:
        stored = blobs.get(CONTAINER, f"{name}/{version}/{file}")
        if stored is None:
            raise ModelError(f"{name}/{version} has no {file} in container {CONTAINER}")
        files[file] = stored.value
    return TextModel(files=files, card=text_card_of(blobs, name, version))


def write_text_model(folder: Path, model: TextModel) -> None:
    """Write a model's files and its card into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in model.files.items():
        (folder / name).write_bytes(data)
    (folder / "card.json").write_bytes(encode_json(model.card))


def text_models_in(folder: Path) -> list[TextModel]:
    """Models as `write_text_model` has left them in folders of a folder, the embedding first."""
    found = []
    for path in sorted(folder.glob("*/card.json")):
        card = decode_json(TextCard, path.read_bytes())
        files = {name: (path.parent / name).read_bytes() for name in card.files}
        found.append(TextModel(files=files, card=card))
    return found
