"""kill -9 in the middle of `python -m sandbox serve`, and the same command again."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from sandbox.evidence import DayEvidence
from sandbox.prepared import Prepared
from shared.contracts.records import Queue, Table
from shared.core.order_states import Phase
from simulation.market.scenario import Scenario
from simulation.market.tape import Tape
from tests.support.app import made_signal, thin_symbols
from tests.support.day import Serving, serving, wait_for

AZURITE_SAVES_EVERY_S = 5.0
"""What Azurite, the emulator, has taken in since its last save is lost with it. The real service loses nothing."""

SLOTS = [f"{minute // 60:02d}{minute % 60:02d}" for minute in range(600, 660, 5)]
"""Of signals made by hand, one try each."""

WORKING = {Phase.SUBMITTING, Phase.WORKING, Phase.PARTIALLY_FILLED}


def became_order(box: Serving, symbol: str, slot: str) -> bool:
    """Send a signal, wait for the app's word and say whether an order came of it; a busy machine's quote is too old."""
    quote = box.venue(f"/v2/stocks/{symbol}/quotes/latest")["quote"]
    signal = made_signal(box.clock().now(), symbol, quote["ap"], slot)
    box.send(Queue.SIGNALS, signal)

    def decided() -> list[str]:
        return [row["verdict"] for row in box.rows(Table.DECISIONS) if row["decision_id"] == signal.decision_id]

    wait_for(lambda: bool(decided()), "a decision")
    if decided() != ["approved"]:
        return False
    wait_for(lambda: any(row["decision_id"] == signal.decision_id for row in box.rows(Table.ORDERS)), "an order")
    return True


def entry_works(box: Serving) -> bool:
    """Wait until the entry of the newest order works or the order is past that, and say which."""
    wait_for(lambda: bool(working(box)) or Phase.PLANNED not in box.phases(), "an order to be sent")
    return bool(working(box))


def working(box: Serving) -> dict[str, int]:
    """Orders whose entry works, with the steps they have done."""
    return {row["intent_id"]: int(row["seq"]) for row in box.rows(Table.ORDERS) if row["phase"] in WORKING}


def flatten(box: Serving) -> None:
    box.post("/api/kill", {"by": "test", "reason": "end of the test", "flatten": True})
    wait_for(lambda: all(Phase(phase).is_over for phase in box.phases()), "every order to end")


def problems(evidence: DayEvidence) -> list[str]:
    """What is wrong, but that the day ended before its report."""
    return [text for text in evidence.violations if text != "counted: there is no day report"]


def sent(box: Serving) -> Counter[str]:
    """How often each order of ours reached the venue; legs, of which the venue makes the ids, are left out."""
    intents = tuple(row["intent_id"] for row in box.rows(Table.ORDERS))
    log = [entry for entry in box.venue_log() if entry["event"] == "pending_new"]
    return Counter(e["client_order_id"] for e in log if e["client_order_id"].startswith(intents))


@pytest.mark.slow
def test_positions_outlive_a_kill_of_everything_and_are_closed_once(
    tmp_path: Path, world: Scenario, prepared: Prepared
) -> None:
    with serving(tmp_path, "--at", "10:01", "--speed", "4") as box:
        for symbol in ("SPY", "QQQ"):
            assert any(became_order(box, symbol, slot) for slot in SLOTS)
        wait_for(lambda: box.phases() == [Phase.PROTECTED, Phase.PROTECTED], "two protected positions")
        time.sleep(1.5 * AZURITE_SAVES_EVERY_S)
        before = {row["intent_id"]: int(row["seq"]) for row in box.rows(Table.ORDERS)}
        box.kill_everything()

    with serving(tmp_path) as box:
        positions = {position["symbol"] for position in box.venue("/v2/positions")}
        assert positions == {"SPY", "QQQ"}
        flatten(box)
        evidence = box.evidence(world)
        orders = {row["intent_id"]: row for row in box.rows(Table.ORDERS)}

        assert problems(evidence) == []
        assert (evidence.open_orders, evidence.open_positions) == (0, 0)
        assert orders.keys() == before.keys()
        assert all(orders[intent_id]["seq"] > seq for intent_id, seq in before.items())
        assert {row["exit_reason"] for row in orders.values()} == {"KILL"}
        assert sent(box) == {f"{intent_id}-{leg}-0": 1 for intent_id in before for leg in ("entry", "exit")}


@pytest.mark.slow
def test_an_entry_outlives_a_kill_of_the_app_while_it_works(
    tmp_path: Path, world: Scenario, prepared: Prepared, market: Tape
) -> None:
    with serving(tmp_path, "--at", "10:01", "--speed", "4") as box:
        tries = ((symbol, slot) for slot in SLOTS for symbol in thin_symbols(market)[:8])
        assert any(became_order(box, symbol, slot) and entry_works(box) for symbol, slot in tries)
        before = working(box)
        box.kill_app()
        assert before

    with serving(tmp_path) as box:
        assert {row["intent_id"] for row in box.rows(Table.ORDERS)} >= before.keys()
        flatten(box)
        evidence = box.evidence(world)

        # What was bought while nobody looked could not be given its stop: the one thing that may be amiss.
        assert [text for text in problems(evidence) if not text.startswith("guarded: ")] == []
        assert set(sent(box).values()) == {1}
        assert (evidence.open_orders, evidence.open_positions) == (0, 0)
        after = {row["intent_id"]: int(row["seq"]) for row in box.rows(Table.ORDERS)}
        assert all(after[intent_id] > seq for intent_id, seq in before.items())
