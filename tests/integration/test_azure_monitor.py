"""OpenTelemetry through azure-monitor-opentelemetry against an ingestion endpoint on this machine."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from simulation.market.scenario import ROOT

CODE = """
import sys
from opentelemetry import metrics, trace
from shared.adapters.azure_monitor import configured_meter
from shared.adapters.telemetry import Telemetry
from tests.support.ports import settings_with
key = "00000000-0000-0000-0000-000000000000"
connection = f"InstrumentationKey={key};IngestionEndpoint=http://127.0.0.1:" + sys.argv[1]
settings = settings_with(APPLICATIONINSIGHTS_CONNECTION_STRING=connection, GATEHOUSE_TELEMETRY_EXPORT_S="600")
telemetry = Telemetry(configured_meter(settings))
telemetry.count("decisions", verdict="approved")
telemetry.measure("slippage_bp", 2.5, role="entry")
telemetry.level("drawdown_fraction", 0.01)
with telemetry.stage("signals", correlation_id="decision-1"):
    pass
metrics.get_meter_provider().force_flush()
trace.get_tracer_provider().force_flush()
"""
OFF = """
import sys
from shared.adapters.azure_monitor import configured_meter
from tests.support.ports import settings_with
assert configured_meter(settings_with(**dict(pair.split("=", 1) for pair in sys.argv[1:]))) is None
assert not [name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor"))]
"""


def test_metrics_and_spans_reach_the_configured_endpoint() -> None:
    received: list[dict[str, Any]] = []

    class Ingestion(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            text = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            items = json.loads(text)
            received.extend(items)
            answer = json.dumps({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Ingestion) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            python(CODE, str(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join()
    found = {
        metric["name"]: metric["value"] for item in received for metric in item["data"]["baseData"].get("metrics", ())
    }
    assert found["gatehouse.decisions"] == 1
    assert found["gatehouse.slippage_bp"] == 2.5
    assert found["gatehouse.drawdown_fraction"] == 0.01
    assert "gatehouse.stage_latency_ms" in found
    spans = [item["data"]["baseData"] for item in received if "duration" in item["data"]["baseData"]]
    assert any(span["properties"].get("gatehouse.correlation_id") == "decision-1" for span in spans)


def test_without_connection_or_interval_nothing_is_imported() -> None:
    python(OFF)
    python(OFF, "GATEHOUSE_TELEMETRY_EXPORT_S=60")
    python(OFF, "APPLICATIONINSIGHTS_CONNECTION_STRING=InstrumentationKey=x")


def python(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
