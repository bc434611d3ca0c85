"""The night follows on paper what a day has not bought: once, by the bars that the cases read."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.records import CONTROLS, KILL
from shared.core.errors import TransientError
from shared.core.market import Timeframe
from shared.core.order_states import OrderState, Phase
from shared.core.refusals import Refuser, Shadow, value_of_refusals
from shared.core.shadow import ShadowEnd, ShadowTrip
from shared.core.values import Symbol, iso
from shared.stages.entry.execute import execute
from shared.stages.evidence.case_maker import day_records
from shared.stages.evidence.case_parts import Seen
from shared.stages.evidence.nightly import export_day, write_cases
from shared.stages.evidence.shadows import row_of, shadow_of, shadows_of
from tests.support.books import NightFakes, decided, night_ports, traded
from tests.support.market_day import ON
from tests.support.orders import Life
from tests.support.tape import ny

NIGHT = ny(ON, "17:00")


def rows_of(ports: NightFakes, table: str, on: date) -> dict[str, dict[str, Any]]:
    return {key: dict(row) for key, row in ports.rows(table, on).items()}


def refused_day(**settings: str) -> NightFakes:
    """Two signals refused by the kill switch at noon, seen at 17:00."""
    ports = night_ports(**settings)
    ports.tables.put("controls", CONTROLS, KILL, {"is_on": True, "reason": "lunch"})
    decided(ports, "AAA", "BBB")
    ports.clock.at = NIGHT
    return ports


def change(ports: NightFakes, **cells: Any) -> str:
    """Change cells of the day's only decision; return its key."""
    ((key, row),) = rows_of(ports, "decisions", ON).items()
    ports.tables.put("decisions", str(ON), key, {**row, **cells})
    return key


def followed(ports: NightFakes, until: datetime = NIGHT) -> dict[str, Shadow]:
    """The day's shadows by the bars up to an instant."""
    ports.clock.at = until
    bars = ports.market.bars([Symbol("AAA"), Symbol("BBB")], Timeframe.MIN_5, ny(ON, "04:00"), until)
    return shadows_of(ports, day_records(ports, ON), Seen(bars=bars, until=until))


def the_shadow(ports: NightFakes) -> Shadow:
    (shadow,) = followed(ports).values()
    return shadow


def test_a_refused_entry_is_followed_to_its_end_and_has_its_worth() -> None:
    ports = refused_day()
    write_cases(ports, ON)
    rows = rows_of(ports, "shadows", ON)
    assert rows.keys() == rows_of(ports, "decisions", ON).keys()
    for row in rows.values():
        assert (row["refused_by"], row["factor"]) == ("KILL_SWITCH", "0")
        assert row["exit"] in {ShadowEnd.TARGET, ShadowEnd.STOP, ShadowEnd.TIME_LIMIT}
        assert row["net_usd"] == row["plan_usd"] != 0
        qty, limit = (
            Decimal(str(rows_of(ports, "decisions", ON)[_key(rows, row)][name])) for name in ("qty", "limit_usd")
        )
        assert row["plan_usd"] == pytest.approx(float(qty * limit) * float(str(row["net_bp"])) / 1e4, abs=0.01)


def _key(rows: Any, row: Any) -> str:
    return next(str(key) for key, each in rows.items() if each is row)


def test_what_was_bought_as_planned_has_no_shadow() -> None:
    ports = night_ports()
    traded(ports)
    ports.clock.at = ny(ON, "17:00")
    write_cases(ports, ON)
    assert rows_of(ports, "shadows", ON) == {}


def test_a_second_night_changes_nothing() -> None:
    ports = refused_day()
    write_cases(ports, ON)
    first = rows_of(ports, "shadows", ON)
    write_cases(ports, ON)
    assert rows_of(ports, "shadows", ON) == first


def test_cases_and_shadows_share_one_reading_of_the_market(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = refused_day()
    asked: list[object] = []
    bars = type(ports.market).bars

    def counted(*call: Any) -> Any:
        asked.append(call)
        return bars(*call)

    monkeypatch.setattr(type(ports.market), "bars", counted)
    write_cases(ports, ON)
    assert len(asked) == 1


def test_without_the_markets_bars_nothing_is_claimed_and_cases_are_written_all_the_same() -> None:
    ports = refused_day()
    ports.market.error = TransientError("down")
    assert write_cases(ports, ON) == 2
    assert rows_of(ports, "shadows", ON) == {}


def test_a_symbol_that_was_not_read_says_so() -> None:
    ports = refused_day()
    seen = Seen(bars={}, until=ports.clock.now())
    found = shadows_of(ports, day_records(ports, ON), seen).values()
    assert [each.trip.end for each in found] == [ShadowEnd.UNREAD] * 2


def test_a_row_says_what_the_shadow_said() -> None:
    ports = refused_day()
    found = list(followed(ports).values())
    assert [shadow_of(ON, row_of(each)) for each in found] == found


def test_a_decision_without_a_price_cannot_be_followed() -> None:
    ports = night_ports()
    decided(ports, "AAA")
    change(ports, verdict="expired", refused_by="EXPIRED", limit_usd=None, bounds=None, qty=None)
    shadow = the_shadow(ports)
    assert (shadow.trip, shadow.refused_by) == (ShadowTrip(end=ShadowEnd.UNPRICED), ("EXPIRED",))


def test_an_approved_entry_that_a_person_refused_is_followed_too() -> None:
    ports = night_ports()
    (intent,) = decided(ports, "AAA")
    execute(intent, ports)
    ((key, row),) = rows_of(ports, "orders", ON).items()
    state = json.loads(str(row["state"])) | {"phase": Phase.DENIED, "why": "APPROVAL refused by owner"}
    text = ports.codec.encode(ports.codec.decode(OrderState, json.dumps(state)))
    ports.tables.put("orders", str(ON), key, {**row, "phase": Phase.DENIED.value, "state": text})
    shadow = the_shadow(ports)
    assert shadow.refused_by == ("APPROVAL",)
    assert shadow.factor == 0
    assert shadow.unmade_usd == shadow.plan_usd is not None


def test_an_approved_order_that_expired_in_its_queue_is_followed_too() -> None:
    ports = night_ports()
    (intent,) = decided(ports, "AAA")
    ports.clock.pass_by(timedelta(minutes=10))
    Life(ports, execute(intent, ports)[0]).to_end()
    assert the_shadow(ports).refused_by == ("EXPIRED",)


def committee(factor: str, **roles: str | None) -> dict[str, Any]:
    """What facts hold of a committee: a role without a factor has not answered."""

    def outcome(role: str, asked: str | None) -> dict[str, Any]:
        stance = {"0": "veto", "1": "approve"}.get(asked or "", "shrink")
        answer = {"role": role, "stance": stance, "factor": asked, "reason": "so", "source_ids": ["case"]}
        return {"role": role, "answer": answer if asked else None, "fault": "" if asked else "LATE", "record": "r"}

    said = [outcome(role, asked) for role, asked in roles.items()]
    return {"factor": factor, "why": "so", "default": "abstain", "outcomes": said}


def deliberated(ports: NightFakes, said: dict[str, Any], **cells: Any) -> None:
    (row,) = rows_of(ports, "decisions", ON).values()
    facts = json.loads(str(row["facts"])) | {"committee": said}
    change(ports, facts=json.dumps(facts, separators=(",", ":")), **cells)


def test_of_an_entry_that_the_committee_shrank_the_rest_is_followed() -> None:
    ports = night_ports()
    (intent,) = decided(ports, "AAA")
    (row,) = rows_of(ports, "decisions", ON).values()
    half = intent.qty // 2
    bounds = json.loads(str(row["bounds"])) | {"committee": str(half)}
    said = committee("0.5", bear="0.25", bull="1", risk=None)
    deliberated(ports, said, qty=str(half), bound="committee", bounds=json.dumps(bounds))
    shadow = the_shadow(ports)
    assert shadow.refused_by == ("COMMITTEE",)
    assert shadow.roles == {"bear": Decimal("0.25"), "bull": Decimal(1)}
    assert shadow.factor == round(half / intent.qty, 6)
    assert shadow.unmade_usd == pytest.approx((shadow.plan_usd or 0) * (1 - float(half / intent.qty)), abs=0.01)
    assert shadow_of(ON, row_of(shadow)) == shadow


def test_an_entry_that_a_role_spoke_against_in_vain_is_followed_for_the_role_alone() -> None:
    ports = night_ports()
    decided(ports, "AAA")
    deliberated(ports, committee("1", bear="0.5", bull="1"))
    shadow = the_shadow(ports)
    assert shadow.refused_by == ()
    assert shadow.factor == 1
    assert shadow.unmade_usd == 0
    values = value_of_refusals([shadow])
    assert [(each.part, each.name) for each in values] == [(Refuser.ROLE, "bear")]


def test_an_entry_that_all_agreed_to_has_no_shadow() -> None:
    ports = night_ports()
    decided(ports, "AAA")
    deliberated(ports, committee("1", bear="1", bull="1"))
    assert followed(ports) == {}


def test_the_first_word_to_leave_after_the_decision_counts_and_only_the_own_strategys() -> None:
    ports = refused_day()
    (row, *_) = rows_of(ports, "signals", ON).values()
    for at, strategy, symbol in (
        ("11:55:20", "momentum.v1", "AAA"),
        ("12:10:20", "momentum.v1", "AAA"),
        ("12:15:20", "momentum.v1", "AAA"),
        ("12:05:20", "breakout.v1", "AAA"),
        ("12:05:20", "momentum.v1", "CCC"),
    ):
        cells = {"strategy": strategy, "symbol": symbol, "scored_at": iso(ny(ON, at)), "leave": "REVERSAL"}
        ports.tables.put(
            "signals", str(ON), f"{symbol}|{at}|{strategy}", {**row, **cells, "decision_id": at + strategy}
        )
    left = {each.symbol: (each.trip.end, each.trip.left_at) for each in followed(ports).values()}
    assert left["AAA"] == (ShadowEnd.REVERSAL, ny(ON, "12:10:20"))
    assert left["BBB"][0] is not ShadowEnd.REVERSAL


def test_a_row_that_cannot_be_read_is_an_incident_and_the_others_are_followed() -> None:
    ports = refused_day()
    key = next(iter(rows_of(ports, "decisions", ON)))
    ports.tables.put("decisions", str(ON), key, {**rows_of(ports, "decisions", ON)[key], "bounds": "{"})
    found = followed(ports)
    assert key not in found
    assert len(found) == 1
    assert len(rows_of(ports, "incidents", ON)) == 1


def test_a_position_that_may_still_end_is_open_until_a_later_night() -> None:
    ports = refused_day()
    assert {each.trip.end for each in followed(ports, ny(ON, "12:05")).values()} == {ShadowEnd.OPEN}
    assert ShadowEnd.OPEN not in {each.trip.end for each in followed(ports).values()}


def test_shadows_are_exported_with_the_other_tables() -> None:
    ports = refused_day()
    write_cases(ports, ON)
    assert export_day(ports, ON)["shadows"] == 2
