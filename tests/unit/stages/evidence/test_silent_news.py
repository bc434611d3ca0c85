"""A symbol that suddenly has no news is told of at the day's end, and the news as a whole where none came."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.messages import Notice
from shared.contracts.records import Table
from shared.core.notices import Severity
from shared.stages.evidence.report import report
from shared.stages.evidence.silent_news import tell_silence
from tests.support.orders import ON
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny

ENDED = ny(ON, "16:30:05")


def with_stories(*today: str, past: Sequence[str] = ("AAPL AAA", "AAPL AAA BTC/USD")) -> FakePorts:
    """Two sessions with stories of some symbols before today's; AAA and BTC/USD are on the watchlist, AAPL is core."""
    ports = fake_ports(ENDED, GATEHOUSE_SILENT_SYMBOL_SESSIONS="2", GATEHOUSE_CORE_SYMBOLS="AAPL")
    days = [day.on for day in ports.calendar.previous_days(ON, 2)]
    for on, texts in [*((on, [text]) for on, text in zip(days, past, strict=True)), (ON, today)]:
        for number, text in enumerate(texts):
            ports.tables.put(Table.STORIES, str(on), f"100000|{number}", {"symbols": text, "echo_of": "x"})
    for symbol in ("AAA", "BTC/USD"):
        ports.tables.put(Table.WATCHLIST, str(ON), symbol.replace("/", "_"), {"symbol": symbol})
    return ports


def told(ports: FakePorts) -> list[tuple[str, str]]:
    return [(each.kind, each.title.split(" today")[0]) for each in tell_silence(ports, ON)]


def test_a_watched_symbol_and_a_core_symbol_are_told_of_once_each() -> None:
    ports = with_stories("ZZZ")
    assert told(ports) == [("silent-symbol", "No story of AAA"), ("silent-symbol", "No story of AAPL")]
    assert told(ports) == []
    assert {row["kind"] for row in ports.rows(Table.INCIDENTS, ON).values()} == {"silent-symbol"}


def test_a_pair_of_currencies_has_a_key_that_storage_takes() -> None:
    ports = with_stories("AAPL AAA", past=("BTC/USD AAPL", "BTC/USD AAPL"))
    assert told(ports) == [("silent-symbol", "No story of BTC/USD")]
    assert list(ports.rows(Table.INCIDENTS, ON)) == ["silent-symbol|BTC_USD"]


def test_no_story_at_all_is_one_notice_about_the_news() -> None:
    assert told(with_stories()) == [("silent-news", "No story at all")]


def test_the_setting_turns_it_off() -> None:
    ports = with_stories()
    ports.settings = fake_ports(ENDED, GATEHOUSE_SILENT_SYMBOL_SESSIONS="0").settings
    assert told(ports) == []


def test_it_is_told_with_the_days_report() -> None:
    messages = [each for each in report(with_stories("AAPL")) if isinstance(each, Notice)]
    assert [(each.kind, each.severity) for each in messages] == [
        ("silent-symbol", Severity.WARNING),
        ("day-report", Severity.INFO),
    ]
