"""infra/set_keys.sh against an `az` that writes down what it is asked."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.infra.bicep import INFRA

AZ = """#!/bin/sh
echo "az $*" >> "$LOG"
case "$*" in
  *"secret set"*)
    while [ "$1" != --file ]; do shift; done
    stat -c '%a' "$2" >> "$LOG"
    cat "$2" >> "$VAULT"; echo >> "$VAULT"
    echo "$2" > "$USED" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stubs = {"az": AZ, "azd": '#!/bin/sh\necho "the-$3"\n', "stty": '#!/bin/sh\necho "stty $*" >> "$LOG"\n'}
    for name, text in stubs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def set_keys(folder: Path, typed: str, *names: str) -> tuple[int, str, list[str]]:
    """Exit code, all that was shown, and all that was asked for."""
    files = {name: str(folder / name.lower()) for name in ("LOG", "VAULT", "USED")}
    command, given = [str(INFRA / "set_keys.sh"), *names], {"PATH": f"{folder}:{os.environ['PATH']}", **files}
    done = subprocess.run(command, input=typed, env=given, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr, (folder / "log").read_text().splitlines()


def test_all_secrets_reach_the_vault_unseen(folder: Path) -> None:
    code, shown, asked = set_keys(folder, "KEY-ID-1\nSECRET KEY=2/+\nphone: tgram://TOKEN/1 | warning\n")
    assert code == 0
    *typed, link_key = (folder / "vault").read_text().splitlines()
    assert typed == ["KEY-ID-1", "SECRET KEY=2/+", "phone: tgram://TOKEN/1 | warning"]
    assert re.fullmatch(r"[0-9a-f]{64}", link_key)
    for text in (shown, *asked):
        for secret in ("KEY-ID-1", "SECRET KEY", "TOKEN", link_key):
            assert secret not in text
    assert asked.count("600") == 4
    assert not Path((folder / "used").read_text().strip()).exists()
    assert [line for line in asked if line.startswith("stty")] == ["stty -echo", "stty echo"]
    assert asked[-2].startswith("az functionapp restart")


def test_one_secret_is_renewed_alone(folder: Path) -> None:
    assert set_keys(folder, "", "gatehouse-link-key")[0] == 0
    assert len((folder / "vault").read_text().split()) == 1


def test_no_channels_are_none(folder: Path) -> None:
    assert set_keys(folder, "\n", "gatehouse-notice-channels")[0] == 0
    assert (folder / "vault").read_text() == "none\n"


def test_unknown_name_stops_before_anything_is_asked(folder: Path) -> None:
    (folder / "log").touch()
    code, shown, asked = set_keys(folder, "", "alpaca-password")
    assert code == 1
    assert "alpaca-password: expected one of alpaca-key-id" in shown
    assert not asked


def test_empty_key_stops_before_anything_is_set(folder: Path) -> None:
    code, shown, asked = set_keys(folder, "\n\n")
    assert code == 1
    assert "expected a value" in shown
    assert not [line for line in asked if line.startswith("az ")]
    assert asked[-1] == "stty echo"
