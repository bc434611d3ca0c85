"""The store: only what is missing, whole parts, gaps as facts, nothing of two sources in one place."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import MemoryBlobs
from shared.core.errors import ContractError
from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe
from shared.core.values import Symbol
from simulation.market.bar_rows import SymbolBars
from tests.support.bars import CALENDAR, day_starts, pick, random_walk
from training.data.manifest import Dates, Gap, merged, missing
from training.data.store import BarStore

ABC = Symbol("ABC")
DAYS = [day.on for day in CALENDAR.previous_days(date(2025, 12, 10), 12)]  # over the end of a month, with a half day
SPAN = Dates(first=DAYS[0], last=DAYS[-1])


def minutes(holes: float = 0.0) -> SymbolBars:
    rng = np.random.default_rng(3)
    bars = random_walk(rng, np.concatenate([day_starts(on) for on in DAYS]), 20.0, 0.002)
    return SymbolBars.of(pick(bars, rng.random(len(bars)) >= holes))


def of_dates(rows: SymbolBars, first: date, last: date) -> SymbolBars:
    lo, hi = np.searchsorted(rows.bars.start_s, (midnight_s(first), midnight_s(last + timedelta(days=1))))
    return rows[int(lo) : int(hi)]


def same(one: SymbolBars, other: SymbolBars) -> bool:
    names = ("start_s", "open", "high", "low", "close", "volume")
    equal = all(np.array_equal(getattr(one.bars, name), getattr(other.bars, name)) for name in names)
    return equal and np.array_equal(one.split_next, other.split_next)


dates = st.integers(0, 60).map(lambda k: date(2025, 1, 1) + timedelta(days=k))
ranges = st.tuples(dates, dates).map(lambda pair: Dates(first=min(pair), last=max(pair)))


@given(wanted=ranges, covered=st.lists(ranges, max_size=6))
def test_missing_and_covered_dates_together_are_the_wanted_ones_and_no_date_is_twice(
    wanted: Dates, covered: list[Dates]
) -> None:
    known = {on for one in covered for on in one.each()}
    lacking = missing(wanted, covered)
    found = [on for one in lacking for on in one.each()]
    assert found == sorted(set(wanted.each()) - known)
    assert missing(wanted, [*covered, *lacking]) == ()
    joined = merged(covered)
    assert {on for one in joined for on in one.each()} == known
    assert all(a.last + timedelta(days=1) < b.first for a, b in pairwise(joined))


def test_what_is_written_in_pieces_reads_as_one(tmp_path: Path) -> None:
    store, rows = BarStore(tmp_path, CALENDAR), minutes()
    for first, last in ((DAYS[5], DAYS[8]), (DAYS[0], DAYS[4]), (DAYS[9], DAYS[11])):
        store.write(
            Timeframe.MIN_5, ABC, of_dates(rows, first, last), covered=Dates(first=first, last=last), source="x"
        )
    assert same(store.read(Timeframe.MIN_5, ABC), rows)
    manifest = store.manifest(Timeframe.MIN_5, ABC)
    assert manifest is not None
    assert sorted(manifest.parts) == ["2025-11", "2025-12"]
    assert manifest.rows == len(rows)
    assert all(CALENDAR.day(on) is None for lack in missing(SPAN, manifest.covered) for on in lack.each())
    within = Dates(first=DAYS[4], last=DAYS[6])
    assert same(store.read(Timeframe.MIN_5, ABC, within), of_dates(rows, DAYS[4], DAYS[6]))
    assert store.symbols(Timeframe.MIN_5) == [ABC]
    assert store.symbols(Timeframe.DAY_1) == []


def test_gaps_are_facts_counted_against_the_calendar(tmp_path: Path) -> None:
    rows = minutes()
    half = date(2025, 11, 28)
    opened = midnight_s(half) + 34_200
    lost = (rows.bars.start_s >= opened + 600) & (rows.bars.start_s < opened + 1500)
    lost |= rows.bars.start_s >= midnight_s(DAYS[-1])  # the last session, whole
    lost |= rows.bars.start_s == midnight_s(DAYS[0]) + 20_000 // 300 * 300  # a premarket bar: no gap
    store = BarStore(tmp_path, CALENDAR)
    manifest = store.write(
        Timeframe.MIN_5, ABC, SymbolBars.of(pick(rows.bars, ~lost)), covered=SPAN, source="x", quarantined=2
    )
    assert manifest.gaps == (Gap(on=half, missing=3, expected=42), Gap(on=DAYS[-1], missing=78, expected=78))
    assert manifest.quarantined == 2
    days = store.write(Timeframe.DAY_1, ABC, SymbolBars.of(Bars.empty()), covered=SPAN, source="x")
    assert [gap.on for gap in days.gaps] == DAYS
    assert store.write(Timeframe.MIN_5, Symbol("BTC/USD"), minutes(0.5), covered=SPAN, source="x").gaps == ()


def test_a_part_tells_symbol_time_and_session_by_itself(tmp_path: Path) -> None:
    store = BarStore(tmp_path, CALENDAR)
    store.write(Timeframe.MIN_5, Symbol("BRK/B"), minutes(), covered=SPAN, source="x")
    table = pq.read_table(tmp_path / "bars" / "5Min" / "BRK_B" / "2025-11.parquet")
    assert set(table["symbol"].to_pylist()) == {"BRK/B"}
    assert str(table.schema.field("ts").type) == "timestamp[ms, tz=UTC]"
    assert table["session"].to_pylist()[:67] == ["PRE"] * 66 + ["REG-AM"]
    assert store.symbols(Timeframe.MIN_5) == ["BRK/B"]


def test_with_storage_the_folder_is_a_cache_that_is_not_believed(tmp_path: Path) -> None:
    blobs, rows = MemoryBlobs(), minutes()
    BarStore(tmp_path / "one", CALENDAR, blobs).write(Timeframe.MIN_5, ABC, rows, covered=SPAN, source="x")
    other = BarStore(tmp_path / "two", CALENDAR, blobs)
    assert same(other.read(Timeframe.MIN_5, ABC), rows)
    cached = tmp_path / "two" / "bars" / "5Min" / "ABC" / "2025-11.parquet"
    cached.write_bytes(b"rotten")
    assert same(other.read(Timeframe.MIN_5, ABC), rows)
    assert cached.read_bytes() != b"rotten"
    blobs.put("bars", "5Min/ABC/2025-12.parquet", b"rotten")
    assert same(other.read(Timeframe.MIN_5, ABC), rows), "the cache holds what the manifest says"
    with pytest.raises(ContractError, match="2025-12"):
        BarStore(tmp_path / "three", CALENDAR, blobs).read(Timeframe.MIN_5, ABC)


def test_bars_of_two_sources_are_not_mixed(tmp_path: Path) -> None:
    store = BarStore(tmp_path, CALENDAR)
    store.write(Timeframe.MIN_5, ABC, minutes(), covered=SPAN, source="alpaca-iex")
    with pytest.raises(ContractError, match="holds bars of alpaca-iex, not of alpaca-sip"):
        store.write(Timeframe.MIN_5, ABC, minutes(), covered=SPAN, source="alpaca-sip")
