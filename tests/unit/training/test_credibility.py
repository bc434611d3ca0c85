"""Months of stories, trades and bars become weights that a person may accept; nothing later than the month counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.calendar import XnysCalendar
from shared.adapters.codec import decode_json
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.parameters import ParameterSet, overlaid
from shared.contracts.records import CONTROLS, PARAMETERS, Container, Table
from shared.contracts.settings import NewsSettings
from shared.core.credibility import Credibility
from shared.core.market import Bars
from shared.core.text.novelty import KnownStory
from shared.core.text.stories import Story
from shared.core.values import Symbol, from_epoch, iso, parse_utc
from shared.stages.narrative.records import StoryRow, story_row
from tests.support.ports import settings_with
from tests.support.strategies import made_market, write_market
from training.__main__ import main
from training.credibility import (
    SOURCES,
    LearnedWeights,
    learned,
    parameter_values,
    period_of,
    role_forecasts,
    story_forecasts,
    weights_proposal,
)
from training.text_study.forward import PriceBoard, read_board

NAMES = [f"S{k:02}" for k in range(12)]
MAY = date(2026, 5, 1)
CALENDAR = XnysCalendar()


@pytest.fixture(scope="module")
def market() -> dict[str, Bars]:
    return made_market(NAMES, 62)  # March to May 2026


@pytest.fixture(scope="module")
def bars(market: dict[str, Bars], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("bars") / "bars.parquet", market)


@pytest.fixture(scope="module")
def board(bars: Path) -> PriceBoard:
    return read_board(bars, None, CALENDAR)


def story(source: str, symbol: str, at: datetime, polarity: float, echo_of: str = "") -> Story:
    return Story(
        story_id=f"{source}-{symbol}-{at:%m%d%H%M%S}",
        symbols=(Symbol(symbol),),
        published_at=at,
        received_at=at,
        source=source,
        headline="x",
        polarity=polarity,
        echo_of=echo_of,
    )


def stories_on(board: PriceBoard, *, skill: float = 0.85) -> list[Story]:
    """Two a day of each of two sources: Wire is mostly right of the hour that follows, rumour is not."""
    rng, hour = np.random.default_rng(3), board.horizons[1]
    told = []
    for k, symbol in enumerate(map(Symbol, NAMES)):
        entries, excess = hour.entry_s[symbol], hour.excess[symbol]
        for j in range(k % 3, len(entries), 39):
            if np.isfinite(excess[j]):
                at = from_epoch(int(entries[j])) - timedelta(seconds=90)
                right, sign = rng.random() < skill, float(np.sign(excess[j]))
                told += [
                    story("Wire", symbol, at, 0.5 * sign * (1 if right else -1)),
                    story("rumour", symbol, at, float(rng.choice([-0.5, 0.5]))),
                ]
    return told


def tables_with(stories: Sequence[Story]) -> MemoryTables:
    tables = MemoryTables()
    for each in stories:
        key, row = story_row(StoryRow(known=KnownStory(story=each, vector=None), led_to="", batch="b"))
        tables.put(Table.STORIES, f"{each.received_at:%Y-%m-%d}", f"{key}{each.source}", row)
    return tables


def found_in(tables: MemoryTables, bars: Path | None, month: date = MAY, months: int = 3) -> LearnedWeights:
    news = NewsSettings()
    return learned(tables, bars, month, CALENDAR, months=months, own=news, news=news, roles={})


def by_name(found: Sequence[Credibility]) -> dict[str, Credibility]:
    return {each.who: each for each in found}


def test_a_source_that_knows_the_next_hour_keeps_its_weight_and_one_that_misleads_loses_a_step(
    board: PriceBoard, bars: Path
) -> None:
    right = by_name(found_in(tables_with(stories_on(board)), bars).sources)
    assert right["wire"].hit_rate > 0.8
    assert right["wire"].weight == 1.0, "no source is worth more than 1"
    wrong = found_in(tables_with(stories_on(board, skill=0.15)), bars)
    assert by_name(wrong.sources)["wire"].weight == 0.9
    assert by_name(wrong.sources)["rumour"].weight == 1.0
    assert parameter_values(wrong, settings_with(GATEHOUSE_SOURCE_WEIGHTS="other: 0.5").news) == {
        SOURCES: "other: 0.5; wire: 0.9"
    }


def test_nothing_that_came_after_the_month_counts(
    board: PriceBoard, bars: Path, market: dict[str, Bars], tmp_path: Path
) -> None:
    told = stories_on(board)
    _, end = period_of(date(2026, 4, 1), 2)
    turned = {}
    for symbol, part in market.items():
        later = part.start_s >= end.timestamp()
        mirror = {"open": "open", "high": "low", "low": "high", "close": "close"}
        prices = {to: np.where(later, 1600 / getattr(part, of), getattr(part, to)) for to, of in mirror.items()}
        turned[symbol] = replace(part, **prices)
    other = write_market(tmp_path / "turned.parquet", turned)
    known = [each for each in told if each.received_at < end]
    assert len(known) < len(told)
    april = found_in(tables_with(told), bars, date(2026, 4, 1), 2)
    assert april.as_data() == found_in(tables_with(known), other, date(2026, 4, 1), 2).as_data()
    assert april.sources != found_in(tables_with(told), other, MAY, 3).sources


def test_echoes_neutral_stories_and_those_that_nobody_could_trade_on_count_for_nothing(
    board: PriceBoard, bars: Path
) -> None:
    told = stories_on(board)
    at = told[0].received_at
    night = at.replace(hour=3)
    more = [
        story("Wire", "S05", at, -0.9, echo_of="first"),
        story("Wire", "S05", at + timedelta(seconds=1), 0.05),
        story("Wire", "S05", night, -0.9),
        story("Wire", "NONE", at, 0.9),
    ]
    assert found_in(tables_with([*told, *more]), bars).as_data() == found_in(tables_with(told), bars).as_data()
    assert len(story_forecasts(more, board)[0]) == 1, "an echo is handed on and left out there"


def test_without_bars_or_with_too_few_symbols_sources_stay_as_they_are(
    board: PriceBoard, market: dict[str, Bars], tmp_path: Path
) -> None:
    tables = tables_with(stories_on(board, skill=0.1))
    few = write_market(tmp_path / "few.parquet", {n: market[n] for n in NAMES[:3]})
    for given, why in ((None, "no bars"), (few, "10 symbols or more")):
        found = found_in(tables, given)
        assert not found.moved
        assert why in found.told


def decision(tables: MemoryTables, k: int, factors: dict[str, str], net_bp: float, *, is_made: bool) -> None:
    """A decision with its committee; the trade in table orders where it was made, else in shadows."""
    at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC) + timedelta(days=k // 2, hours=k % 2)
    on, name = f"{at:%Y-%m-%d}", f"d{k}"
    outcomes: list[dict[str, object]] = [
        {"role": role, "fault": "", "answer": {"role": role, "factor": factor}} for role, factor in factors.items()
    ]
    outcomes.append({"role": "bull", "fault": "LATE", "answer": None})
    facts = json.dumps({"committee": {"factor": "1", "outcomes": outcomes}})
    row = {"decision_id": name, "symbol": f"S{k % 5}", "decided_at": iso(at), "facts": facts}
    tables.put(Table.DECISIONS, on, name, row)
    if is_made:
        order = {
            "decision_id": name,
            "phase": "CLOSED",
            "bought_qty": "10",
            "entry_usd": "100",
            "realised_usd": str(net_bp / 10),
            "updated_at": iso(at + timedelta(minutes=50)),
        }
        tables.put(Table.ORDERS, on, name, order)
    else:
        shadow: dict[str, str | float] = {
            "decision_id": name,
            "net_bp": net_bp,
            "left_at": iso(at + timedelta(minutes=50)),
        }
        tables.put(Table.SHADOWS, on, name, shadow)


def deliberated(n: int = 160) -> MemoryTables:
    """The bear is right four times in five, the analyst approves of everything, the risk role is wrong."""
    tables = MemoryTables()
    for k in range(n):
        net = 20.0 if k % 2 == (k // 4) % 2 else -20.0
        is_right = k % 5 != 0
        bear = "1" if (net > 0) == is_right else "0.25"
        risk = "0" if (net > 0) == is_right else "1"
        decision(tables, k, {"analyst": "1", "bear": bear, "risk": risk, "chair": bear}, net, is_made=k % 3 == 0)
    return tables


def test_a_roles_advice_is_held_against_what_was_made_and_what_was_made_on_paper() -> None:
    found = by_name(found_in(deliberated(), None).roles)
    assert found.keys() == {"analyst", "bear", "bull", "risk"}, "the chair weighs nothing"
    assert {role: each.weight for role, each in found.items()} == {"analyst": 1, "bear": 1.1, "bull": 1, "risk": 0.9}
    assert found["bear"].forecasts == 160
    assert found["bear"].hit_rate == 0.8
    assert found["analyst"].hit_rate == found["analyst"].chance
    assert found["bull"].forecasts == 0, "it was late each time"


def test_a_decision_whose_trade_has_not_ended_or_without_a_committee_says_nothing() -> None:
    tables = MemoryTables()
    decision(tables, 0, {"bear": "0.5"}, 10.0, is_made=True)
    ((key, row),) = tables.query(Table.ORDERS, "2026-03-02")
    tables.put(Table.ORDERS, "2026-03-02", key, {**row, "phase": "OPEN"})
    tables.put(Table.DECISIONS, "2026-03-03", "x", {"decision_id": "x", "facts": "{"})
    tables.put(Table.DECISIONS, "2026-03-03", "y", {"decision_id": "y"})
    assert role_forecasts(tables, [date(2026, 3, 2), date(2026, 3, 3)]) == []


def test_a_month_ends_at_midnight_in_new_york() -> None:
    dates, until = period_of(date(2026, 1, 1), 3)
    assert (dates[0], dates[-1]) == (date(2025, 11, 1), date(2026, 1, 31))
    assert until == parse_utc("2026-02-01T05:00:00Z")
    assert period_of(date(2026, 12, 1), 12)[0][0] == date(2026, 1, 1)


def test_a_proposal_carries_what_was_accepted_before_and_can_be_accepted(board: PriceBoard, bars: Path) -> None:
    found = found_in(tables_with(stories_on(board, skill=0.1)), bars)
    values = parameter_values(found, NewsSettings())
    made = weights_proposal(found, values, {"GATEHOUSE_EDGE_MIN": "0.2"}, name="credibility-2026-05", blob="reports/x")
    assert made.values == {"GATEHOUSE_EDGE_MIN": "0.2", SOURCES: "wire: 0.9"}
    assert made.created_at == found.until
    assert made.evidence.figures["wire.weight"] == 0.9
    assert overlaid(settings_with(), made).news.weight_of == {"wire": 0.9}


def test_the_command_proposes_and_accepts_nothing(
    board: PriceBoard, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables, blobs = tables_with(stories_on(board, skill=0.1)), MemoryBlobs()
    monkeypatch.setattr("training.commands.credibility.open_tables", lambda: tables)
    for module in ("credibility", "backtest", "options"):
        monkeypatch.setattr(f"training.commands.{module}.storage_blobs", lambda: blobs)
    monkeypatch.setattr("training.commands.options.open_tables", lambda: tables)
    call = ["credibility", "--month", "2026-05", "--months", "3", "--data", str(bars), "--out", str(tmp_path)]
    assert main([*call, "--propose"]) == 0
    stored = blobs.get(Container.PARAMETERS, "credibility-2026-05.json")
    assert stored is not None
    made = decode_json(ParameterSet, stored.value)
    assert made.values == {SOURCES: "wire: 0.9"}
    evidence = blobs.get(*made.evidence.blob.split("/", 1))
    assert evidence is not None
    assert {each["who"] for each in json.loads(evidence.value)["sources"]} == {"rumour", "wire"}
    assert tables.get(Table.CONTROLS, CONTROLS, PARAMETERS) is None
    assert main([*call, "--propose"]) == 0, "the same month again is the same set"

    tables.insert(Table.CONTROLS, CONTROLS, PARAMETERS, {"parameter_set": "credibility-2026-05"})
    assert main(call) == 0
    assert "wire: 0.8" in capsys.readouterr().err
    assert main(["credibility", "--month", "2029-05", "--out", str(tmp_path)]) == 1
    assert "is not over" in capsys.readouterr().err
