"""The venue for another host: where it listens, which storage it fills, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.__main__ import main


def test_with_a_storage_that_runs_no_azurite_is_started_and_the_venue_listens_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []
    served: list[dict[str, Any]] = []

    def azurite(*_: object) -> None:
        raise AssertionError("Azurite was started")

    class Prepared:
        told = ()

    monkeypatch.setattr("sandbox.standalone.STATE", tmp_path)
    monkeypatch.setattr("sandbox.standalone.PORTS", tmp_path / "standard-ports")
    monkeypatch.setattr("sandbox.standalone.Azurite", azurite)
    monkeypatch.setattr("sandbox.standalone.prepared_world", lambda _: Prepared)
    monkeypatch.setattr("sandbox.standalone.publish_models", lambda _, storage, at: published.append(storage))
    monkeypatch.setattr("sandbox.standalone.serve_venue", lambda _, **how: served.append(how))
    assert main(["standalone", "--host", "0.0.0.0", "--storage", "theirs"]) == 0
    assert published == ["theirs"]
    (how,) = served
    assert (how["host"], how["port"], how["clock_file"]) == ("0.0.0.0", 7080, None)
    assert "ends_with_parent" not in how  # a container's standard input is empty
