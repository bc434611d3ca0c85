"""A table row that several instances change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from shared.core.errors import ConflictError, TransientError
from shared.ports import Ports, Row

ROW_TRIES = 16
"""Writers that race for a row are as many as instances; so many losses in a row mean that something else is wrong."""


def change_row(
    ports: Ports, table: str, partition: str, key: str, change: Callable[[Row | None], Row]
) -> tuple[Row | None, Row]:
    """Change a row under its ETag, or insert it. Nothing that another writer has written is lost.

    Parameters
    ----------
    change : callable
        From the row as it stands, None where there is none, to what it becomes; called anew after a lost race.

    Returns
    -------
    tuple of (row or None, row)
        Before and after.

    Raises
    ------
    TransientError
        After `ROW_TRIES` lost races.
    """
    for _ in range(ROW_TRIES):
        stored = ports.tables.get(table, partition, key)
        if stored is None:
            after = change(None)
            if ports.tables.insert(table, partition, key, after):
                return None, after
            continue
        after = change(stored.value)
        with suppress(ConflictError):
            ports.tables.replace(table, partition, key, after, stored.etag)
            return stored.value, after
    raise TransientError(f"table {table}, partition {partition}, row {key}: lost {ROW_TRIES} races")
