"""host.json, read into what this host honours. Defaults are those of the Functions extensions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.core.errors import SettingsError
from shared.core.values import require_at_least

_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")


class VersionMatch(StrEnum):
    """Which orchestration versions this host runs."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class VersionFailure(StrEnum):
    """What becomes of an orchestration whose version does not match."""

    REJECT = "Reject"
    FAIL = "Fail"


class Overridable(StrEnum):
    """Which existing instances a start with the same id replaces."""

    NON_RUNNING = "NonRunningStates"
    ANY = "AnyState"


class MessageEncoding(StrEnum):
    """How the text of a queue message carries its bytes."""

    BASE64 = "base64"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues`."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    visibility_timeout: timedelta = timedelta(0)
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    message_encoding: MessageEncoding = MessageEncoding.BASE64

    def __post_init__(self) -> None:
        require_at_least("batchSize", self.batch_size, 1)
        require_at_least("maxDequeueCount", self.max_dequeue_count, 1)
        if self.batch_size > 32:
            raise SettingsError(f"batchSize must be at most 32, got {self.batch_size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableOptions:
    """`extensions.durableTask`."""

    hub_name: str = "TestHubName"
    max_activities: int = 10
    max_orchestrators: int = 5
    default_version: str | None = None
    version_match: VersionMatch = VersionMatch.CURRENT_OR_OLDER
    version_failure: VersionFailure = VersionFailure.REJECT
    overridable: Overridable = Overridable.NON_RUNNING

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", self.hub_name):
            raise SettingsError(f"hubName must be 3 to 45 letters and digits, got {self.hub_name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the host takes from host.json."""

    queues: QueueOptions = field(default_factory=QueueOptions)
    durable: DurableOptions = field(default_factory=DurableOptions)
    route_prefix: str = "api"


def timespan(value: str | int) -> timedelta:
    """Read a .NET TimeSpan (`d.hh:mm:ss.fffffff`), or a number of milliseconds.

    Raises
    ------
    SettingsError
        If it is neither.

    Examples
    --------
    >>> timespan("00:00:30")
    datetime.timedelta(seconds=30)
    """
    if isinstance(value, int):
        return timedelta(milliseconds=value)
    match = _TIMESPAN.fullmatch(value)
    if match is None:
        raise SettingsError(f"not a time span (hh:mm:ss): {value!r}")
    days, hours, minutes, seconds, ticks = (int(part or 0) for part in (*match.groups()[:4], None))
    ticks = int((match.group(5) or "0").ljust(7, "0"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=ticks // 10)


def _pick(source: Mapping[str, Any], names: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Take what is present: JSON name -> (field, converter)."""
    try:
        return {name: convert(source[key]) for key, (name, convert) in names.items() if source.get(key) is not None}
    except (ValueError, TypeError) as error:
        raise SettingsError(f"host.json: {error}") from error


def parse_host_options(document: Mapping[str, Any], expand: Any) -> HostOptions:
    """Read a parsed host.json.

    Parameters
    ----------
    document : mapping
        The JSON object.
    expand : callable
        Replaces `%SETTING%` in a text.

    Raises
    ------
    SettingsError
        If a value has the wrong form.
    """
    extensions = document.get("extensions", {})
    durable = extensions.get("durableTask", {})
    queues = _pick(
        extensions.get("queues", {}),
        {
            "batchSize": ("batch_size", int),
            "newBatchThreshold": ("new_batch_threshold", int),
            "visibilityTimeout": ("visibility_timeout", timespan),
            "maxDequeueCount": ("max_dequeue_count", int),
            "maxPollingInterval": ("max_polling_interval", timespan),
            "messageEncoding": ("message_encoding", MessageEncoding),
        },
    )
    queues.setdefault("new_batch_threshold", queues.get("batch_size", 16) // 2)
    hub = _pick(
        durable,
        {
            "hubName": ("hub_name", expand),
            "maxConcurrentActivityFunctions": ("max_activities", int),
            "maxConcurrentOrchestratorFunctions": ("max_orchestrators", int),
            "defaultVersion": ("default_version", expand),
            "versionMatchStrategy": ("version_match", VersionMatch),
            "versionFailureStrategy": ("version_failure", VersionFailure),
            "overridableExistingInstanceStates": ("overridable", Overridable),
        },
    )
    kind = durable.get("storageProvider", {}).get("type", "AzureStorage")
    if str(kind).lower() not in {"azurestorage", "azure_storage"}:
        raise SettingsError(f"storageProvider must be AzureStorage, got {kind!r}")
    prefix = extensions.get("http", {}).get("routePrefix", "api")
    return HostOptions(queues=QueueOptions(**queues), durable=DurableOptions(**hub), route_prefix=str(prefix))


def read_host_json(path: Path, expand: Any) -> HostOptions:
    """Read host.json; a missing file means all defaults.

    Raises
    ------
    SettingsError
        If it is not JSON or holds a value of the wrong form.
    """
    if not path.is_file():
        return HostOptions()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path.name} is not JSON: {error}") from error
    return parse_host_options(document, expand)
