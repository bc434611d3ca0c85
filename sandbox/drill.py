"""`python -m sandbox drill kill`: how long the kill switch takes, on the real app in virtual time.

Positions stand and an entry works when the switch is turned on over HTTP, with flatten; entries are asked for before
and after; the host is stopped and started again before anything could be told. What is measured is read back from
the tables and the venue's own log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueServiceClient
from rich.console import Console
from rich.table import Table as Sheet

from sandbox.app_settings import app_settings
from sandbox.azurite import Azurite
from sandbox.clock import ClockFile
from sandbox.day import prepared_world, revision
from sandbox.evidence import log_of
from sandbox.host.host import Host
from sandbox.prepared import Prepared
from sandbox.seeding import publish_models
from sandbox.state import held, renewed
from sandbox.venue_process import venue
from shared.adapters.codec import encode_message
from shared.adapters.tables import AzureTables
from shared.bootstrap import app
from shared.contracts.messages import Signal
from shared.contracts.records import CONTROLS, KILL, Queue, Table
from shared.contracts.settings import StorageSettings
from shared.core.ids import decision_id, hash_id
from shared.core.market import Timeframe
from shared.core.order_states import ExitReason
from shared.core.risk import Gate
from shared.core.sessions import NEW_YORK, Session
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import Symbol, parse_utc, to_price
from simulation.market.scenario import ROOT, STATE, Scenario
from simulation.market.tape import Tape

FOLDER = STATE / "drill"
MINUTE = timedelta(minutes=1)
NEVER = "0 0 3 1 1 *"
ALONE = {f"GATEHOUSE_{name}_SCHEDULE": NEVER for name in ("SCAN", "NEWS", "REPORT")} | {"GATEHOUSE_SILENT_SLOTS": "0"}
"""Settings under which only supervision fires: what is bought is the drill's choice."""

BEGIN, KILLED, RESTARTED, END, RESUMED = (
    time.fromisoformat(text) for text in ("10:00:30", "10:02:20", "10:02:40", "10:05:00", "10:06:00")
)
ASKED = tuple(time.fromisoformat(text) for text in ("10:02:25", "10:02:50", "10:03:30", "10:04:30"))
"""When entries are asked for after the switch is on."""
LIQUID, THIN = 3, 1
LEAST_TURNOVER = 2_000_000
"""USD in ten minutes: so thin that an entry takes longer than ten seconds, and an exit less than a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTimes:
    """What an order went through after the switch was on."""

    symbol: str
    was: str
    told_at: datetime | None
    flat_at: datetime | None
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a drill showed. All times are virtual; `faults` is empty when everything was in time."""

    killed_at: datetime
    restarted_at: datetime
    supervised_at: datetime
    refused: Sequence[datetime]
    orders: Sequence[OrderTimes]
    acts: Sequence[tuple[str, str, datetime]]
    faults: Sequence[str]


def run(console: Console, *, world: Scenario | None = None, folder: Path = FOLDER) -> int:
    """Run the drill and print its table; 0 if everything was in time."""
    drill = drill_kill(world or Scenario(), folder)
    show(drill, console)
    return 1 if drill.faults else 0


def drill_kill(world: Scenario, folder: Path) -> Drill:
    """Run the drill; its storage is left in `folder` once it is over."""
    with held(folder, "sandbox drill"):
        prepared = prepared_world(world)
        with renewed(folder) as running:
            return _drill_kill(world, prepared, running)


def _drill_kill(world: Scenario, prepared: Prepared, folder: Path) -> Drill:
    clock = ClockFile(folder / "clock", _at(world, BEGIN))
    with Azurite(folder / "azurite") as azurite, venue(world, clock, folder) as url:
        settings = app_settings(prepared, venue_url=url, clock_file=clock.path, revision=revision(), given=ALONE)
        publish_models(prepared, azurite.connection_string, at=clock.now())
        scene = _Scene(world, clock, azurite.connection_string, folder, settings)
        asyncio.run(scene.play())
        return scene.found(url)


def _at(world: Scenario, wall: time) -> datetime:
    return datetime.combine(world.on, wall, NEW_YORK).astimezone(UTC)


class _Scene:
    """The drill's course."""

    def __init__(
        self, world: Scenario, clock: ClockFile, storage: str, folder: Path, settings: Mapping[str, str]
    ) -> None:
        self.world, self.clock, self.storage, self.folder, self.settings = world, clock, storage, folder, settings
        self.tape = world.tape()
        self.tables = AzureTables(StorageSettings(connection=storage))
        self.before: dict[str, str] = {}
        self.host = self._host()

    def _host(self) -> Host:
        app.cache_clear()
        return Host(ROOT, self.settings, self.storage, self.clock, self.folder / "host", is_virtual=True)

    async def play(self) -> None:
        """Buy, kill, restart, ask for more, resume."""
        ranked = by_turnover(self.tape, _at(self.world, BEGIN))
        held, late, more = ranked[:LIQUID], ranked[-THIN:], iter(ranked[LIQUID : LIQUID + len(ASKED)])
        await self.host.start()
        try:
            self._ask(held, "1000")
            await self._until(time.fromisoformat("10:02:10"))
            self._ask(late, "1002")
            await self._until(KILLED)
            self.before = {str(row["intent_id"]): str(row["phase"]) for row in self._rows(Table.ORDERS)}
            await self._post("kill", flatten=True)
            for wall in ASKED:
                if wall > RESTARTED and self.clock.now() < _at(self.world, RESTARTED):
                    await self._restart()
                await self._until(wall)
                self._ask([next(more)], "1002")
            await self._until(RESUMED)
            await self._post("resume")
            await self.host.run_virtual(self.clock.now() + timedelta(seconds=5))
        finally:
            await self.host.stop()
            app.cache_clear()

    async def _restart(self) -> None:
        """Stop the host between the switch and the next supervision, and start another on the same storage."""
        await self._until(RESTARTED)
        await self.host.stop()
        self.host = self._host()
        await self.host.start()

    async def _until(self, wall: time) -> None:
        await self.host.run_virtual(_at(self.world, wall))

    async def _post(self, act: str, **body: object) -> None:
        await asyncio.to_thread(self.host.ask, "POST", f"/api/{act}", {"by": "drill", "reason": "drill", **body})

    def _ask(self, symbols: Sequence[str], slot: str) -> None:
        """Send signals that nothing but the switch would refuse."""
        with QueueServiceClient.from_connection_string(self.storage) as service:
            queue = service.get_queue_client(Queue.SIGNALS)
            for symbol in symbols:
                queue.send_message(encode_message(self._signal(symbol, slot)))
        self.host.touch(Queue.SIGNALS)

    def _signal(self, symbol: str, slot: str) -> Signal:
        now = self.clock.now()
        bars = self.tape.bars(symbol, Timeframe.MIN_1, now - 5 * MINUTE, now)
        price = to_price(float(bars.close[-1]))
        decided = decision_id(self.world.on, slot, Symbol(symbol), FIRST_STRATEGY)
        return Signal(
            message_id=hash_id("signal", decided),
            correlation_id=decided,
            causation_id="drill",
            decided_at=now,
            expires_at=now + timedelta(seconds=240),
            decision_id=decided,
            on=self.world.on,
            slot=slot,
            symbol=Symbol(symbol),
            strategy=FIRST_STRATEGY,
            session=Session.REG_AM,
            reference_price=price,
            atr=to_price(max(float(price) * 0.01, 0.01)),
            adv_shares=5_000_000,
            daily_volatility=0.015,
            p_up=0.7,
            p_none=0.1,
            p_down=0.2,
            expected_move=0.006,
            features_blob="drill",
            model_versions=("signal/drill",),
            parameter_set="default",
        )

    def _rows(self, table: Table) -> list[Mapping[str, Any]]:
        return [row for _, row in self.tables.query(table, str(self.world.on))]

    def found(self, venue_url: str) -> Drill:
        """Read back what happened."""
        acts = [(str(r["act"]), str(r["by"]), parse_utc(str(r["at"]))) for r in self._rows(Table.CONTROLS)]
        killed_at = next(at for act, _, at in acts if act == "kill")
        refused = sorted(
            parse_utc(str(row["decided_at"]))
            for row in self._rows(Table.DECISIONS)
            if Gate.KILL_SWITCH in str(row["refused_by"]).split()
        )
        log = log_of(venue_url)
        steps = self._rows(Table.JOURNAL)
        orders = [self._times(row, steps, log) for row in self._rows(Table.ORDERS)]
        supervised_at = killed_at.replace(second=0, microsecond=0) + MINUTE
        drill = Drill(
            killed_at=killed_at,
            restarted_at=_at(self.world, RESTARTED),
            supervised_at=supervised_at,
            refused=refused,
            orders=orders,
            acts=acts,
            faults=(),
        )
        switch = self.tables.get(Table.CONTROLS, CONTROLS, KILL)
        is_on = switch is not None and bool(switch.value["is_on"])
        return judged(drill, is_on=is_on)

    def _times(self, order: Mapping[str, Any], steps: list[Mapping[str, Any]], log: list[dict[str, Any]]) -> OrderTimes:
        intent_id = str(order["intent_id"])
        own = [step for step in steps if step["intent_id"] == intent_id]
        told = [step for step in own if f'"exit_reason":"{ExitReason.KILL}"' in str(step["state"])]
        symbol = str(order["symbol"])
        sold = [
            parse_utc(e["at"]) for e in log if e["symbol"] == symbol and e["side"] == "sell" and e["event"] in FILLS
        ]
        bought = [e for e in log if e["symbol"] == symbol and e["side"] == "buy" and e["event"] in FILLS]
        ended = [parse_utc(str(step["at"])) for step in own if step["phase"] in {"CLOSED", "CANCELED"}]
        flat = sold if bought else ended
        return OrderTimes(
            symbol=symbol,
            was=self.before.get(intent_id, "not there"),
            told_at=min((parse_utc(str(step["at"])) for step in told), default=None),
            flat_at=max(flat, default=None) if ended else None,
            ended=f"{order['phase']} {order['exit_reason'] or ''}".strip(),
        )


FILLS = frozenset({"fill", "partial_fill"})


def by_turnover(tape: Tape, at: datetime) -> list[str]:
    """Symbols that trade each minute around an instant, most USD first, the thinnest that still do last."""
    turnover: dict[str, float] = {}
    for symbol, asset in tape.assets.items():
        bars = tape.bars(symbol, Timeframe.MIN_1, at - 10 * MINUTE, at)
        if asset.asset_class == "us_equity" and asset.is_tradable and len(bars) >= 10:
            turnover[symbol] = float((bars.close * bars.volume).sum())
    return sorted((s for s, usd in turnover.items() if usd > LEAST_TURNOVER), key=lambda s: (-turnover[s], s))


def judged(drill: Drill, *, is_on: bool) -> Drill:
    """Name what was late or missing."""
    limit = drill.supervised_at + MINUTE
    faults = []
    if not drill.refused or len(drill.refused) < len(ASKED):
        faults.append(f"{len(ASKED) - len(drill.refused)} entries were not refused by the switch")
    for order in drill.orders:
        if order.was == "not there":
            faults.append(f"{order.symbol}: an order came into being after the switch")
        elif order.told_at is None or order.told_at > limit:
            faults.append(f"{order.symbol}: told at {order.told_at}")
        elif order.flat_at is None or order.flat_at > limit:
            faults.append(f"{order.symbol}: flat at {order.flat_at}")
    phases = {order.was for order in drill.orders}
    if "PROTECTED" not in phases or not phases & {"WORKING", "PARTIALLY_FILLED"}:
        faults.append(f"the scene was not set: {sorted(phases)}")
    if is_on or [act for act, _, _ in drill.acts] != ["kill", "resume"]:
        faults.append(f"resuming is not on record: {[act for act, _, _ in drill.acts]}")
    return replace(drill, faults=tuple(faults))


def show(drill: Drill, console: Console) -> None:
    """Print the times, in seconds after the switch."""

    def after(at: datetime | None) -> str:
        return "never" if at is None else f"{(at - drill.killed_at).total_seconds():+.1f} s"

    sheet = Sheet("what", "order was", "after the switch", "ended")
    sheet.add_row("switch on, with flatten", "", f"{drill.killed_at.astimezone(NEW_YORK):%H:%M:%S} New York", "")
    sheet.add_row("host stopped and started again", "", after(drill.restarted_at), "")
    sheet.add_row("next supervision", "", after(drill.supervised_at), "")
    for order in drill.orders:
        sheet.add_row(f"{order.symbol} told", order.was, after(order.told_at), "")
        sheet.add_row(f"{order.symbol} flat", "", after(order.flat_at), order.ended)
    for name, at in (("first", min(drill.refused, default=None)), ("last", max(drill.refused, default=None))):
        sheet.add_row(f"{name} of {len(drill.refused)} entries refused", "", after(at), str(Gate.KILL_SWITCH))
    for act, by, at in drill.acts[1:]:
        sheet.add_row(f"{act} on record, by {by}", "", after(at), "")
    console.print(sheet)
    for fault in drill.faults:
        console.print(f"too late or missing: {fault}", style="red", markup=False)
    if not drill.faults:
        console.print("Everything within one minute of the next supervision.")
