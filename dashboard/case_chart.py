"""The chart of a case: the day's bars with the decision, the plan and the fills marked on them."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard import units
from dashboard.charts import ACCENT, GAIN, INK, LOSS, MUTED, RULE, WARN, styled
from shared.contracts.cases import Case
from shared.core.sessions import NEW_YORK
from shared.core.values import from_epoch

_MARKS = {"buy": (GAIN, "triangle-up"), "sell": (LOSS, "triangle-down")}
_LEVELS = (("stop_usd", LOSS, "stop"), ("target_usd", GAIN, "target"), ("limit_usd", MUTED, "limit"))


def case_chart(case: Case) -> go.Figure:
    """Draw candles and volume, a line at the decision, levels before it, the plan's prices, a mark for each fill."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.8, 0.2], vertical_spacing=0.03)
    bars = case.bars
    times = [_wall(from_epoch(second)) for second in bars.start_s]
    prices = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    fills = ((GAIN, "#b9d9cd"), (LOSS, "#e3bfba"))
    rising, falling = ({"line": {"color": colour, "width": 1}, "fillcolor": fill} for colour, fill in fills)
    figure.add_candlestick(x=times, **prices, name="5 min", increasing=rising, decreasing=falling, row=1, col=1)
    figure.add_bar(x=times, y=bars.volume, marker_color=RULE, name="volume", row=2, col=1)
    _decision(figure, case)
    _supports(figure, case)
    _fills(figure, case)
    figure.update_yaxes(title="USD", row=1, col=1)
    figure.update_yaxes(title="shares", row=2, col=1)
    figure.update_xaxes(rangeslider_visible=False, tickformat="%H:%M")
    figure.update_xaxes(title="ET", row=2, col=1)
    return styled(figure, height=460).update_layout(hovermode="closest")


def _decision(figure: go.Figure, case: Case) -> None:
    shown = _wall(case.decided_at)
    figure.add_vline(x=shown, line={"color": ACCENT, "width": 1, "dash": "dot"})
    place = {"x": shown, "y": 1, "yref": "y domain", "yanchor": "top", "xanchor": "right"}
    figure.add_annotation(**place, text="decision ", showarrow=False, font={"color": ACCENT})
    if case.decision is None:
        return
    end = _wall(case.fills[-1].occurred_at) if case.fills else shown + pd.Timedelta(minutes=60)
    for name, colour, label in _LEVELS:
        level = getattr(case.decision, name)
        if level is not None:
            line, font = {"color": colour, "width": 1, "dash": "dash"}, {"color": colour, "size": 11}
            words = {"text": ["", f" {label} {level}"], "textposition": "middle right", "textfont": font}
            drawn = go.Scatter(x=[shown, end], y=[float(level)] * 2, mode="lines+text", name=label, line=line, **words)
            figure.add_trace(drawn.update(hoverinfo="skip"), row=1, col=1)


def _supports(figure: go.Figure, case: Case) -> None:
    """Draw the levels that stood at the decision, up to it: they say nothing of what came later."""
    if case.technical is None:
        return
    span = [_wall(from_epoch(case.bars.start_s[0])), _wall(case.decided_at)]
    trend = case.technical.trend
    for label, level, place in (("support", trend.support, "bottom"), ("resistance", trend.resistance, "top")):
        if level is not None:
            line, font = {"color": ACCENT, "width": 1}, {"color": ACCENT, "size": 11}
            words = {"text": [f"{label} {units.price(level)}", ""], "textposition": f"{place} right", "textfont": font}
            drawn = go.Scatter(x=span, y=[level] * 2, mode="lines+text", name=label, line=line, **words)
            figure.add_trace(drawn.update(hoverinfo="skip"), row=1, col=1)


def _fills(figure: go.Figure, case: Case) -> None:
    for side, (colour, symbol) in _MARKS.items():
        part = [fill for fill in case.fills if fill.side == side]
        x, y = [_wall(fill.occurred_at) for fill in part], [float(fill.price_usd) for fill in part]
        marker = {"symbol": symbol, "size": 12, "color": colour, "line": {"color": INK, "width": 1}}
        text = [f"{fill.role}: {units.quantity(fill.qty)} at {fill.price_usd:.4f} USD" for fill in part]
        words = {"text": text, "hovertemplate": "%{text}<extra></extra>"}
        figure.add_scatter(x=x, y=y, mode="markers", marker=marker, name=side, **words, row=1, col=1)


def contributions_chart(case: Case) -> go.Figure:
    """Draw what moved the edge most, each feature with its value."""
    shown = case.scores.contributions[::-1]
    names = [f"{c.feature} = {c.value:.4g} " if c.value is not None else f"{c.feature} missing " for c in shown]
    colours, moves = [GAIN if c.edge >= 0 else WARN for c in shown], [c.expected_move_bp for c in shown]
    hover = "edge %{x:+.4f}, expected move %{customdata:+.2f} bp<extra></extra>"
    bars = go.Bar(y=names, x=[c.edge for c in shown], orientation="h", customdata=moves, hovertemplate=hover)
    figure = go.Figure(bars.update(marker_color=colours))
    figure.update_xaxes(title="edge moved by", tickformat="+.3f", zeroline=True, zerolinecolor=MUTED)
    return styled(figure, height=60 + 30 * len(shown)).update_layout(hovermode="closest")


def _wall(at: datetime) -> pd.Timestamp:
    return pd.Timestamp(at).tz_convert(NEW_YORK).tz_localize(None)
