"""Settings are right or refused: all problems at once, no secret shown."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from shared.contracts.settings import GROUPS, Environment, Feed, Settings, parse_settings
from shared.core.errors import SettingsError
from shared.core.sessions import Session
from tests.support.ports import ENVIRONMENT

LIVE = {"ALPACA_ENVIRONMENT": "live", "ALPACA_TRADING_URL": "", "ALPACA_DATA_URL": "", "GATEHOUSE_ALLOW_LIVE": "acc-1"}
PAPER = {**LIVE, "ALPACA_ENVIRONMENT": "paper", "GATEHOUSE_ALLOW_LIVE": ""}
FIELDS = [f for group in (*GROUPS.values(), Settings) for f in dataclasses.fields(group) if "name" in f.metadata]
BOUNDED = [f for f in FIELDS if f.metadata["low"] is not None]


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**ENVIRONMENT, **changes})
    head, *told = str(refused.value).splitlines()
    assert head == "settings cannot be used:"
    return told


def found(changes: dict[str, str]) -> list[str]:
    """Problems, none where the settings are sound."""
    try:
        parse_settings({**ENVIRONMENT, **changes})
    except SettingsError as error:
        return str(error).splitlines()
    return []


def parsed(**changes: str) -> Settings:
    return parse_settings({**ENVIRONMENT, **changes})


def test_defaults_are_those_of_the_design() -> None:
    settings = parsed()
    assert settings.risk.trade_risk_fraction == Decimal("0.005")
    assert (settings.risk.day_loss_max_fraction, settings.risk.drawdown_max_fraction) == (
        Decimal("0.03"),
        Decimal("0.05"),
    )
    assert (settings.risk.max_positions, settings.watchlist.max_watchlist) == (10, 50)
    assert (settings.policy.cooldown_min, settings.policy.entry_patience_s, settings.policy.max_reprices) == (15, 30, 3)
    assert settings.policy.entry_sessions == (Session.REG_AM, Session.REG_MID, Session.REG_PM)


@pytest.mark.parametrize("key", ["short", "x" * 40])
def test_a_link_key_that_could_be_guessed_is_refused_and_not_shown(key: str) -> None:
    told = problems(GATEHOUSE_LINK_KEY=key)
    assert told == ["- GATEHOUSE_LINK_KEY = ***: expected a random key of 32 characters or more"]


@pytest.mark.parametrize(
    "name", ["ALPACA_KEY_ID", "ALPACA_SECRET_KEY", "GATEHOUSE_LINK_KEY", "GATEHOUSE_NOTICE_CHANNELS"]
)
def test_a_reference_that_the_vault_did_not_resolve_is_no_secret(name: str) -> None:
    told = problems(**{name: f"@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/{name}/)"})
    assert told[0].startswith(f"- {name} is a Key Vault reference that was not resolved: expected ")


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://user@x", "https://x/path?y", "//x", "javascript:alert(1)", "https://x\\@y"]
)
def test_an_address_of_links_is_a_host_and_nothing_else(url: str) -> None:
    told = problems(GATEHOUSE_PUBLIC_URL=url, GATEHOUSE_LINK_KEY="k3y-of-the-test-that-is-long-enough-0123456789")
    assert [line.split()[1] for line in told] == ["GATEHOUSE_PUBLIC_URL"]


def test_links_of_a_real_account_are_https() -> None:
    key = {"GATEHOUSE_LINK_KEY": "k3y-of-the-test-that-is-long-enough-0123456789"}
    assert problems(**PAPER, **key, GATEHOUSE_PUBLIC_URL="http://gatehouse.example") != []
    assert parsed(**PAPER, **key, GATEHOUSE_PUBLIC_URL="https://gatehouse.example").operator.public_url


def test_an_address_without_a_key_makes_no_links_and_says_so() -> None:
    assert "GATEHOUSE_LINK_KEY is missing" in problems(GATEHOUSE_PUBLIC_URL="https://gatehouse.example")[0]


def test_values_are_read_from_text() -> None:
    settings = parsed(
        ALPACA_FEED="sip",
        GATEHOUSE_CORE_SYMBOLS="SPY, BRK.B QQQ",
        GATEHOUSE_MAX_POSITIONS=" 7 ",
        GATEHOUSE_TRADE_RISK_FRACTION="0.0025",
        GATEHOUSE_ENTRY_SESSIONS="REG-PM",
    )
    assert settings.broker.feed is Feed.SIP
    assert settings.watchlist.core_symbols == ("SPY", "BRK.B", "QQQ")
    assert (settings.risk.max_positions, settings.risk.trade_risk_fraction) == (7, Decimal("0.0025"))
    assert settings.policy.entry_sessions == (Session.REG_PM,)


def test_blank_text_means_the_default() -> None:
    assert parsed(GATEHOUSE_MAX_POSITIONS="  ").risk.max_positions == 10


def test_all_problems_are_told_at_once_with_name_value_and_expectation() -> None:
    told = problems(
        ALPACA_ENVIRONMENT="prod",
        ALPACA_KEY_ID="",
        GATEHOUSE_MAX_POSITIONS="many",
        GATEHOUSE_DAY_LOSS_MAX_FRACTION="nan",
        GATEHOUSE_CORE_SYMBOLS="spy",
        GATEHOUSE_ENTRY_SESSIONS="NOON",
        GATEHOUSE_TRADE_RISK_MAX_FRACTION="0.02",
    )
    assert len(told) == 7
    text = "\n".join(told)
    assert "- ALPACA_ENVIRONMENT = 'prod': expected one of sandbox, paper, live" in text
    assert "- ALPACA_KEY_ID is missing: expected API key id" in text
    assert "- GATEHOUSE_MAX_POSITIONS = 'many': expected a whole number" in text
    assert "- GATEHOUSE_DAY_LOSS_MAX_FRACTION = 'nan': expected a finite number" in text
    assert "- GATEHOUSE_CORE_SYMBOLS = 'spy': expected symbols" in text
    assert "- GATEHOUSE_ENTRY_SESSIONS = 'NOON': expected sessions out of" in text
    assert "- GATEHOUSE_TRADE_RISK_MAX_FRACTION = '0.02': expected a finite number from 0.00001 to 0.01" in text


def test_an_empty_environment_names_everything_that_is_needed() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({})
    for name in ("ALPACA_ENVIRONMENT", "ALPACA_KEY_ID", "ALPACA_SECRET_KEY"):
        assert f"- {name} is missing" in str(refused.value)


@pytest.mark.parametrize("item", BOUNDED, ids=lambda item: str(item.metadata["name"]))
def test_every_bound_is_inclusive_and_holds(item: dataclasses.Field[object]) -> None:
    name, low, high = (item.metadata[key] for key in ("name", "low", "high"))
    assert any(name in problem for problem in problems(**{name: str(low - 1)}))
    assert any(name in problem for problem in problems(**{name: str(high + 1)}))
    for value in (low, high):  # another setting may contradict it, but its own bound lets it pass
        assert not any(f"{name} = {str(value)!r}: expected a" in problem for problem in found({name: str(value)}))


def test_secrets_are_never_shown() -> None:
    secrets = {f.metadata["name"] for f in FIELDS if f.metadata["secret"]}
    assert {"ALPACA_KEY_ID", "ALPACA_SECRET_KEY", "AzureWebJobsStorage"} <= secrets
    shown = "\n".join(problems(**dict.fromkeys(secrets, "hunter2"), ALPACA_ENVIRONMENT="prod"))
    assert "hunter2" not in shown
    contradicting = "\n".join(problems(**dict.fromkeys(secrets, "hunter2"), GATEHOUSE_STOP_ATR="9"))
    assert "hunter2" not in contradicting


def test_names_are_unique_and_say_their_unit() -> None:
    names = [f.metadata["name"] for f in FIELDS]
    assert len(set(names)) == len(names)
    assert all(f.metadata["what"] for f in FIELDS)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({**LIVE, "GATEHOUSE_ALLOW_LIVE": ""}, "GATEHOUSE_ALLOW_LIVE is missing"),
        ({"ALPACA_TRADING_URL": ""}, "ALPACA_TRADING_URL and ALPACA_DATA_URL are missing"),
        ({"ALPACA_DATA_URL": ""}, "ALPACA_TRADING_URL and ALPACA_DATA_URL are missing"),
        ({**LIVE, "ALPACA_TRADING_URL": "https://paper-api.alpaca.markets"}, "ALPACA_TRADING_URL ="),
        ({**PAPER, "ALPACA_TRADING_URL": "https://api.alpaca.markets"}, "ALPACA_TRADING_URL ="),
        ({**PAPER, "GATEHOUSE_CLOCK_FILE": "clock"}, "GATEHOUSE_CLOCK_FILE = 'clock'"),
        ({"GATEHOUSE_SCAN_PRICE_MIN_USD": "11"}, "GATEHOUSE_SCAN_PRICE_MIN_USD"),
        ({"GATEHOUSE_STOP_ATR": "3.1"}, "GATEHOUSE_STOP_ATR = 3.1: expected"),
        ({"GATEHOUSE_ENTRY_SESSIONS": "CLOSED REG-AM"}, "GATEHOUSE_ENTRY_SESSIONS holds CLOSED: expected"),
        (
            {"GATEHOUSE_TRADE_RISK_FRACTION": "0.009", "GATEHOUSE_TRADE_RISK_MAX_FRACTION": "0.008"},
            "GATEHOUSE_TRADE_RISK_FRACTION",
        ),
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage is missing"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, str], problem: str) -> None:
    assert any(f"- {problem}" in told for told in problems(**changes))


def test_several_contradictions_are_told_at_once() -> None:
    assert len(problems(GATEHOUSE_STOP_ATR="9", GATEHOUSE_SCAN_PRICE_MIN_USD="11", AzureWebJobsStorage="")) == 3


def test_live_and_paper_start_with_what_they_need() -> None:
    assert parsed(**LIVE).broker.environment is Environment.LIVE
    assert parsed(**PAPER).broker.environment is Environment.PAPER


def test_identity_based_storage_needs_no_connection_string() -> None:
    assert parsed(AzureWebJobsStorage="", AzureWebJobsStorage__accountName="acc").storage.account_name == "acc"


@pytest.mark.parametrize("text", ["0.0025", "0.00250", "2.5e-3", " 0.0025 ", "+0.0025"])
def test_a_decimal_setting_has_one_spelling_however_it_was_given(text: str) -> None:
    assert str(parsed(GATEHOUSE_TRADE_RISK_FRACTION=text).risk.trade_risk_fraction) == "0.0025"


@pytest.mark.parametrize("text", ["100", "100.0", "1e2"])
def test_a_whole_number_keeps_its_zeros(text: str) -> None:
    assert str(parsed(GATEHOUSE_SPREAD_MAX_BP=text).risk.spread_max_bp) == "100"


@pytest.mark.parametrize("text", ["inf", "-Infinity", "nan", "1e999999999", "1e-999999999", "a tenth"])
def test_what_is_no_decimal_of_use_is_refused_at_once(text: str) -> None:
    (told,) = problems(GATEHOUSE_SPREAD_MAX_BP=text)
    assert "expected a finite number" in told


def test_defaults_of_decisions_are_spelled_as_they_would_be_parsed() -> None:
    settings = parsed()
    for group in (settings.policy, settings.risk):
        for item in dataclasses.fields(group):
            value = getattr(group, item.name)
            if isinstance(value, Decimal):
                again = parsed(**{item.metadata["name"]: str(value)})
                assert again.decision == settings.decision
                assert str(getattr(again.risk, item.name, getattr(again.policy, item.name, None))) == str(value)
