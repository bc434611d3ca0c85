"""An account beside which a person trades by hand: what is theirs is named once, accepted once, and left alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bootstrap import JsonCodec
from shared.contracts.messages import Notice
from shared.core.errors import TransientError
from shared.core.ledger import Ledger, Unexplained, names
from shared.core.portfolio import Position
from shared.core.risk import Facts
from shared.core.unread import Listing, Unread
from shared.core.values import Symbol
from shared.stages.account.reconcile import AccountView, compare
from shared.stages.account.supervise import supervise
from shared.stages.base.facts import gather, quote_of
from shared.stages.base.ledger import load_ledger
from shared.stages.entry.gate import gate
from shared.stages.operator.controls import kill, positions, resume
from tests.support.broker import HandBroker
from tests.support.orders import AAA, NOW, ON, new_life
from tests.support.people import call, kill_call
from tests.support.ports import FakePorts, fake_ports
from tests.unit.stages.entry.test_gate import refused_by, signal

OPTION = "MSFT251219C00500000"


def share(symbol: str, qty: str = "7") -> Position:
    price = Decimal(5)
    return Position(
        symbol=Symbol(symbol),
        qty=Decimal(qty),
        average_price=price,
        market_price=price,
    )


def unread(what: str, name: str, value: str | None = None, **parts: str) -> Unread:
    worth = None if value is None else Decimal(value)
    return Unread(what=what, name=name, fault="qty is null", raw='{"qty":null}', market_value=worth, **parts)


def ledger(ports: FakePorts) -> Ledger:
    stored = load_ledger(ports)
    assert stored is not None
    return stored.value


def look(ports: FakePorts, times: int = 1) -> list[str]:
    """Titles of what supervise tells."""
    seen = [supervise(ports) for _ in range(times)]
    return [each.title for one in seen for each in one.messages if isinstance(each, Notice)]


def accept(ports: FakePorts) -> None:
    resume(ports, call("resume", reason="mine"))


def test_what_cannot_be_read_halts_entries_after_two_looks_and_is_told_with_its_text() -> None:
    ports = fake_ports(NOW)
    ports.broker.unread += [unread("position", OPTION), unread("order", ""), unread("order", "MSFT")]
    assert look(ports) == []
    told = f"position in {OPTION}; open order in ?; open order in MSFT"
    assert look(ports) == [f"Unexplained at the broker: {told}"[:200]]
    assert names(ledger(ports).unexplained) == told
    (row,) = ports.rows("incidents", ON).values()
    assert f'Unreadable position {OPTION}: qty is null: {{"qty":null}}' in str(row["body"])
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["BROKER_HEALTH"]


def test_a_person_who_resumes_accepts_what_they_hold_and_is_asked_no_more() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT", "0.5"))
    ports.broker.unread.append(unread("position", OPTION))
    look(ports, 2)
    accept(ports)
    assert names(ledger(ports).accepted) == f"position in MSFT; position in {OPTION}"
    assert look(ports, 5) == []
    assert ledger(ports).unexplained == ()
    assert len(gate(signal(), ports)) == 1


def test_what_is_accepted_and_goes_is_asked_about_when_it_comes_again() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    look(ports, 2)
    accept(ports)
    look(ports)
    ports.broker.unexplained.clear()
    look(ports)
    assert ledger(ports).accepted == ()
    ports.broker.unexplained.append(share("MSFT"))
    assert look(ports, 2) == ["Unexplained at the broker: position in MSFT"]
    assert names(ledger(ports).unexplained) == "position in MSFT"


def test_an_empty_list_that_the_account_s_worth_contradicts_forgets_nothing() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    look(ports, 2)
    accept(ports)
    ports.broker.shows_nothing = True
    assert look(ports, 5) == ["The broker does not tell: positions"]
    assert ledger(ports).broker.open_until is not None, "the gate need not ask"
    ports.broker.shows_nothing = False
    assert look(ports, 3) == []
    assert names(ledger(ports).accepted) == "position in MSFT"
    assert ledger(ports).unexplained == ()


def test_a_sale_between_the_looks_at_account_and_positions_contradicts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account was asked while the shares were held, the list after they were sold: asked again, both agree."""
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    asked = HandBroker.positions

    def sold_meanwhile(broker: HandBroker) -> Listing[Position]:
        broker.unexplained.clear()
        return asked(broker)

    monkeypatch.setattr(HandBroker, "positions", sold_meanwhile)
    assert look(ports) == []
    assert ledger(ports).broker.failures == 0


def test_nothing_is_approved_while_no_position_is_listed_and_the_account_counts_some() -> None:
    """Its limits would be judged on nothing. The signal is tried again, and decided once they are shown."""
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    look(ports, 2)
    accept(ports)
    ports.broker.shows_nothing = True
    with pytest.raises(TransientError, match="no position is listed, and the account counts 35 USD as held"):
        gate(signal(), ports)
    ports.broker.shows_nothing = False
    assert len(gate(signal(), ports)) == 1


def test_what_comes_beside_what_is_accepted_halts_anew() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    look(ports, 2)
    accept(ports)
    ports.broker.unexplained.append(share("TSLA"))
    assert look(ports, 2) == ["Unexplained at the broker: position in TSLA"]
    accept(ports)
    assert names(ledger(ports).accepted) == "position in MSFT; position in TSLA"


def test_what_comes_while_entries_are_halted_is_named_too() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT"))
    look(ports, 2)
    ports.broker.unexplained.append(share("TSLA"))
    assert look(ports, 2) == ["Unexplained at the broker: position in MSFT; position in TSLA"]


@pytest.mark.parametrize("part", ["positions", "orders"])
def test_what_is_accepted_stays_so_while_it_cannot_be_looked_at(part: str) -> None:
    ports = new_life().protected().ports
    ports.broker.unexplained.append(share("MSFT"))
    ports.broker.unread.append(unread("order", "TSLA"))
    look(ports, 2)
    accept(ports)
    ports.broker.broken[part] = TransientError("down")
    look(ports, 3)
    del ports.broker.broken[part]
    look(ports, 3)
    assert names(ledger(ports).accepted) == "position in MSFT; open order in TSLA"
    assert ledger(ports).unexplained == ()


def test_an_accepted_order_stays_accepted_while_nothing_is_open_and_orders_are_not_asked_for() -> None:
    life = new_life().protected()
    life.ports.broker.unread.append(unread("order", "TSLA"))
    look(life.ports, 2)
    accept(life.ports)
    seen = AccountView(now=NOW, on=ON, positions=None, orders=None)
    found = compare(ledger(life.ports), seen, NOW - NOW)
    assert names(found.accepted) == "open order in TSLA"


def test_an_accepted_order_in_a_symbol_stays_accepted_while_an_order_of_ours_has_the_symbol() -> None:
    life = new_life().protected()
    life.ports.broker.unread.append(unread("order", "AAA"))
    assert look(life.ports, 2) == ["Unexplained at the broker: unreadable open order in AAA"]
    accept(life.ports)
    assert look(life.ports, 3) == []


def test_what_is_accepted_counts_in_exposure_whether_it_can_be_read_or_not() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT", "2.5"))
    ports.broker.unread += [unread("position", OPTION, "410"), unread("position", "AAA")]
    look(ports, 2)
    accept(ports)
    facts = gather(ports, ON, quote_of(ports, AAA))
    assert dict(facts.exposure()) == {"MSFT": Decimal("12.5"), OPTION: Decimal(410), "AAA": Decimal(0)}
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["DUPLICATE"], "nothing is bought of what is held and cannot be read"


def test_positions_show_what_cannot_be_read_and_what_is_accepted() -> None:
    ports = fake_ports(NOW)
    ports.broker.unexplained.append(share("MSFT", "0.5"))
    ports.broker.unread.append(unread("order", "", order_id="o-7", side="buy"))
    look(ports, 2)
    accept(ports)
    look(ports)
    shown = positions(ports)
    assert shown["positions"][0]["qty"] == "0.5"  # type: ignore[index]
    assert shown["positions"][0]["value_usd"] == "2.5"  # type: ignore[index]
    assert shown["unread"] == [{"what": "order", "symbol": "", "fault": "qty is null", "raw": '{"qty":null}'}]
    assert shown["accepted"] == ["position in MSFT", "open order in ?"]
    assert shown["unexplained"] == []


def test_kill_with_cancel_all_cancels_also_what_cannot_be_read_unless_it_sells() -> None:
    ports = fake_ports(NOW)
    ports.broker.unread += [
        unread("order", "MSFT", order_id="o-buy", side="buy"),
        unread("order", "", order_id="o-mleg"),
        unread("order", "MSFT", order_id="o-sell", side="sell"),
    ]
    done = kill(ports, kill_call(cancel_all=True))
    assert ports.broker.cancels == ["o-buy", "o-mleg"]
    assert done.body == {"kill_switch": "odd prices", "flatten": False, "canceled": ["o-buy", "o-mleg"]}


def test_one_cancel_that_fails_keeps_no_other_from_being_asked() -> None:
    ports = fake_ports(NOW)
    ports.broker.unread += [unread("order", "MSFT", order_id=name) for name in ("o-1", "o-2", "o-3")]
    ports.broker.down.append("cancel")
    done = kill(ports, kill_call(cancel_all=True))
    assert ports.broker.cancels == ["o-2", "o-3"]
    assert done.status == 503


def test_differences_that_older_code_kept_as_texts_are_read_wherever_a_ledger_is_kept() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    texts = ["position in BRK.B", "open order in BTC/USD", "unreadable position in AAA", "3 BBB sold, put in a drawer"]
    codec, known = JsonCodec(), tuple(map(Unexplained.parse, texts))
    assert [str(each) for each in known] == texts
    facts = gather(ports, ON, quote_of(ports, AAA))
    facts = replace(facts, ledger=replace(facts.ledger, unexplained=known, suspected=known, accepted=known))
    text = codec.encode(facts)
    old = text.replace(f'"unexplained":{codec.encode(known)}', f'"unexplained":"{"; ".join(texts)}"')
    old = old.replace(codec.encode(known), codec.encode(texts))
    assert "subject" not in old
    assert codec.decode(Facts, old) == codec.decode(Facts, text) == facts


def test_a_ledger_from_before_anything_was_accepted_is_read() -> None:
    ports = fake_ports(NOW)
    supervise(ports)
    codec = JsonCodec()
    old = codec.encode(ledger(ports)).replace('"accepted":[],', "")
    assert codec.decode(Ledger, old) == ledger(ports)
