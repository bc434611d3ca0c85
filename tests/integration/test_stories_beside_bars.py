"""Real tweets beside real bars: the study goes all the way, and finds what an honest one finds there."""

from __future__ import annotations

import pytest

from shared.adapters.calendar import XnysCalendar
from tests.support.bars import data_file
from training.text_study.study import NOTHING, StudySpec, run_study
from training.text_study.word_reader import read_words


def test_tweets_of_2015_are_no_evidence_by_a_list_of_words() -> None:
    names = ("text/stocknet_tweets_2014_2016", "daily/us_daily_2015_2017_unadjusted", "text/lexicon_lm_bl")
    stories, bars, words = (data_file(f"{name}.parquet") for name in names)
    if stories is None or bars is None or words is None:
        pytest.skip(f"one of {', '.join(names)} is not in the data folder (setting GATEHOUSE_DATA)")
    found = run_study(StudySpec(stories=stories, bars=bars, shuffles=100, draws=200), read_words(words), XnysCalendar())
    assert found.verdict == NOTHING
    assert [each.figures.events for each in found.horizons] == [11_364, 11_429, 11_429]
    assert all(abs(each.figures.ic) < 0.02 for each in found.horizons)
    assert found.material.board.told[-2:] == (
        "no bars of BRK-A, RDS-B: not studied",
        "4 nights over which a price jumped as in a split that the file does not tell of: left out",
    )
