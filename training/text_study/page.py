"""The report of a study: one HTML file with its charts inside, which needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np

from shared.core.market import FloatArray
from simulation.market.bar_rows import EPOCH
from training import report_style
from training.backtest import svg
from training.backtest.page import bp, number, percent
from training.text_study.figures import FIFTHS, parts_of
from training.text_study.study import CONTAMINATED, COSTLY, EVIDENCE, NOTHING, HorizonStudy, TextStudy

TEMPLATE = Path(__file__).with_name("page.html.j2")
SHOWN_COHORTS = 24
BINS = 41
VERDICTS = {
    EVIDENCE: "There is evidence that the text goes before the price, and it pays its costs.",
    COSTLY: "There is evidence that the text goes before the price, but it does not pay its costs.",
    NOTHING: "No evidence that the text says anything of what the price does next.",
    CONTAMINATED: "Contaminated: the reader may know how these stories ended. This is not a result.",
}


def render(made: TextStudy) -> str:
    """Return the page."""
    of = made.material
    ranked = sorted(made.cohorts, key=lambda each: (not each.p <= 1, each.p))
    other = {kind: [each for each in made.cohorts if each.kind == kind] for kind in ("type", "regime", "hour", "fifth")}
    return report_style.template(TEMPLATE, percent=percent, bp=bp, number=number).render(
        made=made,
        of=of,
        spec=of.spec,
        verdict=VERDICTS[made.verdict],
        is_good=made.verdict == EVIDENCE,
        dates=_dates(made),
        echoes=int((of.beside & ~of.read.is_first).sum()),
        stories=int(of.beside.sum()),
        charts=[(each, _charts(each, of.spec.cost)) for each in made.horizons],
        ranked=ranked[:SHOWN_COHORTS],
        hidden=max(0, len(ranked) - SHOWN_COHORTS),
        other={kind: found for kind, found in other.items() if found},
        style=report_style.style(),
        colours={"accent": report_style.ACCENT, "faint": report_style.FAINT, "soft": report_style.SOFT},
    )


def _dates(made: TextStudy) -> str:
    """First and last date with an entry."""
    on = np.concatenate([each.events.on for each in made.horizons])
    if not on.size:
        return "No event"
    first, last = (EPOCH + timedelta(days=int(day)) for day in (on.min(), on.max()))
    return f"{first} to {last}"


def _correlation(value: float) -> str:
    return number(value, 3)


def _charts(each: HorizonStudy, cost: float) -> Mapping[str, str]:
    if not len(each.events):
        return {}
    return {
        "null": _null(each),
        "shifts": svg.bar_chart(
            [(name, ic if np.isfinite(ic) else 0.0) for name, (ic, _) in each.shifts.items()],
            y_format=_correlation,
            label="Rank correlation by how much later the stories are taken to have been received",
            width=600,
        ),
        "fifths": svg.bar_chart(
            _by_fifth(each),
            y_format=lambda value: f"{value:.0f} bp",
            label="Mean excess return in basis points by fifth of the score",
            width=600,
        ),
        "gain": _gain(each, cost),
    }


def _null(each: HorizonStudy) -> str:
    """Correlations of shuffled text as lines of counts, and the real one as an upright."""
    known = [control for control in each.controls if np.isfinite(control.values).any()]
    if not known or not np.isfinite(each.figures.ic):
        return ""
    most = 1.1 * max(abs(each.figures.ic), *(float(np.nanmax(np.abs(control.values))) for control in known), 1e-6)
    edges = np.linspace(-most, most, BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    lines, top = [], 1.0
    for control, colour, dash in zip(known, (report_style.FAINT, report_style.SOFT), ("", "5 4"), strict=False):
        count = np.histogram(control.values, edges)[0].astype(np.float64)
        top = max(top, float(count.max()))
        lines.append(svg.ChartLine(name=control.says, x=middle, y=count, colour=colour, width=1.6, dash=dash))
    upright = np.full(2, each.figures.ic)
    lines.append(svg.ChartLine(name="as it came", x=upright, y=np.array([0.0, top]), width=2.4))
    return svg.line_chart(
        lines,
        height=200,
        y_format=lambda value: f"{value:.0f}",
        x_labels=[(float(at), _correlation(float(at))) for at in np.linspace(-0.9 * most, 0.9 * most, 7)],
        zero=0.0,
        label="Shuffles by their rank correlation, and the real one",
    )


def _by_fifth(each: HorizonStudy) -> list[tuple[str, float]]:
    fifth = parts_of(each.score, FIFTHS)
    names = ("lowest", "2", "3", "4", "highest")
    return [
        (name, 1e4 * float(each.events.excess[fifth == k].mean())) for k, name in enumerate(names) if (fifth == k).any()
    ]


def _gain(each: HorizonStudy, cost: float) -> str:
    """Sum of the dates' mean returns in the score's direction, before and after costs."""
    gain = np.sign(each.score) * each.events.excess
    sided = each.score != 0
    dates, where = np.unique(each.events.on[sided], return_inverse=True)
    if dates.size < 2:
        return ""
    mean: FloatArray = np.bincount(where, gain[sided]) / np.bincount(where)
    x = np.arange(dates.size, dtype=np.float64)
    labels = [
        (float(k), f"{EPOCH + timedelta(days=int(dates[k])):%b %Y}") for k in range(0, dates.size, dates.size // 8 + 1)
    ]
    return svg.line_chart(
        [
            svg.ChartLine(name="before costs", x=x, y=np.cumsum(mean), colour=report_style.SOFT, width=1.4),
            svg.ChartLine(name="after costs", x=x, y=np.cumsum(mean - cost), width=2.0),
        ],
        height=200,
        y_format=lambda value: percent(value, 1),
        x_labels=labels,
        zero=0.0,
        label="Sum of the dates' mean returns in the direction of the score",
    )
