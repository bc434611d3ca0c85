"""Jobs by hand, models rolled back, messages sent back: the parts that need no host."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.contracts.model_card import SIGNAL_CLASSES, Champion, Reign
from shared.contracts.openapi.routes import RUNNABLE
from shared.core.errors import TransientError
from shared.core.schedule import Job
from shared.stages.base.runs import run_now
from shared.stages.operator.jobs import RUNS
from shared.stages.operator.redrive import redrive
from shared.stages.operator.rollback import roll_back
from tests.support.orders import NOW, ON
from tests.support.people import call
from tests.support.ports import FakePorts, card, fake_ports
from training import publish

PATHS = ["../../models/signal/champion.json", "poison/../x", "a\\b"]


def test_every_job_that_the_api_offers_can_be_run_and_no_other() -> None:
    assert {job.value for job in RUNS} == set(RUNNABLE)


def test_a_slot_runs_once_by_hand_and_again_a_minute_later() -> None:
    ports = fake_ports(NOW)
    ran: list[str] = []
    for minutes in (0, 0, 1):
        ports.clock.pass_by(timedelta(minutes=minutes))
        run_now(ports, Job.NEWS_SCAN, lambda slot: ran.append(slot.key) or [])  # type: ignore[func-returns-value]
    assert ran == ["news-scan|1000", "news-scan|1001"]
    assert {row["status"] for row in ports.rows("runs", ON).values()} == {"done"}


def test_a_run_that_fails_is_recorded_as_failed() -> None:
    ports = fake_ports(NOW)

    def fail(slot: object) -> list[object]:
        raise TransientError("market is away")

    with pytest.raises(TransientError):
        run_now(ports, Job.NEWS_SCAN, fail)  # type: ignore[arg-type]
    assert ports.rows("runs", ON)["news-scan|1000"]["status"] == "failed"


def test_on_a_holiday_no_job_runs() -> None:
    ports = fake_ports(NOW + timedelta(days=3))
    assert run_now(ports, Job.NEWS_SCAN, lambda slot: []) is None


def with_champion(*past: str, fault: str = "") -> FakePorts:
    """A champion `now` and those before it, each with a card."""
    ports = fake_ports(NOW)
    reigns = tuple(Reign(version=v, promoted_at=NOW, ended_at=NOW, fault=fault) for v in past)
    made = Champion(name="signal", version="now", promoted_at=NOW, past=reigns)
    ports.blobs.put("models", "signal/champion.json", ports.codec.encode(made).encode())
    for version in ("now", *past):
        put_card(ports, version)
    return ports


def put_card(ports: FakePorts, version: str, expires_on: date = ON) -> None:
    found = replace(card("signal", SIGNAL_CLASSES, version), expires_on=expires_on)
    ports.blobs.put("models", f"signal/{version}/card.json", ports.codec.encode(found).encode())


def champion(ports: FakePorts) -> Champion:
    stored = ports.blobs.get("models", "signal/champion.json")
    assert stored is not None
    return ports.codec.decode(Champion, stored.value)


def test_a_rollback_goes_back_one_and_marks_what_it_left() -> None:
    ports = with_champion("one", "two")
    assert roll_back(ports, call("roll-back", name="signal", version="now")).status == 200
    found = champion(ports)
    assert (found.version, found.past[-1].version, found.past[-1].fault) == (
        "two",
        "now",
        "rolled back by me: odd prices",
    )
    assert roll_back(ports, call("roll-back", name="signal", version="two")).status == 200
    assert champion(ports).version == "one"
    assert roll_back(ports, call("roll-back", name="signal", version="one")).status == 409


def test_a_rollback_passes_over_what_was_at_fault_or_is_gone() -> None:
    assert roll_back(with_champion("bad", fault="drift"), call("roll-back", name="signal", version="now")).status == 409
    ports = with_champion("one")
    ports.blobs.put("models", "signal/champion.json", ports.codec.encode(gone(champion(ports))).encode())
    assert roll_back(ports, call("roll-back", name="signal", version="now")).body["version"] == "one"


def test_a_rollback_passes_over_what_has_expired_as_the_registry_does() -> None:
    ports, same = with_champion("one", "two"), with_champion("one", "two")
    for each in (ports, same):
        put_card(each, "two", expires_on=ON - timedelta(days=1))
    assert roll_back(ports, call("roll-back", name="signal", version="now")).body["version"] == "one"
    assert publish.roll_back(same.blobs, "signal", "now", at=NOW, fault="drift", on=ON).version == "one"


def gone(found: Champion) -> Champion:
    last = Reign(version="gone", promoted_at=NOW, ended_at=NOW)
    return Champion(name="signal", version="now", promoted_at=NOW, past=(*found.past, last))


def test_a_rollback_sent_twice_goes_back_once() -> None:
    ports = with_champion("one", "two")
    asked = call("roll-back", name="signal", version="now")
    assert [roll_back(ports, asked).status for _ in range(2)] == [200, 409]
    assert champion(ports).version == "two"


@pytest.mark.parametrize("path", PATHS)
def test_an_incident_cannot_lead_out_of_quarantine(path: str) -> None:
    ports = fake_ports(NOW)
    ports.blobs.put("models", "signal/champion.json", b"secret")
    row = {"kind": "poison", "blob": path, "status": "open"}
    ports.tables.put("incidents", str(ON), "poison|signals|0123", row)
    asked = call("poison-redrive", on=str(ON), incident="poison|signals|0123")
    try:
        found = redrive(ports, asked, "poison")
    except ValueError:
        return  # the store refuses the name
    assert found.reply.status == 404
    assert not found.text


@pytest.mark.parametrize("key", ["poison|controls|0123", "broker-down|10|0123", "poison|signals-poison|01"])
def test_only_a_message_of_a_queue_can_be_sent_back(key: str) -> None:
    ports = fake_ports(NOW)
    ports.tables.put("incidents", str(ON), key, {"kind": "poison", "blob": "x", "status": "open"})
    assert redrive(ports, call("poison-redrive", on=str(ON), incident=key), "poison").reply.status == 409
