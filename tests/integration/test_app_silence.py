"""Silence in the running app: told by another function than the silent one, and the remedy of docs/RUNBOOK.md works."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from shared.contracts.records import Table
from tests.support.app import NEVER, QUIET, Sandbox
from tests.support.webhook import webhook

type MakeSandbox = Callable[..., Sandbox]

WATCHED = QUIET | {"GATEHOUSE_SILENT_SLOTS": "2"}


def heard(caplog: pytest.LogCaptureFixture, kind: str) -> list[str]:
    return [
        record.getMessage().partition(": ")[2].partition(" | ")[0]
        for record in caplog.records
        if record.name == "gatehouse.notices" and record.getMessage().startswith(f"{kind}: ")
    ]


def test_a_dead_scan_timer_is_told_by_supervise_and_running_it_by_hand_ends_it(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        await box.until("10:14")
        assert heard(caplog, "silent") == ["Silent: job candidates since 10:05"]
        await box.until("10:16")
        await box.host.invoke("scan_market")
        assert box.rows(Table.RUNS)["candidates|1015"]["status"] == "done"
        await box.until("10:19")
        assert "Back: job candidates" in heard(caplog, "back")
        incidents = {row["title"]: row["status"] for row in box.incidents("silent")}
        assert incidents["Silent: job candidates since 10:05"] == "closed"

    with caplog.at_level(logging.INFO):
        sandbox(settings=WATCHED | {"GATEHOUSE_NEWS_SCHEDULE": "0 */15 * * * *"}, at="10:00:30").run(scenario)


def test_a_dead_supervise_timer_is_told_by_the_news_scan_with_a_heartbeat_that_knows_nothing(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    settings = WATCHED | {"GATEHOUSE_SUPERVISE_SCHEDULE": NEVER, "GATEHOUSE_NEWS_SCHEDULE": "0 */15 * * * *"}

    async def scenario(box: Sandbox) -> None:
        await box.until("10:14")
        assert heard(caplog, "heartbeat") == ["10:00 REG-AM: equity unknown"]
        assert heard(caplog, "silent") == []
        await box.until("10:16")
        assert heard(caplog, "silent") == ["Silent: supervise since 10:00"]
        await box.until("10:20")
        await box.host.invoke("supervise_account")
        await box.until("10:31")
        assert heard(caplog, "back") == ["Back: supervise"]

    with caplog.at_level(logging.INFO):
        sandbox(settings=settings, at="09:59:30").run(scenario)


def test_the_heartbeat_calls_a_dead_mans_switch_once_an_hour_at_its_secret_address(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook() as switch:

        async def scenario(box: Sandbox) -> None:
            await box.until("10:50")
            assert switch.paths == ["/5d1f0c6b"]
            await box.until("11:01")

        channels = {"GATEHOUSE_NOTICE_CHANNELS": f"alive: {switch.url('5d1f0c6b')}"}
        with caplog.at_level(logging.DEBUG):
            sandbox(settings=QUIET | NEWS_AND_BEATS | channels, at="09:55:30").run(scenario)

    assert switch.paths == ["/5d1f0c6b", "/5d1f0c6b"]
    assert [each["title"].partition(": ")[0] for each in switch.received] == [
        "[sandbox] 10:00 REG-AM",
        "[sandbox] 11:00 REG-AM",
    ]
    assert "5d1f0c6b" not in caplog.text


NEWS_AND_BEATS = {"GATEHOUSE_NEWS_SCHEDULE": "0 */15 * * * *"}
