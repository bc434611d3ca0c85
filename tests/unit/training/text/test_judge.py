"""A sentiment model is judged on texts it has not read, and promoted only where it is better than what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.core.market import FloatArray
from tests.support.text_models import text_pair
from tests.unit.training.text.test_sentiment import noisy
from training.registry.judge import PromotionVerdict
from training.text.judge import bin_error, figures, judge, reliability, verdict
from training.text.labelled import LabelledTexts, labelled
from training.text.sentiment import FittedSentiment, SentimentRule, TextEvidence, fit

CARD = replace(text_pair()[1].card, is_synthetic=False)
HELD_OUT = labelled([("held", [f"text {k}" for k in range(200)], np.linspace(-1, 1, 200).tolist())])


def quiet(what: str, done: float) -> None:
    """Show nothing."""


def test_figures_of_right_of_wrong_and_of_no_answers() -> None:
    labels = np.array([-0.5, 0.05, 0.5, 0.0])
    right = figures(labels, labels)
    assert (right.texts, right.sign_accuracy, right.class_accuracy) == (4, 1, 1)
    assert right.pearson == pytest.approx(1)
    wrong = figures(-labels, labels)
    assert (wrong.sign_accuracy, wrong.class_accuracy) == (0, 0.5)
    assert wrong.pearson == pytest.approx(-1)
    assert wrong.rmse == pytest.approx(np.sqrt(np.mean((2 * labels) ** 2)))
    assert figures(np.zeros(4), labels).pearson == 0
    assert figures(np.empty(0), np.empty(0)).texts == 0


def test_tenths_know_how_far_polarity_lies_from_labels() -> None:
    polarity = np.linspace(-1, 1, 1000)
    bins = reliability(polarity, polarity / 2)
    assert len(bins) == 10
    assert bin_error(bins) == pytest.approx(0.25, abs=0.01)
    assert bin_error(reliability(polarity, polarity)) == pytest.approx(0)


def test_no_fold_and_no_published_model_has_read_what_it_is_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[set[int]] = []

    def watched(evidence: TextEvidence, rule: SentimentRule) -> FittedSentiment:
        learned.append(set(evidence.data.groups.tolist()))
        return fit(evidence, rule)

    monkeypatch.setattr("training.text.judge.fit", watched)
    found = judge(noisy(), SentimentRule(), quiet)
    data = noisy().data
    for k in range(5):
        assert not learned[k] & set(data.groups[data.fold == k].tolist())
    assert not learned[5] & set(data.groups[data.is_held_out].tolist())
    assert len(learned) == 6
    corpus = found.judged[0]
    assert sum(fold.texts for fold in corpus.folds) == corpus.texts == corpus.overall.texts == 400
    assert corpus.held_out.texts == data.is_held_out.sum()
    assert corpus.overall.pearson > max(corpus.lists.values())
    assert found.calibration.error < 0.06


def test_transfer_learns_from_the_other_files_only_and_from_no_text_that_both_have() -> None:
    one = noisy()
    corpus = np.where(np.arange(400) < 200, 0, 1)
    data = LabelledTexts(texts=one.data.texts, labels=one.data.labels, corpus=corpus, names=("one", "two"))
    found = judge(replace(one, data=data), SentimentRule(), quiet)
    assert [each.name for each in found.judged] == ["one", "two"]
    for each in found.judged:
        assert each.transfer is not None
        assert each.transfer.texts == 200
        assert each.transfer.pearson > 0.5


def _verdict(own: FloatArray, theirs: FloatArray | None, **card: object) -> PromotionVerdict:
    champion = None if theirs is None else (replace(CARD, version="old"), theirs)
    return verdict(replace(CARD, **card), HELD_OUT, own, champion)  # type: ignore[arg-type]


def test_the_first_model_needs_no_champion_to_beat() -> None:
    assert _verdict(HELD_OUT.labels, None).is_promoted


def test_a_challenger_that_reads_worse_than_the_champion_is_refused_with_both_figures() -> None:
    blurred = HELD_OUT.labels + np.random.default_rng(1).normal(0, 0.5, 200)
    said = _verdict(blurred, HELD_OUT.labels)
    assert not said.is_promoted
    assert said.reasons[0].startswith("CHAMPION: r 0.")
    assert "against 1.000 of old on 200 texts" in said.reasons[0]
    assert _verdict(HELD_OUT.labels, blurred).is_promoted


def test_a_challenger_no_better_than_a_word_list_is_refused() -> None:
    corpus = replace(CARD.judged[0], lists={"hand": 1.0})
    said = _verdict(HELD_OUT.labels, None, judged=(corpus,))
    assert [check.code for check in said.checks if not check.passed] == ["BASELINE"]


def test_a_challenger_whose_polarity_means_something_else_is_refused() -> None:
    assert CARD.calibration is not None
    said = _verdict(HELD_OUT.labels, None, calibration=replace(CARD.calibration, error=0.2))
    assert said.reasons == ("CALIBRATION: polarity is off by 0.2000, needs at most 0.06",)


def test_an_invented_market_replaces_no_model_of_real_texts_and_gives_way_to_one() -> None:
    said = _verdict(HELD_OUT.labels, -HELD_OUT.labels, is_synthetic=True)
    assert [check.code for check in said.checks if not check.passed] == ["MARKET"]
    invented = (replace(CARD, version="old", is_synthetic=True), HELD_OUT.labels)
    assert verdict(CARD, HELD_OUT, -HELD_OUT.labels, invented).is_promoted
