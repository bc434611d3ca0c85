"""`make dashboard`: the pages over what is at hand, in a process of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from sandbox.azurite import STANDARD_PORTS
from sandbox.books import shown
from simulation.market.scenario import ROOT

_VARIABLES = "GATEHOUSE_DASHBOARD_"


def show_dashboard(folder: Path, port: int, console: Console) -> int:
    """Serve the pages until stopped.

    What the environment names counts. Where it names nothing, the sandbox that is being served, and where none is, the
    storage that the last day left in `folder`.

    Raises
    ------
    SettingsError
        If there is nothing to show.
    """
    with contextlib.ExitStack() as stack:
        if not any(name.startswith(_VARIABLES) for name in os.environ) and not _listens():
            stack.enter_context(shown(folder, "sandbox dashboard"))
            console.print("No sandbox is being served: these are the pages of the last finished day.")
        pages = subprocess.Popen([sys.executable, "-m", "dashboard", "--port", str(port)], cwd=ROOT)
        try:
            return pages.wait()
        except KeyboardInterrupt:
            return pages.wait()  # the terminal has told the pages to stop, too


def _listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", STANDARD_PORTS.table)) == 0
