"""The venue for another host: where it listens, which storage it fills, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from sandbox.__main__ import main


def test_a_storage_that_runs_is_filled_and_the_venue_listens_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    azurite, publish, serve = Mock(), Mock(), Mock()
    doubles: dict[str, object] = {"Azurite": azurite, "publish_models": publish, "serve_venue": serve}
    doubles |= {"prepared_world": lambda _: SimpleNamespace(told=()), "PORTS": tmp_path / "ports", "STATE": tmp_path}
    for name, double in doubles.items():
        monkeypatch.setattr(f"sandbox.standalone.{name}", double)
    assert main(["standalone", "--host", "0.0.0.0", "--storage", "theirs"]) == 0
    azurite.assert_not_called()
    assert publish.call_args.args[1] == "theirs"
    how = serve.call_args.kwargs
    assert (how["host"], how["port"], how["clock_file"]) == ("0.0.0.0", 7080, None)
    assert "ends_with_parent" not in how  # a container's standard input is empty
