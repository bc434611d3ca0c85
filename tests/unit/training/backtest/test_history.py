"""Bars that a backtest keeps in memory are those that blobs would hold, for as long as somebody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.messages import Signal
from shared.core.errors import ContractError
from shared.stages.base.technical import reports_of
from shared.stages.entry.score import score
from tests.support.books import NightFakes, night_ports, slice_of
from training.backtest.history import SLOTS_KEPT, MemoryHistory

SLOTS = [f"12{minute:02d}" for minute in range(0, 5 * SLOTS_KEPT + 5, 5)]


def scored(ports: NightFakes, slot: str = "1200") -> list[Signal]:
    """Two slices of one slot."""
    return [signal for symbol in ("AAA", "BBB") for signal in score(slice_of(ports, symbol, slot=slot), ports)]


def test_reports_in_memory_are_those_of_blobs_for_every_slice_of_a_slot() -> None:
    ports, memory = night_ports(), night_ports()
    memory.history = MemoryHistory()
    expected, found = ([reports_of(each, signal) for signal in scored(each)] for each in (ports, memory))
    assert len(found) == 2
    assert found == expected
    assert None not in found


def test_the_last_slots_are_kept_and_no_more() -> None:
    ports = night_ports()
    ports.history = MemoryHistory()
    signals = []
    for slot in SLOTS:
        signals.append(scored(ports, slot)[0])
        ports.clock.pass_by(timedelta(minutes=1))
    assert all(reports_of(ports, signal) for signal in signals[1:])
    with pytest.raises(ContractError, match="does not exist"):
        reports_of(ports, signals[0])
