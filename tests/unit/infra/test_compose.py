"""compose.yaml: what one file names is there in the others, from settings and hosts to ports, images and sources."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboard.__main__ import PORT as PAGES_PORT
from dashboard.environments import profiles_from
from sandbox.__main__ import _parser
from sandbox.azurite import _FLAGS, ACCOUNT, STANDARD_PORTS, connection_string
from sandbox.serve import HOST_PORT, VENUE_PORT
from shared.contracts.openapi import routes
from shared.contracts.settings import parse_settings
from simulation.market.scenario import ROOT, STATE
from simulation.runtime.local_settings import read_local_settings
from tools.package import own_files

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP: dict[str, str] = SERVICES["app"]["environment"]
BUILT = {name: service["build"]["dockerfile"] for name, service in SERVICES.items() if "build" in service}
DOCKERFILES = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in BUILT.items()}
STORAGE = connection_string(STANDARD_PORTS, "other").replace("other", ACCOUNT).replace("127.0.0.1", "storage")
LISTENS = {
    "app": {80},  # the Functions image's own
    "venue": {VENUE_PORT},
    "storage": {STANDARD_PORTS.blob, STANDARD_PORTS.queue, STANDARD_PORTS.table},
    "dashboard": {PAGES_PORT},
}
OF_THE_HOST = {
    *("AzureFunctionsJobHost__Logging__Console__IsEnabled", "WEBSITE_HOSTNAME"),
    *("AzureWebJobsSecretStorageType", "FUNCTIONS_SECRETS_PATH"),
}


def copied(name: str) -> set[str]:
    """What of the checkout an image copies."""
    lines = re.findall(r"^COPY (.+) \S+$", DOCKERFILES[name], re.MULTILINE)
    return {source for line in lines for source in line.split()}


def test_the_apps_settings_are_the_examples_on_other_hosts_and_the_code_takes_them() -> None:
    example = read_local_settings(ROOT / "local.settings.json.example")
    venue = f"http://venue:{VENUE_PORT}"
    moved = {"AzureWebJobsStorage": STORAGE, "ALPACA_TRADING_URL": venue, "ALPACA_DATA_URL": venue}
    moved["GATEHOUSE_LANGUAGE_URL"] = f"{venue}/v1"
    assert {name: text for name, text in APP.items() if name not in OF_THE_HOST} == example | moved
    assert APP.keys() - example.keys() == OF_THE_HOST
    assert parse_settings(APP).storage.connection == STORAGE
    (pages,) = profiles_from(SERVICES["dashboard"]["environment"])
    assert (pages.name, pages.storage.connection, pages.api) == ("sandbox", STORAGE, "http://app")


@pytest.mark.parametrize("name", LISTENS)
def test_every_address_leads_to_a_service_that_listens_there(name: str) -> None:
    found = [urlsplit(url) for url in re.findall(r"https?://[^/;\s\"']+", json.dumps(SERVICES[name]))]
    published = {port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())}
    for url in found:
        if url.hostname == "127.0.0.1":
            assert str(url.port) in published, url
        else:
            assert (url.port or 80) in LISTENS[name if url.hostname == "localhost" else str(url.hostname)], url
    for port in SERVICES[name].get("ports", ()):
        address, _, inside = port.split(":")
        assert (address, int(inside) in LISTENS[name]) == ("127.0.0.1", True)
    assert name == "venue" or {int(port.split(":")[2]) for port in SERVICES[name]["ports"]} == LISTENS[name]


def test_the_commands_exist_and_listen_beyond_their_container() -> None:
    options = _parser().parse_args(SERVICES["venue"]["command"])
    assert (options.command, options.host, options.storage) == ("standalone", "0.0.0.0", STORAGE)
    for name in ("venue", "dashboard"):
        (module,) = re.findall(r'^ENTRYPOINT \["python", "-m", "(\w+)"', DOCKERFILES[name], re.MULTILINE)
        assert (ROOT / module / "__main__.py").is_file()
    assert '"--address", "0.0.0.0"]' in DOCKERFILES["dashboard"]
    words = SERVICES["storage"]["command"].split()
    assert set(_FLAGS) <= set(words)
    assert (
        words.count("0.0.0.0")
        == words.count("--blobHost") + words.count("--queueHost") + words.count("--tableHost")
        == 3
    )
    assert SERVICES["app"]["ports"] == [f"127.0.0.1:{HOST_PORT}:80"]


def test_the_host_has_the_key_that_its_health_is_asked_with() -> None:
    (config,) = SERVICES["app"]["configs"]
    assert config["target"] == f"{APP['FUNCTIONS_SECRETS_PATH']}/host.json"
    (key,) = json.loads(COMPOSE["configs"][config["source"]]["content"])["functionKeys"]
    assert SERVICES["app"]["healthcheck"]["test"][-1] == f"http://localhost/api/{routes.LIVE.path}?code={key['value']}"
    assert f"code={key['value']}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_waited_for_has_a_health_check_and_what_is_kept_has_a_volume() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[other]
    kept = {name: volume.split(":") for name, service in SERVICES.items() for volume in service.get("volumes", ())}
    assert {source for source, _ in kept.values()} == set(COMPOSE["volumes"])
    assert f"--location {kept['storage'][1]} " in SERVICES["storage"]["command"]
    (workdir,) = re.findall(r"^WORKDIR (.+)$", DOCKERFILES["venue"], re.MULTILINE)
    assert kept["venue"][1] == f"{workdir}/{STATE.relative_to(ROOT)}"


def test_every_image_is_pinned_and_azurite_is_the_one_of_the_lock() -> None:
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    images += [base for text in DOCKERFILES.values() for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE)]
    assert len(images) == len(SERVICES)
    for image in images:
        assert re.fullmatch(r"[\w./-]+:\d[\w-]*\.[\w.-]+", image), image
    azurite = json.loads((ROOT / "sandbox" / "package.json").read_text(encoding="utf-8"))["dependencies"]["azurite"]
    assert SERVICES["storage"]["image"].endswith(f"/azurite:{azurite}")


@pytest.mark.parametrize("name", BUILT)
def test_what_an_image_copies_is_there_and_reaches_the_builder(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in copied(name):
        assert (ROOT / source).exists(), source
        assert f"!{source}" in lines, source


def test_the_apps_image_holds_what_is_deployed() -> None:
    assert copied("app") == {path.parts[0] for path, _ in own_files(ROOT)}
