"""Whether OpenTelemetry metrics leave the process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Whether OpenTelemetry metrics and traces leave the process. Logs need none of this: the host takes them."""

    connection: str = setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "",
        "Application Insights resource; empty: none",
        why="The Functions host reads it too. Set by the deployment; an address and no key, since the resource takes "
        "telemetry by identity alone",
    )
    export_s: float = setting(
        "GATEHOUSE_TELEMETRY_EXPORT_S",
        0.0,
        "pause between two exports of OpenTelemetry metrics; 0: none, and nothing is imported",
        low=0,
        high=3600,
        unit="s",
        why="Off by default: what is exported is billed by its volume, and loading it lengthens a cold start by a "
        "second. Tables, /api/metrics and the log carry the same figures. Needs the connection above",
    )
