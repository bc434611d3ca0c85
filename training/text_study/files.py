"""A study as files: report.json, events.csv, cohorts.csv; equal inputs give equal bytes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.ids import canonical_json, digest
from training.backtest.files import write_csv
from training.text_study.events import entries_of
from training.text_study.reading import FIRST
from training.text_study.study import TextStudy

REPORT_SCHEMA = "text-study.v1"
DIGITS = 10
"""Of a figure in the report: what is behind them is the machine's."""


def write_study(made: TextStudy, folder: Path, *, page: str) -> str:
    """Write every file of a study into a folder; return the digest of its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    report = report_of(made)
    (folder / "report.json").write_bytes(canonical_json(report) + b"\n")
    write_csv(folder / "events.csv", event_rows(made))
    write_csv(folder / "cohorts.csv", cohort_rows(made))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return str(report["digest"])


def report_of(made: TextStudy) -> dict[str, Any]:
    """All figures, `text-study.v1`; what is not a finite number is null. `digest` is of everything else."""
    of, spec = made.material, made.material.spec
    report = {
        "schema_id": REPORT_SCHEMA,
        "study_id": made.study_id,
        "stories": {"file": of.stories.name, "content_id": of.stories.content_id, "told": of.stories.told},
        "bars": {
            "file": of.board.name,
            "content_id": of.board.content_id,
            "timeframe": str(of.board.timeframe),
            "symbols": len(of.board.symbols),
            "told": of.board.told,
        },
        "reader": of.read.versions,
        "settings": {
            name: getattr(spec, name)
            for name in ("echo_cosine", "cost_bp", "delay_s", "shuffles", "draws", "seed", "allow_contaminated")
        }
        | {"knowledge_cutoff": spec.cutoff and spec.cutoff.isoformat()},
        "counts": {
            "stories": int(of.beside.sum()),
            "echoes": int((of.beside & ~of.read.is_first).sum()),
            "contaminated": int((of.beside & of.contaminated).sum()),
            "past_only": int((~of.beside).sum()),
        },
        "verdict": made.verdict,
        "reasons": made.reasons,
        "horizons": [
            {
                "name": each.name,
                "figures": dataclasses.asdict(each.figures),
                "by_dates": {name: dataclasses.asdict(found) for name, found in each.by_dates.items()},
                "by_symbols": {name: dataclasses.asdict(found) for name, found in each.by_symbols.items()},
                "controls": [
                    {
                        "name": control.name,
                        "says": control.says,
                        "p": control.p,
                        "mean": float(np.mean(control.values)),
                        "deviation": float(np.std(control.values)),
                        "runs": int(control.values.size),
                    }
                    for control in each.controls
                ],
                "shifts": {name: {"ic": ic, "events": count} for name, (ic, count) in each.shifts.items()},
            }
            for each in made.horizons
        ],
        "cohorts": [dataclasses.asdict(cohort) for cohort in made.cohorts],
    }
    plain: dict[str, Any] = _plain(report)
    return plain | {"digest": digest(canonical_json(plain) + canonical_json(_plain(event_rows(made))))[:20]}


def cohort_rows(made: TextStudy) -> list[dict[str, object]]:
    """One row for each cohort that was looked at."""
    return [
        {
            "horizon": each.horizon,
            "kind": each.kind,
            "name": each.name,
            **dataclasses.asdict(each.figures),
            "ic_low": each.ic.low,
            "ic_high": each.ic.high,
            "net_low": each.net.low,
            "net_high": each.net.high,
            "p": each.p,
            "q": each.q,
        }
        for each in made.cohorts
    ]


def event_rows(made: TextStudy) -> list[dict[str, object]]:
    """One row for each story beside bars, in the order they were received."""
    of = made.material
    met = [(each, entries_of(of.stories, each)) for each in of.board.horizons]
    number = np.cumsum(of.beside)
    rows = []
    for k in np.flatnonzero(of.beside).tolist():
        source = int(of.read.echo_of[k])
        symbol = of.stories.symbols[int(of.stories.code[k])]
        row: dict[str, object] = {
            "story": int(number[k]),
            "symbol": symbol,
            "received_at": _instant(int(of.stories.at_s[k]) - of.spec.delay_s),
            "type": of.kinds[k],
            "polarity": _rounded(float(of.read.polarity[k])),
            "z": _rounded(float(of.z[k])),
            "novelty": _rounded(float(of.read.novelty[k])),
            "echo_of": int(number[source]) or "" if source != FIRST else "",
            "status": "echo" if source != FIRST else "used" if of.used[k] else "contaminated",
        }
        for returns, entries in met:
            place, name = int(entries.place[k]), returns.name
            is_met = place >= 0
            row[f"{name}: entry"] = _instant(int(entries.entry_s[k])) if is_met else ""
            row[f"{name}: gross"] = _rounded(float(returns.gross[symbol][place])) if is_met else ""
            row[f"{name}: excess"] = _rounded(float(returns.excess[symbol][place])) if is_met else ""
        row["text"] = of.stories.texts[k]
        rows.append(row)
    return rows


def _instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _rounded(value: float) -> float:
    """Six digits: what a float32 model says beyond them is the machine's."""
    return round(value, 6) + 0.0


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0 if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value
