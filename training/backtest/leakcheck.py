"""Leak checks on the real pipeline: what comes later must not reach what was decided before.

Three questions, each asked of the code that trades and trains, not of a description of it: does a changed future change
a past decision; does a longer past change a value; do shuffled labels teach anything. Each takes the pipeline as an
argument, so that a test can plant a leak in it and see it found.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shared.adapters.calendar import XnysCalendar
from shared.contracts.records import Table
from shared.core.features import FEATURE_NAMES, context_symbols, day_features
from shared.core.market import Bars, FloatArray, Headline, Timeframe, TradingDay
from shared.core.sessions import NEW_YORK, pre_open_at
from shared.core.values import Symbol, parse_utc
from shared.ports import Row
from simulation.market.tape import BasePrices, Overlay, Tape
from simulation.runtime.clock import SimClock
from simulation.runtime.runner import Runner
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from training.backtest.batch import DAILY_DAYS, HISTORY_DAYS, TrainedSet, symbol_days
from training.backtest.history import MemoryHistory
from training.backtest.ports import BacktestApp
from training.backtest.spec import ModelPlan, Spec, app_environment, symbols_of
from training.backtest.tape import RollingTape
from training.dataset import Dataset, Progress, SamplingRule
from training.fit import FitRule, fit_signal, predict
from training.folds import Fold
from training.labels import DOWN, UP
from training.parquet import ParquetHistory
from training.pipeline import TrainingRule, dataset_of, split_of
from training.publish import publish

BOUND = 4.0
"""Standard errors that an area under the curve may lie from one half by chance."""
SHORT_DAYS, LONG_DAYS = (HISTORY_DAYS, DAILY_DAYS), (45, 300)
"""Days of 5-minute and of daily bars that the features get: as much as the app reads, and far more."""

_AT_ITS_START = ("open", "volume")
"""Figures of a bar that already show when it begins: its price, and the size of the quote that stands then."""

type Decisions = Mapping[str, Row]
"""Rows of signals, decisions and orders by table and key."""
type Pipeline = Callable[[Tape, TradingDay, datetime], Decisions]
"""A market and a day, run until an instant."""
type FeatureMaker = Callable[[Tape, TradingDay, tuple[int, int]], FloatArray]
"""Features of a day from so many days of 5-minute and of daily bars."""
type Learner = Callable[[Dataset, Fold], FloatArray]
"""Probabilities for a fold's test rows, shape (n, 3), learned from its training rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakCheck:
    """Outcome of one check: how much was compared, and what was found; empty is clean."""

    name: str
    compared: int
    found: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Nothing was found, and there was something to look at."""
        return not self.found and self.compared > 0


class ShiftedTape(Overlay):
    """A market that is another after an instant: prices and volumes of whatever comes later than it.

    What stands at the instant itself, the first point of the bar that begins then, stays: a decision may see it.

    Parameters
    ----------
    tape : Tape
    at : datetime
        UTC; must be the edge of a bar.
    seed : int
    """

    def __init__(self, tape: Tape, at: datetime, seed: int) -> None:
        super().__init__(tape)
        self._at_s = int(at.timestamp())
        self._factor = 1 + np.random.default_rng(seed).uniform(0.02, 0.2)

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """As the market's, until the instant."""
        return [item for item in self._tape.news(start, end) if item.published_at.timestamp() < self._at_s]

    def base(self, symbol: str, on: date) -> BasePrices:
        """As the market's until the instant, then others."""
        base = self._tape.base(symbol, on)
        late = base.bars.start_s[:, None] + np.arange(4) * (self.base_s // 4) > self._at_s
        return BasePrices(
            bars=self._shifted(base.bars),
            path=np.where(late, base.path * self._factor, base.path),
            bid=np.where(late, base.bid * self._factor, base.bid),
            ask=np.where(late, base.ask * self._factor, base.ask),
        )

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """As the market's until the instant; a bar that ends after it holds something of what is another."""
        return self._shifted(self._tape.bars(symbol, timeframe, start, end), timeframe.seconds)

    def _shifted(self, bars: Bars, seconds: int = 0) -> Bars:
        late = bars.start_s + max(seconds, self.base_s) > self._at_s
        begins = bars.start_s == self._at_s
        changed = {
            name: np.where(
                late & ~(begins & (name in _AT_ITS_START)), getattr(bars, name) * self._factor, getattr(bars, name)
            )
            for name in ("open", "high", "low", "close", "volume")
        }
        return Bars(start_s=bars.start_s, **changed)


def stage_pipeline(
    models: TrainedSet, changed: Mapping[str, str], core: Sequence[str], market: Sequence[str]
) -> Pipeline:
    """The app's stages, every candidate through all of them.

    Parameters
    ----------
    models : TrainedSet
    changed : mapping of str to str
        Settings that differ from the example's.
    core, market : sequences of str
        Symbols.
    """

    def run(tape: Tape, day: TradingDay, until: datetime) -> Decisions:
        app, runner = staged(tape, day, models, app_environment(changed, core, market))
        runner.run(until)
        return decisions_of(app, day.on)

    return run


def staged(
    tape: Tape, day: TradingDay, models: TrainedSet, environment: Mapping[str, str]
) -> tuple[BacktestApp, Runner]:
    """The app on a tape, before a day begins."""
    clock = SimClock(pre_open_at(day) - timedelta(minutes=1))
    app = BacktestApp(environment, Exchange(tape, VenueConfig(), start=clock.at), clock, "leakcheck")
    app.history = MemoryHistory()
    for onnx, card in models.models:
        publish(app.blobs, onnx, card, promoted_at=clock.at)
    return app, Runner(app, clock, environment)


def decisions_of(app: BacktestApp, on: date) -> Decisions:
    """What was scored, decided and ordered on a day."""
    return {
        f"{table}|{key}": row
        for table in (Table.SIGNALS, Table.DECISIONS, Table.JOURNAL)
        for key, row in app.tables.query(table, str(on))
    }


def future_shift(
    pipeline: Pipeline, tape: Tape, days: Sequence[TradingDay], *, minutes: Sequence[int], seed: int = 7
) -> LeakCheck:
    """Change everything after an instant; nothing decided at or before it may change.

    Parameters
    ----------
    days : sequence of TradingDay
        Days that are cut.
    minutes : sequence of int
        Minutes after the open at which each is cut, multiples of five.
    """
    compared, found = 0, []
    for day in days:
        for minute in minutes:
            at = day.open_at + timedelta(minutes=minute)
            before = pipeline(tape, day, at)
            after = pipeline(ShiftedTape(tape, at, seed), day, at)
            early = {key: row for key, row in before.items() if _decided_at(row) <= at}
            compared += len(early)
            for key, row in early.items():
                if after.get(key) != row:
                    found.append(f"{day.on} {at.astimezone(NEW_YORK):%H:%M}: {key} {_changed(row, after.get(key))}")
    return LeakCheck(name="future-shift", compared=compared, found=tuple(found))


def _decided_at(row: Row) -> datetime:
    name = next(name for name in ("scored_at", "decided_at", "at") if name in row)
    return parse_utc(str(row[name]))


def _changed(row: Row, other: Row | None) -> str:
    if other is None:
        return "is gone"
    return "differs in " + ", ".join(sorted(k for k in row.keys() | other.keys() if row.get(k) != other.get(k)))


def feature_rows(context: Sequence[str]) -> FeatureMaker:
    """The app's features of every symbol at every bar of a day."""

    def make(tape: Tape, day: TradingDay, history: tuple[int, int]) -> FloatArray:
        equities = [name for name, asset in tape.assets.items() if asset.asset_class == "us_equity"]
        items = {item.symbol: item for item in symbol_days(tape, day, equities, history=history)}
        market = [items[Symbol(name)] for name in context if Symbol(name) in items]
        return np.concatenate(day_features(list(items.values()), market, day))

    return make


def recursive(make: FeatureMaker, tape: Tape, days: Sequence[TradingDay]) -> LeakCheck:
    """Give the features a longer past; no value may change by a bit."""
    compared, found = 0, []
    for day in days:
        short, long = make(tape, day, SHORT_DAYS), make(tape, day, LONG_DAYS)
        same = (short == long) | (np.isnan(short) & np.isnan(long))
        compared += same.size
        for column in np.flatnonzero(~same.all(axis=0)):
            name = FEATURE_NAMES[column] if column < len(FEATURE_NAMES) else f"column {column}"
            found.append(f"{day.on}: {name} differs in {int((~same[:, column]).sum())} of {len(same)} rows")
    return LeakCheck(name="recursive", compared=compared, found=tuple(found))


def learner(rule: FitRule, seed: int) -> Learner:
    """The signal model's own fit."""

    def learn(data: Dataset, fold: Fold) -> FloatArray:
        model = fit_signal(data.on(fold.train), rule, seed)
        return predict(model, data.on(fold.test).features)

    return learn


def label_shuffle(learn: Learner, data: Dataset, fold: Fold, *, seed: int = 7) -> LeakCheck:
    """Shuffle the outcomes of all rows; what is learned from them must tell the unseen ones apart as chance does."""
    rng = np.random.default_rng(seed)
    shuffled = dataclasses.replace(data, outcome=rng.permutation(data.outcome))
    probabilities, truth = learn(shuffled, fold), shuffled.on(fold.test).outcome
    found = []
    for name, side in (("up", UP), ("down", DOWN)):
        area, error = auc(probabilities[:, side], truth == side)
        if abs(area - 0.5) > BOUND * error:
            found.append(f"AUC of {name} is {area:.4f} on shuffled labels, chance gives 0.5 within {BOUND * error:.4f}")
    return LeakCheck(name="label-shuffle", compared=len(truth), found=tuple(found))


def auc(score: FloatArray, happened: NDArray[np.bool_]) -> tuple[float, float]:
    """Area under the curve, and its standard error if score and event have nothing to do with each other."""
    yes, no = int(happened.sum()), int((~happened).sum())
    if not yes or not no:
        return 0.5, math.inf
    return float(roc_auc_score(happened, score)), math.sqrt((yes + no + 1) / (12 * yes * no))


def run_checks(spec: Spec, plan: ModelPlan, *, days: int, seed: int, progress: Progress) -> list[LeakCheck]:
    """All three checks on a file of bars, with the models that would trade it.

    Parameters
    ----------
    days : int
        How many are cut and recomputed.
    """
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    picked = sampled_days(tape, days)
    core, market = symbols_of(tape, picked[0].on, spec.core)
    known = {Symbol(name) for name in tape.assets}
    context = context_symbols([Symbol(s) for s in market], [Symbol(s) for s in core], known)
    checks = []
    for k, day in enumerate(picked):
        pipeline = stage_pipeline(plan.of(day.on) or plan.steps[0][1], spec.changed, core, market)
        checks.append(future_shift(pipeline, tape, [day], minutes=(120 + 90 * (k % 3),), seed=seed))
        progress("future-shift", (k + 1) / len(picked))
    shift = LeakCheck(
        name="future-shift",
        compared=sum(check.compared for check in checks),
        found=tuple(line for check in checks for line in check.found),
    )
    longer = recursive(feature_rows(context), tape, picked)
    progress("recursive", 1.0)
    rule = TrainingRule(market_symbols=context, sampling=SamplingRule(max_symbols=40))
    source = ParquetHistory(spec.bars, XnysCalendar())
    last = (spec.until or source.days[-1].on) + timedelta(days=1)
    data = dataset_of(source, rule, seed=seed, on=last, progress=progress)
    return [shift, longer, label_shuffle(learner(rule.fitting, seed), data, split_of(data.dates, rule), seed=seed)]


def sampled_days(tape: Tape, count: int) -> list[TradingDay]:
    """Days of a tape, evenly spread over those with enough history."""
    calendar = XnysCalendar()
    known = [day for on in tape.session_dates[25:] if (day := calendar.day(on)) is not None]
    if not known:
        raise ValueError(f"the market has {len(tape.session_dates)} sessions, a check needs more than 25")
    places = np.linspace(0, len(known) - 1, min(count, len(known))).astype(int)
    return [known[k] for k in dict.fromkeys(places.tolist())]
