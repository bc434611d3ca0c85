"""Poison is kept, told once, and deleted only after that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.records import Container, Queue
from shared.core.errors import TransientError
from shared.ports import QueueState, QueueText
from shared.stages.account.poison import DRAIN_AT, DRAIN_MIN, HIDDEN, clear, drain
from shared.stages.base.incidents import REDRIVEN
from tests.support.orders import ON
from tests.support.ports import FakePorts, fake_ports

AT = datetime(2025, 10, 15, 14, 31, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class HandQueues:
    """Poison queues in memory. `broken` cannot be reached; what is taken is hidden as the real ones hide it."""

    texts: dict[str, list[bytes]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    requests: int = 0

    def state(self, queue: str) -> QueueState:
        return QueueState(count=len(self.texts.get(queue, ())))

    def take(self, queue: str, *, hidden: timedelta) -> Sequence[QueueText]:
        assert hidden == HIDDEN
        self.requests += 1
        if queue in self.broken:
            raise TransientError(f"take from queue {queue}")
        return [QueueText(data=data, receipt=(str(n), "r")) for n, data in enumerate(self.texts.get(queue, ()))]

    def delete(self, queue: str, taken: QueueText) -> None:
        if "delete" in self.broken:
            raise TransientError(f"delete from queue {queue}")
        self.texts[queue].remove(taken.data)


def poison(ports: FakePorts) -> list[str]:
    return [str(row["blob"]) for row in ports.rows("incidents", ON).values()]


def test_poison_of_every_queue_is_kept_told_and_deleted_after_it() -> None:
    ports, queues = fake_ports(AT), HandQueues({f"{queue}-poison": [f"bad {queue}".encode()] for queue in Queue})
    drained = drain(ports, queues, AT)
    assert {blob.split("/")[1] for blob in poison(ports)} == {f"{queue}-poison" for queue in Queue}
    assert {ports.blobs.get(Container.QUARANTINE, blob).value for blob in poison(ports)} == {  # type: ignore[union-attr]
        f"bad {queue}".encode() for queue in Queue
    }
    assert sum(map(len, queues.texts.values())) == len(Queue)
    clear(queues, drained)
    assert sum(map(len, queues.texts.values())) == 0


def test_poison_among_notices_is_recorded_and_not_told() -> None:
    ports, queues = fake_ports(AT), HandQueues({"notices-poison": [b"x"], "signals-poison": [b"x"]})
    assert [each.kind for each in drain(ports, queues, AT).notices] == ["poison"]  # type: ignore[union-attr]
    assert len(poison(ports)) == 2


def test_a_crash_before_the_deletion_records_and_tells_no_second_time() -> None:
    ports, queues = fake_ports(AT), HandQueues({"signals-poison": [b"x"]})
    assert len(drain(ports, queues, AT).notices) == 1  # and then the process dies
    ports.clock.pass_by(DRAIN_MIN * MINUTE)
    again = drain(ports, queues, AT + DRAIN_MIN * MINUTE)
    assert again.notices == ()
    assert len(poison(ports)) == 1
    clear(queues, again)
    assert queues.texts == {"signals-poison": []}


def test_a_deletion_that_fails_leaves_the_message_to_the_next_sweep() -> None:
    ports, queues = fake_ports(AT), HandQueues({"signals-poison": [b"x"]}, broken={"delete"})
    clear(queues, drain(ports, queues, AT))
    assert queues.texts == {"signals-poison": [b"x"]}
    queues.broken.clear()
    clear(queues, drain(ports, queues, AT + DRAIN_MIN * MINUTE))
    assert queues.texts == {"signals-poison": []}
    assert len(poison(ports)) == 1


def test_a_queue_that_cannot_be_read_does_not_silence_what_was_found_before_it() -> None:
    ports, queues = fake_ports(AT), HandQueues({"candidates-poison": [b"x"]}, broken={"signals-poison"})
    drained = drain(ports, queues, AT)
    assert (len(drained.notices), len(drained.taken)) == (1, 1)


def test_poison_that_was_sent_back_and_failed_again_is_told_again() -> None:
    ports, queues = fake_ports(AT), HandQueues({"signals-poison": [b"x"]})
    clear(queues, drain(ports, queues, AT))
    ((key, row),) = ports.tables.query("incidents", str(ON))
    ports.tables.put("incidents", str(ON), key, {**row, "status": REDRIVEN})
    queues.texts["signals-poison"].append(b"x")
    assert len(drain(ports, queues, AT + DRAIN_MIN * MINUTE).notices) == 1


@pytest.mark.parametrize("minute", range(10))
def test_empty_queues_cost_one_request_each_every_fifth_minute(minute: int) -> None:
    queues = HandQueues()
    drain(fake_ports(AT), queues, AT.replace(minute=minute))
    assert queues.requests == (len(Queue) if minute % DRAIN_MIN == DRAIN_AT else 0)
