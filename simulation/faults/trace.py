"""What happened, line by line, for a person; and the digest that says whether two runs were the same."""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import datetime

from shared.core.sessions import NEW_YORK

KEPT = 4000


class Trace:
    """Lines of a run.

    Parameters
    ----------
    is_on : bool
        Keep the lines; the digest is made of them either way.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.lines: deque[str] = deque(maxlen=KEPT)
        self._hash = hashlib.sha256()
        self.count = 0

    def note(self, at: datetime, *words: object) -> None:
        """Note a line."""
        self.count += 1
        text = " ".join(map(str, words))
        self._hash.update(f"{at.timestamp():.6f} {text}\n".encode())
        if self.is_on:
            self.lines.append(f"{at.astimezone(NEW_YORK):%m-%d %H:%M:%S.%f} {text}")

    def digest(self) -> str:
        """Hash of every line so far."""
        return self._hash.hexdigest()[:16]
