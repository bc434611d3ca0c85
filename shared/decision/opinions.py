"""What models and policy say of each candidate.

Pure: the same inputs give the same opinions, bit for bit on the same kind of processor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from shared.contracts.cases import ModelUsed
from shared.contracts.messages import Signal
from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard
from shared.core.features import (
    SymbolDay,
    adv_shares,
    atr_5m,
    daily_volatility,
    data_faults,
    feature_faults,
)
from shared.core.ids import decision_id, hash_id
from shared.core.market import FloatArray, Quote, TradingDay
from shared.core.policy import PolicyCode, Score, judge
from shared.core.regime import UNKNOWN, RegimeView, view_of
from shared.core.sessions import Session, entries_end_at, session_at
from shared.core.settings import DecisionSettings
from shared.core.values import Rounding, Symbol, to_price

STRATEGY = "momentum.v1"


SCORED_BY = (SIGNAL_MODEL, MOVE_MODEL)
"""The models that give an opinion."""


COST_BESIDE_SPREAD_BP = 4.0
"""Expected slippage and fees of a round trip beyond the spread, in basis points."""


class Predictor(Protocol):
    """A model that has passed its checks."""

    @property
    def card(self) -> ModelCard:
        """Return the card the model was checked against."""

    def predict(self, features: FloatArray) -> FloatArray:
        """Score float64 features of shape (n, n_features), NaN for missing; return (n, n_outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What came of one candidate."""

    item: SymbolDay
    quote: Quote | None
    score: Score
    code: PolicyCode
    faults: tuple[str, ...]
    cost_bp: float
    atr: float
    regime: RegimeView = UNKNOWN

    @property
    def price(self) -> float:
        """Last close in USD, NaN without a bar today."""
        return float(self.item.today.close[-1]) if len(self.item.today) else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionModels:
    """The models that give opinions, with what is wrong where one cannot be trusted."""

    signal: Predictor | None
    move: Predictor | None
    fault: str
    regime: Predictor | None = None
    regime_fault: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """`name/version` of each."""
        return tuple(f"{used.name}/{used.version}" for used in self.used)

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Each as its card names it."""
        cards = (predictor.card for predictor in (self.signal, self.move, self.regime) if predictor is not None)
        return tuple(ModelUsed(name=card.name, version=card.version, sha256=card.sha256) for card in cards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all opinions of one slice share. `now` is the instant at which sessions, ages and lateness are judged."""

    on: date
    slot: str
    message_id: str
    day: TradingDay
    now: datetime
    settings: DecisionSettings
    models: DecisionModels
    features_blob: str

    @property
    def session(self) -> Session:
        """Session at `now`."""
        return session_at(self.now, self.day)

    @property
    def is_late(self) -> bool:
        """Too near to the close for an entry."""
        minutes = self.settings.policy.no_entry_before_close_min
        edge = entries_end_at(self.session, self.day)
        return edge is not None and self.now >= edge - timedelta(minutes=minutes)


def opinions(
    scene: Scene, items: Sequence[SymbolDay], features: FloatArray, quotes: Mapping[Symbol, Quote]
) -> list[Opinion]:
    """What models and policy say of each symbol.

    Parameters
    ----------
    features : float64 of shape (len(items), n_features)
    """
    scores = _predict(scene.models, features)
    regime = _regime(scene.models, features)
    return [
        _opinion(scene, item, row, scored, quote=quotes.get(item.symbol), regime=regime)
        for item, row, scored in zip(items, features, scores, strict=True)
    ]


def models_of(predictors: Mapping[str, Predictor | None], fault: str, regime_fault: str = "") -> DecisionModels:
    """The models of `SCORED_BY` by name; one that is missing or None could not be trusted, as `fault` says.

    The regime model is not needed: without it, as `regime_fault` says, thresholds are those of a normal market.
    """
    return DecisionModels(
        signal=predictors.get(SIGNAL_MODEL),
        move=predictors.get(MOVE_MODEL),
        fault=fault,
        regime=predictors.get(REGIME_MODEL),
        regime_fault=regime_fault,
    )


def _regime(models: DecisionModels, features: FloatArray) -> RegimeView:
    """Ask the regime model once: what it looks at is the index, the same in every row."""
    if models.regime is None or not len(features):
        return UNKNOWN
    return view_of(models.regime.predict(features[:1])[0])


def _predict(models: DecisionModels, features: FloatArray) -> list[Score]:
    """Ask both models; without a trusted one every score is flat, which no policy enters on."""
    if models.signal is None or models.move is None or not len(features):
        return [Score(p_up=0.0, p_none=1.0, p_down=0.0, expected_move=0.0)] * len(features)
    down, none, up = (SIGNAL_CLASSES.index(name) for name in ("down", "none", "up"))
    return [
        Score(p_up=float(p[up]), p_none=float(p[none]), p_down=float(p[down]), expected_move=float(m[0]))
        for p, m in zip(models.signal.predict(features), models.move.predict(features), strict=True)
    ]


def _opinion(
    scene: Scene,
    item: SymbolDay,
    row: FloatArray,
    scored: Score,
    *,
    quote: Quote | None,
    regime: RegimeView,
) -> Opinion:
    settings = scene.settings
    faults = data_faults(item, scene.day, at=scene.now, bar_age_max_s=settings.risk.bar_age_max_s)
    if not faults:
        faults = feature_faults(row)
    two_sided = quote is not None and quote.is_two_sided
    if not two_sided:
        faults = (*faults, "quote: none, or one-sided")
    atr = atr_5m(item)
    if not atr > 0:
        faults = (*faults, "atr: undefined")
    cost_bp = float(quote.spread_bp) + COST_BESIDE_SPREAD_BP if quote is not None and two_sided else math.nan
    code = judge(
        scored,
        cost_bp=cost_bp,
        session=scene.session,
        is_late=scene.is_late,
        faults=faults,
        policy=settings.policy,
        regime=regime.regime,
    )
    if scene.models.fault:
        code = PolicyCode.MODEL_HEALTH
    return Opinion(
        item=item, quote=quote, score=scored, code=code, faults=faults, cost_bp=cost_bp, atr=atr, regime=regime
    )


def signal_of(scene: Scene, opinion: Opinion) -> Signal:
    """The signal of an opinion that policy wants to act on."""
    symbol, scored = opinion.item.symbol, opinion.score
    decided = decision_id(scene.on, scene.slot, symbol, STRATEGY)
    return Signal(
        message_id=hash_id("signal", decided),
        correlation_id=decided,
        causation_id=scene.message_id,
        decided_at=scene.now,
        expires_at=scene.now + timedelta(seconds=scene.settings.policy.signal_ttl_s),
        decision_id=decided,
        on=scene.on,
        slot=scene.slot,
        symbol=symbol,
        strategy=STRATEGY,
        session=scene.session,
        reference_price=to_price(opinion.price),
        atr=to_price(opinion.atr, Rounding.UP),
        adv_shares=int(adv_shares(opinion.item)),
        daily_volatility=daily_volatility(opinion.item),
        p_up=scored.p_up,
        p_none=scored.p_none,
        p_down=scored.p_down,
        expected_move=scored.expected_move,
        features_blob=scene.features_blob,
        model_versions=scene.models.versions,
        parameter_set=scene.settings.policy.parameter_set,
    )
