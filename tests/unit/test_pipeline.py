"""The main loop's own part: reading, running, starting once, and waking each lifecycle by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from shared.contracts.messages import Notice
from shared.contracts.records import Container, Queue, Table
from shared.core.errors import InvariantError, TransientError
from shared.core.order_states import OrderState, Phase
from shared.core.order_steps import restarted
from shared.pipeline import QUEUE_OF, ROUTES, Known, read, run, start_once, wake, wake_all
from shared.stages.account.reconcile import Wake
from shared.stages.order.records import order_row
from tests.support.orders import AAA, NOW, ON, PLAN, new_life
from tests.support.ports import FakePorts, fake_ports
from tests.unit.adapters.test_codec import INTENT

TOLD = Wake(on=ON, symbol=AAA, intent_id=PLAN.intent_id, event="KILL")


@dataclass
class HandLifecycles:
    """A task hub by hand."""

    state: Known = Known.NOTHING
    started: list[OrderState] = field(default_factory=list)
    told: list[Wake] = field(default_factory=list)
    fails_for: frozenset[str] = frozenset()

    def known(self, intent_id: str) -> Known:
        if intent_id in self.fails_for:
            raise TransientError("the hub does not answer")
        return self.state

    def start(self, state: OrderState) -> None:
        self.started.append(state)

    def tell(self, wake: Wake) -> None:
        self.told.append(wake)


@pytest.fixture
def ports() -> FakePorts:
    return fake_ports(NOW)


def recorded(ports: FakePorts, change: Callable[[OrderState], OrderState] = lambda state: state) -> OrderState:
    state = change(new_life().state)
    ports.tables.put(Table.ORDERS, str(ON), f"{AAA}|{PLAN.intent_id}", order_row(state, ports.codec, NOW))
    return state


def test_every_queue_has_one_route_and_every_message_one_queue() -> None:
    assert set(ROUTES) == set(Queue)
    assert len(QUEUE_OF) == len(ROUTES)


@pytest.mark.parametrize(("state", "starts"), [(Known.NOTHING, 1), (Known.RUNNING, 0), (Known.ENDED, 0)])
def test_a_lifecycle_is_started_once_whatever_became_of_it(state: Known, starts: int) -> None:
    lifecycles = HandLifecycles(state=state)
    start_once(new_life().state, lifecycles)
    assert len(lifecycles.started) == starts


def test_a_lifecycle_that_runs_is_told(ports: FakePorts) -> None:
    lifecycles = HandLifecycles(state=Known.RUNNING)
    recorded(ports)
    wake(TOLD, ports, lifecycles)
    assert (lifecycles.told, lifecycles.started) == ([TOLD], [])


@pytest.mark.parametrize("state", [Known.NOTHING, Known.ENDED])
def test_a_lifecycle_that_is_gone_starts_again_from_its_record_and_has_heard(ports: FakePorts, state: Known) -> None:
    lifecycles = HandLifecycles(state=state)
    before = recorded(ports)
    wake(TOLD, ports, lifecycles)
    (started,) = lifecycles.started
    assert started == restarted(before, "KILL") != before
    assert lifecycles.told == []


def test_an_order_that_is_over_or_unknown_is_not_started_again(ports: FakePorts) -> None:
    lifecycles = HandLifecycles()
    wake(TOLD, ports, lifecycles)
    recorded(ports, lambda state: replace(state, phase=Phase.CLOSED))
    wake(TOLD, ports, lifecycles)
    assert lifecycles.started == []


def test_one_that_cannot_be_told_keeps_no_other_from_it_and_is_recorded(ports: FakePorts) -> None:
    lifecycles = HandLifecycles(state=Known.RUNNING, fails_for=frozenset({"second"}))
    wakes = [replace(TOLD, intent_id=each) for each in ("first", "second", "third")]
    (notice,) = wake_all(wakes, ports, lifecycles)
    assert isinstance(notice, Notice)
    assert "could not be told KILL" in notice.title
    assert [each.intent_id for each in lifecycles.told] == ["first", "third"]


def test_an_error_that_nobody_expects_goes_through(ports: FakePorts) -> None:
    lifecycles = HandLifecycles(state=Known.RUNNING, fails_for=frozenset({TOLD.intent_id}))
    with pytest.raises(TransientError):
        wake_all([TOLD], ports, lifecycles, expected=())


@pytest.mark.parametrize("queue", list(Queue))
def test_what_a_queue_does_not_carry_is_quarantined_with_its_bytes(ports: FakePorts, queue: Queue) -> None:
    told = read(queue, b"not a message", ports)
    assert isinstance(told, list)
    kept, reason = ports.blobs.names(Container.QUARANTINE, "")
    assert reason == f"{kept}.reason.txt"
    assert f"/{queue}/" in kept
    stored = ports.blobs.get(Container.QUARANTINE, kept)
    assert stored is not None
    assert stored.value == b"not a message"


def test_an_intent_is_refused_where_no_lifecycle_can_be_started(ports: FakePorts) -> None:
    with pytest.raises(InvariantError, match="none can be started here"):
        run(INTENT, ports)
