"""One bad row among many, from the venue over a socket: it costs its own symbol and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from shared.adapters.alpaca import AlpacaMarketData
from shared.core.errors import ContractError
from shared.core.features.history import midnight_s
from shared.core.market import Timeframe
from shared.core.schedule import DueJob, Job
from shared.core.splits import Splits, snapshot_in_terms_of
from shared.core.unread import Unread
from shared.core.values import Symbol
from shared.stages.market.scan import current_watchlist, run_slot
from simulation.market.splits import SplitTape
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.faults import Fault, FaultRule
from simulation.venue.face.server import ServerThread
from simulation.venue.face.spoilt import SPOILS
from tests.support.alpaca import FixedClock, settings_for
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import HandTape, market, ny

ON = date(2025, 10, 15)
SYMBOLS = tuple(Symbol(f"S{chr(65 + k // 26)}{chr(65 + k % 26)}") for k in range(70))
BAD, OTHER = SYMBOLS[41], SYMBOLS[42]
ROWS = ("zero", "null", "negative", "nan", "text", "missing")
ORDERS = ("doubled", "descending")


class Venue:
    """Seventy symbols on a socket, some of them split."""

    def __init__(self) -> None:
        self.clock = FixedClock(ny(ON, "09:15:30"))
        walked = market(ON, SYMBOLS, days=3, bars=600)
        midnight = midnight_s(ON)
        self.splits: dict[str, Splits] = {
            SYMBOLS[k]: Splits(from_s=np.array([midnight]), factor=np.array([factor]))
            for k, factor in enumerate((5.0, 2.0, 0.5, 7.0, 2 / 3))
        }
        self.whole: HandTape = walked
        self.app = create_app(
            Exchange(SplitTape(walked, self.splits), VenueConfig(requests_per_minute=100_000)),
            self.clock.now,
            keys=("the-key", "the-secret"),
        )
        self.thread = ServerThread(self.app)

    def data(self, tell: list[Unread]) -> AlpacaMarketData:
        settings = settings_for(self.thread.url)
        return AlpacaMarketData(settings, self.clock, tell=tell.extend)

    def spoil(self, path: str, how: str, symbol: str = BAD) -> None:
        rule = FaultRule(kind=Fault.BAD_ROW, path=path, probability=1.0, symbol=symbol, how=how)
        self.app.state.faults[:] = [rule]


@pytest.fixture(scope="module")
def running() -> Iterator[Venue]:
    made = Venue()
    with made.thread:
        yield made


@pytest.fixture
def venue(running: Venue) -> Venue:
    running.app.state.faults.clear()
    return running


@pytest.fixture
def told() -> list[Unread]:
    return []


@pytest.mark.parametrize("how", [*ROWS, *ORDERS])
def test_bars_of_one_symbol_that_cannot_be_read_leave_the_others(venue: Venue, told: list[Unread], how: str) -> None:
    data = venue.data(told)
    start, end = ny(ON, "08:00"), ny(ON, "09:15")
    whole = data.bars(SYMBOLS, Timeframe.MIN_5, start, end)
    venue.spoil("/v2/stocks/bars", how)
    found = data.bars(SYMBOLS, Timeframe.MIN_5, start, end)
    assert set(whole) - set(found) == {BAD}
    assert {(row.what, row.name) for row in told} == {("bars", BAD)}
    assert found[OTHER].close.tobytes() == whole[OTHER].close.tobytes()


@pytest.mark.parametrize("how", ROWS)
@pytest.mark.parametrize(("path", "what"), [("/v2/stocks/snapshots", "snapshot"), ("/v2/stocks/quotes", "quote")])
def test_a_snapshot_or_quote_that_cannot_be_read_leaves_the_others(
    venue: Venue, told: list[Unread], path: str, what: str, how: str
) -> None:
    data = venue.data(told)
    venue.spoil(path, how)
    found: Any = data.snapshots(SYMBOLS) if what == "snapshot" else data.quotes(SYMBOLS)
    if (what, how) == ("quote", "zero"):  # a side of nothing is a quote: it is one-sided
        assert found[BAD].bid == 0
        assert not found[BAD].is_two_sided
        return
    assert set(SYMBOLS) - set(found) == {BAD}
    assert [(row.what, row.name) for row in told] == [(what, BAD)]


@pytest.mark.parametrize("how", ["null", "text", "missing"])
def test_an_asset_that_cannot_be_read_leaves_the_others(venue: Venue, told: list[Unread], how: str) -> None:
    venue.spoil("/v2/assets", how)
    assert {asset.symbol for asset in venue.data(told).assets()} >= set(SYMBOLS) - {BAD}


def test_an_answer_that_is_no_json_is_still_an_error(venue: Venue, told: list[Unread]) -> None:
    venue.app.state.faults[:] = [FaultRule(kind=Fault.NONSENSE, path="/v2/stocks", probability=1.0)]
    with pytest.raises(ContractError, match="not JSON"):
        venue.data(told).snapshots(SYMBOLS)


def ports_on(venue: Venue, told: list[Unread]) -> FakePorts:
    ports = fake_ports(
        venue.clock.at,
        GATEHOUSE_CORE_SYMBOLS=" ".join(SYMBOLS[30:60]),
        GATEHOUSE_MARKET_SYMBOLS=" ".join(SYMBOLS[30:32]),
    )
    ports.market = venue.data(told)  # type: ignore[assignment]
    return ports


@pytest.mark.parametrize("path", ["/v2/stocks/snapshots", "/v2/stocks/bars", "/v2/assets", "/v1/corporate-actions"])
def test_a_scan_of_seventy_symbols_with_a_bad_one_makes_its_watchlist(
    venue: Venue, told: list[Unread], path: str
) -> None:
    venue.spoil(path, "null", SYMBOLS[0] if "corporate" in path else BAD)
    ports = ports_on(venue, told)
    slot = DueJob(
        job=Job.PREMARKET_FINAL, on=ON, slot="0915", due_at=venue.clock.at, until=venue.clock.at + timedelta(minutes=5)
    )
    notices = run_slot(ports, slot)
    watchlist = current_watchlist(ports, ON)
    assert watchlist is not None
    expected = set(SYMBOLS[30:60]) - ({BAD} if path == "/v2/assets" else set())
    assert {watched.symbol for watched in watchlist.watched} == expected
    there = set(ports.history.bars(watchlist.history_blob)[Timeframe.DAY_1])
    assert there >= expected - ({BAD} if path == "/v2/stocks/bars" else set())
    assert len([each for each in notices if getattr(each, "kind", "") == "unread"]) == 1
    assert len(ports.rows("incidents", ON)) == 1
    assert told


def test_splits_over_a_socket_take_the_gap_out_of_the_night(venue: Venue, told: list[Unread]) -> None:
    data = venue.data(told)
    splits = data.splits(ON - timedelta(days=60), ON)
    assert {symbol: found.factor.tolist() for symbol, found in splits.items()} == {
        symbol: found.factor.tolist() for symbol, found in venue.splits.items()
    }
    raw = data.snapshots(SYMBOLS)
    for symbol, found in splits.items():
        seen = snapshot_in_terms_of(raw[symbol], found, midnight_s(ON))
        day = venue.whole.bars(symbol, Timeframe.DAY_1, ny(ON, "00:00") - timedelta(days=3), ny(ON, "00:00"))
        assert seen.previous_close == pytest.approx(float(day.close[-1]), rel=1e-12)
        assert seen.previous_volume == pytest.approx(float(day.volume[-1]), rel=1e-12)
        assert seen.last_price == raw[symbol].last_price
        assert raw[symbol].previous_close == pytest.approx(seen.previous_close / float(found.factor[0]))
    assert told == []


def test_every_way_to_spoil_a_row_is_tried() -> None:
    assert {*ROWS, *ORDERS} == set(SPOILS)
