"""Every chart, as a plotly figure: quiet lines, one colour for a meaning, New York time on the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard import units
from shared.core.sessions import NEW_YORK

INK, MUTED, RULE = "#24323d", "#74838f", "#e4e8eb"
ACCENT, GAIN, LOSS, WARN = "#2f6f8f", "#3c8a6e", "#b5564b", "#b98a2f"
SERIES = (ACCENT, "#8a6fa8", WARN, GAIN, "#7a8b52", LOSS)
FONT = '"Source Sans", sans-serif'
"""That of the pages."""


def styled(figure: go.Figure, *, height: int = 280, legend: bool = False) -> go.Figure:
    """Give a figure the look of all."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "size": 12, "family": FONT},
        hovermode="x unified",
        showlegend=legend,
        legend={"orientation": "h", "y": 1.08, "x": 0},
        bargap=0.35,
    )
    figure.update_xaxes(gridcolor=RULE, zeroline=False, linecolor=RULE, automargin=True)
    figure.update_yaxes(gridcolor=RULE, zeroline=False, automargin=True)
    return figure


def new_york(times: pd.Series) -> pd.Series:
    """Wall times in New York without their zone, since plotly would show UTC."""
    return pd.Series(times.dt.tz_convert(NEW_YORK).dt.tz_localize(None))


def _hover(shown: str, of: str) -> str:
    """What is shown at a point, with `of` beside it."""
    return f"{shown}<extra>{of}</extra>"


def _line(name: str, x: Any, y: Any, shown: str, *, colour: str = ACCENT, width: int = 2) -> go.Scatter:
    look = {"mode": "lines", "line": {"color": colour, "width": width}}
    return go.Scatter(x=x, y=y, name=name, hovertemplate=_hover(shown, name), **look)


def _equity(equity: pd.DataFrame) -> go.Scatter:
    return _line("equity", new_york(equity["at"]), equity["equity_usd"], "%{y:,.2f} USD")


def equity_day(equity: pd.DataFrame, fills: pd.DataFrame, opening_usd: float | None) -> go.Figure:
    """Equity over one day, with the opening's level and the fills on the line."""
    figure = go.Figure(_equity(equity))
    if opening_usd is not None:
        figure.add_hline(y=opening_usd, line={"color": MUTED, "width": 1, "dash": "dot"})
    for side, colour, sign in (("buy", GAIN, "triangle-up"), ("sell", LOSS, "triangle-down")):
        part = fills[fills["side"] == side].sort_values("occurred_at")
        if part.empty or equity.empty:
            continue
        placed = pd.merge_asof(part, equity[["at", "equity_usd"]], left_on="occurred_at", right_on="at")
        x, y = new_york(placed["occurred_at"]), placed["equity_usd"]
        marker = {"color": colour, "symbol": sign, "size": 9, "line": {"color": "white", "width": 1}}
        qty, price = placed["qty"].map(units.quantity), placed["price_usd"].map("{:.2f}".format)
        words = {"text": placed["symbol"] + " " + qty + " at " + price, "hovertemplate": _hover("%{text}", side)}
        figure.add_scatter(x=x, y=y, mode="markers", name=side, marker=marker, **words)
    figure.update_yaxes(tickformat=",.0f", title="USD")
    figure.update_xaxes(tickformat="%H:%M", title="ET")
    return styled(figure, legend=True)


def equity_and_drawdown(equity: pd.DataFrame, fallen: pd.Series) -> go.Figure:
    """Equity over sessions, above how far it stands under its highest."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    under = _line("drawdown", new_york(equity["at"]), -fallen, "%{y:.2%}", colour=LOSS, width=1)
    figure.add_trace(_equity(equity), row=1, col=1)
    figure.add_trace(under.update(fill="tozeroy", fillcolor="rgba(181,86,75,0.18)"), row=2, col=1)
    figure.update_yaxes(tickformat=",.0f", title="USD", row=1, col=1)
    figure.update_yaxes(tickformat=".2%", title="drawdown", row=2, col=1)
    if equity["on"].nunique() > 1:
        figure.update_xaxes(rangebreaks=[{"bounds": ["sat", "mon"]}, {"bounds": [20, 4], "pattern": "hour"}])
    return styled(figure, height=400)


def signed_bars(values: pd.Series, *, unit: str, height: int = 240) -> go.Figure:
    """One bar a group: gains and losses in their colours."""
    names, heights = [str(name) for name in values.index], [float(value) for value in values]
    width = min(0.7, 0.15 * len(names))  # one group alone is no wall
    look = {"marker_color": [GAIN if value >= 0 else LOSS for value in heights], "width": width}
    figure = go.Figure(go.Bar(x=names, y=heights, **look, hovertemplate=_hover("%{y:,.2f} " + unit, "%{x}")))
    figure.update_yaxes(title=unit, zeroline=True, zerolinecolor=MUTED)
    figure.update_xaxes(type="category")
    return styled(figure, height=height)


def intervals(values: Sequence[tuple[str, float, float, float]], *, unit: str) -> go.Figure:
    """Figures and their intervals lying under each other, the first on top: name, value, low, high."""
    names, found = [name for name, *_ in values], [value for _, value, _, _ in values]
    reach: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [high - value for _, value, _, high in values],
        "arrayminus": [value - low for _, value, low, _ in values],
        "color": MUTED,
        "thickness": 1.2,
    }
    marker = {"size": 8, "color": [GAIN if value >= 0 else LOSS for value in found]}
    shown = _hover("%{x:+,.1f} " + unit, "%{y}")
    figure = go.Figure(go.Scatter(x=found, y=names, mode="markers", marker=marker, error_x=reach, hovertemplate=shown))
    styled(figure, height=60 + 26 * len(names))
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(title=unit, zeroline=True, zerolinecolor=MUTED)
    return figure.update_layout(hovermode="closest")


def count_bars(values: Mapping[str, float], *, height: int | None = None, colour: str = ACCENT) -> go.Figure:
    """Counts as lying bars, the first on top, each with its number."""
    names = [f"{name} " for name in values]
    numbers = {"texttemplate": "%{x:,.6~g}", "textposition": "outside", "hovertemplate": _hover("%{x:,}", "%{y}")}
    bars = go.Bar(y=names, x=list(values.values()), orientation="h", marker_color=colour, cliponaxis=False, **numbers)
    figure = go.Figure(bars)
    styled(figure, height=height or 30 + 26 * max(len(names), 1))
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    least, most = min([0.0, *values.values()]), max([0.0, *values.values()])
    figure.update_xaxes(visible=False, range=[1.15 * least, 1.15 * most or 1.0])  # room for the numbers
    return figure.update_layout(hovermode="closest")


def histogram(values: pd.Series, *, title: str, tickformat: str = "") -> go.Figure:
    """How values are distributed around zero."""
    figure = go.Figure(go.Histogram(x=values, nbinsx=25, marker_color=ACCENT, hovertemplate=_hover("%{y}", "%{x}")))
    figure.add_vline(x=0, line={"color": MUTED, "width": 1})
    figure.update_xaxes(title=title, tickformat=tickformat)
    figure.update_yaxes(title="count")
    return styled(figure, height=240)


def scores(signals: pd.DataFrame) -> go.Figure:
    """Edge against expected move of every opinion; those that policy wanted stand out."""
    figure = go.Figure()
    for wanted, colour, size in ((False, "rgba(116,131,143,0.35)", 5), (True, GAIN, 9)):
        part = signals[(signals["policy"] == "ENTER") == wanted]
        name, text = "to be entered" if wanted else "left alone", part["symbol"] + " " + part["slot"]
        look = {"mode": "markers", "marker": {"color": colour, "size": size}}
        hover = _hover("%{text}<br>edge %{x:.3f}, move %{y:.1f} bp", "")
        figure.add_scattergl(
            x=part["edge"], y=part["expected_move_bp"], name=name, text=text, hovertemplate=hover, **look
        )
    figure.update_xaxes(title="edge (p up less p down)", tickformat=".2f")
    figure.update_yaxes(title="expected move, bp")
    return styled(figure, height=320, legend=True).update_layout(hovermode="closest")


def lines(series: Mapping[str, tuple[Sequence[object], Sequence[float]]], *, unit: str) -> go.Figure:
    """Several curves over each other, each (x, y) under its name."""
    figure = go.Figure()
    for number, (name, (x, y)) in enumerate(series.items()):
        colour = SERIES[number % len(SERIES)]
        figure.add_trace(_line(name, list(x), list(y), "%{y:,.2f} " + unit, colour=colour))
    figure.update_yaxes(title=unit)
    return styled(figure, height=340, legend=True)


def reliability(curves: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """How often up came (y) where it was given that probability (x); the diagonal is honest."""
    top = max((max(point) for curve in curves.values() for point in curve), default=1.0) * 1.1
    figure = go.Figure()
    figure.add_scatter(x=[0, top], y=[0, top], mode="lines", line={"color": MUTED, "dash": "dot"}, name="honest")
    for number, (name, points) in enumerate(curves.items()):
        x, y = [x for x, _ in points], [y for _, y in points]
        line = {"color": SERIES[number % len(SERIES)]}
        figure.add_scatter(x=x, y=y, mode="lines+markers", name=name, line=line)
    figure.update_xaxes(title="mean p up", tickformat=".0%", range=[0, top])
    figure.update_yaxes(title="up came", tickformat=".0%", range=[0, top])
    return styled(figure, height=320, legend=True)
