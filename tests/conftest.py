"""Fixtures of every test: real storage, the seeded market, and the models that were prepared for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from sandbox.day import prepared_world
from sandbox.prepared import Prepared
from simulation.market.scenario import Scenario
from simulation.market.tape import Tape
from tests.support.app import Sandbox

pytest_plugins = ["tests.support.azurite", "tests.support.days"]

# How long an example takes is no finding: the machine may be busy, with the other tests for a start.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", PATIENT)
settings.load_profile("patient")

# Mutants are to be noticed, not explained: no shrinking, the same examples for each.
settings.register_profile("mutate", PATIENT, phases=(Phase.explicit, Phase.generate), derandomize=True)

# Random lives at length, for which nobody waits: the machine that asks for this profile's name knows how long.
settings.register_profile("nightly", PATIENT, print_blob=True)


@pytest.fixture(scope="session")
def world() -> Scenario:
    """The sandbox's own: default seed and day."""
    return Scenario()


@pytest.fixture(scope="session")
def prepared(world: Scenario) -> Prepared:
    """Core symbols and first models of the world, trained once and kept beside the checkout's other state."""
    return prepared_world(world)


@pytest.fixture(scope="session")
def market(world: Scenario) -> Tape:
    """The world's market."""
    return world.tape()


@pytest.fixture
def sandbox(storage: str, tmp_path: Path, prepared: Prepared, market: Tape) -> Callable[..., Sandbox]:
    """Makes sandboxes around the real app on an account of their own; keyword arguments are those of `Sandbox`."""

    def make(**options: object) -> Sandbox:
        return Sandbox(storage=storage, folder=tmp_path, prepared=prepared, tape=market, **options)  # type: ignore[arg-type]

    return make
