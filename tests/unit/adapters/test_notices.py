"""Notices in the log, and through apprise to a web hook."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.adapters.notices import AppriseNotifier, LogNotifier
from shared.contracts.messages import Link, Notice, NoticeText, Severity
from shared.contracts.settings import NoticeChannel, NoticeSettings
from shared.core.errors import TransientError
from tests.support.webhook import Webhook, webhook
from tools.notice_examples import Example, examples

TEXT = NoticeText(title="t", body="b")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture
def notifier() -> AppriseNotifier:
    return AppriseNotifier(NoticeSettings(timeout_s=1.0))


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.INFO, "INFO"), (Severity.WARNING, "WARNING"), (Severity.CRITICAL, "CRITICAL")],
)
def test_a_notice_is_one_log_line_at_its_severity_with_its_ids_and_without_its_links(
    caplog: pytest.LogCaptureFixture, severity: Severity, level: str
) -> None:
    caplog.set_level(logging.INFO)
    notice = Notice(
        message_id="m1",
        correlation_id="c1",
        causation_id="a1",
        decided_at=datetime(2025, 10, 15, 14, 0, tzinfo=UTC),
        expires_at=datetime(2025, 10, 15, 15, 0, tzinfo=UTC),
        kind="halt",
        severity=severity,
        title="100 %\r\nhalted",
        body="first\nsecond",
        links=(Link(label="Yes", url="https://app.example/?sig=1"),),
    )
    LogNotifier().log(notice)
    (record,) = caplog.records
    assert record.levelname == level
    assert record.getMessage() == "halt: 100 % / halted | first / second"
    assert vars(record)["notice_message_id"] == "m1"
    assert vars(record)["notice_correlation_id"] == "c1"
    assert "sig" not in str(vars(record))


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.kind)
def test_every_kind_arrives_at_a_web_hook_as_the_documents_show_it(
    hook: Webhook, notifier: AppriseNotifier, example: Example
) -> None:
    notifier.deliver(NoticeChannel(name="hook", url=hook.url()), example.sent, example.severity)
    (received,) = hook.received
    assert received["title"] == example.sent.title
    assert received["message"] == example.sent.body
    assert received["type"] == {"info": "info", "warning": "warning", "critical": "failure"}[example.severity]


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_a_hook_that_refuses_is_a_transient_error_that_does_not_name_its_address(
    hook: Webhook, notifier: AppriseNotifier, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    hook.status = status
    caplog.set_level(logging.WARNING, logger="gatehouse")
    with pytest.raises(TransientError, match="phone") as caught:
        notifier.deliver(NoticeChannel(name="phone", url=hook.url("s3cret-token")), TEXT, Severity.INFO)
    assert "s3cret" not in str(caught.value)
    assert len(hook.paths) == 1, "sent once; the queue is what tries again"


def test_a_redirect_is_not_followed(hook: Webhook, notifier: AppriseNotifier) -> None:
    with webhook() as other:
        hook.status, hook.location = 307, f"http://127.0.0.1:{other.port}/elsewhere"
        with pytest.raises(TransientError):
            notifier.deliver(NoticeChannel(name="phone", url=hook.url()), TEXT, Severity.INFO)
        assert other.paths == []


def test_nobody_there_is_a_transient_error_within_the_time_out(notifier: AppriseNotifier) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen(0)  # accepts and never answers
        url = f"json://127.0.0.1:{probe.getsockname()[1]}/x"
        with pytest.raises(TransientError):
            notifier.deliver(NoticeChannel(name="phone", url=url), TEXT, Severity.INFO)


def test_an_address_that_apprise_does_not_know_is_told_without_it(notifier: AppriseNotifier) -> None:
    with pytest.raises(TransientError, match="knows no service") as caught:
        notifier.deliver(NoticeChannel(name="phone", url="nonsense://s3cret"), TEXT, Severity.INFO)
    assert "s3cret" not in str(caught.value)
