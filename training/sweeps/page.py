"""What a sweep says: a verdict, a table, one page that needs nothing beside it, and the same as data."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.market import FloatArray
from simulation.market.bar_rows import EPOCH
from training import report_style
from training.backtest import svg
from training.backtest.metrics import NAN, drawdowns
from training.backtest.page import bp, number, percent
from training.sweeps.grid import ParameterValue
from training.sweeps.run import LEAST_DAYS, Sweep

TEMPLATE = Path(__file__).with_name("page.html.j2")
SHOWN_SETS = 10
LEAST_PROBABILITY = 0.95
"""Of a true Sharpe ratio above what luck gives, from which something has been shown."""
BIASES = (
    "A decision fills at the open of the next bar, stop and target at their price: nobody waits in a queue.",
    "No spread and no volume: slippage is one number, and an order of any size fills whole.",
    "No account: each symbol has capital of its own, all of it in each trade. No gate, no limit, no budget.",
    "The symbols are those of the file: what has left the market before its end may be missing, which flatters.",
)


def verdict(made: Sweep) -> tuple[str, bool, list[str]]:
    """A sentence, whether it is a good one, and what it rests on."""
    best, luck, judged = made.best, made.deflated, made.overfitting
    reasons = [
        f"Sets tried: {len(made.sets):,}, on {len(made.market.symbols):,} symbols over {made.market.dates.size:,} days."
    ]
    if not best.trades:
        return "No set made a trade.", False, reasons
    expected = f"the best of so many worthless sets is expected to show {number(luck.threshold * math.sqrt(252))}"
    if len(made.sets) == 1:
        expected = "a worthless one is expected to show none"
    share = percent(luck.probability, 1)
    reasons.append(
        f"The best has a Sharpe ratio of {number(best.sharpe)}; {expected}. The true one is above that with a "
        f"probability of {share} (deflated Sharpe ratio; evidence from {LEAST_PROBABILITY:.0%} on)."
    )
    if judged is not None:
        reasons.append(
            f"What is best on one half of the days is in the lower half of the sets on the other in "
            f"{percent(judged.probability, 0)} of {judged.splits} ways to halve them (probability of overfitting)."
        )
    elif len(made.sets) > 1:
        reasons.append(f"Under {LEAST_DAYS} days nothing can be said of overfitting.")
    if not best.sharpe > 0:
        return "No set has earned anything.", False, reasons
    is_good = luck.probability >= LEAST_PROBABILITY and (judged is None or judged.probability < 0.5)
    if is_good:
        return "The best set is better than luck alone explains, before what a sweep leaves out.", True, reasons
    return "Nothing has been shown: luck may have picked the best set.", False, reasons


def shown_values(values: dict[str, ParameterValue]) -> str:
    """A set's values in one line."""
    return " ".join(f"{name}={value:g}" for name, value in values.items()) or "defaults"


def render(made: Sweep) -> str:
    """Return the page."""
    sentence, is_good, reasons = verdict(made)
    heat, axes = heat_table(made)
    return report_style.template(TEMPLATE, percent=percent, bp=bp, number=number).render(
        made=made,
        best=made.best,
        sentence=sentence,
        is_good=is_good,
        reasons=reasons,
        sets=[(shown_values(each.values), each) for each in made.sets[:SHOWN_SETS]],
        hidden=max(0, len(made.sets) - SHOWN_SETS),
        heat=heat,
        axes=axes,
        charts=_charts(made),
        biases=BIASES,
        night=_night(made),
        style=report_style.style(),
        colours={"accent": report_style.ACCENT, "faint": report_style.FAINT},
    )


def _night(made: Sweep) -> str:
    if not next(iter(made.market.symbols.values())).days.is_intraday:
        return "Positions are held over nights; the app holds none."
    if made.flat_at_close:
        return "A position is left at the open of the day's last bar; the app leaves ten minutes before the close."
    return "Positions are held over nights, as was asked for; the app holds none."


def heat_table(made: Sweep) -> tuple[str, str]:
    """A map of the Sharpe ratio over the two parameters with most values, the best over the others, and its title."""
    names = sorted((name for name, values in made.grid.axes.items() if len(values) > 1), key=lambda n: -_count(made, n))
    if not names:
        return "", ""
    first, second = (names[0], names[1] if len(names) > 1 else "")
    rows = sorted(made.grid.axes[second]) if second else [0.0]
    columns = sorted(made.grid.axes[first])
    table: FloatArray = np.full((len(rows), len(columns)), NAN)
    for each in made.sets:
        at = (rows.index(each.values[second]) if second else 0, columns.index(each.values[first]))
        table[at] = np.fmax(table[at], each.sharpe)
    title = f"{first} and {second}" if second else first
    others = ", the best over the other parameters" if len(names) > 2 else ""
    drawn = svg.heat_map(
        table,
        [f"{value:g}" for value in rows] if second else [""],
        [f"{value:g}" for value in columns],
        axes=(second, first),
        y_format=number,
        label=f"Sharpe ratio by {title}",
    )
    return drawn, f"Sharpe ratio by {title}{others}"


def _count(made: Sweep, name: str) -> int:
    return len(made.grid.axes[name])


def _charts(made: Sweep) -> dict[str, str]:
    x = np.arange(made.market.dates.size, dtype=np.float64)
    equity = made.best.equity
    marks = _marks(made)
    return {
        "equity": svg.line_chart(
            [
                svg.ChartLine(name="held", x=x, y=made.held, colour=report_style.FAINT, width=1.3),
                svg.ChartLine(name="best set", x=x, y=equity, width=2.2),
            ],
            height=320,
            y_format=number,
            x_labels=marks,
            zero=1.0,
            label="Capital over that at the start",
        ),
        "drawdown": svg.line_chart(
            [
                svg.ChartLine(
                    name="drawdown",
                    x=x,
                    y=-drawdowns(np.concatenate([[1.0], equity]))[1:],
                    colour=report_style.LOSS,
                    is_filled=True,
                )
            ],
            height=150,
            y_format=lambda value: percent(value, 1),
            x_labels=marks,
            zero=0.0,
            label="Drawdown of the best set from its peak",
        ),
    }


def _marks(made: Sweep) -> list[tuple[float, str]]:
    """At most eight dates."""
    count = made.market.dates.size
    at = np.unique(np.linspace(0, count - 1, min(8, count)).astype(int)).tolist()
    return [(float(k), f"{EPOCH + timedelta(days=int(made.market.dates[k])):%d %b %Y}") for k in at]


def as_data(made: Sweep) -> dict[str, Any]:
    """A sweep as plain data; what is not known is null."""
    sentence, is_good, _ = verdict(made)
    luck, judged = made.deflated, made.overfitting
    return {
        "schema_id": "sweep.v1",
        "strategy": made.strategy,
        "file": made.market.file,
        "timeframe": made.market.timeframe.value,
        "symbols": len(made.market.symbols),
        "days": int(made.market.dates.size),
        "first": made.market.first.isoformat(),
        "last": made.market.last.isoformat(),
        "fee": made.costs.fee,
        "slippage": made.costs.slippage,
        "flat_at_close": made.flat_at_close,
        "trials": len(made.sets),
        "refused": made.grid.refused,
        "verdict": sentence,
        "is_evidence": is_good,
        "deflated_sharpe_probability": _known(luck.probability),
        "luck_sharpe": _known(luck.threshold * math.sqrt(252)),
        "overfitting_probability": None if judged is None else _known(judged.probability),
        "held_growth": float(made.held[-1]),
        "sets": [
            {
                "values": dict(each.values),
                "trades": each.trades,
                "win_rate": _known(each.win_rate),
                "mean_bp": _known(each.mean_bp),
                "growth": each.growth,
                "sharpe": _known(each.sharpe),
                "max_drawdown": each.max_drawdown,
            }
            for each in made.sets
        ],
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
