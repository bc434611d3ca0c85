"""Charts as SVG text, without a library: a report that is one file, prints well and weighs little."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from shared.core.market import FloatArray
from training.report_style import ACCENT, FAINT, GRID, INK, LOSS

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 12, 26
MOST_POINTS = 900

type Format = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One line of a chart: its name, values by x, colour, and whether the space under it is filled."""

    name: str
    x: FloatArray
    y: FloatArray
    colour: str = ACCENT
    width: float = 1.8
    is_filled: bool = False
    dash: str = ""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that span [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(size * magnitude for size in (1, 2, 2.5, 5, 10) if raw <= size * magnitude)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def line_chart(
    lines: Sequence[ChartLine],
    *,
    height: int,
    y_format: Format,
    x_labels: Sequence[tuple[float, str]],
    zero: float | None = None,
    label: str,
) -> str:
    """Lines over a common axis.

    Parameters
    ----------
    x_labels : sequence of (x, text)
        Marks of the horizontal axis.
    zero : float, optional
        Height of a stronger horizontal line, which is always within the chart.
    label : str
        What the chart shows, for who cannot see it.
    """
    shown = [line for line in lines if line.x.size]
    if not shown:
        return ""
    ys = np.concatenate([line.y for line in shown])
    low, high = float(np.nanmin(ys)), float(np.nanmax(ys))
    if zero is not None:
        low, high = min(low, zero), max(high, zero)
    if high == low:
        low, high = low - 1, high + 1
    pad = 0.04 * (high - low)
    frame = _Frame(
        x=(float(min(line.x[0] for line in shown)), float(max(line.x[-1] for line in shown))),
        y=(low - pad, high + pad),
        height=height,
    )
    parts = [frame.grid(y_format, x_labels)]
    if zero is not None:
        parts.append(_stroke(LEFT, frame.py(zero), WIDTH - RIGHT, frame.py(zero), FAINT))
    parts += [frame.line(line, zero if zero is not None else low - pad) for line in shown]
    return _svg(height, "".join(parts), label)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    x: tuple[float, float]
    y: tuple[float, float]
    height: int

    def px(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / max(high - low, 1e-12) * (WIDTH - LEFT - RIGHT)

    def py(self, value: float) -> float:
        low, high = self.y
        return TOP + (high - value) / (high - low) * (self.height - TOP - BOTTOM)

    def grid(self, y_format: Format, x_labels: Sequence[tuple[float, str]]) -> str:
        parts = []
        for value in ticks(*self.y):
            y = self.py(value)
            parts.append(_stroke(LEFT, y, WIDTH - RIGHT, y, GRID))
            parts.append(_text(LEFT - 8, y + 4, y_format(value), "end"))
        for value, text in x_labels:
            x = self.px(value)
            anchor = "end" if x > WIDTH - RIGHT - 40 else "middle"
            parts.append(_text(x, self.height - 7, text, anchor))
        return "".join(parts)

    def line(self, line: ChartLine, floor: float) -> str:
        x, y = thinned(line.x, line.y)
        points = [f"{self.px(a):.1f},{self.py(b):.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        path = "M" + "L".join(points)
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        drawn = (
            f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="{line.width}" '
            f'stroke-linejoin="round"{dash}><title>{escape(line.name)}</title></path>'
        )
        if not line.is_filled:
            return drawn
        base = self.py(floor)
        area = f"{path}L{self.px(float(x[-1])):.1f},{base:.1f}L{self.px(float(x[0])):.1f},{base:.1f}Z"
        return f'<path d="{area}" fill="{line.colour}" opacity="0.12"/>{drawn}'


def thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most so many points that a screen can show: of each stretch its lowest and its highest."""
    if x.size <= MOST_POINTS:
        return x, y
    edges = np.linspace(0, x.size, MOST_POINTS // 2 + 1).astype(int)
    kept = {0, x.size - 1}
    for lo, hi in pairwise(edges.tolist()):
        if hi > lo:
            kept |= {lo + int(np.argmin(y[lo:hi])), lo + int(np.argmax(y[lo:hi]))}
    at = np.array(sorted(kept))
    return x[at], y[at]


def bar_chart(
    values: Sequence[tuple[str, float]], *, y_format: Format, label: str, height: int = 190, width: int = WIDTH
) -> str:
    """Vertical bars, gains in the accent colour, losses in another."""
    if not values:
        return ""
    low, high = min(0.0, *(v for _, v in values)), max(0.0, *(v for _, v in values))
    if high == low:
        high = low + 1
    frame = _Frame(x=(0, 1), y=(low - 0.05 * (high - low), high + 0.08 * (high - low)), height=height)
    step = (width - LEFT - RIGHT) / len(values)
    each = max(1, math.ceil(len(values) / 16))
    parts = []
    for value in ticks(*frame.y, 4):
        y = frame.py(value)
        parts.append(_stroke(LEFT, y, width - RIGHT, y, GRID))
        parts.append(_text(LEFT - 8, y + 4, y_format(value), "end"))
    for k, (name, value) in enumerate(values):
        top, base = frame.py(max(value, 0)), frame.py(min(value, 0))
        colour = ACCENT if value >= 0 else LOSS
        x = LEFT + k * step + 0.15 * step
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{0.7 * step:.1f}" height="{max(base - top, 0.5):.1f}" rx="2" '
            f'fill="{colour}"><title>{escape(name)}: {escape(y_format(value))}</title></rect>'
        )
        if k % each == 0:
            parts.append(_text(x + 0.35 * step, height - 7, name, "middle"))
    return _svg(height, "".join(parts), label, width)


def calibration_chart(bins: Sequence[tuple[float, float, int]], *, label: str, size: int = 330) -> str:
    """Stated probability against frequency: on the diagonal a probability means what it says."""
    if not bins:
        return ""
    high = max(max(a, b) for a, b, _ in bins) * 1.1
    low = min(min(a, b) for a, b, _ in bins) * 0.9

    def place(value: float) -> float:
        return 46 + (value - low) / max(high - low, 1e-9) * (size - 62)

    def height(value: float) -> float:
        return size - place(value) + 8

    parts = []
    for value in ticks(low, high, 5):
        parts.append(_stroke(46, height(value), size - 16, height(value), GRID))
        parts.append(_text(40, height(value) + 4, f"{value:.0%}", "end"))
        parts.append(_text(place(value), size - 18, f"{value:.0%}", "middle"))
    parts.append(_stroke(place(low), height(low), place(high), height(high), FAINT, "4 4"))
    points = [(place(a), height(b), f"stated {a:.1%}, came {b:.1%}, {n} rows") for a, b, n in bins]
    path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    parts.append(f'<path d="{path}" fill="none" stroke="{ACCENT}" stroke-width="1.8"/>')
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{ACCENT}"><title>{escape(text)}</title></circle>'
        for x, y, text in points
    ]
    parts.append(_text(size / 2 + 14, size - 3, "stated probability of up", "middle"))
    parts.append(_text(4, 10, "share that went up", "start"))
    return _svg(size, "".join(parts), label, size)


def heat_map(
    values: FloatArray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    axes: tuple[str, str],
    y_format: Format,
    label: str,
) -> str:
    """Cells by row and column: the stronger the colour, the farther from zero; gains and losses have one each.

    Parameters
    ----------
    values : float64 of shape (len(rows), len(columns))
        NaN for a cell that is empty.
    axes : tuple of str
        What rows and columns are.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return ""
    left, top = 110, 42
    wide = (WIDTH - left - RIGHT) / len(columns)
    tall = min(34.0, max(7.0, 520 / len(rows)))
    most = float(np.abs(known).max()) or 1.0
    best = np.unravel_index(int(np.nanargmax(values)), values.shape)
    parts = [_text(left, 12, f"{axes[1]} \N{RIGHTWARDS ARROW}", "start"), _text(4, top - 6, axes[0], "start")]
    for i, row in enumerate(rows):
        y = top + i * tall
        if i % math.ceil(13 / tall) == 0:
            parts.append(_text(left - 8, y + tall / 2 + 4, row, "end"))
        for j, column in enumerate(columns):
            value = float(values[i, j])
            colour = GRID if math.isnan(value) else ACCENT if value >= 0 else LOSS
            depth = 1.0 if math.isnan(value) else 0.06 + 0.44 * abs(value) / most
            said = "none" if math.isnan(value) else y_format(value)
            parts.append(
                f'<rect x="{left + j * wide:.1f}" y="{y:.1f}" width="{max(wide - 1, 1):.1f}" height="{tall - 1:.1f}" '
                f'fill="{colour}" fill-opacity="{depth:.2f}"><title>{escape(f"{axes[0]} {row}, {axes[1]} {column}")}: '
                f"{escape(said)}</title></rect>"
            )
            if wide >= 36 and tall >= 15 and not math.isnan(value):
                parts.append(_text(left + (j + 0.5) * wide, y + tall / 2 + 4, said, "middle"))
    each = math.ceil(len(columns) * 40 / (WIDTH - left - RIGHT))
    parts += [_text(left + (j + 0.5) * wide, top - 6, columns[j], "middle") for j in range(0, len(columns), each)]
    parts.append(
        f'<rect x="{left + best[1] * wide:.1f}" y="{top + best[0] * tall:.1f}" width="{max(wide - 1, 1):.1f}" '
        f'height="{tall - 1:.1f}" fill="none" stroke="{INK}" stroke-width="1.6"/>'
    )
    return _svg(math.ceil(top + len(rows) * tall + 6), "".join(parts), label)


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:  # noqa: PLR0917 - a line
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, body: str, label: str, width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )
