"""Rows become parquet with the types that their columns' names promise."""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from shared.adapters.export import ParquetRows
from shared.core.errors import ContractError
from shared.ports import Row

ON = date(2025, 10, 15)


def exported(*rows: Row) -> Any:
    pairs = [(f"key-{k}", row) for k, row in enumerate(rows)]
    return pq.read_table(io.BytesIO(ParquetRows().parquet(ON, pairs)))


def test_names_decide_on_money_and_instants() -> None:
    table = exported({"limit_usd": "10.01", "at": "2025-10-15T14:00:00Z", "made_at": "2025-10-15T14:00:00.5Z"})
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "day": "date32[day]",
        "row_key": "string",
        "limit_usd": "double",
        "at": "timestamp[us]",
        "made_at": "timestamp[us]",
    }
    (row,) = table.to_pylist()
    assert (row["limit_usd"], row["at"], row["day"]) == (10.01, datetime(2025, 10, 15, 14, 0), ON)  # noqa: DTZ001


def test_other_columns_keep_their_type_and_absence_is_null() -> None:
    table = exported({"seq": 1, "is_on": True, "name": "x", "edge": 0.5}, {"seq": None, "edge": 1.0})
    absent = dict.fromkeys(("seq", "is_on", "name"))
    assert table.to_pylist()[1] == {"day": ON, "row_key": "key-1", **absent, "edge": 1.0}


def test_whole_numbers_among_fractions_are_fractions() -> None:
    assert exported({"edge": 1}, {"edge": 0.5})["edge"].to_pylist() == [1.0, 0.5]


def test_a_column_without_a_value_is_left_out() -> None:
    assert exported({"note": None, "seq": 1}).column_names == ["day", "row_key", "seq"]


@pytest.mark.parametrize("row", [{"limit_usd": "ten"}, {"made_at": "yesterday"}])
def test_text_that_its_name_forbids_is_refused_with_its_column(row: Row) -> None:
    (name,) = row
    with pytest.raises(ContractError, match=f"column {name} of 2025-10-15"):
        exported(row)


def test_values_without_a_common_type_are_refused() -> None:
    with pytest.raises(ContractError, match=r"column seq .* values of int, str"):
        exported({"seq": 1}, {"seq": "one"})
