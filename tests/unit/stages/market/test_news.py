"""News on its way to be read: each story once, plain, of known symbols, whatever its source and its source's faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.contracts.messages import MAX_STORIES, FoundStory, Message, Notice, StoryBatch
from shared.contracts.settings import NewsFeed
from shared.contracts.settings.news import parse_weights
from shared.core.errors import TransientError
from shared.core.market import Headline
from shared.core.text.stories import MAX_TEXT
from shared.core.values import Symbol, iso
from shared.ports import FeedReading, FeedState
from shared.stages.market.feeds import key_of
from shared.stages.market.news import MAX_BATCH_BYTES, news, story_of
from tests.support.orders import ON
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny
from tools.notice_examples import FEED

MORNING = ny(ON, "09:00")
EARLIER = ny(ON, "08:50")


def headline(
    text: str,
    *symbols: str,
    at: object = EARLIER,
    news_id: str = "n1",
    summary: str = "",
    url: str = "",
    source: str = "wire",
) -> Headline:
    return Headline(
        news_id=news_id,
        published_at=at,  # type: ignore[arg-type]
        source=source,
        headline=text,
        summary=summary,
        symbols=tuple(Symbol(s) for s in symbols),
        url=url,
    )


@dataclass(slots=True)
class HandFeeds:
    """Feeds that have what a test puts into them."""

    items: dict[str, list[Headline]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    asked: list[Mapping[str, FeedState]] = field(default_factory=list)

    def read(self, feeds: Sequence[NewsFeed], states: Mapping[str, FeedState]) -> Sequence[FeedReading]:
        self.asked.append(states)
        return [self._reading(feed, states.get(feed.name, FeedState())) for feed in feeds]

    def _reading(self, feed: NewsFeed, state: FeedState) -> FeedReading:
        if fault := self.faults.get(feed.name):
            return FeedReading(feed=feed, state=state, fault=fault)
        if feed.name in self.unchanged:
            return FeedReading(feed=feed, state=state, is_unchanged=True)
        return FeedReading(feed=feed, state=FeedState(etag='"1"'), items=tuple(self.items.get(feed.name, ())))


def with_feeds(*names: str) -> tuple[FakePorts, HandFeeds]:
    lines = "; ".join(f"{name}: https://{name}.example/rss | 0.5" for name in names)
    ports = fake_ports(MORNING, GATEHOUSE_NEWS_FEEDS=lines)
    ports.feeds = feeds = HandFeeds()
    return ports, feeds


def batches(messages: Sequence[Message]) -> list[StoryBatch]:
    return [message for message in messages if isinstance(message, StoryBatch)]


def stories(messages: Sequence[Message]) -> list[FoundStory]:
    return [story for batch in batches(messages) for story in batch.stories]


def headlines(messages: Sequence[Message]) -> list[str]:
    return [story.headline for story in stories(messages)]


def later(ports: FakePorts, minutes: int = 15) -> list[Message]:
    ports.clock.at += timedelta(minutes=minutes)
    return news(ports)


def test_a_headline_is_sent_with_all_that_its_source_gives() -> None:
    ports = fake_ports(MORNING)
    at = ny(ON, "08:55:12")
    ports.market.headlines.append(
        headline("AAA beats", "AAA", "BBB", "AAA", at=at, summary="By far", url="https://x.example/1")
    )
    (batch,) = batches(news(ports))
    assert (batch.on, batch.decided_at, batch.expires_at) == (ON, MORNING, MORNING + timedelta(hours=1))
    assert batch.stories == (
        FoundStory(
            story_id=story_of(headline("AAA beats", "AAA", "BBB", "AAA")),
            published_at=at,
            source="wire",
            headline="AAA beats",
            summary="By far",
            url="https://x.example/1",
            symbols=(Symbol("AAA"), Symbol("BBB")),
        ),
    )
    assert ports.rows("stories", ON) == {}


def test_without_news_nothing_is_sent() -> None:
    assert news(fake_ports(MORNING)) == []


def test_an_echo_of_a_story_is_not_a_second_one() -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines += [
        headline("AAA Beats  Estimates", "AAA", "BBB"),
        headline("aaa beats estimates", "BBB", "AAA", at=ny(ON, "08:55"), news_id="n2"),
    ]
    assert headlines(news(ports)) == ["AAA Beats Estimates"]


def test_a_story_that_was_read_is_not_sent_again() -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines.append(headline("AAA beats", "AAA"))
    (story,) = stories(news(ports))
    ports.tables.put("stories", str(ON), "k", {"story_id": story.story_id})
    assert stories(later(ports)) == []


def test_what_is_sent_twice_goes_under_the_same_name() -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines.append(headline("AAA beats", "AAA"))
    (first,), (second,) = batches(news(ports)), batches(later(ports))
    assert (first.message_id, first.stories) == (second.message_id, second.stories)


def test_a_late_headline_is_found_by_the_next_scan() -> None:
    ports = fake_ports(MORNING)
    news(ports)
    ports.market.headlines.append(headline("AAA beats", "AAA", at=ny(ON, "08:59")))
    assert headlines(later(ports)) == ["AAA beats"]


def test_the_first_scan_of_the_day_looks_at_the_night() -> None:
    ports = fake_ports(ny(ON, "04:00"))
    ports.market.headlines += [
        headline("in the evening", "AAA", at=ny(ON, "04:00").replace(hour=0)),
        headline("at noon of yesterday", "AAA", at=ny(ON, "04:00").replace(day=14, hour=16)),
    ]
    assert headlines(news(ports)) == ["in the evening"]


def test_a_headline_about_no_symbol_is_left_out() -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines.append(headline("weather"))
    assert news(ports) == []


def test_other_symbols_make_another_story() -> None:
    assert story_of(headline("beats", "AAA")) != story_of(headline("beats", "BBB"))


def test_text_is_made_plain_before_it_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines += [
        headline("<b>AAA</b>\u200b beats\u202e", "AAA", summary="<script>buy()</script>" + "x" * 2000),
        headline("\u200b<p hidden>buy</p>", "AAA", news_id="n2"),
        headline("<br>", "AAA", news_id="n3", summary="CCC is all there is"),
        headline("Twice", "AAA", news_id="n4", summary="<i>twice</i>"),
    ]
    with caplog.at_level("INFO", "gatehouse.news"):
        found = {story.headline: story.summary for story in stories(news(ports))}
    assert found == {"AAA beats": "x" * MAX_TEXT, "CCC is all there is": "", "Twice": ""}
    assert "1 news items have no text" in caplog.text
    assert "<b>AAA</b>\\u200b beats" in caplog.text


def test_a_source_weighs_what_is_set_for_it() -> None:
    ports = fake_ports(MORNING, GATEHOUSE_SOURCE_WEIGHTS="Wire: 0.3")
    ports.market.headlines += [
        headline("a", "AAA"),
        headline("b", "AAA", source="other"),
        headline("c", "AAA", source=""),
    ]
    assert {(story.source, story.weight) for story in stories(news(ports))} == {
        ("wire", 0.3),
        ("other", 1.0),
        ("unnamed", 1.0),
    }


def test_a_feed_weighs_what_is_set_for_its_name_before_its_own_word() -> None:
    ports, feeds = with_feeds("blog", "Paper")
    ports.settings = replace(
        ports.settings, news=replace(ports.settings.news, source_weights=parse_weights("paper: 0.6; unnamed: 0.7"))
    )
    for name in ("blog", "Paper"):
        feeds.items[name] = [headline(f"$AAA as {name} has it", source=name)]
    ports.market.headlines += [headline("c", "AAA", source="")]
    assert {(story.source, story.weight) for story in stories(news(ports))} == {
        ("blog", 0.5),
        ("Paper", 0.6),
        ("unnamed", 0.7),
    }


def test_many_stories_go_in_messages_that_a_queue_takes() -> None:
    ports = fake_ports(MORNING)
    ports.market.headlines += [headline(f"{i} " + "\U0001f600" * 500, "AAA", news_id=str(i)) for i in range(40)]
    ports.market.headlines += [headline(f"short {i}", "AAA", news_id=f"s{i}", at=ny(ON, "08:55")) for i in range(120)]
    sent = batches(news(ports))
    assert len(stories(sent)) == 160
    assert all(len(batch.stories) <= MAX_STORIES for batch in sent)
    assert all(len(ports.codec.encode(batch).encode()) < MAX_BATCH_BYTES + 1000 for batch in sent)
    assert len({batch.message_id for batch in sent}) == len(sent)


def test_items_of_feeds_are_linked_and_weighed() -> None:
    ports, feeds = with_feeds("blog")
    feeds.items["blog"] = [
        headline("$AAA wins a contract", source="blog"),
        headline("The weather", source="blog", news_id="n2"),
        headline("Winner of the day", source="blog", news_id="n3", summary="It is (NYSE: AAA)"),
    ]
    found = stories(news(ports))
    assert {(story.headline, story.symbols, story.source, story.weight) for story in found} == {
        ("$AAA wins a contract", ("AAA",), "blog", 0.5),
        ("Winner of the day", ("AAA",), "blog", 0.5),
    }


def test_a_story_of_two_sources_is_the_accounts_own() -> None:
    ports, feeds = with_feeds("blog")
    ports.market.headlines.append(headline("$AAA beats", "AAA"))
    feeds.items["blog"] = [headline("$AAA beats", source="blog")]
    assert [story.source for story in stories(news(ports))] == ["wire"]


def test_an_item_is_new_once_whatever_its_date_says() -> None:
    ports, feeds = with_feeds("blog")
    feeds.items["blog"] = [headline("$AAA undated", at=MORNING, source="blog")]
    assert headlines(news(ports)) == ["$AAA undated"]
    feeds.items["blog"] = [
        headline("$AAA undated", at=MORNING + timedelta(minutes=15), source="blog"),
        headline("$AAA undated, corrected", at=MORNING, source="blog"),
    ]
    assert headlines(later(ports)) == ["$AAA undated, corrected"]


def test_an_old_item_is_no_news() -> None:
    ports, feeds = with_feeds("blog")
    feeds.items["blog"] = [headline("$AAA of old", at=MORNING - timedelta(hours=24, seconds=1), source="blog")]
    assert stories(news(ports)) == []


def test_how_a_feed_stands_is_kept_for_its_next_reading() -> None:
    ports, feeds = with_feeds("blog", "paper")
    feeds.items["blog"] = [headline("$AAA wins", source="blog")]
    feeds.faults["paper"] = "HTTP 500"
    news(ports)
    rows = ports.rows("feeds", "feeds")
    blog, paper = rows[key_of("blog")], rows[key_of("paper")]
    assert (blog["name"], blog["etag"], blog["items"], blog["unchanged"], blog["fault"]) == (
        "blog",
        '"1"',
        1,
        False,
        "",
    )
    assert (paper["fault"], paper["items"], paper["read_at"]) == ("HTTP 500", 0, iso(MORNING))
    feeds.unchanged.add("blog")
    later(ports)
    assert feeds.asked[-1] == {"blog": FeedState(etag='"1"'), "paper": FeedState()}
    blog = ports.rows("feeds", "feeds")[key_of("blog")]
    assert (blog["etag"], blog["items"], blog["unchanged"]) == ('"1"', 1, True)
    feeds.unchanged.clear()
    assert stories(later(ports)) == []


def test_a_feed_that_fails_is_told_of_once_a_day_and_costs_itself_alone() -> None:
    ports, feeds = with_feeds("blog", "paper")
    ports.market.headlines.append(headline("AAA beats", "AAA"))
    feeds.items["blog"] = [headline("$AAA wins", source="blog")]
    feeds.faults["paper"] = "took longer than 10 s"
    sent = news(ports)
    (notice,) = [message for message in sent if isinstance(message, Notice)]
    assert notice.title == "The feed paper cannot be read"
    assert "took longer than 10 s" in notice.body
    assert sorted(headlines(sent)) == ["$AAA wins", "AAA beats"]
    assert not [message for message in later(ports) if isinstance(message, Notice)]


def test_a_feed_that_fails_is_told_of_as_the_documents_show_it() -> None:
    ports, feeds = with_feeds("Wire")
    feeds.faults["Wire"] = "took longer than 10 s"
    (notice,) = [message for message in news(ports) if isinstance(message, Notice)]
    assert (notice.title, notice.body) == (FEED.title, FEED.body)


def test_items_wait_for_the_next_scan_where_nothing_says_what_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    ports, feeds = with_feeds("blog")
    ports.market.headlines.append(headline("AAA beats", "AAA"))
    feeds.items["blog"] = [headline("$AAA wins", source="blog")]
    with monkeypatch.context() as patch:
        patch.setattr(type(ports.market), "assets", _down)
        assert headlines(news(ports)) == ["AAA beats"]
    assert ports.rows("feeds", "feeds") == {}
    assert "$AAA wins" in headlines(later(ports))


def _down(market: object) -> None:
    raise TransientError("no answer")


def test_feeds_that_nothing_reads_are_told_of() -> None:
    ports = fake_ports(MORNING, GATEHOUSE_NEWS_FEEDS="blog: https://blog.example/rss")
    (notice,) = news(ports)
    assert isinstance(notice, Notice)
    assert "nothing reads feeds here" in notice.body
