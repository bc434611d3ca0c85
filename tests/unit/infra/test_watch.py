"""infra/watch.sh against an `az` and a `curl` that write down what they are asked."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.infra.bicep import INFRA

AZ = """#!/bin/sh
echo "az $*" >> "$LOG"
case "$*" in
  "functionapp keys list"*) echo the-key ;;
  "functionapp show"*) echo app.example ;;
esac
"""
CURL = """#!/bin/sh
echo "curl $* <<< $(cat)" >> "$LOG"
status=$(head -n 1 "$ANSWERS"); sed -i 1d "$ANSWERS"
test "$status" = dead && { printf 000; exit 7; }
while [ "$1" != --output ]; do shift; done
cp "$BODY" "$2"
printf '%s' "$status"
"""
CHECKS = {
    "broker": {"fault": "", "found": {"equity_usd": "100000.00"}, "ok": True},
    "jobs": {"fault": "candidates|1005 is late", "found": {}, "ok": False},
    "supervise": {"fault": "no row of equity since 1000", "found": {}, "ok": False},
}
AZURE = {"AZURE_RESOURCE_GROUP": "group", "AZURE_FUNCTION_NAME": "app"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How the script ended, and what was asked for on the way."""

    code: int
    asked: list[str]
    said: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("az", AZ), ("curl", CURL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "body").write_text(json.dumps({"checks": CHECKS}, separators=(",", ":")))
    (tmp_path / "log").touch()
    return tmp_path


def watch(folder: Path, *answers: str, **environment: str) -> Ran:
    """Watch an app that answers with these statuses, one after the other; `dead` is no answer."""
    (folder / "answers").write_text("".join(f"{answer}\n" for answer in answers))
    files = {name: str(folder / name.lower()) for name in ("LOG", "ANSWERS", "BODY")}
    stubs = {"PATH": f"{folder}:{os.environ['PATH']}", **files}
    given = {**stubs, "GATEHOUSE_WATCH_PAUSE_S": "0", **(environment or AZURE)}
    done = subprocess.run(
        [str(INFRA / "watch.sh")], env=given, capture_output=True, text=True, check=False, timeout=300
    )
    return Ran(code=done.returncode, asked=(folder / "log").read_text().splitlines(), said=done.stdout + done.stderr)


def test_an_app_that_is_ready_is_asked_once_and_left_alone(folder: Path) -> None:
    ran = watch(folder, "200")
    assert ran.code == 0
    (asked,) = [line for line in ran.asked if line.startswith("curl ")]
    assert "https://app.example/api/health/ready" in asked


def test_an_app_that_has_to_start_first_is_asked_again(folder: Path) -> None:
    assert watch(folder, "dead", "503", "200").code == 0


def test_an_app_that_does_not_answer_fails(folder: Path) -> None:
    ran = watch(folder, "dead", "dead", "dead")
    assert ran.code == 1
    assert "not ready: HTTP 000 after 3 tries" in ran.said


@pytest.mark.parametrize("status", ["500", "401", "404", "302"])
def test_any_other_answer_fails(folder: Path, status: str) -> None:
    assert watch(folder, status, status, status).code == 1


def test_what_is_wrong_is_said_and_the_account_is_not(folder: Path) -> None:
    ran = watch(folder, "503", "503", "503")
    assert ran.code == 1
    assert "candidates|1005 is late" in ran.said
    assert "no row of equity since 1000" in ran.said
    assert "100000" not in ran.said


def test_the_function_key_is_no_argument_and_is_not_shown(folder: Path) -> None:
    ran = watch(folder, "503", "200")
    assert "the-key" not in ran.said
    for line in (line for line in ran.asked if line.startswith("curl ")):
        arguments, _, given = line.partition("<<<")
        assert "the-key" not in arguments
        assert given.strip() == 'header = "x-functions-key: the-key"'


def test_address_and_key_file_do_without_azure(folder: Path) -> None:
    (folder / "key").write_text("my-key\n")
    ran = watch(folder, "200", WATCH_URL="http://127.0.0.1:7071", WATCH_KEY_FILE=str(folder / "key"))
    assert ran.code == 0
    (asked,) = ran.asked
    assert "http://127.0.0.1:7071/api/health/ready" in asked
    assert asked.endswith('header = "x-functions-key: my-key"')


def test_missing_names_are_said_before_anything_is_asked(folder: Path) -> None:
    ran = watch(folder, "200", AZURE_RESOURCE_GROUP="group")
    assert ran.code != 0
    assert "AZURE_FUNCTION_NAME" in ran.said
    assert ran.asked == []
