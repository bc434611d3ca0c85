"""The documents against the code: what they name exists, and what exists they name."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from dashboard.environments import VARIABLES
from sandbox.__main__ import _parser
from shared.adapters.calendar import XnysCalendar
from shared.adapters.codec import Claim
from shared.contracts.messages import Envelope, Message
from shared.contracts.records import Container, Queue, Table
from shared.contracts.settings import GROUPS, Settings
from shared.core.order_states import ExitReason, Phase
from shared.core.order_steps import Command
from shared.core.policy import PolicyCode
from shared.core.schedule import Job, plan, weekend
from shared.core.sessions import Session
from shared.core.sizing import Bound
from shared.core.watchlist import Why
from shared.stages.entry.score import FIGURE_COLUMNS
from tests.support.indexed import FUNCTIONS
from tools.documents import generated, rendered

ROOT = Path(__file__).parents[2]
DOCUMENTS = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`]+)`")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A document without its fenced code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def section(name: str, heading: str, *, deep: bool = False) -> str:
    """Text under a heading, up to the next; `deep`, up to the next of its level or above."""
    until = r"^(?=#)(?!\1#)" if deep else r"^#{1,9} "
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?={until}|\Z)", text_of(name), re.DOTALL | re.MULTILINE)
    assert found, f"{name} has no heading {heading!r}"
    return found[2]


def rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row but heads and rulers."""
    lines = text.splitlines()
    for line, following in itertools.pairwise([*lines, ""]):
        if line.startswith("|") and not line.startswith("| ---") and not following.startswith("| ---"):
            yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def first_column(text: str) -> list[str]:
    """Ticked names of the first column, in order."""
    return [name for cells in rows(text) for name in TICKED.findall(cells[0])]


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def settings_fields() -> dict[str, dataclasses.Field[Any]]:
    groups: Iterable[type] = (*GROUPS.values(), Settings)
    fields = [item for group in groups for item in dataclasses.fields(group)]
    return {item.metadata["name"]: item for item in fields if "name" in item.metadata}


def example_values() -> dict[str, str]:
    values: dict[str, str] = json.loads(text_of("local.settings.json.example"))["Values"]
    return values


def flat(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of host.json by dotted path."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(prose(path)):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


def test_index_names_every_document() -> None:
    for folder in (ROOT / "docs", ROOT / "docs" / "adr"):
        index = folder / "README.md"
        linked = {(folder / target).resolve() for target in LINK.findall(index.read_text(encoding="utf-8"))}
        assert set(folder.glob("*.md")) - {index} <= linked


def test_example_settings_are_the_codes_or_documented_as_the_hosts() -> None:
    hosts = {name for name in example_values() if name not in settings_fields()}
    table = section("docs/CONFIG.md", "Settings that the Functions host reads")
    documented = {TICKED.findall(cells[0])[0]: cells[1].strip("`") for cells in rows(table)}
    assert documented == {name: example_values()[name] for name in hosts}


def test_documents_name_no_setting_that_does_not_exist() -> None:
    known = {*settings_fields(), *example_values(), *VARIABLES, "GATEHOUSE_DATA"}
    for path in DOCUMENTS:
        named = set(re.findall(r"\b(?:GATEHOUSE|ALPACA)_[A-Z_]+\b", path.read_text(encoding="utf-8")))
        assert named <= known, path.name


def test_every_value_of_host_json_is_documented() -> None:
    table = section("docs/CONFIG.md", "host.json")
    documented = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(table)}
    assert documented == dict(flat(json.loads(text_of("host.json"))))
    assert all(cells[2] for cells in rows(table)), "a value without a reason"


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_parts_are_what_the_code_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == rendered(text, generated()[path]), "make docs renews it"


@pytest.mark.parametrize(
    ("name", "heading", "expected"),
    [
        ("docs/RISK_POLICY.md", "Size", Bound),
        ("docs/WATCHLIST_SPEC.md", "Ranking", Why),
        ("docs/WATCHLIST_SPEC.md", "Policy", PolicyCode),
        ("docs/SESSION_MODEL.md", "Sessions", Session),
        ("docs/SESSION_MODEL.md", "From timer to job", Job),
        ("docs/ORDER_LIFECYCLE.md", "Order lifecycle", Phase),
        ("docs/ORDER_LIFECYCLE.md", "Steps", Command),
        ("docs/ORDER_LIFECYCLE.md", "Why a position is left", ExitReason),
        ("docs/DATA_SCHEMA.md", "Containers", Container),
    ],
)
def test_every_member_is_documented(name: str, heading: str, expected: type[StrEnum]) -> None:
    assert set(first_column(section(name, heading))) == set(expected)


def test_slots_of_every_job_are_those_of_a_whole_day() -> None:
    day = XnysCalendar().day(date(2026, 10, 14))
    assert day is not None
    for job, _, first, last, count, _ in rows(section("docs/SESSION_MODEL.md", "From timer to job")):
        jobs = frozenset({Job(job.strip("`"))})
        slots = [slot.slot for slot in (*plan(day, jobs), *weekend(date(2026, 10, 17), jobs))]
        found = (f"{slots[0][:2]}:{slots[0][2:]}", f"{slots[-1][:2]}:{slots[-1][2:]}", str(len(slots)))
        assert (first, last, count) == found, job


def test_every_queue_is_documented_with_its_message() -> None:
    schemas = {str(item.default) for cls in get_args(Message.__value__) for item in schema_field(cls)}
    table = [TICKED.findall(" ".join(cells[:2])) for cells in rows(section("docs/DATA_SCHEMA.md", "Queues"))]
    pairs = {tuple(names) for names in table if len(names) == 2 and names[0] in set(Queue)}
    assert {queue for queue, _ in pairs} == set(Queue)
    assert {schema for _, schema in pairs} == schemas


def schema_field(cls: type) -> Iterator[dataclasses.Field[Any]]:
    return (item for item in dataclasses.fields(cls) if item.name == "schema_id")


def test_every_field_of_every_message_is_documented() -> None:
    parts = re.split(r"^`([a-z-]+\.v\d)`", section("docs/DATA_SCHEMA.md", "Queues"), flags=re.MULTILINE)
    envelope = [name for name in first_column(parts[0]) if name not in set(Queue)]
    assert set(envelope) == {item.name for item in dataclasses.fields(Envelope)} | {"schema_id"}
    documented = {schema: set(first_column(text)) for schema, text in itertools.batched(parts[1:], 2, strict=True)}
    expected = {
        str(next(schema_field(cls)).default): {item.name for item in dataclasses.fields(cls)} - set(envelope)
        for cls in (*get_args(Message.__value__), Claim)
    }
    assert documented == expected


WRITERS: Mapping[Table, Mapping[str, tuple[str, ...]]] = {
    Table.RUNS: {"base/runs": ("_row", "run_due"), "account/supervise": ("_record_flatten",)},
    Table.WATCHLIST: {"market/scan": ("_publish",)},
    Table.SIGNALS: {
        "entry/score": ("_row", "_base_row", "_unknown_row", "_score_cells", "_regime_cells", "_text_cells")
    },
    Table.DECISIONS: {
        "entry/gate": ("_row", "_base_row", "_expired_row", "_quote_cells", "_size_cells", "_price_cells"),
        "entry/deliberate": ("committee_cells",),
    },
    Table.ORDERS: {"order/records": ("order_row",)},
    Table.JOURNAL: {"order/records": ("journal_row",)},
    Table.FILLS: {"order/records": ("_fill",)},
    Table.POSITIONS: {"order/records": ("_position",)},
    Table.LEDGER: {"base/ledger": ("ledger_row", "_back_up"), "account/supervise": ("_heartbeat",)},
    Table.CONTROLS: {
        "base/requests": ("record_call",),
        "operator/controls": ("_switch", "_switch_strategy", "accept_live"),
        "operator/parameters": ("accept",),
        "operator/approvals": ("_claim",),
    },
    Table.STORIES: {"narrative/records": ("story_row",)},
    Table.FEEDS: {"market/feeds": ("_row",)},
    Table.NARRATIVES: {"narrative/records": ("narrative_row",), "narrative/narrate": ("_keep",)},
    Table.CALLS: {
        "narrative/calls": ("_call_row",),
        "narrative/spending": ("_row",),
        "narrative/resting": ("_row",),
    },
    Table.INCIDENTS: {"base/incidents": ("record_incident",), "account/missed_runs": ("_close",)},
    Table.NOTICES: {"notify": ("_row", "_channel_row")},
    Table.SHADOWS: {"evidence/shadows": ("row_of",)},
}
"""The functions that spell a table's rows, by module of shared.stages."""


NAMED_ELSEWHERE: Mapping[Table, tuple[str, ...]] = {Table.SIGNALS: FIGURE_COLUMNS}
"""Columns that a writer takes from a list of names."""


def columns_written(table: Table) -> set[str]:
    """Text keys of the dictionaries that the table's writers spell."""
    found: set[str] = set(NAMED_ELSEWHERE.get(table, ()))
    for module, functions in WRITERS[table].items():
        tree = ast.parse(text_of(f"shared/stages/{module}.py"))
        defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        for name in functions:
            keys = (key for node in ast.walk(defined[name]) if isinstance(node, ast.Dict) for key in node.keys)
            found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found


@pytest.mark.parametrize("table", Table)
def test_columns_of_a_table_are_those_that_the_code_writes(table: Table) -> None:
    assert set(first_column(section("docs/DATA_SCHEMA.md", table.value))) == columns_written(table)


def test_no_table_is_documented_that_does_not_exist() -> None:
    tables = text_of("docs/DATA_SCHEMA.md").partition("\n## Tables\n")[2].partition("\n## Containers\n")[0]
    assert set(re.findall(r"^### (\w+)$", tables, re.MULTILINE)) == set(Table)


def served(function: Any) -> bool:
    return bool(function.get_trigger().get_binding_name() == "httpTrigger")


def test_every_function_is_in_the_map() -> None:
    """The main loop is in ARCHITECTURE; what is served over HTTP, in API.md, which is made of the routes."""
    indexed = {function.get_function_name() for function in FUNCTIONS if not served(function)}
    named = first_column(section("docs/ARCHITECTURE.md", "The main loop"))
    assert {name for name in named if name in indexed or "_" in name} == indexed


def test_every_situation_of_an_order_names_tests_that_exist_and_none_of_theirs_is_missing() -> None:
    found = {name: path for path in (ROOT / "tests").rglob("test_*.py") for name in names_of_tests(path)}
    named: set[str] = set()
    for cells in rows(section("docs/ORDER_LIFECYCLE.md", "Situations", deep=True)):
        tests = TICKED.findall(cells[2])
        assert cells[1], cells[0]
        assert tests, cells[0]
        named |= set(tests)
    assert named <= found.keys()
    assert {name for name, path in found.items() if path.parent.name == "lifecycle"} - named <= DETAILS


DETAILS = {
    "test_a_sound_end_leaves_no_incident_and_no_halt",
    "test_a_short_does_not_hide_an_earlier_difference",
}
"""Tests of the lifecycle that name no situation of their own."""


def names_of_tests(path: Path) -> list[str]:
    return re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_make_targets_exist_and_are_documented() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)) - {"help", "setup"}
    named: set[str] = set()
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        here = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
        assert here <= targets | {"help"}, path.name
        named |= here
    assert targets <= named


def test_commands_of_the_sandbox_that_are_named_exist() -> None:
    actions = next(action.choices for action in _parser()._actions if action.dest == "command")
    for path in DOCUMENTS:
        named = set(re.findall(r"python -m sandbox ([\w-]+)", path.read_text(encoding="utf-8")))
        assert named <= set(actions or ()), path.name
