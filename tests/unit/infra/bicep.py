"""The templates as parsed: what tests of infra/ ask of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

from simulation.market.scenario import ROOT

INFRA = ROOT / "infra"
FILES = tuple(sorted(path.name for path in INFRA.glob("*.bicep")))


@cache
def parsed(name: str) -> dict[str, Any]:
    """One template."""
    document: dict[str, Any] = dict(BicepParser().parse(text=text_of(name)))
    return document


def text_of(name: str) -> str:
    """A file of infra/."""
    return (INFRA / name).read_text(encoding="utf-8")


def variable(name: str, key: str) -> Any:
    """Value of a variable of a template."""
    return parsed(name)["variables"][key]["value"]


def resource(name: str, key: str) -> dict[str, Any]:
    """Body of a resource of a template."""
    config: dict[str, Any] = parsed(name)["resources"][key]["config"]
    return config["config"] if "condition" in config and "loop_type" not in config else config


def settings() -> dict[str, str]:
    """App settings that are deployed, as the templates spell their values."""
    own: dict[str, str] = json.loads(text_of("settings.json"))
    wiring: dict[str, str] = variable("app.bicep", "wiring")
    language: dict[str, str] = variable("app.bicep", "language")["operator"]["operands"]["false_value"]
    assert not own.keys() & wiring.keys(), "set twice"
    return {**own, **wiring, **language}


def modules() -> Iterator[tuple[str, str, set[str]]]:
    """Name, file and parameter names of every module that main.bicep uses."""
    for name, module in parsed("main.bicep")["modules"].items():
        config = module["config"]
        config = config.get("config", config)
        yield name, module["detail"]["path"], set(config["params"])


def outputs_used(module: str) -> set[str]:
    """Outputs of a module that main.bicep takes."""
    return set(re.findall(rf"\b{module}\.outputs\.(\w+)", text_of("main.bicep")))


def prefixes_of_rules() -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Prefixes and actions of the lifecycle rules of storage.bicep, by name."""
    rules = resource("storage.bicep", "lifecycle")["properties"]["policy"]["rules"]
    return {
        rule["name"]: (rule["definition"]["filters"].get("prefixMatch", []), rule["definition"]["actions"])
        for rule in rules
    }


def path_of(name: str) -> Path:
    """Where a file of infra/ is."""
    return INFRA / name
