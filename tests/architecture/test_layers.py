"""Imports point inward: the contracts of pyproject.toml hold, and are there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "pyproject.toml"


def test_every_import_contract_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    assert lint_imports(config_filename=str(CONFIG), no_cache=True, no_logo=True) == EXIT_STATUS_SUCCESS


def test_the_layers_are_those_of_the_house() -> None:
    contracts = read_configuration(str(CONFIG))["contracts_options"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    inner = ["shared.ports", "shared.decision", "shared.contracts", "shared.core"]
    assert layers[-4:] == inner
    forbidden = [set(c["forbidden_modules"]) for c in contracts if c["type"] == "forbidden"]
    assert any({"azure", "pydantic", "pandas"} <= names for names in forbidden)
    assert any({"simulation", "sandbox", "training"} <= names for names in forbidden)
    assert not any("ignore_imports" in contract for contract in contracts)


def test_only_clock_code_may_read_a_clock() -> None:
    lint = tomllib.loads(CONFIG.read_text())["tool"]["ruff"]["lint"]
    banned = lint["flake8-tidy-imports"]["banned-api"]
    assert {"datetime.datetime.now", "datetime.datetime.utcnow", "time.time"} <= banned.keys()
    exempt = {path for path, rules in lint["per-file-ignores"].items() if "TID251" in rules}
    assert exempt <= {"shared/adapters/clock.py", "sandbox/clock.py"}
