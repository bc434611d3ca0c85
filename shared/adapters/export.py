"""Rows of a table as parquet, for analysis outside the app.

Types follow the names that DATA_SCHEMA.md keeps to: what ends in `_usd`, and what is or ends in `qty`, is decimal text
in the table and float64 here, what is or ends in `at` a timestamp without a zone, in UTC; other columns keep their own
type. A column without a value on that day is left out: a reader that joins files by column name fills it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from shared.core.errors import ContractError
from shared.core.values import parse_utc
from shared.ports import Cell, Row

ROW_KEY, DAY = "row_key", "day"


class ParquetRows:
    """`RowExporter` on pyarrow."""

    def parquet(self, on: date, rows: Sequence[tuple[str, Row]]) -> bytes:
        """Spell (row key, row) pairs of a session date as parquet, with columns `row_key` and `day` beside theirs.

        Raises
        ------
        ContractError
            If a column holds values of types that have no common one, or text that its name forbids.
        """
        import pyarrow as pa  # noqa: PLC0415 (0.2 s that only the export pays)
        import pyarrow.parquet as pq  # noqa: PLC0415

        names = sorted({name for _, row in rows for name, cell in row.items() if cell is not None})
        columns: dict[str, Any] = {
            DAY: pa.array([on] * len(rows), pa.date32()),
            ROW_KEY: pa.array([key for key, _ in rows], pa.string()),
        }
        for name in names:
            cells = [row.get(name) for _, row in rows]
            try:
                columns[name] = _column(pa, name, cells)
            except (ValueError, pa.ArrowException) as error:
                raise ContractError(f"column {name} of {on} cannot be exported: {error}") from error
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression="zstd")
        return sink.getvalue()


def _column(pa: Any, name: str, cells: Sequence[Cell]) -> Any:
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {str} and (name == "qty" or name.endswith(("_usd", "_qty"))):
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    if kinds == {str} and (name == "at" or name.endswith("_at")):
        # Without a zone: engines then need no zone data to compare them, and nobody's local time creeps in.
        stamps = [None if cell is None else parse_utc(str(cell)).replace(tzinfo=None) for cell in cells]
        return pa.array(stamps, pa.timestamp("us"))
    if kinds <= {int, float} and len(kinds) == 2:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    if len(kinds) != 1:
        raise ValueError(f"values of {', '.join(sorted(kind.__name__ for kind in kinds))}")
    return pa.array(cells, _ARROW[next(iter(kinds))])


_ARROW: Mapping[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool"}
