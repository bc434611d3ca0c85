"""The audit's own parts: what counts as a secret, and what an answer about advisories means."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sandbox.azurite import AzuritePorts, connection_string
from tools.audit import SHAPES, advisories, find_secrets, secrets_in

PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "storage account key": "AccountKey=" + "aB3/" * 21 + "xY" + "==",
    "shared access signature": "https://a.blob.core.windows.net/x?sv=1&sig=" + "aB3%2F" * 8,
    "Alpaca key id": "PK" + "A1B2C3" * 3,
    "GitHub token": "ghp_" + "a1B2" * 9,
    "Entra client secret": "abc" + "8Q~" + "x1" * 16,
    "JSON web token": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".abcdefghijkl",
    "Telegram bot token": "123456789:AA" + "b" * 33,
    "API key of a language model": "sk-" + "proj1234" * 5,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_planted_secret_of_every_shape_is_found_on_its_line(shape: str) -> None:
    assert list(secrets_in(f"first line\nkey = {PLANTED[shape]}\n")) == [(2, shape)]


def test_hashes_of_locks_and_the_emulators_key_are_no_secrets() -> None:
    harmless = [
        "--hash=sha256:" + "0a" * 32,
        '"integrity": "sha512-' + "aB3/" * 21 + 'xY=="',
        connection_string(AzuritePorts(blob=1, queue=2, table=3)),
        "@Microsoft.KeyVault(SecretUri=https://kv-x.vault.azure.net/secrets/alpaca-key-id/)",
    ]
    assert list(secrets_in("\n".join(harmless))) == []


def test_untracked_file_is_looked_at_and_an_ignored_one_is_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("local.settings.json\n")
    (tmp_path / "local.settings.json").write_text(PLANTED["Alpaca key id"])
    (tmp_path / "notes.txt").write_text(PLANTED["Alpaca key id"])
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff\x00")
    assert [(str(find.path), find.line) for find in find_secrets(tmp_path)] == [("notes.txt", 1)]


def test_answer_about_advisories_tells_skipped_from_checked() -> None:
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]},
            {"name": "b", "version": "2", "vulns": []},
            {"name": "c", "version": "3", "skip_reason": "Dependency not found on PyPI"},
        ]
    }
    assert advisories(json.dumps(report)) == (3, 1, ["a 1: PYSEC-1"])
