"""Replay decisions of a day from what storage keeps: `python -m sandbox replay [CASE]`."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from sandbox.books import opened
from sandbox.state import DAY_FOLDER
from shared.contracts.cases import WITHIN_TOLERANCE, Case, Replay, ReplayCheck, case_blob
from shared.contracts.records import Container
from shared.core.case_figures import sample
from shared.core.errors import ContractError, SettingsError
from shared.ports import NightPorts
from shared.stages.evidence.case_maker import CaseMaker, DayRecords, day_records
from shared.stages.evidence.nightly import load_case
from shared.stages.evidence.replay import Replayer

_DECISION_ID = re.compile(r"[0-9a-f]{20}")
_BLOB = re.compile(r"(?:cases/)?(\d{4}-\d\d-\d\d)/([0-9a-f]{20})\.json")
_SHOWN = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A case and what its replay found."""

    case: Case
    replay: Replay


def replay(
    console: Console,
    *,
    case: str = "",
    on: date | None = None,
    count: int = 0,
    storage: str = "",
    folder: Path = DAY_FOLDER,
    json_file: Path | None = None,
) -> int:
    """Replay, print what differs and the counts; return 0 if every replay agrees, 1 if one does not.

    Parameters
    ----------
    case, on, count
        As `replayed` takes them.
    storage, folder
        As `sandbox.books.opened` takes them.

    Raises
    ------
    SettingsError
        If there is nothing to replay.
    """
    with opened(storage, folder) as ports:
        found = list(replayed(ports, case, on=on, count=count))
    _show(found, console)
    if json_file:
        document = [
            {
                "decision_id": item.case.decision_id,
                "equal": item.replay.equal,
                "agrees": item.replay.agrees,
                "close": {c.name: [c.recorded, c.replayed] for c in item.replay.within_tolerance},
                "differs": {c.name: [c.recorded, c.replayed] for c in item.replay.differences},
            }
            for item in found
        ]
        json_file.write_text(json.dumps(document, indent=1))
    return 0 if all(item.replay.agrees for item in found) else 1


def replayed(ports: NightPorts, case: str = "", *, on: date | None = None, count: int = 0) -> Iterator[Replayed]:
    """Replay one by one.

    Parameters
    ----------
    case : str
        A decision's id, a case file's name in Blob, or a file; empty: a whole day.
    on : date or None
        The day; None: the last one that has cases.
    count : int
        Decisions of the day: those with a case file first, then what policy did not want; 0: all case files.
    """
    replayer = Replayer(ports, ports.archive)
    for each in [_case(ports, case, on)] if case else _cases(ports, on or last_day(ports), count):
        yield Replayed(case=each, replay=replayer.replay(each))


def _cases(ports: NightPorts, on: date, count: int) -> Iterator[Case]:
    names = ports.blobs.names(Container.CASES, f"{on}/")
    chosen = sample(names, count, str(on)) if count else names
    yield from (case for name in chosen if (case := load_case(ports, name)) is not None)
    if count > len(names):
        yield from _scored_only(ports, day_records(ports, on), count - len(names))


def _scored_only(ports: NightPorts, records: DayRecords, most: int) -> Iterator[Case]:
    """Opinions that policy did not want, or that never came to the gates: in the order of their slices."""
    maker = CaseMaker(ports, ports.archive, records)
    kept = [key for key, row in records.signals.items() if row.get("features_blob") and key not in records.decisions]
    chosen = sample(kept, most, str(records.on))
    for decision_id in sorted(chosen, key=lambda key: str(records.signals[key]["features_blob"])):
        yield maker.case(decision_id)


def _case(ports: NightPorts, case: str, on: date | None) -> Case:
    if named := _BLOB.fullmatch(case):
        return _by_id(ports, date.fromisoformat(named[1]), named[2])
    if _DECISION_ID.fullmatch(case):
        return _by_id(ports, on or _day_of(ports, case), case)
    path = Path(case)
    if not path.is_file():
        raise SettingsError(f"CASE must be a decision's id, YYYY-MM-DD/ID.json or a file, got {case!r}")
    return ports.codec.decode(Case, path.read_bytes())


def _by_id(ports: NightPorts, on: date, decision_id: str) -> Case:
    """The case file of a decision; made from the tables where none has been written."""
    case = load_case(ports, case_blob(on, decision_id))
    return case or CaseMaker(ports, ports.archive, day_records(ports, on)).case(decision_id)


def _day_of(ports: NightPorts, decision_id: str) -> date:
    for name in reversed(ports.blobs.names(Container.CASES, "")):
        if name.endswith(f"/{decision_id}.json"):
            return date.fromisoformat(name.partition("/")[0])
    with contextlib.suppress(SettingsError):
        return last_day(ports)
    raise ContractError(f"no case file of {decision_id}: give its day with --on")


def last_day(ports: NightPorts) -> date:
    """The last day that has case files, else the last whose inputs were kept."""
    for container in (Container.CASES, Container.FEATURES):
        if names := ports.blobs.names(container, ""):
            return date.fromisoformat(names[-1].partition("/")[0])
    raise SettingsError("this storage holds no decisions")


def _show(found: Sequence[Replayed], console: Console) -> None:
    table = RichTable(title="Parts that differ", title_justify="left")
    for heading in ("decision", "part", "recorded", "replayed"):
        table.add_column(heading, overflow="fold")
    for item in found:
        for check in item.replay.differences:
            case = item.case
            name = f"{case.on} {case.slot} {case.symbol}\n{case.decision_id}"
            table.add_row(name, check.name, check.recorded[:_SHOWN], check.replayed[:_SHOWN])
    if table.row_count:
        console.print(table)
    if len(found) == 1:
        case, checks = found[0].case, found[0].replay.checks
        console.print(
            f"{case.on} {case.slot} {case.symbol}: {case.ending}, decided by {case.code_revision or 'unknown'}"
        )
        console.print(", ".join(f"{check.name} {_finding(check)}" for check in checks))
    endings = Counter(item.case.ending.value for item in found)
    equal = sum(item.replay.equal for item in found)
    differ = sum(not item.replay.agrees for item in found)
    close = len(found) - equal - differ
    told = f" {close} {WITHIN_TOLERANCE}," if close else ""
    console.print(f"{len(found)} decisions replayed ({_counts(endings)}): {equal} equal,{told} {differ} differ.")


def _finding(check: ReplayCheck) -> str:
    return "equal" if check.equal else "within tolerance" if check.close else "differs"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
