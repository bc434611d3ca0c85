"""The exported graph says what was fitted, and the calibrated polarity what is to be expected."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.texts import TextEmbedder, verified_embedding
from shared.contracts.text_card import EVIDENCE, POLARITY
from shared.core.market import FloatArray
from shared.core.text.lexicon import WordList, scores
from tests.support.text_models import text_pair
from training.text.labelled import LabelledTexts
from training.text.seeded import seeded_stories
from training.text.sentiment import (
    LEARNED,
    METHODS,
    FittedSentiment,
    SentimentRule,
    TextEvidence,
    curve_of,
    evidence_of,
    fit,
    to_onnx,
)

HAND = WordList(name="hand", weights={"record": 1.0, "wins": 1.0, "misses": -1.0, "cuts": -1.0})


@cache
def embedder() -> TextEmbedder:
    model, _ = text_pair()
    return verified_embedding(model.card, model.files)


@cache
def noisy() -> TextEvidence:
    """Seeded stories whose labels are blurred, as those of people are."""
    from tests.unit.training.text.test_seeded import ON  # noqa: PLC0415 - the seeds' day

    stories = seeded_stories(7, ON)
    chosen = np.arange(len(stories)) < 400
    part = stories.where(chosen)
    rng = np.random.default_rng(1)
    labels = np.clip(0.5 * part.labels + rng.normal(0, 0.2, len(part)), -1, 1)
    data = LabelledTexts(texts=part.texts, labels=labels, corpus=part.corpus, names=part.names)
    return evidence_of(data, embedder().embed, (HAND,))


@cache
def fitted() -> FittedSentiment:
    return fit(noisy())


def graph_answers(texts: list[str]) -> FloatArray:
    import onnxruntime  # noqa: PLC0415 - as in the adapter

    session = onnxruntime.InferenceSession(to_onnx(fitted(), 64), providers=["CPUExecutionProvider"])
    lists = fitted().lexicon.lists
    rows = np.hstack([embedder().embed(texts), np.array([scores(text, lists) for text in texts])]).astype(np.float32)
    return np.asarray(session.run([POLARITY], {EVIDENCE: rows})[0][:, 0], np.float64)


WORDS = st.sampled_from(["record", "misses", "no", "wins", "12%", "cuts", "\u00e9", "?", "outlook"])


@given(st.lists(st.lists(WORDS, max_size=30).map(" ".join), min_size=1, max_size=4))
def test_the_graph_says_what_was_fitted_of_any_text(texts: list[str]) -> None:
    expected = fitted()(texts, embedder().embed(texts))
    found = graph_answers(texts)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found).max() <= 1


def test_words_and_texts_are_counted_alike_in_fitting_and_in_reading() -> None:
    model = fitted()
    both = model.curve(model.raw(noisy()))
    assert np.abs(both - model(noisy().data.texts, noisy().vectors)).max() < 1e-9


def test_equal_evidence_gives_equal_bytes() -> None:
    assert to_onnx(fit(noisy()), 64) == to_onnx(fitted(), 64)


def test_the_learned_list_stands_last_and_no_given_list_may_have_its_name() -> None:
    assert [each.name for each in fitted().lexicon.lists] == ["hand", LEARNED]
    assert fitted().learned.weights["record"] > 0 > fitted().learned.weights["misses"]
    with pytest.raises(ValueError, match="another name than the learned list's"):
        evidence_of(noisy().data, embedder().embed, (WordList(name=LEARNED, weights={}),))


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 1000))
def test_a_curve_never_falls_and_stays_from_minus_one_to_one(method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 0.4, 60)
    curve = curve_of(method, raw, np.clip(raw + rng.normal(0, 0.5, 60), -1, 1))
    found = curve(np.linspace(-3, 3, 101))
    assert np.all(np.diff(found) >= -1e-12)
    assert np.abs(found).max() <= 1


def test_shrunken_polarity_is_stretched_by_calibration() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(-0.9, 0.9, 2000)
    for method in ("linear", "isotonic"):
        found = curve_of(method, truth / 3, truth)(truth / 3)
        assert np.abs(found - truth).mean() < 0.05


def test_too_few_texts_teach_nothing() -> None:
    with pytest.raises(ValueError, match="texts must be finite and >= 40"):
        fit(noisy().where(np.arange(400) < 30))


@pytest.mark.parametrize("wrong", [{"cost": 0}, {"learned_share": 1.5}, {"texts_min": 0}, {"epsilon": -1}])
def test_a_rule_checks_itself(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SentimentRule(**wrong)  # type: ignore[arg-type]
