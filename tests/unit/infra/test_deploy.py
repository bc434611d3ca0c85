"""infra/deploy.sh against an `az` and a `curl` that write down what they are asked."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.infra.bicep import INFRA

AZ = """#!/bin/sh
echo "az $*" >> "$LOG"
case "$*" in
  "storage blob list"*) printf '%s' "$NEWEST" ;;
  *"container-name parameters"*)
    verb=$3 name="" file=""
    while [ $# -gt 0 ]; do
      case "$1" in --name) name=$2 ;; --file) file=$2 ;; esac
      shift
    done
    case "$verb" in
      download) cp "$STORED/$name" "$file" ;;
      upload) test ! -e "$STORED/$name" && cp "$file" "$STORED/$name" ;;
    esac ;;
  "storage blob download"*)
    while [ "$1" != --file ]; do shift; done
    printf previous > "$2" ;;
  *"config-zip"*)
    while [ "$1" != --src ]; do shift; done
    cat "$2" > "$LIVE" ;;
  "functionapp keys list"*) echo the-key ;;
  "functionapp show"*) echo app.example ;;
  *"appsettings list"*) echo old-revision ;;
esac
"""
CURL = """#!/bin/sh
echo "curl $* <<< $(cat)" >> "$LOG"
grep -q "$GOOD" "$LIVE"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How the script ended, what runs in Azure afterwards, and what was asked for on the way."""

    code: int
    live: str
    asked: list[str]
    said: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("az", AZ), ("curl", CURL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "app.zip").write_text("new")
    (tmp_path / "live").write_text("previous")
    for name in ("sets", "stored"):
        (tmp_path / name).mkdir()
    return tmp_path


def deploy(folder: Path, *, good: str, newest: str = "released-package.zip", package: str = "app.zip") -> Ran:
    """Deploy a package; `good` is the content that answers once it runs."""
    files = {name: str(folder / name.lower()) for name in ("LOG", "LIVE", "STORED")}
    files["GATEHOUSE_PARAMETER_FILES"] = str(folder / "sets")
    stubs = {"PATH": f"{folder}:{os.environ['PATH']}", "GOOD": good, "NEWEST": newest, **files}
    azure = {"AZURE_RESOURCE_GROUP": "group", "AZURE_FUNCTION_NAME": "app", "AZURE_STORAGE_ACCOUNT": "account"}
    smoke = {"GATEHOUSE_SMOKE_TRIES": "2", "GATEHOUSE_SMOKE_PAUSE_S": "0", "GATEHOUSE_CODE_REVISION": "new-revision"}
    environment = stubs | azure | smoke
    command = [str(INFRA / "deploy.sh"), str(folder / package)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    log = folder / "log"
    asked = log.read_text().splitlines() if log.exists() else []
    return Ran(code=done.returncode, live=(folder / "live").read_text(), asked=asked, said=done.stdout + done.stderr)


def test_package_that_answers_stays(folder: Path) -> None:
    ran = deploy(folder, good="new")
    assert (ran.code, ran.live) == (0, "new")
    assert next(line for line in ran.asked if "config-zip" in line).endswith("--build-remote false --output none")
    assert any("--settings GATEHOUSE_CODE_REVISION=new-revision" in line for line in ran.asked)


def test_an_app_that_rests_is_started_before_it_is_asked(folder: Path) -> None:
    asked = deploy(folder, good="new").asked
    (started,) = [at for at, line in enumerate(asked) if line.startswith("az functionapp start ")]
    assert started < next(at for at, line in enumerate(asked) if line.startswith("curl "))


def test_package_that_does_not_answer_gives_way_to_the_one_before_it(folder: Path) -> None:
    ran = deploy(folder, good="previous")
    assert (ran.code, ran.live) == (1, "previous")
    deployed = [line for line in ran.asked if "config-zip" in line]
    assert [line.split("--build-remote ")[1].split()[0] for line in deployed] == ["false", "false"]
    assert (
        "--settings GATEHOUSE_CODE_REVISION=old-revision"
        in [line for line in ran.asked if "appsettings set" in line][-1]
    )
    assert "went back" in ran.said


def test_first_package_that_does_not_answer_fails_and_says_so(folder: Path) -> None:
    ran = deploy(folder, good="nothing", newest="")
    assert ran.code == 1
    assert "there is no package before it" in ran.said


def test_package_before_it_that_answers_no_more_is_not_called_good(folder: Path) -> None:
    ran = deploy(folder, good="nothing")
    assert ran.code == 1
    assert "went back" not in ran.said


def test_missing_package_touches_nothing(folder: Path) -> None:
    ran = deploy(folder, good="new", package="absent.zip")
    assert (ran.code, ran.asked) == (1, [])


def test_function_key_is_no_argument_and_is_not_shown(folder: Path) -> None:
    ran = deploy(folder, good="new")
    assert "the-key" not in ran.said
    calls = [line for line in ran.asked if line.startswith("curl ")]
    assert calls
    for line in calls:
        arguments, _, given = line.partition("<<<")
        assert "the-key" not in arguments
        assert given.strip() == 'header = "x-functions-key: the-key"'


def test_a_merged_parameter_set_is_put_among_the_proposals_and_not_accepted(folder: Path) -> None:
    (folder / "sets" / "new.json").write_text("new set")
    (folder / "sets" / "known.json").write_text("known set")
    (folder / "stored" / "known.json").write_text("known set")
    ran = deploy(folder, good="new")
    assert ran.code == 0
    assert {path.name: path.read_text() for path in (folder / "stored").iterdir()} == {
        "new.json": "new set",
        "known.json": "known set",
    }
    (uploaded,) = [line for line in ran.asked if " upload " in line]
    assert "--overwrite false" in uploaded
    assert "parameter set new.json is proposed: a person may accept it" in ran.said
    assert not [line for line in ran.asked if "accept" in line]


def test_a_parameter_set_never_takes_anothers_place(folder: Path) -> None:
    (folder / "sets" / "taken.json").write_text("mine")
    (folder / "stored" / "taken.json").write_text("theirs")
    ran = deploy(folder, good="new")
    assert (ran.code, ran.live) == (1, "new")
    assert (folder / "stored" / "taken.json").read_text() == "theirs"
    assert "taken.json is stored with other content" in ran.said


def test_a_package_that_does_not_answer_proposes_nothing(folder: Path) -> None:
    (folder / "sets" / "new.json").write_text("new set")
    deploy(folder, good="previous")
    assert not list((folder / "stored").iterdir())
