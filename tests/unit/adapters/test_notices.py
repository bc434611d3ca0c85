"""Notices in the log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from shared.adapters.notices import LogNotifier
from shared.contracts.messages import Notice, Severity


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.INFO, "INFO"), (Severity.WARNING, "WARNING"), (Severity.CRITICAL, "CRITICAL")],
)
def test_a_notice_is_one_log_line_at_its_severity_with_its_ids(
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
        title="100 % halted",
        body="first\nsecond",
    )
    LogNotifier().send(notice)
    (record,) = caplog.records
    assert record.levelname == level
    assert record.getMessage() == "halt: 100 % halted | first / second"
    assert vars(record)["notice_message_id"] == "m1"
    assert vars(record)["notice_correlation_id"] == "c1"
