"""The app as the worker library sees it: what it registers, and what its import costs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

from sandbox.host.observer import TriggerKind
from shared import pipeline
from shared.contracts.openapi import ROUTES
from shared.contracts.records import Queue
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings
from tests.support.app import Sandbox

type MakeSandbox = Callable[..., Sandbox]

QUEUES = {
    "read_stories": "stories",
    "narrate": "narratives",
    "score_candidates": "candidates",
    "gate_signal": "signals",
    "execute_intent": "order-intents",
    "send_notice": "notices",
}
CHANGED = {"GATEHOUSE_REPORT_SCHEDULE": "30 1 2 3 4 *"}
TIMERS = {"scan_market", "scan_news", "supervise_account", "supervise_evening", "keep_books", "report_day"}

HEAVY = ("pandas", "pyarrow", "alpaca", "talib", "onnxruntime", "sandbox", "training")
_IMPORT = f"""
import json, sys
import function_app
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def test_every_function_is_indexed_with_its_trigger(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        functions = {function.name: function for function in box.host.functions}
        by_kind = {kind: {n for n, f in functions.items() if f.kind is kind} for kind in TriggerKind}
        assert by_kind[TriggerKind.TIMER] == TIMERS
        assert {n: functions[n].trigger.text("queueName") for n in by_kind[TriggerKind.QUEUE]} == QUEUES
        assert by_kind[TriggerKind.ACTIVITY] == {"order_step"}
        assert by_kind[TriggerKind.ORCHESTRATION] == {"order_lifecycle"}
        served = [functions[name].trigger.options for name in by_kind[TriggerKind.HTTP]]
        expected = [(r.path, [r.method], "ANONYMOUS" if r.is_keyless else "FUNCTION") for r in ROUTES.values()]
        assert sorted((raw["route"], raw["methods"], raw["authLevel"]) for raw in served) == sorted(expected)
        outputs = {n: sorted(b.text("queueName") for b in f.outputs if b.type == "queue") for n, f in functions.items()}
        assert outputs["scan_news"] == ["notices", "stories"]
        assert outputs["scan_market"] == ["candidates", "notices"]
        assert outputs["order_step"] == ["notices"]
        assert outputs["redrive_poison"] == outputs["redrive_quarantine"] == sorted(Queue)
        routed = {queue.value: sorted(route.sends) for queue, route in pipeline.ROUTES.items()}
        assert {queue: outputs[name] for name, queue in QUEUES.items()} == routed
        assert outputs["supervise_account"] == outputs["supervise_evening"] == ["notices"]

    sandbox(with_models=False).run(scenario)


def test_timer_schedules_come_from_settings(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        schedules = {n: box.host.function(n).trigger.text("schedule") for n in TIMERS}
        settings = read_local_settings(ROOT / "local.settings.json.example") | CHANGED
        assert sorted(schedules.values()) == sorted(settings[name] for name in pipeline.TIMERS.values())
        assert schedules["report_day"] == "30 1 2 3 4 *"
        assert schedules["supervise_account"] == "0 * 8-23 * * 1-5"
        assert schedules["supervise_evening"] == "0 * 0 * * 2-6"
        await asyncio.sleep(0)

    sandbox(with_models=False, settings=CHANGED).run(scenario)


def test_a_fresh_interpreter_imports_the_app_without_its_heavy_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == []
