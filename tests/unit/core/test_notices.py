"""When a person is told: severity, quiet hours, rates, dead channels, and nothing forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.notices import (
    MAX_PAUSE,
    NEVER_QUIET,
    ChannelState,
    Fate,
    QuietHours,
    SendRule,
    Severity,
    delivered,
    failed,
    fate,
    is_resting,
    withheld,
)
from shared.core.sessions import NEW_YORK

NOW = datetime(2026, 10, 14, 16, 0, tzinfo=UTC)  # noon in New York
RULE = SendRule(
    least=Severity.INFO,
    muted=frozenset({"watchlist"}),
    quiet=QuietHours(start=time(22), end=time(7)),
    zone=NEW_YORK,
    rate_max=3,
    window=timedelta(minutes=10),
    tries=3,
    pause=timedelta(minutes=5),
)
INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
MINUTE = timedelta(minutes=1)


def judged(severity: Severity, *, kind: str = "fill", at: datetime = NOW, state: ChannelState | None = None) -> Fate:
    return fate(state or ChannelState(), kind, severity, at, RULE)


def resting() -> ChannelState:
    state = ChannelState()
    for _ in range(RULE.tries):
        state = failed(state, NOW, RULE)
    return state


@pytest.mark.parametrize(("least", "sent"), [(INFO, 3), (WARNING, 2), (CRITICAL, 1)])
def test_a_channel_gets_its_least_severity_and_what_is_louder(least: Severity, sent: int) -> None:
    rule = replace(RULE, least=least)
    fates = [fate(ChannelState(), "fill", severity, NOW, rule) for severity in Severity]
    assert fates.count(Fate.SENT) == sent
    assert fates == sorted(fates, key=[Fate.IGNORED, Fate.SENT].index)


def test_a_muted_kind_is_sent_only_where_it_is_critical() -> None:
    assert [judged(severity, kind="watchlist") for severity in Severity] == [Fate.IGNORED, Fate.IGNORED, Fate.SENT]


@pytest.mark.parametrize(
    ("wall", "is_quiet"), [("21:59", False), ("22:00", True), ("03:00", True), ("06:59", True), ("07:00", False)]
)
def test_in_quiet_hours_only_what_is_critical_goes_out(wall: str, is_quiet: bool) -> None:
    at = datetime.combine(NOW.date(), time.fromisoformat(wall), NEW_YORK).astimezone(UTC)
    assert judged(WARNING, at=at) is (Fate.WITHHELD if is_quiet else Fate.SENT)
    assert judged(CRITICAL, at=at) is Fate.SENT


def test_quiet_hours_are_those_of_the_persons_own_clock() -> None:
    berlin = replace(RULE, zone=ZoneInfo("Europe/Berlin"))
    assert fate(ChannelState(), "fill", INFO, NOW + 5 * timedelta(hours=1), berlin) is Fate.WITHHELD
    assert judged(INFO, at=NOW + 5 * timedelta(hours=1)) is Fate.SENT


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_every_instant_is_in_the_hours_or_in_the_hours_turned_round(start: time, end: time, at: datetime) -> None:
    start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    hours, rest = QuietHours(start=start, end=end), QuietHours(start=end, end=start)
    zone = ZoneInfo("UTC")
    if start == end:
        assert not hours.covers(at, zone)
    else:
        assert hours.covers(at, zone) is not rest.covers(at, zone)


@pytest.mark.parametrize("text", ["22:00-07:00", "00:30-01:00"])
def test_quiet_hours_read_back_as_they_are_written(text: str) -> None:
    assert str(QuietHours.parse(text)) == text


def test_no_quiet_hours_can_be_asked_for() -> None:
    assert QuietHours.parse("none") is NEVER_QUIET
    assert not any(NEVER_QUIET.covers(NOW + hour * timedelta(hours=1), NEW_YORK) for hour in range(24))


@pytest.mark.parametrize("text", ["22-7", "22:00", "25:00-07:00", "later"])
def test_what_is_no_stretch_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        QuietHours.parse(text)


@pytest.mark.parametrize("severity", Severity)
def test_a_kind_goes_out_so_often_within_the_window_and_again_after_it(severity: Severity) -> None:
    state = ChannelState()
    for minute in range(3):
        at = NOW + minute * MINUTE
        assert judged(severity, at=at, state=state) is Fate.SENT
        state = delivered(state, "fill", at, RULE, ())
    assert judged(severity, at=NOW + 9 * MINUTE, state=state) is Fate.WITHHELD
    assert judged(severity, kind="halt", at=NOW + 9 * MINUTE, state=state) is Fate.SENT
    assert judged(severity, at=NOW + 10 * MINUTE, state=state) is Fate.SENT


def test_what_is_withheld_while_a_notice_goes_out_is_not_forgotten() -> None:
    shown = withheld(ChannelState(), "fill", "a", NOW)
    meanwhile = withheld(shown, "halt", "b", NOW)
    after = delivered(meanwhile, "other", NOW, RULE, shown.withheld)
    assert [each.kind for each in after.withheld] == ["halt"]


def test_a_channel_that_fails_rests_longer_each_time_up_to_an_hour() -> None:
    state, pauses = ChannelState(), []
    for _ in range(10):
        state = failed(state, NOW, RULE)
        pauses.append(state.rests_until and (state.rests_until - NOW) / MINUTE)
    assert pauses == [None, None, 5, 10, 20, 40, 60, 60, 60, 60]
    assert MAX_PAUSE == 60 * MINUTE


def test_a_resting_channel_is_asked_again_for_what_is_critical_and_after_its_rest() -> None:
    state = resting()
    assert is_resting(state, NOW)
    assert judged(WARNING, state=state) is Fate.WITHHELD
    assert judged(CRITICAL, state=state) is Fate.SENT
    assert judged(WARNING, at=NOW + RULE.pause, state=state) is Fate.SENT


def test_a_delivery_ends_the_rest() -> None:
    after = delivered(resting(), "fill", NOW, RULE, ())
    assert (after.failures, after.rests_until) == (0, None)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 900), st.sampled_from(list(Severity)))))
def test_no_window_ever_holds_more_than_the_rate_and_every_notice_is_sent_or_counted(
    arrivals: list[tuple[str, int, Severity]],
) -> None:
    state, sent, told, at = ChannelState(), [], 0, NOW
    for kind, gap_s, severity in arrivals:
        at += timedelta(seconds=gap_s)
        if fate(state, kind, severity, at, replace(RULE, quiet=NEVER_QUIET)) is Fate.SENT:
            told += sum(each.count for each in state.withheld)
            state = delivered(state, kind, at, RULE, state.withheld)
            sent.append((kind, at))
        else:
            state = withheld(state, kind, "t", at)
    waiting = sum(each.count for each in state.withheld)
    assert len(sent) + told + waiting == len(arrivals)
    for kind, first in sent:
        assert sum(k == kind and first <= t < first + RULE.window for k, t in sent) <= RULE.rate_max
