"""Imports point inward: the contracts of pyproject.toml hold, and are there."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from importlinter.api import read_configuration

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "pyproject.toml"
HOUSE = ("functions", "shared", "simulation", "training", "sandbox", "tools", "dashboard")


def test_every_import_contract_holds() -> None:
    """In a process of its own: the linter's set-up silences every logger that is there already."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(CONFIG)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_layers_are_those_of_the_house() -> None:
    contracts = read_configuration(str(CONFIG))["contracts_options"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    inner = ["shared.ports", "shared.decision", "shared.strategies", "shared.contracts", "shared.core"]
    assert layers[-5:] == inner
    forbidden = [set(c["forbidden_modules"]) for c in contracts if c["type"] == "forbidden"]
    assert any({"azure", "pydantic", "pandas"} <= names for names in forbidden)
    assert any({"simulation", "sandbox", "training"} <= names for names in forbidden)
    assert not any("ignore_imports" in contract for contract in contracts)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports for types alone count too."""
    graph = grimp.build_graph(*HOUSE, cache_dir=None)
    TopologicalSorter({each: graph.find_modules_directly_imported_by(each) for each in graph.modules}).prepare()


def test_only_clock_code_may_read_a_clock() -> None:
    lint = tomllib.loads(CONFIG.read_text())["tool"]["ruff"]["lint"]
    banned = lint["flake8-tidy-imports"]["banned-api"]
    assert {"datetime.datetime.now", "datetime.datetime.utcnow", "time.time"} <= banned.keys()
    exempt = {path for path, rules in lint["per-file-ignores"].items() if "TID251" in rules}
    assert exempt <= {"shared/adapters/clock.py", "sandbox/clock.py"}


def test_a_class_name_means_one_class() -> None:
    found = Counter(
        node.name
        for top in HOUSE
        for path in sorted((ROOT / top).rglob("*.py"))
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert len(found) > 500
    assert [name for name, times in found.items() if times > 1] == []
