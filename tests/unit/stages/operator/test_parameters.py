"""Which parameter set is in force: accepted by a person, read now and then, the last good one where it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from shared.adapters.memory import MemoryTables
from shared.contracts.messages import Notice
from shared.core.errors import ConflictError, ContractError, SettingsError, TransientError
from shared.ports import Row, Stored
from shared.stages.operator.parameters import (
    REFRESH,
    accept,
    active_settings,
    fault_incident,
    load_set,
    propose,
    proposed,
)
from tests.support.orders import NOW, ON
from tests.support.ports import FakePorts, fake_ports
from tests.unit.contracts.test_parameters import made

STRICT = {"GATEHOUSE_EDGE_MIN": "0.3"}
STRICTER = {"GATEHOUSE_EDGE_MIN": "0.4"}


def ports_with(*names: str) -> FakePorts:
    ports = fake_ports(NOW)
    for name in names:
        propose(ports.blobs, ports.codec, made(STRICT, name))
    return ports


def accepted(ports: FakePorts, name: str) -> None:
    accept(ports, ports.settings, name, by="me", reason="walk-forward agrees")


def test_without_an_acceptance_the_apps_own_settings_are_in_force() -> None:
    ports = ports_with("walk-1")
    found = active_settings(ports, ports.settings, None)
    assert (found.settings, found.fault) == (ports.settings, "")
    assert proposed(ports) == ["walk-1"]


def test_an_accepted_set_comes_into_force_at_the_next_look_and_no_earlier() -> None:
    ports = ports_with("walk-1")
    before = active_settings(ports, ports.settings, None)
    accepted(ports, "walk-1")
    assert active_settings(ports, ports.settings, before) is before
    ports.clock.pass_by(REFRESH)
    after = active_settings(ports, ports.settings, before)
    assert (after.settings.policy.edge_min, after.settings.policy.parameter_set) == (0.3, "walk-1")
    assert active_settings(ports, ports.settings, None).settings == after.settings


def test_storage_is_asked_once_in_a_while() -> None:
    tables = CountingTables()
    ports = fake_ports(NOW, tables=tables)
    known = active_settings(ports, ports.settings, None)
    for _ in range(60):
        ports.clock.pass_by(timedelta(seconds=20))
        known = active_settings(ports, ports.settings, known)
    assert tables.reads == 1 + 20 * 60 // REFRESH.seconds


def test_default_takes_the_set_back() -> None:
    ports = ports_with("walk-1")
    accepted(ports, "walk-1")
    row = accept(ports, ports.settings, "default", by="me", reason="it loses")
    assert (row["previous"], row["parameter_set"]) == ("walk-1", "default")
    assert active_settings(ports, ports.settings, None).settings == ports.settings


def test_a_set_that_was_changed_after_its_acceptance_stays_out_of_force() -> None:
    ports = ports_with("walk-1")
    accepted(ports, "walk-1")
    good = active_settings(ports, ports.settings, None)
    with tampered(ports, "walk-1"):
        found = active_settings(ports, ports.settings, None)
        assert "not what was accepted" in found.fault
        assert found.settings == ports.settings
    assert active_settings(ports, ports.settings, None).settings == good.settings


def test_a_broken_set_leaves_the_last_good_one_in_force_in_old_and_new_processes() -> None:
    ports = ports_with("walk-1", "walk-2")
    accepted(ports, "walk-1")
    good = active_settings(ports, ports.settings, None)
    accepted(ports, "walk-2")
    ports.blobs.put("parameters", "walk-2.json", b"{}")
    ports.clock.pass_by(REFRESH)
    old, new = active_settings(ports, ports.settings, good), active_settings(ports, ports.settings, None)
    for found in (old, new):
        assert found.settings.policy.parameter_set == "walk-1"
        assert "walk-2" in found.fault


def test_a_set_that_no_longer_fits_the_apps_own_limits_stays_out_of_force() -> None:
    ports = fake_ports(NOW)
    propose(ports.blobs, ports.codec, made({"GATEHOUSE_MAX_POSITIONS": "10"}))
    accepted(ports, "walk-7")
    tighter = fake_ports(NOW, GATEHOUSE_MAX_POSITIONS="3").settings
    found = active_settings(ports, tighter, None)
    assert found.settings == tighter
    assert "cannot be lifted" in found.fault


def test_a_store_that_does_not_answer_leaves_what_is_in_force_and_stops_a_process_that_knows_nothing() -> None:
    tables = CountingTables()
    ports = fake_ports(NOW, tables=tables)
    known = active_settings(ports, ports.settings, None)
    tables.is_down = True
    ports.clock.pass_by(REFRESH)
    assert active_settings(ports, ports.settings, known).settings == known.settings
    with pytest.raises(TransientError):
        active_settings(ports, ports.settings, None)


def test_what_cannot_be_used_cannot_be_accepted() -> None:
    ports = fake_ports(NOW)
    propose(ports.blobs, ports.codec, made({"GATEHOUSE_MAX_POSITIONS": "15"}, "greedy"))
    with pytest.raises(SettingsError, match="GATEHOUSE_MAX_POSITIONS"):
        accepted(ports, "greedy")
    for name in ("nothing", "../champion", "default/x", ""):
        with pytest.raises(ContractError, match="name"):
            accepted(ports, name)
    assert ports.rows("controls", "controls") == {}


def test_a_set_stored_under_anothers_name_is_refused() -> None:
    ports = ports_with("walk-1")
    stored = ports.blobs.get("parameters", "walk-1.json")
    assert stored is not None
    ports.blobs.put("parameters", "walk-9.json", stored.value)
    with pytest.raises(ContractError, match="holds the set walk-1"):
        load_set(ports, "walk-9")


def test_a_stored_set_is_never_replaced() -> None:
    ports = ports_with("walk-1")
    assert propose(ports.blobs, ports.codec, made(STRICT, "walk-1")) == "walk-1.json"
    with pytest.raises(ConflictError):
        propose(ports.blobs, ports.codec, made(STRICTER, "walk-1"))


def test_a_fault_is_one_incident_a_day_and_one_notice() -> None:
    ports = fake_ports(NOW)
    (told,) = fault_incident(ports, "accepted parameter set x cannot be used")
    assert isinstance(told, Notice)
    assert fault_incident(ports, "accepted parameter set x cannot be used") == []
    assert fault_incident(ports, "") == []
    assert [row["kind"] for row in ports.rows("incidents", ON).values()] == ["parameters"]


class CountingTables(MemoryTables):
    """Tables that count reads and can fail."""

    reads = 0
    is_down = False

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        self.reads += 1
        if self.is_down:
            raise TransientError("storage is away")
        return super().get(table, partition, key)


@contextmanager
def tampered(ports: FakePorts, name: str) -> Iterator[None]:
    """Another set's bytes stand under the name for a while."""
    blob = f"{name}.json"
    stored = ports.blobs.get("parameters", blob)
    assert stored is not None
    ports.blobs.put("parameters", blob, ports.codec.encode(made(STRICTER, name)).encode())
    yield
    ports.blobs.put("parameters", blob, stored.value)
