"""The process's app: adapters built once, settings in force looked up now and then."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

import pytest

from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.bootstrap import ActiveSet, App, Process
from shared.stages.operator.parameters import REFRESH, accept, propose
from tests.support.clock import HandClock
from tests.support.orders import NOW
from tests.support.ports import ENVIRONMENT
from tests.unit.contracts.test_parameters import made


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    """A process whose storage and clock are in memory."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = Process()
    vars(found.own).update(tables=MemoryTables(), blobs=MemoryBlobs(), clock=HandClock(NOW))
    return found


def accepted(process: Process, name: str) -> None:
    own = process.own
    propose(own.blobs, own.codec, made({"GATEHOUSE_EDGE_MIN": "0.3"}, name))
    accept(own, own.settings, name, by="me", reason="it wins")


def pass_by(process: Process, span: timedelta) -> None:
    clock = process.own.clock
    assert isinstance(clock, HandClock)
    clock.pass_by(span)


def test_a_function_keeps_the_set_that_it_began_with(process: Process) -> None:
    before = process()
    accepted(process, "walk-1")
    pass_by(process, REFRESH)
    after = process()
    assert before.settings == process.own.settings
    assert (after.settings.policy.edge_min, after.settings.policy.parameter_set) == (0.3, "walk-1")


def test_an_acceptance_in_this_process_holds_from_the_next_function_on(process: Process) -> None:
    process()
    accepted(process, "walk-1")
    assert process().settings.policy.parameter_set == "default"
    process.look_again()
    assert process().settings.policy.parameter_set == "walk-1"


def test_every_function_of_a_process_shares_its_adapters(process: Process) -> None:
    first, second = process(), process()
    assert first.tables is second.tables is process.own.tables
    assert first.models is second.models is process.own.models
    shared = [name for name, member in vars(App).items() if isinstance(member, cached_property)]
    assert shared
    assert all(isinstance(vars(ActiveSet)[name], property) for name in shared)


def test_a_process_that_forgets_reads_its_settings_anew(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    own = process.own
    process.cache_clear()
    monkeypatch.setenv("GATEHOUSE_EDGE_MIN", "0.2")
    assert process.own is not own
    assert process.own.settings.policy.edge_min == 0.2


def test_what_is_wrong_with_the_accepted_set_is_told(process: Process) -> None:
    accepted(process, "walk-1")
    process.own.blobs.put("parameters", "walk-1.json", b"{}")
    assert process().settings.policy.parameter_set == "default"
    assert "walk-1" in process.parameter_fault
