"""Which language model a sandbox asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.app_settings import LANGUAGE_KEYS, app_settings, check_settings, language_settings
from shared.contracts.settings import parse_settings
from shared.core.errors import SettingsError
from simulation.language.commentator import MODEL

STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}


def settings_with(given: dict[str, str]) -> dict[str, str]:
    prepared = SimpleNamespace(core_symbols=("SPY", "QQQ"), market_symbols=("SPY", "QQQ"))
    how = {"venue_url": "http://127.0.0.1:9", "clock_file": Path("clock"), "revision": "r"}
    return app_settings(prepared, **how, given=given) | STORAGE  # type: ignore[arg-type]


def test_a_sandbox_asks_its_own_markets_commentator() -> None:
    language = parse_settings(settings_with({})).language
    assert (language.url, language.model, language.keys) == ("http://127.0.0.1:9/v1", MODEL, ())


def test_a_real_service_is_asked_with_the_environments_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LANGUAGE_KEYS, "one two")
    language = parse_settings(settings_with(language_settings("https://example.com/v1", "small"))).language
    assert (language.url, language.model, language.keys) == ("https://example.com/v1", "small", ("one", "two"))


def test_none_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LANGUAGE_KEYS, "one")
    language = parse_settings(settings_with(language_settings("none", ""))).language
    assert (language.url, language.model, language.keys) == ("", "", ())


@pytest.mark.parametrize(("url", "model"), [("https://example.com/v1", ""), ("", "small"), ("none", "small")])
def test_a_service_and_its_model_go_together(url: str, model: str) -> None:
    with pytest.raises(SettingsError, match="go together"):
        language_settings(url, model)


@pytest.mark.parametrize(
    ("given", "sits_on"),
    [
        ({}, ("momentum.v1", "divergence.v1")),
        ({"GATEHOUSE_STRATEGIES": "momentum.v1=0.3 fresh.v1=0.2"}, ("momentum.v1",)),
        ({"GATEHOUSE_STRATEGIES": "fresh.v1=1"}, ()),
        ({"GATEHOUSE_STRATEGIES": "fresh.v1=1", "GATEHOUSE_COMMITTEE": "fresh.v1"}, ("fresh.v1",)),
        ({"GATEHOUSE_COMMITTEE": ""}, ()),
    ],
)
def test_the_examples_committee_sits_on_what_is_traded_of_it(given: dict[str, str], sits_on: tuple[str, ...]) -> None:
    assert parse_settings(settings_with(given)).committee.strategies == sits_on


def test_what_the_app_would_refuse_is_refused_before_anything_starts() -> None:
    check_settings({})
    with pytest.raises(SettingsError, match=r"GATEHOUSE_COMMITTEE names 'absent\.v1'"):
        check_settings({"GATEHOUSE_COMMITTEE": "absent.v1"})
