"""host.json and app settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.host.hostjson import (
    HostOptions,
    MessageEncoding,
    VersionMatch,
    parse_host_options,
    read_host_json,
    timespan,
)
from sandbox.host.settings import expand
from shared.core.errors import SettingsError
from simulation.runtime.local_settings import read_local_settings


def test_missing_file_means_the_extensions_defaults(tmp_path: Path) -> None:
    options = read_host_json(tmp_path / "host.json", str)

    assert options == HostOptions()
    assert (options.queues.batch_size, options.queues.new_batch_threshold) == (16, 8)
    assert options.queues.max_polling_interval == timedelta(minutes=1)


def test_values_are_read_and_settings_expanded() -> None:
    options = parse_host_options(
        {
            "extensions": {
                "queues": {"batchSize": 4, "visibilityTimeout": "00:01:30", "messageEncoding": "none"},
                "durableTask": {
                    "hubName": "%HUB%",
                    "versionMatchStrategy": "Strict",
                    "maxConcurrentActivityFunctions": 3,
                    "storageProvider": {"type": "AzureStorage", "connectionName": "Other"},
                },
                "http": {"routePrefix": ""},
            }
        },
        lambda text: expand(text, {"HUB": "PaperHub"}),
    )

    assert options.queues.visibility_timeout == timedelta(seconds=90)
    assert options.queues.new_batch_threshold == 2
    assert options.queues.message_encoding is MessageEncoding.NONE
    assert options.durable.hub_name == "PaperHub"
    assert options.durable.version_match is VersionMatch.STRICT
    assert options.durable.max_activities == 3
    assert options.route_prefix == ""


@pytest.mark.parametrize(
    "extensions",
    [
        {"queues": {"batchSize": 33}},
        {"queues": {"visibilityTimeout": "soon"}},
        {"queues": {"messageEncoding": "rot13"}},
        {"durableTask": {"hubName": "1"}},
        {"durableTask": {"storageProvider": {"type": "mssql"}}},
    ],
)
def test_values_that_the_host_cannot_honour_are_refused(extensions: dict[str, object]) -> None:
    with pytest.raises((SettingsError, ValueError)):
        parse_host_options({"extensions": extensions}, str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:30", timedelta(seconds=30)),
        ("1.02:03:04.5", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("00:05", timedelta(minutes=5)),
        (2000, timedelta(seconds=2)),
    ],
)
def test_time_spans(text: str | int, expected: timedelta) -> None:
    assert timespan(text) == expected


def test_local_settings_are_texts_and_unknown_placeholders_are_named(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text('{"IsEncrypted": false, "Values": {"A": "1"}}')
    assert read_local_settings(path) == {"A": "1"}
    path.write_text('{"Values": {"A": 1}}')
    with pytest.raises(SettingsError, match="'A'"):
        read_local_settings(path)
    path.write_text("{")
    with pytest.raises(SettingsError, match="not JSON"):
        read_local_settings(path)
    with pytest.raises(SettingsError, match="%QUEUE%"):
        expand("%QUEUE%-x", {})
