"""What the worker tells about the functions of an app."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.host.errors import AppError
from sandbox.host.observer import TriggerKind

_IN = {"queueTrigger", "timerTrigger", "httpTrigger", "orchestrationTrigger", "activityTrigger"}
_KNOWN = _IN | {"queue", "blob", "table", "http", "durableClient"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One binding: argument name (`$return` for the return value), type, direction and its options as written."""

    name: str
    type: str
    is_output: bool
    options: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Option that must be there as text.

        Raises
        ------
        AppError
            If it is missing or empty.
        """
        value = self.options.get(key)
        if not isinstance(value, str) or not value:
            raise AppError(f"binding {self.name!r} of type {self.type} needs {key}, got {value!r}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefinition:
    """One function with its trigger and other bindings, in the app's order."""

    name: str
    function_id: str
    trigger: Binding
    bindings: tuple[Binding, ...]

    @property
    def kind(self) -> TriggerKind:
        """What starts it."""
        return TriggerKind(self.trigger.type)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """Input bindings besides the trigger."""
        return tuple(b for b in self.bindings if not b.is_output and b is not self.trigger)

    @property
    def outputs(self) -> tuple[Binding, ...]:
        """Output bindings, the return value's included."""
        return tuple(b for b in self.bindings if b.is_output)

    @property
    def durable_name(self) -> str:
        """Name by which orchestrations call it: the trigger's own, else the function's."""
        for key in ("orchestration", "activity"):
            value = self.trigger.options.get(key)
            if isinstance(value, str) and value:
                return value
        return self.name


def parse_binding(raw: str, expand: Callable[[str], str]) -> Binding:
    """Read one raw binding (JSON) and expand `%SETTING%` in its texts.

    Raises
    ------
    AppError
        If its type is one that this host does not serve.
    """
    options = {key: expand(value) if isinstance(value, str) else value for key, value in json.loads(raw).items()}
    kind = str(options.get("type"))
    if kind not in _KNOWN:
        raise AppError(f"binding {options.get('name')!r} has type {kind!r}; this host serves {sorted(_KNOWN)}")
    is_output = str(options.get("direction", "")).upper() in {"OUT", "1"}
    return Binding(name=str(options["name"]), type=kind, is_output=is_output, options=options)


def parse_function(
    name: str, function_id: str, raw_bindings: list[str], expand: Callable[[str], str]
) -> FunctionDefinition:
    """Read one function from its raw bindings.

    Raises
    ------
    AppError
        If it has no trigger, or a binding is unknown.
    """
    bindings = tuple(parse_binding(raw, expand) for raw in raw_bindings)
    triggers = [binding for binding in bindings if binding.type in _IN]
    if len(triggers) != 1:
        raise AppError(f"function {name!r} needs exactly one trigger, got {[b.type for b in bindings]}")
    return FunctionDefinition(name=name, function_id=function_id, trigger=triggers[0], bindings=bindings)
