"""Every chart, as a plotly figure: quiet lines, one colour for a meaning, New York time on the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

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


def equity_day(equity: pd.DataFrame, fills: pd.DataFrame, opening_usd: float | None) -> go.Figure:
    """Equity over one day, with the opening's level and the fills on the line."""
    figure = go.Figure()
    times = new_york(equity["at"])
    figure.add_scatter(
        x=times, y=equity["equity_usd"], mode="lines", line={"color": ACCENT, "width": 2}, name="equity",
        hovertemplate="%{y:,.2f} USD<extra>equity</extra>",
    )  # fmt: skip
    if opening_usd is not None:
        figure.add_hline(y=opening_usd, line={"color": MUTED, "width": 1, "dash": "dot"})
    for side, colour, sign in (("buy", GAIN, "triangle-up"), ("sell", LOSS, "triangle-down")):
        part = fills[fills["side"] == side].sort_values("occurred_at")
        if part.empty or equity.empty:
            continue
        placed = pd.merge_asof(part, equity[["at", "equity_usd"]], left_on="occurred_at", right_on="at")
        figure.add_scatter(
            x=new_york(placed["occurred_at"]), y=placed["equity_usd"], mode="markers", name=side,
            marker={"color": colour, "symbol": sign, "size": 9, "line": {"color": "white", "width": 1}},
            text=placed["symbol"] + " " + placed["qty_shares"].map("{:.0f}".format) + " at "
            + placed["price_usd"].map("{:.2f}".format),
            hovertemplate="%{text}<extra>" + side + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(tickformat=",.0f", title="USD")
    figure.update_xaxes(tickformat="%H:%M", title="ET")
    return styled(figure, legend=True)


def equity_and_drawdown(equity: pd.DataFrame, fallen: pd.Series) -> go.Figure:
    """Equity over sessions, above how far it stands under its highest."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    times = new_york(equity["at"])
    figure.add_scatter(
        x=times, y=equity["equity_usd"], mode="lines", line={"color": ACCENT, "width": 2}, name="equity",
        hovertemplate="%{y:,.2f} USD<extra>equity</extra>", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=times, y=-fallen, mode="lines", line={"color": LOSS, "width": 1}, fill="tozeroy", name="drawdown",
        fillcolor="rgba(181,86,75,0.18)", hovertemplate="%{y:.2%}<extra>drawdown</extra>", row=2, col=1,
    )  # fmt: skip
    figure.update_yaxes(tickformat=",.0f", title="USD", row=1, col=1)
    figure.update_yaxes(tickformat=".2%", title="drawdown", row=2, col=1)
    if equity["on"].nunique() > 1:
        figure.update_xaxes(rangebreaks=[{"bounds": ["sat", "mon"]}, {"bounds": [20, 4], "pattern": "hour"}])
    return styled(figure, height=400)


def signed_bars(values: pd.Series, *, unit: str, height: int = 240) -> go.Figure:
    """One bar a group: gains and losses in their colours."""
    names, heights = [str(name) for name in values.index], [float(value) for value in values]
    figure = go.Figure(
        go.Bar(
            x=names, y=heights, marker_color=[GAIN if value >= 0 else LOSS for value in heights],
            width=min(0.7, 0.15 * len(names)),  # one group alone is no wall
            hovertemplate="%{y:,.2f} " + unit + "<extra>%{x}</extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(title=unit, zeroline=True, zerolinecolor=MUTED)
    figure.update_xaxes(type="category")
    return styled(figure, height=height)


def count_bars(values: Mapping[str, float], *, height: int | None = None, colour: str = ACCENT) -> go.Figure:
    """Counts as lying bars, the first on top, each with its number."""
    names = [f"{name} " for name in values]
    figure = go.Figure(
        go.Bar(
            y=names, x=list(values.values()), orientation="h", marker_color=colour, texttemplate="%{x:,.6~g}",
            textposition="outside", cliponaxis=False, hovertemplate="%{x:,}<extra>%{y}</extra>",
        )
    )  # fmt: skip
    styled(figure, height=height or 30 + 26 * max(len(names), 1))
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    least, most = min([0.0, *values.values()]), max([0.0, *values.values()])
    figure.update_xaxes(visible=False, range=[1.15 * least, 1.15 * most or 1.0])  # room for the numbers
    return figure.update_layout(hovermode="closest")


def histogram(values: pd.Series, *, title: str, tickformat: str = "") -> go.Figure:
    """How values are distributed around zero."""
    figure = go.Figure(go.Histogram(x=values, nbinsx=25, marker_color=ACCENT, hovertemplate="%{y}<extra>%{x}</extra>"))
    figure.add_vline(x=0, line={"color": MUTED, "width": 1})
    figure.update_xaxes(title=title, tickformat=tickformat)
    figure.update_yaxes(title="count")
    return styled(figure, height=240)


def scores(signals: pd.DataFrame) -> go.Figure:
    """Edge against expected move of every opinion; those that policy wanted stand out."""
    figure = go.Figure()
    for wanted, colour, size in ((False, "rgba(116,131,143,0.35)", 5), (True, GAIN, 9)):
        part = signals[(signals["policy"] == "ENTER") == wanted]
        figure.add_scattergl(
            x=part["edge"], y=part["expected_move_bp"], mode="markers", marker={"color": colour, "size": size},
            name="to be entered" if wanted else "left alone", text=part["symbol"] + " " + part["slot"],
            hovertemplate="%{text}<br>edge %{x:.3f}, move %{y:.1f} bp<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="edge (p up less p down)", tickformat=".2f")
    figure.update_yaxes(title="expected move, bp")
    return styled(figure, height=320, legend=True).update_layout(hovermode="closest")


def lines(series: Mapping[str, tuple[Sequence[object], Sequence[float]]], *, unit: str) -> go.Figure:
    """Several curves over each other, each (x, y) under its name."""
    figure = go.Figure()
    for number, (name, (x, y)) in enumerate(series.items()):
        figure.add_scatter(
            x=list(x), y=list(y), mode="lines", name=name, line={"color": SERIES[number % len(SERIES)], "width": 2},
            hovertemplate="%{y:,.2f} " + unit + "<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title=unit)
    return styled(figure, height=340, legend=True)


def reliability(curves: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """How often up came (y) where it was given that probability (x); the diagonal is honest."""
    top = max((max(point) for curve in curves.values() for point in curve), default=1.0) * 1.1
    figure = go.Figure()
    figure.add_scatter(x=[0, top], y=[0, top], mode="lines", line={"color": MUTED, "dash": "dot"}, name="honest")
    for number, (name, points) in enumerate(curves.items()):
        figure.add_scatter(
            x=[x for x, _ in points], y=[y for _, y in points], mode="lines+markers", name=name,
            line={"color": SERIES[number % len(SERIES)]},
        )  # fmt: skip
    figure.update_xaxes(title="mean p up", tickformat=".0%", range=[0, top])
    figure.update_yaxes(title="up came", tickformat=".0%", range=[0, top])
    return styled(figure, height=320, legend=True)
