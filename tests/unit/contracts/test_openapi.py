"""The table of routes: what it lets through, and what it tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.openapi import ROUTES, Field, FieldKind, Problem, Route, check, document, one_line
from shared.contracts.openapi.document import body_schema
from tests.support.bad_input import NOT_SHOWN

GOOD: dict[str, dict[str, Any]] = {
    "kill": {"by": "me", "reason": "odd", "flatten": True},
    "approve": {"by": "me", "reason": "odd", "intent_id": "feedface", "approve": False},
    "poison-redrive": {"by": "me", "reason": "odd", "on": "2026-10-14", "incident": "poison|order-intents|0123abc"},
    "accept-parameters": {"by": "me", "reason": "odd", "name": "walk-7.1"},
    "roll-back": {"by": "me", "reason": "odd", "version": "2026-10-13-0a1b"},
}
WHO = {"by": "me", "reason": "odd"}
BODIES = [route for route in ROUTES.values() if route.fields]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_body_passes_with_its_defaults(name: str) -> None:
    found = check(ROUTES[name], {"name": "signal"}, GOOD[name])
    assert not isinstance(found, Problem)
    assert found.items() >= GOOD[name].items()
    if name == "kill":
        assert found["cancel_all"] is False


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_each_missing_field_is_named(route: Route) -> None:
    for field in route.fields:
        body = {other.name: value_of(other) for other in route.fields if other is not field}
        found = check(route, parts_of(route), body)
        if field.is_required:
            assert isinstance(found, Problem)
            assert (found.status, found.field) == (400, field.name)
        else:
            assert not isinstance(found, Problem)


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_a_field_that_does_not_exist_is_refused_by_name(route: Route) -> None:
    body = {field.name: value_of(field) for field in route.fields} | {"flaten": True}
    found = check(route, parts_of(route), body)
    assert isinstance(found, Problem)
    assert (found.status, found.field) == (400, "flaten")


@pytest.mark.parametrize(
    "name", ["../champion", "..", "a/b", "a\\b", "%2e%2e", "signal/../x", "", "x" * 65, "a\x00", "a b", "ä", ".a", "a."]
)
@pytest.mark.parametrize(
    ("route", "field"), [("accept-parameters", "name"), ("roll-back", "version"), ("approve", "intent_id")]
)
def test_names_that_could_lead_elsewhere_are_refused(route: str, field: str, name: str) -> None:
    if (route, name) == ("roll-back", "a.") or (route, name) == ("roll-back", "x" * 65):
        return  # a version may be so
    found = check(ROUTES[route], {"name": "signal"}, {**GOOD[route], field: name})
    assert isinstance(found, Problem)
    assert found.field == field


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "SIGNAL", "", "signal%2f", "signal\n"])
def test_parts_of_a_path_that_name_nothing_are_404(name: str) -> None:
    found = check(ROUTES["roll-back"], {"name": name}, GOOD["roll-back"])
    assert isinstance(found, Problem)
    assert found.status == 404
    found = check(ROUTES["run-job"], {"job": name}, WHO)
    assert isinstance(found, Problem)
    assert found.status == 404


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_no_body_breaks_the_check(body: object) -> None:
    for route in BODIES:
        found = check(route, parts_of(route), body)
        assert isinstance(found, Problem)
        assert found.text.isascii()
        json.dumps(found.text)


@given(st.text(max_size=600))
def test_what_passes_is_what_the_schema_allows(text: str) -> None:
    schema = body_schema(ROUTES["kill"].fields)["properties"]["by"]
    found = check(ROUTES["kill"], {}, {"by": text, "reason": "x"})
    assert (not isinstance(found, Problem)) == (1 <= len(text) <= schema["maxLength"])


@pytest.mark.parametrize("bad", NOT_SHOWN)
@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_no_text_of_any_route_holds_a_second_line_or_what_is_not_shown(route: Route, bad: str) -> None:
    for field in (field for field in route.fields if field.kind is FieldKind.TEXT):
        body = {other.name: value_of(other) for other in route.fields}
        found = check(route, parts_of(route), body | {field.name: f"{body[field.name]}{bad}"})
        if field.is_free:
            assert not isinstance(found, Problem)
            assert str(found[field.name]).isprintable()
        else:
            assert isinstance(found, Problem)
            assert (found.status, found.field) == (400, field.name)
            assert found.text.isprintable()
    found = check(route, parts_of(route), {f"by{bad}": "me"})
    assert isinstance(found, Problem)
    assert found.field.isprintable()


@given(st.text(st.characters()))
def test_what_is_kept_of_a_text_is_one_line_and_nothing_that_passes_is_changed(text: str) -> None:
    kept = one_line(text)
    assert len(kept) == len(text)
    assert len(kept.splitlines()) <= 1
    assert kept.encode().decode() == kept
    found = check(ROUTES["kill"], {}, {"by": text, "reason": "x"})
    if not isinstance(found, Problem):
        assert found["by"] == kept


@pytest.mark.parametrize("text", ["Zoë", "日本語", "שלום", "\u200eright", "👩\u200d💻", "a\u00a0b"])
def test_names_and_reasons_of_all_languages_pass(text: str) -> None:
    assert not isinstance(check(ROUTES["kill"], {}, {"by": text, "reason": text}), Problem)


def test_nothing_that_changes_anything_answers_get() -> None:
    for route in ROUTES.values():
        assert (route.method == "POST") == bool(route.fields or route.name == "answer"), route.name
        assert route.method in {"GET", "POST"}


def test_every_act_asks_who_and_why() -> None:
    for route in BODIES:
        assert {"by", "reason"} <= {field.name for field in route.fields}, route.name


def test_no_route_takes_an_address_from_its_caller() -> None:
    for route in ROUTES.values():
        for field in (*route.fields, *route.parts):
            assert "url" not in field.name
            assert "host" not in field.name


def test_the_description_names_every_route_and_every_status() -> None:
    told = document(version="test")
    found = {(path, method) for path, methods in told["paths"].items() for method in methods}
    assert found == {(f"/api/{route.path}", route.method.lower()) for route in ROUTES.values()}
    for route in ROUTES.values():
        responses = told["paths"][f"/api/{route.path}"][route.method.lower()]["responses"]
        assert {str(status) for status in route.answers} <= responses.keys()
        assert ("401" in responses) is not route.is_keyless
    assert json.loads(json.dumps(told)) == told


def value_of(field: Field) -> object:
    """Some good value."""
    if field.kind.value == "boolean":
        return True
    return field.choices[0] if field.choices else field.example.replace("...", "")


def parts_of(route: Route) -> dict[str, str]:
    """Good parts of a path."""
    return {part.name: str(value_of(part)) for part in route.parts}
