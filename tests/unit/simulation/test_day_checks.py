"""The checks of a finished day find what is wrong: each fault is planted in a sound day and must be named."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from shared.contracts.records import Table
from shared.core.ids import canonical_json, digest
from shared.core.sessions import hours_of
from shared.core.values import parse_utc
from simulation.day_checks import (
    MAX_UNGUARDED_S,
    Day,
    check_day,
    guarded,
    native_in_session,
    unguarded_stretches,
    unwatched_stretches,
)
from tests.support.bars import trading_day

INTENT = "intent1"
ENTRY, EXIT = f"{INTENT}-entry-0", f"{INTENT}-exit-0"


def entry(at: str, event: str, role: str, held: int, **changes: Any) -> dict[str, Any]:
    """A line of the venue's log."""
    side, kind, ids = {
        "entry": ("buy", "bracket", ("o1", ENTRY)),
        "target": ("sell", "bracket", ("o2", "leg-target")),
        "stop": ("sell", "bracket", ("o3", "leg-stop")),
        "exit": ("sell", "simple", ("o4", EXIT)),
    }[role]
    line: dict[str, Any] = {
        "at": f"2026-10-14T{at}Z",
        "event": event,
        "order_id": ids[0],
        "client_order_id": ids[1],
        "symbol": "ABC",
        "side": side,
        "order_class": kind,
        "type": {"stop": "stop", "exit": "market"}.get(role, "limit"),
        "status": {"fill": "filled", "armed": "held"}.get(event, event),
        "is_armed": event == "armed",
        "stop_price": "9.5" if role == "stop" else None,
        "qty": "10",
        "filled_qty": "10" if event == "fill" else "0",
        "fill_qty": "0",
        "fill_price": "0",
        "position_after": str(held),
    }
    return line | changes


def log() -> list[dict[str, Any]]:
    """Bought 10 at 10.00, guarded at once, guards cancelled and sold at 10.20 a moment later."""
    return [
        entry("14:00:00", "pending_new", "entry", 0),
        entry("14:00:00", "new", "entry", 0),
        entry("14:00:01", "fill", "entry", 10, fill_qty="10", fill_price="10.00"),
        entry("14:00:01", "armed", "target", 10),
        entry("14:00:01", "armed", "stop", 10),
        entry("15:00:00", "canceled", "target", 10),
        entry("15:00:00", "canceled", "stop", 10),
        entry("15:00:01", "pending_new", "exit", 10),
        entry("15:00:01", "new", "exit", 10),
        entry("15:00:01", "fill", "exit", 0, fill_qty="10", fill_price="10.20"),
    ]


def journal() -> dict[str, dict[str, Any]]:
    """Three steps, chained as the app chains them."""
    rows: dict[str, dict[str, Any]] = {}
    previous = ""
    for seq, (command, phase) in enumerate(
        (("submit_entry", "WORKING"), ("look", "PROTECTED"), ("close", "CLOSED")), 1
    ):
        at = f"2026-10-14T14:0{seq}:00Z"
        state = {"phase": phase, "seq": seq}
        text = canonical_json({**state, "chain": previous}).decode()
        hashed = digest(canonical_json([previous, command, at, text]))
        rows[f"ABC|{INTENT}|{seq:04d}"] = {
            "intent_id": INTENT,
            "symbol": "ABC",
            "seq": seq,
            "command": command,
            "phase": phase,
            "at": at,
            "state": json.dumps({**state, "chain": hashed}),
            "hash": hashed,
        }
        previous = hashed
    return rows


def fill(client_order_id: str, qty: int, price: str) -> dict[str, Any]:
    return {"client_order_id": client_order_id, "qty": qty, "price_usd": price}


def opinion(strategy: str, policy: str) -> dict[str, Any]:
    return {"symbol": "ABC", "slot": "1000", "strategy": strategy, "policy": policy}


def sound_day() -> Day:
    rows: dict[str, Any] = {table.value: {} for table in Table}
    rows[Table.SIGNALS] = {
        "ABC|1000|first.v1": opinion("first.v1", "ENTER"),
        "ABC|1000|second.v1": opinion("second.v1", "DUPLICATE"),
        "ABC|1000|third.v1": opinion("third.v1", "NO_WISH"),
    }
    settings = {"strategies": {"traded": [{"name": f"{name}.v1"} for name in ("first", "second", "third")]}}
    decision = {"intent_id": INTENT, "verdict": "approved", "settings": json.dumps(settings)}
    rows[Table.DECISIONS] = {"ABC|1000": decision}
    order: dict[str, Any] = {"intent_id": INTENT, "symbol": "ABC", "phase": "CLOSED"}
    order |= {"bought_qty": 10, "sold_qty": 10, "written_off_qty": 0}
    rows[Table.ORDERS] = {f"ABC|{INTENT}": order}
    rows[Table.FILLS] = {"1": fill(ENTRY, 10, "10.00"), "2": fill(EXIT, 10, "10.20")}
    rows[Table.JOURNAL] = journal()
    rows["ledger-now"] = {"current": {"reservations": 0}, "backup": {"backup": "{}", "at": "2025-10-15T14:00:00Z"}}
    report = {"scored": 1, "fills": 2, "journal_rows": 3, "made_at": "2026-10-14T20:30:00Z"}
    return Day(rows=rows, log=log(), report=report, open_orders=[], open_positions=[], hours=HOURS)


HOURS = hours_of(trading_day(date(2026, 10, 14)))


def morning(*, watched_until: str = "12:30:00", exit_type: str = "limit") -> Day:
    """Bought before the open by a plain limit, watched, sold by a plain limit an hour later."""
    plain = {"order_class": "simple"}
    lines = [
        entry("12:00:00", "pending_new", "entry", 0, **plain),
        entry("12:00:00", "new", "entry", 0, **plain),
        entry("12:00:01", "fill", "entry", 10, fill_qty="10", fill_price="10.00", **plain),
        entry("12:30:01", "pending_new", "exit", 10, type=exit_type),
        entry("12:30:01", "new", "exit", 10, type=exit_type),
        entry("12:30:01", "fill", "exit", 0, fill_qty="10", fill_price="10.20", type=exit_type),
    ]
    rows = {
        str(seq): {"symbol": "ABC", "at": f"2026-10-14T{at}Z", "phase": phase}
        for seq, (at, phase) in enumerate([("12:00:02", "GUARDED"), (watched_until, "EXITING")])
    }
    return replace(sound_day(), log=lines, rows={**sound_day().rows, Table.JOURNAL: rows})


def test_what_is_watched_before_the_open_is_guarded() -> None:
    assert list(guarded(morning())) == []
    assert list(native_in_session(morning())) == []
    ((symbol, seconds, _),) = unwatched_stretches(morning())
    assert (symbol, seconds) == ("ABC", 2.0), "until the look that began to watch, and while the exit was on its way"


def test_who_stops_watching_before_the_exit_leaves_it_bare() -> None:
    (problem,) = guarded(morning(watched_until="12:28:00"))
    assert problem.startswith("ABC was held without a stop for 122 s")


def test_watching_guards_nothing_in_the_regular_session() -> None:
    day = morning()
    later = replace(day, hours=replace(HOURS, opens_at=parse_utc("2026-10-14T12:10:00Z")))
    (problem,) = guarded(later)
    assert problem.startswith("ABC was held without a stop for 1202 s")
    assert list(guarded(replace(day, hours=None))) != []


def test_a_market_order_before_the_open_is_found() -> None:
    (problem,) = native_in_session(morning(exit_type="market"))
    assert problem == f"{EXIT} (simple market) was sent at 2026-10-14T12:30:01Z"


def test_a_row_after_the_report_is_not_missed_in_it() -> None:
    day = sound_day()
    one, two = ({"symbol": "AAA", "slot": slot} for slot in ("0935", "0940"))
    rows = {**day.rows, Table.SIGNALS: {"1": one, "2": {**two, "scored_at": "2026-10-14T20:30:00.000001Z"}}}
    assert check_day(replace(day, rows=rows)) == []
    rows[Table.SIGNALS] = {"1": one, "2": {**two, "scored_at": "2026-10-14T20:30:00Z"}}
    assert check_day(replace(day, rows=rows)) == ["counted: report says scored 1, tables 2"]
    rows[Table.SIGNALS] = {"1": one, "2": {**one, "strategy": "dip-buyer.v1"}}
    assert check_day(replace(day, rows=rows)) == []


def test_nothing_is_found_in_a_sound_day() -> None:
    assert check_day(sound_day()) == []


def _rows(day: Day, table: Table) -> Any:
    return day.rows[table]


def _drop_our_fill(day: Day) -> None:
    del _rows(day, Table.FILLS)["2"]


def _invent_a_fill(day: Day) -> None:
    _rows(day, Table.FILLS)["3"] = fill(f"{INTENT}-exit-1", 1, "10.00")


def _change_a_price(day: Day) -> None:
    _rows(day, Table.FILLS)["2"]["price_usd"] = "10.201"


def _drop_the_venues_fill(day: Day) -> None:
    _log(day).pop()


def _log(day: Day) -> list[dict[str, Any]]:
    assert isinstance(day.log, list)
    return day.log


def _send_twice(day: Day) -> None:
    _log(day).insert(1, deepcopy(_log(day)[0]))


def _go_short(day: Day) -> None:
    _log(day)[-1]["position_after"] = "-1"


def _never_arm_the_stop(day: Day) -> None:
    _log(day)[4]["is_armed"] = False


def _stop_for_half(day: Day) -> None:
    _log(day)[4]["qty"] = "5"


def _cancel_the_stop_early(day: Day) -> None:
    _log(day)[6]["at"] = "2026-10-14T14:30:00Z"
    _log(day).insert(5, _log(day).pop(6))


def _hold_at_the_end(day: Day) -> None:
    day.open_positions.append({"symbol": "ABC", "qty": "3"})  # type: ignore[attr-defined]


def _leave_an_order(day: Day) -> None:
    day.open_orders.append({"client_order_id": ENTRY, "symbol": "ABC"})  # type: ignore[attr-defined]


def _change_a_journal_row(day: Day) -> None:
    row = _rows(day, Table.JOURNAL)[f"ABC|{INTENT}|0002"]
    row["state"] = row["state"].replace("PROTECTED", "WORKING")


def _change_a_journal_time(day: Day) -> None:
    _rows(day, Table.JOURNAL)[f"ABC|{INTENT}|0002"]["at"] = "2026-10-14T14:02:01Z"


def _drop_a_journal_row(day: Day) -> None:
    del _rows(day, Table.JOURNAL)[f"ABC|{INTENT}|0002"]


def _drop_the_last_journal_row(day: Day) -> None:
    del _rows(day, Table.JOURNAL)[f"ABC|{INTENT}|0003"]


def _drop_the_whole_journal(day: Day) -> None:
    _rows(day, Table.JOURNAL).clear()


def _forge_a_journal_row(day: Day) -> None:
    """A changed row with a hash of its own does not fit the next."""
    rows = _rows(day, Table.JOURNAL)
    first, second = rows[f"ABC|{INTENT}|0001"], rows[f"ABC|{INTENT}|0002"]
    state = {"phase": "PROTECTED", "seq": 2, "forged": True, "chain": first["hash"]}
    second["hash"] = digest(
        canonical_json([first["hash"], second["command"], second["at"], canonical_json(state).decode()])
    )
    second["state"] = json.dumps({**state, "chain": second["hash"]})


def _leave_an_order_open(day: Day) -> None:
    _rows(day, Table.ORDERS)[f"ABC|{INTENT}"]["phase"] = "PROTECTED"


def _sell_less_than_bought(day: Day) -> None:
    _rows(day, Table.ORDERS)[f"ABC|{INTENT}"]["sold_qty"] = 9


def _order_without_decision(day: Day) -> None:
    _rows(day, Table.DECISIONS).clear()


def _decision_without_order(day: Day) -> None:
    _rows(day, Table.DECISIONS)["X"] = {"intent_id": "intent2", "verdict": "approved"}


def _leave_a_reservation(day: Day) -> None:
    day.rows["ledger-now"]["current"]["reservations"] = 1  # type: ignore[index]


def _let_both_enter(day: Day) -> None:
    _rows(day, Table.SIGNALS)["ABC|1000|second.v1"]["policy"] = "ENTER"


def _let_the_second_enter(day: Day) -> None:
    _rows(day, Table.SIGNALS)["ABC|1000|first.v1"]["policy"] = "DUPLICATE"
    _rows(day, Table.SIGNALS)["ABC|1000|second.v1"]["policy"] = "ENTER"


def _let_nobody_enter(day: Day) -> None:
    _rows(day, Table.SIGNALS)["ABC|1000|first.v1"]["policy"] = "NO_WISH"


def _miscount(day: Day) -> None:
    day.report["fills"] = 3  # type: ignore[index]


def _no_report(day: Day) -> None:
    day.report.clear()  # type: ignore[attr-defined]


PLANTED: dict[str, tuple[Callable[[Day], None], set[str]]] = {
    "a fill that we did not record": (_drop_our_fill, {"fills_agree", "counted"}),
    "a fill that never was": (_invent_a_fill, {"fills_agree", "counted"}),
    "a fill at another price": (_change_a_price, {"fills_agree"}),
    "a fill that the venue does not know": (_drop_the_venues_fill, {"fills_agree"}),
    "an order sent twice": (_send_twice, {"one_order_per_id"}),
    "a short position": (_go_short, {"never_short"}),
    "a stop that never armed": (_never_arm_the_stop, {"guarded"}),
    "a stop for half of the shares": (_stop_for_half, {"guarded"}),
    "a stop cancelled half an hour early": (_cancel_the_stop_early, {"guarded"}),
    "a position at the end": (_hold_at_the_end, {"nothing_open"}),
    "an order at the end": (_leave_an_order, {"nothing_open"}),
    "a changed journal row": (_change_a_journal_row, {"journal_whole"}),
    "a changed journal time": (_change_a_journal_time, {"journal_whole"}),
    "a missing journal row": (_drop_a_journal_row, {"journal_whole", "counted"}),
    "a missing last journal row": (_drop_the_last_journal_row, {"journal_whole", "counted"}),
    "a missing journal": (_drop_the_whole_journal, {"journal_whole", "counted"}),
    "a forged journal row": (_forge_a_journal_row, {"journal_whole"}),
    "an order that did not end": (_leave_an_order_open, {"every_order_ended", "journal_whole"}),
    "shares bought and not sold": (_sell_less_than_bought, {"every_order_ended"}),
    "an order that nobody decided": (_order_without_decision, {"every_order_ended"}),
    "a decision without its order": (_decision_without_order, {"every_order_ended"}),
    "room still reserved": (_leave_a_reservation, {"every_order_ended"}),
    "two strategies that enter one symbol": (_let_both_enter, {"first_strategy_has_it"}),
    "a strategy that enters before one of higher priority": (_let_the_second_enter, {"first_strategy_has_it"}),
    "a strategy that stands back for nobody": (_let_nobody_enter, {"first_strategy_has_it"}),
    "a report that miscounts": (_miscount, {"counted"}),
    "no report": (_no_report, {"counted"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_fault_is_found_by_the_check_that_is_there_for_it(name: str) -> None:
    day = sound_day()
    plant, checks = PLANTED[name]
    plant(day)
    assert {problem.partition(":")[0] for problem in check_day(day)} == checks


def test_a_stop_that_is_exchanged_quickly_is_no_violation_and_its_gap_is_measured() -> None:
    day = sound_day()
    assert [(symbol, seconds) for symbol, seconds, _ in unguarded_stretches(day.log)] == [("ABC", 0.0), ("ABC", 1.0)]
    assert MAX_UNGUARDED_S >= 1


def test_a_position_that_is_bare_when_the_log_ends_is_found() -> None:
    day = sound_day()
    lines = _log(day)
    del lines[3:]
    lines.append(entry("14:10:00", "pending_new", "entry", 0, symbol="XYZ"))
    assert unguarded_stretches(lines) == [("ABC", 599.0, "2026-10-14T14:00:01+00:00")]
    assert any(problem.startswith("guarded: ABC") for problem in check_day(day))
