"""What went wrong is kept, told once, and what cannot be read keeps its bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.messages import Notice, Severity
from shared.core.ids import digest
from shared.stages.base.incidents import poisoned, quarantine, record_incident
from shared.stages.base.notices import TIME_TO_LIVE, notice
from shared.stages.notify import notify
from tests.support.orders import NOW, ON
from tests.support.ports import FakePorts, fake_ports


def incident(ports: FakePorts, key: str = "k", body: str = "b") -> list[Notice]:
    return record_incident(ports, ON, key, now=ports.clock.now(), kind="test", title="t", body=body)


def test_an_incident_is_recorded_and_told_once() -> None:
    ports = fake_ports(NOW)
    (told,) = incident(ports)
    assert isinstance(told, Notice)
    assert (told.kind, told.severity) == ("test", Severity.CRITICAL)
    assert incident(ports) == []
    assert ports.rows("incidents", ON)["k"]["status"] == "open"


def test_a_long_story_is_cut_to_what_row_and_notice_hold() -> None:
    ports = fake_ports(NOW)
    (told,) = record_incident(ports, ON, "k", now=NOW, kind="test", title="t" * 300, body="b" * 20_000)
    assert isinstance(told, Notice)
    assert (len(told.title), len(told.body)) == (200, 8000)


def test_quarantine_keeps_bytes_and_reason() -> None:
    ports = fake_ports(NOW)
    data = b"\x00\xffnot json"
    (told,) = quarantine(ports, "signals", data, "not JSON: at byte 0")
    name = f"{ON}/signals/{digest(data)}"
    kept, why = ports.blobs.get("quarantine", name), ports.blobs.get("quarantine", f"{name}.reason.txt")
    assert kept is not None
    assert why is not None
    assert (kept.value, why.value) == (data, b"not JSON: at byte 0")
    (row,) = ports.rows("incidents", ON).values()
    assert (row["kind"], row["body"], row["blob"]) == ("quarantine", "not JSON: at byte 0", name)
    assert isinstance(told, Notice)
    assert told.title == "Quarantined a message of signals"


def test_the_same_bytes_are_one_incident_a_day_in_each_queue() -> None:
    ports = fake_ports(NOW)
    for keep in (quarantine, lambda ports, source, data, _: poisoned(ports, source, data)):
        assert len(keep(ports, "signals", b"x", "bad")) == 1
        ports.clock.pass_by(timedelta(seconds=1))
        assert keep(ports, "signals", b"x", "bad") == []
        assert len(keep(ports, "notices", b"x", "bad")) == 1


@given(data=st.binary(max_size=200), reason=st.text(st.characters(codec="utf-8"), max_size=50))
def test_whatever_bytes_come_can_be_kept(data: bytes, reason: str) -> None:
    ports = fake_ports(NOW)
    quarantine(ports, "candidates", data, reason)
    stored = ports.blobs.get("quarantine", f"{ON}/candidates/{digest(data)}")
    assert stored is not None
    assert stored.value == data


def test_poison_is_kept_so_that_it_can_be_sent_back() -> None:
    ports = fake_ports(NOW)
    (told,) = poisoned(ports, "order-intents", b"{}")
    (row,) = ports.rows("incidents", ON).values()
    stored = ports.blobs.get("quarantine", str(row["blob"]))
    assert stored is not None
    assert (stored.value, row["kind"]) == (b"{}", "poison")
    assert isinstance(told, Notice)
    assert str(row["blob"]) in told.body


def test_an_incident_late_in_the_utc_day_is_booked_under_the_new_york_date() -> None:
    ports = fake_ports(datetime(2025, 10, 16, 2, 0, tzinfo=UTC))
    poisoned(ports, "signals", b"x")
    assert len(ports.rows("incidents", ON)) == 1


def test_the_same_notice_has_the_same_id() -> None:
    def made(title: str = "t", cause: str = "c") -> str:
        found = notice(NOW, kind="k", severity=Severity.INFO, title=title, body="b", cause=cause)
        return found.message_id

    assert made() == made()
    assert len({made(), made(title="u"), made(cause="d")}) == 3


def test_a_notice_is_sent_until_it_is_too_old_to_matter() -> None:
    ports = fake_ports(NOW)
    told = notice(NOW, kind="k", severity=Severity.INFO, title="t", body="b", cause="c")
    ports.clock.at = NOW + TIME_TO_LIVE - timedelta(seconds=1)
    notify(told, ports)
    ports.clock.at = NOW + TIME_TO_LIVE
    notify(told, ports)
    assert ports.notifier.sent == [told]
