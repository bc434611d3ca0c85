"""A run as files: CSV, JSON and one HTML page; and the summary that the dashboard reads."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shared.contracts.cases import case_blob
from shared.contracts.records import Container
from shared.core.values import iso, plain
from shared.ports import BlobStore
from shared.stages.evidence.shadows import row_of
from training.backtest.metrics import TradeFigures
from training.backtest.spec import totals
from training.backtest.study import Study
from training.spreadsheet import cell

SUMMARY_SCHEMA = "backtest-summary.v1"
CURVE_POINTS = 500
"""Most points of the equity curve in the summary."""


def write_run(made: Study, folder: Path, *, page: str) -> None:
    """Write every file of a run into a folder.

    Parameters
    ----------
    page : str
        The HTML report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "trades.csv", trade_rows(made))
    write_csv(folder / "days.csv", day_rows(made))
    write_csv(folder / "equity.csv", curve_rows(made))
    write_csv(folder / "splits.csv", split_rows(made))
    write_csv(folder / "shadows.csv", shadow_rows(made))
    (folder / "summary.json").write_bytes(summary_bytes(made))
    (folder / "report.html").write_text(page, encoding="utf-8")
    for name, data in made.outcome.cases.items():
        path = folder / Container.CASES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def upload(made: Study, blobs: BlobStore) -> str:
    """Write the summary where the dashboard looks for it; return the blob's name in container reports."""
    name = f"backtests/{made.run_id}/summary.json"
    blobs.put(Container.REPORTS, name, summary_bytes(made))
    return name


def write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows of the same columns; nothing but a line end where there is no row."""
    found = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(list(found[0]) if found else [])
        writer.writerows([cell(value) for value in row.values()] for row in found)


def trade_rows(made: Study) -> list[dict[str, object]]:
    """One row for each trade."""
    return [
        {
            "date": trade.on.isoformat(),
            "slot": f"{trade.slot[:2]}:{trade.slot[2:]}",
            "symbol": trade.symbol,
            "strategy": trade.strategy,
            "session": trade.session,
            "event": trade.event,
            "regime": trade.regime,
            "entered_at": trade.entered_at,
            "left_at": trade.left_at,
            "held_min": round(trade.held_min, 1),
            "qty": plain(trade.qty),
            "entry_usd": round(trade.entry_usd, 4),
            "exit_usd": round(trade.exit_usd, 4),
            "gross_usd": round(trade.gross_usd, 2),
            "fees_usd": round(trade.fees_usd, 2),
            "net_usd": round(trade.net_usd, 2),
            "net_bp": round(1e4 * trade.net_return, 2),
            "exit": trade.exit_reason,
            "slippage_bp": round(trade.slippage_bp, 2),
            "spread_bp": round(trade.spread_bp, 2),
            "p_up": _rounded(trade.p_up, 4),
            "p_down": _rounded(trade.p_down, 4),
            "expected_move_bp": _rounded(trade.expected_move_bp, 2),
            "in_sample": trade.in_sample,
            "decision_id": trade.decision_id,
            "case": case_of(trade.on, trade.decision_id),
        }
        for trade in made.outcome.trades
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def case_of(on: date, decision_id: str) -> str:
    """Name of a decision's case file, in container cases."""
    return f"{Container.CASES}/{case_blob(on, decision_id)}"


def day_rows(made: Study) -> list[dict[str, object]]:
    """One row for each day."""
    return [
        {
            "date": day.on.isoformat(),
            "opening_usd": round(day.opening_usd, 2),
            "closing_usd": round(day.closing_usd, 2),
            "return": day.day_return,
            "trades": len(day.trades),
            "scored": day.scored,
            "approved": day.decisions.get("approved", 0),
            "refused": day.decisions.get("refused", 0),
            "fills": day.fills,
            "bought_usd": round(day.bought_usd, 2),
            "sold_usd": round(day.sold_usd, 2),
            "regime": day.regime,
            "model": day.model,
            "in_sample": day.in_sample,
            "universe_level": day.benchmark,
            "spy_level": day.spy,
        }
        for day in made.outcome.days
    ]


def curve_rows(made: Study) -> list[dict[str, object]]:
    """The equity curve: the account every five minutes."""
    return [
        {
            "at": point.at,
            "equity_usd": round(point.equity_usd, 2),
            "exposure_usd": round(point.exposure_usd, 2),
            "positions": point.positions,
        }
        for day in made.outcome.days
        for point in day.points
    ]


def split_rows(made: Study) -> list[dict[str, object]]:
    """Figures of every part of every split."""
    return [
        {"split": name, "part": part, **dataclasses.asdict(figures)}
        for name, parts in made.splits.items()
        for part, figures in parts.items()
    ]


def shadow_rows(made: Study) -> list[dict[str, object]]:
    """One row for each decision that was not made as planned, as table shadows has it."""
    return [{"date": day.on.isoformat(), **row_of(each)} for day in made.outcome.days for each in day.shadows]


def summary_bytes(made: Study) -> bytes:
    """The summary as JSON; what is not a finite number is null."""
    return json.dumps(_plain(summary(made)), indent=1, sort_keys=True).encode()


def summary(made: Study) -> dict[str, Any]:
    """What the dashboard shows of a run: `backtest-summary.v1`, described in docs/BACKTEST.md."""
    outcome, days = made.outcome, made.outcome.days
    return {
        "schema_id": SUMMARY_SCHEMA,
        "run_id": made.run_id,
        "data": outcome.spec.bars.name,
        "content_id": outcome.content_id,
        "since": days[0].on.isoformat(),
        "until": days[-1].on.isoformat(),
        "models": list(outcome.models),
        "settings": dict(sorted(outcome.spec.changed.items())),
        "verdict": made.verdict,
        "reasons": list(made.reasons),
        "in_sample_days": made.in_sample_days,
        "run": dataclasses.asdict(made.run),
        "trades": dataclasses.asdict(made.trades),
        "benchmarks": [dataclasses.asdict(each) for each in made.benchmarks],
        "splits": {
            name: {part: _short(figures) for part, figures in parts.items()} for name, parts in made.splits.items()
        },
        "deflated_sharpe": dataclasses.asdict(made.deflated),
        "overfitting": None if made.overfit is None else dataclasses.asdict(made.overfit),
        "chance": {
            "runs": made.chance.runs,
            "drawdown_quantiles": list(made.chance.drawdown),
            "total_usd_quantiles": list(made.chance.total_usd),
            "halted": made.chance.ruin,
            "loss": made.chance.loss,
        },
        "calibration_up": [
            {"stated": each.p_mean, "came": each.frequency, "rows": each.rows} for each in made.calibration_up
        ],
        "brier_up": made.brier_up,
        "brier_base": made.brier_base,
        "importances": [{"name": name, "permutation": value} for name, value in made.importances[:25]],
        "funnel": made.funnel,
        "refused_by": totals(days, "refused_by"),
        "value_of_refusals": [dataclasses.asdict(each) for each in made.refusals],
        "curve": [{"at": iso(at), "equity_usd": equity} for at, equity in _curve(made)],
        "seconds": {name: round(value, 3) for name, value in outcome.seconds.items()},
        "wall_s": outcome.wall_s,
        "bars": outcome.bars,
    }


def _short(figures: TradeFigures) -> dict[str, float]:
    names = ("trades", "net_usd", "win_rate", "expectancy_bp", "profit_factor", "t")
    return {name: getattr(figures, name) for name in names}


def _curve(made: Study) -> list[tuple[datetime, float]]:
    points = [(point.at, round(point.equity_usd, 2)) for day in made.outcome.days for point in day.points]
    step = max(1, math.ceil(len(points) / CURVE_POINTS))
    return points[::step] + (points[-1:] if points and (len(points) - 1) % step else [])


def _plain(value: Any) -> Any:
    """JSON has no word for NaN and infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value
