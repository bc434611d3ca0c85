"""Weeks of invented trading, by seed: the rows that a weekly review reads."""

from __future__ import annotations

from datetime import date

import numpy as np

from shared.contracts.records import Container, Table
from shared.core.values import iso
from shared.ports import Cell
from shared.stages.operator.review import review_week
from tests.support.ports import CALENDAR, FakePorts
from tests.support.tape import ny

SESSIONS = {"REG-AM": "10:05", "REG-MID": "12:30", "REG-PM": "14:45"}


def trade_week(
    ports: FakePorts, saturday: date, *, seed: int, bad: str = "", orders: int = 7, **strategies: str
) -> None:
    """Write the rows of the five days before a Saturday: orders that win and lose alike, those of `bad` that lose.

    `strategies` names, by session without its dash, whose idea the orders of a session are.
    """
    draw, equity = np.random.default_rng(seed), 100_000.0
    for on in (day.on for day in CALENDAR.previous_days(saturday, 5)):
        for session, at in SESSIONS.items():
            for number in range(orders):
                key, p_up = f"AAA|{session}|{number}", round(0.45 + 0.2 * draw.random(), 3)
                mean = -0.01 if session == bad else 0.001
                realised = round(1000 * (mean + 0.006 * draw.standard_normal()), 2)
                equity += realised
                decided: dict[str, Cell] = {"decision_id": f"{on}|{key}", "decided_at": iso(ny(on, at))}
                decided |= {"session": session, "verdict": "approved", "refused_by": "", "p_up": p_up}
                decided |= {"p_down": round(1 - p_up, 3), "strategy": strategies.get(session.replace("-", "_"))}
                order: dict[str, Cell] = {"decision_id": f"{on}|{key}", "symbol": "AAA", "phase": "CLOSED"}
                order |= {"bought_qty": "100", "entry_usd": "10", "realised_usd": str(realised)}
                fill: dict[str, Cell] = {"role": "entry", "slippage_bp": round(2 + draw.standard_normal(), 2)}
                for table, row in ((Table.DECISIONS, decided), (Table.ORDERS, order), (Table.FILLS, fill)):
                    ports.tables.put(table, str(on), key, row)
        ports.tables.put(Table.LEDGER, str(on), "end", {"equity_usd": f"{equity:.2f}"})


def review_of(ports: FakePorts, saturday: date) -> None:
    """Make the review that is due on a Saturday."""
    ports.clock.at = ny(saturday, "09:00")
    assert review_week(ports)


def copies_of(ports: FakePorts) -> dict[str, bytes]:
    """Parameters and reports by container and name."""
    found = {}
    for container in (Container.PARAMETERS, Container.REPORTS):
        for name in ports.blobs.names(container, ""):
            stored = ports.blobs.get(container, name)
            assert stored is not None
            found[f"{container}/{name}"] = stored.value
    return found
