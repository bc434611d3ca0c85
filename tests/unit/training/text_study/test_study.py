"""A study finds what is planted after a story, and neither what lies before it nor what is not there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import ContractError, InvariantError, ModelError
from tests.support.stories import READER, SYMBOLS, ToldMarket, planted
from training.__main__ import main
from training.text_study import study as module
from training.text_study.events import TextEvents, events_of
from training.text_study.files import report_of, write_study
from training.text_study.page import render
from training.text_study.study import (
    CONTAMINATED,
    COSTLY,
    EVIDENCE,
    NOTHING,
    StudySpec,
    TextStudy,
    labels_of,
    run_study,
)

CALENDAR = XnysCalendar()
OPENING = "open to close"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def market(folder: Path) -> ToldMarket:
    return planted(folder, strength=0.008)


@pytest.fixture(scope="module")
def made(market: ToldMarket) -> TextStudy:
    return studied(market)


def spec_of(market: ToldMarket) -> StudySpec:
    return StudySpec(stories=market.stories, bars=market.bars, shuffles=100, draws=300)


def studied(market: ToldMarket, **changed: object) -> TextStudy:
    return run_study(replace(spec_of(market), **changed), READER, CALENDAR)  # type: ignore[arg-type]


def test_a_planted_signal_is_found_and_pays(made: TextStudy) -> None:
    assert made.verdict == EVIDENCE
    found = made.horizons[0]
    assert (found.name, found.figures.symbols) == (OPENING, len(SYMBOLS))
    assert found.figures.ic > 0.15
    assert found.p < 0.02
    assert found.side == 1
    assert found.by_dates["net"].low > 0
    assert 0.003 < found.figures.mean < 0.012
    # Each text has a new word for the same news: nearly all are events.
    assert found.figures.events > 0.95 * len(SYMBOLS) * 90


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_where_nothing_is_planted_nothing_is_found(folder: Path, seed: int) -> None:
    found = studied(planted(folder, strength=0.0, seed=seed))
    assert found.verdict == NOTHING
    assert "; 0 hold at a false discovery rate" in found.reasons[-1]


def test_what_came_before_the_story_is_no_signal_but_is_shown_as_what_it_is(folder: Path) -> None:
    found = studied(planted(folder, strength=0.03, lead_days=1))
    assert found.verdict == NOTHING
    assert all(abs(each.figures.ic) < 0.1 for each in found.horizons)
    # A reader who heard of it a day earlier would have had it all: a leak of one session looks like that.
    shifts = found.horizons[0].shifts
    assert shifts["-1 d"][0] > 0.4
    assert abs(shifts["+0 d"][0]) < 0.1


def test_a_signal_is_lost_by_who_hears_of_it_a_day_later(made: TextStudy) -> None:
    shifts = made.horizons[0].shifts
    assert shifts["+0 d"][0] > 0.15
    assert abs(shifts["+1 d"][0]) < 0.1


def test_a_signal_smaller_than_its_costs_is_evidence_that_does_not_pay(market: ToldMarket) -> None:
    assert studied(market, cost_bp=300.0).verdict == COSTLY


def test_within_the_day_the_move_after_the_open_is_found_at_a_quarter_of_an_hour(folder: Path) -> None:
    found = studied(planted(folder, strength=0.006, is_daily=False, sessions=40))
    quarter, hour = found.horizons
    assert (quarter.name, hour.name) == ("15 min", "60 min")
    assert found.verdict == EVIDENCE
    assert quarter.figures.ic > hour.figures.ic > 0.1
    assert abs(quarter.shifts["+1 d"][0]) < 0.15
    # The first bar after a story before the open is the session's first.
    assert set((quarter.events.entry_s % 86_400).tolist()) <= {13 * 3600 + 1800, 14 * 3600 + 1800}


def test_nothing_after_an_instant_reaches_scores_or_returns_before_it(market: ToldMarket, folder: Path) -> None:
    bars, stories = pd.read_parquet(market.bars), pd.read_parquet(market.stories)
    cut = sorted(bars["ts"].unique())[60]
    later = bars["ts"] >= cut
    bars.loc[later, ["open", "high", "low", "close"]] *= 1.37
    other = stories["ts"] >= cut
    stories.loc[other, "text"] = stories.loc[other, "text"].str.replace("soars", "slumps")
    changed = ToldMarket(bars=folder / "later-bars.parquet", stories=folder / "later-stories.parquet")
    bars.to_parquet(changed.bars)
    stories.to_parquet(changed.stories)

    def before(market: ToldMarket) -> list[tuple[int, int, float, float]]:
        found = studied(market, draws=100).horizons[0]
        events = found.events
        rows = zip(events.entry_s.tolist(), events.code.tolist(), found.score, events.excess, strict=True)
        return [row for row in rows if row[0] < cut.timestamp()]

    first, second = before(market), before(changed)
    assert len(first) > 500
    assert first == second


def test_an_entry_before_its_story_ends_the_study(market: ToldMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    def early(*args: object, **options: int) -> TextEvents:
        events: TextEvents = events_of(*args, **options)  # type: ignore[arg-type]
        return replace(events, entry_s=events.entry_s - 90_000)

    monkeypatch.setattr(module, "events_of", early)
    with pytest.raises(InvariantError, match="open to close: an entry lies before a story"):
        studied(market)


def test_equal_inputs_give_equal_bytes_whatever_the_order_of_the_rows(
    made: TextStudy, market: ToldMarket, folder: Path
) -> None:
    again = studied(market)
    assert report_of(again) == report_of(made)
    assert write_study(made, folder / "one", page=render(made)) == write_study(again, folder / "two", page="")
    for name in ("report.json", "events.csv", "cohorts.csv"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    turned = folder / "turned.parquet"
    pd.read_parquet(market.stories).iloc[::-1].to_parquet(turned)
    assert studied(ToldMarket(bars=market.bars, stories=turned)).horizons[0].figures == made.horizons[0].figures


def test_what_the_reader_may_know_the_end_of_is_in_no_figure(market: ToldMarket, made: TextStudy) -> None:
    received = pd.read_parquet(market.stories)["ts"]
    cutoff = received.min().date()
    found = studied(market, cutoff=cutoff)
    clean = received >= pd.Timestamp(cutoff, tz="UTC") + pd.Timedelta(days=30)
    assert 0 < int(clean.sum()) < len(received)
    assert found.material.contaminated.sum() == (~clean).sum()
    assert found.horizons[0].figures.events < made.horizons[0].figures.events
    assert not found.material.used[found.material.contaminated].any()
    assert (
        f"{(~clean).sum():,} stories up to 30 days after it are contaminated and are in no figure" in found.reasons[1]
    )


def test_a_study_of_contaminated_stories_alone_is_refused_and_never_a_result(market: ToldMarket) -> None:
    with pytest.raises(ValueError, match="were received before 2030-01-31, the knowledge cutoff and 30 days more"):
        studied(market, cutoff=date(2030, 1, 1))
    assert studied(market, cutoff=date(2030, 1, 1), allow_contaminated=True).verdict == CONTAMINATED


def test_scores_of_the_file_stand_in_for_the_reader(market: ToldMarket, folder: Path) -> None:
    told = pd.read_parquet(market.stories)
    told["score"] = np.where(told["text"].str.contains("soars|strong"), -0.5, 0.5)
    path = folder / "scored.parquet"
    told.to_parquet(path)
    assert studied(ToldMarket(bars=market.bars, stories=path)).horizons[0].figures.ic < -0.15


def test_a_reader_that_says_no_polarity_is_refused(market: ToldMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(READER), "polarity", lambda self, texts, vectors: np.full(len(texts), np.nan))
    with pytest.raises(ModelError, match="must be from -1 to 1, got nan"):
        studied(market)


def test_stories_and_bars_of_different_years_are_refused_with_both(market: ToldMarket, folder: Path) -> None:
    told = pd.read_parquet(market.stories)
    told["ts"] -= pd.Timedelta(days=2000)
    path = folder / "early.parquet"
    told.to_parquet(path)
    with pytest.raises(ContractError, match=r"early.parquet: no story meets a bar: stories are from 20\d\d"):
        studied(ToldMarket(bars=market.bars, stories=path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"echo_cosine": 0.0}, "echo cosine"),
        ({"cost_bp": -1.0}, "cost in basis points"),
        ({"delay_s": -1}, "delay in seconds"),
        ({"shuffles": 1}, "shuffles"),
        ({"draws": 5}, "draws"),
    ],
)
def test_a_study_that_cannot_be_is_refused(market: ToldMarket, changed: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(spec_of(market), **changed)  # type: ignore[arg-type]


def test_cohorts_are_counted_and_each_event_is_in_one_of_each_kind(made: TextStudy) -> None:
    for horizon in made.horizons:
        for labels in labels_of(made.material, horizon).values():
            assert len(labels) == len(horizon.events)
    assert f"{len(made.cohorts):,} cohorts were looked at" in made.reasons[-1]
    signs = {each.name: each for each in made.cohorts if (each.kind, each.horizon) == ("sign", OPENING)}
    assert signs.keys() == {"positive", "negative"}
    assert all(each.q < 0.01 and each.net.low > 0 for each in signs.values())
    assert {each.kind for each in made.cohorts} == {"symbol", "hour", "regime", "type", "novelty", "fifth", "sign"}


def test_the_page_is_whole_and_draws_on_nothing_from_outside(made: TextStudy) -> None:
    page = render(made)
    assert "it pays its costs" in page
    assert not re.search(r"(src|href)=", page)
    assert len(re.findall("<svg", page)) == 4 * len(made.horizons)
    for drawn in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(drawn)


def test_texts_cannot_break_out_of_page_or_spreadsheet(folder: Path, market: ToldMarket) -> None:
    told = pd.read_parquet(market.stories)
    told["text"] = "=HYPERLINK(1) <script>alert(1)</script> " + told["text"]
    path = folder / "<b>hostile.parquet"
    told.to_parquet(path)
    found = studied(ToldMarket(bars=market.bars, stories=path), draws=100)
    assert "<b>" not in re.sub("<b>[^<]*</b>", "", render(found))
    write_study(found, folder / "hostile", page=render(found))
    assert ",=HYPERLINK" not in (folder / "hostile" / "events.csv").read_text()


def test_the_command_writes_files_and_says_the_verdict(
    market: ToldMarket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.parquet"
    pd.DataFrame(
        {"word": ["soars", "strong", "slumps", "weak"], "polarity": ["positive"] * 2 + ["negative"] * 2}
    ).to_parquet(words)
    options = ["--stories", str(market.stories), "--bars", str(market.bars), "--words", str(words)]
    assert main(["stories", *options, "--shuffles", "100", "--draws", "200", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "There is evidence that the text goes before the price, and it pays its costs." in said
    (folder,) = (tmp_path / "out").iterdir()
    assert {path.name for path in folder.iterdir()} == {"report.json", "events.csv", "cohorts.csv", "report.html"}
    report = json.loads((folder / "report.json").read_bytes())
    assert report["verdict"] == EVIDENCE
    assert f"Digest: {report['digest']}" in said
    rows = pd.read_csv(folder / "events.csv")
    assert len(rows) == report["counts"]["stories"]
    assert (
        pd.to_datetime(rows["open to close: entry"].dropna())
        > pd.to_datetime(rows["received_at"].loc[rows["open to close: entry"].dropna().index])
    ).all()


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stories.csv").write_text("symbol,ts\nA,2025-01-02T10:00:00Z\n")
    options = ["--stories", str(tmp_path / "stories.csv"), "--bars", "none.parquet", "--words", str(tmp_path / "w")]
    assert main(["stories", *options]) == 1
    assert "no list of words at" in capsys.readouterr().err
