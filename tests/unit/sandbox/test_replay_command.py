"""The replay command: what it takes as a case, what it prints, how it ends."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sandbox.replay
from sandbox.replay import last_day, replay, replayed
from shared.contracts.cases import Case, case_blob
from shared.core.errors import ContractError, SettingsError
from shared.core.ids import decision_id
from shared.core.settings import FIRST_STRATEGY
from shared.stages.evidence.nightly import load_case, put_case, write_cases
from tests.support.books import NightFakes, decided, night_ports, slice_of, traded
from tests.support.market_day import ON
from tests.support.tape import ny

AAA = decision_id(ON, "1200", "AAA", FIRST_STRATEGY)
CCC = decision_id(ON, "1205", "CCC", FIRST_STRATEGY)


@pytest.fixture
def ports() -> NightFakes:
    """A day with three decisions and their cases."""
    made = night_ports()
    traded(made)
    decided(made, "BBB", "CCC", slot="1205")
    made.clock.at = ny(ON, "17:00")
    write_cases(made, ON)
    return made


def ids(ports: NightFakes, case: str = "", **options: Any) -> list[str]:
    found = list(replayed(ports, case, **options))
    assert all(item.replay.equal for item in found)
    return [item.case.decision_id for item in found]


def case(ports: NightFakes, decision: str = AAA) -> Case:
    found = load_case(ports, case_blob(ON, decision))
    assert found is not None
    return found


def test_without_a_case_the_last_day_is_replayed(ports: NightFakes) -> None:
    assert last_day(ports) == ON
    assert len(ids(ports)) == 3


@pytest.mark.parametrize("named", [AAA, f"{ON}/{AAA}.json", f"cases/{ON}/{AAA}.json"])
def test_a_case_is_named_by_id_or_blob(ports: NightFakes, named: str) -> None:
    assert ids(ports, case=named) == [AAA]


def test_a_case_may_be_a_file(ports: NightFakes, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(ports.codec.encode(case(ports)))
    assert ids(ports, case=str(path)) == [AAA]


def test_a_decision_without_a_file_is_put_together_from_the_tables(ports: NightFakes) -> None:
    ports.blobs = Without(ports.blobs, case_blob(ON, CCC))  # type: ignore[assignment]
    assert ids(ports, case=CCC, on=ON) == [CCC]


class Without:
    """A blob store in which one blob is gone."""

    def __init__(self, inner: object, gone: str) -> None:
        self._inner, self._gone = inner, gone

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def get(self, container: str, name: str) -> object:
        return None if name == self._gone else self._inner.get(container, name)  # type: ignore[attr-defined]


def test_a_count_beyond_the_cases_takes_what_policy_did_not_want() -> None:
    ports = night_ports(GATEHOUSE_EDGE_MIN="0.99")
    assert decided(ports, "AAA", "BBB", "CCC") == []
    slice_of(ports, "AAA")
    assert len(ids(ports, count=2)) == 2
    assert len(ids(ports, count=9)) == 3
    assert ids(ports) == []


def test_a_count_below_the_cases_takes_a_sample(ports: NightFakes) -> None:
    assert len(ids(ports, count=2)) == 2


def test_what_is_no_case_is_told(ports: NightFakes) -> None:
    with pytest.raises(SettingsError, match="CASE must be"):
        ids(ports, case="yesterday's")
    with pytest.raises(ContractError, match="not on record"):
        ids(ports, case="0" * 20)
    with pytest.raises(SettingsError, match="no decisions"):
        last_day(night_ports())


def run(ports: NightFakes, monkeypatch: pytest.MonkeyPatch, file: Path, **options: Any) -> tuple[int, str]:
    @contextlib.contextmanager
    def given(*_: object) -> Iterator[NightFakes]:
        yield ports

    monkeypatch.setattr(sandbox.replay, "opened", given)
    sink = io.StringIO()
    code = replay(Console(file=sink, width=160), json_file=file, **options)
    return code, sink.getvalue()


def test_the_counts_are_printed(ports: NightFakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, text = run(ports, monkeypatch, tmp_path / "out.json")
    assert code == 0
    assert "3 decisions replayed (1 closed, 2 running): 3 equal, 0 differ." in text
    assert [item["equal"] for item in json.loads((tmp_path / "out.json").read_text())] == [True] * 3


def test_one_case_shows_every_part(ports: NightFakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, text = run(ports, monkeypatch, tmp_path / "out.json", case=AAA)
    assert code == 0
    assert f"{ON} 1200 AAA: closed, decided by revision-of-the-test" in text
    assert "features equal" in text
    assert "intent equal" in text


def test_floats_of_another_processor_do_not_fail_the_command(
    ports: NightFakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nearly = case(ports)
    put_case(ports, replace(nearly, scores=replace(nearly.scores, p_up=(nearly.scores.p_up or 0) + 1e-7)))
    code, text = run(ports, monkeypatch, tmp_path / "out.json")
    assert code == 0
    assert "2 equal, 1 equal in decisions, scores within 1e-6, 0 differ." in text
    (found,) = [item for item in json.loads((tmp_path / "out.json").read_text()) if not item["equal"]]
    assert (found["agrees"], list(found["close"]), found["differs"]) == (True, ["scores"], {})
    assert "scores within tolerance" in run(ports, monkeypatch, tmp_path / "out.json", case=AAA)[1]


def test_what_differs_is_shown_with_both_values_and_the_command_fails(
    ports: NightFakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = case(ports)
    put_case(ports, replace(wrong, scores=replace(wrong.scores, policy="TOO_LATE")))
    code, text = run(ports, monkeypatch, tmp_path / "out.json", on=date.fromisoformat(str(ON)))
    assert code == 1
    assert "3 decisions replayed (1 closed, 2 running): 2 equal, 1 differ." in text
    assert "TOO_LATE" in text
    assert "ENTER" in text
    (found,) = [item for item in json.loads((tmp_path / "out.json").read_text()) if not item["equal"]]
    assert found["differs"] == {"policy": ["TOO_LATE", "ENTER"]}
