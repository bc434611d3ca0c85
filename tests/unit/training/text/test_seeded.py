"""The sandbox's own models read what the seeded market will say, and know nothing of the day before it comes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.texts import OnnxReader, verified_embedding, verified_sentiment
from simulation.market.synthetic_news import headlines, labelled_headlines
from simulation.market.synthetic_world import SyntheticWorld
from tests.support.text_models import TEXT_CREATED_AT, text_pair
from training.text.registry import text_models_in, write_text_model
from training.text.seeded import HISTORY_DAYS, SYMBOLS, seeded_stories, seeded_text_models

ON = date(2025, 10, 14)


def reader_of(seed: int) -> OnnxReader:
    embedding, sentiment = text_pair(seed)
    embedder = verified_embedding(embedding.card, embedding.files)
    return OnnxReader(embedder, verified_sentiment(sentiment.card, sentiment.files, embedder))


def stories_after(seed: int) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Stories of the day itself, which the models have not read, with what they tell."""
    world = SyntheticWorld(seed=seed, on=ON, n_symbols=SYMBOLS, history_days=HISTORY_DAYS, edge=1.0)
    found = labelled_headlines(world, ON)
    return [f"{story.headline}. {story.summary}" for story, _ in found], np.array([float(s) for _, s in found])


@pytest.mark.parametrize("seed", [7, 8])
def test_polarity_of_a_new_day_tells_good_from_bad_and_from_what_moves_nothing(seed: int) -> None:
    reader = reader_of(seed)
    texts, sentiment = stories_after(seed)
    polarity = reader.polarity(texts, reader.embed(texts))
    assert {-1.0, 0.0, 1.0} == set(sentiment)
    assert polarity[sentiment > 0].min() > 0.2
    assert polarity[sentiment < 0].max() < -0.2
    assert np.abs(polarity[sentiment == 0]).max() < 0.2


def test_an_echo_lies_near_its_source_and_another_story_of_the_company_does_not() -> None:
    reader = reader_of(7)
    first = "Quorum Labs prices 93 million dollar dilutive public offering. The stock is sold at a steep discount."
    echo = f"QRM: {first}"
    other = "Quorum Labs opens new regional office. The company did not disclose financial terms."
    vectors = reader.embed([first, echo, other])
    assert vectors[0] @ vectors[1] > 0.9
    assert vectors[0] @ vectors[2] < 0.5


def test_nothing_of_the_day_itself_or_later_is_learned_from() -> None:
    before = seeded_stories(7, ON)
    texts, _ = stories_after(7)
    news = {text for text in texts if "%" in text or "million" in text}  # figures are drawn for each story
    assert len(news - set(before.texts)) > len(news) / 2
    later = seeded_stories(7, ON + timedelta(days=1))
    assert len(later) > 0
    assert before.texts[-1] in later.texts


def test_labelled_stories_are_the_stories() -> None:
    world = SyntheticWorld(seed=7, on=ON, n_symbols=40, history_days=3, edge=1.0)
    assert tuple(story for story, _ in labelled_headlines(world, ON)) == headlines(world, ON)


def test_equal_arguments_give_equal_bytes_in_every_process() -> None:
    code = f"""
import hashlib
from datetime import date
from tests.support.text_models import TEXT_CREATED_AT
from training.text.registry import text_models_in, write_text_model
from training.text.seeded import seeded_text_models
pair = seeded_text_models(7, date({ON.year}, {ON.month}, {ON.day}), TEXT_CREATED_AT)
print(" ".join(hashlib.sha256(data).hexdigest() for model in pair for data in model.files.values()))
"""
    environment = os.environ | {"PYTHONHASHSEED": "5"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    here = [hashlib.sha256(data).hexdigest() for model in text_pair(7, ON) for data in model.files.values()]
    assert done.stdout.split() == here


def test_other_seeds_and_days_have_versions_of_their_own() -> None:
    made = [text_pair(7), text_pair(8), seeded_text_models(7, date(2025, 3, 5), TEXT_CREATED_AT)]
    assert len({embedding.card.version for embedding, _ in made}) == 3
    for embedding, sentiment in made:
        assert sentiment.card.embedding == embedding.card.version
        assert embedding.card.is_synthetic
        assert sentiment.card.is_synthetic


def test_a_pair_written_to_a_folder_is_read_back_as_it_was(tmp_path: Path) -> None:
    for model in text_pair():
        write_text_model(tmp_path / model.card.name, model)
    assert text_models_in(tmp_path) == list(text_pair())
