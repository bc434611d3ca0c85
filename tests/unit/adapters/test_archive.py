"""Old versions of a model can be had as long as their blobs are whole, expired or not."""

from __future__ import annotations

import numpy as np
import pytest

from shared.adapters.archive import OnnxArchive
from shared.adapters.codec import encode_json
from shared.adapters.memory import MemoryBlobs
from shared.core.errors import ModelError
from tests.support.models import tiny_model


def published(seed: int = 1) -> MemoryBlobs:
    blobs = MemoryBlobs()
    data, card = tiny_model("signal", seed=seed)
    blobs.put("models", f"signal/{card.version}/model.onnx", data)
    blobs.put("models", f"signal/{card.version}/card.json", encode_json(card))
    return blobs


def test_a_version_answers_as_its_recorded_pairs_say() -> None:
    model = OnnxArchive(published()).version("signal", "v1")
    pair = model.card.pairs[0]
    row = np.array([[np.nan if v is None else v for v in pair.features]], np.float64)
    assert model.predict(row)[0] == pytest.approx(pair.output, abs=1e-5)


def test_it_is_read_once() -> None:
    blobs = published()
    archive = OnnxArchive(blobs)
    first = archive.version("signal", "v1")
    blobs.put("models", "signal/v1/model.onnx", b"")
    assert archive.version("signal", "v1") is first


@pytest.mark.parametrize("part", ["card.json", "model.onnx"])
def test_a_version_that_is_not_whole_cannot_be_had(part: str) -> None:
    whole = published()
    blobs = MemoryBlobs()
    for name in whole.names("models", ""):
        stored = whole.get("models", name)
        if stored is not None and not name.endswith(part):
            blobs.put("models", name, stored.value)
    with pytest.raises(ModelError, match="models/signal/v1 is gone"):
        OnnxArchive(blobs).version("signal", "v1")


def test_a_version_whose_bytes_changed_cannot_be_had() -> None:
    blobs = published()
    blobs.put("models", "signal/v1/model.onnx", tiny_model("signal", seed=2)[0])
    with pytest.raises(ModelError, match="sha256"):
        OnnxArchive(blobs).version("signal", "v1")
