"""The workflows: pinned, without secrets, with the least rights, and made of commands that exist."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.core.schedule import weekend
from simulation.market.scenario import ROOT
from tests.unit.infra.bicep import text_of

WORKFLOWS = tuple(sorted((ROOT / ".github" / "workflows").glob("*.yml")))
KNOWN = {"name", "on", "permissions", "concurrency", "jobs"}


MORE: dict[str, dict[str, str]] = {
    "deploy": {"id-token": "write"},
    "image": {"packages": "write"},
    "watch": {"id-token": "write"},
    "compare": {"pull-requests": "write"},
    "renew": {"contents": "write", "pull-requests": "write"},
    "propose": {"contents": "write", "pull-requests": "write", "id-token": "write"},
}
"""What a job may do beyond reading the checkout."""


def read(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    document: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}


def test_there_are_workflows() -> None:
    others = {"benchmarks", "check", "image", "locks", "nightly"}
    assert {path.stem for path in WORKFLOWS} == others | {"deploy", "retrospective", "watch"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_version(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line and "uses: ./" not in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\w+)", path.read_text(encoding="utf-8")):
            pins.setdefault(action, set()).add(commit)
    assert pins
    assert all(len(commits) == 1 for commits in pins.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_stored_secret_and_no_right_but_the_jobs_own(path: Path) -> None:
    document = read(path)
    assert set(document) == KNOWN
    assert document["permissions"] == {}
    assert "secrets." not in path.read_text(encoding="utf-8")
    for name, job in document["jobs"].items():
        assert job["permissions"] == {"contents": "read"} | MORE.get(name, {}), name
        assert "uses" in job or job["timeout-minutes"] <= 120, name
        assert "pull_request_target" not in document["on"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_steps_call_make_targets_and_scripts_that_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for job in read(path)["jobs"].values():
        for step in job.get("steps", ()):
            command = step.get("run", "")
            assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= targets
            for script in re.findall(r"\b(?:infra|benchmarks)/\w+\.sh", command):
                assert (ROOT / script).is_file()


def test_deployment_waits_for_the_checks_and_for_its_environment() -> None:
    deploy = read(ROOT / ".github" / "workflows" / "deploy.yml")
    job = deploy["jobs"]["deploy"]
    assert deploy["on"] == {"push": {"branches": ["main"]}}
    assert job["needs"] == "check"
    assert f"environment:{job['environment']}" in text_of("deployer.bicep")


def test_the_watch_asks_while_the_market_is_open_and_has_what_its_script_asks_for() -> None:
    watch = read(ROOT / ".github" / "workflows" / "watch.yml")
    (schedule,) = watch["on"]["schedule"]
    assert schedule["cron"] == "7,37 14-20 * * 1-5"
    job = watch["jobs"]["watch"]
    deploy = read(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]["deploy"]
    assert (job["environment"], job["permissions"]) == (deploy["environment"], deploy["permissions"])
    (given,) = [step["env"] for step in job["steps"] if "watch.sh" in step.get("run", "")]
    assert set(given) == {"AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_NAME"}


def test_deployment_hands_the_script_all_that_it_asks_for() -> None:
    asked = set(re.findall(r'"\$\{(\w+):\?\}"', text_of("deploy.sh")))
    job = read(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]["deploy"]
    given = next(step["env"] for step in job["steps"] if "deploy.sh" in step.get("run", ""))
    assert asked
    assert asked <= set(given)
    assert asked <= set(re.findall(r"^output (\w+)", text_of("main.bicep"), re.MULTILINE))


def test_the_retrospective_runs_after_the_review_on_main_under_an_identity_of_its_own() -> None:
    path = ROOT / ".github" / "workflows" / "retrospective.yml"
    workflow = read(path)
    (schedule,) = workflow["on"]["schedule"]
    minute, hour, *_, weekday = schedule["cron"].split()
    assert weekday == "6"
    (review,) = weekend(date(2026, 11, 21))  # in winter, when New York is farthest from UTC
    assert review.due_at + timedelta(minutes=40) < datetime(2026, 11, 21, int(hour), int(minute), tzinfo=UTC)
    job = workflow["jobs"]["propose"]
    assert "github.ref == 'refs/heads/main'" in job["if"]
    assert f"environment:{job['environment']}'" in text_of("deployer.bicep")
    text = path.read_text(encoding="utf-8")
    assert "vars.AZURE_CLIENT_ID" not in text
    (step,) = [step for step in job["steps"] if "retrospective.sh" in step.get("run", "")]
    asked = set(re.findall(r'"\$\{(\w+):\?\}"', text_of("retrospective.sh")))
    assert asked - {"GITHUB_REPOSITORY"} <= set(step["env"])  # which is the runner's own
    assert set(re.findall(r"vars\.(AZURE_RETRO\w+)", text)) <= set(
        re.findall(r"^output (\w+)", text_of("main.bicep"), re.MULTILINE)
    )


def test_what_comes_from_outside_is_named_by_no_expression_in_a_command() -> None:
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            for step in job.get("steps", ()):
                assert "${{" not in step.get("run", ""), path.name
