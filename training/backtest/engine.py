"""The backtest: traded days one after the other, the account carried over, features and scores computed ahead.

What one day leaves to the next is the account: cash, the ledger's peak and halts. So days cannot be run side by side
and stay exact. What does not depend on the account, features and scores of every symbol at every bar, is computed for
days ahead by joblib's workers, while this process carries the account through the stages.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

from joblib import Parallel, delayed

from shared.adapters.calendar import XnysCalendar
from shared.contracts.records import Container
from shared.core.errors import SettingsError
from shared.core.features import context_symbols, prepare
from shared.core.features.history import midnight_s
from shared.core.ids import hash_id
from shared.core.market import Timeframe, TradingDay
from shared.core.sessions import aft_close_at, pre_open_at
from shared.core.splits import NO_SPLITS, in_terms_of
from shared.core.values import Side, Symbol, from_epoch
from shared.strategies.catalogue import ActiveStrategy, traded
from simulation.market.days import tradable_day
from simulation.runtime.clock import SimClock
from simulation.runtime.runner import JOBS, Runner, Stages
from simulation.venue.account import Fill
from simulation.venue.engine import Exchange
from training.backtest.batch import BatchedScore, DayScores, TrainedSet, score_day
from training.backtest.harvest import Harvest, counts, points_of, read_day, trades_of
from training.backtest.history import MemoryHistory
from training.backtest.idle_minutes import IdleMinutes
from training.backtest.ports import BacktestApp
from training.backtest.records import DayResult, Judged, Trade
from training.backtest.regimes import regime_of
from training.backtest.spec import BacktestOutcome, ModelPlan, Spec, app_environment, symbols_of
from training.backtest.tape import RollingTape
from training.backtest.told_stories import NO_STORIES, read_told
from training.backtest.trade_cases import cases_of, shadow_book
from training.dataset import Progress
from training.publish import publish

MINUTE = timedelta(minutes=1)
KEPT_SESSIONS = 8
"""Sessions whose rows stay in memory: gates look five back."""
DAY_CONTAINERS = (Container.FEATURES, Container.WATCHLISTS, Container.REPORTS, Container.BARS)


def batched_scores(spec: Spec, models: ModelPlan, progress: Progress) -> list[DayScores | None]:
    """Scores of every traded day, to be given to several runs that differ in settings only."""
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    ahead = _Run(spec, tape, models)
    found = []
    for k, scores in enumerate(ahead.scores_ahead()):
        found.append(scores)
        progress("scores", (k + 1) / len(ahead.days))
    return found


def run(
    spec: Spec,
    models: ModelPlan,
    progress: Progress | None = None,
    *,
    scores: Sequence[DayScores | None] | None = None,
    watch: Callable[[Harvest], None] = lambda _: None,
) -> BacktestOutcome:
    """Run a backtest.

    Parameters
    ----------
    spec : Spec
    models : ModelPlan
    progress : callable, optional
    scores : sequence, optional
        Of `batched_scores` for the same bars, days, models and symbols.
    watch : callable, optional
        Shown the rows of each day before they are forgotten.

    Raises
    ------
    SettingsError
        If the file, a date or a setting cannot be used.
    ContractError
        If the file is no file of bars.
    InvariantError
        If batch and stage disagree: nothing of such a run is to be believed.
    """
    tell = progress or (lambda what, done: None)
    begun = perf_counter()
    warming = _warm_up(spec) if scores is None else ()
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    loaded_s = perf_counter() - begun
    run_of = _Run(spec, tape, models)
    deque(warming, maxlen=0)
    run_of.given, run_of.watch = scores, watch
    run_of.runner.spent.seconds["read bars"] += loaded_s
    days = run_of.go(tell)
    return BacktestOutcome(
        spec=spec,
        settings=run_of.app.settings,
        days=days,
        judged=Judged.together(run_of.judged),
        content_id=run_of.content_id,
        models=tuple(dict.fromkeys(day.model for day in days if day.model)),
        seconds=dict(sorted(run_of.runner.spent.seconds.items(), key=lambda item: -item[1])),
        calls=dict(run_of.runner.spent.calls),
        wall_s=perf_counter() - begun,
        bars=run_of.bars,
        unfinished=len(run_of.open_fills),
        cases=run_of.cases,
    )


class _Run:
    """One account on its way through the days."""

    def __init__(self, spec: Spec, tape: RollingTape, models: ModelPlan) -> None:
        self.spec, self.tape, self.models = spec, tape, models
        self.calendar = XnysCalendar()
        self.days = _traded_days(spec, tape, self.calendar)
        first = self.days[0]
        self.environment = app_environment(spec.changed, *symbols_of(tape, first.on, spec.core))
        self.clock = SimClock(pre_open_at(first) - MINUTE)
        venue = dataclasses.replace(spec.venue, cash=spec.cash_usd)
        self.exchange = Exchange(tape, venue, start=self.clock.at)
        self.stories = NO_STORIES if spec.stories is None else read_told(spec.stories)
        parts = self.environment, self.exchange, self.clock
        self.app = BacktestApp(*parts, "backtest", tape.trades_on, stories=self.stories)
        self.strategies = traded(self.app.settings.strategies)
        watchlist = self.app.settings.watchlist
        self.market_symbols = watchlist.market_symbols
        self.context = context_symbols(
            watchlist.market_symbols, watchlist.core_symbols, {Symbol(s) for s in tape.assets}
        )
        self.batched = BatchedScore()
        self.runner = self._runner()
        self.judged: list[Judged] = []
        self.cases: dict[str, bytes] = {}
        self.bars = 0
        self.open_fills: dict[str, list[Fill]] = defaultdict(list)
        self._open_days: dict[str, tuple[Harvest, str, bool]] = {}
        self._fills_read = 0
        self._published = ""
        self.given: Sequence[DayScores | None] | None = None
        self.watch: Callable[[Harvest], None] = lambda _: None

    @property
    def content_id(self) -> str:
        """Names what was read: the bars, and the stories where there are any."""
        bars, stories = self.tape.content_id, self.stories.content_id
        return hash_id("beside", bars, stories) if stories else bars

    def _runner(self) -> Runner:
        if self.spec.exact:
            return Runner(self.app, self.clock, self.environment)
        self.app.history = MemoryHistory()
        idle = IdleMinutes(self.app, self.clock, self.app.tape_broker)
        jobs = JOBS - {"report"}  # figures are read off the tables
        if self.spec.stories is None:
            jobs -= {"news"}  # a file of bars has none
        stages = Stages(score=self.batched, idle=idle, jobs=jobs)
        return Runner(self.app, self.clock, self.environment, stages)

    def go(self, tell: Progress) -> tuple[DayResult, ...]:
        """Run every day."""
        results = []
        ahead = iter(self.given) if self.given is not None else self.scores_ahead()
        for k, day in enumerate(self.days):
            scores = self.runner.spent.run("wait for scores", lambda: next(ahead))
            results.append(self._day(day, scores))
            tell("days", (k + 1) / len(self.days))
        return tuple(results)

    def scores_ahead(self) -> Iterator[DayScores | None]:
        """Scores of every day in order, computed ahead by workers."""
        pairs = [self.models.of(day.on) for day in self.days]
        if not self.spec.workers:
            opened = _Opened(self.tape)
            for day, pair in zip(self.days, pairs, strict=True):
                yield opened.score(day, pair, self.context, self.strategies)
            return
        job, spec = delayed(_score_in_worker), self.spec
        tasks: Iterable[Any] = (
            job(str(spec.bars), spec.until, self.strategies, day=day, pair=pair, context=self.context)
            for day, pair in zip(self.days, pairs, strict=True)
            for day, pair in zip(self.days, pairs, strict=True)
        )
        pool = Parallel(n_jobs=self.spec.workers, return_as="generator", pre_dispatch="2*n_jobs", batch_size=2)
        yield from pool(tasks)

    def _day(self, day: TradingDay, scores: DayScores | None) -> DayResult:
        pair = self.models.of(day.on)
        self.runner.skip_to(pre_open_at(day) - MINUTE)
        if pair is not None and pair.version != self._published:
            for onnx, card in pair.models:
                publish(self.app.blobs, onnx, card, promoted_at=self.clock.at)
            self._published = pair.version
        self.batched.begin(scores)
        if scores is not None:
            self.judged.append(scores.judged)
            self.bars += scores.rows
        opening = self.exchange.equity()
        self.runner.run(aft_close_at(day))
        self.app.tape_broker.sync()
        return self.runner.spent.run(
            "harvest", lambda: self._harvest(day, opening, "" if pair is None else pair.version)
        )

    def _harvest(self, day: TradingDay, opening: Decimal, model: str) -> DayResult:
        harvest = read_day(self.app.tables, day.on)
        self.watch(harvest)
        fills = self.exchange.account.fills[self._fills_read :]
        self._fills_read += len(fills)
        regime = self._regime(day)
        in_sample = self.models.is_in_sample(day.on)
        found = counts(harvest)
        skipped = 0 if self.spec.exact else self.batched.skipped
        below = {"BELOW_THRESHOLD": skipped} if skipped else {}
        universe, spy = self._benchmarks(day)
        result = DayResult(
            on=day.on,
            opening_usd=float(opening),
            closing_usd=float(self.exchange.equity()),
            points=points_of(harvest),
            trades=tuple(self._trades(harvest, fills, regime, in_sample=in_sample)),
            scored=len(harvest.signals) + skipped,
            policy=found["policy"] | below,
            decisions=found["decisions"],
            refused_by=found["refused_by"],
            fills=len(fills),
            bought_usd=_value(fills, Side.BUY),
            sold_usd=_value(fills, Side.SELL),
            model=model,
            regime=regime,
            in_sample=in_sample,
            benchmark=universe,
            spy=spy,
            shadows=self.runner.spent.run("shadow book", lambda: shadow_book(self.app, self.tape, day.on)),
        )
        if self.spec.cases:
            self.cases |= self.runner.spent.run("case files", lambda: cases_of(self.app, self.tape, result.trades))
        self._forget(day)
        return result

    def _trades(self, harvest: Harvest, fills: Sequence[Fill], regime: str, *, in_sample: bool) -> list[Trade]:
        """Trades that have ended; what is still held is looked at again the next day."""
        for row in harvest.orders.values():
            self._open_days[str(row["intent_id"])] = (harvest, regime, in_sample)
        for fill in fills:
            order = self.exchange.book.orders[fill.order_id]
            self.open_fills[order.head.client_order_id.rsplit("-", 2)[0]].append(fill)
        ended: list[Trade] = []
        for intent in list(self.open_fills):
            held = self._open_days.get(intent)
            if held is not None:
                ended += trades_of(held[0], self.exchange, self.open_fills[intent], regime=held[1], in_sample=held[2])
        for trade in ended:
            del self.open_fills[trade.intent_id]
        self._open_days = {k: v for k, v in self._open_days.items() if k in self.open_fills}
        return sorted(ended, key=lambda trade: (trade.entered_at, trade.symbol))

    def _regime(self, day: TradingDay) -> str:
        if not self.market_symbols:
            return regime_of(None)
        symbol, start = self.market_symbols[0], midnight_s(day.on)
        daily = self.tape.bars(symbol, Timeframe.DAY_1, from_epoch(start - 120 * 86_400), from_epoch(start))
        splits = self.tape.splits.get(symbol, NO_SPLITS)
        return regime_of(prepare(Symbol(symbol), daily=daily, history=daily[:0], day=day, splits=splits))

    def _benchmarks(self, day: TradingDay) -> tuple[float, float]:
        """Levels at the close of what was bought in equal parts at the close before the first day, and of the market.

        What has no close before the first day is not bought; what does not trade today stands at its last close.
        """
        levels = {}
        for symbol in self.tape.assets:
            start = self.exchange.view.daily_before(symbol, self.days[0].on)
            if start >= 0:
                daily, splits = self.exchange.view.daily(symbol), self.tape.splits.get(symbol, NO_SPLITS)
                place = self.exchange.view.daily_before(symbol, day.on + timedelta(days=1))
                close = in_terms_of(daily, splits, int(daily.start_s[place])).close
                levels[symbol] = float(close[place] / close[start])
        mean = sum(levels.values()) / len(levels) if levels else math.nan
        first = str(self.market_symbols[0]) if self.market_symbols else ""
        return mean, levels.get(first, math.nan)

    def _forget(self, day: TradingDay) -> None:
        """Let go of what no later day looks at."""
        old = self.calendar.previous_days(day.on, KEPT_SESSIONS)[0].on
        self.app.memory_tables.forget(str(old))
        for container in DAY_CONTAINERS:
            self.app.memory_blobs.forget(container, f"{day.on}/")
        self.app.memory_blobs.forget(Container.BARS, "history/")
        ended = [key for key, instance in self.runner.hub.instances.items() if not instance.is_running]
        for key in ended:
            del self.runner.hub.instances[key]


def traded_dates(spec: Spec) -> list[date]:
    """Dates that a run would trade."""
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    return [day.on for day in _traded_days(spec, tape, XnysCalendar())]


def _value(fills: Sequence[Fill], side: Side) -> float:
    return float(sum(f.qty * f.price for f in fills if f.side is side))


def _traded_days(spec: Spec, tape: RollingTape, calendar: XnysCalendar) -> list[TradingDay]:
    dates = [on for on in tape.session_dates if spec.since is None or on >= spec.since]
    days = [day for on in dates if (day := calendar.day(on)) is not None]
    if not days:
        raise SettingsError(f"{spec.bars} has no session from {spec.since} to {spec.until}")
    for day in (days[0], days[-1]):
        tradable_day(day.on)
    return days


class _Opened:
    """Models opened once for as many days as they trade."""

    def __init__(self, tape: RollingTape) -> None:
        self.tape = tape
        self._version = ""
        self._predictors: Any = None

    def score(
        self, day: TradingDay, pair: TrainedSet | None, context: Sequence[str], strategies: Sequence[ActiveStrategy]
    ) -> DayScores | None:
        """Scores and wishes of a day; None where the stage alone can say, without a model that a strategy needs."""
        if pair is None:
            needing = any(each.strategy is None or each.strategy.needs.models for each in strategies)
            return None if needing else score_day(self.tape, day, None, context, strategies)
        if pair.version != self._version:
            self._predictors, self._version = pair.predictors(), pair.version
        return score_day(self.tape, day, self._predictors, context, strategies)


_IN_WORKER: dict[tuple[str, date | None], _Opened] = {}


def _warm_up(spec: Spec) -> Iterable[Any]:
    """Start joblib's workers on reading the file, while this process reads it too."""
    if not spec.workers:
        return ()
    job = delayed(_read_in_worker)
    pool = Parallel(n_jobs=spec.workers, return_as="generator")
    found: Iterable[Any] = pool(job(str(spec.bars), spec.until) for _ in range(spec.workers))
    return found


def _read_in_worker(path: str, until: date | None) -> None:
    """Runs in a process of joblib's: the file is read once in each."""
    if (path, until) not in _IN_WORKER:
        _IN_WORKER.clear()
        _IN_WORKER[path, until] = _Opened(RollingTape.from_parquet(Path(path), until))


def _score_in_worker(
    path: str,
    until: date | None,
    strategies: Sequence[ActiveStrategy],
    *,
    day: TradingDay,
    pair: TrainedSet | None,
    context: Sequence[str],
) -> DayScores | None:
    """Runs in a process of joblib's."""
    _read_in_worker(path, until)
    return _IN_WORKER[path, until].score(day, pair, context, strategies)
