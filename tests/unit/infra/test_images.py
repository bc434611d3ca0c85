"""The container images: every library that their code imports is in their lock, every folder of it is copied."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from simulation.market.scenario import ROOT

IMAGES = {
    "training": ("training/Dockerfile", "requirements-training.txt", "xgboost"),
    "dashboard": ("dashboard/Dockerfile", "requirements-dashboard.txt", "streamlit"),
    "sandbox": ("sandbox/Dockerfile", "requirements-sandbox.txt", "uvicorn"),
    "functions": ("Dockerfile", "requirements.txt", "azure.functions"),
}
"""Where the image of a package is described, its lock, and a library that its code is known to import."""
OURS = ("functions", "shared", "simulation", "training", "sandbox", "tools", "dashboard", "benchmarks")
SEEN_BY_NAME_ONLY = {"azure"}
"""Namespace packages: which library is meant says the second part of the name."""


def file_of(module: str) -> Path | None:
    place = ROOT.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def sources(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.py") if "node_modules" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names, also inside its functions; not what only a type checker reads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for part in branch.body
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(start: str) -> tuple[set[str], set[str]]:
    """Our modules that a package's code leads to, and the foreign modules that these name."""
    todo = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(ROOT / start)]
    ours: set[str] = set()
    foreign: set[str] = set()
    while todo:
        module = todo.pop()
        path = file_of(module.removesuffix(".__init__"))
        if module in ours or path is None:
            continue
        ours.add(module)
        for name in imported(path):
            if name.split(".")[0] in OURS:
                todo.append(name)
            elif name.split(".")[0] not in sys.stdlib_module_names:
                foreign.add(name)
    return ours, foreign


def locked(lock: str) -> set[str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


HOLDERS = packages_distributions()
OF_OTHER_COMMANDS = {"sandbox": {"duckdb", "optuna", "xllamacpp"}, "training": {"safetensors"}}
"""Imported by what the image's command does not run: `sandbox query`, `sandbox narrate`, a training that tunes, and
`training text embedding`."""


def distributions(name: str) -> set[str]:
    """Libraries that may hold a module, by their names in a lock."""
    top = name.split(".", maxsplit=1)[0]
    found = {re.sub(r"[-_.]+", "-", each).lower() for each in HOLDERS.get(top, ())}
    if top in SEEN_BY_NAME_ONLY:
        parts = name.split(".")
        found = {each for each in found if each.startswith("-".join(parts[:2]))}
    return found


@pytest.mark.parametrize("image", IMAGES)
def test_every_library_that_an_images_code_imports_is_in_its_lock(image: str) -> None:
    _, lock, known = IMAGES[image]
    _, foreign = reached(image)
    have = locked(lock)
    missing = {name for name in foreign if distributions(name) and not distributions(name) & have}
    others = {name for name in OF_OTHER_COMMANDS.get(image, set()) if HOLDERS.get(name)}  # some are not installed here
    assert {name.partition(".")[0] for name in missing} == others
    assert known in foreign


@pytest.mark.parametrize("image", IMAGES)
def test_every_folder_that_an_images_code_needs_is_copied(image: str) -> None:
    dockerfile, lock, _ = IMAGES[image]
    ours, _ = reached(image)
    text = (ROOT / dockerfile).read_text(encoding="utf-8")
    assert {module.split(".")[0] for module in ours} == set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE))
    assert f"--require-hashes --requirement {lock}\n" in text
