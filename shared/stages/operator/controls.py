"""Operate: what a person may see and ask of the running system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from shared.contracts.messages import Severity
from shared.contracts.model_card import MODELS
from shared.contracts.records import CONTROLS, KILL, LIVE, Table, strategy_key
from shared.contracts.settings import Environment
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import hash_id
from shared.core.ledger import Ledger
from shared.core.ledger import resume as lift_halts
from shared.core.ledger import resume_strategy as lift_strategy
from shared.core.sessions import NEW_YORK, session_at
from shared.core.values import Side, iso, plain
from shared.ports import Cell, Ports, trading_day
from shared.stages.base.facts import halt_of, kill_reason, not_ours
from shared.stages.base.incidents import close_incidents
from shared.stages.base.ledger import load_ledger, update_ledger
from shared.stages.base.notices import notice
from shared.stages.base.requests import CONFLICT, DOWN, NOT_FOUND, Call, Reply, act_notice, refused
from shared.strategies.catalogue import traded

CANCEL_LOOK = timedelta(days=7)
"""How far back a cancel of everything looks for open orders: ours live a day, others may stand longer."""


def status(ports: Ports) -> Mapping[str, object]:
    """What stands now: session, ledger, halts, kill switch, models, account."""
    now = ports.clock.now()
    stored = load_ledger(ports)
    account = ports.broker.account()
    ledger = stored.value if stored else None
    models = {name: ports.models.current(name) for name in MODELS}
    return {
        "now": iso(now),
        "session": session_at(now, trading_day(ports, now)).value,
        "code_revision": ports.code_revision,
        "environment": ports.settings.broker.environment.value,
        "parameter_set": ports.settings.policy.parameter_set,
        "kill_switch": kill_reason(ports) or None,
        "is_day_halted": bool(ledger and ledger.is_day_halted),
        "is_drawdown_halted": bool(ledger and ledger.is_drawdown_halted),
        "strategies": _strategies(ports, ledger),
        "equity_usd": str(account.equity),
        "open_intents": [r.intent_id for r in ledger.reservations] if ledger else [],
        "positions": {p.symbol: plain(p.qty) for p in ports.broker.positions()},
        "models": {
            name: {"version": s.predictor.card.version if s.predictor else None, "fault": s.fault or None}
            for name, s in models.items()
        },
        "news": _news(ports),
    }


def _news(ports: Ports) -> Mapping[str, object]:
    """What reads the news, and why what is missing is."""
    text, language = ports.texts.current(), ports.settings.language
    return {
        "text_models": list(text.reader.versions) if text.reader else [],
        "text_fault": text.fault or None,
        "language_model": language.model if language.url else None,
        "feeds": [feed.name for feed in ports.settings.news.feeds],
    }


def _strategies(ports: Ports, ledger: Ledger | None) -> Mapping[str, object]:
    """Each strategy that trades: its share, why it does not enter, and what it has made of the day."""
    found: dict[str, object] = {}
    for each in traded(ports.settings.strategies):
        book = ledger.book_of(each.name) if ledger else None
        found[each.name] = {
            "share": str(each.share),
            "fault": each.fault or None,
            "halted": halt_of(ports, ledger, each.name) or None,
            "result_usd": str(book.result) if book else None,
            "positions": len(ledger.reservations_of(each.name)) if ledger else 0,
        }
    return found


def positions(ports: Ports) -> Mapping[str, object]:
    """Positions and working orders as the broker has them, with the intents that explain them."""
    now = ports.clock.now()
    stored = load_ledger(ports)
    intents = {r.symbol: r.intent_id for r in stored.value.reservations} if stored else {}
    held, sent = ports.broker.positions(), ports.broker.orders(since=now - CANCEL_LOOK)
    orders = [order for order in sent if not order.status.is_final]
    return {
        "now": iso(now),
        "positions": [
            {
                "symbol": p.symbol,
                "qty": plain(p.qty),
                "average_usd": str(p.average_price),
                "market_usd": str(p.market_price),
                "value_usd": str(p.market_value),
                "intent_id": intents.get(p.symbol),
            }
            for p in held
        ],
        "orders": [
            {
                "client_order_id": o.client_order_id,
                "symbol": o.symbol,
                "side": o.side.value,
                "status": o.status_text,
                "qty": plain(o.qty),
                "filled_qty": plain(o.filled_qty),
            }
            for o in orders
        ],
        "unread": [
            {"what": row.what, "symbol": row.name, "fault": row.fault, "raw": row.raw}
            for row in (*held.unread, *sent.unread)
        ],
        "unexplained": list(map(str, stored.value.unexplained)) if stored else [],
        "accepted": list(map(str, stored.value.accepted)) if stored else [],
    }


def kill(ports: Ports, call: Call) -> Reply:
    """Turn the kill switch on: no entry passes a gate from now on. With `flatten`, what is held is sold.

    `cancel_all` asks the broker at once to cancel every open buy order of the account, whoever sent it; exits stay,
    since they guard what is held. Without it the lifecycles cancel their own entries within a minute.
    """
    is_flattening = call.flag("flatten")
    _switch(ports, call, is_on=True, is_flattening=is_flattening)
    title = "Kill switch on" + (", flattening" if is_flattening else "")
    messages = (act_notice(ports, title, call),)
    body: dict[str, object] = {"kill_switch": call.reason, "flatten": is_flattening}
    record: dict[str, Cell] = {"is_on": True, "is_flattening": is_flattening}
    if call.flag("cancel_all"):
        try:
            body["canceled"] = _cancel_entries(ports)
        except (TransientError, BrokerError, ContractError) as error:
            failed = refused(DOWN, f"the kill switch is on, but not every buy order was cancelled: {error}")
            return replace(failed, messages=messages, record=record)
    return Reply(body=body, messages=messages, record=record)


def _cancel_entries(ports: Ports) -> list[str]:
    """Ask for the cancel of each open buy order; return their client order ids. Those of another account stay.

    One that cannot be read is cancelled too, unless it says that it sells; its order id is returned.
    """
    if fault := not_ours(ports, ports.broker.account_id()):
        raise ContractError(fault)
    since = ports.clock.now() - CANCEL_LOOK
    sent = ports.broker.orders(since=since)
    working = {o.order_id: o.client_order_id for o in sent if o.side is Side.BUY and not o.status.is_final}
    working |= {row.order_id: row.order_id for row in sent.unread if row.order_id and row.side != Side.SELL}
    failed: list[Exception] = []
    for order_id in working:
        try:
            ports.broker.cancel(order_id)
        except (TransientError, BrokerError, ContractError) as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return list(working.values())


def halt(ports: Ports, call: Call) -> Reply:
    """Entries off; positions stay, with their exits. Where the kill switch is on already, nothing changes."""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    if stored is not None and stored.value.get("is_on"):
        return Reply(body={"kill_switch": str(stored.value.get("reason") or "on")}, record={"is_on": True})
    _switch(ports, call, is_on=True, is_flattening=False)
    record: dict[str, Cell] = {"is_on": True, "is_flattening": False}
    return Reply(
        body={"kill_switch": call.reason}, messages=(act_notice(ports, "Entries halted", call),), record=record
    )


def resume(ports: Ports, call: Call) -> Reply:
    """Turn the kill switch off, lift a drawdown halt, accept what is unexplained: a person's recorded act.

    A day halt ends with its day. What another account stands at says nothing of the ledger's: nothing is resumed
    while its keys are not back.
    """
    account = ports.broker.account()
    if fault := not_ours(ports, account.account_id):
        return refused(CONFLICT, fault)
    if load_ledger(ports) is not None:  # one that is lost is found again by supervise first, and shown to the person
        on = ports.clock.now().astimezone(NEW_YORK).date()
        update_ledger(ports, on, account, lift_halts)
        close_incidents(ports, on, "halt|drawdown", "unexplained|")
    _switch(ports, call, is_on=False, is_flattening=False)
    record: dict[str, Cell] = {"is_on": False, "is_flattening": False}
    body = {"kill_switch": kill_reason(ports) or None}
    return Reply(body=body, messages=(act_notice(ports, "Trading resumed", call),), record=record)


def halt_strategy(ports: Ports, call: Call) -> Reply:
    """No entries of one strategy until a person resumes it; what it holds stays, with its exits."""
    return _switch_strategy(ports, call, is_on=True)


def resume_strategy(ports: Ports, call: Call) -> Reply:
    """Lift the halt of one strategy. One that still stands under its share of the day's loss halts itself again."""
    name = call.text("name")
    reply = _switch_strategy(ports, call, is_on=False)
    if reply.is_done and load_ledger(ports) is not None:
        on = ports.clock.now().astimezone(NEW_YORK).date()
        update_ledger(ports, on, None, lambda ledger: lift_strategy(ledger, name))
        close_incidents(ports, on, f"halt|{name}")
    return reply


def _switch_strategy(ports: Ports, call: Call, *, is_on: bool) -> Reply:
    name = call.text("name")
    if ports.settings.strategies.share_of(name) is None:
        trading = " ".join(each.name for each in ports.settings.strategies.traded)
        return refused(NOT_FOUND, f"no strategy of that name trades: there are {trading}", "name")
    row: dict[str, Cell] = {
        "act": call.route,
        "strategy": name,
        "is_on": is_on,
        "by": call.by,
        "reason": call.reason,
        "at": iso(ports.clock.now()),
    }
    ports.tables.put(Table.CONTROLS, CONTROLS, strategy_key(name), row)
    title = f"{name} {'halted' if is_on else 'resumed'}"
    return Reply(
        body={"strategy": name, "is_on": is_on},
        messages=(act_notice(ports, title, call),),
        record={"strategy": name, "is_on": is_on},
    )


def accept_live(ports: Ports, call: Call) -> Reply:
    """Record a person's acceptance that an account trades real money: the third act, after two settings."""
    broker = ports.settings.broker
    if broker.environment is not Environment.LIVE:
        return refused(CONFLICT, f"the environment is {broker.environment}, not live")
    asked = call.text("account_id")
    found = ports.broker.account().account_id
    if asked != found or asked != broker.allow_live:
        return refused(CONFLICT, "is not the account that the keys open and GATEHOUSE_ALLOW_LIVE names", "account_id")
    row: dict[str, Cell] = {
        "act": call.route,
        "account_id": asked,
        "by": call.by,
        "reason": call.reason,
        "at": iso(ports.clock.now()),
    }
    ports.tables.put(Table.CONTROLS, CONTROLS, LIVE, row)
    title = f"Live trading accepted for account {asked}"
    return Reply(body={"account_id": asked}, messages=(act_notice(ports, title, call),), record={"account_id": asked})


def try_notices(ports: Ports, call: Call) -> Reply:
    """Send a notice that says nothing, to see that it arrives."""
    now = ports.clock.now()
    cause = hash_id("test-notice", call.by, call.reason, iso(now))
    body = f"By {call.by}: {call.reason}"
    sent = notice(now, kind="test", severity=Severity.CRITICAL, title="Test notice", body=body, cause=cause)
    return Reply(body={"message_id": sent.message_id}, messages=(sent,))


def _switch(ports: Ports, call: Call, *, is_on: bool, is_flattening: bool) -> None:
    row: dict[str, Cell] = {
        "act": call.route,
        "is_on": is_on,
        "is_flattening": is_flattening,
        "by": call.by,
        "reason": call.reason,
        "at": iso(ports.clock.now()),
    }
    ports.tables.put(Table.CONTROLS, CONTROLS, KILL, row)
