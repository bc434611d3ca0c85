"""How long the dashboard's pages take over 100,000 rows of the journal: `python -m benchmarks dashboard`.

The journal of a year is in Azurite, 5,000 rows of it on the last day, some twenty times what a busy day leaves. Each
page over that day is rendered whole by Streamlit, without a browser: cold (nothing cached) and again. (Azurite looks at
every row of a table for every query, which Azure does not: what is found here is the worse case.)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from dashboard.environments import variable
from sandbox.azurite import Azurite
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import Container, Table, symbol_key
from shared.contracts.settings import Environment, StorageSettings
from shared.ports import Cell, Row

ROWS = 100_000
LAST_ROWS = 5_000
STEPS = 20
"""Of one order."""
YEAR = 250
LAST = date(2026, 10, 14)
GOAL_S = 2.0
WARM_UP = "backtests"
"""Rendered first and not counted: a served dashboard has its modules in memory and its connections open."""
PAGES = ("journal", "today", "performance")
_STATE = "x" * 1500
"""As long as an order's whole state is: most of a journal row, and what a page must not read."""


def journal(on: date, orders: int) -> Iterator[tuple[str, Row]]:
    """Rows of one day's journal."""
    for number in range(orders):
        symbol, intent = f"S{number % 400:03d}", f"{number:020x}"
        for seq in range(1, STEPS + 1):
            at = f"{on}T15:{number % 60:02d}:{seq:02d}Z"
            of: dict[str, Cell] = {"intent_id": intent, "symbol": symbol, "seq": seq, "at": at}
            did = {"command": "look", "phase": "WORKING", "hash": f"{number:064x}", "code_revision": "bench"}
            yield symbol_key(symbol, intent, f"{seq:04d}"), {**of, **did, "state": _STATE}


def fill(settings: StorageSettings) -> None:
    """Write the journal, and for each day a list and an account's points."""
    tables, blobs = AzureTables(settings), AzureBlobs(settings)
    for number in range(YEAR):
        on = LAST - timedelta(days=number)
        rows = LAST_ROWS if number == 0 else (ROWS - LAST_ROWS) // (YEAR - 1)
        tables.put_many(Table.JOURNAL, str(on), dict(journal(on, -(-rows // STEPS))))
        blobs.put(Container.WATCHLISTS, f"{on}/0915.json", b"{}")
        tables.put_many(Table.LEDGER, str(on), dict(points(on)))


def points(on: date) -> Iterator[tuple[str, Row]]:
    """An account every five minutes."""
    for minute in range(240, 1200, 5):
        key = f"{minute // 60:02d}{minute % 60:02d}"
        money = dict.fromkeys(("equity_usd", "cash_usd", "buying_power_usd"), str(100_000 + minute % 37))
        at = f"{on}T{key[:2]}:{key[2:]}:00Z"
        yield key, {**money, "at": at, "session": "REG-AM", "positions": 0, "exposure_usd": "0"}


def measure(connection: str) -> Mapping[str, tuple[float, float]]:
    """Render each page twice; return seconds cold and again."""
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415 - heavy

    os.environ[variable(Environment.SANDBOX, "STORAGE")] = connection
    found = {}
    for page in (WARM_UP, *PAGES):
        app = AppTest.from_function(_script, args=(page,), default_timeout=120)
        found[page] = (_timed(app), _timed(app))
    return {page: found[page] for page in PAGES}


def _script(page: str) -> None:
    """Run by Streamlit for every rendering."""
    from dashboard.shell import alone  # noqa: PLC0415 - the function's source is the script

    alone(page)


def _timed(app: Any) -> float:
    started = time.perf_counter()
    app.run()
    taken = time.perf_counter() - started
    if app.exception:
        raise RuntimeError(app.exception[0].value)
    return taken


def main(arguments: list[str]) -> int:
    """Fill, measure, print; 1 where a page is over its goal, 2 where options were given."""
    if arguments:
        print("dashboard takes no options", file=sys.stderr)
        return 2
    with Azurite() as azurite:
        fill(StorageSettings(connection=azurite.connection_string))
        found = measure(azurite.connection_string)
    for page, (cold, again) in found.items():
        print(f"{page:12} over {ROWS:,} journal rows: {cold:5.2f} s cold, {again:5.2f} s again (goal {GOAL_S} s)")
    return int(any(cold > GOAL_S for cold, _ in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
