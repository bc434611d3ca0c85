"""Prompts are files of the package, and their ids tell one text from another."""

from __future__ import annotations

from importlib import resources

import pytest

from shared.contracts import prompts
from shared.contracts.prompts import NARRATIVE, REPAIR, prompt
from shared.core.ids import digest
from shared.core.text.answers import ANSWER_SCHEMA
from simulation.market.scenario import ROOT
from tools.package import own_files


@pytest.mark.parametrize("name", [NARRATIVE, REPAIR])
def test_a_prompts_id_names_its_file_and_its_hash(name: str) -> None:
    found = prompt(name)
    assert found.id == f"{name}@{digest(found.text.encode())[:12]}"
    assert found.text.strip()


def test_every_prompt_is_deployed() -> None:
    files = {path.as_posix() for path, _ in own_files(ROOT)}
    names = {each.name for each in resources.files(prompts).iterdir() if each.name.endswith(".md")}
    assert names == {f"{NARRATIVE}.md", f"{REPAIR}.md"}
    assert {f"shared/contracts/prompts/{name}" for name in names} <= files


def test_the_instructions_name_every_key_of_the_answer() -> None:
    assert all(f'"{key}"' in prompt(NARRATIVE).text for key in ANSWER_SCHEMA["required"])


def test_a_prompt_that_is_none_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        prompt("narrative.v0")
