"""What the published models make of a symbol's features, held against the policy's thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL
from shared.core.features import feature_faults
from shared.core.market import FloatArray
from shared.core.order_states import ExitReason
from shared.core.policy import Score, judge, round_trip_cost_bp
from shared.core.regime import UNKNOWN, RegimeView, view_of
from shared.strategies.protocol import Advice, Needs, Predictor, SliceView, Strategy

NO_SCORE = Score(p_up=0.0, p_none=1.0, p_down=0.0, expected_move=0.0)
"""Of a symbol that no model could be asked about: no policy enters on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Momentum(Strategy):
    """Enter where the odds of target before stop and the expected move clear the policy's thresholds.

    Its parameters are the policy's settings: edges by session and regime, the least move, stop, target and time limit.
    """

    name = "momentum.v1"
    needs = Needs(models=(SIGNAL_MODEL, MOVE_MODEL))

    def advise(self, view: SliceView) -> Sequence[Advice]:
        """Score all features in one batch."""
        regime = _regime(view.predictors, view.features)
        scores = _predict(view.predictors, view.features)
        return [
            Advice(
                code=judge(
                    score,
                    cost_bp=round_trip_cost_bp(view.quotes.get(item.symbol), view.policy),
                    session=view.session,
                    policy=view.policy,
                    regime=regime.regime,
                ),
                # Scored down as far as an entry must be scored up.
                leave=ExitReason.REVERSAL if score.edge <= -view.policy.edge_min else None,
                score=score,
                regime=regime,
                faults=feature_faults(row),
            )
            for item, row, score in zip(view.items, view.features, scores, strict=True)
        ]


def _regime(predictors: Mapping[str, Predictor], features: FloatArray) -> RegimeView:
    """Ask the regime model once: what it looks at is the index, the same in every row."""
    model = predictors.get(REGIME_MODEL)
    return UNKNOWN if model is None or not len(features) else view_of(model.predict(features[:1])[0])


def _predict(predictors: Mapping[str, Predictor], features: FloatArray) -> list[Score]:
    """Ask both models; without a trusted one every score is flat, which no policy enters on."""
    signal, move = predictors.get(SIGNAL_MODEL), predictors.get(MOVE_MODEL)
    if signal is None or move is None or not len(features):
        return [NO_SCORE] * len(features)
    down, none, up = (SIGNAL_CLASSES.index(name) for name in ("down", "none", "up"))
    return [
        Score(p_up=float(p[up]), p_none=float(p[none]), p_down=float(p[down]), expected_move=float(m[0]))
        for p, m in zip(signal.predict(features), move.predict(features), strict=True)
    ]
