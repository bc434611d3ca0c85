"""Parameter sets: what they may hold, and that they only tighten what guards the account."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.parameters import (
    CAPPED,
    TUNABLE,
    Evidence,
    ParameterSet,
    names_of,
    overlaid,
    texts_of_settings,
)
from shared.contracts.settings import PolicySettings, RiskSettings, with_values
from shared.core.errors import SettingsError
from shared.core.sessions import Session
from shared.core.settings import StrategySettings
from tests.support.ports import settings_with

NOW = datetime(2026, 10, 14, 21, 0, tzinfo=UTC)


def made(values: Mapping[str, str], name: str = "walk-7") -> ParameterSet:
    evidence = Evidence(blob="reports/backtests/7/summary.json", figures={"sharpe": 1.1})
    return ParameterSet(name=name, created_at=NOW, proposed_by="walkforward", values=values, evidence=evidence)


def test_a_set_is_laid_over_the_apps_own_settings_and_named_in_them() -> None:
    own = settings_with(GATEHOUSE_STOP_ATR="1.5")
    found = overlaid(own, made({"GATEHOUSE_EDGE_MIN": "0.2", "GATEHOUSE_MAX_POSITIONS": "4"}))
    assert (found.policy.edge_min, found.risk.max_positions, found.policy.stop_atr) == (0.2, 4, Decimal("1.5"))
    assert found.policy.parameter_set == "walk-7"
    assert own.policy.parameter_set == "default"
    assert dataclasses.replace(found, policy=own.policy, risk=own.risk) == own


def test_of_every_setting_of_a_decision_it_is_said_what_a_set_may_do_with_it() -> None:
    risk, policy = names_of(RiskSettings).keys(), names_of(PolicySettings).keys()
    strategies = names_of(StrategySettings).keys()
    learned = {"GATEHOUSE_SOURCE_WEIGHTS", "GATEHOUSE_COMMITTEE_WEIGHTS"}
    assert CAPPED < TUNABLE < risk | policy | strategies | learned
    decided = {"GATEHOUSE_STRATEGY_PARAMETERS", "GATEHOUSE_STRATEGIES", "GATEHOUSE_AUTOMATION"}
    assert strategies & TUNABLE == decided
    assert risk > CAPPED
    assert risk - TUNABLE == {
        "GATEHOUSE_SYMBOL_GROUPS",
        "GATEHOUSE_APPROVAL_WAIT_MIN",
        "GATEHOUSE_DAY_TRADES_MAX",
        "GATEHOUSE_DAY_TRADES_BELOW_USD",
    }
    assert risk & TUNABLE - CAPPED == {
        "GATEHOUSE_TRADE_RISK_FRACTION",
        "GATEHOUSE_KELLY_FRACTION",
        "GATEHOUSE_VOLATILITY_TARGET_FRACTION",
    }
    assert policy - TUNABLE == {
        "GATEHOUSE_PARAMETER_SET",
        "GATEHOUSE_SIGNAL_TTL_S",
        "GATEHOUSE_ENTRY_POLL_S",
        "GATEHOUSE_GUARD_POLL_S",
    }


def test_a_set_may_close_sessions_and_open_none() -> None:
    own = settings_with(GATEHOUSE_ENTRY_SESSIONS="REG-AM REG-MID")
    closed = overlaid(own, made({"GATEHOUSE_ENTRY_SESSIONS": "REG-AM"}))
    assert [session.value for session in closed.policy.entry_sessions] == ["REG-AM"]
    with pytest.raises(SettingsError, match="REG-PM"):
        overlaid(own, made({"GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-PM"}))


@pytest.mark.parametrize("name", sorted(CAPPED))
def test_no_set_lifts_a_limit_above_the_apps_own(name: str) -> None:
    own = settings_with()
    limit = getattr(own.risk, names_of(RiskSettings)[name])
    with pytest.raises(SettingsError, match=name):
        overlaid(own, made({name: str(limit + 1 if isinstance(limit, int) else limit * type(limit)("1.01"))}))
    with pytest.raises(SettingsError, match=name):
        overlaid(own, made({name: "1000000"}))


@given(st.sampled_from(sorted(CAPPED)), st.floats(0, 1))
def test_whatever_a_set_says_no_limit_is_looser_than_before(name: str, share: float) -> None:
    own = settings_with()
    attribute = names_of(RiskSettings)[name]
    limit = getattr(own.risk, attribute)
    value = int(limit * share) if isinstance(limit, int) else limit * type(limit)(share)
    try:
        found = overlaid(own, made({name: str(value)}))
    except SettingsError:
        return
    assert getattr(found.risk, attribute) <= limit


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"GATEHOUSE_EDGE_MIN": "2"}, "GATEHOUSE_EDGE_MIN = '2'"),
        ({"GATEHOUSE_EDGE_MIN": "nan"}, "GATEHOUSE_EDGE_MIN"),
        ({"GATEHOUSE_EDGE_MIN": " "}, "GATEHOUSE_EDGE_MIN is empty"),
        ({"GATEHOUSE_STOP_ATR": "5"}, "GATEHOUSE_TARGET_ATR"),
        ({"GATEHOUSE_TRADE_RISK_FRACTION": "0.009", "GATEHOUSE_TRADE_RISK_MAX_FRACTION": "0.006"}, "TRADE_RISK"),
    ],
)
def test_values_out_of_bounds_or_at_odds_are_refused(values: Mapping[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        overlaid(settings_with(), made(values))


@pytest.mark.parametrize(
    "name",
    ["ALPACA_KEY_ID", "ALPACA_TRADING_URL", "GATEHOUSE_ALLOW_LIVE", "GATEHOUSE_PARAMETER_SET", "GATEHOUSE_CLOCK_FILE"],
)
def test_a_set_cannot_hold_keys_addresses_or_the_machinery(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        made({name: "x"})


@pytest.mark.parametrize(
    "name",
    ["", "default", "..", "a..b", "../models/signal/champion", "a/b", "a\\b", "A", ".a", "a.", "x" * 64, "a\x00", "ä"],
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        made({"GATEHOUSE_EDGE_MIN": "0.2"}, name)


@pytest.mark.parametrize("text", ["momentum.v1=0.8", "momentum.v1=0.7 other.v1=0.1", "other.v1=0.3"])
def test_a_set_gives_no_strategy_more_than_the_apps_own_share(text: str) -> None:
    own = settings_with(GATEHOUSE_STRATEGIES="momentum.v1=0.7 dip-buyer.v1=0.3")
    with pytest.raises(SettingsError, match="GATEHOUSE_STRATEGIES: expected the app's own shares at most"):
        overlaid(own, made({"GATEHOUSE_STRATEGIES": text}))


@pytest.mark.parametrize("text", ["momentum.v1=0.7", "dip-buyer.v1=0.2", "dip-buyer.v1=0.3 momentum.v1=0.7"])
def test_a_set_may_leave_a_strategy_out_or_give_it_less(text: str) -> None:
    own = settings_with(GATEHOUSE_STRATEGIES="momentum.v1=0.7 dip-buyer.v1=0.3")
    found = overlaid(own, made({"GATEHOUSE_STRATEGIES": text}))
    assert " ".join(map(str, found.strategies.traded)) == text


@pytest.mark.parametrize("text", ["momentum.v1=automatic", "momentum.v1=reduced momentum.v1/PRE=automatic"])
def test_a_set_lets_no_strategy_go_further_by_itself(text: str) -> None:
    own = settings_with(GATEHOUSE_AUTOMATION="momentum.v1=reduced")
    with pytest.raises(SettingsError, match="GATEHOUSE_AUTOMATION: expected reduced or less by itself"):
        overlaid(own, made({"GATEHOUSE_AUTOMATION": text}))
    found = overlaid(own, made({"GATEHOUSE_AUTOMATION": "momentum.v1=reduced momentum.v1/PRE=alert-only"}))
    assert found.strategies.automation_of("momentum.v1", Session.PRE) == "alert-only"


def test_texts_of_settings_are_read_back_as_the_same_settings() -> None:
    own = settings_with(
        GATEHOUSE_STRATEGIES="momentum.v1=0.7 dip-buyer.v1=0.3",
        GATEHOUSE_STRATEGY_PARAMETERS="dip-buyer.v1.band=2.5",
        GATEHOUSE_SOURCE_WEIGHTS="wire: 0.4; Other: 0.25",
        GATEHOUSE_COMMITTEE_WEIGHTS="bear=0.8 risk=1.5",
        GATEHOUSE_AUTOMATION="momentum.v1=reduced dip-buyer.v1/REG-AM=alert-only",
    )
    texts = texts_of_settings(own, TUNABLE)
    assert texts.keys() == TUNABLE
    assert with_values(own, texts) == own
    assert texts_of_settings(own, ["GATEHOUSE_LINK_KEY"]) == {}


def test_a_set_says_what_it_replaces_of_its_own_values_alone() -> None:
    with pytest.raises(ValueError, match="replaces"):
        dataclasses.replace(made({"GATEHOUSE_EDGE_MIN": "0.2"}), replaces={"GATEHOUSE_HOLD_MAX_MIN": "60"})


@pytest.mark.parametrize(
    ("own", "given", "told"),
    [
        ("wire: 0.4", "wire: 0.61", "0.2 to 0.6 for 'wire', got 0.61"),
        ("wire: 0.4", "Wire: 0.1", "0.2 to 0.6 for 'wire', got 0.1"),
        ("", "wire: 0.4", "0.5 to 1 for 'wire', got 0.4"),
        ("wire: 0.4; other: 1", "other: 0.9", "0.2 to 0.6 for 'wire', got 1"),
        ("", "feed: 0.2", "0.25 to 0.75 for 'feed', got 0.2"),
    ],
)
def test_no_set_takes_a_source_further_than_half_from_the_apps_own_word(own: str, given: str, told: str) -> None:
    settings = settings_with(GATEHOUSE_SOURCE_WEIGHTS=own, GATEHOUSE_NEWS_FEEDS="Feed: https://x.org/rss | 0.5")
    with pytest.raises(SettingsError, match=f"GATEHOUSE_SOURCE_WEIGHTS: expected {re.escape(told)}"):
        overlaid(settings, made({"GATEHOUSE_SOURCE_WEIGHTS": given}))


def test_a_set_says_what_sources_are_worth_and_a_feed_by_its_name() -> None:
    settings = settings_with(GATEHOUSE_SOURCE_WEIGHTS="wire: 0.4", GATEHOUSE_NEWS_FEEDS="Feed: https://x.org/rss | 0.5")
    found = overlaid(settings, made({"GATEHOUSE_SOURCE_WEIGHTS": "wire: 0.6; feed: 0.75; other: 0.5"}))
    assert found.news.weight_of == {"wire": 0.6, "feed": 0.75, "other": 0.5}
    assert settings.news.weight_of == {"wire": 0.4, "feed": 0.5}
