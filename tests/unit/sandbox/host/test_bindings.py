"""Binding expressions, output values, routes and keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.host import protos
from sandbox.host.bindings import entities_of, known_values, messages_of, resolve
from sandbox.host.durable.engine import version_fits
from sandbox.host.durable.store import key_of
from sandbox.host.errors import AppError
from sandbox.host.functions import parse_binding, parse_function
from sandbox.host.hostjson import DurableOptions, VersionMatch
from sandbox.host.keys import load_or_create_keys
from sandbox.host.webserver import response_of, route_patterns


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (protos.TypedData(string="a"), [b"a"]),
        (protos.TypedData(bytes=b"\x00"), [b"\x00"]),
        (protos.TypedData(json='["a", "b"]'), [b"a", b"b"]),
        (protos.TypedData(json="[]"), []),
        (protos.TypedData(json='{"id": null, "body": "x"}'), [b"x"]),
        (protos.TypedData(json='[{"n": 1}]'), [b'{"n": 1}']),
    ],
)
def test_queue_messages_of_an_output(data: protos.TypedData, expected: list[bytes]) -> None:
    assert messages_of(data) == expected


def test_expressions_take_metadata_and_nested_fields() -> None:
    known = known_values(protos.TypedData(string='{"order": {"id": 7}}'), {"Id": "m1"}, {"rand-guid": "g"})

    assert resolve("{id}/{order.id}/{rand-guid}", known) == "m1/7/g"
    with pytest.raises(AppError, match="nothing"):
        resolve("{nothing}", known)


def test_entity_keys_come_from_the_binding_where_the_entity_has_none() -> None:
    raw = json.dumps({"name": "row", "type": "table", "direction": "OUT", "tableName": "t", "partitionKey": "p"})
    binding = parse_binding(raw, str)

    assert entities_of(protos.TypedData(json='[{"RowKey": "1"}, {"PartitionKey": "q", "RowKey": "2"}]'), binding) == [
        {"PartitionKey": "p", "RowKey": "1"},
        {"PartitionKey": "q", "RowKey": "2"},
    ]


def test_bindings_that_this_host_does_not_serve_are_refused_by_name() -> None:
    with pytest.raises(AppError, match="eventHubTrigger"):
        parse_binding('{"name": "e", "type": "eventHubTrigger", "direction": "IN"}', str)
    with pytest.raises(AppError, match="exactly one trigger"):
        parse_function("f", "1", ['{"name": "b", "type": "blob", "direction": "IN"}'], str)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("plain", ["plain"]),
        ("a/{id}", ["a/{id}"]),
        ("a/{id:int}", [r"a/{id:-?\d+}"]),
        ("a/{id?}", ["a/{id}", "a"]),
        ("files/{*path}", ["files/{path:.*}"]),
    ],
)
def test_routes(route: str, expected: list[str]) -> None:
    assert route_patterns(route) == expected


def test_responses_carry_cookies_and_nothing_is_no_content() -> None:
    cookie = protos.RpcHttpCookie(
        name="a",
        value="1",
        domain=None,
        path=protos.NullableString(value="/"),
        max_age=None,
        secure=protos.NullableBool(value=True),
        http_only=protos.NullableBool(value=False),
    )
    http = protos.RpcHttp(status_code="201", headers={"X": "y"}, cookies=[cookie], body=protos.TypedData(bytes=b"ok"))
    response = response_of(protos.TypedData(http=http))

    assert (response.status, response.body, response.headers["X"]) == (201, b"ok", "y")
    assert response.headers["Set-Cookie"] == "a=1; Path=/; Secure"
    assert response_of(None).status == 204


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first = load_or_create_keys(tmp_path / "state" / "keys.json")

    assert load_or_create_keys(tmp_path / "state" / "keys.json") == first
    assert first.opens("function", first.master)
    assert not first.opens("admin", first.function)
    assert not first.opens("function", None)
    assert first.opens("anonymous", None)


@pytest.mark.parametrize(
    ("version", "match", "fits"),
    [
        ("1.9", VersionMatch.CURRENT_OR_OLDER, True),
        ("1.10", VersionMatch.CURRENT_OR_OLDER, True),
        ("1.11", VersionMatch.CURRENT_OR_OLDER, False),
        ("", VersionMatch.CURRENT_OR_OLDER, True),
        ("1.9", VersionMatch.STRICT, False),
        ("2.0", VersionMatch.NONE, True),
    ],
)
def test_orchestration_versions(version: str, match: VersionMatch, fits: bool) -> None:
    assert version_fits(version, DurableOptions(default_version="1.10", version_match=match)) is fits


def test_table_keys_hold_no_forbidden_characters_and_stay_apart() -> None:
    ids = ["a/b", "a^2Fb", "a\\b", "a#b", "a?b", "a%b", "plain-1:x"]
    keys = [key_of(name) for name in ids]

    assert not set("/\\#?%") & set("".join(keys))
    assert len(set(keys)) == len(keys)
    assert keys[-1] == "plain-1:x"
