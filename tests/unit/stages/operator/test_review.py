"""The weekly review from a week's tables: made once on Saturday, told, kept, and proposed as a parameter set."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from shared.adapters.memory import MemoryTables
from shared.contracts.messages import Notice
from shared.contracts.parameters import Evidence, ParameterSet, overlaid
from shared.contracts.records import Container, Table
from shared.core.refusals import Refuser
from shared.core.review import MIN_TRIPS, Review
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.review_note import ReviewNote
from shared.core.values import iso
from shared.ports import Cell
from shared.stages.evidence.shadows import row_of
from shared.stages.operator.parameters import load_set, propose
from shared.stages.operator.review import review_week
from simulation.language.config import CommentatorConfig, CommentatorFault
from tests.support import commentator
from tests.support.language import HandLanguage, reply
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny
from tests.unit.core.test_refusals import FIRST, shadow
from tests.unit.stages.evidence.test_report import traded

SATURDAY = date(2026, 10, 17)
FRIDAY = date(2026, 10, 16)


def lost(ports: FakePorts, number: int) -> None:
    """One order of Friday afternoon that lost; every other row is as older code wrote it."""
    bought: Cell = 100 if number % 2 else "100"
    verdict: dict[str, Cell] = {"decided_at": iso(ny(FRIDAY, "15:00")), "verdict": "approved", "refused_by": ""}
    decided = {**verdict, "decision_id": f"d{number}", "session": "REG-PM", "p_up": 0.5, "p_down": 0.5}
    order: dict[str, Cell] = {"decision_id": f"d{number}", "symbol": "AAA", "phase": "CLOSED"}
    order |= {"bought_shares" if number % 2 else "bought_qty": bought}
    ended = {**order, "entry_usd": "10", "realised_usd": str(-5 - number % 3)}
    ports.tables.put(Table.DECISIONS, str(FRIDAY), f"AAA|{number}", decided)
    ports.tables.put(Table.ORDERS, str(FRIDAY), f"AAA|{number}", ended)


def test_the_review_is_made_once_on_saturday_and_told() -> None:
    ports = fake_ports(ny(SATURDAY, "08:59"))
    for number in range(MIN_TRIPS):
        lost(ports, number)
    assert review_week(ports) == []
    ports.clock.at = ny(SATURDAY, "09:00")
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert told.kind == "weekly-review"
    assert told.title.startswith("Week to 2026-10-16: -")
    assert review_week(ports) == []
    assert ports.rows("runs", SATURDAY)["weekly-review|0900"]["status"] == "done"
    stored = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.json")
    assert stored is not None
    made = ports.codec.decode(Review, stored.value)
    assert (made.first, made.last, made.sessions) == (date(2026, 10, 12), FRIDAY, 5)
    text = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.md")
    assert text is not None
    assert "## Calibration" in text.value.decode()


def test_the_week_says_what_its_refusals_were_worth() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    for back in range(5):
        on = FRIDAY - timedelta(days=back)
        made = shadow("SPREAD", day=(on - FIRST).days, bp=-20.0 - back, usd=-30.0)
        ports.tables.put(Table.SHADOWS, str(on), f"AAA|{back}", row_of(made))
    ports.tables.put(Table.SHADOWS, str(FRIDAY), "BBB|0", {"decision_id": "of another time"})
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "Refusals saved 150 USD, 22.0 bp each; beyond chance" in told.body
    text = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.md")
    stored = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.json")
    assert text is not None
    assert stored is not None
    assert "## Value of refusals\n\n| Refused by one alone | Refused |" in text.value.decode()
    assert "| SPREAD | 5 | 5 | -22.0 (-23.2 to -20.8) | +150 (+150 to +150) |" in text.value.decode()
    assert ports.codec.decode(Review, stored.value).refusals[0].part is Refuser.ALL
    assert len(ports.rows("incidents", SATURDAY)) == 1, "a row that cannot be read is told of"


def test_what_the_week_speaks_against_becomes_a_set_that_a_person_may_accept() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    for number in range(MIN_TRIPS):
        lost(ports, number)
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "To accept: parameter set weekly-2026-10-16" in told.body
    proposed, _ = load_set(ports, "weekly-2026-10-16")
    assert proposed.values == {"GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-MID"}
    assert proposed.evidence.blob == "reports/weekly/2026-10-16.json"


def test_a_strategy_that_gives_no_chances_is_reviewed_beside_one_that_does() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    for number in range(3):
        lost(ports, number)
    key = "AAA|0"
    decided = dict(ports.tables.query(Table.DECISIONS, str(FRIDAY)))[key]
    bare = {name: cell for name, cell in decided.items() if name not in {"p_up", "p_down"}}
    ports.tables.put(Table.DECISIONS, str(FRIDAY), key, {**bare, "strategy": "dip-buyer.v1"})
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "dip-buyer.v1: -5.00 USD, 0% of 1" in told.body
    assert "momentum.v1: -13.00 USD, 0% of 2" in told.body
    stored = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.json")
    assert stored is not None
    made = ports.codec.decode(Review, stored.value)
    assert sum(each.trips for each in made.calibration) == 2


def test_a_quiet_week_proposes_nothing() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "Proposed" not in told.body
    assert ports.blobs.names(Container.PARAMETERS, "") == []


def test_the_figures_are_those_of_the_tables() -> None:
    ports = traded()
    ports.clock.at = ny(date(2025, 10, 18), "10:00")
    review_week(ports)
    stored = ports.blobs.get(Container.REPORTS, "weekly/2025-10-17.json")
    assert stored is not None
    made = json.loads(stored.value)
    assert made["decisions"] == {"approved": 1, "refused": 1}
    assert made["refused_by"] == {"COOLDOWN": 1}
    assert made["total"]["trips"] == 1
    assert made["total"]["hit_rate"] == 1.0
    assert made["slippage_bp"]["entry"] == 10.0
    assert made["incidents"] == {"quarantine": 1}


def test_a_proposal_carries_what_the_set_in_force_changes_and_says_what_it_replaces() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    first = ParameterSet(
        name="walk-1",
        created_at=ny(FRIDAY, "09:00"),
        proposed_by="a person",
        values={"GATEHOUSE_EDGE_MIN": "0.1"},
        evidence=Evidence(blob="reports/walk-1.json", figures={}),
    )
    propose(ports.blobs, ports.codec, first)
    ports.settings = overlaid(ports.settings, first)
    for number in range(MIN_TRIPS):
        lost(ports, number)
    review_week(ports)
    proposed, _ = load_set(ports, "weekly-2026-10-16")
    assert proposed.values == {"GATEHOUSE_EDGE_MIN": "0.1", "GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-MID"}
    assert proposed.replaces == {"GATEHOUSE_EDGE_MIN": "0.1", "GATEHOUSE_ENTRY_SESSIONS": "REG-AM REG-MID REG-PM"}


def test_nothing_is_proposed_over_a_set_that_cannot_be_read() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"), GATEHOUSE_PARAMETER_SET="gone")
    for number in range(MIN_TRIPS):
        lost(ports, number)
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "To accept" not in told.body
    assert ports.blobs.names(Container.PARAMETERS, "") == []


# The note


def noted(answer: Callable[[LanguageRequest], LanguageReply | LanguageError]) -> tuple[FakePorts, HandLanguage]:
    """A week that lost, and a model that says so."""
    address = "http://127.0.0.1:1/v1"
    ports = fake_ports(ny(SATURDAY, "09:00"), GATEHOUSE_LANGUAGE_URL=address, GATEHOUSE_LANGUAGE_MODEL="small-model")
    ports.language = HandLanguage(answer)
    for number in range(MIN_TRIPS):
        lost(ports, number)
    return ports, ports.language


def note_of(ports: FakePorts) -> ReviewNote:
    stored = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.note.json")
    assert stored is not None
    return ports.codec.decode(ReviewNote, stored.value)


def text_of(ports: FakePorts) -> str:
    stored = ports.blobs.get(Container.REPORTS, "weekly/2026-10-16.md")
    assert stored is not None
    return stored.value.decode()


SAID = '{"note": "All 20 orders lost.", "findings": ["Look at REG-PM."]}'


def test_a_note_stands_under_the_figures_with_its_models_name() -> None:
    ports, language = noted(lambda _: reply(SAID))
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "Note by small-model-2026: All 20 orders lost.\nLook at REG-PM." in told.body
    assert "## Note\n\n- Note by small-model-2026: All 20 orders lost.\n- Look at REG-PM.\n" in text_of(ports)
    found = note_of(ports)
    assert found.status is NarrativeStatus.TOLD
    assert ports.blobs.names(Container.LANGUAGE, "") == [found.record]
    assert "2026" not in language.asked[0].user
    assert "AAA" not in language.asked[0].user


def test_a_note_with_a_number_of_its_own_is_left_out_and_the_figures_stand() -> None:
    ports, language = noted(lambda _: reply(SAID.replace("20", "21")))
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "No note: UNGROUNDED, number '21' is in no figure" in told.body
    assert "Hit rate 0%" in text_of(ports)
    assert len(language.asked) == 1
    assert load_set(ports, "weekly-2026-10-16")


def test_an_answer_that_cannot_be_read_is_asked_for_once_more() -> None:
    ports, language = noted(lambda asked: reply(SAID if "refused" in asked.user else "Well"))
    review_week(ports)
    assert note_of(ports).note == "All 20 orders lost."
    assert len(language.asked) == 2
    ports, language = noted(lambda _: reply("Well"))
    review_week(ports)
    assert note_of(ports).status is NarrativeStatus.INVALID_PARSE
    assert len(language.asked) == 2


def test_a_week_is_reviewed_where_the_model_does_not_answer() -> None:
    ports, _ = noted(lambda _: LanguageError(LanguageFault.DOWN, "no connection"))
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "No note: NARRATIVE_UNAVAILABLE, DOWN: no connection" in told.body


def test_where_no_model_is_configured_nothing_is_said_of_a_note() -> None:
    ports = fake_ports(ny(SATURDAY, "09:00"))
    (told,) = review_week(ports)
    assert isinstance(told, Notice)
    assert "ote" not in told.body
    assert "weekly/2026-10-16.note.json" not in ports.blobs.names(Container.REPORTS, "weekly/")


@pytest.mark.parametrize("is_traded", [True, False])
def test_the_commentator_writes_a_note_that_the_figures_bear(is_traded: bool) -> None:
    ports, _ = noted(lambda asked: commentator.ask(asked, CommentatorConfig()))
    if not is_traded:
        ports.tables = MemoryTables()
    review_week(ports)
    found = note_of(ports)
    assert (found.status, found.fault) == (NarrativeStatus.TOLD, "")
    assert ("right answer so far" in found.note) == (not is_traded)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (CommentatorFault.MALFORMED_ONCE, NarrativeStatus.TOLD),
        (CommentatorFault.MALFORMED_ALWAYS, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.WRONG_TYPES, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.CUT, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.UNGROUNDED_NUMBER, NarrativeStatus.UNGROUNDED),
    ],
)
def test_the_commentators_faults_are_found_in_its_notes_too(fault: CommentatorFault, status: NarrativeStatus) -> None:
    ports, _ = noted(lambda asked: commentator.ask(asked, CommentatorConfig(faults={fault: 1.0})))
    review_week(ports)
    assert note_of(ports).status is status
