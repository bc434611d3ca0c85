"""The comparison of two revisions' figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.compare import lowest, main, table


def test_lowest_of_all_rounds_counts(tmp_path: Path) -> None:
    for number, value in (("1", 3.0), ("2", 2.0)):
        (tmp_path / f"head-imports-{number}.json").write_text(json.dumps({"cold_s": value}))
    assert lowest(tmp_path, "head") == {"imports: cold_s": 2.0}


def test_what_has_grown_is_marked_and_what_is_new_is_shown() -> None:
    lines = table({"a": 1.0, "b": 1.0, "gone": 1.0}, {"a": 1.05, "b": 1.2, "new": 2.0}).splitlines()[2:]
    assert lines == [
        "| a | 1 | 1.05 | 1.05 |  |",
        "| b | 1 | 1.2 | 1.20 | **more** |",
        "| gone | 1 |  | | |",
        "| new |  | 2 | | |",
    ]


def test_what_is_no_figure_is_named(tmp_path: Path) -> None:
    (tmp_path / "head-day-1.json").write_text(json.dumps({"digest": "abc"}))
    with pytest.raises(ValueError, match="digest = 'abc'"):
        lowest(tmp_path, "head")


def test_folder_without_figures_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "no head-" in capsys.readouterr().err
