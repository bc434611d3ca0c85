"""Headlines: each story once, whatever echoes it."""

from __future__ import annotations

from datetime import datetime

from shared.core.market import Headline
from shared.core.values import Symbol
from shared.stages.market.news import news, story_of
from tests.support.orders import ON
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny


def headline(text: str, *symbols: str, at: datetime, news_id: str = "n1") -> Headline:
    return Headline(
        news_id=news_id,
        published_at=at,
        source="wire",
        headline=text,
        summary="",
        symbols=tuple(Symbol(s) for s in symbols),
    )


def stories(ports: FakePorts) -> list[str]:
    return [str(row["headline"]) for row in ports.rows("stories", ON).values()]


def test_a_headline_is_kept_with_its_symbols_and_time() -> None:
    ports = fake_ports(ny(ON, "09:00"))
    ports.market.headlines.append(headline("AAA beats", "AAA", "BBB", at=ny(ON, "08:55:12")))
    assert news(ports) == []
    ((key, row),) = ports.rows("stories", ON).items()
    assert key.startswith("085512|")
    assert (row["symbols"], row["published_at"], row["seen_at"]) == (
        "AAA BBB",
        "2025-10-15T12:55:12Z",
        "2025-10-15T13:00:00Z",
    )


def test_an_echo_of_a_story_is_not_a_second_one() -> None:
    ports = fake_ports(ny(ON, "09:00"))
    ports.market.headlines += [
        headline("AAA Beats  Estimates", "AAA", "BBB", at=ny(ON, "08:50")),
        headline("aaa beats estimates", "BBB", "AAA", at=ny(ON, "08:55"), news_id="n2"),
    ]
    news(ports)
    assert stories(ports) == ["AAA Beats  Estimates"]


def test_a_story_seen_in_two_scans_is_kept_once() -> None:
    ports = fake_ports(ny(ON, "09:00"))
    ports.market.headlines.append(headline("AAA beats", "AAA", at=ny(ON, "08:50")))
    news(ports)
    ports.clock.at = ny(ON, "09:15")
    news(ports)
    assert len(stories(ports)) == 1


def test_a_late_headline_is_found_by_the_next_scan() -> None:
    ports = fake_ports(ny(ON, "09:00"))
    news(ports)
    ports.market.headlines.append(headline("AAA beats", "AAA", at=ny(ON, "08:59")))
    ports.clock.at = ny(ON, "09:15")
    news(ports)
    assert stories(ports) == ["AAA beats"]


def test_the_first_scan_of_the_day_looks_at_the_night() -> None:
    ports = fake_ports(ny(ON, "04:00"))
    ports.market.headlines += [
        headline("in the evening", "AAA", at=ny(ON, "04:00").replace(hour=0)),
        headline("at noon of yesterday", "AAA", at=ny(ON, "04:00").replace(day=14, hour=16)),
    ]
    news(ports)
    assert stories(ports) == ["in the evening"]


def test_a_headline_about_no_symbol_is_left_out() -> None:
    ports = fake_ports(ny(ON, "09:00"))
    ports.market.headlines.append(headline("weather", at=ny(ON, "08:55")))
    news(ports)
    assert stories(ports) == []


def test_other_symbols_make_another_story() -> None:
    at = ny(ON, "09:00")
    assert story_of(headline("beats", "AAA", at=at)) != story_of(headline("beats", "BBB", at=at))
