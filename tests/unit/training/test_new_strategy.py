"""What `new` writes runs as it is and passes the house's checks; what it cannot name it does not write."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from shared.core.errors import SettingsError
from shared.strategies import Rule
from shared.strategies.catalogue import GROUP, collect, load
from training.__main__ import main
from training.engines import trades_of
from training.new_strategy import files_of, require_free, write_new
from training.strategy_check import check_strategy, made_bars

ROOT = Path(__file__).resolve().parents[3]
LONGEST = "a-rather-long-name-that-just-still-fits"


def tool(*arguments: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of the project a new strategy and its test rest on."""
    for name in ("shared", "training", "simulation"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_written_files_pass_lint_types_and_their_own_test(checkout: Path) -> None:
    names = [require_free("my-idea"), require_free(f"{LONGEST[:37]}")]
    for name in names:
        written = write_new(checkout, files_of(name, is_package=False))
        assert [path.relative_to(checkout).parts[0] for path in written] == ["shared", "tests"]
    new = [str(path) for name in names for path in (checkout / each for each in files_of(name, is_package=False))]
    tool("ruff", "check", "--no-cache", *new, cwd=checkout)
    tool("ruff", "format", "--no-cache", "--check", *new, cwd=checkout)
    # The project's own files are known to be sound: only the new ones are told of.
    tool("mypy", "--follow-imports=silent", "--cache-dir", str(checkout / ".mypy"), *new, cwd=checkout)
    tool("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests", cwd=checkout)
    tool("training", "check", "--strategy", "my-idea.v1", cwd=checkout)


def test_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "package"
    assert main(["new", "outside-idea", "--package", str(folder)]) == 0
    points = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    ((name, value),) = points.items()
    monkeypatch.syspath_prepend(str(folder))
    found = EntryPoint(name, value, GROUP).load()
    strategy = load("outside-idea.v1", {"span": "10"}, collect([(f"entry point {name}", found)]))
    assert isinstance(strategy, Rule)
    assert check_strategy(strategy, made_bars()).is_clean
    assert len(trades_of(strategy, made_bars(20)))
    assert {path.name for path in folder.iterdir()} >= {"pyproject.toml", "outside_idea.py", "test_outside_idea.py"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "../evil",
        "a/b",
        "a\\b",
        "My-Idea",
        "my_idea",
        "1st",
        "-a",
        "a--b",
        "class",
        "a b",
        "a.py",
        "x" * 38,
        "a\n",
    ],
)
def test_what_can_be_no_name_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="can be no strategy's name"):
        require_free(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dip-buyer", "a strategy is named dip-buyer.v1 already"),
        ("bars", "its class would be Bars, which is in shared"),
        ("rule", "its class would be Rule"),
        ("backtest-app", "its class would be BacktestApp, which is in training"),
    ],
)
def test_what_is_taken_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        require_free(text)


def test_version_may_be_given() -> None:
    assert (require_free("my-idea"), require_free("my-idea.v2")) == ("my-idea.v1", "my-idea.v2")


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my_idea.py").write_text("mine")
    assert main(["new", "my-idea", "--package", str(tmp_path)]) == 1
    assert "there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_idea.py"]
    assert (tmp_path / "my_idea.py").read_text() == "mine"


def test_nothing_is_written_where_no_checkout_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my-idea"]) == 1
    assert list(tmp_path.iterdir()) == []
