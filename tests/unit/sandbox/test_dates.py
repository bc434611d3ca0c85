"""A date that cannot be used is refused by every command in one sentence, before anything starts or is wiped."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.__main__ import _parser, main
from training.__main__ import main as training
from training.commands import all_commands
from training.commands.options import date_option

MALFORMED = [
    "tomorrow",
    "2026-13-01",
    "2026-02-30",
    "20261014",
    "2026-W42-3",
    "14.10.2026",
    "2026-10-14T00:00",
    "²026-10-14",
]
OUTSIDE = ["2006-12-29", "2031-01-02", "0001-01-01", "9999-12-31"]
CLOSED = ["2026-12-25", "2026-10-17", "2028-07-04", "2025-01-09"]
TOO_NEAR = ["2007-01-03", "2030-12-31"]
COVERED = "from 2007-01-01 to 2030-12-31"

DATED = ("--on", "--from", "--to", "--since", "--until")
TRADING = ["day", "serve", "prepare", "venue", "standalone", "parity", "narrate"]
REQUIRED = {
    "fetch": ["--symbols", "SPY", "--from", "2026-10-12"],
    "fit": ["--data", "bars.parquet", "--out", "out"],
    "universe": ["--on", "2026-10-14"],
    "run": ["--bars", "bars.parquet"],
    "leakcheck": ["--bars", "bars.parquet"],
    "walkforward": ["--bars", "bars.parquet", "--grid", "A=1"],
}


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setattr(subprocess, "Popen", started)


def refusal(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line with which the sandbox refuses."""
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize("command", [*TRADING, "replay"])
@pytest.mark.parametrize(
    ("on", "words"),
    [
        *((on, COVERED) for on in MALFORMED + OUTSIDE),
        *((on, "nearest are") for on in CLOSED),
        *((on, "from 2007-03-30 to 2030-12-30") for on in TOO_NEAR),
    ],
)
def test_a_sandbox_command_takes_only_a_session_that_can_be_traded(
    command: str, on: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal([command, "--on", on], capfd)
    assert words in told
    assert on in told


@pytest.mark.parametrize("command", ["day", "serve"])
def test_what_the_last_run_has_left_stands_where_a_date_is_refused(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("of the last day")
    refusal([command, "--on", "2031-01-02", "--folder", str(tmp_path)], capfd)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("on", MALFORMED + OUTSIDE)
def test_an_end_of_a_stretch_must_be_covered(option: str, on: str, capfd: pytest.CaptureFixture[str]) -> None:
    told = refusal(["query", "SELECT 1", option, on], capfd)
    assert told.startswith(f"SettingsError: {option}: ")
    assert COVERED in told


def test_a_stretch_that_ends_before_it_begins_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert "--since" in refusal(["query", "SELECT 1", "--since", "2026-10-15", "--until", "2026-10-14"], capfd)
    assert training(["backtest", "run", "--bars", "b", "--from", "2026-10-15", "--to", "2026-10-14"]) == 1
    assert "--from must not be after --to" in capfd.readouterr().err


def dated(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], argparse.Action]]:
    """Every option that takes a date, with the commands that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, part in action.choices.items():
                yield from dated(part, *path, name)
        elif set(action.option_strings) & set(DATED):
            yield path, action


def training_options() -> list[tuple[tuple[str, ...], argparse.Action]]:
    parser = argparse.ArgumentParser()
    parsers = parser.add_subparsers()
    for command in all_commands().values():
        command.add_options(parsers.add_parser(command.name))
    return list(dated(parser))


@pytest.mark.parametrize(
    ("path", "action"),
    training_options(),
    ids=lambda value: "-".join(value if isinstance(value, tuple) else value.option_strings),
)
def test_every_date_of_a_training_command_is_read_by_one_reader(
    path: tuple[str, ...], action: argparse.Action, capfd: pytest.CaptureFixture[str]
) -> None:
    assert action.type is date_option
    for on in (*MALFORMED, *OUTSIDE):
        with pytest.raises(SystemExit) as left:
            training([*path, *REQUIRED.get(path[-1], []), action.option_strings[0], on])
        assert left.value.code == 2
        assert COVERED in capfd.readouterr().err


def test_every_date_of_a_sandbox_command_is_among_those_tried_here() -> None:
    found = {(path[0], action.option_strings[0]) for path, action in dated(_parser())}
    tried = {(command, "--on") for command in [*TRADING, "replay"]}
    assert found == tried | {("query", "--since"), ("query", "--until")}
