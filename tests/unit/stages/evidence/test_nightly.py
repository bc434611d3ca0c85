"""After the day: cases, the replay of a sample, the export; each once, in its slot."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest

from shared.contracts.cases import Case
from shared.contracts.messages import Notice
from shared.core.errors import TransientError
from shared.core.schedule import Job, plan
from shared.core.sessions import Session
from shared.stages.evidence.nightly import (
    JOBS,
    ReplayReport,
    close_books,
    export_day,
    load_case,
    put_case,
    replay_sample,
    write_cases,
)
from tests.support.bars import trading_day
from tests.support.books import NightFakes, decided, night_ports, traded
from tests.support.market_day import ON
from tests.support.tape import ny

HALF_DAY = date(2026, 11, 27)


def day_over(**settings: str) -> NightFakes:
    """A day with one order closed and two decisions beside, seen at 17:00."""
    ports = night_ports(**settings)
    traded(ports)
    decided(ports, "BBB", "CCC", slot="1205")
    ports.clock.at = ny(ON, "17:00")
    return ports


def cases(ports: NightFakes) -> list[Case]:
    found = [load_case(ports, name) for name in ports.blobs.names("cases", f"{ON}/")]
    return [case for case in found if case is not None]


def report(ports: NightFakes) -> ReplayReport:
    stored = ports.blobs.get("reports", f"{ON}/replay.json")
    assert stored is not None
    return ports.codec.decode(ReplayReport, stored.value)


def falsify(ports: NightFakes, **changes: object) -> Case:
    """Change what one case says of its scores, as if it had come out otherwise."""
    case = cases(ports)[0]
    wrong = replace(case, scores=replace(case.scores, p_up=0.123), **changes)  # type: ignore[arg-type]
    put_case(ports, wrong)
    return wrong


def test_each_job_runs_once_in_its_slot() -> None:
    ports = day_over()
    for at in ("16:59", "17:00", "17:00", "17:15", "17:30", "17:45"):
        ports.clock.at = ny(ON, at)
        assert close_books(ports) == []
    runs = {key: row["status"] for key, row in ports.rows("runs", ON).items()}
    assert runs == {"cases|1700": "done", "replay-check|1715": "done", "export|1730": "done"}
    assert len(cases(ports)) == 3
    assert (report(ports).cases, report(ports).equal) == (3, 3)
    assert f"decisions/{ON}.parquet" in ports.blobs.names("exports", "")


def test_on_a_half_day_they_follow_the_early_close() -> None:
    slots = plan(trading_day(HALF_DAY), JOBS)
    assert [slot.key for slot in slots] == ["cases|1400", "replay-check|1415", "export|1430"]


def test_where_entries_after_the_close_are_enabled_they_run_once_more() -> None:
    slots = plan(trading_day(ON), frozenset({Job.CASES}), frozenset({Session.AFT}))
    assert [slot.key for slot in slots] == ["cases|1700", "cases|2015"]


def test_an_hour_after_the_close_every_outcome_is_known() -> None:
    ports = day_over()
    assert write_cases(ports, ON) == 3
    for case in cases(ports):
        assert case.outcome.after_15m_bp is not None
        assert case.outcome.after_60m_bp is not None
        assert len(case.bars.close) == len(case.bars.start_s) > 100
    (closed,) = [case for case in cases(ports) if case.fills]
    assert closed.outcome.best_bp is not None


def test_a_market_that_is_down_costs_the_later_outcomes_alone() -> None:
    ports = day_over()
    ports.market.error = TransientError("down")
    write_cases(ports, ON)
    assert [case.outcome.after_60m_bp for case in cases(ports)] == [None] * 3
    assert all(case.outcome.arrival_usd and case.bars.close for case in cases(ports)), "the slices' own bars serve"


def test_the_check_notes_in_each_case_what_it_found() -> None:
    ports = day_over()
    write_cases(ports, ON)
    found = replay_sample(ports, ON)
    assert (found.cases, found.sampled, found.equal, found.differs) == (3, 3, 3, {})
    assert all(case.replay is not None and case.replay.equal for case in cases(ports))


def test_no_more_than_the_sample_is_replayed() -> None:
    ports = day_over(GATEHOUSE_REPLAY_SAMPLE="2")
    write_cases(ports, ON)
    assert (replay_sample(ports, ON).sampled, sum(case.replay is not None for case in cases(ports))) == (2, 2)


def test_a_difference_under_the_same_revision_is_an_incident() -> None:
    ports = day_over()
    close_books(ports)
    wrong = falsify(ports)
    ports.clock.at = ny(ON, "17:15")
    (told,) = close_books(ports)
    assert isinstance(told, Notice)
    assert (told.kind, told.title) == ("replay-differs", "1 of 3 decisions came out otherwise in a replay")
    (incident,) = ports.rows("incidents", ON).values()
    assert incident["kind"] == "replay-differs"
    assert report(ports).differs == {wrong.decision_id: ("scores",)}


def test_floats_of_another_processor_are_counted_and_no_incident() -> None:
    ports = day_over()
    close_books(ports)
    case = cases(ports)[0]
    put_case(ports, replace(case, scores=replace(case.scores, p_up=(case.scores.p_up or 0) + 1e-7)))
    ports.clock.at = ny(ON, "17:15")
    assert close_books(ports) == []
    found = report(ports)
    assert (found.sampled, found.equal, found.close, found.differs) == (3, 2, 1, {})
    assert ports.rows("incidents", ON) == {}


def test_a_report_of_older_code_is_read() -> None:
    ports = day_over()
    found = replay_sample(ports, ON)
    older = ports.codec.encode(found).replace('"close":0,', "")
    assert "close" not in older
    assert ports.codec.decode(ReplayReport, older) == found


def test_a_difference_under_another_revision_is_counted_and_no_incident() -> None:
    ports = day_over()
    close_books(ports)
    falsify(ports, code_revision="older")
    ports.clock.at = ny(ON, "17:15")
    assert close_books(ports) == []
    assert (report(ports).revised, report(ports).equal) == (1, 2)
    assert ports.rows("incidents", ON) == {}


def test_a_day_without_decisions_closes_as_well() -> None:
    ports = night_ports(ny(ON, "17:30"))
    assert close_books(ports) == []
    assert (report(ports).cases, report(ports).sampled) == (0, 0)


@pytest.mark.parametrize("table", ["signals", "decisions", "orders", "journal", "fills", "positions"])
def test_an_export_holds_every_row_of_its_table(table: str) -> None:
    ports = day_over()
    counts = export_day(ports, ON)
    stored = ports.blobs.get("exports", f"{table}/{ON}.parquet")
    assert stored is not None
    found = pq.read_table(io.BytesIO(stored.value)).to_pylist()
    rows = ports.rows(table, ON)
    assert len(found) == counts[table] == len(rows)
    assert [row["row_key"] for row in found] == sorted(rows)
    assert {row["day"] for row in found} == {ON}
    assert set(found[0]) - {"row_key", "day"} == {name for row in rows.values() for name in row}


def test_a_table_without_rows_has_no_file() -> None:
    ports = day_over()
    assert "incidents" not in export_day(ports, ON)
    assert ports.blobs.names("exports", "incidents/") == []
