"""Values as cells of a CSV file that a person may open in a spreadsheet."""

from __future__ import annotations

import math
from datetime import datetime

from shared.core.values import iso

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that starts so for a formula: such cells get an apostrophe in front."""


def cell(value: object) -> object:
    """A value as a CSV cell: text that a spreadsheet would compute is quoted, a figure that is not known is empty."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
