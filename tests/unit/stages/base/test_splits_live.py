"""A split over night, known, unknown and not to be had: what scanner, features and signals make of it."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from shared.contracts.messages import CandidateSlice
from shared.core.errors import BrokerError, TransientError
from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe
from shared.core.packing import unpack
from shared.core.schedule import DueJob, Job
from shared.core.splits import Splits
from shared.core.unread import Unread
from shared.core.values import Symbol
from shared.stages.entry.score import score, score_and_tell
from shared.stages.market.news import run_slot as scan_news
from shared.stages.market.scan import current_watchlist, run_slot
from tests.support.market_day import ON, OTHERS, Shape, fresh, history_of, market_ports, wake_up
from tests.support.ports import FakePorts
from tests.support.tape import ny
from tests.unit.stages.market.test_news import headline

NOON, MORNING = ny(ON, "12:00:30"), ny(ON, "09:15")
FACTORS = (5.0, 2.0, 0.5, 7.0, 2 / 3)
"""Of reverse splits 1:5, 1:2, 1:7, of a split 2:1 and of one 3:2."""


def before_split(bars: Bars, factor: float, until_s: int) -> Bars:
    """Bars as they were traded before a split: everything that begins before an instant in the old shares."""
    scale = np.where(bars.start_s < until_s, factor, 1.0)
    prices = {name: getattr(bars, name) / scale for name in ("open", "high", "low", "close")}
    return Bars(start_s=bars.start_s, volume=bars.volume * scale, **prices)


def split_over_night(ports: FakePorts, symbol: str, factor: float, *, known: bool = True) -> None:
    """Split a symbol in the night before the day; its history is then of the old shares."""
    midnight = midnight_s(ON)
    for frame in (Timeframe.DAY_1, Timeframe.MIN_5):
        bars = ports.market.history[symbol, frame]
        ports.market.history[symbol, frame] = before_split(bars, factor, midnight)
    if known:
        ports.market.splits_of[symbol] = Splits(from_s=np.array([midnight]), factor=np.array([factor]))


def slice_of(ports: FakePorts, *symbols: str) -> CandidateSlice:
    now = ports.clock.now()
    return CandidateSlice(
        message_id="m-1",
        correlation_id="m-1",
        causation_id="run",
        decided_at=now,
        expires_at=now + timedelta(minutes=4),
        on=ON,
        slot="1200",
        symbols=tuple(Symbol(s) for s in symbols),
        watchlist_blob="none",
        history_blob=history_of(ports, *OTHERS),
    )


def row_of(ports: FakePorts, symbol: str) -> dict[str, Any]:
    (row,) = [row for row in ports.rows("signals", ON).values() if row["symbol"] == symbol]
    return row


def features_of(ports: FakePorts, symbol: str) -> np.ndarray:
    """The features that were kept of a symbol."""
    stored = ports.blobs.get("features", str(row_of(ports, symbol)["features_blob"]))
    assert stored is not None
    kept = json.loads(unpack(stored.value))
    row = kept["rows"][kept["symbols"].index(symbol)]
    return np.array([math.nan if value is None else value for value in row])


@pytest.mark.parametrize("factor", FACTORS)
def test_features_are_those_of_the_market_without_the_split(factor: float) -> None:
    plain, split = market_ports(NOON), market_ports(NOON)
    split_over_night(split, "AAA", factor)
    for ports in (plain, split):
        score(slice_of(ports, *OTHERS), ports)
    found, expected = features_of(split, "AAA"), features_of(plain, "AAA")
    if math.frexp(factor)[0] == 0.5:  # a power of two is taken out without a rounding
        assert found.tobytes() == expected.tobytes()
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    assert row_of(split, "AAA")["policy"] == row_of(plain, "AAA")["policy"] == "ENTER"
    assert features_of(split, "BBB").tobytes() == features_of(plain, "BBB").tobytes()


@pytest.mark.parametrize("factor", [5.0, 2.0, 0.5, 7.0])
def test_without_the_corporate_action_the_night_is_a_data_fault(factor: float) -> None:
    ports = market_ports(NOON)
    split_over_night(ports, "AAA", factor, known=False)
    assert [signal.symbol for signal in score(slice_of(ports, *OTHERS), ports)] == ["BBB", "CCC"]
    row = row_of(ports, "AAA")
    assert row["policy"] == "DATA_QUALITY"
    assert "split: the price is" in row["faults"]
    assert "no corporate action tells of one" in row["faults"]


def test_a_jump_in_an_earlier_night_that_no_action_explains_is_a_data_fault_too() -> None:
    ports = market_ports(NOON)
    days = [day.on for day in ports.calendar.previous_days(ON, 6)]
    for frame in (Timeframe.DAY_1, Timeframe.MIN_5):
        bars = ports.market.history["AAA", frame]
        ports.market.history["AAA", frame] = before_split(bars, 10.0, midnight_s(days[0]))
    score(slice_of(ports, *OTHERS), ports)
    assert "in a night of its history, as after a split of 1:" in row_of(ports, "AAA")["faults"]
    assert row_of(ports, "BBB")["policy"] == "ENTER"


def test_an_action_that_did_not_happen_is_found_out() -> None:
    ports = market_ports(NOON)
    ports.market.splits_of["AAA"] = Splits(from_s=np.array([midnight_s(ON)]), factor=np.array([20.0]))
    score(slice_of(ports, *OTHERS), ports)
    assert re.search(r"as after a split of (19|20|21):1", row_of(ports, "AAA")["faults"])


def test_a_split_of_unknown_ratio_leaves_the_symbol_out_and_its_row_says_why() -> None:
    ports = market_ports(NOON)
    ports.market.splits_of["AAA"] = Splits(from_s=np.array([midnight_s(ON)]), factor=np.array([math.nan]))
    assert [signal.symbol for signal in score(slice_of(ports, *OTHERS), ports)] == ["BBB", "CCC"]
    row = row_of(ports, "AAA")
    assert (row["policy"], row["faults"]) == ("DATA_QUALITY", "split: nobody knows by how much AAA was split")


ERRORS = (
    TransientError("GET /v1/corporate-actions: no answer"),
    BrokerError(403, 40310000, "GET /v1/corporate-actions: subscription does not permit"),
)


@pytest.mark.parametrize("error", ERRORS)
def test_where_splits_cannot_be_had_nothing_is_traded_on_until_a_scan_gets_them(error: Exception) -> None:
    ports = market_ports(NOON)
    ports.market.splits_error = error
    assert score(slice_of(ports, *OTHERS), ports) == []
    for symbol in OTHERS:
        assert str(row_of(ports, symbol)["faults"]).startswith("splits: not known, ")
    ports.market.splits_error = None
    assert len(score(slice_of(ports, *OTHERS), ports)) == len(OTHERS)


def scan(ports: FakePorts, job: Job = Job.PREMARKET_FINAL) -> list[Any]:
    now = ports.clock.now()
    slot = DueJob(job=job, on=ON, slot="0915", due_at=now, until=now + timedelta(minutes=5))
    return list(run_slot(ports, slot))


@pytest.mark.parametrize("factor", FACTORS)
def test_the_scanner_sees_the_gap_and_volume_of_the_market_without_the_split(factor: float) -> None:
    found = []
    for split in (False, True):
        ports = market_ports(MORNING)
        wake_up(ports, "AAA", 40)
        if split:
            split_over_night(ports, "AAA", factor)
        fresh(ports, "AAA", Shape(last=5.5, previous=5.0 / factor if split else 5.0))
        scan(ports)
        rows = [row for row in ports.rows("watchlist", ON).values() if row["symbol"] == "AAA"]
        found.append([(row["why"], row["gap"], row["rvol"]) for row in rows])
    (plain,), (split_row,) = found
    assert plain[0] == split_row[0] == "gap"
    assert split_row[1:] == pytest.approx(plain[1:], rel=1e-9)
    assert plain[1] == pytest.approx(0.1)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_split_alone_is_no_gap(factor: float) -> None:
    ports = market_ports(MORNING)
    wake_up(ports, "AAA", 40)
    split_over_night(ports, "AAA", factor)
    fresh(ports, "AAA", Shape(last=5.0, previous=5.0 / factor))
    scan(ports)
    assert "AAA" not in {row["symbol"] for row in ports.rows("watchlist", ON).values()}


def test_a_scan_without_splits_keeps_a_watchlist_of_what_needs_no_past_and_tells_once() -> None:
    ports = market_ports(MORNING)
    ports.market.splits_error = ERRORS[0]
    fresh(ports, "AAA", Shape(last=12.0, previous=10.0))
    first, second = scan(ports), scan(ports)
    watchlist = current_watchlist(ports, ON)
    assert watchlist is not None
    assert {watched.symbol for watched in watchlist.watched} == {"SPY", "QQQ"}
    assert set(ports.history.left_out(watchlist.history_blob)) >= {"SPY", "QQQ"}
    assert [notice.kind for notice in first] == ["watchlist", "unread"]
    assert first[1].title == "Splits are not known: no symbol has a history"
    assert [notice.kind for notice in second] == ["watchlist"]


def test_a_later_scan_of_the_day_fills_in_what_was_left_out() -> None:
    ports = market_ports(MORNING)
    ports.market.splits_error = ERRORS[0]
    scan(ports)
    ports.market.splits_error = None
    scan(ports)
    watchlist = current_watchlist(ports, ON)
    assert watchlist is not None
    assert ports.history.left_out(watchlist.history_blob) == {}
    assert {"SPY", "QQQ"} <= set(ports.history.bars(watchlist.history_blob)[Timeframe.DAY_1])


def unread(what: str, symbol: str) -> Unread:
    return Unread(what=what, name=symbol, fault="c must be positive, got 0.0", raw='{"c": 0}')


def test_a_symbol_whose_bars_or_quote_cannot_be_read_is_left_out_and_its_row_says_why() -> None:
    ports = market_ports(NOON)
    message = slice_of(ports, *OTHERS)
    ports.market.unread = [unread("bars", "AAA"), unread("quote", "BBB")]
    sent = score_and_tell(message, ports)
    assert [each.symbol for each in sent if hasattr(each, "symbol")] == ["CCC"]
    assert str(row_of(ports, "AAA")["faults"]).endswith("bars unread: c must be positive, got 0.0")
    assert str(row_of(ports, "BBB")["faults"]).endswith("quote unread: c must be positive, got 0.0")
    assert {row_of(ports, symbol)["policy"] for symbol in ("AAA", "BBB")} == {"DATA_QUALITY"}
    incidents = ports.rows("incidents", ON)
    assert set(incidents) == {"unread|bars", "unread|quote"}
    assert "AAA: c must be positive" in str(incidents["unread|bars"]["body"])


def test_history_that_cannot_be_read_is_said_in_the_signals_row() -> None:
    ports = market_ports(NOON)
    ports.market.unread = [unread("bars", "AAA")]
    message = slice_of(ports, *OTHERS)
    ports.market.unread = []
    score(message, ports)
    assert row_of(ports, "AAA")["faults"] == "bars unread: c must be positive, got 0.0"


def test_a_scan_leaves_a_bad_snapshot_out_and_tells_of_it_once_a_day() -> None:
    ports = market_ports(MORNING)
    for symbol in ("AAA", "BBB"):
        wake_up(ports, symbol, 40)
        fresh(ports, symbol, Shape(last=5.5, previous=5.0))
    ports.market.unread = [unread("snapshot", "BBB")]
    notices = [notice for _ in range(3) for notice in scan(ports) if notice.kind == "unread"]
    assert {row["symbol"] for row in ports.rows("watchlist", ON).values()} == {"SPY", "QQQ", "AAA"}
    assert [notice.severity.value for notice in notices] == ["warning"]
    assert "BBB: c must be positive, got 0.0" in notices[0].body


def test_headlines_that_cannot_be_read_are_told_of_and_the_others_kept() -> None:
    ports = market_ports(MORNING)
    ports.market.unread = [Unread(what="headline", name="", fault="created_at is null", raw="{}")]
    ports.market.headlines = [headline("AAA wins a contract", "AAA", at=MORNING - timedelta(minutes=3))]
    slot = DueJob(job=Job.NEWS_SCAN, on=ON, slot="0915", due_at=MORNING, until=MORNING + timedelta(minutes=5))
    batch, notice = scan_news(ports, slot)
    assert getattr(notice, "title", "") == "1 headline row of the market could not be read"
    assert [story.headline for story in getattr(batch, "stories", ())] == ["AAA wins a contract"]
