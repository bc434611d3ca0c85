"""Serves an app in real time until killed: `python -m tests.support.apps.serve APP STATE_DIR SPEED`.

The storage's connection string comes in AzureWebJobsStorage. The first line printed is the server's address.
"""

import asyncio
import os
import sys
from pathlib import Path

from sandbox.clock import ClockFile
from sandbox.host import Host
from sandbox.host.host import STORAGE_SETTING
from tests.support.apps.running import APPS, BEGIN, KEYS


async def serve(app: str, state_dir: Path, speed: float) -> None:
    """Run until killed."""
    clock = ClockFile(state_dir / "clock", BEGIN)
    clock.run(clock.now(), speed)
    host = Host(APPS / app, {}, os.environ[STORAGE_SETTING], clock, state_dir, keys=KEYS)
    await host.start()
    print(host.url, flush=True)  # noqa: T201 - the parent reads it
    try:
        await host.run_real()
    finally:
        await host.stop()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
