"""The Azure templates against the code: every setting, name and role, and what must never be in them."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import yaml

from shared.adapters.calendar import XnysCalendar
from shared.contracts.records import Container, Queue, Table
from shared.contracts.settings import GROUPS, Environment, Settings, parse_settings
from shared.core.schedule import plan, weekend
from shared.core.sessions import NEW_YORK, Session
from simulation.market.scenario import ROOT
from tests.unit.infra.bicep import (
    FILES,
    INFRA,
    modules,
    outputs_used,
    parsed,
    prefixes_of_rules,
    resource,
    settings,
    text_of,
    variable,
)

BUILT_IN_ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataReader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "storageTableDataReader": "76199698-9eea-4c19-bc75-cec21354c6b6",
    "durableTaskDataContributor": "0ad04412-c4d5-4796-b79c-f76d14c8d402",
    "websiteContributor": "de139f84-1756-47ae-9be6-808fbbe84772",
}
"""As Azure's list of built-in roles gives them: learn.microsoft.com/azure/role-based-access-control/built-in-roles."""
TOO_MUCH = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
}
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

OF_THE_PLATFORM = {
    *("AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId"),
    *("AZURE_CLIENT_ID", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"),
}
"""Read by the host, the storage SDK's identity and telemetry, never by our code."""
NOT_IN_AZURE = {
    "AzureWebJobsStorage",  # a connection string holds a key; the account's name stands in for it
    "GATEHOUSE_CLOCK_FILE",  # the sandbox's
    "FUNCTIONS_WORKER_RUNTIME",  # Flex Consumption takes it from functionAppConfig.runtime
}


def names_read_by_the_code() -> set[str]:
    fields = [item for group in (*GROUPS.values(), Settings) for item in dataclasses.fields(group)]
    return {item.metadata["name"] for item in fields if "name" in item.metadata}


def example() -> dict[str, str]:
    values: dict[str, str] = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    return values


@pytest.mark.parametrize("name", FILES)
def test_every_template_parses(name: str) -> None:
    assert parsed(name)["globals"]


def test_modules_are_given_exactly_the_parameters_that_they_declare() -> None:
    used = set()
    for name, path, given in modules():
        declared = parsed(path)["parameters"]
        assert given == set(declared), name
        assert outputs_used(name) <= set(parsed(path).get("outputs", {})), name
        used.add(path)
    assert used == set(FILES) - {"main.bicep"}


def test_parameters_file_names_what_main_declares_and_all_that_it_needs() -> None:
    given = json.loads(text_of("main.parameters.json"))["parameters"]
    declared = parsed("main.bicep")["parameters"]
    needed = {name for name in declared if not re.search(rf"^param {name} \w+ =", text_of("main.bicep"), re.MULTILINE)}
    assert needed <= set(given) <= set(declared)


def test_every_parameter_of_main_says_why() -> None:
    for name, parameter in parsed("main.bicep")["parameters"].items():
        said = [d["argument"] for d in parameter["decorators"] if d["type"] == "description"]
        assert said, name


def test_every_setting_that_is_read_is_deployed_and_no_other() -> None:
    ours = names_read_by_the_code() | set(example())
    assert set(settings()) == (ours - NOT_IN_AZURE) | OF_THE_PLATFORM


def test_settings_that_triggers_name_have_the_documented_values() -> None:
    hosts = set(example()) - names_read_by_the_code() - NOT_IN_AZURE
    deployed = settings()
    assert {name: deployed[name] for name in hosts} == {name: example()[name] for name in hosts}


def test_deployed_settings_are_accepted_and_are_the_codes_defaults() -> None:
    given = {"AzureWebJobsStorage__accountName": "account", "GATEHOUSE_NOTICE_CHANNELS": "none"}
    given |= {"ALPACA_ENVIRONMENT": "paper", "ALPACA_KEY_ID": "id", "ALPACA_SECRET_KEY": "secret"}
    ours = (f"GATEHOUSE_{name}" for name in ("ALLOW_LIVE", "CODE_REVISION", "PUBLIC_URL", "LINK_KEY", "LANGUAGE_KEYS"))
    unset = dict.fromkeys(("APPLICATIONINSIGHTS_CONNECTION_STRING", *ours), "")
    resolved = settings() | given | unset
    found = parse_settings(resolved)
    least = {name: value for name, value in resolved.items() if value and not name.startswith("GATEHOUSE_")}
    assert found == parse_settings(least)
    assert found.broker.environment is Environment.PAPER
    assert not found.storage.connection


def test_keys_come_from_the_vault_by_reference_alone() -> None:
    secret = {
        item.metadata["name"]
        for group in GROUPS.values()
        for item in dataclasses.fields(group)
        if item.metadata.get("secret")
    } - NOT_IN_AZURE
    assert secret == {
        "ALPACA_KEY_ID",
        "ALPACA_SECRET_KEY",
        "GATEHOUSE_LINK_KEY",
        "GATEHOUSE_NOTICE_CHANNELS",
        "GATEHOUSE_LANGUAGE_KEYS",
    }
    for name in secret:
        reference = f"@Microsoft.KeyVault(SecretUri=${{vaultUri}}secrets/{name.lower().replace('_', '-')}/)"
        assert settings()[name] == reference
    held = " ".join(sorted(name.lower().replace("_", "-") for name in secret))
    asked = re.search(r"^all='(.+)'$", text_of("set_keys.sh"), re.MULTILINE)
    assert asked
    # Asked for by name only: it is read only where a language model is configured.
    assert " ".join(sorted([*asked[1].split(), "gatehouse-language-keys"])) == held


def test_runtime_is_the_checkouts_python() -> None:
    config = resource("app.bicep", "app")["properties"]["functionAppConfig"]
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert config["runtime"] == {"name": "python", "version": version}


@pytest.mark.parametrize(("key", "expected"), [("containers", Container), ("queues", Queue), ("tables", Table)])
def test_storage_holds_what_the_code_uses(key: str, expected: type[Any]) -> None:
    assert variable("storage.bicep", key) == [member.value for member in expected]


def test_every_queue_has_its_poison_queue() -> None:
    assert resource("storage.bicep", "poisonOf")["loop_type"]["detail"]["array_name"] == "queues"
    assert resource("storage.bicep", "poisonOf")["config"]["name"] == "${queue}-poison"


def test_storage_is_closed_to_keys_anonymous_readers_and_old_tls() -> None:
    properties = resource("storage.bicep", "account")["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    blobs = resource("storage.bicep", "blobs")["properties"]
    assert blobs["isVersioningEnabled"] is True
    assert blobs["deleteRetentionPolicy"]["enabled"] is True


def test_nothing_that_must_stay_is_deleted_by_age() -> None:
    kept = {Container.MODELS.value, Container.REPORTS.value}
    for name, (prefixes, actions) in prefixes_of_rules().items():
        roots = {prefix.split("/")[0] for prefix in prefixes}
        assert roots <= {*Container, "azure-webjobs-hosts", "azure-webjobs-secrets"}, name
        if "baseBlob" in actions:
            assert roots, f"{name} would delete everything"
            assert not roots & kept, name


@pytest.mark.parametrize(
    "name", ["roles.bicep", "deployer.bicep", "scheduler.bicep", "containers.bicep", "scheduled_stop.bicep"]
)
def test_role_ids_are_those_of_their_names(name: str) -> None:
    roles = variable(name, "roles")
    assert roles.items() <= BUILT_IN_ROLES.items()
    for role in roles:
        assert text_of(name).count(f"roles.{role}") > 0, f"{role} is assigned to nobody"


def test_nobody_is_given_a_role_over_resources_themselves() -> None:
    for name in FILES:
        found = set(GUID.findall(text_of(name)))
        assert not found & set(TOO_MUCH.values()), name
        assert found <= set(BUILT_IN_ROLES.values()), name


def test_who_deploys_may_add_a_proposal_and_change_none() -> None:
    role = resource("deployer.bicep", "proposer")["properties"]
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    assert role["permissions"] == [
        {
            "actions": [],
            "dataActions": [f"{blobs}/read", f"{blobs}/add/action"],
        }
    ]
    assert resource("deployer.bicep", "onParameters")["scope"] == "parameters"


def test_the_retrospective_reads_two_containers_and_may_do_nothing_else() -> None:
    scopes = {
        key: (item["config"]["scope"], item["config"]["properties"]["roleDefinitionId"])
        for key, item in parsed("deployer.bicep")["resources"].items()
        if item["type"] == "Microsoft.Authorization/roleAssignments" and key.startswith("retrospective")
    }
    assert {scope for scope, _ in scopes.values()} == {"parameters", "reports"}
    assert all("storageBlobDataReader" in str(role) for _, role in scopes.values())
    given = re.search(r"module deployer.*?^}", text_of("main.bicep"), re.MULTILINE | re.DOTALL)
    assert given
    for container in (Container.PARAMETERS, Container.REPORTS):
        assert f"Container: '{container}'" in given[0]


def test_governance_runs_on_saturdays_before_its_pull_request_is_asked_for_and_without_keys() -> None:
    nightly, monthly = variable("containers.bicep", "trainingJobs")["operator"]["operands"]["false_value"]
    assert (nightly["args"], nightly["hasKeys"]) == (["nightly"], True)
    assert (monthly["args"][:2], monthly["hasKeys"]) == (["govern", "--first-saturday"], False)
    minute, hour, *_, weekday = monthly["cron"].split()
    workflow = (ROOT / ".github" / "workflows" / "retrospective.yml").read_text(encoding="utf-8")
    asked = re.search(r'cron: "(\d+) (\d+) \* \* 6"', workflow)
    assert asked
    assert weekday == "6"
    ends_at = int(hour) * 3600 + int(minute) * 60 + int(monthly["timeoutS"])
    assert ends_at < int(asked[2]) * 3600 + int(asked[1]) * 60


def test_app_gets_data_roles_on_its_own_resources_alone() -> None:
    resources = parsed("roles.bicep")["resources"]
    scopes = {}
    for key, item in resources.items():
        if item["type"] == "Microsoft.Authorization/roleAssignments":
            config = item["config"]
            config = config.get("config", config)
            scopes[key] = config["scope"]
    apps = {"appOnStorage": "account", "appOnInsights": "insights", "appOnVault": "vault"}
    assert scopes == apps | {"ownerOnStorage": "account", "ownerOnVault": "vault"}


def test_no_output_and_no_template_carries_a_secret() -> None:
    for name in FILES:
        assert not re.search(r"\blist(Keys|AccountSas|Secrets|ConnectionStrings)\b", text_of(name)), name
        for key, output in parsed(name).get("outputs", {}).items():
            spelled = f"{key} {json.dumps(output)}".lower()
            assert not re.search(r"secret|password|connectionstring|instrumentationkey|sas\b", spelled), (
                f"{name}: {key}"
            )


def test_telemetry_and_deployment_take_no_password() -> None:
    assert resource("monitoring.bicep", "insights")["properties"]["DisableLocalAuth"] is True
    text = text_of("app.bicep")
    for policy in ("ftp", "scm"):
        assert re.search(
            rf"basicPublishingCredentialsPolicies' = {{\s+name: '{policy}'\s+properties: {{ allow: false }}", text
        )


def test_alert_knows_only_notices_that_the_code_sends() -> None:
    kinds = set(re.search(r"kind in \(([^)]*)\)", text_of("trouble.kql"))[1].replace('"', "").split(", "))  # type: ignore[index]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared" / "stages").rglob("*.py"))
    assert kinds <= set(re.findall(r'kind="([a-z-]+)"', source))
    assert {"poison", "job-missed", "halt"} <= kinds
    drained = re.search(r'message startswith "([^"]+)"', text_of("trouble.kql"))[1]  # type: ignore[index]
    assert f'logger.warning("{drained} ' in source


def test_heartbeat_is_missed_only_while_supervise_is_due() -> None:
    assert example()["GATEHOUSE_SUPERVISE_SCHEDULE"] == "0 * 8-23 * * 1-5"
    assert example()["GATEHOUSE_EVENING_SCHEDULE"] == "0 * 0 * * 2-6"
    query = text_of("trouble.kql")
    assert "(hourofday(now(-15m)) >= 8 and dayofweek(now(-15m)) between (1d .. 5d))" in query
    assert "(hourofday(now(-15m)) == 0 and dayofweek(now(-15m)) between (2d .. 6d))" in query
    timers = re.findall(
        r"async def (supervise_\w+)\(", (ROOT / "functions" / "supervise.py").read_text(encoding="utf-8")
    )
    assert timers
    assert "name in ({})".format(", ".join(f'"{name}"' for name in timers)) in query
    assert resource("monitoring.bicep", "trouble")["properties"]["windowSize"] == "PT15M"


def awake(at: datetime) -> bool:
    """Whether infra/scheduled_stop.json has the app run at an instant."""
    local = at.astimezone(NEW_YORK)
    acts = [act for act in json.loads(text_of("scheduled_stop.json"))["acts"] if f"{local:%A}" in act["days"]]
    times = {act["act"]: time(act["hour"], act["minute"]) for act in acts}
    return bool(times) and times["start"] <= local.time() < times["stop"]


@pytest.mark.parametrize("on", [date(2026, 1, 2), date(2026, 3, 9), date(2026, 7, 6), date(2026, 11, 27)], ids=str)
def test_the_app_rests_only_when_no_job_is_due_in_any_session(on: date) -> None:
    day = XnysCalendar().day(on)
    assert day is not None
    slots = plan(day, sessions=frozenset(Session))
    assert slots
    margin = timedelta(minutes=10)
    assert [slot.key for slot in slots if not (awake(slot.due_at - margin) and awake(slot.due_at + margin))] == []


def test_the_app_is_awake_for_the_weekly_review() -> None:
    (review,) = weekend(date(2026, 11, 21))
    assert awake(review.due_at - timedelta(minutes=10))
    assert awake(review.due_at + timedelta(minutes=40))
    assert not awake(review.due_at + timedelta(days=1))


def test_resting_starts_and_stops_this_app_and_knows_new_yorks_summer_time() -> None:
    acts = json.loads(text_of("scheduled_stop.json"))
    assert acts["timeZone"] == "Eastern Standard Time"  # Windows' name for New York's time, summer time included
    assert {act["act"] for act in acts["acts"]} == {"start", "stop"}
    assert "${substring(app.id, 1)}/${each.act}?api-version=" in text_of("scheduled_stop.bicep")


def test_every_check_that_is_suppressed_says_why() -> None:
    for name in FILES:
        for line in text_of(name).splitlines():
            if "checkov:skip" in line:
                reason = re.fullmatch(r"\s*//checkov:skip=CKV_AZURE_\d+:(.+)", line)
                assert reason, line
                assert len(reason[1].split()) >= 6, line


def test_azure_yaml_provisions_and_hands_over_to_the_script() -> None:
    """By hand: azd's JSON schema is not kept here."""
    document = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert document == {
        "name": "gatehouse",
        "infra": {"provider": "bicep", "path": "infra", "module": "main"},
        "hooks": {"postprovision": {"shell": "sh", "interactive": True, "run": "infra/up.sh"}},
    }
    assert (INFRA / "main.bicep").is_file()
    needed = set(re.findall(r"AZURE_\w+", text_of("deploy.sh") + text_of("up.sh") + text_of("set_keys.sh")))
    assert needed <= set(re.findall(r"^output (\w+)", text_of("main.bicep"), re.MULTILINE))
