"""Secrets never reach a log: every record is looked through as it is made, whichever logger and handler it goes to."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from typing import Any

MASK = "***"
MIN_LENGTH = 6
"""A shorter secret is a word that texts hold by chance."""

_plain = logging.getLogRecordFactory()
"""The factory before ours."""

_formatter = logging.Formatter()


class Redactor:
    """Replaces secrets in texts.

    Parameters
    ----------
    secrets : iterable of str
        Those shorter than `MIN_LENGTH` are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= MIN_LENGTH}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a log record; where message, arguments or traceback hold a secret, they are text without it."""
        record = _plain(*args, **kwargs)
        if self._pattern is None:
            return record
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a logging call with wrong arguments: the handler tells of it
            return record
        if (clean := self(message)) != message:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info))
            if (clean := self(text)) != text:
                # A handler that formats the exception itself would show what this has hidden.
                record.exc_info, record.exc_text = None, clean
        return record


def redact_logs(secrets: Iterable[str]) -> None:
    """Keep secrets out of all logs of this process from now on; a later call replaces an earlier one."""
    logging.setLogRecordFactory(Redactor(secrets).record)
