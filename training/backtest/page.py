"""The report: one HTML file with its charts inside, which needs nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from shared.core.refusals import HEAD, sections, spelled
from training import report_style
from training.backtest import svg
from training.backtest.files import case_of
from training.backtest.metrics import TradeFigures, drawdowns
from training.backtest.overfit import QUANTILES
from training.backtest.spec import totals
from training.backtest.study import Study

TEMPLATE = Path(__file__).with_name("page.html.j2")
SHOWN_TRADES = 400
SHOWN_SYMBOLS = 12
TITLES = {name: f"By {name}" for name in ("strategy", "session", "hour", "regime", "event", "exit", "month")}
MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"
VERDICTS = {
    "evidence": "The figures are evidence of an edge after costs.",
    "no evidence": "No edge has been shown.",
    "in sample": "In sample: this is not a result.",
    "contaminated": "Contaminated: the language model may have known how it ended.",
}


def render(made: Study, training: report_style.TrainingParts | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    made : Study
    training : TrainingParts, optional
        Of the models that traded: the page becomes the report of both.
    """
    template = report_style.template(TEMPLATE, usd=usd, percent=percent, bp=bp, number=number)
    trades = made.outcome.trades
    return template.render(
        made=made,
        outcome=made.outcome,
        verdict=VERDICTS[made.verdict],
        cards=_cards(made),
        charts=_charts(made),
        splits={title: made.splits[name] for name, title in TITLES.items() if name in made.splits},
        has_strategies="strategy" in made.splits,
        symbols=_extremes(made.splits["symbol"]),
        trades=trades[:SHOWN_TRADES],
        hidden=max(0, len(trades) - SHOWN_TRADES),
        case_of=case_of,
        has_cases=bool(made.outcome.cases),
        refused=totals(made.outcome.days, "refused_by"),
        refusals_head=HEAD,
        refusals={heading: [*map(spelled, lines)] for heading, lines in sections(made.refusals).items()},
        quantiles=list(zip(QUANTILES, made.chance.drawdown, made.chance.total_usd, strict=True)),
        training=training,
        style=report_style.style(),
        colours={"accent": report_style.ACCENT, "faint": report_style.FAINT},
    )


def _cards(made: Study) -> list[tuple[str, str, str, bool]]:
    """The figures of the head: name, value, what it is measured against, and whether it is a loss."""
    run, trades = made.run, made.trades
    mean = f"{usd(trades.expectancy_usd, sign=True)}, t {number(trades.t)}"
    held = f"{run.days} days, {number(trades.held_min, 0)} min held"
    in_market = f"in the market {percent(run.time_in_market, 0)}"
    return [
        ("Net result", usd(trades.net_usd, sign=True), percent(run.total_return, sign=True), trades.net_usd < 0),
        ("Sharpe ratio", number(run.sharpe), f"Sortino {number(run.sortino)}, t {number(run.t)}", run.sharpe < 0),
        ("Deepest drawdown", percent(run.max_drawdown), f"worst day {percent(run.worst_day)}", False),
        ("Trades", f"{trades.trades:,}", held, False),
        ("Win rate", percent(trades.win_rate, 0), f"profit factor {number(trades.profit_factor)}", False),
        ("Mean trade", bp(trades.expectancy_bp), mean, trades.expectancy_bp < 0),
        ("Exposure", percent(run.exposure, 0), in_market, False),
        ("Turnover a day", percent(run.turnover, 0), f"slippage {bp(trades.slippage_bp)} at entry", False),
    ]


def _charts(made: Study) -> Mapping[str, str]:
    points = [point for day in made.outcome.days for point in day.points]
    equity = np.array([point.equity_usd for point in points])
    x = np.arange(equity.size, dtype=float)
    labels = _month_marks(made)
    opening = made.run.opening_usd
    per_day = max(1.0, equity.size / max(made.run.days, 1))
    at_close = np.arange(1, made.run.days + 1, dtype=np.float64) * per_day - 1
    held = [
        svg.ChartLine(name=name, x=at_close, y=opening * np.array(levels), colour=colour, width=1.3, dash=dash)
        for name, levels, colour, dash in (
            ("SPY, held", [day.spy for day in made.outcome.days], report_style.FAINT, ""),
            ("universe, held", [day.benchmark for day in made.outcome.days], report_style.FAINT, "5 4"),
        )
        if not any(math.isnan(level) for level in levels)
    ]
    own = svg.ChartLine(name="equity", x=x, y=equity, width=2.2)
    under = drawdowns(np.concatenate([[opening], equity]))[1:]
    return {
        "equity": svg.line_chart(
            [*held, own], height=320, y_format=_thousands, x_labels=labels, zero=opening, label="Equity in USD"
        ),
        "drawdown": svg.line_chart(
            [svg.ChartLine(name="drawdown", x=x, y=-under, colour=report_style.LOSS, is_filled=True)],
            height=150,
            y_format=lambda value: percent(value, 1),
            x_labels=labels,
            zero=0.0,
            label="Drawdown from the peak",
        ),
        "days": svg.bar_chart(
            [(f"{day.on:%d %b}", day.closing_usd - day.opening_usd) for day in made.outcome.days],
            y_format=_thousands,
            label="Gain by day in USD",
            height=170,
        ),
        "chance": _fan(made),
        "calibration": svg.calibration_chart(
            [(b.p_mean, b.frequency, b.rows) for b in made.calibration_up], label="Calibration of the probability of up"
        ),
        "slippage": _histogram([trade.slippage_bp for trade in made.outcome.trades]),
    }


def _fan(made: Study) -> str:
    """Equity of the same trades in other orders, and in their own."""
    paths = made.chance.paths
    if not len(paths):
        return ""
    x = np.arange(paths.shape[1], dtype=float)
    own = np.concatenate([[made.run.opening_usd], [trade.net_usd for trade in made.outcome.trades]]).cumsum()
    lines = [svg.ChartLine(name="another order", x=x, y=path, colour=report_style.SOFT, width=0.6) for path in paths]
    return svg.line_chart(
        [*lines, svg.ChartLine(name="as it came", x=x, y=own, width=2.2)],
        height=260,
        y_format=_thousands,
        x_labels=[(float(x[-1]), f"{len(x) - 1} trades")],
        zero=made.run.opening_usd,
        label="Equity by number of trades, in the order that they came and in others",
    )


def _histogram(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = (float(value) for value in np.quantile(values, (0.01, 0.99)))
    counts, edges = np.histogram(values, bins=18 if high > low else 1, range=(low, high) if high > low else None)
    middle = (edges[:-1] + edges[1:]) / 2
    return svg.bar_chart(
        [(f"{at:.1f}", float(count)) for at, count in zip(middle, counts, strict=True)],
        y_format=lambda value: f"{value:.0f}",
        label="Trades by slippage at entry in basis points",
        height=180,
        width=600,
    )


def _month_marks(made: Study) -> list[tuple[float, str]]:
    marks: list[tuple[float, str]] = []
    place, last, length = 0, "", sum(len(day.points) for day in made.outcome.days)
    for day in made.outcome.days:
        text = f"{day.on:%b %Y}" if made.run.days > 40 else f"{day.on:%d %b}"
        if text != last and (not marks or place - marks[-1][0] > 0.06 * length):
            marks.append((float(place), text))
            last = text
        place += len(day.points)
    return marks


def _extremes(parts: Mapping[str, TradeFigures]) -> list[tuple[str, TradeFigures]]:
    """Symbols that gained and lost most."""
    ranked = sorted(parts.items(), key=lambda item: -item[1].net_usd)
    if len(ranked) <= SHOWN_SYMBOLS:
        return ranked
    return [*ranked[: SHOWN_SYMBOLS // 2], *ranked[-SHOWN_SYMBOLS // 2 :]]


def usd(value: float, *, sign: bool = False) -> str:
    """Dollars; a minus before the sign of currency."""
    if not math.isfinite(value):
        return NOTHING
    text = f"${abs(value):,.0f}" if abs(value) >= 100 else f"${abs(value):,.2f}"
    lead = MINUS if value < 0 else "+" if sign and value > 0 else ""
    return f"{lead}{text}"


def percent(value: float, digits: int = 2, *, sign: bool = False) -> str:
    """A fraction in percent."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:{'+' if sign else ''}.{digits}%}".replace("-", MINUS)


def bp(value: float) -> str:
    """Basis points."""
    return f"{value:+.1f} bp".replace("-", MINUS) if math.isfinite(value) else NOTHING


def number(value: float | None, digits: int = 2) -> str:
    """A plain figure."""
    if value is None:
        return NOTHING
    if math.isinf(value):
        return "∞"
    return f"{value:,.{digits}f}".replace("-", MINUS) if math.isfinite(value) else NOTHING


def _thousands(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{f'{value / 1000:,.1f}'.removesuffix('.0')}k".replace("-", MINUS)
    return f"{value:,.0f}".replace("-", MINUS)
