"""OpenTelemetry through azure-monitor-opentelemetry: imported only where a connection and an interval are set.

Logs are not sent from here: the Functions host takes them from the worker, and twice would be paid for twice.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from shared.contracts.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, _Gauge
    from opentelemetry.metrics import Meter as OtelMeter
    from opentelemetry.trace import Tracer

    from shared.adapters.telemetry import Labels

PREFIX = "gatehouse."
UNITS = {"_ms": "ms", "_s": "s", "_bp": "bp", "_usd": "USD", "_fraction": "1"}
_OFF = ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3")
"""Instrumentations of every outgoing call: a span for each table write would cost more than the write."""

_QUIET = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}
"""The libraries would report on themselves to addresses of their own."""


def configured_meter(settings: Settings) -> AzureMeter | None:
    """Return a meter where telemetry is to be exported, None where it is not."""
    telemetry = settings.telemetry
    if not telemetry.connection or not telemetry.export_s:
        return None
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["OTEL_METRIC_EXPORT_INTERVAL"] = str(int(telemetry.export_s * 1000))
    from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 - reads what was just set

    configure_azure_monitor(
        connection_string=telemetry.connection,
        disable_logging=True,
        disable_offline_storage=True,
        enable_live_metrics=False,
        enable_performance_counters=False,
        sampling_ratio=1.0,  # a decision has a few spans, and its way is worth nothing with one missing
        instrumentation_options={name: {"enabled": False} for name in _OFF},
        **_credential(settings),
    )
    return AzureMeter()


def _credential(settings: Settings) -> dict[str, Any]:
    """The app's identity where it is reached by one; a local resource takes its key."""
    if settings.storage.connection:
        return {}
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    return {"credential": DefaultAzureCredential()}


class AzureMeter:
    """`Meter` on the global OpenTelemetry providers, which the distro has set."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415 - paid for where it is used

        self._meter: OtelMeter = metrics.get_meter("gatehouse")
        self._tracer: Tracer = trace.get_tracer("gatehouse")
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, _Gauge] = {}

    def count(self, name: str, by: int, labels: Labels) -> None:
        """Add to a counter."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(PREFIX + name)
        counter.add(by, dict(labels))

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Note one value of a distribution."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(PREFIX + name, unit=_unit(name))
        histogram.record(value, dict(labels))

    def level(self, name: str, value: float, labels: Labels) -> None:
        """Note what a gauge shows now."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = self._meter.create_gauge(PREFIX + name, unit=_unit(name))
        gauge.set(value, dict(labels))

    def span(self, name: str, ids: Labels) -> AbstractContextManager[object]:
        """Trace a stretch of work."""
        return self._tracer.start_as_current_span(
            name, attributes={f"{PREFIX}{key}": text for key, text in ids.items()}
        )


def _unit(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "1")
