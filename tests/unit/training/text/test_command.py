"""`python -m training text`: from weights and labelled files to champions, or to a refusal with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared.adapters.codec import decode_json
from shared.adapters.texts import OnnxTextModels
from shared.contracts.model_card import Champion
from tests.support.clock import HandClock
from tests.support.encoders import write_tiny_encoder
from tests.unit.training.text.test_sentiment import noisy
from training.__main__ import main
from training.registry.folder import FolderBlobs
from training.text import labelled

pytest.importorskip("safetensors", reason="extra `text` is not installed: safetensors is missing")


@pytest.fixture(autouse=True)
def _no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever word lists are installed here, the outcome is the same."""
    monkeypatch.setattr(labelled, "packaged_lists", lambda: ())


def write_labels(path: Path, *, noise_seed: int | None = None) -> Path:
    """Noisy labels of seeded stories; with a seed, those that are learned from are nothing but noise."""
    data = noisy().data
    labels = data.labels.copy()
    if noise_seed is not None:
        learned = ~data.is_held_out
        labels[learned] = np.random.default_rng(noise_seed).permutation(labels[learned])
    pd.DataFrame({"text": data.texts, "score": labels}).to_csv(path)
    return path


def champion(registry: Path, name: str) -> str:
    return decode_json(Champion, (registry / "models" / name / "champion.json").read_bytes()).version


def test_an_embedding_and_a_sentiment_model_are_published_read_listed_and_guarded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry, weights = tmp_path / "registry", write_tiny_encoder(tmp_path / "weights")
    kept = ["--registry", str(registry)]
    labels = write_labels(tmp_path / "labels.csv")
    assert main(["text", "sentiment", "--labelled", str(labels), *kept]) == 1
    assert "publish one first" in capsys.readouterr().err
    assert main(["text", "embedding", "--weights", str(weights), *kept]) == 0
    assert main(["text", "sentiment", "--labelled", str(labels), *kept]) == 0
    first = champion(registry, "sentiment")
    clock = HandClock()
    state = OnnxTextModels(FolderBlobs(registry), clock).current()
    assert state.fault == ""
    assert state.reader is not None
    assert state.reader.versions[1] == f"sentiment/{first}"

    noise = write_labels(tmp_path / "noise.csv", noise_seed=1)
    capsys.readouterr()
    assert main(["text", "sentiment", "--labelled", str(noise), *kept]) == 0
    told = capsys.readouterr().err
    assert "is refused" in told
    assert f"of {first} on" in told
    assert champion(registry, "sentiment") == first

    other = write_tiny_encoder(tmp_path / "other", seed=2)
    assert main(["text", "embedding", "--weights", str(other), *kept]) == 0
    assert "stands on another embedding: train it anew" in capsys.readouterr().err
    assert main(["list", *kept]) == 0
    assert first in capsys.readouterr().err
    assert main(["promote", first, *kept]) == 0


def test_weights_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none"
    assert main(["text", "embedding", "--weights", str(missing), "--registry", str(tmp_path / "registry")]) == 1
    assert "none/config.json" in capsys.readouterr().err.replace("\n", "")
