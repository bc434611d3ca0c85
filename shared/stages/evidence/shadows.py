"""Shadow book: entries that were refused or shrunk, followed on paper by the day's bars, one row each.

So is one that a role of the committee spoke against in vain, since that is what its advice is worth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any

from shared.contracts.messages import Signal
from shared.contracts.records import Table, strategy_of, symbol_key
from shared.core.market import BASIS_POINTS
from shared.core.order_states import OrderState, Phase
from shared.core.refusals import AUTOMATION, COMMITTEE, Shadow
from shared.core.sessions import Hours, hours_of
from shared.core.settings import DecisionSettings
from shared.core.shadow import ShadowEnd, ShadowEntry, ShadowTrip, follow
from shared.core.values import ONE, ZERO, Symbol, iso, parse_utc, plain
from shared.ports import Cell, Ports, Row
from shared.stages.base.incidents import BROKEN, record_broken
from shared.stages.evidence.case_maker import DayRecords
from shared.stages.evidence.case_parts import Seen, float_of, money_of, text_of

SHRINKERS = {"committee": COMMITTEE, "automation": AUTOMATION}
"""Bounds of a size that take away from a plan, and whose they are; all other bounds make the plan."""

NEVER_SENT = frozenset({Phase.DENIED, Phase.EXPIRED})
"""Phases of an approved order that never reached the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """Why an entry was not made as planned: codes, the part let through, what each role asked for, the whole plan."""

    refused_by: tuple[str, ...]
    factor: Decimal
    roles: Mapping[str, Decimal]
    plan_qty: Decimal | None


def write_shadows(ports: Ports, records: DayRecords, seen: Seen | None) -> int:
    """Write a row for every shadow of a day, over what stands there; return how many. Without bars nothing is known."""
    found = {} if seen is None else shadows_of(ports, records, seen)
    if found:
        ports.tables.put_many(Table.SHADOWS, str(records.on), {key: row_of(each) for key, each in found.items()})
    return len(found)


def shadows_of(ports: Ports, records: DayRecords, seen: Seen) -> dict[str, Shadow]:
    """Follow every decision of a day that was not made as planned, by row key."""
    day = ports.calendar.day(records.on)
    if day is None:
        return {}
    book = PaperBook(ports, seen, hours_of(day), told_to_leave(records.signals.values()))
    found: dict[str, Shadow] = {}
    for decision_id, row in records.decisions.items():
        key = symbol_key(str(row["symbol"]), str(row["slot"]), decision_id)
        try:
            shadow = book.shadow(records.on, row, records.orders.get(decision_id))
        except BROKEN as error:
            record_broken(ports, Table.DECISIONS, records.on, key, error)
            continue
        if shadow is not None:
            found[key] = shadow
    return found


type Told = Mapping[tuple[str, str], Sequence[tuple[datetime, ShadowEnd]]]
"""When each strategy told to leave its position in a symbol, oldest first, and why."""


def told_to_leave(signals: Iterable[Row]) -> Told:
    """Every opinion of a day that tells to leave; the real order follows the newest, so the first one that comes."""
    found: defaultdict[tuple[str, str], list[tuple[datetime, ShadowEnd]]] = defaultdict(list)
    for row in signals:
        if row.get("leave"):
            said = (parse_utc(str(row["scored_at"])), ShadowEnd(str(row["leave"])))
            found[strategy_of(row), str(row["symbol"])].append(said)
    return {place: sorted(words) for place, words in found.items()}


class PaperBook:
    """Follows decisions of one day. Settings that several were taken under are read once."""

    def __init__(self, ports: Ports, seen: Seen, hours: Hours, told: Told) -> None:
        self._ports, self._seen, self._hours, self._told = ports, seen, hours, told
        self._rules: dict[object, DecisionSettings] = {}

    def shadow(self, on: date, row: Row, order: Row | None) -> Shadow | None:
        """What became on paper of a decision; None of one that was made as planned."""
        unmade = unmade_of(self._ports, row, order)
        if unmade is None:
            return None
        trip = self.trip(row)
        return Shadow(
            on=on,
            decision_id=str(row["decision_id"]),
            decided_at=parse_utc(str(row["decided_at"])),
            strategy=strategy_of(row),
            symbol=str(row["symbol"]),
            session=str(row["session"]),
            refused_by=unmade.refused_by,
            factor=unmade.factor,
            roles=unmade.roles,
            trip=trip,
            plan_usd=_usd(unmade.plan_qty, money_of(row.get("limit_usd")), trip),
        )

    def trip(self, row: Row) -> ShadowTrip:
        """What the entry of a decision makes on paper, whatever became of it."""
        prices = [money_of(row.get(f"{name}_usd")) for name in ("limit", "stop", "target", "bid", "ask")]
        if not all(prices) or not row.get("signal"):
            return ShadowTrip(end=ShadowEnd.UNPRICED)
        limit, stop, target, bid, ask = (price or ZERO for price in prices)
        policy, decided_at = self._rules_of(row).policy, parse_utc(str(row["decided_at"]))
        hold_min = self._ports.codec.decode(Signal, str(row["signal"])).hold_min or policy.hold_max_min
        words = self._told.get((strategy_of(row), str(row["symbol"])), ())
        told_at, told = next((each for each in words if each[0] > decided_at), (None, ShadowEnd.SIGNAL))
        entry = ShadowEntry(
            decided_at=decided_at,
            fill_by=decided_at + timedelta(seconds=policy.entry_patience_s * (policy.max_reprices + 1)),
            exit_by=decided_at + timedelta(minutes=hold_min),
            hours=self._hours,
            limit=limit,
            stop=stop,
            target=target,
            half_spread=(ask - bid) / 2,
            cost_beside_bp=policy.cost_beside_spread_bp,
            told_at=told_at,
            told=told,
        )
        return follow(entry, self._seen.of(Symbol(str(row["symbol"]))), until=self._seen.until)

    def _rules_of(self, row: Row) -> DecisionSettings:
        text, name = row.get("settings"), row.get("settings_id")
        if not text:
            return self._ports.settings.decision
        if name not in self._rules:
            self._rules[name] = self._ports.codec.decode(DecisionSettings, str(text))
        return self._rules[name]


def unmade_of(ports: Ports, row: Row, order: Row | None) -> Unmade | None:
    """Why a decision was not made as planned; None where it was, and nobody spoke against it."""
    factor, roles = _committee(ports, row)
    plan_qty, qty = _plan_qty(ports, row), money_of(row.get("qty"))
    if row["verdict"] != "approved":
        codes = tuple(str(row.get("refused_by") or row["verdict"]).upper().split())
        return Unmade(refused_by=codes, factor=ZERO, roles=roles, plan_qty=plan_qty)
    if order is not None and order["phase"] in NEVER_SENT:
        codes = _stopped_by(ports, order)
        return Unmade(refused_by=codes, factor=ZERO, roles=roles, plan_qty=plan_qty)
    if plan_qty and qty is not None and qty < plan_qty:
        by = SHRINKERS.get(str(row.get("bound")), COMMITTEE if factor < ONE else AUTOMATION)
        return Unmade(refused_by=(by,), factor=round(qty / plan_qty, 6), roles=roles, plan_qty=plan_qty)
    if any(asked < ONE for asked in roles.values()):
        return Unmade(refused_by=(), factor=ONE, roles=roles, plan_qty=plan_qty)
    return None


def _committee(ports: Ports, row: Row) -> tuple[Decimal, dict[str, Decimal]]:
    """Factor of the committee, and of each role that has answered; 1 and none where it was not asked."""
    text = str(row.get("facts") or "")
    if '"committee":{' not in text:
        return ONE, {}
    said: Any = ports.codec.decode(dict[str, object], text)["committee"]
    answers = {str(each["role"]): each["answer"] for each in said["outcomes"] if each["answer"]}
    return Decimal(str(said["factor"])), {role: Decimal(str(each["factor"])) for role, each in answers.items()}


def _plan_qty(ports: Ports, row: Row) -> Decimal | None:
    """What would have been bought; None where no size was worked out, or none is left."""
    bounds = row.get("bounds")
    if not bounds:
        return money_of(row.get("qty")) or None
    found = ports.codec.decode(dict[str, Decimal | int], str(bounds))
    return min((Decimal(qty) for bound, qty in found.items() if bound not in SHRINKERS), default=ZERO) or None


def _stopped_by(ports: Ports, order: Row) -> tuple[str, ...]:
    """Codes at the head of why an approved order was never sent; its phase where there are none."""
    why = ports.codec.decode(OrderState, str(order["state"])).why
    return tuple(takewhile(str.isupper, why.split())) or (str(order["phase"]),)


def _usd(qty: Decimal | None, limit: Decimal | None, trip: ShadowTrip) -> float | None:
    if not qty or limit is None or trip.net_bp is None:
        return None
    return round(float(qty * limit) * trip.net_bp / float(BASIS_POINTS), 2)


def row_of(shadow: Shadow) -> dict[str, Cell]:
    """Spell a shadow as a row; a figure that is not known has no cell."""
    trip, unmade = shadow.trip, shadow.unmade_usd
    return {
        "decision_id": shadow.decision_id,
        "decided_at": iso(shadow.decided_at),
        "strategy": shadow.strategy,
        "symbol": shadow.symbol,
        "session": shadow.session,
        "refused_by": " ".join(shadow.refused_by),
        "factor": plain(shadow.factor),
        "roles": " ".join(f"{role}={plain(factor)}" for role, factor in sorted(shadow.roles.items())),
        "exit": trip.end.value,
        "entered_at": None if trip.entered_at is None else iso(trip.entered_at),
        "left_at": None if trip.left_at is None else iso(trip.left_at),
        "net_bp": trip.net_bp,
        "r_multiple": trip.r_multiple,
        "plan_usd": shadow.plan_usd,
        "net_usd": None if unmade is None else round(unmade, 2),
    }


def shadow_of(on: date, row: Row) -> Shadow:
    """Read a row of a session date back."""
    entered_at, left_at = (text_of(row.get(name) or None) for name in ("entered_at", "left_at"))
    pairs = (pair.split("=") for pair in str(row.get("roles") or "").split())
    return Shadow(
        on=on,
        decision_id=str(row["decision_id"]),
        decided_at=parse_utc(str(row["decided_at"])),
        strategy=strategy_of(row),
        symbol=str(row["symbol"]),
        session=str(row["session"]),
        refused_by=tuple(str(row.get("refused_by") or "").split()),
        factor=Decimal(str(row["factor"])),
        roles={role: Decimal(factor) for role, factor in pairs},
        trip=ShadowTrip(
            end=ShadowEnd(str(row["exit"])),
            entered_at=None if entered_at is None else parse_utc(entered_at),
            left_at=None if left_at is None else parse_utc(left_at),
            net_bp=float_of(row.get("net_bp")),
            r_multiple=float_of(row.get("r_multiple")),
        ),
        plan_usd=float_of(row.get("plan_usd")),
    )
