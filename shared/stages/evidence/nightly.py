"""After the day: case files and shadow book, a check that decisions can be replayed, the tables exported for analysis.

The first job waits until an hour has passed since the last decision that could be, so that every later outcome is there
and a case is written once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from shared.contracts.cases import Case, Replay, case_blob
from shared.contracts.messages import Message
from shared.contracts.records import Container, Table, export_blob
from shared.core.case_figures import sample
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.market import Timeframe
from shared.core.schedule import DueJob, Job
from shared.core.sessions import pre_open_at
from shared.core.values import Symbol, iso
from shared.ports import NightPorts
from shared.stages.base.incidents import record_incident
from shared.stages.base.runs import run_due
from shared.stages.evidence.case_maker import CaseMaker, DayRecords, day_records
from shared.stages.evidence.case_parts import Seen
from shared.stages.evidence.replay import Replayer
from shared.stages.evidence.shadows import write_shadows

JOBS = frozenset({Job.CASES, Job.REPLAY_CHECK, Job.EXPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """`YYYY-MM-DD/replay.json` in container reports: what the nightly check found.

    `equal` counts the cases that came out the same bit for bit, `close` those that did but for floats within their
    tolerance (absent in reports of older code, which knew none). `differs` names each case that came out otherwise with
    the parts that differ; `revised` counts those of them that another revision of the code had decided, which may be
    right.
    """

    schema_id: str = "replay-report.v1"
    on: date
    made_at: str
    code_revision: str
    cases: int
    sampled: int
    equal: int
    close: int = 0
    revised: int
    differs: Mapping[str, tuple[str, ...]]


def close_books(ports: NightPorts) -> list[Message]:
    """Run whatever of the nightly jobs is due."""
    return run_due(ports, JOBS, lambda slot: run_slot(ports, slot))


def run_slot(ports: NightPorts, slot: DueJob) -> Sequence[Message]:
    """Run one of these jobs in its slot."""
    return _RUNS[slot.job](ports, slot)


def _write_cases(ports: NightPorts, slot: DueJob) -> Sequence[Message]:
    write_cases(ports, slot.on)
    return []


def write_cases(ports: NightPorts, on: date) -> int:
    """Write the case file of every decision that the gates saw on a day, and the day's shadows; return how many cases.

    One written before keeps what a replay has found.
    """
    records = day_records(ports, on)
    seen = _seen(ports, records)
    write_shadows(ports, records, seen)
    maker = CaseMaker(ports, ports.archive, records, seen)
    for decision_id in records.decisions:
        put_case(ports, maker.case(decision_id))
    return len(records.decisions)


def put_case(ports: NightPorts, case: Case) -> None:
    """Write a case file, over what stands there."""
    ports.blobs.put(Container.CASES, case_blob(case.on, case.decision_id), ports.codec.encode(case).encode())


def load_case(ports: NightPorts, name: str) -> Case | None:
    """Read a case file by its blob's name, None where there is none."""
    stored = ports.blobs.get(Container.CASES, name)
    return None if stored is None else ports.codec.decode(Case, stored.value)


def _seen(ports: NightPorts, records: DayRecords) -> Seen | None:
    """The day's bars of every symbol decided on, until now; None where the market does not answer."""
    symbols = sorted({Symbol(str(row["symbol"])) for row in records.decisions.values()})
    day, now = ports.calendar.day(records.on), ports.clock.now()
    if day is None or not symbols:
        return None
    try:
        return Seen(bars=ports.market.bars(symbols, Timeframe.MIN_5, pre_open_at(day), now), until=now)
    except (TransientError, ContractError, BrokerError):
        return None


def _check_replay(ports: NightPorts, slot: DueJob) -> Sequence[Message]:
    found = replay_sample(ports, slot.on)
    text = ports.codec.encode(found)
    ports.blobs.put(Container.REPORTS, f"{slot.on}/replay.json", text.encode())
    if len(found.differs) <= found.revised:
        return []
    parts = Counter(part for parts in found.differs.values() for part in parts)
    return record_incident(
        ports,
        slot.on,
        "replay-differs",
        now=ports.clock.now(),
        kind="replay-differs",
        title=f"{len(found.differs)} of {found.sampled} decisions came out otherwise in a replay",
        body=f"Parts that differ: {dict(sorted(parts.items()))}. See reports/{slot.on}/replay.json and docs/CASES.md.",
    )


def replay_sample(ports: NightPorts, on: date) -> ReplayReport:
    """Replay a sample of a day's cases, the same for the same day, and note in each what was found."""
    names = list(ports.blobs.names(Container.CASES, f"{on}/"))
    chosen = sample(names, ports.settings.cases.replay_sample, str(on))
    replayer = Replayer(ports, ports.archive)
    found: list[tuple[Case, Replay]] = []
    for name in chosen:
        case = load_case(ports, name)
        if case is not None:
            replay = replayer.replay(case)
            put_case(ports, replace(case, replay=replay))
            found.append((case, replay))
    otherwise = [(case, replay) for case, replay in found if not replay.agrees]
    equal = sum(replay.equal for _, replay in found)
    return ReplayReport(
        on=on,
        made_at=iso(ports.clock.now()),
        code_revision=ports.code_revision,
        cases=len(names),
        sampled=len(found),
        equal=equal,
        close=len(found) - len(otherwise) - equal,
        revised=sum(case.code_revision not in ("", ports.code_revision) for case, _ in otherwise),
        differs={case.decision_id: tuple(check.name for check in replay.differences) for case, replay in otherwise},
    )


def _export(ports: NightPorts, slot: DueJob) -> Sequence[Message]:
    export_day(ports, slot.on)
    return []


def export_day(ports: NightPorts, on: date) -> dict[str, int]:
    """Export a day's rows of every table; return how many of each. A table without rows that day has no file."""
    counts: dict[str, int] = {}
    for table in Table:
        rows = list(ports.tables.query(table, str(on)))
        if rows:
            ports.blobs.put(Container.EXPORTS, export_blob(table, on), ports.exporter.parquet(on, rows))
            counts[table.value] = len(rows)
    return counts


_RUNS = {Job.CASES: _write_cases, Job.REPLAY_CHECK: _check_replay, Job.EXPORT: _export}
