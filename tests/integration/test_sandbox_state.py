"""Commands of the sandbox beside each other, in processes of their own: nobody wrecks or wipes what is another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.__main__ import main
from sandbox.azurite import Azurite
from sandbox.prepared import Prepared
from sandbox.state import FinishedDay, held, holder_of, renewed
from shared.adapters.blobs import AzureBlobs
from shared.contracts.records import Container
from shared.contracts.settings import StorageSettings
from simulation.market.scenario import DEFAULT_ON, ROOT
from tests.support.day import serving, wait_for

NAME = f"{DEFAULT_ON}/{'0' * 20}.json"


def sandbox_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.fixture
def last(tmp_path: Path) -> Path:
    """Folder of a finished day that has left one case file."""
    day = tmp_path / "day"
    with held(day, "test"), renewed(day) as running:
        with Azurite(running / "azurite") as azurite:
            AzureBlobs(StorageSettings(connection=azurite.connection_string)).put(Container.CASES, NAME, b"{}")
        FinishedDay.now(on=str(DEFAULT_ON), market="seed 7").write(running)
    return day


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_second_day_is_refused_in_one_line_and_the_first_one_goes_on_beside_its_readers(
    last: Path, prepared: Prepared
) -> None:
    assert prepared.core_symbols
    before = files(last)
    command = [sys.executable, "-m", "sandbox", "day", "--folder", str(last)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: bool(list(last.parent.glob("day.*.running/host/*"))), "the first day to run")
        second = sandbox_command("day", "--folder", str(last))
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.count("\n") == 1
        assert f"day is in use by process {first.pid} (sandbox day), since 20" in second.stderr

        reader = sandbox_command("replay", "--folder", str(last))
        assert f"The last finished day: {DEFAULT_ON}, seed 7, run until 20" in reader.stderr
        assert f"The next one is run by process {first.pid} (sandbox day)" in reader.stderr
        assert first.poll() is None
        assert files(last) == before
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

    assert files(last) == before
    (rest,) = last.parent.glob("day.*.running")
    third = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: not rest.exists(), "the broken-off day to be cleared away")
        found = holder_of(last)
        assert found is not None
        assert found.pid == third.pid
        assert files(last) == before
    finally:
        os.killpg(third.pid, signal.SIGKILL)
        third.wait()


def test_readers_have_the_last_finished_day_at_the_same_time_and_change_nothing_in_it(last: Path) -> None:
    from sandbox.books import opened  # noqa: PLC0415 - as a command does

    before = files(last)
    with opened("", last) as one, opened("", last) as two:
        one.blobs.put(Container.CASES, NAME, b"scribbled over")
        stored = two.blobs.get(Container.CASES, NAME)
        assert stored is not None
        assert stored.value == b"{}"
    assert files(last) == before


def test_a_second_serve_of_the_same_folder_is_refused_in_one_line_and_the_first_one_goes_on(
    tmp_path: Path, prepared: Prepared
) -> None:
    assert prepared.core_symbols
    folder = tmp_path / "serve"
    with serving(folder) as box:
        second = sandbox_command("serve", "--free-ports", "--folder", str(folder))
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.count("\n") == 1
        assert f"serve is in use by process {box.process.pid} (sandbox serve), since 20" in second.stderr
        assert box.venue("/v2/positions") == []
        assert box.process.poll() is None


@pytest.mark.parametrize("command", ["serve", "storage", "standalone", "dashboard"])
def test_who_wants_the_standard_ports_is_told_who_has_them(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ports = tmp_path / "standard-ports"
    for name in ("state", "serve", "standalone", "books"):
        monkeypatch.setattr(f"sandbox.{name}.PORTS", ports)
    monkeypatch.setattr("sandbox.standalone.STATE", tmp_path)
    monkeypatch.setattr("sandbox.dashboard._listens", lambda: False)
    for name in [name for name in os.environ if name.startswith("GATEHOUSE_DASHBOARD_")]:
        monkeypatch.delenv(name)
    with held(ports, "sandbox storage"):
        assert main([command, *(["--folder", str(tmp_path / "serve")] if command == "serve" else [])]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"standard-ports is in use by process {os.getpid()} (sandbox storage)" in err
