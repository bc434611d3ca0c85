"""The promotion rule: every condition alone can refuse, and says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.adapters.scorer import verified
from shared.contracts.model_card import MOVE_MODEL
from shared.core.drift import FeatureDrift
from shared.core.features import FEATURE_NAMES
from shared.core.market import FloatArray
from tests.support.models import random_dataset, tiny_model
from training.baseline import Record, best_simple, everything, nothing, record_of
from training.registry.judge import JudgedEvidence, PromotionRule, PromotionVerdict, evidence_of, lead, verdict

JUDGE = random_dataset(3, rows=2_000)
SESSIONS = len(np.unique(JUDGE.day))
STEADY = np.linspace(-0.5, 0.5, SESSIONS)
RULE = PromotionRule()


def evidence(net_bp: float = 5.0, version: str = "new") -> JudgedEvidence:
    return JudgedEvidence(
        version=version,
        record=Record(name=version, net_bp=net_bp + (STEADY if version == "new" else STEADY[::-1])),
        brier=0.60,
        brier_base=0.65,
        calibration_error=0.02,
        move_correlation=0.05,
    )


def decided(
    challenger: JudgedEvidence, champion: JudgedEvidence | None = None, simple_bp: float = -3.0, psi: float = 0.1
) -> PromotionVerdict:
    drifts = [FeatureDrift(name=f"f{k}", psi=psi, kl=0.1, limit=0.25) for k in range(4)]
    simple = Record(name="momentum", net_bp=np.full(SESSIONS, simple_bp))
    return verdict(challenger, champion, simple=simple, judge=JUDGE, drifts=drifts, rule=RULE)


def failed(found: PromotionVerdict) -> list[str]:
    return [check.code for check in found.checks if not check.passed]


def test_a_challenger_that_is_better_everywhere_is_promoted() -> None:
    found = decided(evidence(5.0), evidence(3.0, "old"))
    assert found.is_promoted
    assert found.reasons == ()
    assert (found.challenger, found.champion) == ("new", "old")


@pytest.mark.parametrize(
    ("challenger", "champion", "simple_bp", "psi", "code"),
    [
        (evidence(-0.4), None, -3.0, 0.1, "COSTS"),
        (evidence(5.0), None, 6.0, 0.1, "BASELINE"),
        (evidence(5.0), evidence(4.6, "old"), -3.0, 0.1, "CHAMPION"),
        (replace(evidence(), is_synthetic=True), evidence(-9.0, "real"), -3.0, 0.1, "MARKET"),
        (replace(evidence(), calibration_error=0.06), None, -3.0, 0.1, "CALIBRATION"),
        (replace(evidence(), brier=0.66), None, -3.0, 0.1, "BRIER"),
        (replace(evidence(), move_correlation=-0.01), None, -3.0, 0.1, "MOVE"),
        (evidence(), None, -3.0, 0.3, "DRIFT"),
    ],
)
def test_each_condition_alone_refuses_and_says_what_it_found(
    challenger: JudgedEvidence, champion: JudgedEvidence | None, simple_bp: float, psi: float, code: str
) -> None:
    found = decided(challenger, champion, simple_bp, psi)
    assert failed(found) == [code]
    assert not found.is_promoted
    (reason,) = found.reasons
    assert reason.startswith(f"{code}: ")
    assert "needs" in reason


def test_a_champion_of_an_invented_market_is_no_measure_for_a_model_of_the_real_one() -> None:
    found = decided(evidence(5.0), replace(evidence(90.0, "invented"), is_synthetic=True))
    assert found.is_promoted
    assert "CHAMPION" not in {check.code for check in found.checks}


def test_models_of_invented_markets_are_held_against_each_other() -> None:
    invented = replace(evidence(4.6, "old"), is_synthetic=True)
    assert failed(decided(replace(evidence(5.0), is_synthetic=True), invented)) == ["CHAMPION"]


def test_a_lead_that_one_lucky_session_made_is_not_enough() -> None:
    lucky = np.zeros(SESSIONS)
    lucky[0] = 60.0
    challenger = replace(evidence(), record=Record(name="new", net_bp=lucky - 4))
    assert challenger.record.mean_bp > RULE.margin_bp
    assert "COSTS" in failed(decided(challenger))


def test_the_lead_of_equals_is_nothing() -> None:
    same = np.array([1.0, 2.0, 3.0])
    assert lead(same, same) == (0.0, 0.0)
    mean, t = lead(same + np.array([1.0, 2.0, 3.0]), same)
    assert mean == 2.0
    assert t == pytest.approx(2.0 / (1.0 / np.sqrt(3)))


def test_evidence_of_published_models_is_their_own_score_on_the_rows() -> None:
    both = (tiny_model(), tiny_model(MOVE_MODEL))
    card, (signal, move) = both[0][1], (verified(card, onnx) for onnx, card in both)
    found = evidence_of(card, signal, move, random_dataset(9), cost_bp=10)
    assert (found.version, found.is_synthetic) == (card.version, card.is_synthetic)
    assert found.brier < found.brier_base
    assert found.move_correlation > 0.3
    assert found.record.mean_bp > everything(random_dataset(9), 10).mean_bp + 20


def _scores(values: FloatArray) -> Record:
    return record_of("x", values, JUDGE, 10.0)


def test_a_record_takes_the_best_tenth_of_each_session_and_never_a_row_without_a_score() -> None:
    seer = _scores(JUDGE.exit_return)
    for k, day in enumerate(np.unique(JUDGE.day)):
        returns = np.sort(JUDGE.exit_return[JUDGE.day == day])[::-1]
        assert seer.net_bp[k] == pytest.approx(1e4 * returns[: int(np.ceil(returns.size / 10))].mean() - 10)
    blind = np.where(JUDGE.day == 2, np.nan, JUDGE.exit_return)
    assert _scores(blind).net_bp[2] == 0.0
    assert nothing(JUDGE).mean_bp == 0.0


def test_the_simple_rule_is_chosen_where_the_model_learned_not_where_it_is_judged() -> None:
    column = FEATURE_NAMES.index("return_60m")
    learn, judge = random_dataset(1), random_dataset(2)
    learn.features[:, column] = learn.exit_return
    judge.features[:, column] = -judge.exit_return
    found = best_simple(learn, judge, 10.0)
    assert found.name == "momentum"
    assert found.mean_bp < everything(judge, 10.0).mean_bp
