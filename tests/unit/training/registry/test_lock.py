"""One holder at a time, and none for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.adapters.memory import MemoryBlobs
from shared.core.errors import ConflictError
from tests.support.clock import HandClock
from training.registry.lock import BlobLock

LENGTH = timedelta(minutes=20)


def lock(blobs: MemoryBlobs, clock: HandClock, owner: str) -> BlobLock:
    return BlobLock(blobs, "reports", "nightly/lock.json", clock=clock, owner=owner, length=LENGTH)


def test_a_held_lock_names_its_holder_until_it_is_released() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    one, other = lock(blobs, clock, "one"), lock(blobs, clock, "other")
    assert one.take() is None
    holder = other.take()
    assert holder is not None
    assert (holder.owner, holder.until) == ("one", clock.now() + LENGTH)
    one.release()
    assert other.take() is None


def test_the_lock_of_a_dead_holder_is_free_after_its_time_and_a_living_one_renews_it() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    one, other = lock(blobs, clock, "one"), lock(blobs, clock, "other")
    one.take()
    clock.pass_by(LENGTH / 2)
    assert one.take() is None
    clock.pass_by(LENGTH / 2)
    assert other.take() is not None
    clock.pass_by(LENGTH / 2)
    assert other.take() is None


def test_what_is_no_longer_ours_is_not_released() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    one, other = lock(blobs, clock, "one"), lock(blobs, clock, "other")
    one.take()
    clock.pass_by(LENGTH)
    other.take()
    one.release()
    assert one.take() is not None


def test_a_lock_that_cannot_be_read_is_nobodys() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    blobs.put("reports", "nightly/lock.json", b"?")
    assert lock(blobs, clock, "one").take() is None


def test_of_two_who_take_it_in_the_same_moment_one_is_told() -> None:
    class Racing(MemoryBlobs):
        """Another takes the lock right after we have looked."""

        def insert(self, container: str, name: str, data: bytes) -> bool:
            super().insert(container, name, b"{}")
            return super().insert(container, name, data)

    with pytest.raises(ConflictError):
        lock(Racing(), HandClock(), "one").take()
