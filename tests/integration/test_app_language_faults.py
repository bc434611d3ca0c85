"""A language model that is down, slow, refusing, lying or absent: price-only trading goes on, and that is told once."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.contracts.messages import FoundStory
from shared.contracts.records import Queue, Table
from shared.core.ids import hash_id
from shared.core.text.narratives import Narrative, NarrativeStatus
from shared.core.values import Symbol
from shared.stages.narrative.spending import DAY
from tests.support.app import NEVER, WITH_NEWS, Sandbox
from tests.support.sent_stories import narratives_of, send_stories, slots_of
from tests.support.webhook import webhook

type MakeSandbox = Callable[..., Sandbox]

TIMEOUT_S = 3.0
"""Of a narrative: many times what an answer takes on a busy machine."""
LATE_S = 60.0
"""Of a late answer: who waits for it is seen to have, on any machine."""
SCANNING = {
    **WITH_NEWS,
    "GATEHOUSE_NEWS_SCHEDULE": NEVER,
    "GATEHOUSE_REPORT_SCHEDULE": NEVER,
    "GATEHOUSE_NIGHTLY_SCHEDULE": NEVER,
    "GATEHOUSE_SILENT_SLOTS": "0",
    "GATEHOUSE_LANGUAGE_TIMEOUT_S": str(TIMEOUT_S),
}
"""The day's slots run; stories come by hand alone."""
RESTS_S = 2.1
"""Of real time: the adapter asks again no sooner after a 5xx."""
MOMENTUM, DIVERGENCE = STRATEGIES = ("momentum.v1", "divergence.v1")
GOOD = "{name} wins {n} million dollar multi-year contract"
BAD = "{name} prices {n} million dollar dilutive public offering"
"""Names are masked: a number of its own keeps a story from being the same question as another company's."""


@dataclass(slots=True)
class StoryDesk:
    """Sends stories, each of a core symbol of which nothing has been heard yet, and looks at what came of them."""

    box: Sandbox
    told: list[str] = field(default_factory=list)

    def answers(self, delay_s: float = LATE_S, **faults: float) -> None:
        """Make the commentator answer so from now on."""
        self.box.venue("POST", "/sandbox/commentator", json={"faults": faults, "delay_s": delay_s})

    async def tell(self, text: str = GOOD, second: int = 10) -> Narrative | None:
        """Send a story in a minute that has no slot of the day's plan; by its end both strategies have scored it."""
        box = self.box
        symbol = Symbol(box.prepared.core_symbols[len(self.told)])
        self.told.append(symbol)
        minute = len(self.told) + (len(self.told) - 1) // 4
        await box.until(f"10:{minute:02d}:{second}")
        headline = text.format(name=box.tape.assets[symbol].name, n=50 + minute)
        story = FoundStory(
            story_id=hash_id("story", symbol, headline),
            published_at=box.clock.now(),
            source="Northwire",
            headline=headline,
            symbols=(symbol,),
        )
        began = time.perf_counter()
        send_stories(box, [story])
        await box.for_s(35)
        assert time.perf_counter() - began < LATE_S
        scored = slots_of(box, symbol)
        assert [f"10{minute:02d}" in scored[strategy] for strategy in STRATEGIES] == [True, True]
        return narratives_of(box).get(symbol)

    async def fails(self, status: NarrativeStatus, why: str = "", text: str = GOOD) -> None:
        """Send a story of which there is no narrative that can be used, and which divergence.v1 refuses for it."""
        told = await self.tell(text)
        assert told is not None
        assert (told.status, told.score, told.answer) == (status, None, None), told.fault
        assert told.fault.startswith(why)
        assert self.opinion() == status.value

    def opinion(self) -> str:
        """What divergence.v1 made of the last story's symbol."""
        rows = [row for row in self.box.rows(Table.SIGNALS).values() if row["symbol"] == self.told[-1]]
        return str(
            max((row for row in rows if row["strategy"] == DIVERGENCE), key=lambda row: row["scored_at"])["policy"]
        )


def heard(caplog: pytest.LogCaptureFixture, start: str) -> int:
    """How many notices were logged whose kind and title begin so."""
    lines = (record.getMessage() for record in caplog.records if record.name == "gatehouse.notices")
    return sum(line.startswith(start) for line in lines)


def gated(box: Sandbox) -> dict[str, set[str]]:
    """Decisions that were gated, by strategy: none that a strategy wanted is missing, and each met the same gates."""
    wanted = {
        (row["strategy"], row["decision_id"]) for row in box.rows(Table.SIGNALS).values() if row["policy"] == "ENTER"
    }
    rows = box.rows(Table.DECISIONS).values()
    decided = {(row["strategy"], row["decision_id"]) for row in rows}
    assert decided == wanted
    assert len({tuple(verdict["gate"] for verdict in json.loads(row["gates"])) for row in rows}) == 1
    assert all(int(row["qty"]) <= min(map(int, json.loads(row["bounds"]).values())) for row in rows if "qty" in row)
    return {strategy: {found for of, found in decided if of == strategy} for strategy in STRATEGIES}


def nothing_was_blocked(box: Sandbox, until: str) -> None:
    """Every slot of the day's plan was scored by price; no function failed, nothing was put aside."""
    slots = {row["slot"] for row in box.rows(Table.SIGNALS).values() if row["strategy"] == MOMENTUM}
    planned = {f"{minute // 60:02d}{minute % 60:02d}" for minute in range(9 * 60 + 55, 11 * 60, 5)}
    assert {slot for slot in planned if slot <= until} <= slots
    assert box.trace.errors == []
    assert box.quarantined() == {}
    assert {queue: box.waiting(f"{queue}-poison") for queue in Queue if box.waiting(f"{queue}-poison")} == {}


def test_faults_of_every_kind_one_after_another_stop_no_price_only_trading_and_are_told_once(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        desk = StoryDesk(box)
        desk.answers()
        for _ in range(2):
            told = await desk.tell()
            assert told is not None
            assert told.status is NarrativeStatus.TOLD

        desk.answers(**{"500": 1})
        for _ in range(3):
            assert heard(caplog, "language-down: ") == 0
            await desk.fails(NarrativeStatus.UNAVAILABLE, "DOWN")
            await asyncio.sleep(RESTS_S)
        assert heard(caplog, "language-down: ") == 1
        assert [row["status"] for row in box.incidents("language-down")] == ["open"]
        await desk.fails(NarrativeStatus.UNAVAILABLE, "RESTING")

        desk.answers()
        told = await desk.tell(second=20)
        assert told is not None
        assert told.status is NarrativeStatus.TOLD
        assert heard(caplog, "language-back: ") == 1
        assert [row["status"] for row in box.incidents("language-down")] == ["closed"]

        desk.answers(**{"429": 1})
        await desk.fails(NarrativeStatus.UNAVAILABLE, "RATE_LIMITED")
        await asyncio.sleep(RESTS_S)
        desk.answers(late=1)
        await desk.fails(NarrativeStatus.UNAVAILABLE, "TIMEOUT")
        for fault in ("malformed_always", "wrong_types", "cut"):
            desk.answers(**{fault: 1})
            await desk.fails(NarrativeStatus.INVALID_PARSE)
        for fault in ("ungrounded_number", "invented_ticker"):
            desk.answers(**{fault: 1})
            await desk.fails(NarrativeStatus.UNGROUNDED)

        desk.answers(malformed_once=1)
        told = await desk.tell()
        assert told is not None
        assert (told.status, told.is_repaired) == (NarrativeStatus.TOLD, True)
        desk.answers(lying=1)
        for text, sign in ((GOOD, -1), (BAD, 1), (BAD, 1), (BAD, 1)):
            told = await desk.tell(text)
            assert told is not None
            assert told.answer is not None
            assert told.answer.score * sign > 0

        await box.until("11:02")
        nothing_was_blocked(box, "1100")
        decided = gated(box)
        assert decided[MOMENTUM]
        assert decided[DIVERGENCE]
        for row in box.rows(Table.DECISIONS).values():
            is_told = row["strategy"] == DIVERGENCE and row["verdict"] == "approved"
            assert heard(caplog, f"decision: [Signal] {row['symbol']} - ") == is_told
        assert {row["kind"] for row in box.incidents()} == {"language-down"}
        assert (heard(caplog, "language-down: "), heard(caplog, "language-back: ")) == (1, 1)
        outcomes = Counter(row["outcome"] for key, row in box.rows(Table.CALLS).items() if key != DAY)
        assert outcomes == {"OK": 17, "DOWN": 3, "RESTING": 1, "RATE_LIMITED": 1, "TIMEOUT": 1}

    with webhook() as phone, caplog.at_level(logging.INFO, logger="gatehouse.notices"):
        channels = {"GATEHOUSE_NOTICE_CHANNELS": f"phone: {phone.url('told')}"}
        sandbox(settings=SCANNING | channels, at="09:54:30").run(scenario)


def test_without_a_language_model_stories_are_scored_and_nothing_is_asked_or_told(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        desk = StoryDesk(box)
        for text in (GOOD, BAD):
            assert await desk.tell(text) is None
            assert desk.opinion() == NarrativeStatus.UNAVAILABLE.value
        nothing_was_blocked(box, "1000")
        assert gated(box)[DIVERGENCE] == set()
        assert [row["led_to"] for row in box.rows(Table.STORIES).values()] == ["candidates"] * 2
        assert (box.rows(Table.CALLS), box.incidents()) == ({}, [])
        assert heard(caplog, "language-down: ") == 0

    with caplog.at_level(logging.INFO, logger="gatehouse.notices"):
        sandbox(settings=SCANNING | {"GATEHOUSE_LANGUAGE_URL": ""}, at="09:54:30").run(scenario)
