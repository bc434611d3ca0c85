"""The registry: models where the app looks for them.

Versions are immutable. The champion of a model is one small blob that is switched under its ETag, so that whoever looks
meanwhile finds a whole model, and of two who switch at once one is told that the other was faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from shared.adapters.codec import decode_json, encode_json
from shared.adapters.scorer import OnnxPredictor, verified
from shared.contracts.model_card import MODEL_FILE, MODELS, Champion, ModelCard, PublishedCard
from shared.contracts.text_card import TextCard, card_class_of
from shared.core.errors import ConflictError, ContractError, ModelError
from shared.core.ids import digest
from shared.ports import BlobStore, Stored

CONTAINER = "models"


def store(blobs: BlobStore, onnx: bytes, card: ModelCard) -> None:
    """Write `{name}/{version}/model.onnx` and `card.json`: what `store_files` does and raises."""
    store_files(blobs, card, {MODEL_FILE: (onnx, card.sha256)})


def store_files(blobs: BlobStore, card: PublishedCard, files: Mapping[str, tuple[bytes, str]]) -> None:
    """Write a version's files and `card.json`; the card last, so that a version with a card is whole.

    Storing the same version again is no error and leaves what stands there.

    Parameters
    ----------
    blobs : BlobStore
    card : ModelCard or TextCard
    files : mapping of str to (bytes, str)
        By name, each with the SHA-256 that the card has of it.

    Raises
    ------
    ModelError
        If the bytes are not those of the card, or the version exists with other bytes.
    """
    folder = f"{card.name}/{card.version}"
    for data, sha256 in files.values():
        if digest(data) != sha256:
            raise ModelError(f"{folder}: sha256 must be {sha256}, got {digest(data)}")
    for file, (data, sha256) in files.items():
        if not blobs.insert(CONTAINER, f"{folder}/{file}", data):
            stored = blobs.get(CONTAINER, f"{folder}/{file}")
            if stored is None or digest(stored.value) != sha256:
                raise ModelError(f"{folder} exists already with other bytes; versions are immutable")
    blobs.insert(CONTAINER, f"{folder}/card.json", encode_json(card))


def publish(blobs: BlobStore, onnx: bytes, card: ModelCard, *, promoted_at: datetime, reason: str = "") -> None:
    """Store a version and make it champion; what `store` and `promote` raise."""
    store(blobs, onnx, card)
    promote(blobs, card.name, card.version, promoted_at=promoted_at, reason=reason)


def promote(blobs: BlobStore, name: str, version: str, *, promoted_at: datetime, reason: str = "") -> None:
    """Make a stored version the champion. Where it is champion already, only a suspension is lifted.

    Raises
    ------
    ModelError
        If the version has not been stored.
    ConflictError
        If somebody else switched the champion at the same time.
    """
    if blobs.get(CONTAINER, f"{name}/{version}/card.json") is None:
        raise ModelError(f"{name}/{version} has no card in container {CONTAINER}")
    stored = _champion_blob(blobs, name)
    if stored is None:
        new = Champion(name=name, version=version, promoted_at=promoted_at, reason=reason)
        if not blobs.insert(CONTAINER, _path(name), encode_json(new)):
            raise ConflictError(f"{CONTAINER}/{_path(name)} appeared while {version} was being promoted")
        return
    old = stored.value
    if old.version != version:
        _switch(blobs, stored, old.followed_by(version, at=promoted_at, reason=reason, fault=old.suspended))
    elif old.suspended:
        _switch(blobs, stored, replace(old, suspended="", reason=reason))


def roll_back(blobs: BlobStore, name: str, version: str, *, at: datetime, fault: str, on: date) -> Champion:
    """Take a champion off for a fault: the last sound one comes back (`Champion.sound_before`), else it is suspended.

    Doing it twice changes nothing: where `version` is champion no longer, or suspended, all stays as it is.

    Parameters
    ----------
    name, version : str
        The champion that is to go.
    at : datetime
    fault : str
        Why; it may not come back by itself.
    on : date
        First session date that the one before it is to serve on.

    Returns
    -------
    Champion
        As it stands afterwards.

    Raises
    ------
    ModelError
        If there is no champion.
    ConflictError
        If somebody else switched the champion at the same time.
    """
    stored = _champion_blob(blobs, name)
    if stored is None:
        raise ModelError(f"{CONTAINER}/{_path(name)} is missing: no champion has been published")
    old = stored.value
    if old.version != version or old.suspended:
        return old
    sound = old.sound_before(lambda earlier: _card_or_none(blobs, name, earlier), on)
    if sound is None:
        return _switch(blobs, stored, replace(old, suspended=fault))
    reason = f"rolled back from {version}: {fault}"
    return _switch(blobs, stored, old.followed_by(sound, at=at, reason=reason, fault=fault))


def champion_of(blobs: BlobStore, name: str) -> Champion | None:
    """Return the champion as published, None where there is none."""
    stored = _champion_blob(blobs, name)
    return None if stored is None else stored.value


def versions_of(blobs: BlobStore, name: str) -> Sequence[str]:
    """Stored versions with a card, ascending."""
    ending = "/card.json"
    return [
        path.removeprefix(f"{name}/").removesuffix(ending)
        for path in blobs.names(CONTAINER, f"{name}/")
        if path.endswith(ending)
    ]


def card_of(blobs: BlobStore, name: str, version: str) -> ModelCard:
    """Return a stored version's card. Raises ModelError where there is none."""
    return decode_json(ModelCard, _card_blob(blobs, name, version))


def text_card_of(blobs: BlobStore, name: str, version: str) -> TextCard:
    """Return the card of a stored version of a model of text. Raises ModelError where there is none."""
    return decode_json(TextCard, _card_blob(blobs, name, version))


def model_of(blobs: BlobStore, name: str, version: str) -> bytes:
    """Return a stored version's ONNX bytes. Raises ModelError where there are none."""
    stored = blobs.get(CONTAINER, f"{name}/{version}/model.onnx")
    if stored is None:
        raise ModelError(f"{name}/{version} has no model.onnx in container {CONTAINER}")
    return stored.value


def cards_of(blobs: BlobStore, version: str) -> tuple[ModelCard, ...]:
    """Cards of the models that have a version, in the order of `MODELS`; empty where none has."""
    return tuple(card_of(blobs, name, version) for name in MODELS if version in versions_of(blobs, name))


def verified_of(blobs: BlobStore, name: str, version: str) -> tuple[ModelCard, OnnxPredictor]:
    """A stored version, checked as the app checks it. Raises ModelError where it cannot be trusted."""
    card = card_of(blobs, name, version)
    return card, verified(card, model_of(blobs, name, version))


def write_model(folder: Path, onnx: bytes, card: ModelCard) -> None:
    """Write a model and its card into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx)
    (folder / "card.json").write_bytes(encode_json(card))


def models_in(folder: Path, pattern: str = "**/card.json") -> list[tuple[bytes, ModelCard]]:
    """Models with their cards, as `write_model` has left them below a folder, by path."""
    paths = sorted(folder.glob(pattern))
    return [((path.parent / "model.onnx").read_bytes(), decode_json(ModelCard, path.read_bytes())) for path in paths]


def _path(name: str) -> str:
    return f"{name}/champion.json"


def _champion_blob(blobs: BlobStore, name: str) -> Stored[Champion] | None:
    stored = blobs.get(CONTAINER, _path(name))
    return None if stored is None else Stored(value=decode_json(Champion, stored.value), etag=stored.etag)


def _switch(blobs: BlobStore, stored: Stored[Champion], new: Champion) -> Champion:
    blobs.replace(CONTAINER, _path(new.name), encode_json(new), stored.etag)
    return new


def _card_or_none(blobs: BlobStore, name: str, version: str) -> PublishedCard | None:
    try:
        return decode_json(card_class_of(name), _card_blob(blobs, name, version))
    except (ModelError, ContractError):
        return None


def _card_blob(blobs: BlobStore, name: str, version: str) -> bytes:
    stored = blobs.get(CONTAINER, f"{name}/{version}/card.json")
    if stored is None:
        raise ModelError(f"{name}/{version} has no card in container {CONTAINER}")
    return stored.value
