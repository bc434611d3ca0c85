"""Versions are immutable, and the champion is switched last and under its ETag."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.codec import decode_json, encode_json
from shared.adapters.memory import MemoryBlobs
from shared.contracts.model_card import MAX_PAST, Champion, ModelCard
from shared.core.errors import ConflictError, ModelError
from shared.ports import Stored
from tests.support.models import CREATED_AT, EXPIRES_ON, tiny_model
from training.publish import CONTAINER, promote, publish, roll_back, versions_of

ON, DAY = CREATED_AT.date() + timedelta(days=9), timedelta(days=1)


def champion(blobs: MemoryBlobs) -> Champion:
    stored = blobs.get(CONTAINER, "signal/champion.json")
    assert stored is not None
    return decode_json(Champion, stored.value)


def test_published_blobs_are_the_bytes_and_the_card() -> None:
    blobs = MemoryBlobs()
    onnx, card = tiny_model()
    publish(blobs, onnx, card, promoted_at=CREATED_AT)
    assert blobs.names(CONTAINER, "") == ["signal/champion.json", "signal/v1/card.json", "signal/v1/model.onnx"]
    stored_onnx, stored_card = blobs.get(CONTAINER, "signal/v1/model.onnx"), blobs.get(CONTAINER, "signal/v1/card.json")
    assert stored_onnx is not None
    assert stored_onnx.value == onnx
    assert stored_card is not None
    assert decode_json(ModelCard, stored_card.value) == card
    assert champion(blobs).version == "v1"


def test_publishing_twice_changes_nothing() -> None:
    blobs = MemoryBlobs()
    onnx, card = tiny_model()
    publish(blobs, onnx, card, promoted_at=CREATED_AT)
    before = {name: blobs.get(CONTAINER, name) for name in blobs.names(CONTAINER, "")}
    publish(blobs, onnx, card, promoted_at=CREATED_AT + timedelta(days=1))
    assert {name: blobs.get(CONTAINER, name) for name in blobs.names(CONTAINER, "")} == before


def test_a_version_with_other_bytes_is_refused_and_the_champion_stays() -> None:
    blobs = MemoryBlobs()
    onnx, card = tiny_model()
    publish(blobs, onnx, card, promoted_at=CREATED_AT)
    blobs.put(CONTAINER, "signal/v2/model.onnx", b"something else")
    other, other_card = tiny_model(seed=2)
    with pytest.raises(ModelError, match="immutable"):
        publish(blobs, other, other_card, promoted_at=CREATED_AT)
    assert champion(blobs).version == "v1"


def test_bytes_that_are_not_the_cards_are_refused_before_anything_is_written() -> None:
    blobs = MemoryBlobs()
    with pytest.raises(ModelError, match="sha256"):
        publish(blobs, b"x", tiny_model()[1], promoted_at=CREATED_AT)
    assert blobs.names(CONTAINER, "") == []


def test_a_version_that_was_never_published_is_not_promoted() -> None:
    with pytest.raises(ModelError, match="has no card"):
        promote(MemoryBlobs(), "signal", "v1", promoted_at=CREATED_AT)


def test_two_promotions_at_once_do_not_both_win() -> None:
    class Racing(MemoryBlobs):
        """Another publisher switches the champion right after we have looked."""

        def get(self, container: str, name: str) -> Stored[bytes] | None:
            stored = super().get(container, name)
            if name.endswith("champion.json") and stored is not None:
                super().put(container, name, stored.value)
            return stored

    blobs = Racing()
    publish(blobs, *tiny_model(), promoted_at=CREATED_AT)
    with pytest.raises(ConflictError):
        publish(blobs, *tiny_model(seed=2), promoted_at=CREATED_AT)


def three_champions() -> MemoryBlobs:
    """v1, then v2, then v3."""
    blobs = MemoryBlobs()
    for seed in (1, 2, 3):
        publish(blobs, *tiny_model(seed=seed), promoted_at=CREATED_AT + timedelta(days=seed))
    return blobs


def test_a_champion_remembers_those_before_it() -> None:
    found = champion(three_champions())
    assert found.version == "v3"
    assert [(reign.version, reign.fault) for reign in found.past] == [("v1", ""), ("v2", "")]
    assert found.sound_past == ("v2", "v1")
    assert list(versions_of(three_champions(), "signal")) == ["v1", "v2", "v3"]


def test_a_rollback_brings_back_the_last_sound_champion_and_bars_the_faulty_one() -> None:
    blobs = three_champions()
    at = CREATED_AT + timedelta(days=9)
    assert roll_back(blobs, "signal", "v3", at=at, fault="drift", on=ON).version == "v2"
    assert champion(blobs).past[-1].fault == "drift"
    assert roll_back(blobs, "signal", "v2", at=at, fault="drift too", on=ON).version == "v1"
    last = roll_back(blobs, "signal", "v1", at=at, fault="all of them", on=ON)
    assert (last.version, last.suspended) == ("v1", "all of them")


def test_rolling_back_twice_changes_nothing() -> None:
    blobs = three_champions()
    at = CREATED_AT + timedelta(days=9)
    first = roll_back(blobs, "signal", "v3", at=at, fault="drift", on=ON)
    assert roll_back(blobs, "signal", "v3", at=at + timedelta(days=1), fault="drift", on=ON) == first
    alone = MemoryBlobs()
    publish(alone, *tiny_model(), promoted_at=CREATED_AT)
    suspended = roll_back(alone, "signal", "v1", at=at, fault="drift", on=ON)
    assert suspended.suspended == "drift"
    assert roll_back(alone, "signal", "v1", at=at, fault="other words", on=ON) == suspended


def test_a_version_that_has_expired_or_is_gone_is_passed_over() -> None:
    blobs = three_champions()
    blobs.put(CONTAINER, "signal/v2/card.json", encode_json(replace(tiny_model(seed=2)[1], expires_on=ON - DAY)))
    assert roll_back(blobs, "signal", "v3", at=CREATED_AT, fault="drift", on=ON).version == "v1"
    blobs = three_champions()
    blobs.put(CONTAINER, "signal/v2/card.json", b"{}")
    assert roll_back(blobs, "signal", "v3", at=CREATED_AT, fault="drift", on=ON).version == "v1"


def test_a_version_serves_on_its_last_day_and_not_after() -> None:
    found = champion(three_champions())
    cards = {f"v{seed}": tiny_model(seed=seed)[1] for seed in (1, 2)}
    assert found.sound_before(cards.get, EXPIRES_ON) == "v2"
    assert found.sound_before(cards.get, EXPIRES_ON + DAY) is None


def test_promoting_a_suspended_champion_lifts_the_suspension() -> None:
    blobs = MemoryBlobs()
    publish(blobs, *tiny_model(), promoted_at=CREATED_AT)
    roll_back(blobs, "signal", "v1", at=CREATED_AT, fault="drift", on=ON)
    promote(blobs, "signal", "v1", promoted_at=CREATED_AT, reason="looked at it")
    assert champion(blobs).suspended == ""
    assert champion(blobs).reason == "looked at it"


def test_what_is_not_there_cannot_be_rolled_back() -> None:
    with pytest.raises(ModelError, match="no champion"):
        roll_back(MemoryBlobs(), "signal", "v1", at=CREATED_AT, fault="drift", on=ON)


def test_the_past_is_bounded() -> None:
    blobs = three_champions()
    for k in range(2 * MAX_PAST):
        promote(blobs, "signal", f"v{1 + k % 2}", promoted_at=CREATED_AT)
    assert len(champion(blobs).past) == MAX_PAST
