"""Other kernels: what numpy, OpenBLAS and the C library run on a lesser processor, in a process of its own.

They are chosen when a process starts, so whoever compares runs this module: `python -m tests.support.kernels IN OUT`
lives through the same day in memory as its caller.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from numpy._core import _multiarray_umath as umath  # type: ignore[attr-defined]

from sandbox.day_digest import day_digest
from shared.contracts.records import Container, Table
from shared.core.sessions import NEW_YORK
from shared.stages.entry.score import score
from shared.stages.evidence.nightly import write_cases
from simulation.market.scenario import ROOT
from tests.support.books import NOON, NightFakes, decided, night_ports, slice_of, traded
from tests.support.market_day import ON, OTHERS
from tests.support.tape import ny


def lesser_kernels() -> dict[str, str]:
    """Environment of a process that leaves out every vector extension it can do without.

    Skips the test where numpy has none to leave out: those it was built for it refuses to disable.
    """
    extensions = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    if not extensions:
        pytest.skip(f"numpy runs no code on this processor beyond that of its baseline, {umath.__cpu_baseline__}")
    return {
        **os.environ,
        "NPY_DISABLE_CPU_FEATURES": " ".join(extensions),
        "OPENBLAS_CORETYPE": "Nehalem",  # these two mean nothing to other families of processors, and do no harm there
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    }


def run_under(environment: Mapping[str, str], *arguments: str) -> str:
    """Standard output of a Python process in the checkout; it must end well."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def rows_of(ports: NightFakes) -> dict[str, dict[str, dict[str, object]]]:
    """What the day has left in tables."""
    return {table.value: ports.rows(table, ON) for table in Table}


def contents_of(ports: NightFakes) -> dict[tuple[Container, str], bytes]:
    """What the day has left in blobs."""
    return {
        (container, name): stored.value
        for container in Container
        for name in ports.blobs.names(container, "")
        if (stored := ports.blobs.get(container, name))
    }


def live(market: Mapping[str, Any] | None = None) -> NightFakes:
    """A day on a market that is given or seeded: scored from ten to noon, one order closed, two decisions beside."""
    ports = night_ports(ny(ON, "10:00:30"))
    for name, value in (market or {}).items():
        setattr(ports.market, name, value)
    while ports.clock.now() < NOON:
        slot = ports.clock.now().astimezone(NEW_YORK).strftime("%H%M")
        score(slice_of(ports, *OTHERS, "SPY", slot=slot), ports)
        ports.clock.pass_by(timedelta(minutes=5))
    traded(ports)
    decided(ports, "BBB", "CCC", slot="1205")
    ports.clock.at = ny(ON, "17:00")
    write_cases(ports, ON)
    return ports


def market_of(ports: NightFakes) -> dict[str, Any]:
    """The market of `live`: prices are data, and no kernel's business."""
    return {"history": ports.market.history, "prices": ports.market.prices, "seen": ports.market.seen}


def _main(given: Path, told: Path) -> None:
    ports = live(pickle.loads(given.read_bytes()))
    digest = day_digest(rows_of(ports), ports.blobs, [])
    told.write_bytes(pickle.dumps((digest, contents_of(ports))))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
