"""What stands between the app and a stranger: addresses it may call, and who may call it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from shared.contracts.openapi import ROUTES
from shared.contracts.settings import parse_settings
from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT

KEYS = {"ALPACA_KEY_ID": "key", "ALPACA_SECRET_KEY": "very-secret"}
PAPER = {"ALPACA_ENVIRONMENT": "paper", **KEYS, "AzureWebJobsStorage__accountName": "account"}
ELSEWHERE = [
    *("https://paper-api.alpaca.markets.example.com", "https://paper-apialpaca.markets", "http://127.0.0.1:7080"),
    *("https://paper-api.alpaca.markets@example.com", "https://example.com/paper-api.alpaca.markets"),
    *("https://example.com#.alpaca.markets", "http://paper-api.alpaca.markets", "https://169.254.169.254"),
    *("https://example.com\\@paper-api.alpaca.markets", "https://paper-api@data.alpaca.markets"),
    *("file:///etc/passwd", "//paper-api.alpaca.markets", "https://alpaca.markets.example"),
]


@pytest.mark.parametrize("name", ["ALPACA_TRADING_URL", "ALPACA_DATA_URL"])
@pytest.mark.parametrize("url", ELSEWHERE)
def test_keys_are_sent_nowhere_but_to_alpaca(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        parse_settings({**PAPER, name: url})
    assert "very-secret" not in str(refused.value)


INDEX = """
import json
import subprocess
import sys
from function_app import app
triggers = [b for f in app.get_functions() for b in json.loads(f.get_function_json())["bindings"]]
print(json.dumps([t for t in triggers if t["type"] == "httpTrigger"]))
"""


def test_no_function_answers_without_a_key_but_the_page_of_a_signed_link() -> None:
    # In a process of its own: the library indexes an app once.
    done = subprocess.run([sys.executable, "-c", INDEX], cwd=ROOT, capture_output=True, text=True, check=True)
    triggers = json.loads(done.stdout)
    assert len(triggers) >= 4
    keyless = {(route.path, route.method) for route in ROUTES.values() if route.is_keyless}
    assert {path for path, _ in keyless} == {"answer"}
    for binding in triggers:
        is_keyless = (binding["route"], *binding["methods"]) in keyless
        assert binding["authLevel"].upper() == ("ANONYMOUS" if is_keyless else "FUNCTION"), binding["route"]
    assert {method for binding in triggers for method in binding["methods"]} == {"GET", "POST"}
