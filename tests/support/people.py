"""Calls as a person makes them, checked and ready for a stage."""

from __future__ import annotations

from shared.stages.base.requests import Call


def call(route: str, **values: str | bool) -> Call:
    """A call by `me` because `odd prices`, with what the route takes."""
    by, reason = str(values.pop("by", "me")), str(values.pop("reason", "odd prices"))
    return Call(route=route, by=by, reason=reason, caller="", values=values)


def kill_call(*, flatten: bool = False, cancel_all: bool = False, reason: str = "odd prices") -> Call:
    """A call that turns the kill switch on."""
    return call("kill", reason=reason, flatten=flatten, cancel_all=cancel_all)
