"""Checks of a finished day: the venue's own log against our tables, and both against the rules.

Each check yields what it found wrong, in words; an empty answer means that all accounts agree.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from shared.contracts.records import CURRENT, Table, candidates_in, strategy_of
from shared.core.ids import canonical_json, digest
from shared.core.order_states import Phase
from shared.core.policy import PolicyCode
from shared.core.sessions import Hours
from shared.core.values import ZERO, iso, parse_utc

type Rows = Mapping[str, Mapping[str, Any]]

MAX_UNGUARDED_S = 60.0
"""A position may be without an armed stop or a working exit for this long: a partial fill, or legs being exchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What the checks look at: rows by table, the venue's log, and what the venue still has open."""

    rows: Mapping[str, Rows]
    log: Sequence[Mapping[str, Any]]
    report: Mapping[str, Any]
    open_orders: Sequence[Any]
    open_positions: Sequence[Any]
    hours: Hours | None = None
    changed: Sequence[str] = ()
    """What a person holds or has ordered by hand and that is not as they left it."""


def check_day(day: Day) -> list[str]:
    """Run every check."""
    checks = (
        nothing_open,
        nothing_foreign_changed,
        one_order_per_id,
        never_short,
        guarded,
        native_in_session,
        fills_agree,
        every_order_ended,
        journal_whole,
        first_strategy_has_it,
        counted,
    )
    return [f"{check.__name__}: {problem}" for check in checks for problem in check(day)]


def nothing_open(day: Day) -> Iterator[str]:
    """The day ends flat."""
    for order in day.open_orders:
        yield f"order {order['client_order_id']} of {order['symbol']} is open"
    for position in day.open_positions:
        yield f"{position['qty']} {position['symbol']} are held"


def nothing_foreign_changed(day: Day) -> Iterator[str]:
    """What a person trades by hand in the same account is as they left it."""
    for name in day.changed:
        yield f"{name} is a person's own, and was changed"


def one_order_per_id(day: Day) -> Iterator[str]:
    """No client order id was sent twice."""
    sent = Counter(entry["client_order_id"] for entry in day.log if entry["event"] == "pending_new")
    for client_order_id, count in sent.items():
        if count > 1:
            yield f"{client_order_id} was sent {count} times"


def never_short(day: Day) -> Iterator[str]:
    """Nothing is sold that is not held."""
    for entry in day.log:
        if Decimal(entry["position_after"]) < 0:
            yield f"{entry['symbol']} stood at {entry['position_after']} at {entry['at']}"


def guarded(day: Day) -> Iterator[str]:
    """Every position had an armed stop or a working exit, but for at most a minute.

    Outside the regular session, where no stop exists, it may be watched by its lifecycle instead.
    """
    for symbol, bare_s, at in unwatched_stretches(day):
        if bare_s > MAX_UNGUARDED_S:
            yield f"{symbol} was held without a stop for {bare_s:.0f} s from {at}"


def unwatched_stretches(day: Day) -> list[tuple[str, float, str]]:
    """Unguarded stretches, less the time in which a lifecycle watched the quote: (symbol, seconds, from)."""
    found = []
    for symbol, bare_s, at in unguarded_stretches(day.log):
        since = parse_utc(at)
        found.append((symbol, bare_s - _watched_s(day, symbol, since, since + timedelta(seconds=bare_s)), at))
    return found


def native_in_session(day: Day) -> Iterator[str]:
    """Brackets, pairs, stops and market orders were sent in the regular session alone."""
    for entry in day.log:
        is_native = entry["order_class"] != "simple" or entry["type"] != "limit"
        is_sent = entry["event"] == "pending_new"
        if day.hours is not None and is_sent and is_native and not day.hours.is_regular(parse_utc(entry["at"])):
            yield f"{entry['client_order_id']} ({entry['order_class']} {entry['type']}) was sent at {entry['at']}"


def _watched_s(day: Day, symbol: str, start: datetime, end: datetime) -> float:
    """Seconds of a stretch in which, by the journal, a lifecycle watched the quote where it had to."""
    if day.hours is None:
        return 0.0
    rows = sorted((r for r in day.rows[Table.JOURNAL].values() if r["symbol"] == symbol), key=lambda r: str(r["at"]))
    watched = 0.0
    for row, after in pairwise([*rows, {"at": iso(end)}]):
        if row["phase"] == Phase.GUARDED:
            since, until = max(start, parse_utc(row["at"])), min(end, parse_utc(after["at"]))
            for first, last in ((day.hours.starts_at, day.hours.opens_at), (day.hours.closes_at, day.hours.ends_at)):
                watched += max(0.0, (min(until, last) - max(since, first)).total_seconds())
    return watched


def unguarded_stretches(log: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, str]]:
    """Stretches in which shares were held without an armed stop or a working exit: (symbol, seconds, from).

    One that does not end is counted to the log's last line.
    """
    by_symbol: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in log:
        by_symbol[entry["symbol"]].append(entry)
    end = max((parse_utc(entry["at"]) for entry in log), default=None)
    return [stretch for symbol, entries in by_symbol.items() for stretch in _stretches(symbol, entries, end)]


def _stretches(
    symbol: str, entries: Sequence[Mapping[str, Any]], end: datetime | None
) -> Iterator[tuple[str, float, str]]:
    guards: dict[str, Decimal] = {}
    bare_since: datetime | None = None
    for entry in entries:
        if entry["side"] == "sell":
            _track(guards, entry)
        at = parse_utc(entry["at"])
        bare = Decimal(entry["position_after"]) > sum(guards.values())
        if bare and bare_since is None:
            bare_since = at
        elif not bare and bare_since is not None:
            yield symbol, (at - bare_since).total_seconds(), bare_since.isoformat()
            bare_since = None
    if bare_since is not None and end is not None:
        yield symbol, (end - bare_since).total_seconds(), bare_since.isoformat()


def _track(guards: dict[str, Decimal], entry: Mapping[str, Any]) -> None:
    """A sell guards its unfilled shares while it is an armed stop, or a market or limit order of its own that works."""
    ended = entry["event"] in {"fill", "canceled", "expired", "replaced"}
    is_exit = entry["order_class"] == "simple" and entry["status"] in {"new", "accepted", "partially_filled"}
    is_stop = entry["stop_price"] is not None and entry["is_armed"]
    if ended:
        guards.pop(entry["order_id"], None)
    elif is_exit or is_stop:
        guards[entry["order_id"]] = Decimal(entry["qty"]) - Decimal(entry["filled_qty"])


def fills_agree(day: Day) -> Iterator[str]:
    """Our fills are the venue's, unit for unit and dollar for dollar."""
    theirs: defaultdict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for entry in day.log:
        if (qty := Decimal(entry["fill_qty"])) > 0:
            theirs[entry["client_order_id"]][0] += qty
            theirs[entry["client_order_id"]][1] += qty * Decimal(entry["fill_price"])
    ours: defaultdict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for row in day.rows[Table.FILLS].values():
        ours[row["client_order_id"]][0] += Decimal(row["qty"])
        ours[row["client_order_id"]][1] += Decimal(row["qty"]) * Decimal(row["price_usd"])
    for key in sorted(theirs.keys() | ours.keys()):
        (their_qty, their_value), (our_qty, our_value) = theirs[key], ours[key]
        # The broker tells an average price to a finite number of places, so a hundredth of a cent a share is none.
        if their_qty != our_qty or abs(their_value - our_value) > Decimal("0.0001") * their_qty:
            yield f"{key}: venue {theirs[key]}, ours {ours[key]}"


def every_order_ended(day: Day) -> Iterator[str]:
    """Every approved decision became one order, and every order came to its end and released its reservation."""
    approved = {row["intent_id"] for row in day.rows[Table.DECISIONS].values() if row["verdict"] == "approved"}
    orders = {row["intent_id"]: row for row in day.rows[Table.ORDERS].values()}
    for intent_id in sorted(approved ^ orders.keys()):
        yield f"{intent_id} is approved or ordered, not both"
    for row in orders.values():
        if not Phase(row["phase"]).is_over:
            yield f"{row['intent_id']} of {row['symbol']} ended the day as {row['phase']}"
        if Decimal(row["bought_qty"]) != Decimal(row["sold_qty"]) + Decimal(row["written_off_qty"]):
            yield f"{row['intent_id']} bought {row['bought_qty']} and sold {row['sold_qty']}"
    ledger = day.rows["ledger-now"].get(CURRENT)
    if ledger is not None and ledger["reservations"]:
        yield f"{ledger['reservations']} reservations are left in the ledger"


def journal_whole(day: Day) -> Iterator[str]:
    """Every order's journal is without gaps, its hashes chained, and its last row says what the order's row says."""
    by_intent: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in day.rows[Table.JOURNAL].values():
        by_intent[row["intent_id"]].append(row)
    orders = {row["intent_id"]: row for row in day.rows[Table.ORDERS].values()}
    for intent_id in sorted(orders.keys() - by_intent.keys()):
        yield f"{intent_id} has no journal"
    for intent_id, rows in by_intent.items():
        rows.sort(key=lambda row: int(row["seq"]))
        previous = ""
        for seq, row in enumerate(rows, start=1):
            if row["seq"] != seq:
                yield f"{intent_id}: row {seq} is missing"
                break
            if row["hash"] != _hash(row, previous):
                yield f"{intent_id}: row {seq} does not carry the hash of its content"
            previous = row["hash"]
        if rows[-1]["phase"] != orders.get(intent_id, {}).get("phase"):
            yield f"{intent_id}: journal ends as {rows[-1]['phase']}, orders say otherwise"


def _hash(row: Mapping[str, Any], previous: str) -> str:
    state = json.loads(row["state"])
    state["chain"] = previous
    gates = [row["gates"]] if row.get("gates") else []
    return digest(canonical_json([previous, row["command"], row["at"], canonical_json(state).decode(), *gates]))


def first_strategy_has_it(day: Day) -> Iterator[str]:
    """Of the strategies that want one symbol in one slot the first alone enters; those after it are refused for it."""
    said: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in day.rows[Table.SIGNALS].values():
        if row.get("policy") in {PolicyCode.ENTER, PolicyCode.DUPLICATE}:
            said[str(row["symbol"]), str(row["slot"])][strategy_of(row)] = row["policy"]
    order = _priority(day)
    for (symbol, slot), codes in said.items():
        entering = [strategy for strategy, code in codes.items() if code == PolicyCode.ENTER]
        if len(entering) != 1:
            yield f"{symbol} at {slot}: {len(entering)} strategies enter, {', '.join(sorted(codes))} want to"
        elif order and entering[0] != min(codes, key=order.index):
            yield f"{symbol} at {slot}: {entering[0]} enters before {min(codes, key=order.index)}"


def _priority(day: Day) -> list[str]:
    """Strategies in the order in which the day's decisions had them."""
    settings = next((row["settings"] for row in day.rows[Table.DECISIONS].values() if row.get("settings")), None)
    return [] if settings is None else [each["name"] for each in json.loads(settings)["strategies"]["traded"]]


def counted(day: Day) -> Iterator[str]:
    """The day report's figures are those of the tables, as they stood when it was made."""
    if not day.report:
        yield "there is no day report"
        return
    for name, found in (
        ("scored", candidates_in(_until(day, Table.SIGNALS, "scored_at"))),
        ("fills", len(_until(day, Table.FILLS, "received_at"))),
        ("journal_rows", len(_until(day, Table.JOURNAL, "at"))),
    ):
        if day.report[name] != found:
            yield f"report says {name} {day.report[name]}, tables {found}"


def _until(day: Day, table: Table, at: str) -> list[Mapping[str, Any]]:
    """Rows of a table that were there when the report was made; a row without an instant counts."""
    made_at = parse_utc(str(day.report["made_at"]))
    return [row for row in day.rows[table].values() if not (row.get(at) and parse_utc(str(row[at])) > made_at)]
