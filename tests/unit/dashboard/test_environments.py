"""Profiles out of environment variables."""

from __future__ import annotations

import pytest

from dashboard.environments import EMULATOR, VARIABLES, profiles_from
from shared.core.errors import SettingsError

LIVE = "GATEHOUSE_DASHBOARD_LIVE"
PAPER = "GATEHOUSE_DASHBOARD_PAPER"


def test_nothing_named_is_the_sandbox_on_the_emulators_usual_ports() -> None:
    (only,) = profiles_from({})
    assert (only.name, only.storage.connection) == ("sandbox", EMULATOR)


def test_each_environment_has_its_own_storage_in_order_of_danger() -> None:
    found = profiles_from(
        {f"{LIVE}_ACCOUNT": "gatehouselive", f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "https://paper.example.com/"}
    )
    assert [one.name for one in found] == ["paper", "live"]
    assert (found[0].storage.connection, found[0].api) == ("conn", "https://paper.example.com")
    assert (found[1].storage.account_name, found[1].storage.connection) == ("gatehouselive", "")


@pytest.mark.parametrize(
    "source",
    [
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_ACCOUNT": "name"},
        {f"{PAPER}_API": "https://paper.example.com"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "http://app"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "http://paper.example.com"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "http://127.0.0.1.example.com"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "http://127.0.0.1\\@paper.example.com"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "https://me@paper.example.com"},
        {f"{PAPER}_STORAGE": "conn", f"{PAPER}_API": "file:///etc/passwd"},
    ],
)
def test_a_profile_that_cannot_be_used_is_named(source: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=PAPER):
        profiles_from(source)


def test_only_the_sandboxs_app_may_be_a_private_host_without_https() -> None:
    source = {"GATEHOUSE_DASHBOARD_SANDBOX_STORAGE": "conn", "GATEHOUSE_DASHBOARD_SANDBOX_API": "http://app"}
    assert [one.api for one in profiles_from(source)] == ["http://app"]
    with pytest.raises(SettingsError, match="private network only"):
        profiles_from({**source, "GATEHOUSE_DASHBOARD_SANDBOX_API": "http://app.example.com"})


def test_a_connection_string_is_never_told() -> None:
    secret = "AccountKey=planted"
    with pytest.raises(SettingsError) as caught:
        profiles_from({f"{PAPER}_STORAGE": secret, f"{PAPER}_ACCOUNT": "name"})
    assert "planted" not in str(caught.value)
    assert secret not in repr(VARIABLES)
