"""The last stage of a notice: each channel once, retries, rests, and word of a dead channel through the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.messages import Link, Notice, Severity
from shared.core.errors import TransientError
from shared.stages.base.notices import TIME_TO_LIVE, notice
from shared.stages.notify import notify
from tests.support.orders import NOW, ON
from tests.support.ports import FakePorts, fake_ports

CHANNELS = "phone: json://phone.invalid/a; desk: json://desk.invalid/b | critical"


def told(title: str = "t", *, kind: str = "fill", severity: Severity = Severity.CRITICAL, **more: object) -> Notice:
    return notice(NOW, kind=kind, severity=severity, title=title, body="b", cause="c", **more)  # type: ignore[arg-type]


def with_channels(channels: str = CHANNELS, rate_max: int = 5) -> FakePorts:
    return fake_ports(NOW, GATEHOUSE_NOTICE_CHANNELS=channels, GATEHOUSE_NOTICE_RATE_MAX=str(rate_max))


def taken(ports: FakePorts) -> list[tuple[str, str]]:
    return [(name, words.title) for name, words in ports.notifier.delivered]


def row_of(ports: FakePorts) -> dict[str, object]:
    (row,) = ports.rows("notices", ON).values()
    return row


def until_it_rests(ports: FakePorts, message: Notice) -> list[Notice]:
    """Deliver as the queue does, ten seconds apart, until the stage lets the notice go."""
    for _ in range(5):
        try:
            return notify(message, ports)
        except TransientError:
            ports.clock.pass_by(timedelta(seconds=10))
    raise AssertionError("the notice would have become poison")


def test_without_channels_a_notice_is_logged_and_nothing_is_kept() -> None:
    ports = fake_ports(NOW)
    assert notify(told(), ports) == []
    assert len(ports.notifier.sent) == 1
    assert ports.notifier.delivered == []
    assert ports.rows("notices", ON) == {}


def test_a_notice_goes_to_every_channel_that_wants_it_and_the_row_says_so() -> None:
    ports = with_channels()
    notify(told("loud"), ports)
    notify(told("soft", severity=Severity.INFO), ports)
    assert taken(ports) == [
        ("phone", "[sandbox] CRITICAL: loud"),
        ("desk", "[sandbox] CRITICAL: loud"),
        ("phone", "[sandbox] soft"),
    ]
    fates = sorted(str(row["channels"]) for row in ports.rows("notices", ON).values())
    assert fates == ["phone=sent desk=ignored", "phone=sent desk=sent"]


def test_a_notice_that_is_delivered_again_is_sent_and_logged_once() -> None:
    ports = with_channels()
    for _ in range(3):
        notify(told(), ports)
    assert len(taken(ports)) == 2
    assert len(ports.notifier.sent) == 1


def test_links_are_below_the_text_and_never_in_the_log_or_the_row() -> None:
    ports = with_channels()
    message = told(links=(Link(label="Approve", url="https://app.example/x?sig=abc"),))
    notify(message, ports)
    assert ports.notifier.delivered[0][1].body.endswith("\n\nApprove: https://app.example/x?sig=abc")
    assert "sig=abc" not in str(ports.rows("notices", ON))


def test_a_channel_that_fails_is_tried_again_and_the_other_does_not_get_it_twice() -> None:
    ports = with_channels()
    ports.notifier.dead = {"phone"}
    with pytest.raises(TransientError, match="phone"):
        notify(told(), ports)
    assert row_of(ports)["channels"] == "phone=failed desk=sent"
    ports.notifier.dead = set()
    assert notify(told(), ports) == []
    assert [name for name, _ in taken(ports)] == ["desk", "phone"]
    assert row_of(ports)["channels"] == "phone=sent desk=sent"


def test_a_dead_channel_rests_after_three_tries_and_the_others_hear_of_it_once_an_hour() -> None:
    ports = with_channels()
    ports.notifier.dead = {"phone"}
    (word,) = until_it_rests(ports, told("first"))
    assert (word.kind, word.severity) == ("channel-down", Severity.WARNING)
    assert word.title == "Channel phone takes no notices"
    (incident,) = ports.rows("incidents", ON).values()
    assert incident["kind"] == "channel-down"
    for minute in range(20):
        ports.clock.pass_by(timedelta(minutes=1))
        assert until_it_rests(ports, told(f"later {minute}", kind=f"kind-{minute}")) == []
    ports.clock.pass_by(timedelta(hours=1))
    assert len(until_it_rests(ports, told("next hour", kind="other"))) == 1


def test_what_a_dead_channel_missed_is_told_when_it_is_back() -> None:
    ports = with_channels()
    ports.notifier.dead = {"phone"}
    until_it_rests(ports, told("missed"))
    ports.notifier.dead = set()
    ports.clock.pass_by(timedelta(hours=1))
    notify(told("heard", kind="heartbeat"), ports)
    (back,) = [words for name, words in ports.notifier.delivered if name == "phone"]
    assert back.title == "[sandbox] CRITICAL: heard"
    assert "And 1 more" in back.body
    assert "last: missed" in back.body


def test_word_of_a_dead_channel_does_not_try_that_channel() -> None:
    ports = with_channels("phone: json://a.invalid; mail: json://b.invalid")
    ports.notifier.dead = {"phone"}
    (word,) = until_it_rests(ports, told())
    assert notify(word, ports) == []
    assert taken(ports)[-1][0] == "mail"


def test_with_all_channels_dead_nothing_is_raised_for_ever_and_the_incident_stays() -> None:
    ports = with_channels()
    ports.notifier.dead = {"phone", "desk"}
    for word in until_it_rests(ports, told()):
        until_it_rests(ports, word)
    assert {row["title"] for row in ports.rows("incidents", ON).values()} == {
        "Channel phone takes no notices",
        "Channel desk takes no notices",
    }


def test_more_of_a_kind_than_the_rate_collapse_into_a_count() -> None:
    ports = with_channels(rate_max=2)
    for number in range(5):
        notify(told(f"fill {number}", severity=Severity.INFO), ports)
    assert [title for _, title in taken(ports)] == ["[sandbox] fill 0", "[sandbox] fill 1"]
    notify(told("beat", kind="heartbeat", severity=Severity.INFO), ports)
    assert "And 3 more" in ports.notifier.delivered[-1][1].body
    (state,) = [row for key, row in ports.rows("notices", "channels").items() if key == "phone"]
    assert state["withheld"] == 0


def test_a_notice_too_old_to_matter_reaches_nobody() -> None:
    ports = with_channels()
    ports.clock.at = NOW + TIME_TO_LIVE
    assert notify(told(), ports) == []
    assert ports.notifier.delivered == []
