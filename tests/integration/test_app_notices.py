"""Notices of the real app at a real web hook, with secrets planted that no log may show."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from shared.contracts.records import Queue, Table
from shared.contracts.settings import secrets_of
from tests.support.app import QUIET, Sandbox
from tests.support.ports import settings_with
from tests.support.webhook import webhook

type MakeSandbox = Callable[..., Sandbox]

PLANTED = ("planted-user-01", "planted-password-02", "planted-token-03", "planted-link-key-0123456789abcdef")


def test_a_trade_is_told_a_dead_channel_blocks_nothing_and_no_secret_is_logged(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with webhook() as phone, webhook() as dead:
        dead.status = 500
        user, password, token, key = PLANTED
        channels = (
            f"phone: json://{user}:{password}@127.0.0.1:{phone.port}/{token}\n"
            f"dead: json://127.0.0.1:{dead.port}/{token}"
        )

        async def scenario(box: Sandbox) -> None:
            box.send(Queue.SIGNALS, box.signal("SPY"))
            box.put(Queue.SIGNALS, "e30=")
            await box.for_s(90)
            assert [row["phase"] for row in box.rows(Table.ORDERS).values()] == ["PROTECTED"]
            assert all(word not in error for _, error in box.trace.errors for word in PLANTED)
            assert {name for name, _ in box.trace.errors} <= {"send_notice"}
            body = {"by": "me", "reason": f"a person types {token} by mistake", "flatten": False}
            status, _ = await box.http("POST", "/api/kill", body)
            assert status == 200
            await box.for_s(60)
            assert box.waiting(f"{Queue.NOTICES}-poison") == box.waiting(Queue.NOTICES) == 0
            assert [row["title"] for row in box.incidents("channel-down")] == ["Channel dead takes no notices"]
            assert box.incidents("poison") == []
            told = box.rows(Table.NOTICES)
            assert {row["kind"] for row in told.values()} >= {"decision", "position-opened", "quarantine", "operate"}
            assert all("phone=sent" in row["channels"] for row in told.values() if row["kind"] != "order-ended")

        with caplog.at_level(logging.DEBUG):
            settings = QUIET | {"GATEHOUSE_NOTICE_CHANNELS": channels, "GATEHOUSE_LINK_KEY": key}
            sandbox(settings=settings | {"GATEHOUSE_NOTICE_QUIET_HOURS": "none"}).run(scenario)

    titles = [each["title"] for each in phone.received]
    assert any(title.startswith("[sandbox] Buying ") for title in titles)
    assert any(title.startswith("[sandbox] Bought ") for title in titles)
    assert "[sandbox] CRITICAL: Quarantined a message of signals" in titles
    assert "[sandbox] WARNING: Channel dead takes no notices" in titles
    assert len(titles) == len(set(titles))
    assert dead.received == []
    assert len(caplog.records) > 50
    printed = capfd.readouterr()
    logged = "\n".join([*(record.getMessage() + str(record.exc_text or "") for record in caplog.records), *printed])
    for word in PLANTED:
        assert word not in logged, word


def test_one_search_shows_a_decisions_way_through_all_stages(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    found: dict[str, str] = {}

    async def scenario(box: Sandbox) -> None:
        signal = box.signal("SPY")
        found["id"] = signal.decision_id
        box.send(Queue.SIGNALS, signal)
        await box.until("10:08")

    with caplog.at_level(logging.INFO, logger="gatehouse.events"):
        sandbox(settings=QUIET | {"GATEHOUSE_HOLD_MAX_MIN": "5"}).run(scenario)
    lines = [record.getMessage() for record in caplog.records if record.name == "gatehouse.events"]
    way = [json.loads(line) for line in lines if found["id"] in line]
    assert [each["event"] for each in way].index("decision") < [each["event"] for each in way].index("fill")
    assert {each.get("stage") for each in way} >= {"signals", "order-intents", "order-step"}
    assert [each["phase"] for each in way if each["event"] == "step"][-1] == "CLOSED"
    assert all(each["latency_ms"] >= 0 for each in way if each["event"] == "stage")


def test_every_secret_setting_is_among_the_secrets() -> None:
    given = {"GATEHOUSE_LINK_KEY": PLANTED[3], "GATEHOUSE_NOTICE_CHANNELS": f"a: json://x/{PLANTED[2]}"}
    assert {PLANTED[2], PLANTED[3], "secret-of-the-test", "key-of-the-test"} <= secrets_of(settings_with(**given))
