"""A month of weekly reviews ends in one pull request, and nothing that a model wrote can do anything in it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.clock import SystemClock
from shared.adapters.codec import decode_json, encode_json
from shared.contracts.parameters import Evidence, ParameterSet
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.review_note import ReviewNote
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig
from simulation.market.scenario import ROOT
from tests.support import commentator
from tests.support.language import HandLanguage
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny
from tests.support.weeks import copies_of, review_of, trade_week
from tools.retrospective import as_data, main, requests

SATURDAYS = (date(2026, 10, 3), date(2026, 10, 10), date(2026, 10, 17), date(2026, 10, 24))
BAD = SATURDAYS[2]
NAME = "weekly-2026-10-16"
GOLDEN = Path(__file__).with_name("retrospective.md")
HOSTILE = "``` @owner closes #1 <b>x</b> ![a](https://evil.example) www.evil.example GH-1\n# Title"


@pytest.fixture(scope="module")
def month() -> dict[date, dict[str, bytes]]:
    """What lies in storage after each of four reviews, the third of which has a proposal."""
    address = "http://127.0.0.1:1/v1"
    ports = fake_ports(ny(SATURDAYS[0], "08:00"), GATEHOUSE_LANGUAGE_URL=address, GATEHOUSE_LANGUAGE_MODEL=MODEL)
    ports.language = HandLanguage(lambda asked: commentator.ask(asked, CommentatorConfig()))
    return {saturday: _reviewed(ports, saturday, seed) for seed, saturday in enumerate(SATURDAYS, start=30)}


def _reviewed(ports: FakePorts, saturday: date, seed: int) -> dict[str, bytes]:
    trade_week(ports, saturday, seed=seed, bad="REG-PM" if saturday == BAD else "")
    review_of(ports, saturday)
    return copies_of(ports)


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def proposal(name: str = "monthly-2026-10", **changes: object) -> ParameterSet:
    made = ParameterSet(
        name=name,
        created_at=datetime(2026, 10, 15, 12, 0, tzinfo=UTC),
        proposed_by="governance",
        values={"GATEHOUSE_EDGE_MIN": "0.1", "GATEHOUSE_HOLD_MAX_MIN": "45"},
        replaces={"GATEHOUSE_EDGE_MIN": "0.05", "GATEHOUSE_HOLD_MAX_MIN": "45"},
        evidence=Evidence(
            blob=f"reports/backtests/{name}.json",
            figures={"trials": 5.0, "deflated_sharpe_probability": 0.97, "overfitting_probability": 0.1},
        ),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


WALK = {
    "schema_id": "backtest-walkforward.v1",
    "trials": [{}] * 5,
    "choices": [
        {"since": f"2026-{month:02d}-01", "until": f"2026-{month:02d}-14", "set": "edge_min=0.1", "return": 0.0123}
        for month in range(1, 11)
    ],
}


def only_body(folder: Path, on: date = BAD) -> str:
    (made,), wrong = requests(folder, folder / "known", on)
    assert not wrong
    return made.body


# The month


def test_each_week_of_a_month_says_no_change_but_the_one_with_a_proposal(
    month: dict[date, dict[str, bytes]], tmp_path: Path
) -> None:
    known, asked = tmp_path / "known", {}
    known.mkdir()
    for saturday, files in month.items():
        made, wrong = requests(laid(tmp_path / str(saturday), files), known, saturday)
        assert not wrong
        asked[saturday] = [each.name for each in made]
        for each in made:  # it is merged in the week
            (known / f"{each.name}.json").write_bytes(each.file)
    assert asked == {saturday: [NAME] if saturday == BAD else [] for saturday in SATURDAYS}


def test_the_body_of_the_months_pull_request_is_as_it_was(month: dict[date, dict[str, bytes]], tmp_path: Path) -> None:
    body = only_body(laid(tmp_path, month[BAD]))
    if "GATEHOUSE_RENEW" in os.environ:
        GOLDEN.write_text(body, encoding="utf-8")
    assert body == GOLDEN.read_text(encoding="utf-8")
    assert "- GATEHOUSE_ENTRY_SESSIONS = REG-AM REG-MID REG-PM\n+ GATEHOUSE_ENTRY_SESSIONS = REG-AM REG-MID\n" in body


def test_every_week_has_a_note_that_its_figures_bear(month: dict[date, dict[str, bytes]]) -> None:
    notes = {
        name: decode_json(ReviewNote, data)
        for name, data in month[SATURDAYS[-1]].items()
        if name.endswith(".note.json")
    }
    assert len(notes) == 4
    assert {note.status for note in notes.values()} == {NarrativeStatus.TOLD}
    changes = [name for name, note in notes.items() if "A change is asked for" in note.note]
    assert changes == ["reports/weekly/2026-10-16.note.json"]


# A body


def test_walk_forward_evidence_and_deflated_statistics_stand_in_the_body(tmp_path: Path) -> None:
    made = proposal()
    files = {f"parameters/{made.name}.json": encode_json(made), made.evidence.blob: json.dumps(WALK).encode()}
    body = only_body(laid(tmp_path, files))
    assert "- GATEHOUSE_EDGE_MIN = 0.05\n+ GATEHOUSE_EDGE_MIN = 0.1\n" in body
    assert "Carried over from the set in force:\n\n```text\nGATEHOUSE_HOLD_MAX_MIN = 45\n" in body
    assert "5 sets tried, 10 windows:" in body
    assert "2026-10-01 to 2026-10-14: +1.23% by edge_min=0.1" in body
    assert "Here: shown." in body
    assert "No weekly review can be read." in body


def test_a_months_governance_is_told_strategy_by_strategy(tmp_path: Path) -> None:
    studies = [
        {**WALK, "what": "dip-buyer.v1", "told": ["proposed: strategy_parameters=dip-buyer.v1.band=2.5"]},
        {"what": "divergence.v1", "told": ["no change: not tried: it needs stories, which bars do not hold"]},
        {"what": "Cohorts of the last 40 sessions", "told": ["momentum.v1 in REG-PM: -0.40% an order over 31"]},
    ]
    made = proposal()
    evidence = json.dumps({"schema_id": "governance.v1", "studies": studies}).encode()
    body = only_body(laid(tmp_path, {f"parameters/{made.name}.json": encode_json(made), made.evidence.blob: evidence}))
    assert (
        "```text\ndip-buyer.v1\n5 sets tried, 10 windows:\n2026-01-01 to 2026-01-14: +1.23% by edge_min=0.1\n" in body
    )
    assert "- proposed: strategy_parameters=dip-buyer.v1.band=2.5\n```" in body
    assert "```text\ndivergence.v1\n- no change: not tried" in body
    assert "```text\nCohorts of the last 40 sessions\n- momentum.v1 in REG-PM: -0.40% an order over 31\n```" in body


def test_what_has_not_been_shown_is_said_so(tmp_path: Path) -> None:
    weak = proposal(evidence=Evidence(blob="reports/gone.json", figures={"deflated_sharpe_probability": 0.6}))
    body = only_body(laid(tmp_path, {f"parameters/{weak.name}.json": encode_json(weak)}))
    assert "**not shown**" in body
    assert "None: this rests on the recorded orders alone." in body


def test_a_proposal_is_new_for_a_week_and_only_where_no_file_is_there(tmp_path: Path) -> None:
    old = proposal("old", created_at=datetime(2026, 10, 8, tzinfo=UTC))
    first, other = proposal("first", created_at=datetime(2026, 10, 10, tzinfo=UTC)), proposal("other")
    known = proposal("known")
    sets = (old, other, first, known)
    folder = laid(tmp_path, {f"parameters/{each.name}.json": encode_json(each) for each in sets})
    laid(tmp_path / "known", {"known.json": encode_json(known)})
    made, wrong = requests(folder, tmp_path / "known", BAD)
    assert [each.name for each in made] == ["first", "other"]
    assert [each.file for each in made] == [encode_json(first), encode_json(other)]
    assert not wrong


def test_a_file_that_is_no_set_or_anothers_is_left_out_and_named(tmp_path: Path) -> None:
    files = {"broken": b"{", "renamed": encode_json(proposal("other")), "x; rm -rf $HOME": b"null"}
    folder = laid(tmp_path, {f"parameters/{name}.json": data for name, data in files.items()})
    made, wrong = requests(folder, tmp_path / "known", BAD)
    assert not made
    assert len(wrong) == 3


def outside_of_blocks(body: str) -> str:
    """What Markdown reads as Markdown; fails where a block does not end."""
    parts = re.split(r"^```.*$", body, flags=re.MULTILINE)
    assert len(parts) % 2
    return "".join(parts[::2])


def test_what_a_model_or_a_file_says_is_data_in_the_body(tmp_path: Path, month: dict[date, dict[str, bytes]]) -> None:
    made = proposal(
        proposed_by=HOSTILE.replace("\n", " "),
        values={"GATEHOUSE_STRATEGY_PARAMETERS": HOSTILE},
        replaces={},
        evidence=Evidence(blob="reports/backtests/x.json", figures={HOSTILE: 1.0}),
    )
    note = ReviewNote(status=NarrativeStatus.TOLD, note=HOSTILE, findings=(HOSTILE,), model=HOSTILE)
    walk = {**WALK, "what": HOSTILE, "told": [HOSTILE]}
    walk["choices"] = [{"since": HOSTILE, "until": HOSTILE, "set": HOSTILE, "return": HOSTILE}]
    files = {
        "reports/weekly/2026-10-16.json": month[BAD]["reports/weekly/2026-10-16.json"],
        "reports/weekly/2026-10-16.note.json": encode_json(note),
        "reports/backtests/x.json": json.dumps(walk).encode(),
        f"parameters/{made.name}.json": encode_json(made),
    }
    body = only_body(laid(tmp_path, files))
    assert not re.search(r"[@#<>]|https?://|www\.", re.sub(r"^## ", "", body, flags=re.MULTILINE))
    assert "evil" not in outside_of_blocks(body)
    assert "owner" not in outside_of_blocks(body)


def test_evidence_is_read_from_the_copies_alone(tmp_path: Path) -> None:
    laid(tmp_path, {"secret.json": json.dumps(WALK).encode()})
    made = proposal(evidence=Evidence(blob="reports/../../secret.json", figures={}))
    folder = laid(tmp_path / "copies", {f"parameters/{made.name}.json": encode_json(made)})
    assert "10 windows" not in only_body(folder)


@given(st.text(max_size=60))
def test_data_is_one_line_without_a_sign_that_markdown_or_github_acts_on(text: str) -> None:
    found = as_data(text)
    assert len(found.splitlines()) <= 1
    assert not re.search(r"[@#`<>]|://|www\.", found)
    assert as_data(found) == found


def test_the_command_writes_a_folder_a_proposal_or_says_no_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = proposal()
    folder = laid(tmp_path / "copies", {f"parameters/{made.name}.json": encode_json(made)})
    words = ["--copies", str(folder), "--known", str(tmp_path / "known"), "--out", str(tmp_path / "out")]
    assert main([*words, "--on", "2026-11-28"]) == 0
    assert capsys.readouterr().out.startswith("No change:")
    assert not (tmp_path / "out").exists()
    assert main([*words, "--on", "2026-10-17"]) == 0
    assert capsys.readouterr().out == "Parameter set `monthly-2026-10` is new.\n"
    assert (tmp_path / "out" / made.name / f"{made.name}.json").read_bytes() == encode_json(made)
    assert (tmp_path / "out" / made.name / "body.md").is_file()


# The script, without GitHub and without Azure

AZ = """#!/bin/sh
echo "az $*" >> "$LOG"
while [ $# -gt 0 ]; do
  case "$1" in --source) source=$2 ;; --pattern) pattern=$2 ;; --destination) to=$2 ;; esac
  shift
done
mkdir -p "$COPIES/$source"
cd "$COPIES/$source" && find . -path "./$pattern" -type f | while read -r file; do
  mkdir -p "$to/$(dirname "$file")" && cp "$file" "$to/$file"
done
"""
GH = """#!/bin/sh
printf 'gh' >> "$LOG"
for word in "$@"; do printf ' [%s]' "$word" >> "$LOG"; done
echo >> "$LOG"
case "$*" in
  "pr list"*) echo "$ASKED" ;;
  *--body-file*) while [ "$1" != --body-file ]; do shift; done; cp "$2" "$BODY" ;;
esac
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetrospectiveRun:
    """What the script said, asked for, and left at the remote."""

    said: str
    asked: list[str]
    summary: str
    body: str
    remote: Path

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.remote, capture_output=True, text=True, check=True
        ).stdout.strip()


def run_script(folder: Path, files: dict[str, bytes], *, asked_before: int = 0) -> RetrospectiveRun:
    """Run infra/retrospective.sh in a clone of a small repository, its remote in the place of GitHub."""
    copies, remote, clone, tools = (folder / name for name in ("copies", "remote.git", "clone", "tools"))
    laid(copies, files)
    laid(tools, {"az": AZ.encode(), "gh": GH.encode()})
    for name in ("az", "gh"):
        (tools / name).chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "AZURE_STORAGE_ACCOUNT": "account",
        "GITHUB_REPOSITORY": "owner/name",
        "GH_TOKEN": "very-secret",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "LOG": str(folder / "log"),
        "BODY": str(folder / "body"),
        "COPIES": str(copies),
        "ASKED": str(asked_before),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/owner/name",
    }
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (
        ["git", "init", "--quiet", "--bare", str(remote)],
        ["git", "init", "--quiet", "--initial-branch=main", str(clone)],
        ["git", "-C", str(clone), *identity, "commit", "--quiet", "--allow-empty", "--message", "first"],
    ):
        subprocess.run(words, env=environment, check=True)
    script = [str(ROOT / "infra" / "retrospective.sh")]
    done = subprocess.run(script, cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    log, body = folder / "log", folder / "body"
    return RetrospectiveRun(
        said=done.stdout + done.stderr,
        asked=log.read_text().splitlines(),
        summary=(folder / "summary").read_text(),
        body=body.read_text() if body.exists() else "",
        remote=remote,
    )


def today(name: str) -> ParameterSet:
    return proposal(name, created_at=SystemClock().now())


def test_the_script_pushes_a_branch_with_the_file_and_asks(tmp_path: Path) -> None:
    sets = [today("first"), today("other")]
    ran = run_script(tmp_path, {f"parameters/{each.name}.json": encode_json(each) for each in sets})
    created = [line for line in ran.asked if line.startswith("gh [pr] [create]")]
    assert len(created) == len(sets)
    for line, each in zip(created, sets, strict=True):
        words = re.findall(r"\[([^]]*)\]", line)
        assert words[2:6] == ["--repo", "owner/name", "--head", f"parameters/{each.name}"]
        assert words[6:8] == ["--title", f"Propose parameter set {each.name}"]
    for each in sets:
        branch = f"parameters/{each.name}"
        assert ran.git("show", "--format=", "--name-only", branch) == f"infra/parameters/{each.name}.json"
        assert ran.git("show", f"{branch}:infra/parameters/{each.name}.json") == encode_json(each).decode()
        assert ran.git("log", "--format=%s", branch).splitlines() == [f"Propose parameter set {each.name}", "first"]
    assert ran.body.startswith("Parameter set `other`")
    assert "very-secret" not in "\n".join([*ran.asked, ran.said, ran.summary])


def test_without_a_proposal_the_script_pushes_nothing_and_the_summary_says_so(tmp_path: Path) -> None:
    ran = run_script(tmp_path, {"reports/weekly/2026-10-16.json": b"{}", "parameters/.kept": b""})
    assert ran.summary.startswith("No change:")
    assert ran.git("branch") == ""
    assert not [line for line in ran.asked if line.startswith("gh")]
    assert {line.split("--source ")[1].split(" --dest")[0] for line in ran.asked} == {
        "parameters --pattern *.json",
        "reports --pattern weekly/*.json",
        "reports --pattern backtests/*.json",
    }


def test_what_was_asked_for_once_is_not_asked_for_again(tmp_path: Path) -> None:
    each = today("first")
    ran = run_script(tmp_path, {"parameters/first.json": encode_json(each), "reports/.kept": b""}, asked_before=1)
    assert "first was asked for before" in ran.said
    assert ran.git("branch") == ""
    assert not ran.body


def test_the_repositorys_parameter_files_are_sets_of_their_names() -> None:
    for path in (ROOT / "infra" / "parameters").glob("*.json"):
        assert decode_json(ParameterSet, path.read_bytes()).name == path.stem
