"""`python -m tools.audit`: secrets in files, workflows that trust too much, known holes in what the locks name.

Secrets are looked for by shape, in every file that git would take, and by gitleaks in the whole history where it is
installed. Workflows and compose.yaml are held against their schemas (check-jsonschema carries them), workflows read by
zizmor, locks by pip-audit; these are in the environment of `make audit`. pip-audit asks PyPI for advisories: where it
cannot be asked, that is said and the rest still counts.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.azurite import _ACCOUNT_KEY as PUBLISHED_KEY
from simulation.market.scenario import ROOT

LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-infra.txt",
    "requirements-language.txt",
    "requirements-training.txt",
    "requirements-dashboard.txt",
    "requirements-sandbox.txt",
)
WORKFLOWS = ".github"

SHAPES = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "storage account key": re.compile(r"(?<![A-Za-z0-9+/-])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
    "shared access signature": re.compile(r"[?&]sig=[A-Za-z0-9%+/]{30,}"),
    "Alpaca key id": re.compile(r"(?<![A-Z0-9])[PAC]K[A-Z0-9]{18}(?![A-Z0-9])"),
    "GitHub token": re.compile(r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,}"),
    "Entra client secret": re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9_-]{3}8Q~[A-Za-z0-9_.~-]{31,34}"),
    "JSON web token": re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "Telegram bot token": re.compile(r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    "API key of a language model": re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{32,}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """Something shaped like a secret. The text itself is not kept."""

    path: Path
    line: int
    shape: str


def secrets_in(text: str) -> Iterator[tuple[int, str]]:
    """Line and shape of what looks like a secret. The emulator's published key is none."""
    for number, line in enumerate(text.replace(PUBLISHED_KEY, "").splitlines(), start=1):
        yield from ((number, shape) for shape, pattern in SHAPES.items() if pattern.search(line))


def find_secrets(root: Path) -> list[Find]:
    """Look through every file that is tracked or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    finds = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            finds += [Find(path=Path(name), line=line, shape=shape) for line, shape in secrets_in(text)]
    return finds


def advisories(report: str) -> tuple[int, int, list[str]]:
    """Distributions asked about, those without an answer, and what is known against the rest."""
    dependencies = json.loads(report)["dependencies"]
    skipped = [item for item in dependencies if "skip_reason" in item]
    holes = [f"{d['name']} {d['version']}: {hole['id']}" for d in dependencies for hole in d.get("vulns", ())]
    return len(dependencies), len(skipped), holes


def _ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _is_clean(what: str, *command: str | Path) -> bool:
    """Run a tool that says nothing where it finds nothing; print what it found."""
    done = _ran(*command)
    print(f"{what:11} {'clean' if done.returncode == 0 else done.stdout.strip() or done.stderr.strip()}")
    return done.returncode == 0


def _audit_lock(tools: Path, lock: str) -> bool:
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = _ran(tools / "pip-audit", "-r", lock, *options)
    if not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"advisories  {lock}: NOT CHECKED, PyPI cannot be asked from here ({last[:100]})")
        return True
    asked, skipped, holes = advisories(done.stdout)
    if skipped == asked:
        print(f"advisories  {lock}: NOT CHECKED, this index answers no questions about advisories")
        return True
    print(f"advisories  {lock}: {asked - skipped} of {asked} checked, {len(holes)} known holes")
    for hole in holes:
        print(f"  {hole}")
    return not holes


def _audit_schemas(tools: Path) -> bool:
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / WORKFLOWS / "workflows").glob("*.yml"))]
    held = {
        "vendor.github-workflows": files,
        "vendor.dependabot": [f"{WORKFLOWS}/dependabot.yml"],
        "vendor.compose-spec": ["compose.yaml"],
    }
    clean = True
    for schema, names in held.items():
        done = _ran(tools / "check-jsonschema", "--builtin-schema", schema, *names)
        clean &= done.returncode == 0
        print(f"schema      {schema}: {'kept by' if done.returncode == 0 else 'broken in'} {len(names)} files")
        if done.returncode:
            print(done.stdout.strip() or done.stderr.strip())
    return clean


def _audit_history() -> bool:
    tool = shutil.which("gitleaks")
    if tool is None:
        print("history     NOT CHECKED, gitleaks is not installed here; check.yml runs it")
        return True
    return _is_clean("history", tool, "git", "--no-banner", "--redact", ".")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all of them; the exit code is 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument(
        "--tools", type=Path, default=ROOT / ".venv-infra" / "bin", help="where zizmor and pip-audit are"
    )
    options = parser.parse_args(arguments)
    finds = find_secrets(ROOT)
    print(f"secrets     {len(finds)} found by {len(SHAPES)} shapes")
    for find in finds:
        print(f"  {find.path}:{find.line}: {find.shape}")
    tools = options.tools.resolve()
    clean = [
        not finds,
        _audit_history(),
        _audit_schemas(tools),
        _is_clean("workflows", tools / "zizmor", "--offline", "--no-progress", "--persona", "pedantic", WORKFLOWS),
        *(_audit_lock(tools, lock) for lock in LOCKS),
    ]
    return int(not all(clean))


if __name__ == "__main__":
    sys.exit(main())
