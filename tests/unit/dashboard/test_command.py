"""How the pages are started."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from dashboard.__main__ import command, main
from dashboard.environments import VARIABLES
from sandbox.dashboard import show_dashboard
from shared.core.errors import SettingsError


def test_the_pages_are_served_to_this_machine_only_and_tell_nobody() -> None:
    made = command(8599)
    assert {"--server.address=127.0.0.1", "--server.port=8599", "--browser.gatherUsageStats=false"} <= set(made)


def test_a_profile_that_cannot_be_used_stops_the_start_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEHOUSE_DASHBOARD_LIVE_API", "https://live.example.com")
    assert main([]) == 2
    assert "GATEHOUSE_DASHBOARD_LIVE_STORAGE" in capsys.readouterr().err


def test_nothing_to_show_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sandbox.dashboard._listens", lambda: False)
    with pytest.raises(SettingsError, match="make day"):
        show_dashboard(tmp_path / "none", 8599, Console(quiet=True))
