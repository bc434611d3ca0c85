"""Answers to an order that waits for a person, however they come: through the API, or a signed link of the question.

An answer is claimed once for each order, by inserting a row that names the order's intent; whoever comes second gets to
know what the order is. The row is the truth: the lifecycle looks at it when it is woken, at its deadline and before it
ends, where it claims that nobody has answered. So an event that is lost loses no answer, and no answer is accepted that
the order does not follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.contracts.records import ANSWERS, Table, symbol_key
from shared.core.approvals import Answer, Answered
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ledger import Ledger
from shared.core.links import Claims, read_token
from shared.core.order_states import EntryPlan, OrderState, Phase
from shared.core.order_steps import LOOK_AGAIN
from shared.core.orders import BrokerOrder
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol, iso, parse_utc, plain
from shared.ports import Cell, Ports, Row
from shared.stages.account.reconcile import Wake, recorded_order, wake
from shared.stages.base.decision_notices import ApprovalQuestion, answer_given
from shared.stages.base.facts import quote_of
from shared.stages.base.notices import until_when
from shared.stages.base.requests import CONFLICT, FORBIDDEN, GONE, NOT_FOUND, Call, Reply, act_notice, refused

NO_PERSON = "the app"
"""Who claims that nobody has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a link asks, the order that waits for it, and the decision that it came from."""

    claims: Claims
    order: OrderState
    decision: Row

    @property
    def question(self) -> ApprovalQuestion:
        """What the person decides on."""
        return question_of(self.order.plan, self.decision)


def asked(ports: Ports, token: str) -> Asked | Reply:
    """Read a link: what it asks, or why it cannot be used. Changes nothing."""
    key = ports.settings.operator.link_key
    if not key:
        return refused(NOT_FOUND, "links are off: GATEHOUSE_LINK_KEY is not set")
    claims = read_token(token, key)
    if claims is None:
        return refused(FORBIDDEN, "this link was not signed by this app")
    state = recorded_order(ports, claims.on, claims.symbol, claims.intent_id)
    if state is None:
        return refused(GONE, f"there is no order {claims.intent_id} any more", intent_id=claims.intent_id)
    if objection := _objection(ports, state) or _expired(ports, claims):
        return refused(GONE, objection, intent_id=claims.intent_id)
    decision = decision_of(ports, state.on, state.plan.symbol, state.plan.decision_id)
    return Asked(claims=claims, order=state, decision=decision)


def quote_now(ports: Ports, symbol: Symbol) -> str:
    """The quote of this moment for a person who decides; empty where the market does not answer."""
    try:
        quote = quote_of(ports, symbol)
    except (TransientError, BrokerError, ContractError):
        return ""
    age_s = max(0.0, (ports.clock.now() - quote.at).total_seconds())
    return f"bid {quote.bid}, ask {quote.ask}, {age_s:.0f} s old"


def waiting(ports: Ports, intent_id: str) -> OrderState | Reply:
    """Return the order that waits for an answer, or why it takes none: unknown, never asked, answered, over, late."""
    state = _order_of(ports, intent_id)
    if state is None:
        text = f"no order {intent_id} of this trading day or the one before"
        return refused(NOT_FOUND, text, "intent_id", intent_id=intent_id)
    objection = _objection(ports, state)
    return refused(CONFLICT, objection, intent_id=intent_id) if objection else state


def answer(ports: Ports, call: Call, state: OrderState, chosen: Answer) -> Reply:
    """Claim a person's answer to an order that was seen to wait. Who comes second is told what the order is."""
    plan = state.plan
    given = Answered(answer=chosen, by=call.by, reason=call.reason, at=ports.clock.now())
    if not _claim(ports, state, given, caller=call.caller):
        return refused(
            CONFLICT, _objection(ports, state) or f"{_what(state)} and was answered", intent_id=plan.intent_id
        )
    body: Mapping[str, object] = {"intent_id": plan.intent_id, "approve": given.is_approval}
    record: dict[str, Cell] = {"act": chosen.value, "intent_id": plan.intent_id}
    title = f"Order {plan.intent_id}, {plain(plan.qty)} {plan.symbol}: {chosen}"
    return Reply(body=body, messages=(act_notice(ports, title, call),), record=record)


def heard(ports: Ports, state: OrderState, now: datetime, *, is_last: bool = False) -> Answered | None:
    """Return the answer to an order's question, None while there may still come one.

    At the deadline, and with `is_last`, that nobody has answered is claimed: from then on nobody can.
    """
    known = _answer_of(ports, state.plan.intent_id)
    is_late = state.plan.approve_by is not None and now >= state.plan.approve_by
    if known is not None or not (is_late or is_last):
        return known
    reason = "the deadline passed" if is_late else "the order was over"
    nobody = Answered(answer=Answer.NOBODY, by=NO_PERSON, reason=reason, at=now)
    return nobody if _claim(ports, state, nobody) else _answer_of(ports, state.plan.intent_id)


def unheard(ports: Ports, ledger: Ledger, orders: Sequence[BrokerOrder]) -> list[Wake]:
    """Orders that wait though they were answered: the event that told them so was lost."""
    sent = {order.client_order_id.rsplit("-", 2)[0] for order in orders}
    found = []
    for reservation in ledger.reservations:
        if reservation.intent_id in sent or ports.tables.get(Table.CONTROLS, ANSWERS, reservation.intent_id) is None:
            continue
        order = ports.tables.get(
            Table.ORDERS, str(reservation.reserved_on), symbol_key(reservation.symbol, reservation.intent_id)
        )
        if order is not None and order.value["phase"] == Phase.APPROVAL_PENDING.value:
            found.append(wake(reservation, LOOK_AGAIN))
    return found


def decision_of(ports: Ports, on: date, symbol: Symbol, decision_id: str) -> Row:
    """Row of a decision, empty where there is none."""
    first, last = symbol_key(symbol, ""), symbol_key(symbol, "~")
    for key, row in ports.tables.query(Table.DECISIONS, str(on), key_from=first, key_to=last):
        if key.endswith(f"|{decision_id}"):
            return row
    return {}


def question_of(plan: EntryPlan, decision: Row) -> ApprovalQuestion:
    """What a person is asked of an order that waits, with what its decision's row knows of quote and account."""
    bid, ask, equity = (_money(decision, name) for name in ("bid_usd", "ask_usd", "equity_usd"))
    quote_at, decided_at = (_instant(decision, name) for name in ("quote_at", "decided_at"))
    return ApprovalQuestion(plan=plan, bid=bid, ask=ask, quote_at=quote_at, decided_at=decided_at, equity=equity)


def _money(row: Row, name: str) -> Decimal | None:
    return None if row.get(name) is None else Decimal(str(row[name]))


def _instant(row: Row, name: str) -> datetime | None:
    return None if row.get(name) is None else parse_utc(str(row[name]))


def _order_of(ports: Ports, intent_id: str) -> OrderState | None:
    """Find an order by its intent alone: of this date, or of the trading day before, whose orders may still live."""
    on = ports.clock.now().astimezone(NEW_YORK).date()
    for each in (on, *(day.on for day in ports.calendar.previous_days(on, 1))):
        for _, row in ports.tables.query(Table.ORDERS, str(each)):
            if row["intent_id"] == intent_id:
                return ports.codec.decode(OrderState, str(row["state"]))
    return None


def _objection(ports: Ports, state: OrderState) -> str:
    """Why an order takes no answer; empty where it does."""
    until = state.plan.approve_by
    if until is None:
        return f"{_what(state)}; nobody was asked about it"
    known = _answer_of(ports, state.plan.intent_id)
    if known is not None:
        return f"{_what(state)}; {answer_given(known)}"
    if state.phase is not Phase.APPROVAL_PENDING or state.outcome is not None:
        return f"{_what(state)}; it no longer waits"
    return f"{_what(state)}; its deadline was {until_when(until)}" if ports.clock.now() >= until else ""


def _expired(ports: Ports, claims: Claims) -> str:
    """Why a link is too old, though its order waits: it is of another question."""
    return f"this link expired at {iso(claims.expires_at)}" if ports.clock.now() >= claims.expires_at else ""


def _what(state: OrderState) -> str:
    plan = state.plan
    why = f" ({state.why})" if state.why else ""
    return f"order {plan.intent_id} of {plain(plan.qty)} {plan.symbol} is {state.outcome or state.phase}{why}"


def _claim(ports: Ports, state: OrderState, given: Answered, caller: str = "") -> bool:
    """Insert the one answer that an order gets. False where it has one."""
    row: dict[str, Cell] = {
        "answer": given.answer.value,
        "by": given.by or None,
        "reason": given.reason or None,
        "caller": caller or None,
        "at": iso(given.at),
        "intent_id": state.plan.intent_id,
        "symbol": state.plan.symbol,
        "code_revision": ports.code_revision,
    }
    return ports.tables.insert(Table.CONTROLS, ANSWERS, state.plan.intent_id, row)


def _answer_of(ports: Ports, intent_id: str) -> Answered | None:
    stored = ports.tables.get(Table.CONTROLS, ANSWERS, intent_id)
    if stored is None:
        return None
    row = stored.value
    return Answered(
        answer=Answer(str(row["answer"])),
        by=str(row.get("by") or ""),
        reason=str(row.get("reason") or ""),
        at=parse_utc(str(row["at"])),
    )
