"""An event study: stories in the order they were received, beside the bars that followed, against shuffled text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from shared.core.errors import ContractError, InvariantError
from shared.core.features.history import DAY_S, new_york_clock
from shared.core.ids import canonical_json, digest
from shared.core.market import FloatArray, Timeframe
from shared.core.text.language import CUTOFF_MARGIN
from shared.core.values import require
from shared.ports import Calendar, TextReader
from training.text_study.event_types import kind_of
from training.text_study.events import TextEvents, events_of
from training.text_study.figures import (
    FIFTHS,
    EventData,
    EventFigures,
    Interval,
    ShuffleControl,
    centred_ranks,
    chance_of,
    control,
    discoveries,
    interval,
    parts_of,
    rank_correlation,
)
from training.text_study.forward import ForwardReturns, PriceBoard, read_board
from training.text_study.reading import BoolArray, ReadStories, own_z, read_all
from training.text_study.story_file import StoryFile, read_stories_file

type Progress = Callable[[str, float], None]

PAST: Final = timedelta(days=120)
"""Stories so long before the first bar are read for the past of the others."""
ENOUGH_EVENTS: Final = 100
PROVEN: Final = 0.05
LEAST_SHUFFLES: Final = 100
"""With fewer no p is small enough for one horizon of three."""
COHORT_EVENTS, COHORT_DATES = 30, 10
"""A cohort of fewer events or dates is not looked at."""
DISCOVERED: Final = 0.1
"""Share of false discoveries among the cohorts that are named."""
LEAST_SYMBOLS: Final = 10
"""From so many on symbols are resampled, too."""
BLOCK_DATES: Final = 5
"""Dates of a block, or twice what a return reaches over where that is more."""
_EDGE: Final = 0.05
"""Share of the events by which days are turned at least."""
SHIFTS_DAILY: Final = {f"{k:+d} d": k * DAY_S for k in (-5, -2, -1, 0, 1, 2, 5)}
SHIFTS_INTRADAY: Final = {
    "-1 d": -DAY_S, "-60 min": -3600, "-15 min": -900, "+0 d": 0, "+15 min": 900, "+60 min": 3600, "+1 d": DAY_S,
}  # fmt: skip
EVIDENCE, COSTLY, NOTHING, CONTAMINATED = "evidence", "evidence, not after costs", "no evidence", "contaminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """What is to be studied.

    Attributes
    ----------
    stories, bars : Path
    echo_cosine : float
        As the app's setting GATEHOUSE_ECHO_COSINE.
    cost_bp : float
        Of a trade, there and back.
    delay_s : int
        Seconds from a story to the decision.
    shuffles, draws : int
        Of the controls, and of the bootstrap.
    cutoff : date or None
        What the reader has learned from reaches up to this date.
    allow_contaminated : bool
        Show figures of what the reader may know the end of.
    """

    stories: Path
    bars: Path
    echo_cosine: float = 0.85
    cost_bp: float = 10.0
    delay_s: int = 60
    shuffles: int = 500
    draws: int = 1000
    seed: int = 7
    cutoff: date | None = None
    allow_contaminated: bool = False

    def __post_init__(self) -> None:
        require(0 < self.echo_cosine <= 1, "echo cosine", self.echo_cosine, "above 0, at most 1")
        require(0 <= self.cost_bp < 1000, "cost in basis points", self.cost_bp, "from 0 to 1000")
        require(0 <= self.delay_s <= DAY_S, "delay in seconds", self.delay_s, "from 0 to a day")
        require(self.shuffles >= LEAST_SHUFFLES, "shuffles", self.shuffles, f"{LEAST_SHUFFLES} at least")
        require(self.draws >= 100, "draws", self.draws, "100 at least")

    @property
    def cost(self) -> float:
        """As a fraction."""
        return self.cost_bp / 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyMaterial:
    """What a study is made of: n stories of symbols with bars, each at the instant of its decision.

    Attributes
    ----------
    z : float64 of shape (n,)
        Score of each story against its symbol's own past; NaN of echoes.
    contaminated : bool of shape (n,)
        Received before the cutoff and 30 days more.
    used : bool of shape (n,)
        Stories that figures are made of.
    kinds : tuple of str, n of them
        What each tells of.
    """

    spec: StudySpec
    stories: StoryFile
    board: PriceBoard
    read: ReadStories
    z: FloatArray
    contaminated: BoolArray
    used: BoolArray
    kinds: tuple[str, ...]

    @property
    def beside(self) -> BoolArray:
        """Which stories lie beside bars, and are not only the past of others."""
        return self.stories.at_s >= self.board.first_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCohort:
    """Events that have something in common.

    `p` is the chance of so large a mean return in the score's direction, before costs, where there is none; `q` the
    share of false discoveries among all cohorts of the study that are as unlikely.
    """

    horizon: str
    kind: str
    name: str
    figures: EventFigures
    ic: Interval
    net: Interval
    p: float
    q: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonStudy:
    """One horizon: its events, figures with their intervals, controls, and what a shift in time makes of them.

    Attributes
    ----------
    score : float64 of shape (m,)
        Mean z of each event's stories.
    by_dates, by_symbols : mapping of str to Interval
        By the figure's name; resampled by blocks of dates, and by symbols where there are enough.
    shifts : mapping of str to (float, int)
        Rank correlation and number of events had the stories been received so much later (earlier, below 0).
    """

    name: str
    events: TextEvents
    score: FloatArray
    figures: EventFigures
    by_dates: Mapping[str, Interval]
    by_symbols: Mapping[str, Interval]
    controls: tuple[ShuffleControl, ...]
    shifts: Mapping[str, tuple[float, int]]

    @property
    def p(self) -> float:
        """The larger of the controls' p."""
        return max((each.p for each in self.controls), default=math.nan)

    @property
    def side(self) -> int:
        """1 or -1 where the intervals agree that the correlation is not zero, else 0."""
        sides = {found["ic"].side for found in (self.by_dates, self.by_symbols) if found}
        return sides.pop() if len(sides) == 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStudy:
    """All that a report says.

    Attributes
    ----------
    cohorts : tuple of TextCohort
        All that were looked at.
    study_id : str
        Hash of what went in: equal inputs give equal figures.
    """

    material: StudyMaterial
    horizons: tuple[HorizonStudy, ...]
    cohorts: tuple[TextCohort, ...]
    verdict: str
    reasons: tuple[str, ...]
    study_id: str


def run_study(spec: StudySpec, reader: TextReader, calendar: Calendar, progress: Progress | None = None) -> TextStudy:
    """Read, study and judge.

    Raises
    ------
    SettingsError, ContractError
        If a file cannot be used, or no story meets a bar.
    ModelError
        If the reader cannot say what a text sounds like.
    ValueError
        If every story is contaminated and that is not allowed.
    """
    tell = progress or (lambda what, done: None)
    every = read_stories_file(spec.stories)
    tell("read files", 0.3)
    board = read_board(spec.bars, every.symbols, calendar)
    tell("read files", 1.0)
    stories = _beside(every, board, spec.delay_s)
    contaminated = _contaminated(stories, spec)
    read = read_all(stories, reader, echo_cosine=spec.echo_cosine, progress=tell)
    material = StudyMaterial(
        spec=spec,
        stories=stories,
        board=board,
        read=read,
        z=_scores(stories, read, read.polarity[read.is_first]),
        contaminated=contaminated,
        used=read.is_first if spec.allow_contaminated else read.is_first & ~contaminated,
        kinds=tuple(str(kind_of(text)) for text in stories.texts),
    )
    horizons = _horizons(material, tell)
    cohorts = _cohorts(material, horizons, tell)
    verdict, reasons = _verdict(material, horizons, cohorts)
    return TextStudy(
        material=material,
        horizons=horizons,
        cohorts=cohorts,
        verdict=verdict,
        reasons=reasons,
        study_id=_study_id(spec, every, board, read),
    )


def _scores(stories: StoryFile, read: ReadStories, polarity: FloatArray) -> FloatArray:
    """Each first story's polarity against its symbol's own past, float64 of shape (n,); NaN of echoes."""
    found = np.full(len(stories), np.nan)
    found[read.is_first] = own_z(polarity, stories.code[read.is_first])
    return found


def _beside(every: StoryFile, board: PriceBoard, delay_s: int) -> StoryFile:
    """Stories of symbols with bars, from their past on; each at the instant of its decision."""
    has_bars = np.isin(every.code, [k for k, symbol in enumerate(every.symbols) if symbol in set(board.symbols)])
    at_s = every.at_s + delay_s
    within = (at_s >= board.first_s - int(PAST.total_seconds())) & (at_s <= board.last_s)
    if not (has_bars & within & (at_s >= board.first_s)).any():
        first, last = (datetime.fromtimestamp(int(at), UTC).date() for at in (every.at_s[0], every.at_s[-1]))
        bars = [datetime.fromtimestamp(at, UTC).date() for at in (board.first_s, board.last_s)]
        raise ContractError(
            f"{every.name}: no story meets a bar: stories are from {first} to {last}, "
            f"bars of {board.name} from {bars[0]} to {bars[1]}"
        )
    kept = np.flatnonzero(has_bars & within)
    return StoryFile(
        name=every.name,
        content_id=every.content_id,
        symbols=every.symbols,
        code=every.code[kept],
        at_s=at_s[kept],
        texts=tuple(every.texts[k] for k in kept.tolist()),
        given=None if every.given is None else every.given[kept],
        told=every.told,
    )


def _contaminated(stories: StoryFile, spec: StudySpec) -> BoolArray:
    if spec.cutoff is None:
        return np.zeros(len(stories), np.bool_)
    clean_from = datetime.combine(spec.cutoff + CUTOFF_MARGIN, time(), UTC)
    found: BoolArray = stories.at_s < int(clean_from.timestamp())
    if found.all() and not spec.allow_contaminated:
        raise ValueError(
            f"all {found.size:,} stories were received before {clean_from.date()}, the knowledge cutoff and "
            f"{CUTOFF_MARGIN.days} days more: the reader may know how they ended; "
            "--allow-contaminated shows the figures"
        )
    return found


def _horizons(of: StudyMaterial, tell: Progress) -> tuple[HorizonStudy, ...]:
    """Every horizon beside the same shuffles of the texts."""
    folded = [events_of(of.stories, of.used, made) for made in of.board.horizons]
    ranked = [centred_ranks(events.excess) for events in folded]
    values: FloatArray = np.full((len(folded), of.spec.shuffles), np.nan)
    polarity, rng = of.read.polarity[of.read.is_first], np.random.default_rng([of.spec.seed, 1])
    for k in range(of.spec.shuffles):
        z = _scores(of.stories, of.read, rng.permutation(polarity))
        for row, events, ranks in zip(values, folded, ranked, strict=True):
            row[k] = rank_correlation(centred_ranks(events.means(z)), ranks)
        tell("shuffle text", (k + 1) / of.spec.shuffles)
    found = []
    for made, events, row in zip(of.board.horizons, folded, values, strict=True):
        found.append(_horizon(of, made, events, row))
        tell("figures", len(found) / len(folded))
    return tuple(found)


def _horizon(of: StudyMaterial, made: ForwardReturns, events: TextEvents, shuffled: FloatArray) -> HorizonStudy:
    if (of.stories.at_s[events.members] > np.repeat(events.entry_s, events.sizes)).any():
        raise InvariantError(f"{made.name}: an entry lies before a story that it rests on")
    score, spec = events.means(of.z), of.spec
    data = EventData.of(score, events.excess, events.on, events.code, spec.cost)
    figures = data.figures()
    turned = _turned(centred_ranks(score), centred_ranks(events.excess), runs=spec.shuffles, seed=spec.seed)
    by_dates = data.resampled(events.on, draws=spec.draws, block=_block(made), seed=spec.seed)
    by_symbols = {}
    if figures.symbols >= LEAST_SYMBOLS:
        by_symbols = data.resampled(events.code, draws=spec.draws, block=1, seed=spec.seed)
    return HorizonStudy(
        name=made.name,
        events=events,
        score=score,
        figures=figures,
        by_dates={name: interval(getattr(figures, name), drawn) for name, drawn in by_dates.items()},
        by_symbols={name: interval(getattr(figures, name), drawn) for name, drawn in by_symbols.items()},
        controls=(
            control("texts", "each text given to another story of any symbol and day", figures.ic, shuffled),
            control("days", "texts of neighbouring days kept together and moved to other days", figures.ic, turned),
        ),
        shifts=dict(_shifted(of, made)),
    )


def _block(made: ForwardReturns) -> int:
    return max(BLOCK_DATES, 2 * made.span_sessions)


def _turned(score: FloatArray, ranks: FloatArray, *, runs: int, seed: int) -> FloatArray:
    """Rank correlations with the scores turned: neighbours stay neighbours, and meet the returns of other days."""
    edge = max(1, int(_EDGE * score.size))
    if score.size <= 2 * edge:
        return np.full(runs, np.nan)
    by = np.random.default_rng([seed, 2]).integers(edge, score.size - edge, runs)
    return np.array([rank_correlation(np.roll(score, int(k)), ranks) for k in by])


def _shifted(of: StudyMaterial, made: ForwardReturns) -> Iterator[tuple[str, tuple[float, int]]]:
    shifts = SHIFTS_DAILY if of.board.timeframe is Timeframe.DAY_1 else SHIFTS_INTRADAY
    for name, shift_s in shifts.items():
        events = events_of(of.stories, of.used, made, shift_s=shift_s)
        found = rank_correlation(centred_ranks(events.means(of.z)), centred_ranks(events.excess))
        yield name, (found, len(events))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A cohort before the others are known."""

    horizon: str
    kind: str
    name: str
    figures: EventFigures
    ic: Interval
    net: Interval
    p: float


def _cohorts(of: StudyMaterial, horizons: Sequence[HorizonStudy], tell: Progress) -> tuple[TextCohort, ...]:
    drafts: list[_Draft] = []
    for k, (made, horizon) in enumerate(zip(of.board.horizons, horizons, strict=True)):
        for kind, labels in labels_of(of, horizon).items():
            for name in sorted(set(labels)):
                own = np.array([label == name for label in labels], np.bool_)
                found = _draft(of, made, horizon, own)
                if found is not None:
                    drafts.append(_Draft(horizon=horizon.name, kind=kind, name=name, **found))
        tell("cohorts", (k + 1) / len(horizons))
    qs = discoveries([draft.p for draft in drafts])
    return tuple(
        TextCohort(**{name: getattr(draft, name) for name in _Draft.__slots__}, q=q)
        for draft, q in zip(drafts, qs, strict=True)
    )


def _draft(of: StudyMaterial, made: ForwardReturns, horizon: HorizonStudy, own: BoolArray) -> dict[str, Any] | None:
    """Figures of some events; None of too few."""
    events, spec = horizon.events, of.spec
    data = EventData.of(horizon.score[own], events.excess[own], events.on[own], events.code[own], spec.cost)
    figures = data.figures()
    if figures.events < COHORT_EVENTS or figures.dates < COHORT_DATES:
        return None
    drawn = data.resampled(data.on, draws=spec.draws, block=_block(made), seed=spec.seed)
    return {
        "figures": figures,
        "ic": interval(figures.ic, drawn["ic"]),
        "net": interval(figures.net, drawn["net"]),
        "p": chance_of(figures.mean, drawn["mean"], math.ceil(figures.dates / _block(made))),
    }


def labels_of(of: StudyMaterial, horizon: HorizonStudy) -> dict[str, list[str]]:
    """Names of each event's cohorts, by kind of cohort; hour, type and novelty are its newest story's."""
    events, stories = horizon.events, of.stories
    instants, where = np.unique(stories.at_s[events.newest], return_inverse=True)
    hours = (new_york_clock(instants)[1] // 3600)[where]
    regimes = {on: of.board.regimes.before(on) for on in np.unique(events.on).tolist()}
    return {
        "symbol": [stories.symbols[k] for k in events.code.tolist()],
        "hour": [f"{hour:02d}" for hour in hours.tolist()],
        "regime": [regimes[on] for on in events.on.tolist()],
        "type": [of.kinds[k] for k in events.newest.tolist()],
        "novelty": [("lowest", "middle", "highest")[k] for k in parts_of(of.read.novelty[events.newest], 3).tolist()],
        "fifth": [str(k + 1) for k in parts_of(horizon.score, FIFTHS).tolist()],
        "sign": [("zero", "positive", "negative")[int(side)] for side in np.sign(horizon.score).tolist()],
    }


def _verdict(
    of: StudyMaterial, horizons: Sequence[HorizonStudy], cohorts: Sequence[TextCohort]
) -> tuple[str, tuple[str, ...]]:
    spec, beside = of.spec, of.beside
    reasons = [
        f"{int(beside.sum()):,} stories lie beside bars, {int((beside & ~of.read.is_first).sum()):,} of them echoes; "
        f"stories of a symbol that meet the same entry are one event.",
        _known_until(of),
    ]
    shown = []
    for each in horizons:
        adjusted = min(1.0, each.p * len(horizons)) if math.isfinite(each.p) else math.nan
        is_shown = bool(adjusted <= PROVEN and each.side and each.figures.events >= ENOUGH_EVENTS)
        at = each.by_dates["ic"]
        reasons.append(
            f"{each.name}: {each.figures.events:,} events, rank correlation {each.figures.ic:+.4f} (95% by dates "
            f"{at.low:+.4f} to {at.high:+.4f}); p against shuffled text {each.p:.3f}, {adjusted:.3f} for "
            f"{len(horizons)} horizons; mean in the score's direction {1e4 * each.figures.mean:+.1f} bp, after costs "
            f"{1e4 * each.figures.net:+.1f} bp."
        )
        if is_shown:
            shown.append(each)
    found = sorted((each for each in cohorts if each.q <= DISCOVERED), key=lambda each: (each.q, -each.figures.events))
    named = ", ".join(f"{each.horizon}: {each.kind} {each.name}" for each in found[:5])
    reasons.append(
        f"{len(cohorts):,} cohorts were looked at; {sum(each.p <= PROVEN for each in cohorts):,} have p of 5% or less, "
        f"{PROVEN * len(cohorts):.0f} are expected by chance; {len(found):,} hold at a false discovery rate of "
        f"{DISCOVERED:.0%}{f' ({named})' if found else ''}."
    )
    if bool((of.contaminated & beside).any()) and spec.allow_contaminated:
        return CONTAMINATED, tuple(reasons)
    if not shown:
        return NOTHING, tuple(reasons)
    if any(each.side < 0 for each in shown):
        reasons.append("Where the correlation is below zero, prices went against the text.")
    pays = any(each.by_dates["net"].side > 0 for each in shown)
    return (EVIDENCE if pays else COSTLY), tuple(reasons)


def _known_until(of: StudyMaterial) -> str:
    spec = of.spec
    if spec.cutoff is None:
        return (
            "Nobody has said up to when the reader's texts reach (--knowledge-cutoff), so nothing is left out: what it "
            "has learned from may know how these stories ended."
        )
    what = "are in the figures all the same" if spec.allow_contaminated else "are in no figure"
    return (
        f"The reader's knowledge ends on {spec.cutoff}: {int(of.contaminated.sum()):,} stories up to "
        f"{CUTOFF_MARGIN.days} days after it are contaminated and {what}."
    )


def _study_id(spec: StudySpec, every: StoryFile, board: PriceBoard, read: ReadStories) -> str:
    content = {
        "stories": every.content_id,
        "bars": board.content_id,
        "reader": list(read.versions),
        "echo_cosine": spec.echo_cosine,
        "cost_bp": spec.cost_bp,
        "delay_s": spec.delay_s,
        "shuffles": spec.shuffles,
        "draws": spec.draws,
        "seed": spec.seed,
        "cutoff": str(spec.cutoff),
        "allow_contaminated": spec.allow_contaminated,
    }
    return digest(canonical_json(content))[:12]
