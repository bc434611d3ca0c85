"""`python -m tools.retrospective`: new parameter proposals as what a pull request needs, from copies of two containers.

For each proposal a folder with its parameter file, byte for byte, and the pull request's body. Whatever this code did
not write itself, a model's note above all, is data: it stands in a fenced block, where Markdown reads no mention, link,
reference or HTML, and what would be one in a commit's message is spelled out. infra/retrospective.sh does the rest.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.adapters.clock import SystemClock
from shared.adapters.codec import decode_json
from shared.contracts.parameters import ParameterSet
from shared.contracts.records import Container
from shared.core.errors import ContractError
from shared.core.ids import digest
from shared.core.review import Review
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.plain import plain
from shared.core.text.review_note import ReviewNote
from shared.stages.base.report_notices import weekly_figures

NEW = timedelta(days=8)
"""A proposal is asked for once, in the week after it was made."""
SHOWN_SHARE = 0.95
"""Deflated probability below which nothing has been shown."""
_MOST_WINDOWS, _MOST_BODY, _MOST_LINE = 12, 60_000, 400
_SPELLED_OUT = str.maketrans({"@": "(at)", "#": "No.", "`": "'", "<": "(", ">": ")"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A proposal to ask a person about: the set's name, its file's bytes, and the body in Markdown."""

    name: str
    file: bytes
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekTold:
    """The figures of the newest review, line by line, and what a model made of them."""

    last: date
    figures: Sequence[str]
    note: ReviewNote | None


def as_data(text: str, most: int = _MOST_LINE) -> str:
    """Return a text as one line that nothing reads as mention, reference, link, HTML or the end of a block."""
    spelled = plain(text).translate(_SPELLED_OUT).replace("://", ": //").replace("www.", "www .")
    return spelled if len(spelled) <= most else f"{spelled[:most]}..."


def new_sets(copies: Path, known: Path, on: date) -> tuple[list[tuple[ParameterSet, bytes]], list[str]]:
    """Return sets of the last days that no file is there for, the oldest first, and what is wrong with others."""
    found, wrong = [], []
    since = datetime(on.year, on.month, on.day, tzinfo=UTC) - NEW
    for path in sorted((copies / Container.PARAMETERS).glob("*.json")):
        data = path.read_bytes()
        try:
            each = decode_json(ParameterSet, data)
        except ContractError as error:
            wrong.append(f"{as_data(path.stem, 80)} is left out: {as_data(str(error), 200)}")
            continue
        if each.name != path.stem:
            wrong.append(f"{as_data(path.stem, 80)} is left out: it holds the set {each.name}")
        elif each.created_at > since and not (known / path.name).exists():
            found.append((each, data))
    return sorted(found, key=lambda each: (each[0].created_at, each[0].name)), wrong


def newest_week(copies: Path) -> WeekTold | None:
    """Read the newest review with its note; None where there is none that can be read."""
    weeks = sorted(path for path in (copies / Container.REPORTS / "weekly").glob("*.json") if len(path.stem) == 10)
    if not weeks:
        return None
    try:
        made = decode_json(Review, weeks[-1].read_bytes())
        beside = weeks[-1].with_suffix(".note.json")
        note = decode_json(ReviewNote, beside.read_bytes()) if beside.is_file() else None
    except ContractError:
        return None
    return WeekTold(last=made.last, figures=weekly_figures(made), note=note)


def body_of(proposal: ParameterSet, file: bytes, week: WeekTold | None, evidence: Mapping[str, Any] | None) -> str:
    """Return the body: what changes, the note, the walk-forward evidence, the deflated statistics."""
    values, before = proposal.values, proposal.replaces
    changed = [name for name in values if before.get(name) != values[name]]
    kept = [f"{name} = {values[name]}" for name in values if name not in changed]
    diff = [
        line
        for name in changed
        for line in (f"- {name} = {before.get(name, '(not known)')}", f"+ {name} = {values[name]}")
    ]
    parts = [
        f"Parameter set `{proposal.name}`, made {proposal.created_at:%Y-%m-%d %H:%M} UTC. Merging stores it as a "
        "proposal, where it is not stored yet. **Nothing changes before a person accepts it** "
        "(`POST /api/parameters/accept`, docs/RUNBOOK.md). To refuse it, close this.",
        "## What changes",
        _block(diff, "diff"),
        *(["Carried over from the set in force:", _block(kept)] if kept else []),
        "## What the week says",
        *_week_parts(week),
        "## Walk-forward evidence",
        *_walk_parts(evidence),
        "## Deflated statistics",
        *_figure_parts(proposal.evidence.figures),
        "## Where it comes from",
        _block(
            [
                f"proposed by: {proposal.proposed_by}",
                f"evidence:    {proposal.evidence.blob}",
                f"sha256: {digest(file)}",
            ]
        ),
    ]
    return "\n\n".join(parts)[:_MOST_BODY] + "\n"


def _week_parts(week: WeekTold | None) -> Iterator[str]:
    if week is None:
        yield "No weekly review can be read."
        return
    note = week.note
    if note is not None and note.status is NarrativeStatus.TOLD:
        yield "A language model wrote this from the figures below alone; each of its numbers stands in them."
        told = [as_data(note.note, 1500), *(f"- {as_data(each)}" for each in note.findings), "", f"({note.model})"]
        yield _block(line for each in told for line in textwrap.wrap(each, 100) or [""])
    elif note is not None:
        yield f"There is no note ({note.status}); the figures stand."
    yield f"Figures of the week to {week.last}:"
    yield _block(week.figures)


def _walk_parts(evidence: Mapping[str, Any] | None) -> Iterator[str]:
    if evidence is None:
        yield (
            "None: this rests on the recorded orders alone. Before accepting it, hold it against the past with "
            "`python -m training backtest walkforward --grid NAME=OWN,PROPOSED`."
        )
        return
    yield "What each window traded was chosen on the days before it alone."
    for study in evidence.get("studies") or [evidence]:
        choices = study.get("choices") or []
        told = [
            f"{each.get('since')} to {each.get('until')}: {_number(each.get('return'), '+.2%')} by {each.get('set')}"
            for each in choices[-_MOST_WINDOWS:]
        ]
        told += [f"- {line}" for line in study.get("told") or []]
        tried = [f"{len(trials)} sets tried, {len(choices)} windows:"] if (trials := study.get("trials")) else []
        yield _block([str(study.get("what") or "All parameters together"), *tried, *told])


def _figure_parts(figures: Mapping[str, float]) -> Iterator[str]:
    deflated = {name: value for name, value in figures.items() if name.endswith("deflated_sharpe_probability")}
    if not deflated:
        yield "None: a record of orders is no choice among tried sets."
    else:
        is_shown = min(deflated.values()) >= SHOWN_SHARE
        yield (
            "`deflated_sharpe_probability`: that the true Sharpe ratio is above what the best of so many worthless "
            f"sets shows; below {SHOWN_SHARE:.0%} nothing has been shown. Here: "
            f"{'shown' if is_shown else '**not shown**'}. `overfitting_probability`: that picking the best overfits."
        )
    yield _block(f"{name}: {value:.6g}" for name, value in figures.items())


def _number(value: object, form: str) -> str:
    return format(float(value), form) if isinstance(value, int | float) else "unknown"


def _block(lines: Iterable[str], language: str = "text") -> str:
    """A fenced block; no line of it can end it, since none holds a backtick."""
    return "\n".join([f"```{language}", *(as_data(line) for line in lines), "```"])


def requests(copies: Path, known: Path, on: date) -> tuple[list[PullRequest], list[str]]:
    """Return a pull request for each new proposal, and what is wrong with sets that were left out."""
    found, wrong = new_sets(copies, known, on)
    week = newest_week(copies)
    return [
        PullRequest(name=each.name, file=data, body=body_of(each, data, week, _evidence(copies, each)))
        for each, data in found
    ], wrong


def _evidence(copies: Path, proposal: ParameterSet) -> Mapping[str, Any] | None:
    """The walk-forward that a proposal names; None where it names none, or none that can be read."""
    path = (copies / proposal.evidence.blob).resolve()
    try:
        found = json.loads(path.read_bytes()) if path.is_relative_to(copies.resolve()) else None
    except (OSError, ValueError):
        return None
    is_walk = isinstance(found, dict) and found.get("schema_id") in {"backtest-walkforward.v1", "governance.v1"}
    return found if is_walk else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a folder for each new proposal, and say on standard output, in Markdown, what there is to ask."""
    parser = argparse.ArgumentParser(prog="tools.retrospective", description="proposals as pull requests")
    parser.add_argument("--copies", type=Path, required=True, help="folder with copies of parameters and reports")
    parser.add_argument("--known", type=Path, required=True, help="folder of the repository's parameter files")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder a proposal")
    parser.add_argument("--on", type=date.fromisoformat, help="UTC date of the run (default: today)")
    options = parser.parse_args(arguments)
    made, wrong = requests(options.copies, options.known, options.on or SystemClock().now().date())
    for each in made:
        folder = options.out / each.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{each.name}.json").write_bytes(each.file)
        (folder / "body.md").write_text(each.body, encoding="utf-8")
    told = [f"Parameter set `{each.name}` is new." for each in made]
    for line in told or ["No change: nothing that was proposed in the last week is new. No pull request is needed."]:
        print(line)
    for line in wrong:
        print(_block([line]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
