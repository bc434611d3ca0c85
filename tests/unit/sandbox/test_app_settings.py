"""Which language model a sandbox asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.app_settings import LANGUAGE_KEYS, app_settings, language_settings
from shared.contracts.settings import parse_settings
from shared.core.errors import SettingsError
from simulation.language.commentator import MODEL

STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}


def settings_with(given: dict[str, str]) -> dict[str, str]:
    prepared = SimpleNamespace(core_symbols=("SPY", "QQQ"), market_symbols=("SPY", "QQQ"))
    own = app_settings(prepared, venue_url="http://127.0.0.1:9", clock_file=Path("clock"), revision="r")  # type: ignore[arg-type]
    return own | STORAGE | given


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
