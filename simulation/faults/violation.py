"""What a checker raises."""

from __future__ import annotations


class Violation(Exception):  # noqa: N818 - it is the finding
    """A rule does not hold.

    Parameters
    ----------
    rule, text : str
        Which, and what was found.
    """

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule
        self.text = text
