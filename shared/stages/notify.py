"""Notify, the last stage of a notice: who is told what, when, and what becomes of it where nobody listens.

A notice is logged, then offered to each configured channel. What each channel made of it is kept in table notices, so
that a notice delivered twice is sent once, also to the channels that took it while another one failed. Without
channels nothing is read or written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from shared.contracts.messages import Notice, NoticeText, Severity
from shared.contracts.records import CHANNELS, Table, notice_key
from shared.contracts.settings import NoticeChannel
from shared.core.errors import ConflictError, TransientError
from shared.core.notices import (
    ChannelState,
    Fate,
    SendRule,
    delivered,
    failed,
    fate,
    is_resting,
    withheld,
)
from shared.core.sessions import NEW_YORK
from shared.core.values import iso
from shared.ports import Cell, Ports
from shared.stages.base.incidents import record_incident
from shared.stages.base.notices import channel_down, sent_form, withheld_lines

logger = logging.getLogger("gatehouse.notices")

STATE_TRIES = 5
"""Lost races for a channel's row after which the count of this notice is given up: it is a count, not the notice."""


def notify(message: Notice, ports: Ports) -> list[Notice]:
    """Tell the person, unless it is too late to matter; return word of channels that do not answer.

    Raises
    ------
    TransientError
        If a channel did not take the notice and is to be tried again: the queue brings the notice back, and who has it
        does not get it twice.
    """
    now = ports.clock.now()
    if now >= message.expires_at:
        return []
    channels = ports.settings.notices.channels
    if not channels:
        ports.notifier.log(message)
        return []
    on, key = notice_key(message.decided_at, message.kind, message.message_id)
    stored = ports.tables.get(Table.NOTICES, on, key)
    if stored is None:
        ports.notifier.log(message)
    known = dict(part.split("=", 1) for part in str(stored.value["channels"]).split()) if stored else {}
    fates: dict[str, Fate] = {}
    for channel in channels:
        before = known.get(channel.name, Fate.FAILED)
        fates[channel.name] = _offer(ports, channel, message, now) if before == Fate.FAILED else Fate(before)
    ports.tables.put(Table.NOTICES, on, key, _row(message, fates, now))
    if again := [name for name, each in fates.items() if each is Fate.FAILED]:
        raise TransientError(f"notice {message.message_id} is to be offered again to {', '.join(again)}")
    withheld_by = [channel for channel in channels if fates[channel.name] is Fate.WITHHELD]
    return [each for channel in withheld_by for each in _report_dead(ports, channel, now)]


def _offer(ports: Ports, channel: NoticeChannel, message: Notice, now: datetime) -> Fate:
    """Send to one channel if its state allows it, and note what came of it."""
    rule = _rule(ports, channel)
    state = _load_state(ports, channel.name)
    decided = fate(state, message.kind, message.severity, now, rule)
    if decided is Fate.SENT:
        try:
            ports.notifier.deliver(channel, _shown(ports, message, state, rule), message.severity)
        except TransientError as error:
            logger.warning("%s", error)
            state = _change(ports, channel.name, lambda known: failed(known, now, rule))
            decided = Fate.WITHHELD if is_resting(state, now) else Fate.FAILED
        else:
            _change(ports, channel.name, lambda known: delivered(known, message.kind, now, rule, state.withheld))
    if decided is Fate.WITHHELD:
        _change(ports, channel.name, lambda known: withheld(known, message.kind, message.title, now))
    return decided


def _shown(ports: Ports, message: Notice, state: ChannelState, rule: SendRule) -> NoticeText:
    return sent_form(
        NoticeText(title=message.title, body=message.body),
        severity=message.severity,
        environment=ports.settings.broker.environment.value,
        links=[(link.label, link.url) for link in message.links],
        footer=withheld_lines(state, rule.zone),
    )


def _rule(ports: Ports, channel: NoticeChannel) -> SendRule:
    settings = ports.settings.notices
    return SendRule(
        least=channel.least,
        muted=frozenset(settings.muted),
        quiet=settings.quiet,
        zone=settings.zone,
        rate_max=settings.rate_max,
        window=timedelta(minutes=settings.rate_window_min),
        tries=settings.tries,
        pause=timedelta(minutes=settings.pause_min),
    )


def _row(message: Notice, fates: Mapping[str, Fate], now: datetime) -> dict[str, Cell]:
    return {
        "kind": message.kind,
        "severity": message.severity.value,
        "title": message.title,
        "body": message.body,
        "correlation_id": message.correlation_id,
        "decided_at": iso(message.decided_at),
        "offered_at": iso(now),
        "channels": " ".join(f"{name}={each}" for name, each in fates.items()),
    }


def _report_dead(ports: Ports, channel: NoticeChannel, now: datetime) -> list[Notice]:
    """Record a channel that rests, once an hour; the others hear of it through the queue, like of any incident."""
    state = _load_state(ports, channel.name)
    if not is_resting(state, now) or state.rests_until is None:
        return []
    others = [other.name for other in ports.settings.notices.channels if other is not channel]
    text = channel_down(channel.name, state.failures, state.rests_until, others)
    wall = now.astimezone(NEW_YORK)
    key = f"channel-down|{channel.name}|{wall:%H}"
    severity = Severity.WARNING
    return record_incident(
        ports, wall.date(), key, now=now, kind="channel-down", title=text.title, body=text.body, severity=severity
    )


def _load_state(ports: Ports, name: str) -> ChannelState:
    stored = ports.tables.get(Table.NOTICES, CHANNELS, name)
    return ChannelState() if stored is None else ports.codec.decode(ChannelState, str(stored.value["state"]))


def _change(ports: Ports, name: str, change: Callable[[ChannelState], ChannelState]) -> ChannelState:
    """Change a channel's state under its ETag. A race lost too often loses a count, not a notice."""
    after = ChannelState()
    for _ in range(STATE_TRIES):
        stored = ports.tables.get(Table.NOTICES, CHANNELS, name)
        before = ChannelState() if stored is None else ports.codec.decode(ChannelState, str(stored.value["state"]))
        after = change(before)
        row = _channel_row(ports, after)
        if stored is None:
            if ports.tables.insert(Table.NOTICES, CHANNELS, name, row):
                return after
            continue
        with suppress(ConflictError):
            ports.tables.replace(Table.NOTICES, CHANNELS, name, row, stored.etag)
            return after
    return after


def _channel_row(ports: Ports, state: ChannelState) -> dict[str, Cell]:
    return {
        "state": ports.codec.encode(state),
        "failures": state.failures,
        "rests_until": iso(state.rests_until) if state.rests_until else None,
        "withheld": sum(each.count for each in state.withheld),
    }
