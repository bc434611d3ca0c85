"""Secrets in log records: replaced wherever they stand, whichever logger they go to."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.redaction import MASK, Redactor, redact_logs
from shared.contracts.settings import secrets_of
from tests.support.ports import settings_with

SECRET = "planted-secret-4711"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that a handler of the root logger writes."""
    before = logging.getLogRecordFactory()
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    redact_logs([SECRET])
    try:
        yield text
    finally:
        root.removeHandler(handler)
        logging.setLogRecordFactory(before)


@pytest.mark.parametrize("name", ["gatehouse", "azure.core", "apprise", "some.library"])
def test_a_secret_in_message_or_arguments_is_masked_for_every_logger(log: io.StringIO, name: str) -> None:
    logger = logging.getLogger(name)
    logger.error("plain %s", SECRET)
    logger.error(f"in the middle: {SECRET}!")
    logger.error("in a %(where)s", {"where": {"deep": [SECRET]}})
    assert SECRET not in log.getvalue()
    assert log.getvalue().count(MASK) == 3
    assert f"in the middle: {MASK}!" in log.getvalue()


def test_a_secret_in_a_traceback_is_masked(log: io.StringIO) -> None:
    try:
        raise ValueError(f"could not reach https://user:{SECRET}@host")
    except ValueError:
        logging.getLogger("gatehouse").exception("it failed")
    assert SECRET not in log.getvalue()
    assert "ValueError: could not reach" in log.getvalue()


def test_a_record_without_secrets_stays_as_it_is(log: io.StringIO) -> None:
    logging.getLogger("gatehouse").warning("%d of %s", 3, "many")
    assert log.getvalue() == "3 of many\n"


def test_a_wrong_logging_call_breaks_nothing() -> None:
    record = Redactor([SECRET]).record("n", logging.INFO, "p", 1, "%d %d", (1,), None)
    assert record.msg == "%d %d"


@given(st.lists(st.text(min_size=6, max_size=30), max_size=5), st.text(max_size=80), st.integers(0, 4))
def test_no_secret_survives_in_any_text(secrets: list[str], text: str, place: int) -> None:
    redact = Redactor(secrets)
    planted = text[:place] + "".join(secrets) + text[place:]
    left = redact(planted).split(MASK)
    assert not any(secret in part for secret in secrets for part in left)


@pytest.mark.parametrize(
    ("channels", "parts"),
    [
        ("a: tgram://123456789:AAF-token_of_a_bot/-100200300", ["AAF-token_of_a_bot", "123456789"]),
        ("a: mailtos://me:pass%20word1@mail.example.com", ["pass word1", "pass%20word1"]),
        ("a: slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#x", ["T1JJ3T3L2", "TIiajkdnlazkcOXrIdevi7FQ"]),
        ("a: json://hook.example.com/x?+X-Token=0123456789abcdef", ["0123456789abcdef"]),
    ],
)
def test_the_parts_of_an_address_that_are_secrets_are_secrets(channels: str, parts: list[str]) -> None:
    secrets = secrets_of(settings_with(GATEHOUSE_NOTICE_CHANNELS=channels))
    assert set(parts) <= secrets
    assert channels.partition(": ")[2] in secrets


def test_keys_and_the_key_within_a_connection_string_are_secrets() -> None:
    storage = "DefaultEndpointsProtocol=https;AccountName=plain;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=x"
    secrets = secrets_of(settings_with(ALPACA_SECRET_KEY="alpaca-secret", AzureWebJobsStorage=storage))
    assert {"alpaca-secret", storage, "c2VjcmV0LWtleQ=="} <= secrets
    assert "plain" not in secrets
