"""What must hold for every sequence of orders on every market."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.market.tape import Halt
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.journal import LogEntry, VenueEvent
from simulation.venue.orders import ReplaceRequest, VenueOrderType, VenueStatus
from simulation.venue.refusals import Refusal
from simulation.venue.requests import parse_order
from tests.support.tape import HandTape, ny, prices, walk

DAYS = (date(2025, 10, 14), date(2025, 10, 15))
SYMBOLS = ("AAA", "BBB")
FILLS = {VenueEvent.FILL, VenueEvent.PARTIAL_FILL}
CONFIG = VenueConfig()
START = ny(DAYS[0], "09:20")


@cache
def tape(seed: int) -> HandTape:
    made = {}
    for s, symbol in enumerate(SYMBOLS):
        for d, on in enumerate(DAYS):
            path = walk(1000 * seed + 10 * s + d, 960, price=10.0, step=0.05)
            volume = [float(400 + 37 * ((seed + i) % 50)) for i in range(960)]
            made[symbol, on] = prices(on, "04:00", path, volume=volume)
    halt = Halt(symbol="BBB", start_at=ny(DAYS[0], "10:00"), end_at=ny(DAYS[0], "10:20"), reason="LULD")
    return HandTape(DAYS[1], made, halts=[halt])


@dataclass(frozen=True)
class Act:
    """One thing that the client does, so many seconds after the one before."""

    after_s: int
    what: str
    symbol: str
    side: str
    kind: str
    force: str
    group: str
    qty: int
    offset: int
    width: int
    extended: bool


acts = st.lists(
    st.builds(
        Act,
        after_s=st.sampled_from([0, 7, 15, 60, 61, 400, 1800, 7200]),
        what=st.sampled_from(["order"] * 12 + ["replace"] * 4 + ["cancel", "close", "cancel_all"]),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(["buy", "buy", "sell"]),
        kind=st.sampled_from(["market", "limit", "limit", "stop", "stop_limit", "trailing_stop"]),
        force=st.sampled_from(["day", "day", "gtc", "ioc", "fok", "cls", "opg"]),
        group=st.sampled_from(["simple", "simple", "bracket", "oco", "oto"]),
        qty=st.integers(1, 400),
        offset=st.integers(-8, 8),
        width=st.integers(1, 40),
        extended=st.booleans(),
    ),
    min_size=6,
    max_size=30,
)
seeds = st.integers(0, 3)


def order_body(act: Act, price: Decimal) -> dict[str, object]:
    cent = Decimal("0.01")
    kind = "limit" if act.group == "oco" else act.kind
    lasts = act.group != "simple" or kind not in {"market", "limit"}
    force = ("gtc" if act.force == "gtc" else "day") if lasts else act.force
    side = "sell" if act.group == "oco" else act.side
    body: dict[str, object] = {"symbol": act.symbol, "side": side, "qty": act.qty, "time_in_force": force, "type": kind}
    level, away = price + act.offset * cent, act.width * cent
    toward = 1 if side == "buy" else -1
    if kind in {"limit", "stop_limit"}:
        body["limit_price"] = str(level)
    if kind in {"stop", "stop_limit"}:
        body["stop_price"] = str(level + toward * away)
    if kind == "trailing_stop":
        body["trail_price"] = str(away)
    if kind == "limit" and act.group == "simple":
        body["extended_hours"] = act.extended and force in {"day", "gtc"}
    if act.group != "simple":
        sign = -1 if act.group == "oco" else 1
        body["order_class"] = act.group
        body["stop_loss"] = {"stop_price": str(level - sign * toward * away)}
        if act.group == "bracket":
            body["take_profit"] = {"limit_price": str(level + toward * away)}
    return body


def perform(venue: Exchange, act: Act) -> None:
    try:
        if act.what == "order":
            venue.submit(parse_order(order_body(act, venue.mark(act.symbol))))
        elif act.what == "close":
            venue.close_position(act.symbol)
        elif act.what == "cancel_all":
            venue.cancel_all()
        else:
            orders = [order for order in venue.book.orders.values() if order.is_open]
            if not orders:
                return
            order = orders[act.qty % len(orders)]
            if act.what == "cancel":
                venue.cancel(order.id)
            elif order.limit_price is not None:
                venue.replace(order.id, ReplaceRequest(limit_price=order.limit_price + act.offset * Decimal("0.01")))
    except Refusal:
        pass


def run(seed: int, script: list[Act], *, step: timedelta | None = None) -> Exchange:
    """Play a script from the morning of the first day to the end of the second."""
    venue = Exchange(tape(seed), CONFIG, start=START)

    def advance(to: datetime) -> None:
        while step is not None and venue.now + step < to:
            venue.advance(venue.now + step)
        venue.advance(to)

    advance(START + timedelta(minutes=15))
    for symbol in SYMBOLS:
        venue.submit(
            parse_order({"symbol": symbol, "side": "buy", "qty": 300, "type": "market", "time_in_force": "day"})
        )
    at = venue.now
    for act in script:
        at = min(at + timedelta(seconds=act.after_s), ny(DAYS[1], "19:59"))
        advance(at)
        perform(venue, act)
    advance(ny(DAYS[1], "23:00"))
    return venue


def fill_entries(venue: Exchange) -> list[LogEntry]:
    return [entry for entry in venue.log if entry.event in FILLS]


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_cash_and_positions_equal_the_sum_of_fills_and_fees(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    cash, held = CONFIG.cash, defaultdict[str, Decimal](Decimal)
    for entry in fill_entries(venue):
        sign = 1 if entry.side == "buy" else -1
        cash -= sign * entry.fill_qty * entry.fill_price + entry.fee
        held[entry.symbol] += sign * entry.fill_qty
        assert entry.cash_after == cash
        assert entry.position_after == held[entry.symbol] >= 0
    assert venue.account.cash == cash
    assert {symbol: position.qty for symbol, position in venue.account.positions.items()} == {
        symbol: qty for symbol, qty in held.items() if qty
    }
    profit = venue.account.realized_closed + sum(p.realized for p in venue.account.positions.values())
    cost = sum(position.cost for position in venue.account.positions.values())
    fees = sum(entry.fee for entry in fill_entries(venue))
    assert abs(CONFIG.cash + profit - fees - cost - cash) < Decimal("1e-9")


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_no_fill_goes_through_its_limit(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    for entry in fill_entries(venue):
        if entry.limit_price is not None:
            sign = 1 if entry.side == "buy" else -1
            assert sign * entry.fill_price <= sign * entry.limit_price


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_fills_take_at_most_the_volume_share_of_their_point(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    taken: defaultdict[tuple[str, date, int], Decimal] = defaultdict(Decimal)
    for entry in fill_entries(venue):
        on = entry.at.astimezone(ny(DAYS[0], "00:00").tzinfo).date()
        strip = venue.view.strip(entry.symbol, on)
        taken[entry.symbol, on, strip.index_at(entry.at.timestamp())] += entry.fill_qty
    for (symbol, on, index), qty in taken.items():
        volume = venue.view.strip(symbol, on).volume[index]
        assert float(qty) <= CONFIG.volume_share * volume + 1e-9


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_nothing_fills_outside_sessions_or_while_halted(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    for entry in fill_entries(venue):
        order = venue.order(entry.order_id)
        on = DAYS[0] if entry.at < ny(DAYS[1], "00:00") else DAYS[1]
        opens, closes = ("04:00", "20:00") if order.extended_hours else ("09:30", "16:00")
        assert ny(on, opens) <= entry.at < ny(on, closes)
        if entry.symbol == "BBB":
            assert not ny(DAYS[0], "10:00") <= entry.at < ny(DAYS[0], "10:20")


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_the_exits_of_a_group_never_both_fill(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    for head in venue.book.orders.values():
        exits = [order for order in (head, *head.legs) if order.rivals]
        if exits and not any(order.replaces for order in exits):
            assert sum(order.status is VenueStatus.FILLED for order in exits) <= 1
            size = head.qty if head.order_class == "bracket" else max(order.qty for order in exits)
            assert sum((order.filled_qty for order in exits), Decimal(0)) <= size


@settings(max_examples=50, deadline=None)
@given(seeds, acts)
def test_final_orders_never_change_and_day_orders_never_last(seed: int, script: list[Act]) -> None:
    venue = run(seed, script)
    final: set[str] = set()
    for entry in venue.log:
        assert entry.order_id not in final
        if VenueStatus(entry.status).is_final:
            final.add(entry.order_id)
    lasting = {order.type for order in venue.book.orders.values() if order.is_open and order.time_in_force != "gtc"}
    assert not lasting & set(VenueOrderType)


@settings(max_examples=25, deadline=None)
@given(seeds, acts)
def test_two_identical_runs_give_identical_logs(seed: int, script: list[Act]) -> None:
    assert run(seed, script).log == run(seed, script).log


@settings(max_examples=25, deadline=None)
@given(seeds, acts, st.integers(61, 3000))
def test_one_jump_equals_many_small_steps(seed: int, script: list[Act], step_s: int) -> None:
    stepped = run(seed, script, step=timedelta(seconds=step_s, microseconds=333))
    assert run(seed, script).log == stepped.log
