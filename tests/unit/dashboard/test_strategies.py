"""Strategies on the pages: told apart where there are several, and pages as they were where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from dashboard.active import active_settings, defaults
from dashboard.cache import CachedSource
from dashboard.day import closed_positions, scored_in, table_of, tables_of
from dashboard.strategies import named, several, side_by_side, standings
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.records import CONTROLS, Container, Table, strategy_key
from shared.contracts.settings import PolicySettings, RiskSettings
from shared.core.packing import pack
from shared.core.settings import FIRST_STRATEGY
from shared.ports import Row
from tests.support.books import night_ports
from tests.support.books import traded as trade_one
from tests.support.views import ON, MemorySource, current_ledger, dip_days, many_days, shown, words

DIP = "dip-buyer.v1"
PAGES = ("performance", "sessions", "signals")
BOTH = {FIRST_STRATEGY: 0.7, DIP: 0.3}


@pytest.fixture
def one() -> MemorySource:
    source = MemorySource()
    many_days(source, 3)
    return source


@pytest.fixture
def two(one: MemorySource) -> MemorySource:
    dip_days(one, many_days(one, 3))
    return one


def traded(source: MemorySource, **shares: str) -> None:
    """A slice that keeps which strategies trade."""
    named_shares = [{"name": name.replace("_", "-") + ".v1", "share": share} for name, share in shares.items()]
    strategies = {"traded": named_shares, "parameters": [{"strategy": DIP, "name": "span", "value": "30"}]}
    usual = {"policy": defaults(PolicySettings), "risk": defaults(RiskSettings)}
    kept = {"settings_id": "abc", "settings": {**usual, "strategies": strategies}}
    source.blobs.put(Container.FEATURES, f"{ON}/1000/x.json.gz", pack(json.dumps(kept).encode()))


def halted(source: MemorySource, name: str, *, is_on: bool = True) -> None:
    row: Row = {"strategy": name, "is_on": is_on, "by": "ada", "reason": "<b>odd"}
    source.tables.put(Table.CONTROLS, CONTROLS, strategy_key(name), row)


def standing_of(source: MemorySource, shares: Mapping[str, float]) -> dict[str, Any]:
    orders, held = (table_of(source, table, ON) for table in (Table.ORDERS, Table.POSITIONS))
    return {each.name: each for each in standings(source, ON, shares, orders, held)}


def test_rows_of_older_code_are_the_first_strategys(two: MemorySource) -> None:
    for table in (Table.ORDERS, Table.FILLS):
        found = table_of(two, table, ON).groupby("symbol")["strategy"].first()
        assert found.to_dict() == {"AAA": FIRST_STRATEGY, "BBB": FIRST_STRATEGY, "CCC": DIP}


def test_several_are_named_in_order_and_one_is_not() -> None:
    frames = [pd.DataFrame({"strategy": names}, dtype="object") for names in ([], ["b.v1", "a.v1"], ["b.v1"])]
    assert several(*frames) == ["a.v1", "b.v1"]
    assert several(frames[2], frames[0]) == several(frames[0]) == []


def test_whose_a_row_is_stands_behind_its_symbol_where_there_are_several() -> None:
    rows = pd.DataFrame({"At": [1], "Symbol": ["AAA"], "Shares": [2]})
    assert list(named(rows.copy(), pd.Series([DIP]), [])) == ["At", "Symbol", "Shares"]
    assert list(named(rows.copy(), pd.Series([DIP]), [DIP, FIRST_STRATEGY])) == ["At", "Symbol", "Strategy", "Shares"]


def test_figures_of_strategies_are_those_of_their_rows(two: MemorySource) -> None:
    days = [ON]
    source = CachedSource(two)
    signals, decisions, orders, fills = (
        tables_of(source, table, days) for table in (Table.SIGNALS, Table.DECISIONS, Table.ORDERS, Table.FILLS)
    )
    positions = closed_positions(orders, fills, decisions)
    head, rows = side_by_side([DIP, FIRST_STRATEGY, "idle.v1"], positions, signals, decisions)
    counted, results = ("Scored", "Signals", "Decisions", "Approved"), ("Positions", "Win rate", "Realised", "Mean")
    assert head == ("Strategy", *counted, *results)
    assert rows == [
        (DIP, "2", "1", "1", "1", "1", "0.0 %", "-50.00 USD", "-500.0 bp"),
        (FIRST_STRATEGY, "2", "2", "2", "2", "2", "50.0 %", "+20.00 USD", "+100.0 bp"),
        ("idle.v1", "0", "0", "0", "0", "0", "n/a", "0.00 USD", "n/a"),
    ]
    assert side_by_side([DIP], positions) == (head[:1] + head[5:], [rows[0][:1] + rows[0][5:]])


def test_a_candidate_counts_once_however_many_strategies_have_an_opinion(two: MemorySource) -> None:
    signals = table_of(two, Table.SIGNALS, ON)
    assert (len(signals), scored_in(signals)) == (4, 3)


@pytest.mark.parametrize("page", PAGES)
def test_pages_tell_several_strategies_apart(page: str, two: MemorySource) -> None:
    with shown(page, two) as app:
        assert not app.exception
        text = words(app)
    assert DIP in text
    days = 1 if page == "signals" else 3
    assert f"-{50 * days:.2f} USD" in text
    assert "-500.0 bp" in text


@pytest.mark.parametrize("page", [*PAGES, "today", "orders"])
def test_pages_of_one_strategy_do_not_speak_of_strategies(page: str, one: MemorySource) -> None:
    current_ledger(one)
    with shown(page, one) as app:
        assert not app.exception
        assert "Strateg" not in words(app)
        assert not [each for each in (*app.multiselect, *app.get("button_group")) if each.label == "Strategy"]


def test_sessions_shows_one_strategy_alone_where_it_is_chosen(two: MemorySource) -> None:
    with shown("sessions", two) as app:
        assert "REG-MID" in words(app)
        app.session_state["sessions-strategy"] = DIP
        app.run()
        assert not app.exception
        text = words(app)
    assert "REG-MID" not in text
    assert text.count("-150.00 USD") == 2  # of the session, and in the table of all strategies


@pytest.mark.parametrize("key", ["strategy", "decided-strategy"])
def test_signals_lists_those_of_the_strategy_that_is_chosen(key: str, two: MemorySource) -> None:
    with shown("signals", two) as app:
        app.multiselect(key=key).set_value([DIP]).run()
        assert not app.exception
        has_chances = key == "strategy"  # the list of opinions; that of decisions has none of its own
        listed = next(each.value for each in app.dataframe if ("p up" in each.value) == has_chances)
    assert set(listed["Strategy"]) == {DIP}


def test_a_day_without_any_chances_has_no_empty_columns(two: MemorySource) -> None:
    for table in (Table.SIGNALS, Table.DECISIONS):
        for key, row in list(two.tables.query(table, str(ON))):
            two.tables.put(table, str(ON), key, {**row, "p_up": None, "p_none": None, "p_down": None, "edge": None})
    with shown("signals", two) as app:
        assert not app.exception
        for each in app.dataframe:
            assert not {"p up", "p none", "p down", "Edge", "Move, bp"} & set(each.value)
        assert "no edge to draw" in words(app)


def test_standings_follow_the_books_while_the_ledger_is_the_days(two: MemorySource) -> None:
    books = {DIP: {"realised": "-40", "open_result": "-10.5", "is_day_halted": True}}
    current_ledger(two, books=books)
    two.tables.put(Table.POSITIONS, str(ON), "DDD|x", {"symbol": "DDD", "strategy": DIP, "qty": "5"})
    found = standing_of(two, BOTH)
    assert list(found) == [FIRST_STRATEGY, DIP]
    dip = found[DIP]
    assert (dip.share, dip.positions, dip.result_usd, dip.halted) == (0.3, 1, -50.5, "its share of the day's loss")
    assert (found[FIRST_STRATEGY].result_usd, found[FIRST_STRATEGY].halted) == (20.0, "")


def test_standings_of_a_day_that_is_over_follow_its_orders_and_know_no_halt(two: MemorySource) -> None:
    current_ledger(two, ON + timedelta(days=1), books={DIP: {"realised": "7", "is_day_halted": True}})
    halted(two, DIP)
    found = standing_of(two, {FIRST_STRATEGY: 1.0})
    assert {name: (each.share, each.result_usd, each.halted) for name, each in found.items()} == {
        FIRST_STRATEGY: (1.0, 20.0, ""),
        DIP: (None, -50.0, ""),
    }


def test_today_shows_strategies_with_share_result_and_halt(two: MemorySource) -> None:
    current_ledger(two, books={DIP: {"realised": "-50", "open_result": "0", "is_day_halted": False}})
    traded(two, momentum="0.7", dip_buyer="0.3")
    halted(two, DIP)
    with shown("today", two) as app:
        assert not app.exception
        text = words(app)
    for said in ("Strategies", "70.0 %", "30.0 %", "dip-buyer.v1 halted: &lt;b&gt;odd (ada)"):
        assert said in text
    assert "No halt" not in text
    assert "<b>" not in text


def test_a_halt_of_the_only_strategy_is_a_mark_and_no_panel(one: MemorySource) -> None:
    current_ledger(one)
    halted(one, FIRST_STRATEGY)
    with shown("today", one) as app:
        text = words(app)
    assert "momentum.v1 halted" in text
    assert "Strategies" not in text
    halted(one, FIRST_STRATEGY, is_on=False)
    with shown("today", one) as app:
        assert "halted" not in words(app)


def test_shares_are_those_of_the_slice_and_the_default_before_any(one: MemorySource) -> None:
    assert active_settings(one, ON).shares == {FIRST_STRATEGY: 1.0}
    traded(one, momentum="0.7", dip_buyer="0.30")
    found = active_settings(one, ON)
    assert found.shares == BOTH
    assert found.values["strategies"]["parameters"] == ["dip-buyer.v1.span=30"]
    with shown("configuration", one) as app:
        assert not app.exception
        assert "momentum.v1=0.7 dip-buyer.v1=0.3" in words(app)


def test_a_slice_of_older_code_keeps_no_strategies_and_is_read(one: MemorySource) -> None:
    kept = {"settings_id": "abc", "settings": {"policy": {}, "risk": {"max_positions": 3}}}
    one.blobs.put(Container.FEATURES, f"{ON}/1000/x.json.gz", pack(json.dumps(kept).encode()))
    found = active_settings(one, ON)
    assert (found.shares, found.risk("max_positions")) == ({FIRST_STRATEGY: 1.0}, 3.0)


def case_of(strategy: str, parameters: str = "") -> str:
    """What the page says of the case of one real order of a strategy that trades alone."""
    ports = night_ports(GATEHOUSE_STRATEGIES=f"{strategy}=1", GATEHOUSE_STRATEGY_PARAMETERS=parameters)
    trade_one(ports)
    source = MemorySource()
    assert isinstance(ports.tables, MemoryTables)
    assert isinstance(ports.blobs, MemoryBlobs)
    source.tables, source.blobs = ports.tables, ports.blobs
    with shown("case", source) as app:
        assert not app.exception
        return words(app)


def test_a_case_without_chances_says_why_kelly_does_not_apply() -> None:
    text = case_of("breakout.v1", "breakout.v1.span=5")
    assert "breakout.v1 gives no chances: the Kelly bound does not apply." in text
    assert "What the strategy said" in text
    for absent in ("p up", "Expected move", "kelly"):
        assert absent not in text


def test_a_case_with_chances_shows_them_beside_its_strategy() -> None:
    text = case_of(FIRST_STRATEGY)
    assert "gives no chances" not in text
    for said in ("What the models said", "p up, none, down", "kelly", FIRST_STRATEGY):
        assert said in text


def test_the_journal_names_the_strategy_that_an_act_was_about(one: MemorySource) -> None:
    for number, of in enumerate((DIP, None)):
        act: Row = {
            "act": "halt-strategy" if of else "halt",
            "by": "ada",
            "reason": "odd",
            "status": 200,
            "strategy": of,
        }
        one.tables.put(Table.CONTROLS, str(ON), f"10000{number}|x", {**act, "at": f"{ON}T14:00:0{number}Z"})
    with shown("journal", one) as app:
        assert not app.exception
        text = words(app)
    assert text.count(DIP) == 1
    assert FIRST_STRATEGY not in text
