"""How the champion does live: whether its features still look as they did, and whether its probabilities come true."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.contracts.model_card import SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard
from shared.contracts.records import Container, Table
from shared.core.drift import FeatureDrift, drifted_share, drifts
from shared.core.errors import ContractError
from shared.core.features.history import BAR_S, midnight_s
from shared.core.market import Bars, FloatArray, Timeframe
from shared.core.packing import unpack
from shared.core.sessions import Session
from shared.core.values import Symbol, from_epoch, parse_utc, require_at_least, require_fraction
from shared.ports import BlobStore, Calendar, Row, TableStore
from training.calibrate import brier
from training.evaluate import calibration_error
from training.labels import UP, BarrierRule, triple_barrier
from training.source import HistorySource


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRule:
    """When a champion is taken back.

    Attributes
    ----------
    sessions : int
        Last sessions that are looked at together.
    blobs_max : int
        Most blobs of features that are read, spread over the sessions.
    rows_min, outcomes_min : int
        With fewer nothing is said of features or probabilities.
    drifted_share_max : float
        Most share of features beyond their limits.
    calibration_error_max : float
        Most mean distance of p_up from the frequency in tenths.
    brier_excess_max : float
        Most by which the Brier score may exceed that of the sessions' own base rates.
    """

    sessions: int = 5
    blobs_max: int = 200
    rows_min: int = 500
    outcomes_min: int = 300
    drifted_share_max: float = 0.5
    calibration_error_max: float = 0.10
    brier_excess_max: float = 0.05

    def __post_init__(self) -> None:
        for name in ("sessions", "blobs_max", "rows_min", "outcomes_min"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("drifted_share_max", "calibration_error_max", "brier_excess_max"):
            require_fraction(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCheck:
    """What the last sessions say of a champion.

    `drifts` holds the farthest features first; it is empty with too few rows. `calibration_error`, `brier` and
    `brier_base` are None with too few outcomes.
    """

    version: str
    sessions: tuple[date, ...]
    rows: int
    drifts: tuple[FeatureDrift, ...]
    drifted_share: float
    outcomes: int
    calibration_error: float | None
    brier: float | None
    brier_base: float | None
    faults: tuple[str, ...]

    @property
    def fault(self) -> str:
        """Why the champion should go; empty where nothing speaks against it."""
        return "; ".join(self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorld:
    """Where evidence comes from: features and signals as the score stage wrote them, and the bars that followed.

    Without `source` nothing is said of probabilities. `barrier` is the label's rule.
    """

    blobs: BlobStore
    tables: TableStore
    calendar: Calendar
    source: HistorySource | None
    barrier: BarrierRule


def check_live(card: ModelCard, days: Sequence[date], world: LiveWorld, rule: LiveRule) -> LiveCheck:
    """Hold the champion's card against what the app recorded.

    Parameters
    ----------
    card : ModelCard
        Of the champion: its reference and its version.
    days : sequence of date
        Session dates to look at, ascending; the last `rule.sessions` count.
    world : LiveWorld
    rule : LiveRule
    """
    chosen = tuple(days[-rule.sessions :])
    rows = _features(card, chosen, world.blobs, rule.blobs_max)
    found = drifts(card.reference, rows) if card.reference and len(rows) >= rule.rows_min else ()
    share = drifted_share(found)
    faults = []
    if share > rule.drifted_share_max:
        worst = ", ".join(f"{one.name} {one.psi:.2f}" for one in found[:3])
        faults.append(f"{share:.0%} of features have drifted, limit {rule.drifted_share_max:.0%} ({worst})")
    p, outcome = _outcomes(card, chosen, world)
    error = score = base = None
    if len(p) >= rule.outcomes_min:
        error = calibration_error(p[:, UP], outcome == UP)
        score = brier(p, outcome)
        rates = np.bincount(outcome, minlength=p.shape[1]) / len(outcome)
        base = brier(np.tile(rates, (len(outcome), 1)), outcome)
        if error > rule.calibration_error_max:
            faults.append(f"p_up is off by {error:.3f} on {len(p)} outcomes, limit {rule.calibration_error_max:g}")
        if score > base + rule.brier_excess_max:
            limit = f"{base + rule.brier_excess_max:.3f}"
            faults.append(f"Brier score {score:.3f} on {len(p)} outcomes, limit {limit}")
    return LiveCheck(
        version=card.version,
        sessions=chosen,
        rows=len(rows),
        drifts=found[:10],
        drifted_share=share,
        outcomes=len(p),
        calibration_error=error,
        brier=score,
        brier_base=base,
        faults=tuple(faults),
    )


def _features(card: ModelCard, days: Sequence[date], blobs: BlobStore, most: int) -> FloatArray:
    """Vectors that were scored, in the order of the card's reference; shape (n, len(reference))."""
    names = [name for on in days for name in blobs.names(Container.FEATURES, f"{on}/")]
    spread = [names[k] for k in np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int))]
    parts = [part for name in spread if (part := _vectors(card, blobs, name)) is not None]
    return np.concatenate(parts) if parts else np.empty((0, len(card.reference)))


def _vectors(card: ModelCard, blobs: BlobStore, name: str) -> FloatArray | None:
    """One slice's vectors; None where a feature is missing that the reference has (another catalogue's time)."""
    stored = blobs.get(Container.FEATURES, name)
    if stored is None:
        return None
    try:
        document = json.loads(unpack(stored.value))
        columns = {feature: k for k, feature in enumerate(document["names"])}
        rows = np.array([[np.nan if v is None else v for v in row] for row in document["rows"]], np.float64)
    except (ContractError, ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{Container.FEATURES}/{name} is no features document: {error}") from error
    wanted = [reference.name for reference in card.reference]
    if not len(rows) or any(feature not in columns for feature in wanted):
        return None
    return rows[:, [columns[feature] for feature in wanted]]


def _outcomes(card: ModelCard, days: Sequence[date], world: LiveWorld) -> tuple[FloatArray, NDArray[np.int8]]:
    """Probabilities that the champion gave, shape (n, 3), and what came of them, shape (n,)."""
    p: list[list[float]] = []
    came: list[int] = []
    if world.source is not None:
        for on in days:
            for symbol, rows in _scored(card, on, world.tables).items():
                for row, outcome in _labelled(symbol, on, rows, world.source, world):
                    p.append([float(str(row[f"p_{name}"])) for name in SIGNAL_CLASSES])
                    came.append(outcome)
    return np.array(p).reshape(-1, len(SIGNAL_CLASSES)), np.array(came, np.int8)


def _scored(card: ModelCard, on: date, tables: TableStore) -> Mapping[Symbol, list[Row]]:
    """Rows of signals that this version scored without fault, by symbol; strategies that give no chances leave none."""
    mine = f"{SIGNAL_MODEL}/{card.version}"
    found: dict[Symbol, list[Row]] = {}
    for _, row in tables.query(Table.SIGNALS, str(on)):
        is_scored = mine in str(row.get("models", "")).split() and row.get("p_up") is not None
        if is_scored and not row.get("faults") and row.get("atr_usd"):
            found.setdefault(Symbol(str(row["symbol"])), []).append(row)
    return found


def _labelled(
    symbol: Symbol, on: date, rows: Sequence[Row], source: HistorySource, world: LiveWorld
) -> list[tuple[Row, int]]:
    """Rows whose outcome is known, each with it: the label's own rule on the day's bars."""
    day, barrier = world.calendar.day(on), world.barrier
    if day is None:
        return []
    start = from_epoch(midnight_s(on))
    today: Bars = source.bars(symbol, Timeframe.MIN_5, start, start + timedelta(days=1))
    if len(today) < 2:
        return []
    at = np.array([int(parse_utc(str(row["scored_at"])).timestamp()) for row in rows])
    bar = np.searchsorted(today.start_s + BAR_S, at, side="right") - 1
    regular = np.array([Session(str(row["session"])).is_regular for row in rows])
    usable = np.flatnonzero((bar >= 0) & regular).tolist()
    atr = np.full(len(today), np.nan)
    atr[bar[usable]] = [float(str(rows[k]["atr_usd"])) for k in usable]
    close_s = int(day.close_at.timestamp()) - barrier.flatten_min * 60
    labels = triple_barrier(today, atr, bar[usable], close_s=close_s, rule=barrier)
    return [(rows[k], int(labels.outcome[j])) for j, k in enumerate(usable) if labels.known[j]]
