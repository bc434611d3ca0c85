"""What a day left behind, read back from storage and venue: figures, digest, and whether all accounts agree."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.day_digest import day_digest
from sandbox.venue_process import KEYS, beside_of
from shared.adapters.blobs import AzureBlobs
from shared.adapters.calendar import XnysCalendar
from shared.adapters.tables import AzureTables
from shared.contracts.records import ACCOUNT, Container, Table, candidates_in
from shared.contracts.settings import StorageSettings
from shared.core.sessions import hours_of
from simulation.day_checks import Day, check_day, unwatched_stretches
from simulation.market.scenario import Scenario
from simulation.venue.beside import Beside

type Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEvidence:
    """A day's outcome. `violations` is empty when tables, journal and venue agree and every rule was kept."""

    on: str
    market: str
    seed: int
    digest: str
    report: Mapping[str, Any]
    funnel: Mapping[str, int]
    open_orders: int
    open_positions: int
    equity_usd: str
    longest_unguarded_s: float
    incidents: Sequence[str]
    violations: Sequence[str]

    def as_json(self, errors: Sequence[str] = ()) -> str:
        """The same as data, with what functions raised on the way."""
        return json.dumps({**asdict(self), "errors": [*errors]}, indent=1, default=str)


def gather_evidence(world: Scenario, connection: str, venue_url: str, *, is_hand_traded: bool = False) -> DayEvidence:
    """Read the day back and check it."""
    storage = StorageSettings(connection=connection)
    tables, blobs = AzureTables(storage), AzureBlobs(storage)
    rows = {table.value: dict(tables.query(table, str(world.on))) for table in Table}
    rows["ledger-now"] = dict(tables.query(Table.LEDGER, ACCOUNT))
    stored = blobs.get(Container.REPORTS, f"{world.on}/day.json")
    report = json.loads(stored.value) if stored else {}
    log = log_of(venue_url)
    orders = json.loads(_get(venue_url, "/v2/orders?status=open&limit=500&nested=false"))
    positions = json.loads(_get(venue_url, "/v2/positions"))
    account = json.loads(_get(venue_url, "/v2/account"))
    session = XnysCalendar().day(world.on)
    hours = None if session is None else hours_of(session)
    beside = beside_of(world, world.tape().assets) if is_hand_traded else Beside()
    orders, positions, changed = _without(beside, orders, positions)
    day = Day(
        rows=rows, log=log, report=report, open_orders=orders, open_positions=positions, hours=hours, changed=changed
    )
    return DayEvidence(
        on=str(world.on),
        market=f"recorded bars {world.bars.name}" if world.bars else f"seed {world.seed}",
        seed=world.seed,
        digest=day_digest({name: found for name, found in rows.items() if name != Table.CALLS}, blobs, log),
        report=report,
        funnel=_funnel(rows),
        open_orders=len(orders),
        open_positions=len(positions),
        equity_usd=account["equity"],
        longest_unguarded_s=max((seconds for _, seconds, _ in unwatched_stretches(day)), default=0.0),
        incidents=[
            f"{row['at']} {row['kind']}: {row['title']} {row['body']}" for row in rows[Table.INCIDENTS].values()
        ],
        violations=check_day(day),
    )


def _without(beside: Beside, orders: list[Any], positions: list[Any]) -> tuple[list[Any], list[Any], list[str]]:
    """What is open and ours, and what of a person's own is no longer as it was."""
    rows = [*beside.orders, *beside.positions]
    gone = [str(row.get("client_order_id") or row["symbol"]) for row in rows if row not in [*orders, *positions]]
    ours = [[row for row in found if row not in rows] for found in (orders, positions)]
    return ours[0], ours[1], gone


def _funnel(rows: Mapping[str, Rows]) -> dict[str, int]:
    """How many came through each stage."""
    orders = rows[Table.ORDERS].values()
    return {
        "watchlist": len({row["symbol"] for row in rows[Table.WATCHLIST].values()}),
        "scored": candidates_in(rows[Table.SIGNALS].values()),
        "signals": sum(row["policy"] == "ENTER" for row in rows[Table.SIGNALS].values()),
        "decided": len(rows[Table.DECISIONS]),
        "approved": sum(row["verdict"] == "approved" for row in rows[Table.DECISIONS].values()),
        "orders": len(orders),
        "positions": len(rows[Table.POSITIONS]),
        "fills": len(rows[Table.FILLS]),
        "stories": len(rows[Table.STORIES]),
        "narratives": sum(row["status"] == "TOLD" for row in rows[Table.NARRATIVES].values()),
        "untold": sum(row["status"] != "TOLD" for row in rows[Table.NARRATIVES].values()),
        "quarantined": sum(row["kind"] == "quarantine" for row in rows[Table.INCIDENTS].values()),
        "poisoned": sum(row["kind"] == "poison" for row in rows[Table.INCIDENTS].values()),
        "incidents": len(rows[Table.INCIDENTS]),
    }


def log_of(venue_url: str) -> list[dict[str, Any]]:
    """The venue's own log."""
    return [json.loads(line) for line in _get(venue_url, "/sandbox/log").splitlines() if line.strip()]


def _get(url: str, path: str) -> str:
    headers = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
    request = urllib.request.Request(url + path, headers=headers)  # noqa: S310 (our own loopback URL)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())
