"""The universe becomes the day's watchlist, the watchlist slices of candidates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import MAX_SLICE, CandidateSlice, Message, Notice, Severity
from shared.contracts.records import Table
from shared.core.errors import TransientError
from shared.core.ledger import reserve
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import iso
from shared.core.watchlist import Why
from shared.stages.base.ledger import update_ledger
from shared.stages.market.scan import Watchlist, current_watchlist, scan
from tests.support.market_day import CORE, ON, Shape, fresh, market_ports, wake_up
from tests.support.orders import reservation
from tests.support.ports import FakePorts
from tests.support.tape import ny

GAP = Shape(last=5.5, previous=5.0)


def watched(ports: FakePorts) -> dict[str, Why]:
    found = current_watchlist(ports, ON)
    assert found is not None
    return {w.symbol: w.why for w in found.watched}


def at(ports: FakePorts, clock: str) -> list[Message]:
    ports.clock.at = ny(ON, clock)
    return scan(ports)


def slices(messages: list[Message]) -> list[CandidateSlice]:
    return [m for m in messages if isinstance(m, CandidateSlice)]


def test_a_gapper_joins_the_core_and_the_list_is_kept_in_blob_and_table() -> None:
    ports = market_ports(ny(ON, "07:00"))
    fresh(ports, "AAA", GAP)
    wake_up(ports, "AAA", 20)
    (told,) = at(ports, "07:00")
    assert watched(ports) == {"AAA": Why.GAP, "SPY": Why.CORE, "QQQ": Why.CORE}
    rows = ports.rows("watchlist", ON)
    assert set(rows) == {"AAA|0700", "SPY|0700", "QQQ|0700"}
    assert (rows["AAA|0700"]["rank"], rows["AAA|0700"]["why"]) == (1, "gap")
    assert rows["AAA|0700"]["gap"] == pytest.approx(0.1)
    assert isinstance(told, Notice)
    assert (told.title, told.body) == ("Watchlist 0700: 3 symbols", "Beside the core: AAA (gap)")
    kept = current_watchlist(ports, ON)
    assert kept is not None
    assert (kept.code_revision, kept.parameter_set) == ("revision-of-the-test", "default")
    assert ports.history.pasts(kept.history_blob, ports.calendar.day(ON)).keys() == {"AAA", *CORE}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(last=5.1, previous=5.0),  # gap too small
        Shape(last=11.0, previous=10.0),  # too dear
        Shape(last=0.5, previous=0.4),  # too cheap
        Shape(last=5.5, previous=5.0, spread=0.2),  # too wide
        Shape(last=5.5, previous=5.0, spread=-0.02),  # crossed
        Shape(last=5.5, previous=0.0),  # no previous close
    ],
)
def test_what_misses_a_limit_of_the_premarket_scan_stays_off(shape: Shape) -> None:
    ports = market_ports(ny(ON, "07:00"))
    wake_up(ports, "AAA", 20)
    fresh(ports, "AAA", shape)
    at(ports, "07:00")
    assert set(watched(ports)) == set(CORE)


def test_a_gap_without_volume_stays_off() -> None:
    ports = market_ports(ny(ON, "07:00"))
    fresh(ports, "AAA", GAP)
    at(ports, "07:00")
    assert set(watched(ports)) == set(CORE)


def test_the_final_scan_keeps_what_the_rough_one_found() -> None:
    ports = market_ports(ny(ON, "07:00"))
    fresh(ports, "AAA", GAP)
    wake_up(ports, "AAA", 20)
    at(ports, "07:00")
    fresh(ports, "AAA", Shape(last=5.0, previous=5.0))
    fresh(ports, "BBB", GAP)
    wake_up(ports, "BBB", 20)
    at(ports, "09:15")
    assert list(watched(ports).items()) == [("BBB", Why.GAP), ("AAA", Why.GAP), ("SPY", Why.CORE), ("QQQ", Why.CORE)]


def test_the_list_is_never_longer_than_allowed() -> None:
    ports = market_ports(ny(ON, "07:00"), GATEHOUSE_MAX_WATCHLIST="2")
    fresh(ports, "AAA", GAP)
    wake_up(ports, "AAA", 20)
    at(ports, "07:00")
    assert list(watched(ports)) == ["AAA", "SPY"]


def test_the_refresh_adds_what_woke_up_and_drops_what_died() -> None:
    ports = market_ports(ny(ON, "07:00"))
    fresh(ports, "AAA", GAP)
    wake_up(ports, "AAA", 20)
    at(ports, "07:00")
    wake_up(ports, "AAA", 1 / 20)
    wake_up(ports, "BBB", 50)
    ports.clock.at = ny(ON, "11:30")
    fresh(ports, "BBB", Shape(last=50.0, previous=50.0))
    ports.tables.put("runs", str(ON), "premarket-final|0915", {"status": "done", "started_at": "x", "attempt": 1})
    scan(ports)
    assert watched(ports)["BBB"] is Why.RVOL_SPIKE
    assert "AAA" not in watched(ports), "last traded at seven"


@pytest.mark.parametrize(("strategy", "stays"), [("dip-buyer.v1", True), (FIRST_STRATEGY, False)])
def test_what_a_strategy_of_its_own_word_holds_stays_on_the_list(strategy: str, stays: bool) -> None:
    ports = market_ports(ny(ON, "07:00"), GATEHOUSE_STRATEGIES="momentum.v1=0.5 dip-buyer.v1=0.5")
    fresh(ports, "AAA", GAP)
    wake_up(ports, "AAA", 20)
    at(ports, "07:00")
    held = replace(reservation("i1", "AAA", Decimal(1000)), strategy=strategy)
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: reserve(ledger, held))
    wake_up(ports, "AAA", 1 / 20)
    ports.clock.at = ny(ON, "11:30")
    fresh(ports, "BBB", Shape(last=50.0, previous=50.0))
    ports.tables.put("runs", str(ON), "premarket-final|0915", {"status": "done", "started_at": "x", "attempt": 1})
    scan(ports)
    assert (watched(ports).get("AAA") is Why.HELD) is stays, "last traded at seven"


def read_story(ports: FakePorts, published_at: datetime, symbol: str) -> None:
    """A story that has been read."""
    row = {"story_id": "s", "published_at": iso(published_at), "symbols": symbol}
    ports.tables.put(Table.STORIES, str(ON), "s", row)


def test_a_story_brings_its_symbols_to_the_list() -> None:
    ports = market_ports(ny(ON, "06:50"))
    read_story(ports, ny(ON, "06:40"), "CCC")
    at(ports, "07:00")
    assert watched(ports)["CCC"] is Why.STORY


def test_a_story_of_hours_ago_is_no_reason_any_more() -> None:
    ports = market_ports(ny(ON, "04:00"))
    read_story(ports, ny(ON, "03:00"), "CCC")
    at(ports, "07:01")
    assert "CCC" not in watched(ports)


def test_after_hours_movers_make_a_list_of_their_own() -> None:
    ports = market_ports(ny(ON, "16:05"))
    ports.clock.at = ny(ON, "16:04")
    fresh(ports, "AAA", Shape(last=22.0, previous=19.0, day_close=20.0))
    fresh(ports, "BBB", Shape(last=20.1, previous=19.0, day_close=20.0))
    for symbol in ("CCC", *CORE):
        ports.market.seen.pop(symbol)
    messages = at(ports, "16:05")
    found = watched(ports)
    assert found["AAA"] is Why.EARNINGS_MOVE
    assert "BBB" not in found
    assert any(isinstance(m, Notice) and m.title.startswith("Watchlist 1605") for m in messages)


def test_candidates_are_cut_into_slices_of_at_most_25_named_by_content() -> None:
    names = [f"S{n:02}" for n in range(60)]
    ports = market_ports(ny(ON, "09:15"), GATEHOUSE_CORE_SYMBOLS=" ".join(names), GATEHOUSE_MAX_WATCHLIST="60")
    for name in names:
        ports.market.prices[name] = ("1", "2")
    at(ports, "09:15")
    first = slices(at(ports, "09:35"))
    assert [len(part.symbols) for part in first] == [MAX_SLICE, MAX_SLICE, 10]
    assert [s for part in first for s in part.symbols] == names
    assert len({part.message_id for part in first}) == 3
    assert all(part.expires_at - part.decided_at == timedelta(seconds=240) for part in first)
    assert {part.slot for part in first} == {"0935"}
    again = market_ports(ny(ON, "09:15"), GATEHOUSE_CORE_SYMBOLS=" ".join(names), GATEHOUSE_MAX_WATCHLIST="60")
    again.market.prices = ports.market.prices
    at(again, "09:15")
    assert [part.message_id for part in slices(at(again, "09:35"))] == [part.message_id for part in first]


def test_a_doubled_timer_sends_no_slice_twice() -> None:
    ports = market_ports(ny(ON, "09:15"))
    at(ports, "09:15")
    assert len(slices(at(ports, "09:40"))) == 1
    assert slices(at(ports, "09:40")) == []


def test_without_a_watchlist_the_person_is_told() -> None:
    ports = market_ports(ny(ON, "09:36"))
    ports.market.error = TransientError("no market data")
    with pytest.raises(TransientError):
        at(ports, "09:36")
    ports.market.error = None
    ports.tables.put("runs", str(ON), "intraday-refresh|0935", {"status": "done", "started_at": "x", "attempt": 1})
    told = [m for m in at(ports, "09:40") if isinstance(m, Notice) and m.severity is Severity.CRITICAL]
    assert [m.title for m in told] == [f"No watchlist on {ON}"]


def test_a_watchlist_reads_back_as_it_was_written() -> None:
    ports = market_ports(ny(ON, "07:00"))
    at(ports, "07:00")
    found = current_watchlist(ports, ON)
    assert found == ports.codec.decode(Watchlist, ports.codec.encode(found))


def test_a_day_without_a_list_has_none() -> None:
    assert current_watchlist(market_ports(ny(ON, "07:00")), ON) is None
