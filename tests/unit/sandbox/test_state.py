"""Folders of state: two processes at one, runs that are broken off, and readers in between. The processes are real."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.state import FinishedDay, copied, held, holder_of, renewed
from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT

HOLD = """
import sys
from pathlib import Path
from sandbox.state import held, renewed
folder = Path(sys.argv[1])
with held(folder, "sandbox day", waiting=lambda told: print(told, flush=True) if "wait" in sys.argv else None):
    with renewed(folder) as running:
        (running / "half").write_text("of a day")
        print("at work", flush=True)
        sys.stdin.readline()
print("done", flush=True)
"""


@contextlib.contextmanager
def worker(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder and is half through its work until it is sent a line."""
    command = [sys.executable, "-c", HOLD, str(folder), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert said(process) == "done"


def left_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a day that was finished."""
    day = tmp_path / "day"
    with held(day, "test"), renewed(day) as running:
        (running / "whole").write_text("of a day")
    return day


def test_who_comes_second_is_told_who_is_at_it(folder: Path) -> None:
    with worker(folder) as process:
        assert said(process) == "at work"
        words = rf"day is in use by process {process.pid} \(sandbox day\), since 20\d\d-\d\d-\d\dT.*Z: wait for its end"
        with pytest.raises(SettingsError, match=words), held(folder, "second"):
            pass
        assert holder_of(folder) is not None
        with held(folder.with_name("another"), "second"):  # another folder is another matter
            assert left_in(folder) == {"whole": "of a day"}


def test_a_lock_ends_with_its_process_however_that_ends(folder: Path) -> None:
    with worker(folder) as process:
        assert said(process) == "at work"
        process.kill()
        process.wait()
        assert holder_of(folder) is None
        with held(folder, "second"), pytest.raises(SettingsError, match=r"\(second\)"), held(folder, "third"):
            pass


def test_who_waits_is_told_for_whom_and_goes_on_when_that_one_is_done(folder: Path) -> None:
    with worker(folder) as first:
        assert said(first) == "at work"
        with worker(folder, "wait") as second:
            assert f"process {first.pid} (sandbox day)" in said(second)
            finish(first)
            assert said(second) == "at work"
            found = holder_of(folder)
            assert found is not None
            assert found.pid == second.pid


def test_a_run_that_is_broken_off_leaves_what_was_finished_and_the_next_one_clears_its_rest(folder: Path) -> None:
    with worker(folder) as process:
        assert said(process) == "at work"
        process.kill()
    rest = list(folder.parent.glob("day.*.running"))
    assert [left_in(path) for path in rest] == [{"half": "of a day"}]
    assert left_in(folder) == {"whole": "of a day"}
    with worker(folder) as process:
        assert said(process) == "at work"
        assert not rest[0].exists()
        assert left_in(folder) == {"whole": "of a day"}
        finish(process)
    assert left_in(folder) == {"half": "of a day"}
    assert not list(folder.parent.glob("day.*.running"))
    assert not folder.with_name("day.before").exists()


def test_an_error_leaves_what_was_finished(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), held(folder, "test"), renewed(folder) as running:
        (running / "no" / "such").write_text("folder")
    assert left_in(folder) == {"whole": "of a day"}


@pytest.mark.parametrize("is_read_first", [True, False])
def test_a_swap_that_was_broken_off_in_its_middle_is_undone(folder: Path, *, is_read_first: bool) -> None:
    folder.rename(folder.with_name("day.before"))
    if is_read_first:
        with copied(folder, print) as copy:
            assert left_in(copy) == {"whole": "of a day"}
    else:
        with pytest.raises(RuntimeError), renewed(folder):
            raise RuntimeError
    assert left_in(folder) == {"whole": "of a day"}


def test_what_a_swap_has_left_behind_does_not_come_back(folder: Path) -> None:
    before = folder.with_name("day.before")
    before.mkdir()
    (before / "older").write_text("day")
    with copied(folder, print) as copy:
        assert left_in(copy) == {"whole": "of a day"}
    assert not before.exists()


def test_a_reader_has_a_copy_of_the_last_finished_day_and_is_told_which(folder: Path) -> None:
    told: list[str] = []
    with worker(folder) as process:
        assert said(process) == "at work"
        with copied(folder, told.append) as one, copied(folder, told.append) as two:
            (one / "whole").write_text("scribbled over")
            assert left_in(two) == {"whole": "of a day"}
            finish(process)
            assert left_in(two) == {"whole": "of a day"}
    assert left_in(folder) == {"half": "of a day"}
    assert f"The next one is run by process {process.pid} (sandbox day)" in told[0]
    FinishedDay(on="2026-10-14", market="seed 7", at="2026-11-28T21:05:00Z").write(folder)
    with copied(folder, told.append):
        assert told[-1] == "The last finished day: 2026-10-14, seed 7, run until 2026-11-28T21:05:00Z."


def test_where_no_day_was_finished_a_reader_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"no day has been finished in .*day: run make day"),
        copied(tmp_path / "day", print),
    ):
        pass


def test_a_lock_file_that_says_nothing_still_locks(folder: Path) -> None:
    with folder.with_name("day.lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match="in use by another process"), held(folder, "second"):
            pass
