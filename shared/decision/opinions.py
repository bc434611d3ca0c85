"""What strategies and policy say of each candidate.

Pure: the same inputs give the same opinions, bit for bit on the same kind of processor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.contracts.cases import ModelUsed
from shared.contracts.messages import Signal
from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_MODEL
from shared.core.errors import StrategyError
from shared.core.features import SymbolDay, adv_shares, atr_5m, daily_volatility, data_faults
from shared.core.ids import decision_id, hash_id
from shared.core.market import FloatArray, Quote, TradingDay
from shared.core.order_states import ExitReason
from shared.core.policy import PolicyCode, round_trip_cost_bp
from shared.core.portfolio import Entered
from shared.core.sessions import Session, entries_end_at, session_at
from shared.core.settings import DecisionSettings
from shared.core.text.stories import SymbolText
from shared.core.values import Rounding, Symbol, to_price
from shared.strategies.asking import ask
from shared.strategies.catalogue import ActiveStrategy
from shared.strategies.protocol import Advice, Predictor, SliceView, Strategy

SCORED_BY = (SIGNAL_MODEL, MOVE_MODEL)
"""The models that give an opinion; without them one that needs them has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What came of one candidate of one strategy. `code` is the policy's word, `advice` the strategy's."""

    strategy: str
    item: SymbolDay
    quote: Quote | None
    advice: Advice
    code: PolicyCode
    faults: tuple[str, ...]
    cost_bp: float
    atr: float

    @property
    def leave(self) -> ExitReason | None:
        """Why the strategy's own position in the symbol is to be left, where that is said on sound data."""
        return None if self.faults else self.advice.leave

    @property
    def price(self) -> float:
        """Last close in USD, NaN without a bar today."""
        return float(self.item.today.close[-1]) if len(self.item.today) else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionModels:
    """The trusted models by name. `fault` says why others are not; without the regime's a market is a normal one."""

    predictors: Mapping[str, Predictor]
    fault: str = ""
    regime_fault: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """`name/version` of each."""
        return tuple(f"{used.name}/{used.version}" for used in self.used)

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Each as its card names it."""
        cards = (predictor.card for predictor in self.predictors.values())
        return tuple(ModelUsed(name=card.name, version=card.version, sha256=card.sha256) for card in cards)

    def lacking(self, strategy: Strategy) -> str:
        """Why a strategy cannot be trusted for want of a model; empty where it has all."""
        missing = [name for name in strategy.needs.models if name not in self.predictors]
        return f"{', '.join(missing)}: {self.fault or 'not there'}" if missing else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all opinions of one slice share. `now` is the instant at which sessions, ages and lateness are judged.

    `entered` is what each rule of state holds; `texts` what the news says, shown to strategies that need it.
    """

    on: date
    slot: str
    message_id: str
    day: TradingDay
    now: datetime
    settings: DecisionSettings
    models: DecisionModels
    features_blob: str
    entered: Mapping[str, Mapping[Symbol, Entered]] = field(default_factory=dict)
    texts: Mapping[Symbol, SymbolText] = field(default_factory=dict)

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
    scene: Scene,
    strategies: Sequence[ActiveStrategy],
    items: Sequence[SymbolDay],
    features: FloatArray,
    quotes: Mapping[Symbol, Quote],
) -> list[Opinion]:
    """What each strategy, in its order, and the policy say of each symbol.

    Where two want one symbol, the first has it. A strategy that cannot be used, or fails, has no opinion of any symbol
    of the slice, and says why.

    Parameters
    ----------
    features : float64 of shape (len(items), n_features)
    """
    wanted: set[Symbol] = set()
    found: list[Opinion] = []
    for each in strategies:
        said, fault = _advised(scene, each, items, features, quotes)
        for item, advice in zip(items, said, strict=True):
            opinion = _opinion(scene, each, item, advice, quote=quotes.get(item.symbol), fault=fault)
            if opinion.code is PolicyCode.ENTER and item.symbol in wanted:
                opinion = replace(opinion, code=PolicyCode.DUPLICATE)
            wanted |= {item.symbol} if opinion.code is PolicyCode.ENTER else set()
            found.append(opinion)
    return found


def _advised(
    scene: Scene,
    each: ActiveStrategy,
    items: Sequence[SymbolDay],
    features: FloatArray,
    quotes: Mapping[Symbol, Quote],
) -> tuple[Sequence[Advice], str]:
    """Ask a strategy; its fault, where it has one, stands instead of all that it could have said."""
    nothing = [Advice(code=PolicyCode.NO_WISH)] * len(items)
    if each.strategy is None:
        return nothing, each.fault
    view = SliceView(
        day=scene.day,
        now=scene.now,
        session=scene.session,
        items=items,
        features=features,
        quotes=quotes,
        predictors=scene.models.predictors,
        policy=scene.settings.policy,
        entered=scene.entered.get(each.name, {}),
        texts=scene.texts if each.strategy.needs.text else {},
    )
    try:
        return ask(each.strategy, view, scene.settings.strategies.strategy_timeout_s), ""
    except StrategyError as error:
        return nothing, str(error)


def _opinion(
    scene: Scene, each: ActiveStrategy, item: SymbolDay, advice: Advice, *, quote: Quote | None, fault: str
) -> Opinion:
    settings = scene.settings
    faults = data_faults(item, scene.day, at=scene.now, bar_age_max_s=settings.risk.bar_age_max_s) or advice.faults
    if quote is None or not quote.is_two_sided:
        faults = (*faults, "quote: none, or one-sided")
    atr = atr_5m(item)
    if not atr > 0:
        faults = (*faults, "atr: undefined")
    lacks = "" if each.strategy is None else scene.models.lacking(each.strategy)
    if fault:
        code = PolicyCode.STRATEGY_HEALTH
    elif lacks:
        code = PolicyCode.MODEL_HEALTH
    elif faults:
        code = PolicyCode.DATA_QUALITY
    elif scene.session not in settings.policy.entry_sessions:
        code = PolicyCode.SESSION_NOT_ENABLED
    elif scene.is_late:
        code = PolicyCode.TOO_LATE
    else:
        code = advice.code
    return Opinion(
        strategy=each.name,
        item=item,
        quote=quote,
        advice=advice,
        code=code,
        faults=(fault, *faults) if fault else faults or ((lacks,) if lacks else ()),
        cost_bp=round_trip_cost_bp(quote, settings.policy),
        atr=atr,
    )


def signal_of(scene: Scene, opinion: Opinion) -> Signal:
    """The signal of an opinion that policy wants to act on."""
    symbol, advice, score = opinion.item.symbol, opinion.advice, opinion.advice.score
    decided = decision_id(scene.on, scene.slot, symbol, opinion.strategy)
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
        strategy=opinion.strategy,
        session=scene.session,
        reference_price=to_price(opinion.price),
        atr=to_price(opinion.atr, Rounding.UP),
        adv_shares=int(adv_shares(opinion.item)),
        daily_volatility=daily_volatility(opinion.item),
        p_up=None if score is None else score.p_up,
        p_none=None if score is None else score.p_none,
        p_down=None if score is None else score.p_down,
        expected_move=None if score is None else score.expected_move,
        stop_price=_exactly(advice.stop),
        target_price=_exactly(advice.target),
        hold_min=advice.hold_min,
        features_blob=scene.features_blob,
        model_versions=scene.models.versions,
        parameter_set=scene.settings.policy.parameter_set,
    )


def _exactly(price: float) -> Decimal | None:
    """A price as a strategy has said it; the gate puts it on the tick."""
    return None if math.isnan(price) else Decimal(repr(price))


def models_of(predictors: Mapping[str, Predictor | None], fault: str, regime_fault: str = "") -> DecisionModels:
    """Models by name; one that is None could not be trusted, as `fault` says.

    The regime model is not needed: without it, as `regime_fault` says, thresholds are those of a normal market.
    """
    names = (*SCORED_BY, REGIME_MODEL, *(name for name in predictors if name not in {*SCORED_BY, REGIME_MODEL}))
    trusted = {name: found for name in names if (found := predictors.get(name)) is not None}
    return DecisionModels(predictors=trusted, fault=fault, regime_fault=regime_fault)
