"""The language adapter over a real socket, against services of every kind and a server that misbehaves on cue."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

from shared.adapters import language
from shared.adapters.absent import NoLanguage
from shared.adapters.language import MAX_BODY_BYTES, MAX_HANGING, ChatCompletions
from shared.bootstrap import App
from shared.contracts.settings import secrets_of
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply
from tests.support.language import SCHEMA, completion, language_settings, question
from tests.support.ports import ENVIRONMENT, settings_with
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server

ONE, TWO = "key-of-the-test-1", "key-of-the-test-2"
SLOW_S = 0.4
"""Deadline of a question to a server that will not meet it."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


def service(server: ScriptedServer, *, is_sandbox: bool = False, **changes: Any) -> ChatCompletions:
    return ChatCompletions(language_settings(f"{server.url}/v1", **changes), is_sandbox=is_sandbox)


def asked(model: ChatCompletions, timeout_s: float = 5.0) -> LanguageReply:
    return model.ask(question(), timeout_s=timeout_s)


def fault_of(model: ChatCompletions, timeout_s: float = 5.0) -> LanguageFault:
    """What asking comes to; its message holds no key."""
    with pytest.raises(LanguageError) as caught:
        asked(model, timeout_s)
    assert ONE not in str(caught.value)
    assert TWO not in str(caught.value)
    return caught.value.fault


def used_key(server: ScriptedServer, at: int) -> str:
    return server.asked[at].headers["Authorization"].removeprefix("Bearer ")


# How it is asked


def test_a_question_is_asked_as_repeatably_as_can_be_and_held_to_its_schema(server: ScriptedServer) -> None:
    server.will_answer(completion())
    found = asked(service(server))
    assert (found.text, found.model, found.finish) == ('{"score":0.5}', "small-model-2026", "stop")
    assert (found.tokens_in, found.tokens_out) == (40, 9)
    [sent] = server.asked
    assert (sent.method, sent.path, used_key(server, 0)) == ("POST", "/v1/chat/completions", ONE)
    body = sent.body
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("small-model", 0, 0, 100)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == '{"stories":[]}'
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["score"]
    assert SCHEMA not in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (400, {"error": {"message": "Invalid parameter: 'response_format' of type 'json_schema' is not supported"}}),
        (400, {"error": {"message": "This response_format type is unavailable now"}}),
        (422, {"detail": [{"loc": ["body", "response_format", "json_schema"], "msg": "extra fields not permitted"}]}),
        (404, {"error": {"message": "No endpoints found that support json_schema"}}),
        (400, {"error": {"message": "failed to parse grammar"}}),
    ],
)
def test_a_service_without_schemas_is_asked_for_plain_json_from_then_on(
    server: ScriptedServer, status: int, complaint: Any
) -> None:
    server.will_answer(Answer(complaint, status), completion(), completion())
    model = service(server)
    asked(model)
    asked(model)
    formats = [sent.body["response_format"]["type"] for sent in server.asked]
    assert formats == ["json_schema", "json_object", "json_object"]
    assert SCHEMA in server.asked[1].body["messages"][0]["content"]


def test_a_service_that_takes_no_form_at_all_is_asked_in_words(server: ScriptedServer) -> None:
    refusal = Answer({"error": "'response_format.type' must be 'text'"}, 400)
    server.will_answer(refusal, refusal, completion(), refusal)
    model = service(server)
    asked(model)
    assert "response_format" not in server.asked[2].body
    assert SCHEMA in server.asked[2].body["messages"][0]["content"]
    assert fault_of(model) is LanguageFault.REFUSED


def test_what_else_is_refused_changes_nothing_about_the_form(server: ScriptedServer) -> None:
    server.will_answer(Answer({"error": {"message": "model 'small-model' not found"}}, 404), completion())
    model = service(server)
    with pytest.raises(LanguageError, match=r"HTTP 404: .*model 'small-model' not found") as caught:
        asked(model)
    assert caught.value.fault is LanguageFault.REFUSED
    asked(model)
    assert [sent.body["response_format"]["type"] for sent in server.asked] == ["json_schema", "json_schema"]


def test_a_service_of_ones_own_wants_no_key(server: ScriptedServer) -> None:
    server.will_answer(completion())
    asked(service(server, keys=()))
    assert not {"Authorization", "api-key"} & set(server.asked[0].headers)


def test_azure_is_given_its_key_under_its_own_name() -> None:
    azure = ChatCompletions(language_settings("https://mine.openai.azure.com/openai/v1/"), is_sandbox=False)
    assert azure._headers(ONE)["api-key"] == ONE
    assert "Authorization" not in azure._headers(ONE)
    assert azure._url == "https://mine.openai.azure.com/openai/v1/chat/completions"
    other = ChatCompletions(language_settings("https://azure.com.example/v1"), is_sandbox=False)
    assert "api-key" not in other._headers(ONE)


def test_a_netrc_does_not_take_the_place_of_the_key(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.will_answer(completion())
    asked(service(server))
    assert used_key(server, 0) == ONE


# What it answers


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": True}, {"prompt_tokens": -1, "completion_tokens": "9"}])
def test_tokens_that_are_not_counted_are_taken_from_the_length(server: ScriptedServer, usage: Any) -> None:
    server.will_answer(completion("x" * 41, usage=usage))
    found = asked(service(server))
    asking = question()
    assert found.tokens_in == -(-len(asking.system + asking.user + asking.schema) // 4)
    assert found.tokens_out == 11


def test_an_answer_that_is_cut_at_length_comes_as_it_is(server: ScriptedServer) -> None:
    cut = completion('{"score":0.')
    cut["choices"][0]["finish_reason"] = "length"
    server.will_answer(cut)
    found = asked(service(server))
    assert (found.text, found.finish) == ('{"score":0.', "length")


def test_an_answer_in_chunks_is_read(server: ScriptedServer) -> None:
    server.will_answer(Answer(completion(), is_chunked=True))
    assert asked(service(server)).text == '{"score":0.5}'


@pytest.mark.parametrize(
    "body",
    [
        "<html>have a nice day</html>",
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"choices": []}',
        '{"choices": [{"message": null}]}',
        '{"choices": {"0": 1}}',
        completion(text=None),  # type: ignore[arg-type]
        completion(text=["a"]),  # type: ignore[arg-type]
        completion(model=7),
        completion(usage=[1]),
        '{"choices": [{"message": {"content": "\\ud800"}}]}',
        '{"model": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_chat_completion_is_nonsense(server: ScriptedServer, body: Any) -> None:
    server.will_answer(Answer(body))
    assert fault_of(service(server)) is LanguageFault.NONSENSE


def test_a_megabyte_is_not_read_to_its_end(server: ScriptedServer) -> None:
    server.will_answer(completion("x" * (MAX_BODY_BYTES - 1000)), completion("x" * 1_000_000))
    model = service(server)
    assert len(asked(model).text) == MAX_BODY_BYTES - 1000
    assert fault_of(model) is LanguageFault.NONSENSE


def test_names_that_a_service_gives_are_made_printable_and_short(server: ScriptedServer) -> None:
    server.will_answer(completion(model="a\nb\x1b[31m" + "x" * 500))
    assert asked(service(server)).model == "a?b?[31m" + "x" * 112


def test_the_commentator_is_refused_outside_the_sandbox(server: ScriptedServer) -> None:
    server.will_answer(*[completion(model="commentator-seeded/7")] * 2)
    assert fault_of(service(server)) is LanguageFault.INVENTED
    assert asked(service(server, is_sandbox=True)).model == "commentator-seeded/7"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server: ScriptedServer, status: int) -> None:
    server.will_answer(Answer("", status, {"Location": f"{server.url}/elsewhere"}), completion())
    assert fault_of(service(server)) is LanguageFault.NONSENSE
    assert len(server.asked) == 1


# Keys


@pytest.mark.parametrize(
    ("status", "rests_s"), [(401, 600.0), (403, 600.0), (429, 7.0), (500, 7.0), (503, 7.0), (529, 7.0)]
)
def test_a_key_that_fails_rests_and_the_next_one_answers(
    server: ScriptedServer, status: int, rests_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = perf_counter()
    monkeypatch.setattr(language, "perf_counter", lambda: now)
    server.will_answer(Answer("", status, {"Retry-After": "7"}), completion(), completion(), completion())
    model = service(server, keys=(ONE, TWO))
    asked(model)
    asked(model)
    now += rests_s + 0.1
    asked(model)
    assert [used_key(server, at) for at in range(4)] == [ONE, TWO, TWO, ONE]


def test_nothing_is_asked_while_every_key_rests(server: ScriptedServer) -> None:
    server.will_answer(Answer("", 429, {"Retry-After": "30"}), Answer("", 429))
    model = service(server, keys=(ONE, TWO))
    assert fault_of(model) is LanguageFault.RATE_LIMITED
    with pytest.raises(LanguageError, match="nothing is asked for 30 s more, since RATE_LIMITED: HTTP 429") as caught:
        asked(model)
    assert caught.value.fault is LanguageFault.RESTING
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("headers", "rests_s"),
    [
        ({}, 30.0),
        ({"Retry-After": "86400"}, 600.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "nan"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
    ],
)
def test_how_long_a_key_rests_is_bounded(headers: dict[str, str], rests_s: float) -> None:
    assert language._retry_after_s(headers, 30.0) == rests_s


@pytest.mark.parametrize(
    ("status", "fault"),
    [(401, LanguageFault.REFUSED), (429, LanguageFault.RATE_LIMITED), (500, LanguageFault.DOWN)],
)
def test_when_no_key_has_luck_the_last_failure_is_told(
    server: ScriptedServer, status: int, fault: LanguageFault
) -> None:
    server.will_answer(Answer("", status), Answer("", status))
    assert fault_of(service(server, keys=(ONE, TWO))) is fault
    assert [used_key(server, at) for at in range(2)] == [ONE, TWO]


# Time


@pytest.mark.parametrize("kind", ["hang", "head", "body"])
def test_a_server_that_hangs_or_drips_does_not_hold_beyond_the_deadline(server: ScriptedServer, kind: str) -> None:
    hangs = Answer(hang=True) if kind == "hang" else Answer(completion(), drip=kind)  # type: ignore[arg-type]
    server.will_answer(hangs)
    began = perf_counter()
    assert fault_of(service(server), SLOW_S) is LanguageFault.TIMEOUT
    assert perf_counter() - began >= SLOW_S  # without a deadline it would have answered, or never have ended


def test_a_second_key_has_only_what_the_first_has_left(server: ScriptedServer) -> None:
    server.will_answer(Answer("", 500), Answer(hang=True))
    assert fault_of(service(server, keys=(ONE, TWO)), SLOW_S) is LanguageFault.TIMEOUT


def test_connections_that_hang_for_ever_are_few(server: ScriptedServer) -> None:
    server.will_answer(*[Answer(completion(), drip="head")] * (MAX_HANGING + 1))
    model = service(server)
    faults = [fault_of(model, 0.1) for _ in range(MAX_HANGING + 1)]
    assert faults == [LanguageFault.TIMEOUT] * MAX_HANGING + [LanguageFault.DOWN]
    assert len(server.asked) <= MAX_HANGING


def test_a_closed_port_and_a_dropped_connection_are_a_service_that_is_down(server: ScriptedServer) -> None:
    closed = ChatCompletions(language_settings("http://127.0.0.1:1/v1"), is_sandbox=False)
    assert fault_of(closed) is LanguageFault.DOWN
    server.will_answer(Answer(drop=True))
    assert fault_of(service(server)) is LanguageFault.DOWN


# Secrets


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_key_is_in_a_message_or_a_log(server: ScriptedServer, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Answer({"error": f"response_format: bad key {ONE} in Bearer {ONE}"}, status)
    server.will_answer(echo, echo, echo)
    fault_of(service(server))
    assert ONE not in caplog.text


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(server: ScriptedServer) -> None:
    model = service(server, keys=("ключ-ключ-ключ",))
    with pytest.raises(LanguageError, match="REFUSED") as caught:
        asked(model)
    assert "ключ" not in str(caught.value)
    assert not server.asked


def test_keys_are_among_the_secrets_that_logs_are_cleaned_of() -> None:
    settings = settings_with(
        GATEHOUSE_LANGUAGE_URL="http://127.0.0.1:1/v1",
        GATEHOUSE_LANGUAGE_MODEL="small-model",
        GATEHOUSE_LANGUAGE_KEYS=f"{ONE} {TWO}",
    )
    assert {ONE, TWO} <= secrets_of(settings)


def test_the_app_has_a_language_model_where_an_address_is_set() -> None:
    address = {"GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1", "GATEHOUSE_LANGUAGE_MODEL": "small-model"}
    before = logging.getLogRecordFactory()
    try:
        assert isinstance(App(ENVIRONMENT).language, NoLanguage)
        assert isinstance(App({**ENVIRONMENT, **address}).language, ChatCompletions)
    finally:
        logging.setLogRecordFactory(before)
