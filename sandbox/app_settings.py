"""The app's settings in the sandbox: the example's values, pointed at what the sandbox has started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sandbox.prepared import Prepared
from shared.contracts.settings import LanguageSettings, parse_settings
from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings

LANGUAGE_KEYS = "GATEHOUSE_LANGUAGE_KEYS"
"""The one setting of a service that is read from the environment: no key stands in a command."""

_COMMITTEE, _STRATEGIES = "GATEHOUSE_COMMITTEE", "GATEHOUSE_STRATEGIES"
_NO_COMMITTEE = {_COMMITTEE: ""}
PATIENCE_S = "60"
"""A busy machine must not change a day in virtual time."""


def app_settings(
    prepared: Prepared,
    *,
    venue_url: str,
    clock_file: Path,
    revision: str,
    given: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return local.settings.json.example's values for this world, venue and clock, with those given in their place.

    Without a venue's address there is no commentator to ask.
    """
    own = {
        "ALPACA_TRADING_URL": venue_url,
        "ALPACA_DATA_URL": venue_url,
        "ALPACA_TIMEOUT_S": PATIENCE_S,
        "GATEHOUSE_LANGUAGE_URL": f"{venue_url}/v1" if venue_url else "",
        "GATEHOUSE_COMMITTEE_TIMEOUT_S": PATIENCE_S,
        **({} if venue_url else _NO_COMMITTEE),
        "GATEHOUSE_CORE_SYMBOLS": " ".join(prepared.core_symbols),
        "GATEHOUSE_MARKET_SYMBOLS": " ".join(prepared.market_symbols),
        "GATEHOUSE_CLOCK_FILE": str(clock_file),
        "GATEHOUSE_CODE_REVISION": revision,
    }
    return _example(own | dict(given))


def check_settings(given: Mapping[str, str]) -> None:
    """Raise SettingsError where the app could not be started with them, before anything is."""
    parse_settings(_example(given))


def _example(given: Mapping[str, str]) -> dict[str, str]:
    """The example with other values; where it names the committee, the committee sits on what is traded of that."""
    values = read_local_settings(ROOT / "local.settings.json.example") | dict(given)
    if _COMMITTEE not in given:
        traded = {share.partition("=")[0] for share in values[_STRATEGIES].split()}
        values[_COMMITTEE] = " ".join(name for name in values[_COMMITTEE].split() if name in traded)
    return values


def language_settings(url: str, model: str) -> dict[str, str]:
    """Return the settings of another language model than the commentator, with the environment's keys.

    Parameters
    ----------
    url : str
        Base address of an OpenAI-compatible service; `none`: no language model; empty: no other than the commentator.
    model : str
        Its name there.

    Raises
    ------
    SettingsError
        If there is a service without a model, or a model without a service.
    """
    has_service = url not in {"", "none"}
    if has_service != bool(model):
        raise SettingsError(f"--language URL and --language-model NAME go together, got {url!r} and {model!r}")
    if not url:
        return {}
    return {
        **({} if has_service else _NO_COMMITTEE),
        "GATEHOUSE_LANGUAGE_URL": url if has_service else "",
        "GATEHOUSE_LANGUAGE_MODEL": model,
        LANGUAGE_KEYS: os.environ.get(LANGUAGE_KEYS, "") if has_service else "",
    }


def language_service(url: str, model: str) -> LanguageSettings:
    """Return the same as the app would read it. Raises SettingsError where it could not."""
    return parse_settings(_example(language_settings(url, model))).language
