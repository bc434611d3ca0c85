"""The night's work: new data, a challenger, a verdict, a look at how the champion does live; each step once.

A night can be killed anywhere and started again: steps that are over are not repeated, one that was not is done again
with the same outcome, since versions are named by what they were made of and the champion is switched under its
ETag. A lock keeps two nights apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from shared.adapters.codec import decode_json, encode_json
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL, ModelCard
from shared.contracts.records import Table
from shared.core.drift import drifts
from shared.core.errors import ConflictError, ModelError
from shared.core.sessions import new_york_instant
from shared.core.values import iso, require
from shared.ports import BlobStore, Calendar, Cell, Clock, Stored, TableStore
from shared.strategies.protocol import Predictor
from training import publish
from training.baseline import best_simple
from training.dataset import Dataset, Progress
from training.pipeline import (
    TrainedModels,
    TrainingRule,
    dataset_of,
    require_sessions,
    split_of,
    thorough,
    train_on,
)
from training.registry.judge import PromotionRule, PromotionVerdict, evidence_of, verdict
from training.registry.live import LiveCheck, LiveRule, LiveWorld, check_live
from training.registry.lock import BlobLock
from training.registry.nightly_state import CONTAINER, NIGHTLY, FinishedNight, NightRun, NightStep, folder_of
from training.source import HistorySource

SLOT = "1730"
LOCK_LENGTH = timedelta(minutes=20)
_RENEW_AFTER = LOCK_LENGTH / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NightRule:
    """How a night trains, judges and watches.

    `training` makes the rule from the number of sessions; `is_synthetic` says of what market the history is. `label`
    names what is being done: only a night of the default label is recorded in table runs.
    """

    label: str = NIGHTLY
    seed: int = 7
    training: Callable[[int], TrainingRule] = thorough
    promotion: PromotionRule = field(default_factory=PromotionRule)
    live: LiveRule = field(default_factory=LiveRule)
    is_synthetic: bool = False
    code_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyTraining:
    """What a night needs of the world.

    Attributes
    ----------
    fetch : callable or None
        Brings new data; may be repeated. None: there is nothing to bring.
    source : callable
        Opens the history, after the fetch.
    owner : str
        Names this process.
    journal : Path or None
        Where the tuning's trials are kept over a kill.
    report : callable
        Given the night and the models that it trained (None after a restart), returns documents by name.
    track : callable
        Told the models and the verdict, as soon as there is one.
    after : callable
        Told each step when it is over and remembered.
    """

    blobs: BlobStore
    tables: TableStore
    clock: Clock
    calendar: Calendar
    source: Callable[[], HistorySource]
    owner: str
    fetch: Callable[[], str] | None = None
    journal: Path | None = None
    report: Callable[[NightRun, tuple[ModelCard, ...]], dict[str, bytes]] = lambda night, cards: {}
    track: Callable[[TrainedModels, PromotionVerdict | None], str] = lambda models, verdict: ""
    after: Callable[[NightStep], None] = lambda step: None
    progress: Progress = lambda what, done: None


def run_night(on: date, ports: NightlyTraining, rule: NightRule) -> NightRun:
    """Do what is left to do of a night.

    Parameters
    ----------
    on : date
        A session date whose close is over: its data is learned from.

    Returns
    -------
    NightRun
        As it stands at the end.

    Raises
    ------
    ValueError
        If `on` is no session date, or its close is not over.
    ConflictError
        If another night is at work.
    """
    if (day := ports.calendar.day(on)) is None:
        raise ValueError(f"date must be a session date, got {on!r}")
    require(day.close_at <= ports.clock.now(), "date", on, "a session whose close is over")
    lock = BlobLock(
        ports.blobs, CONTAINER, f"{rule.label}/lock.json", clock=ports.clock, owner=ports.owner, length=LOCK_LENGTH
    )
    if (holder := lock.take()) is not None:
        raise ConflictError(f"a nightly run is at work: {holder.owner}, at most until {iso(holder.until)}")
    work = _Work(on, ports, rule, lock)
    try:
        return work.run(due_at=new_york_instant(day, time(17, 30)))
    finally:
        lock.release()


class _Work:
    """One attempt at a night."""

    def __init__(self, on: date, ports: NightlyTraining, rule: NightRule, lock: BlobLock) -> None:
        self._on, self._ports, self._rule, self._lock = on, ports, rule, lock
        self._path = f"{folder_of(on, rule.label)}/run.json"
        self._renewed_at = ports.clock.now()
        self._stored = self._open()
        self._source: HistorySource | None = None
        self._data: Dataset | None = None
        self._models: TrainedModels | None = None

    @property
    def night(self) -> NightRun:
        return self._stored.value

    def run(self, due_at: datetime) -> NightRun:
        """Do the steps that are not over."""
        ports = self._ports
        row: dict[str, Cell] = {"job": NIGHTLY, "slot": SLOT, "due_at": iso(due_at), "attempt": self.night.attempt}
        row["started_at"] = iso(ports.clock.now())
        if self.night.is_over:
            return self.night
        self._record(row | {"status": "started"})
        steps: dict[NightStep, Callable[[NightRun], tuple[NightRun, str]]] = {
            NightStep.FETCH: self._fetch,
            NightStep.DATA: self._open_data,
            NightStep.TRAIN: self._train,
            NightStep.JUDGE: self._judge,
            NightStep.PROMOTE: self._promote,
            NightStep.LIVE: self._look_live,
            NightStep.ROLL_BACK: self._roll_back,
            NightStep.REPORT: self._report,
        }
        for step, act in steps.items():
            if not self.night.has(step):
                self._renew()
                after, outcome = act(self.night)
                done = FinishedNight(step=step, at=ports.clock.now(), outcome=outcome)
                self._keep(replace(after, finished=(*after.finished, done)))
                ports.after(step)
        finished_at = iso(ports.clock.now())
        self._record(row | {"status": "done", "finished_at": finished_at, "outcome": outcome_of(self.night)})
        return self.night

    def _record(self, row: dict[str, Cell]) -> None:
        if self._rule.label == NIGHTLY:
            self._ports.tables.put(Table.RUNS, str(self._on), f"{NIGHTLY}|{SLOT}", row)

    def _fetch(self, night: NightRun) -> tuple[NightRun, str]:
        return night, self._ports.fetch() if self._ports.fetch else "no source to fetch from: what is there is used"

    def _open_data(self, night: NightRun) -> tuple[NightRun, str]:
        source = self._history()
        told = f"{len(source.symbols)} symbols, {len(source.days)} sessions"
        return replace(night, content_id=source.content_id), told

    def _train(self, night: NightRun) -> tuple[NightRun, str]:
        ports, rule, source = self._ports, self._rule, self._history()
        require(source.content_id == night.content_id, "data", source.content_id, f"{night.content_id}, as before")
        models = train_on(
            self._dataset(),
            content_id=source.content_id,
            seed=rule.seed,
            on=self._on + timedelta(days=1),
            created_at=ports.clock.now(),
            rule=self._training_rule(),
            code_revision=rule.code_revision,
            is_synthetic=rule.is_synthetic,
            progress=self._told,
            journal=ports.journal,
        )
        self._models = models
        for model in models.all:
            publish.store(ports.blobs, model.onnx, model.card)
        version = models.signal.card.version
        return replace(night, challenger=version), f"{version}, {', '.join(model.card.name for model in models.all)}"

    def _judge(self, night: NightRun) -> tuple[NightRun, str]:
        champion = publish.champion_of(self._ports.blobs, SIGNAL_MODEL)
        if champion is not None and champion.version == night.challenger:
            return night, "the challenger is champion already"
        data, training = self._dataset(), self._training_rule()
        fold = split_of(data.dates, training)
        learn, judge, cost_bp = data.on(fold.train), data.on(fold.test), training.barrier.cost_bp
        card, signal, move = self._heads(night.challenger, night.challenger)
        challenger = evidence_of(card, signal, move, judge, cost_bp)
        reigning, note = None, "no champion"
        if champion is not None:
            try:
                moves = publish.champion_of(self._ports.blobs, MOVE_MODEL)
                its = self._heads(champion.version, moves.version if moves else champion.version)
                reigning, note = evidence_of(*its, judge, cost_bp), champion.version
            except ModelError as error:
                note = f"champion {champion.version} cannot be compared: {error}"
        columns = [card.feature_names.index(reference.name) for reference in card.reference]
        found = verdict(
            challenger,
            reigning,
            simple=best_simple(learn, judge, cost_bp),
            judge=judge,
            drifts=drifts(card.reference, judge.features[:, columns].astype(float)),
            rule=self._rule.promotion,
        )
        words = "better than all it was held against" if found.is_promoted else "; ".join(found.reasons)
        return replace(night, verdict=found), f"against {note}: {words}"

    def _promote(self, night: NightRun) -> tuple[NightRun, str]:
        ports = self._ports
        if self._models is not None and night.verdict is not None:
            ports.track(self._models, night.verdict)
        if night.verdict is None:
            return night, "nothing to promote"
        if not night.verdict.is_promoted:
            return night, f"refused: {'; '.join(night.verdict.reasons)}"
        reason = f"{self._rule.label} {self._on}"
        for card in publish.cards_of(ports.blobs, night.challenger):
            publish.promote(ports.blobs, card.name, card.version, promoted_at=ports.clock.now(), reason=reason)
        return night, f"{night.challenger} is champion"

    def _look_live(self, night: NightRun) -> tuple[NightRun, str]:
        ports = self._ports
        champion = publish.champion_of(ports.blobs, SIGNAL_MODEL)
        if champion is None:
            return night, "there is no champion"
        days = [day.on for day in ports.calendar.previous_days(self._on + timedelta(days=1), self._rule.live.sessions)]
        world = LiveWorld(
            blobs=ports.blobs,
            tables=ports.tables,
            calendar=ports.calendar,
            source=self._history(),
            barrier=self._training_rule().barrier,
        )
        card = publish.card_of(ports.blobs, SIGNAL_MODEL, champion.version)
        found = check_live(card, days, world, self._rule.live)
        return replace(night, live=found), found.fault or _said(found)

    def _roll_back(self, night: NightRun) -> tuple[NightRun, str]:
        """Both heads go back together: they were judged together."""
        if night.live is None or not night.live.fault:
            return night, "no reason to"
        outcomes = []
        for name in (SIGNAL_MODEL, MOVE_MODEL):
            after = publish.roll_back(
                self._ports.blobs,
                name,
                night.live.version,
                at=self._ports.clock.now(),
                fault=night.live.fault,
                on=self._on + timedelta(days=1),
            )
            stands = f"suspended: {after.suspended}" if after.suspended else f"{after.version} is champion"
            outcomes.append(f"{name} {stands}")
        return night, "; ".join(outcomes)

    def _report(self, night: NightRun) -> tuple[NightRun, str]:
        documents = self._ports.report(night, publish.cards_of(self._ports.blobs, night.challenger))
        for name, data in documents.items():
            self._ports.blobs.put(CONTAINER, f"{folder_of(self._on, self._rule.label)}/{name}", data)
        return night, ", ".join(sorted(documents)) or "none"

    def _history(self) -> HistorySource:
        if self._source is None:
            self._source = self._ports.source()
        return self._source

    def _dataset(self) -> Dataset:
        if self._data is None:
            require_sessions(self._history(), self._training_rule(), on=self._on + timedelta(days=1))
            self._data = dataset_of(
                self._history(),
                self._training_rule(),
                seed=self._rule.seed,
                on=self._on + timedelta(days=1),
                progress=self._told,
            )
        return self._data

    def _training_rule(self) -> TrainingRule:
        return self._rule.training(sum(day.on <= self._on for day in self._history().days))

    def _heads(self, signal: str, move: str) -> tuple[ModelCard, Predictor, Predictor]:
        """Both heads, checked as the app checks them. Raises ModelError where one cannot be trusted."""
        card, predictor = publish.verified_of(self._ports.blobs, SIGNAL_MODEL, signal)
        return card, predictor, publish.verified_of(self._ports.blobs, MOVE_MODEL, move)[1]

    def _told(self, what: str, done: float) -> None:
        self._renew()
        self._ports.progress(what, done)

    def _renew(self) -> None:
        """Renew the lock now and then. Raises ConflictError where it is lost."""
        now = self._ports.clock.now()
        if now - self._renewed_at >= _RENEW_AFTER:
            if (holder := self._lock.take()) is not None:
                raise ConflictError(f"the nightly lock was lost to {holder.owner}")
            self._renewed_at = now

    def _open(self) -> Stored[NightRun]:
        """The night as an earlier attempt left it, or a new one."""
        blobs, stored = self._ports.blobs, self._ports.blobs.get(CONTAINER, self._path)
        if stored is None:
            blobs.insert(CONTAINER, self._path, encode_json(NightRun(on=self._on, attempt=1)))
        else:
            before = decode_json(NightRun, stored.value)
            if before.is_over:
                return Stored(value=before, etag=stored.etag)
            blobs.replace(CONTAINER, self._path, encode_json(replace(before, attempt=before.attempt + 1)), stored.etag)
        return self._read()

    def _read(self) -> Stored[NightRun]:
        stored = self._ports.blobs.get(CONTAINER, self._path)
        if stored is None:
            raise ConflictError(f"the record of night {self._on} is gone")
        return Stored(value=decode_json(NightRun, stored.value), etag=stored.etag)

    def _keep(self, night: NightRun) -> None:
        self._ports.blobs.replace(CONTAINER, self._path, encode_json(night), self._stored.etag)
        self._stored = self._read()


def outcome_of(night: NightRun) -> str:
    """What a night came to, in a line."""
    if night.verdict is None:
        judged = "no new challenger" if night.challenger else "no challenger"
    elif night.verdict.is_promoted:
        judged = f"promoted {night.challenger}"
    else:
        judged = f"refused {night.challenger}"
    if night.live is not None and night.live.fault:
        judged += f"; {night.live.version} taken back"
    return judged


def _said(found: LiveCheck) -> str:
    known = f"{found.rows} rows, {found.drifted_share:.0%} drifted; {found.outcomes} outcomes"
    return known if found.calibration_error is None else f"{known}, p_up off by {found.calibration_error:.3f}"
