"""A folder behaves as the blob stores do."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.adapters.memory import MemoryBlobs
from shared.core.errors import ConflictError
from training.registry.folder import FolderBlobs


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> FolderBlobs | MemoryBlobs:
    return FolderBlobs(tmp_path / "registry") if request.param == "folder" else MemoryBlobs()


def test_what_is_written_is_read_back(blobs: FolderBlobs | MemoryBlobs) -> None:
    assert blobs.get("models", "signal/v1/card.json") is None
    assert blobs.insert("models", "signal/v1/card.json", b"one")
    assert not blobs.insert("models", "signal/v1/card.json", b"two")
    stored = blobs.get("models", "signal/v1/card.json")
    assert stored is not None
    assert stored.value == b"one"
    blobs.put("models", "signal/champion.json", b"three")
    assert blobs.names("models", "signal/") == ["signal/champion.json", "signal/v1/card.json"]
    assert blobs.names("models", "signal/v") == ["signal/v1/card.json"]
    assert blobs.names("reports", "") == []


def test_a_conditional_write_loses_against_a_faster_one(blobs: FolderBlobs | MemoryBlobs) -> None:
    with pytest.raises(ConflictError):
        blobs.replace("models", "signal/champion.json", b"x", "no such tag")
    blobs.put("models", "signal/champion.json", b"one")
    stored = blobs.get("models", "signal/champion.json")
    assert stored is not None
    blobs.replace("models", "signal/champion.json", b"two", stored.etag)
    with pytest.raises(ConflictError):
        blobs.replace("models", "signal/champion.json", b"three", stored.etag)


@pytest.mark.parametrize("name", ["../champion.json", "a/../../b", "/etc/passwd", ""])
def test_a_name_that_leads_out_of_its_container_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        FolderBlobs(tmp_path).put("models", name, b"x")
    assert not (tmp_path / "b").exists()
