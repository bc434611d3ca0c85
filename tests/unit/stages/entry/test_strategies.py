"""Several strategies are asked about one slice: each records its opinions, and a broken one harms no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

import shared.strategies.catalogue
from shared.contracts.messages import Notice, Signal
from shared.contracts.records import Container, Table
from shared.core.ledger import reserve
from shared.core.market import Bars, FloatArray
from shared.core.order_states import ExitReason, OrderState, OrderView, Phase, Role
from shared.core.orders import OrderStatus
from shared.core.sizing import Bound
from shared.core.values import Symbol
from shared.pipeline import run
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import update_ledger
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score_and_tell
from shared.strategies import HeldPosition, Move, Needs, Rule, StateRule, Strategy, Wishes
from shared.strategies.catalogue import Catalogue, installed
from shared.strategies.protocol import Advice, SliceView
from tests.support.market_day import ON, market_ports
from tests.support.orders import PLAN, reservation
from tests.support.ports import FakePorts, sure_models
from tests.unit.stages.entry.test_score import NOON, ask

BOTH = "momentum.v1=0.5 made.v1=0.5"
LET_GO = threading.Event()


class Always(Rule):
    """Enters every symbol at every bar, with a stop 2 % below and half an hour's hold."""

    name = "made.v1"
    needs = Needs(history_bars=10)

    def wishes(self, bars: Bars) -> Wishes:
        everywhere = np.ones(len(bars), np.bool_)
        return Wishes(enter=everywhere, leave=~everywhere, stop=bars.close * 0.98, hold_bars=6)


class Leaver(Always):
    """Leaves every symbol at every bar."""

    def wishes(self, bars: Bars) -> Wishes:
        everywhere = np.ones(len(bars), np.bool_)
        return Wishes(enter=~everywhere, leave=everywhere)


class Raising(Always):
    """Raises."""

    def wishes(self, bars: Bars) -> Wishes:
        raise ZeroDivisionError("no bars are wide enough")


class NanFlags(Always):
    """Answers with numbers where flags belong."""

    def wishes(self, bars: Bars) -> Wishes:
        return Wishes(enter=np.full(len(bars), np.nan), leave=np.zeros(len(bars), np.bool_))


class NanStop(Always):
    """Enters with a stop that is none."""

    def wishes(self, bars: Bars) -> Wishes:
        return replace(Always.wishes(self, bars), stop=np.full(len(bars), np.nan))


class HighStop(Always):
    """Enters with a stop over the price."""

    def wishes(self, bars: Bars) -> Wishes:
        return replace(Always.wishes(self, bars), stop=bars.close * 1.01)


class OneRow(Always):
    """Answers for one bar alone."""

    def wishes(self, bars: Bars) -> Wishes:
        return Wishes(enter=np.ones(1, np.bool_), leave=np.zeros(1, np.bool_))


class Nothing(Always):
    """Answers nothing at all."""

    def wishes(self, bars: Bars) -> Wishes:
        return None  # type: ignore[return-value]


class Slow(Always):
    """Does not answer before it is let go."""

    def wishes(self, bars: Bars) -> Wishes:
        LET_GO.wait()
        return Always.wishes(self, bars)


class Writing(Always):
    """Writes into the bars that it is shown."""

    needs = Needs(history_bars=0)

    def wishes(self, bars: Bars) -> Wishes:
        bars.close[:] = 1.0
        return Always.wishes(self, bars)


class TooFew(Strategy):
    """Answers for one symbol of all."""

    name = "made.v1"

    def advise(self, view: SliceView) -> Sequence[Advice]:
        return []


class Wanting(Always):
    """Needs a model that nobody has published."""

    needs = Needs(history_bars=10, models=("oracle",))


class Trailing(StateRule):
    """Leaves 1 % under the highest high since the entry."""

    name = "made.v1"
    seen: list[HeldPosition | None] = []  # noqa: RUF012

    def features(self, bars: Bars) -> FloatArray:
        return bars.close[:, None]

    def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
        self.seen.append(held)
        return Move.LEAVE if held is not None else Move.STAY


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    """Nothing that a test has held goes on after it."""
    LET_GO.clear()
    yield
    LET_GO.set()


def ports_of(strategy: type[Strategy], monkeypatch: pytest.MonkeyPatch, *, traded: str = BOTH) -> FakePorts:
    own = installed()
    made = Catalogue(strategies={**own.strategies, strategy.name: strategy}, faults=own.faults)
    monkeypatch.setattr(shared.strategies.catalogue, "installed", lambda: made)
    monkeypatch.setattr("shared.stages.base.facts.installed", lambda: made)
    return market_ports(NOON, GATEHOUSE_STRATEGIES=traded, GATEHOUSE_STRATEGY_TIMEOUT_S="30")


def scored(ports: FakePorts, *symbols: str) -> tuple[list[Signal], list[Notice]]:
    found = score_and_tell(ask(ports, *symbols), ports)
    signals = [message for message in found if isinstance(message, Signal)]
    return signals, [message for message in found if isinstance(message, Notice)]


def rows(ports: FakePorts) -> dict[tuple[str, str], str]:
    found = ports.rows("signals", ON).values()
    return {(str(row["symbol"]), str(row["strategy"])): str(row["policy"]) for row in found}


def test_each_strategy_records_what_it_says_of_each_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Always, monkeypatch)
    ports.models = sure_models(down=0.35, none=0.3, up=0.35)
    signals, _ = scored(ports, "AAA", "BBB")
    assert rows(ports) == {
        ("AAA", "momentum.v1"): "EDGE_TOO_SMALL",
        ("BBB", "momentum.v1"): "EDGE_TOO_SMALL",
        ("AAA", "made.v1"): "ENTER",
        ("BBB", "made.v1"): "ENTER",
    }
    assert [(s.symbol, s.strategy, s.p_up, s.hold_min) for s in signals] == [
        ("AAA", "made.v1", None, 30),
        ("BBB", "made.v1", None, 30),
    ]
    row = ports.rows("signals", ON)["AAA|1200|made.v1"]
    assert "p_up" not in row
    assert float(str(row["stop_usd"])) == pytest.approx(float(str(row["price_usd"])) * 0.98)


@pytest.mark.parametrize(
    ("traded", "first", "second"),
    [(BOTH, "momentum.v1", "made.v1"), ("made.v1=0.5 momentum.v1=0.5", "made.v1", "momentum.v1")],
)
def test_where_two_want_a_symbol_the_first_of_the_setting_has_it(
    monkeypatch: pytest.MonkeyPatch, traded: str, first: str, second: str
) -> None:
    ports = ports_of(Always, monkeypatch, traded=traded)
    signals, _ = scored(ports, "AAA")
    assert [s.strategy for s in signals] == [first]
    assert rows(ports) == {("AAA", first): "ENTER", ("AAA", second): "DUPLICATE"}


def test_an_entry_without_chances_has_its_own_stop_and_no_kelly_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Always, monkeypatch, traded="made.v1=1")
    (signal,), _ = scored(ports, "AAA")
    (intent,) = gate(signal, ports)
    (row,) = ports.rows("decisions", ON).values()
    assert Bound.KELLY not in str(row["bounds"])
    assert signal.stop_price is not None
    assert 0 <= signal.stop_price - intent.stop_price < Decimal("0.01"), "on the tick, down"
    assert intent.target_price > intent.limit_price * Decimal("1.4")
    assert intent.strategy == "made.v1"
    assert intent.exit_by == ports.clock.now() + timedelta(minutes=30)


def test_a_stop_that_the_market_has_passed_is_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Always, monkeypatch, traded="made.v1=1")
    (signal,), _ = scored(ports, "AAA")
    assert gate(replace(signal, stop_price=signal.reference_price * 2), ports) == []
    (row,) = ports.rows("decisions", ON).values()
    assert row["refused_by"] == "SPREAD"


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (Raising, "made.v1 raised ZeroDivisionError: no bars are wide enough"),
        (NanFlags, "enter must hold one bool for each of"),
        (NanStop, "stop of an entry must be under the close"),
        (HighStop, "stop of an entry must be under the close"),
        (OneRow, "enter must hold one bool for each of"),
        (Nothing, "wishes must return Wishes, got NoneType"),
        (Writing, "read-only"),
        (TooFew, "must return one Advice for each of 2 symbols"),
    ],
)
def test_a_broken_strategy_has_no_opinion_and_the_other_trades_on(
    monkeypatch: pytest.MonkeyPatch, strategy: type[Strategy], says: str
) -> None:
    ports = ports_of(strategy, monkeypatch)
    signals, notices = scored(ports, "AAA", "BBB")
    assert [(s.symbol, s.strategy) for s in signals] == [("AAA", "momentum.v1"), ("BBB", "momentum.v1")]
    assert {rows(ports)[symbol, "made.v1"] for symbol in ("AAA", "BBB")} == {"STRATEGY_HEALTH"}
    assert says in str(ports.rows("signals", ON)["AAA|1200|made.v1"]["faults"])
    (notice,) = notices
    assert notice.title == "made.v1 gives no opinion"
    assert says in notice.body
    assert scored(ports, "AAA", "BBB")[1] == [], "told once a day"


def test_a_slow_strategy_is_refused_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Slow, monkeypatch)
    strategies = replace(ports.settings.strategies, strategy_timeout_s=0.01)
    ports.settings = replace(ports.settings, strategies=strategies)
    signals, (notice,) = scored(ports, "AAA")
    assert [s.strategy for s in signals] == ["momentum.v1"]
    assert "took longer than 0.01 s" in notice.body
    scored(ports, "AAA")
    assert "still works on an earlier slice" in str(ports.rows("signals", ON)["AAA|1200|made.v1"]["faults"])


def test_a_strategy_whose_model_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Wanting, monkeypatch)
    signals, notices = scored(ports, "AAA")
    assert [s.strategy for s in signals] == ["momentum.v1"]
    assert rows(ports)["AAA", "made.v1"] == "MODEL_HEALTH"
    assert "oracle" in str(ports.rows("signals", ON)["AAA|1200|made.v1"]["faults"])
    assert notices == []


def test_a_strategy_that_is_not_installed_keeps_none_from_trading() -> None:
    ports = market_ports(NOON, GATEHOUSE_STRATEGIES="momentum.v1=0.5 gone.v1=0.5")
    signals, (notice,) = scored(ports, "AAA")
    assert [s.strategy for s in signals] == ["momentum.v1"]
    assert rows(ports)["AAA", "gone.v1"] == "STRATEGY_HEALTH"
    assert "no strategy is named 'gone.v1'" in notice.body


def test_too_short_a_history_is_a_fault_of_the_symbol_not_of_the_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long(Always):
        needs = Needs(history_bars=156)

    ports = ports_of(Long, monkeypatch, traded="made.v1=1")
    assert [s.symbol for s in scored(ports, "AAA")[0]] == ["AAA"]


def test_a_rule_that_leaves_wakes_its_own_order_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Leaver, monkeypatch)
    ports.clock.at = NOON
    for symbol, strategy in (("AAA", "made.v1"), ("BBB", "momentum.v1")):
        room = replace(
            reservation(f"i-{symbol}", symbol, Decimal(1000)),
            strategy=strategy,
            reserved_at=NOON - timedelta(minutes=3),
            exit_by=NOON + timedelta(hours=1),
        )
        update_ledger(ports, ON, ports.broker.account(), lambda ledger, room=room: reserve(ledger, room))  # type: ignore[misc]
    scored(ports, "AAA", "BBB")
    assert str(ports.rows("signals", ON)["AAA|1200|made.v1"]["leave"]) == ExitReason.SIGNAL
    told = {wake.intent_id: wake.event for wake in supervise(ports).wakes if wake.event in ExitReason}
    assert told == {"i-AAA": "SIGNAL"}


def test_a_rule_of_state_sees_its_own_position(monkeypatch: pytest.MonkeyPatch) -> None:
    Trailing.seen.clear()
    ports = ports_of(Trailing, monkeypatch, traded="made.v1=1")
    bought_at = NOON - timedelta(minutes=20)
    room = replace(reservation("i-AAA", "AAA", Decimal(1000)), strategy="made.v1", reserved_at=bought_at)
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: reserve(ledger, room))
    entry = OrderView(
        order_id="entry-1",
        client_order_id="i-AAA-entry-0",
        role=Role.ENTRY,
        status=OrderStatus.FILLED,
        qty=Decimal(100),
        filled_qty=Decimal(100),
        average_price=Decimal("10.5"),
        updated_at=bought_at,
    )
    plan = replace(PLAN, intent_id="i-AAA", strategy="made.v1", symbol=Symbol("AAA"))
    state = OrderState(plan=plan, on=ON, phase=Phase.PROTECTED, orders={"entry-1": entry}, filled_at=bought_at)
    ports.tables.put(Table.ORDERS, str(ON), "AAA|i-AAA", {"state": ports.codec.encode(state), "phase": "PROTECTED"})
    scored(ports, "AAA", "BBB")
    held, flat = Trailing.seen
    assert flat is None
    assert held is not None
    assert (held.entry_price, held.bars_held) == (10.5, 4)
    assert str(ports.rows("signals", ON)["AAA|1200|made.v1"]["leave"]) == ExitReason.SIGNAL
    (blob,) = ports.blobs.names(Container.FEATURES, str(ON))
    assert blob


@pytest.mark.parametrize("broken", ["order", "ledger"])
def test_a_position_that_cannot_be_read_keeps_no_strategy_from_being_asked(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    Trailing.seen.clear()
    ports = ports_of(Trailing, monkeypatch)
    room = replace(reservation("i-AAA", "AAA", Decimal(1000)), strategy="made.v1")
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: reserve(ledger, room))
    if broken == "order":
        ports.tables.put(Table.ORDERS, str(room.reserved_on), "AAA|i-AAA", {"state": "{", "phase": "PROTECTED"})
    else:
        ports.tables.put(Table.LEDGER, "account", "current", {"ledger": "{"})
    signals, _ = scored(ports, "AAA")
    assert [s.strategy for s in signals] == ["momentum.v1"]
    assert Trailing.seen == [None]


def test_the_queue_carries_a_signal_of_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ports_of(Always, monkeypatch, traded="made.v1=1")
    (signal,), _ = scored(ports, "AAA")
    assert ports.codec.decode(Signal, ports.codec.encode(signal)) == signal
    assert [type(message).__name__ for message in run(signal, ports)] == ["OrderIntent", "Notice"]
