"""One suite for every table and blob store: Azure's own SDK against Azurite, and the ones in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.azurite import Azurite, connection_string
from shared.adapters.blobs import AzureBlobs
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.adapters.storage_rules import MAX_TEXT_CHARACTERS, key_of, symbol_of
from shared.adapters.tables import AzureTables
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.ports import BlobStore, Cell, TableStore

pytest_plugins = ["tests.support.azurite"]

BAD_KEYS = ["", "a/b", "a\\b", "a#b", "a?b", "a%b", "a\x00b", "a\x1fb", "a\x7fb", "a\x85b", "k" * 513]
BAD_NAMES = ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\\b", "a\nb", "x" * 1025, "a."]


class Stores(Protocol):
    @property
    def tables(self) -> TableStore: ...

    @property
    def blobs(self) -> BlobStore: ...


class MemoryStores:
    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.blobs = MemoryBlobs()


class AzureStores:
    def __init__(self, connection: str) -> None:
        where = StorageSettings(connection=connection)
        self.tables = AzureTables(where)
        self.blobs = AzureBlobs(where)


@pytest.fixture(scope="module")
def connection(azurite: Azurite, _free_accounts: Iterator[str]) -> str:
    """An account that only this module uses."""
    return connection_string(azurite.ports, next(_free_accounts))


@pytest.fixture(scope="module", params=["azurite", "memory"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        return MemoryStores()
    return AzureStores(request.getfixturevalue("connection"))


@pytest.fixture
def tables(stores: Stores) -> TableStore:
    return stores.tables


@pytest.fixture
def blobs(stores: Stores) -> BlobStore:
    return stores.blobs


@pytest.fixture
def table() -> str:
    """A table that does not exist yet."""
    return "t" + uuid.uuid4().hex


@pytest.fixture
def container() -> str:
    """A container that does not exist yet."""
    return "c-" + uuid.uuid4().hex


def test_a_missing_table_reads_as_empty_and_a_write_creates_it(tables: TableStore, table: str) -> None:
    assert tables.get(table, "p", "k") is None
    assert list(tables.query(table, "p")) == []
    assert tables.insert(table, "p", "k", {"n": 1})
    stored = tables.get(table, "p", "k")
    assert stored is not None
    assert stored.value == {"n": 1}


@pytest.mark.parametrize("how", ["put", "put_many"])
def test_every_unconditional_write_creates_a_missing_table(tables: TableStore, table: str, how: str) -> None:
    if how == "put":
        tables.put(table, "p", "k", {"n": 1})
    else:
        tables.put_many(table, "p", {"k": {"n": 1}})
    assert list(tables.query(table, "p")) == [("k", {"n": 1})]


def test_an_insert_of_an_existing_row_changes_nothing_and_says_so(tables: TableStore, table: str) -> None:
    assert tables.insert(table, "p", "k", {"n": 1})
    assert not tables.insert(table, "p", "k", {"n": 2})
    stored = tables.get(table, "p", "k")
    assert stored is not None
    assert stored.value == {"n": 1}


def test_of_many_racing_inserts_exactly_one_wins(tables: TableStore, table: str) -> None:
    tables.put(table, "p", "other", {})
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: tables.insert(table, "p", "k", {"n": n}), range(8)))
    assert won.count(True) == 1
    stored = tables.get(table, "p", "k")
    assert stored is not None
    assert stored.value == {"n": won.index(True)}


def test_put_replaces_the_whole_row(tables: TableStore, table: str) -> None:
    tables.put(table, "p", "k", {"a": 1, "b": 2})
    tables.put(table, "p", "k", {"a": 3})
    stored = tables.get(table, "p", "k")
    assert stored is not None
    assert stored.value == {"a": 3}


def test_a_replace_under_the_tag_it_read_succeeds_and_under_an_old_one_conflicts(
    tables: TableStore, table: str
) -> None:
    tables.put(table, "p", "k", {"n": 1})
    first = tables.get(table, "p", "k")
    assert first is not None
    tables.replace(table, "p", "k", {"n": 2}, first.etag)
    with pytest.raises(ConflictError, match="replace"):
        tables.replace(table, "p", "k", {"n": 3}, first.etag)
    second = tables.get(table, "p", "k")
    assert second is not None
    assert second.value == {"n": 2}
    assert second.etag != first.etag


def test_a_put_moves_the_tag(tables: TableStore, table: str) -> None:
    tables.put(table, "p", "k", {"n": 1})
    first = tables.get(table, "p", "k")
    assert first is not None
    tables.put(table, "p", "k", {"n": 1})
    with pytest.raises(ConflictError):
        tables.replace(table, "p", "k", {"n": 2}, first.etag)


def test_a_replace_of_a_missing_row_conflicts(tables: TableStore, table: str) -> None:
    tables.put(table, "p", "k", {"n": 1})
    stored = tables.get(table, "p", "k")
    assert stored is not None
    with pytest.raises(ConflictError):
        tables.replace(table, "p", "gone", {"n": 2}, stored.etag)


def test_put_many_writes_more_rows_than_one_transaction_takes(tables: TableStore, table: str) -> None:
    rows = {f"k{n:04}": {"n": n} for n in range(230)}
    tables.put_many(table, "p", rows)
    tables.put_many(table, "p", {"k0007": {"n": -7}})
    assert dict(tables.query(table, "p")) == {**rows, "k0007": {"n": -7}}


def test_put_many_writes_more_bytes_than_one_transaction_takes(tables: TableStore, table: str) -> None:
    rows = {f"k{n:03}": {f"c{c}": "x" * 30_000 for c in range(4)} for n in range(40)}
    tables.put_many(table, "p", rows)
    assert dict(tables.query(table, "p")) == rows


def test_put_many_of_nothing_does_nothing(tables: TableStore, table: str) -> None:
    tables.put_many(table, "p", {})
    assert list(tables.query(table, "p")) == []


def test_a_query_gives_a_half_open_range_of_one_partition_in_key_order(tables: TableStore, table: str) -> None:
    for key in ("b", "d", "a", "c", "B", "é", "a'q"):
        tables.put(table, "p", key, {"key": key})
    tables.put(table, "q", "b", {"key": "other partition"})
    assert [key for key, _ in tables.query(table, "p")] == ["B", "a", "a'q", "b", "c", "d", "é"]
    assert list(tables.query(table, "p", key_from="b", key_to="d")) == [("b", {"key": "b"}), ("c", {"key": "c"})]
    assert [key for key, _ in tables.query(table, "p", key_from="c")] == ["c", "d", "é"]
    assert [key for key, _ in tables.query(table, "p", key_to="a'q")] == ["B", "a"]
    assert list(tables.query(table, "p", key_from="d", key_to="b")) == []


def test_a_query_gives_the_columns_asked_for_of_rows_that_have_them(tables: TableStore, table: str) -> None:
    tables.put(table, "p", "a", {"edge": 0.1, "faults": "", "slot": "0930"})
    tables.put(table, "p", "b", {"wide": 2**40, "slot": "0935"})
    assert list(tables.query(table, "p", columns=("edge", "wide"))) == [("a", {"edge": 0.1}), ("b", {"wide": 2**40})]
    assert list(tables.query(table, "p", key_from="b", columns=("slot",))) == [("b", {"slot": "0935"})]


def test_a_query_reads_on_past_one_page(tables: TableStore, table: str) -> None:
    rows = {f"{n:05}": {"n": n} for n in range(1100)}
    tables.put_many(table, "p", rows)
    assert list(tables.query(table, "p")) == sorted(rows.items())


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(row=st.dictionaries(st.from_regex(r"[a-z_][A-Za-z0-9_]{0,20}", fullmatch=True), CELLS, max_size=8))
def test_every_row_comes_back_as_it_was_written_without_its_nones(tables: TableStore, row: dict[str, Cell]) -> None:
    written = {name: cell for name, cell in row.items() if cell is not None}
    tables.put("roundtrip", "p", "k", row)
    stored = tables.get("roundtrip", "p", "k")
    assert stored is not None
    assert stored.value == written
    assert {name: type(cell) for name, cell in stored.value.items()} == {n: type(c) for n, c in written.items()}


@pytest.mark.parametrize(
    "cell",
    [
        float("nan"),
        float("inf"),
        2**63,
        -(2**63) - 1,
        "x" * (MAX_TEXT_CHARACTERS + 1),
        b"bytes",
        [1],
    ],
    ids=["nan", "inf", "2**63", "-2**63-1", "long text", "bytes", "list"],
)
@pytest.mark.parametrize("how", ["insert", "put", "replace", "put_many"])
def test_a_cell_that_cannot_be_stored_is_refused_by_name(tables: TableStore, table: str, cell: Cell, how: str) -> None:
    row = {"fine": 1, "price": cell}
    writes: dict[str, Callable[[], object]] = {
        "insert": lambda: tables.insert(table, "p", "k", row),
        "put": lambda: tables.put(table, "p", "k", row),
        "replace": lambda: tables.replace(table, "p", "k", row, "etag"),
        "put_many": lambda: tables.put_many(table, "p", {"k": row}),
    }
    with pytest.raises(ValueError, match="price must be"):
        writes[how]()
    assert tables.get(table, "p", "k") is None


@pytest.mark.parametrize("name", ["PartitionKey", "RowKey", "Timestamp", "with space", "a-b", "", "1a"])
def test_a_cell_name_that_azure_reserves_or_forbids_is_refused(tables: TableStore, table: str, name: str) -> None:
    with pytest.raises(ValueError, match="cell name"):
        tables.put(table, "p", "k", {name: 1})


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_forbidden_key_is_refused_before_anything_is_sent(tables: TableStore, table: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"^key must be"):
        tables.put(table, "p", key, {"n": 1})
    with pytest.raises(ValueError, match=r"^partition must be"):
        tables.insert(table, key, "k", {"n": 1})
    with pytest.raises(ValueError, match=r"^key must be"):
        tables.get(table, "p", key)
    with pytest.raises(ValueError, match=r"^partition must be"):
        list(tables.query(table, key))


def test_the_forbidden_characters_are_named(tables: TableStore) -> None:
    with pytest.raises(ValueError, match=r"free of '#' '/'"):
        tables.put("runs", "p", "a/b#c", {})


@pytest.mark.parametrize("name", ["ab", "1ab", "a-b", "a_b", "x" * 64, ""])
def test_a_bad_table_name_is_refused(tables: TableStore, name: str) -> None:
    with pytest.raises(ValueError, match="table must be"):
        tables.put(name, "p", "k", {})


@pytest.mark.parametrize("symbol", ["BTC/USD", "BRK.B", "AAPL", "BF-A"])
def test_a_symbol_stands_in_a_key_and_comes_back(tables: TableStore, table: str, symbol: str) -> None:
    tables.put(table, "p", key_of(symbol), {"n": 1})
    assert [symbol_of(key) for key, _ in tables.query(table, "p")] == [symbol]


def test_a_missing_container_reads_as_empty_and_a_write_creates_it(blobs: BlobStore, container: str) -> None:
    assert blobs.get(container, "a/b.json") is None
    assert list(blobs.names(container, "")) == []
    blobs.put(container, "a/b.json", b"1")
    stored = blobs.get(container, "a/b.json")
    assert stored is not None
    assert stored.value == b"1"


def test_an_insert_into_a_missing_container_creates_it(blobs: BlobStore, container: str) -> None:
    assert blobs.insert(container, "a", b"1")
    assert not blobs.insert(container, "a", b"2")
    stored = blobs.get(container, "a")
    assert stored is not None
    assert stored.value == b"1"


def test_a_blob_replaced_under_an_old_tag_conflicts(blobs: BlobStore, container: str) -> None:
    blobs.put(container, "a", b"1")
    first = blobs.get(container, "a")
    assert first is not None
    blobs.replace(container, "a", b"2", first.etag)
    with pytest.raises(ConflictError, match="replace"):
        blobs.replace(container, "a", b"3", first.etag)
    with pytest.raises(ConflictError):
        blobs.replace(container, "gone", b"3", first.etag)
    second = blobs.get(container, "a")
    assert second is not None
    assert second.value == b"2"


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"x" * 300_000], ids=["empty", "binary", "large"])
def test_bytes_come_back_as_they_were_written(blobs: BlobStore, container: str, data: bytes) -> None:
    blobs.put(container, "b", b"before")
    blobs.put(container, "b", data)
    stored = blobs.get(container, "b")
    assert stored is not None
    assert stored.value == data


def test_names_are_sorted_and_filtered_by_prefix(blobs: BlobStore, container: str) -> None:
    for name in ("2025-01-03/b", "2025-01-02/a", "2025-01-03/a", "é ☃/a%b?c#d", "B"):
        blobs.put(container, name, b"")
    assert list(blobs.names(container, "2025-01-03/")) == ["2025-01-03/a", "2025-01-03/b"]
    assert list(blobs.names(container, "")) == ["2025-01-02/a", "2025-01-03/a", "2025-01-03/b", "B", "é ☃/a%b?c#d"]
    assert list(blobs.names(container, "none")) == []


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_blob_name_is_refused_before_anything_is_sent(blobs: BlobStore, container: str, name: str) -> None:
    with pytest.raises(ValueError, match="blob name"):
        blobs.put(container, name, b"")
    with pytest.raises(ValueError, match="blob name"):
        blobs.insert(container, name, b"")
    with pytest.raises(ValueError, match="blob name"):
        blobs.get(container, name)


@pytest.mark.parametrize("name", ["ab", "Abc", "a_b", "a--b", "-abc", "abc-", "x" * 64])
def test_a_bad_container_name_is_refused(blobs: BlobStore, name: str) -> None:
    with pytest.raises(ValueError, match="container must be"):
        blobs.put(name, "a", b"")
