"""The token bucket on a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.rate_limit import TokenBucket
from shared.core.errors import RateLimitedError


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


def bucket(per_min: int, time: FakeTime, max_wait_s: float = 10.0) -> TokenBucket:
    return TokenBucket(per_min, max_wait_s=max_wait_s, monotonic=time.monotonic, sleep=time.sleep)


@given(
    per_min=st.integers(1, 2000),
    pauses_s=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=400),
)
def test_no_minute_ever_sees_more_than_the_rate_and_one_burst(per_min: int, pauses_s: list[float]) -> None:
    time = FakeTime()
    limit = bucket(per_min, time, max_wait_s=1e9)
    sent_at_s = []
    for pause_s in pauses_s:
        time.now_s += pause_s
        limit.acquire()
        sent_at_s.append(time.now_s)
    burst = max(1, per_min / 9)
    for index, start_s in enumerate(sent_at_s):
        within = sum(start_s <= at_s < start_s + 60 for at_s in sent_at_s[index:])
        assert within <= per_min + burst + 1e-6


def test_a_burst_waits_for_nothing_and_what_follows_waits_its_turn() -> None:
    time = FakeTime()
    limit = bucket(180, time)
    for _ in range(20):
        limit.acquire()
    assert time.slept == []
    for _ in range(3):
        limit.acquire()
    assert time.slept == pytest.approx([1 / 3] * 3)


def test_a_wait_that_would_be_too_long_is_refused_and_takes_no_token() -> None:
    time = FakeTime()
    limit = bucket(1, time, max_wait_s=10)
    limit.acquire()
    for _ in range(5):
        with pytest.raises(RateLimitedError, match=r"used up for 60\.0 s"):
            limit.acquire()
    time.now_s += 60
    limit.acquire()
    assert time.slept == []


def test_a_pause_holds_everyone_back_for_that_long() -> None:
    time = FakeTime()
    limit = bucket(180, time)
    limit.pause(5)
    limit.acquire()
    assert time.slept == pytest.approx([5])
