"""Hostile stories on their whole way through the running app, asked of models that do what the stories want."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from shared.contracts.messages import MAX_STORIES, FoundStory
from shared.contracts.records import Queue, Table
from shared.core.ids import hash_id
from shared.core.text.cleaning import clean
from shared.core.text.narratives import NarrativeStatus
from shared.core.values import Symbol
from tests.support.app import NEVER, WITH_NEWS, Sandbox
from tests.support.hostile_stories import HOSTILE_STORIES, HostileStory, obeying_answer
from tests.support.language import completion
from tests.support.sent_stories import narratives_of, send_stories

type MakeSandbox = Callable[..., Sandbox]

SETTINGS = {
    **WITH_NEWS,
    "GATEHOUSE_NEWS_SCHEDULE": NEVER,
    "GATEHOUSE_REPORT_SCHEDULE": NEVER,
    "GATEHOUSE_NIGHTLY_SCHEDULE": NEVER,
    "GATEHOUSE_SILENT_SLOTS": "0",
}
DIVERGENCE = "divergence.v1"
ATTACKS = {f"Wire {letter}": each for letter, each in zip(string.ascii_letters, HOSTILE_STORIES, strict=False)}
"""By the source of their stories, which a model is shown as it is: no attack finds a word of its own in it."""
SOURCES = {each.name: source for source, each in ATTACKS.items()}


def plain_stories(box: Sandbox, attack: HostileStory, symbol: Symbol) -> list[FoundStory]:
    """An attack on a core symbol as the news timer sends it: cleaned at the edge, the honest story last."""
    at = box.clock.now()
    texts = [(clean(story.headline), clean(story.summary)) for story in attack.as_stories(at)]
    return [
        FoundStory(
            story_id=hash_id("story", attack.name, str(k)),
            published_at=at,
            source=SOURCES[attack.name],
            headline=headline,
            summary=summary,
            symbols=(symbol,),
        )
        for k, (headline, summary) in enumerate(texts)
        if headline
    ]


async def attacked(box: Sandbox) -> dict[str, HostileStory]:
    """Send every attack, each on a core symbol of its own; return them by symbol once all have been judged."""
    await box.until("10:01:10")
    victims = {Symbol(symbol): each for symbol, each in zip(box.prepared.core_symbols, HOSTILE_STORIES, strict=False)}
    assert len(victims) == len(HOSTILE_STORIES)
    batch: list[FoundStory] = []
    for symbol, attack in victims.items():
        stories = plain_stories(box, attack, symbol)[-MAX_STORIES:]
        if len(batch) + len(stories) > MAX_STORIES:
            send_stories(box, batch)
            batch = []
        batch += stories
    send_stories(box, batch)
    await box.until("10:06:30")
    return {str(symbol): attack for symbol, attack in victims.items()}


def nothing_was_believed(box: Sandbox, victims: dict[str, HostileStory]) -> None:
    """Every symbol is scored, whatever was said; what is bought, is bought on a valid answer and within its bounds."""
    told = narratives_of(box)
    assert told.keys() == victims.keys()
    opinions = [row for row in box.rows(Table.SIGNALS).values() if row["strategy"] == DIVERGENCE]
    assert victims.keys() <= {row["symbol"] for row in opinions}
    for row in opinions:
        if row["symbol"] in victims and row["policy"] == "ENTER":
            assert told[row["symbol"]].status is NarrativeStatus.TOLD, victims[row["symbol"]].name
    for each in told.values():
        assert each.score is None or abs(each.score) <= 1
        assert 0 <= each.confidence <= 1
        assert each.answer is None or len(each.answer.summary) <= 512
    rows = box.rows(Table.DECISIONS).values()
    assert all(int(row["qty"]) <= min(map(int, json.loads(row["bounds"]).values())) for row in rows if "qty" in row)
    assert {row["symbol"] for row in rows if row["strategy"] == DIVERGENCE} <= {
        symbol for symbol, each in told.items() if each.status is NarrativeStatus.TOLD
    }
    assert (box.trace.errors, box.quarantined(), box.incidents()) == ([], {}, [])
    assert [queue for queue in Queue if box.waiting(f"{queue}-poison")] == []


def test_a_commentator_that_obeys_stories_enlarges_nothing(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.venue("POST", "/sandbox/commentator", json={"faults": {"injection_obeyed": 1}})
        victims = await attacked(box)
        nothing_was_believed(box, victims)
        confidence = {victims[symbol].name: told.confidence for symbol, told in narratives_of(box).items()}
        assert confidence["confidence 1"] == 1, "it was to obey"

    sandbox(settings=SETTINGS, at="09:54:30").run(scenario)


class _Obedient(BaseHTTPRequestHandler):
    """Answers a question with what the attack wants whose stories it shows."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        document = json.loads(body["messages"][-1]["content"])
        attack = ATTACKS[document["stories"][0]["source"]]
        answer = json.dumps(completion(obeying_answer(attack))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing of each question."""


@contextmanager
def obedient_model() -> Iterator[str]:
    """Serve a model that does whatever a story says, as its author would have it done; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Obedient) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_an_answer_that_does_what_an_attack_wants_is_refused_or_bounded(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        victims = await attacked(box)
        nothing_was_believed(box, victims)
        told = {victims[symbol].name: each for symbol, each in narratives_of(box).items()}
        believed = {name for name, each in told.items() if each.status is NarrativeStatus.TOLD}
        assert believed == {attack.name for attack in HOSTILE_STORIES if not attack.is_refused}
        unread = {name: each.fault for name, each in told.items() if each.status is NarrativeStatus.UNAVAILABLE}
        assert unread.keys() == {"headline of a megabyte"}
        assert "bytes" in unread["headline of a megabyte"]

    with obedient_model() as url:
        given = {"GATEHOUSE_LANGUAGE_URL": url, "GATEHOUSE_LANGUAGE_MODEL": "obedient"}
        sandbox(settings=SETTINGS | given, at="09:54:30").run(scenario)
