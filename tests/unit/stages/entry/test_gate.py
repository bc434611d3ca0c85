"""Signals become intents with room reserved, or recorded refusals, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest

from shared.adapters.memory import MemoryTables
from shared.contracts.messages import OrderIntent, Signal, intent_id_of
from shared.contracts.model_card import SIGNAL_MODEL
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import decision_id, hash_id
from shared.core.ledger import Ledger, Reservation, open_ledger
from shared.core.lots import Lot
from shared.core.portfolio import Position
from shared.core.risk import NEED_A_PRICE, NOT_JUDGED, Gate, Verdict, refusals
from shared.core.sessions import Session
from shared.core.sizing import Basis
from shared.core.values import Symbol, iso
from shared.decision.entries import decide, intent_of
from shared.ports import Row
from shared.stages.base.facts import gather, quote_of
from shared.stages.base.ledger import LEDGER_TRIES, load_ledger, update_ledger
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.operator.controls import kill, resume
from tests.support.broker import account_at
from tests.support.orders import NOW, ON
from tests.support.people import call, kill_call
from tests.support.ports import FakePorts, HandMarket, fake_ports
from tests.support.tape import ny


class RacedTables(MemoryTables):
    """Before our conditional write of the ledger someone else is faster, as often as told."""

    races: int = 0
    rival: Callable[[], object] = staticmethod(lambda: None)

    def _race(self, table: str) -> None:
        if table == "ledger" and self.races:
            self.races -= 1
            self.rival()

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        self._race(table)
        super().replace(table, partition, key, row, etag)

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        self._race(table)
        return super().insert(table, partition, key, row)


def signal(symbol: str = "AAA", slot: str = "1000", at: datetime = NOW) -> Signal:
    decided = decision_id(ON, slot, symbol, "momentum.v1")
    return Signal(
        message_id=hash_id("signal", decided),
        correlation_id=decided,
        causation_id="slice-1",
        decided_at=at,
        expires_at=at + timedelta(seconds=240),
        decision_id=decided,
        on=ON,
        slot=slot,
        symbol=Symbol(symbol),
        strategy="momentum.v1",
        session=Session.REG_AM,
        reference_price=Decimal("10.00"),
        atr=Decimal("0.05"),
        adv_shares=1_000_000,
        daily_volatility=0.02,
        p_up=0.6,
        p_none=0.2,
        p_down=0.2,
        expected_move=0.004,
        features_blob="2025-10-15/1000/x.json",
        model_versions=("signal/v1", "move/v1"),
        parameter_set="default",
    )


def decision(ports: FakePorts) -> dict[str, object]:
    (row,) = ports.rows("decisions", ON).values()
    return row


def ledger_of(ports: FakePorts) -> Ledger:
    stored = load_ledger(ports)
    assert stored is not None
    return stored.value


def refused_by(ports: FakePorts) -> list[str]:
    return str(decision(ports)["refused_by"]).split()


def test_a_sound_signal_becomes_an_intent_with_its_room_reserved() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    assert intent.intent_id == intent_id_of(signal().decision_id)
    assert (intent.limit_price, intent.worst_price) == (Decimal("10.01"), Decimal("10.03"))
    assert intent.exit_by == NOW + timedelta(minutes=60)
    assert intent.expires_at == signal().expires_at
    (reservation,) = ledger_of(ports).reservations
    assert (reservation.intent_id, reservation.qty, reservation.notional) == (
        intent.intent_id,
        intent.qty,
        intent.notional,
    )
    assert reservation.risk == intent.risk


def test_every_gate_is_recorded_with_value_and_limit() -> None:
    ports = fake_ports(NOW)
    gate(signal(), ports)
    row = decision(ports)
    assert (row["verdict"], row["refused_by"]) == ("approved", "")
    recorded = ports.codec.decode(tuple[Verdict, ...], str(row["gates"]))
    assert [verdict.gate for verdict in recorded] == list(Gate)
    assert row["code_revision"] == "revision-of-the-test"
    assert (row["bid_usd"], row["ask_usd"], row["quote_at"]) == ("9.99", "10.01", iso(NOW))
    assert ports.codec.decode(OrderIntent, str(row["intent"])).qty == Decimal(str(row["qty"]))


def test_a_repeated_signal_gives_the_same_intent_again_and_reserves_once() -> None:
    ports = fake_ports(NOW)
    first = gate(signal(), ports)
    ports.clock.pass_by(timedelta(seconds=30))
    ports.market.prices["AAA"] = ("10.49", "10.51")
    assert gate(signal(), ports) == first
    assert len(ledger_of(ports).reservations) == 1


def test_a_repeated_refusal_stays_refused_although_the_reason_has_gone() -> None:
    ports = fake_ports(NOW)
    kill(ports, kill_call(reason="lunch"))
    assert gate(signal(), ports) == []
    resume(ports, call("resume", reason="back"))
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["KILL_SWITCH"]


def test_an_expired_signal_is_recorded_and_never_traded() -> None:
    ports = fake_ports(NOW)
    ports.clock.at = signal().expires_at
    assert gate(signal(), ports) == []
    assert (decision(ports)["verdict"], refused_by(ports)) == ("expired", ["EXPIRED"])
    assert load_ledger(ports) is None


def day_halted(ports: FakePorts) -> None:
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)
    ports.broker.equity = Decimal(96_900)


def drawn_down(ports: FakePorts) -> None:
    update_ledger(ports, ON - timedelta(days=1), account_at(100_000), lambda ledger: ledger)
    update_ledger(ports, ON, account_at(95_500, last_equity=97_500), lambda ledger: ledger)
    ports.broker.equity, ports.broker.last_equity = Decimal(95_000), Decimal(97_500)


def set_quote(bid: str, ask: str) -> Callable[[FakePorts], None]:
    return lambda ports: ports.market.prices.update(AAA=(bid, ask))


def hold(*symbols: str) -> Callable[[FakePorts], None]:
    price = Decimal(10)
    return lambda ports: ports.broker.unexplained.extend(
        Position(symbol=Symbol(s), qty=Decimal(1), average_price=price, market_price=price) for s in symbols
    )


def at_clock(clock: str) -> Callable[[FakePorts], None]:
    def move(ports: FakePorts) -> None:
        ports.clock.at = datetime.fromisoformat(f"{ON}T{clock}:00-04:00").astimezone(NOW.tzinfo)

    return move


@pytest.mark.parametrize(
    ("change", "gates"),
    [
        (lambda ports: kill(ports, kill_call(reason="enough")), ["KILL_SWITCH"]),
        (day_halted, ["HALTED_DAY_LOSS"]),
        (drawn_down, ["HALTED_DRAWDOWN"]),
        (lambda ports: setattr(ports.broker, "buying_power", Decimal(5)), ["SIZE"]),
        (hold(*(f"S{n}" for n in range(10))), ["MAX_POSITIONS"]),
        (hold("AAA"), ["DUPLICATE"]),
        (set_quote("9.94", "10.06"), ["SPREAD", "SLIPPAGE"]),
        (set_quote("0", "10.01"), ["SPREAD"]),
        (set_quote("0.0001", "0.0001"), ["SPREAD"]),
        (lambda ports: setattr(ports.market, "quote_at", NOW - timedelta(seconds=16)), ["STALE_QUOTE"]),
        (lambda ports: ports.models.break_down(SIGNAL_MODEL, "expired"), ["MODEL_HEALTH"]),
        (lambda ports: setattr(ports.broker, "is_blocked", True), ["BROKER_HEALTH"]),
    ],
)
def test_a_refusal_names_its_gates_and_reserves_nothing(
    change: Callable[[FakePorts], object], gates: list[str]
) -> None:
    ports = fake_ports(NOW)
    change(ports)
    assert gate(signal(), ports) == []
    assert decision(ports)["verdict"] == "refused"
    assert refused_by(ports) == gates
    stored = load_ledger(ports)
    assert stored is None or stored.value.reservations == ()


def test_no_entry_in_the_last_minutes() -> None:
    ports = fake_ports(NOW)
    at_clock("15:50")(ports)
    assert gate(signal(at=ports.clock.now()), ports) == []
    assert refused_by(ports) == ["SESSION"]


@pytest.mark.parametrize("print_", [1, 60_000])
def test_an_equity_that_is_low_at_one_look_lets_nothing_in_and_halts_no_day(print_: int) -> None:
    ports = fake_ports(NOW)
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)
    ports.broker.equity = Decimal(print_)
    assert gate(signal(), ports) == []
    assert {"HALTED_DAY_LOSS", "HALTED_DRAWDOWN"} <= set(refused_by(ports))
    ports.broker.equity = Decimal(100_000)
    ports.clock.pass_by(timedelta(minutes=1))
    assert len(gate(signal(slot="1001", at=ports.clock.now()), ports)) == 1
    assert not ledger_of(ports).is_day_halted


def test_an_equity_that_is_high_at_one_look_sizes_no_entry() -> None:
    sizes = []
    for print_ in (100_000, 180_000):
        ports = fake_ports(NOW)
        update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)
        ports.broker.equity = ports.broker.buying_power = Decimal(print_)
        (intent,) = gate(signal(), ports)
        sizes.append(intent.qty)
        assert ledger_of(ports).peak_equity == Decimal(100_000)
    assert sizes[0] == sizes[1]


def test_a_first_look_at_ten_with_the_days_loss_behind_it_lets_nothing_in() -> None:
    ports = fake_ports(NOW)
    ports.broker.equity = Decimal(96_000)
    assert gate(signal(), ports) == []
    assert "HALTED_DAY_LOSS" in refused_by(ports)


def test_two_signals_racing_for_the_last_slot_cannot_both_have_it() -> None:
    """The rival's approval lands between our reading of the ledger and our write."""
    tables = RacedTables()
    ports = fake_ports(NOW, tables=tables, GATEHOUSE_MAX_POSITIONS="1")
    ports.market.prices["BBB"] = ("9.99", "10.01")
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)
    rivals: list[list[OrderIntent]] = []
    tables.rival = lambda: rivals.append(gate(signal("BBB"), ports))
    tables.races = 1
    ours = gate(signal("AAA"), ports)
    assert (len(ours), [len(found) for found in rivals]) == (0, [1])
    assert [reservation.symbol for reservation in ledger_of(ports).reservations] == ["BBB"]
    rows = {row["symbol"]: row for row in ports.rows("decisions", ON).values()}
    assert (rows["AAA"]["refused_by"], rows["BBB"]["verdict"]) == ("MAX_POSITIONS", "approved")


def test_the_very_first_two_signals_of_an_account_race_for_its_first_row() -> None:
    tables = RacedTables()
    ports = fake_ports(NOW, tables=tables, GATEHOUSE_MAX_POSITIONS="1")
    ports.market.prices["BBB"] = ("9.99", "10.01")
    tables.rival = lambda: gate(signal("BBB"), ports)
    tables.races = 1
    assert gate(signal("AAA"), ports) == []
    assert [reservation.symbol for reservation in ledger_of(ports).reservations] == ["BBB"]


def test_a_ledger_that_others_change_without_end_brings_the_signal_again() -> None:
    tables = RacedTables()
    ports = fake_ports(NOW, tables=tables)
    equity = iter(range(100_000, 200_000))
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: ledger)

    def touch() -> None:
        row = {"ledger": ports.codec.encode(open_ledger(ON, account_at(next(equity))))}
        MemoryTables.put(tables, "ledger", "account", "current", row)

    tables.rival, tables.races = touch, LEDGER_TRIES
    with pytest.raises(TransientError, match=f"{LEDGER_TRIES} times in a row"):
        gate(signal(), ports)
    assert ports.rows("decisions", ON) == {}
    assert len(gate(signal(), ports)) == 1


def test_two_deliveries_of_one_signal_at_once_agree() -> None:
    """The slower one finds the faster one's decision and sends the very same intent."""
    tables = RacedTables()
    ports = fake_ports(NOW, tables=tables)
    faster: list[OrderIntent] = []

    def rival() -> None:
        faster.extend(gate(signal(), ports))
        ports.market.prices["AAA"] = ("9.94", "10.06")

    tables.rival, tables.races = rival, 1
    assert gate(signal(), ports) == faster
    assert decision(ports)["verdict"] == "approved"


def test_room_reserved_before_a_crash_is_given_back_when_the_repeat_is_refused() -> None:
    ports = fake_ports(NOW)
    insert = ports.tables.insert

    def crash(table: str, partition: str, key: str, row: Row) -> bool:
        if table == "decisions":
            raise TransientError("crash before the decision was recorded")
        return insert(table, partition, key, row)

    ports.tables.insert = crash  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="crash"):
        gate(signal(), ports)
    assert len(ledger_of(ports).reservations) == 1
    ports.tables.insert = insert  # type: ignore[method-assign]
    ports.broker.is_blocked = True
    assert gate(signal(), ports) == []
    assert ledger_of(ports).reservations == ()


@pytest.mark.parametrize("error", [TransientError("time-out"), BrokerError(401, 0, "no"), ContractError("nonsense")])
def test_without_the_broker_nothing_is_decided(error: Exception) -> None:
    ports = fake_ports(NOW)
    ports.broker.outage = error
    with pytest.raises(type(error)):
        gate(signal(), ports)
    assert ports.rows("decisions", ON) == {}


def test_a_symbol_without_a_quote_is_refused_as_one_without_a_spread() -> None:
    ports = fake_ports(NOW)
    assert gate(signal("ZZZ"), ports) == []
    row = decision(ports)
    assert (row["verdict"], row["refused_by"]) == ("refused", "SPREAD")
    assert not {"bid_usd", "quote_at", "limit_usd", "qty"} & row.keys()


@pytest.mark.parametrize("sides", [("0", "10.01"), ("10.02", "10.01"), ("0.0001", "0.0001"), None])
def test_without_a_price_every_gate_is_recorded_and_those_that_need_one_fail_closed(
    sides: tuple[str, str] | None,
) -> None:
    ports = fake_ports(NOW)
    kill(ports, kill_call(reason="enough"))
    if sides is None:
        ports.market.prices.pop("AAA")
    else:
        ports.market.prices["AAA"] = sides
    assert gate(signal(), ports) == []
    found = ports.codec.decode(tuple[Verdict, ...], str(decision(ports)["gates"]))
    assert [verdict.gate for verdict in found] == list(Gate)
    assert refused_by(ports) == ["KILL_SWITCH", "SPREAD"]
    unjudged = NEED_A_PRICE | ({Gate.STALE_QUOTE} if sides is None else set())
    assert {verdict.gate for verdict in found if verdict.found == NOT_JUDGED} == unjudged
    assert not any(verdict.passed for verdict in found if verdict.gate in unjudged)
    assert ledger_of(ports).reservations == ()


def test_outside_the_regular_session_stop_and_size_are_the_extended_ones() -> None:
    ports = fake_ports(ny(ON, "08:00"), GATEHOUSE_ENTRY_SESSIONS="PRE REG-AM", GATEHOUSE_SPREAD_MAX_EXTENDED_BP="75")
    ports.market.prices["AAA"] = ("9.97", "10.03")
    early = replace(
        signal(),
        decided_at=ny(ON, "08:00"),
        expires_at=ny(ON, "08:04"),
        atr=Decimal("0.01"),
        adv_shares=20_000,
        reference_price=Decimal(10),
        session=Session.PRE,
    )
    (intent,) = gate(early, ports)
    assert intent.limit_price - intent.stop_price == Decimal("0.12"), "two spreads of 0.06"
    assert intent.qty == 20, "a thousandth of the volume"
    assert intent.basis is None


def test_an_intent_that_waits_for_a_person_carries_what_its_size_rests_on() -> None:
    ports = fake_ports(NOW, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate(signal(), ports)
    assert intent.basis == Basis(
        p_win=signal().p_win,
        daily_volatility=signal().daily_volatility,
        adv_shares=signal().adv_shares,
    )
    state, _ = execute(intent, ports)
    assert state.plan.basis == intent.basis


def test_the_lot_of_an_asset_goes_from_the_facts_to_size_gates_intent_and_plan() -> None:
    ports = fake_ports(NOW)
    ports.broker.buying_power = Decimal(650)
    coin = Lot(qty_step=Decimal("0.001"), qty_min=Decimal("0.01"), notional_min=Decimal(10))
    facts = replace(gather(ports, ON, quote_of(ports, Symbol("AAA"))), lot=coin)
    found = decide(signal(), facts, ports.settings.decision)
    assert (str(found.proposal.qty), found.proposal.binding, found.proposal.lot) == ("64.805", "buying_power", coin)
    limits = {verdict.gate: verdict.limit for verdict in found.verdicts}
    assert (limits[Gate.MIN_QTY], limits[Gate.MIN_NOTIONAL]) == (">= 0.01", ">= 10")
    intent = intent_of(found, ports.settings.decision)
    assert (intent.qty, intent.lot) == (Decimal("64.805"), coin)
    state, _ = execute(intent, ports)
    assert (state.plan.qty, state.plan.lot) == (intent.qty, coin)
    least = replace(facts, account=replace(facts.account, buying_power=Decimal(5)))
    assert refusals(decide(signal(), least, ports.settings.decision).verdicts) == (Gate.MIN_NOTIONAL,)
    without = replace(facts, account=replace(facts.account, buying_power=Decimal(0)))
    assert refusals(decide(signal(), without, ports.settings.decision).verdicts) == (Gate.SIZE,)


def test_the_size_is_what_the_smallest_bound_allows() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(replace(signal(), adv_shares=5_000), ports)
    row = decision(ports)
    assert (intent.qty, row["bound"]) == (Decimal(50), "liquidity")
    assert '"liquidity":"50"' in str(row["bounds"])


def test_the_loser_of_a_race_gives_back_the_room_that_it_took_for_a_signal_which_was_refused() -> None:
    """The faster delivery is refused before the slower one, which saw a sound account, has reserved."""
    tables = RacedTables()
    ports = fake_ports(NOW, tables=tables)
    update_ledger(ports, ON, account_at(), lambda ledger: ledger)

    def refused_first() -> None:
        ports.broker.is_blocked = True
        assert gate(signal(), ports) == []

    tables.rival, tables.races = refused_first, 1
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["BROKER_HEALTH"]
    assert ledger_of(ports).reservations == ()


def test_the_loser_of_a_race_leaves_the_room_of_the_recorded_intent_and_not_its_own() -> None:
    ports = fake_ports(NOW)
    insert = ports.tables.insert
    faster: list[OrderIntent] = []

    def slow(table: str, partition: str, key: str, row: Row) -> bool:
        if table == "decisions":
            ports.tables.insert = insert  # type: ignore[method-assign]
            ports.broker.equity = ports.broker.last_equity = ports.broker.buying_power = Decimal(60_000)
            update_ledger(ports, ON, account_at(), lambda _: open_ledger(ON, account_at(60_000, last_equity=60_000)))
            faster.extend(gate(signal(), ports))
            update_ledger(
                ports,
                ON,
                account_at(60_000, last_equity=60_000),
                lambda ledger: replace(ledger, reservations=(own,)),
            )
        return insert(table, partition, key, row)

    (own,) = _reserved_for(signal())
    ports.tables.insert = slow  # type: ignore[method-assign]
    assert gate(signal(), ports) == faster
    (reservation,) = ledger_of(ports).reservations
    assert (reservation.qty, reservation.notional) == (faster[0].qty, faster[0].notional)
    assert reservation.qty < own.qty


def _reserved_for(asked: Signal) -> tuple[Reservation, ...]:
    ports = fake_ports(NOW)
    gate(asked, ports)
    return ledger_of(ports).reservations


@pytest.mark.parametrize("error", [TransientError("time-out"), ContractError("nonsense")])
def test_a_failure_counts_against_the_breaker_of_the_service_that_failed(error: Exception) -> None:
    ports = fake_ports(NOW)
    update_ledger(ports, ON, account_at(), lambda ledger: ledger)
    ports.broker.outage = error
    with pytest.raises(type(error)):
        gate(signal(), ports)
    ports.broker.outage = None
    with patch.object(HandMarket, "quotes", side_effect=error):
        for _ in range(2):
            with pytest.raises(type(error)):
                gate(signal(), ports)
    assert (ledger_of(ports).broker.failures, ledger_of(ports).market.failures) == (1, 2)


def test_three_failures_of_the_broker_in_a_row_stop_entries_for_two_minutes() -> None:
    ports = fake_ports(NOW)
    update_ledger(ports, ON, account_at(), lambda ledger: ledger)
    ports.broker.outage = TransientError("down")
    for _ in range(3):
        with pytest.raises(TransientError):
            gate(signal(), ports)
    ports.broker.outage = None
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["BROKER_HEALTH"]
    ports.clock.pass_by(timedelta(minutes=2))
    assert len(gate(signal(slot="1005", at=ports.clock.now()), ports)) == 1
