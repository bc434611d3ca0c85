"""Queues seen from outside: how many lie there, since when, and nothing taken out."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from azure.storage.queue import QueueServiceClient

from shared.adapters.queues import AT_ONCE, AzureQueues
from shared.contracts.settings import StorageSettings
from shared.core.errors import TransientError

HOUR = timedelta(hours=1)


def test_a_queue_is_counted_and_left_as_it_is(storage: str) -> None:
    with QueueServiceClient.from_connection_string(storage) as service:
        queue = service.create_queue("signals")
        gauge = AzureQueues(StorageSettings(connection=storage))
        assert (gauge.state("signals").count, gauge.state("signals").oldest_at) == (0, None)
        first = queue.send_message("one")
        queue.send_message("two")
        for _ in range(2):
            found = gauge.state("signals")
            assert (found.count, found.oldest_at) == (2, first.inserted_on)
        assert found.oldest_at is not None
        assert found.oldest_at.utcoffset() == UTC.utcoffset(None)
        queue.receive_message(visibility_timeout=60)
        assert gauge.state("signals").count == 2


def test_a_queue_that_does_not_exist_yet_is_empty(storage: str) -> None:
    assert AzureQueues(StorageSettings(connection=storage)).state("never-made").count == 0


def test_a_store_that_does_not_answer_is_said_so() -> None:
    nowhere = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:1/a;"
    with pytest.raises(TransientError, match="queue signals"):
        AzureQueues(StorageSettings(connection=nowhere)).state("signals")


def test_what_is_taken_is_hidden_until_it_is_deleted_or_comes_back(storage: str) -> None:
    with QueueServiceClient.from_connection_string(storage) as service:
        queue = service.create_queue("signals-poison")
        queues = AzureQueues(StorageSettings(connection=storage))
        assert queues.take("signals-poison", hidden=HOUR) == []
        for text in ("not base64!", "ümlaut"):
            queue.send_message(text)
        first, second = queues.take("signals-poison", hidden=HOUR)
        assert (first.data, second.data) == (b"not base64!", "ümlaut".encode())
        assert queues.take("signals-poison", hidden=HOUR) == []
        queues.delete("signals-poison", first)
        queues.delete("signals-poison", first)
        assert queues.state("signals-poison").count == 1
        queue.update_message(*second.receipt, visibility_timeout=0)
        (back,) = queues.take("signals-poison", hidden=HOUR)
        assert back.data == second.data


def test_one_request_takes_as_many_as_azure_gives(storage: str) -> None:
    with QueueServiceClient.from_connection_string(storage) as service:
        queue = service.create_queue("signals-poison")
        for number in range(AT_ONCE + 1):
            queue.send_message(str(number))
        queues = AzureQueues(StorageSettings(connection=storage))
        assert [len(queues.take("signals-poison", hidden=HOUR)) for _ in range(3)] == [AT_ONCE, 1, 0]


def test_nothing_is_taken_from_a_queue_that_does_not_exist_yet(storage: str) -> None:
    assert AzureQueues(StorageSettings(connection=storage)).take("never-made", hidden=HOUR) == ()
