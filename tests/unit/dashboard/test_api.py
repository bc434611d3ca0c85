"""Acts through the app's API, against a server of our own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dashboard.api import KEY_HEADER, act
from dashboard.environments import variable
from shared.bootstrap import JsonCodec
from shared.contracts.openapi.routes import POISON_REDRIVE
from shared.contracts.parameters import Evidence, ParameterSet
from shared.contracts.records import CONTROLS, PARAMETERS, Table
from shared.contracts.settings import Environment
from shared.stages.operator.parameters import propose
from tests.support.views import MemorySource, current_ledger, shown, words

BODY = {"by": "ada", "reason": "mended", "on": "2026-10-14", "incident": "poison|signals|1"}


def proposal(name: str) -> ParameterSet:
    return ParameterSet(
        name=name,
        created_at=datetime(2026, 10, 10, tzinfo=UTC),
        proposed_by="weekly review",
        values={"GATEHOUSE_KELLY_FRACTION": "0.2"},
        evidence=Evidence(blob="reports/x.json", figures={}),
    )


class App(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get(KEY_HEADER)
        assert isinstance(self.server, App)
        self.server.asked.append((self.path, key, body))
        status, answer = (200, {"queue": "signals"}) if key == "right" else (401, None)
        if body.get("incident") == "none":
            status, answer = 404, {"error": "incident: there is none", "field": "incident"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode() if answer else b"")

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def app() -> Iterator[tuple[App, str]]:
    with App() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_act_carries_who_why_and_the_key(app: tuple[App, str]) -> None:
    server, url = app
    answer = act(url, "right", POISON_REDRIVE, BODY)
    assert answer.is_done
    assert server.asked == [("/api/poison/redrive", "right", BODY)]


def test_a_refusal_tells_the_apps_own_words(app: tuple[App, str]) -> None:
    _, url = app
    assert act(url, "wrong", POISON_REDRIVE, BODY).text == "HTTP 401: the key is wrong"
    missing = act(url, "right", POISON_REDRIVE, BODY | {"incident": "none"})
    assert (missing.is_done, missing.text) == (False, "HTTP 404: incident: there is none")


def test_an_app_that_is_down_is_an_answer_without_the_key() -> None:
    answer = act("http://127.0.0.1:9", "secret-key", POISON_REDRIVE, BODY)
    assert not answer.is_done
    assert "does not answer" in answer.text
    assert "secret-key" not in answer.text


def test_a_set_is_accepted_from_the_page_with_the_key_that_was_typed(
    app: tuple[App, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = app
    monkeypatch.setenv(variable(Environment.SANDBOX, "STORAGE"), "conn")
    monkeypatch.setenv(variable(Environment.SANDBOX, "API"), url)
    source = MemorySource()
    current_ledger(source)
    propose(source.blobs, JsonCodec(), proposal("walk-1"))
    with shown("configuration", source) as page:
        for name, text in (("by", "ada"), ("why", "evidence"), ("key", "wrong")):
            page.text_input(key=f"accept-walk-1-{name}").set_value(text)
        page.main.button[-1].click().run()
        assert "HTTP 401: the key is wrong" in words(page)
        page.text_input(key="accept-walk-1-key").set_value("right")
        page.main.button[-1].click().run()
        assert "Done, and journalled" in words(page)
    body = {"name": "walk-1", "by": "ada", "reason": "evidence"}
    assert server.asked == [("/api/parameters/accept", key, body) for key in ("wrong", "right")]


def test_nothing_is_asked_of_the_app_without_who_why_and_key(
    app: tuple[App, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = app
    monkeypatch.setenv(variable(Environment.SANDBOX, "STORAGE"), "conn")
    monkeypatch.setenv(variable(Environment.SANDBOX, "API"), url)
    source = MemorySource()
    current_ledger(source)
    source.tables.put(Table.CONTROLS, CONTROLS, PARAMETERS, {"parameter_set": "walk-0", "by": "ada", "reason": "x"})
    propose(source.blobs, JsonCodec(), proposal("walk-0"))
    with shown("configuration", source) as page:
        page.main.button[-1].click().run()
        assert "Who, why and a function key are needed" in words(page)
    assert server.asked == []
