"""Prompts are files of the package, and their ids tell one text from another."""

from __future__ import annotations

from importlib import resources

import pytest

from shared.contracts import prompts
from shared.contracts.prompts import COMMITTEE, NARRATIVE, REPAIR, REVIEW, ROLE_PROMPTS, committee_prompts, prompt
from shared.core.committee.answers import ROLE_KEYS
from shared.core.committee.values import CommitteeRole, Stance
from shared.core.ids import digest
from shared.core.text.answers import ANSWER_SCHEMA
from simulation.market.scenario import ROOT
from tools.package import own_files

ALL = (NARRATIVE, REPAIR, REVIEW, COMMITTEE, *ROLE_PROMPTS.values())


@pytest.mark.parametrize("name", ALL)
def test_a_prompts_id_names_its_file_and_its_hash(name: str) -> None:
    found = prompt(name)
    assert found.id == f"{name}@{digest(found.text.encode())[:12]}"
    assert found.text.strip()


def test_every_prompt_is_deployed() -> None:
    files = {path.as_posix() for path, _ in own_files(ROOT)}
    names = {each.name for each in resources.files(prompts).iterdir() if each.name.endswith(".md")}
    assert names == {f"{name}.md" for name in ALL}
    assert {f"shared/contracts/prompts/{name}" for name in names} <= files


def test_the_instructions_name_every_key_of_the_answer() -> None:
    assert all(f'"{key}"' in prompt(NARRATIVE).text for key in ANSWER_SCHEMA["required"])


def test_every_role_has_words_of_its_own_and_the_form_that_all_share() -> None:
    found = committee_prompts()
    assert set(found) == set(CommitteeRole)
    assert len({each.text for each in found.values()}) == len({each.id for each in found.values()}) == len(found)
    for role, each in found.items():
        assert each.id == f"{prompt(f'{role}.v1').id}+{prompt(COMMITTEE).id}"
        assert all(f'"{word}"' in each.text for word in (*ROLE_KEYS, *Stance))


def test_a_prompt_that_is_none_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        prompt("narrative.v0")
