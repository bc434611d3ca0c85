"""`python -m dashboard`: serve the pages, to this machine only unless told otherwise."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from dashboard.environments import VARIABLES, profiles_from
from shared.core.errors import SettingsError

ROOT = Path(__file__).parents[1]
PORT = 8501
ADDRESS = "127.0.0.1"

OPTIONS: dict[str, str] = {
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "runner.magicEnabled": "false",
    "theme.base": "light",
    "theme.primaryColor": "#2f6f8f",
    "theme.backgroundColor": "#fbfbfa",
    "theme.secondaryBackgroundColor": "#f1f3f3",
    "theme.textColor": "#24323d",
    "theme.borderColor": "#e4e8eb",
    "theme.baseRadius": "8px",
    "theme.showWidgetBorder": "true",
}
"""Of Streamlit: no usage statistics, no watching of files, a calm look."""


def command(port: int, address: str = ADDRESS) -> list[str]:
    """Return the command that serves the pages."""
    place = {"server.port": str(port), "server.address": address}
    options = [f"--{name}={value}" for name, value in {**OPTIONS, **place}.items()]
    return [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), *options]


def main(arguments: list[str] | None = None) -> int:
    """Check the profiles, then become the server."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__, epilog=f"Reads {VARIABLES}")
    parser.add_argument("--port", type=int, default=PORT, help="port (default %(default)s)")
    reached = "from where it may be reached (default %(default)s); anything wider needs a sign-in in front of it"
    parser.add_argument("--address", default=ADDRESS, help=reached)
    options = parser.parse_args(arguments)
    try:
        names = ", ".join(profile.name for profile in profiles_from(os.environ))
    except SettingsError as error:
        sys.stderr.write(f"SettingsError: {error}\n")
        return 2
    sys.stdout.write(f"The dashboard of {names} is on http://{options.address}:{options.port}\n")
    sys.stdout.flush()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    made = command(options.port, options.address)
    return os.execv(made[0], made)  # noqa: S606 - this interpreter, our own arguments


if __name__ == "__main__":
    sys.exit(main())
