"""Azure storage that is missing, refuses, is busy or out of reach."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from sandbox.azurite import Azurite, connection_string
from shared.adapters.blobs import AzureBlobs
from shared.adapters.storage_rules import MAX_TEXT_CHARACTERS
from shared.adapters.tables import AzureTables
from shared.contracts.settings import StorageSettings
from shared.core.errors import ContractError, TransientError
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server

pytest_plugins = ["tests.support.azurite"]


class AzureStores:
    def __init__(self, connection: str) -> None:
        where = StorageSettings(connection=connection)
        self.tables = AzureTables(where)
        self.blobs = AzureBlobs(where)


@pytest.fixture(scope="module")
def connection(azurite: Azurite, _free_accounts: Iterator[str]) -> str:
    """An account that only this module uses."""
    return connection_string(azurite.ports, next(_free_accounts))


def test_ensure_creates_what_is_missing_and_may_be_repeated(connection: str) -> None:
    stores = AzureStores(connection)
    for _ in range(2):
        stores.tables.ensure(["runs", "orders"])
        stores.blobs.ensure(["models", "cases"])
    assert list(stores.tables.query("runs", "p")) == []
    assert list(stores.blobs.names("models", "")) == []


def test_storage_that_does_not_listen_is_a_transient_error_that_says_what_was_tried(connection: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    account, key = (
        connection.split(f"{part}=", 1)[1].split(";", maxsplit=1)[0] for part in ("AccountName", "AccountKey")
    )
    base = f"http://127.0.0.1:{port}/{account}"
    dead = AzureStores(f"AccountName={account};AccountKey={key};BlobEndpoint={base};TableEndpoint={base};")
    with pytest.raises(TransientError, match=r"insert \(p, k\) into table runs"):
        dead.tables.insert("runs", "p", "k", {})
    with pytest.raises(TransientError, match="insert models/a"):
        dead.blobs.insert("models", "a", b"")


def test_a_wrong_key_is_no_message_s_fault_and_therefore_transient(connection: str) -> None:
    key = connection.split("AccountKey=", 1)[1].split(";", maxsplit=1)[0]
    stranger = AzureStores(connection.replace(key, "AAAA" + key[4:]))
    with pytest.raises(TransientError, match="HTTP 403"):
        stranger.tables.get("runs", "p", "k")
    with pytest.raises(TransientError, match="HTTP 403"):
        stranger.blobs.get("models", "a")


def test_a_row_over_a_mebibyte_breaks_the_contract(connection: str) -> None:
    huge = {f"c{n}": "x" * MAX_TEXT_CHARACTERS for n in range(60)}
    with pytest.raises(ContractError, match="put"):
        AzureStores(connection).tables.put("runs", "p", "huge", huge)


def scripted(server: ScriptedServer) -> AzureStores:
    base = f"{server.url}/account"
    return AzureStores(f"AccountName=account;AccountKey=a2V5;BlobEndpoint={base};TableEndpoint={base};")


BUSY = Answer("", 503, {"x-ms-error-code": "ServerBusy"})


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_storage_that_cannot_answer_now_is_transient_and_a_conditional_write_is_sent_once(status: int) -> None:
    with scripted_server() as server:
        stores = scripted(server)
        writes: list[Callable[[], object]] = [
            lambda: stores.tables.insert("runs", "p", "k", {}),
            lambda: stores.tables.replace("runs", "p", "k", {}, "etag"),
            lambda: stores.blobs.insert("models", "a", b""),
            lambda: stores.blobs.replace("models", "a", b"", "etag"),
        ]
        for number, write in enumerate(writes, start=1):
            server.will_answer(Answer("", status))
            with pytest.raises(TransientError, match=f"HTTP {status}"):
                write()
            assert len(server.asked) == number


def test_a_read_is_repeated_before_it_is_given_up() -> None:
    with scripted_server() as server:
        server.will_answer(BUSY, {"PartitionKey": "p", "RowKey": "k", "odata.etag": "W/1", "n": 1})
        stored = scripted(server).tables.get("runs", "p", "k")
        assert stored is not None
        assert (stored.value, stored.etag) == ({"n": 1}, "W/1")
        assert len(server.asked) == 2
        server.will_answer(BUSY, BUSY, BUSY, BUSY)
        with pytest.raises(TransientError, match="HTTP 503 ServerBusy"):
            scripted(server).tables.get("runs", "p", "k")
        assert len(server.asked) == 5


def test_the_storage_sdk_does_not_fill_the_log(connection: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stores = AzureStores(connection)
    stores.tables.put("runs", "p", "k", {"n": 1})
    stores.blobs.put("models", "a", b"1")
    stores.tables.get("runs", "p", "k")
    stores.blobs.get("models", "a")
    assert caplog.records == []
