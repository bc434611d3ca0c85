"""When a person is told: severity, quiet hours, the rate of each kind, and channels that do not answer.

One `ChannelState` per channel, changed by pure functions and kept in a table, since instances share no memory. Nothing
that is withheld is forgotten: it is counted by kind, and the next notice that goes out says how many more there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.core.values import require, require_at_least, require_utc

MAX_PAUSE = timedelta(hours=1)
"""Longest rest of a channel that does not answer."""

TITLE_SHOWN = 120
"""Characters of a withheld notice's title that are kept."""


class Severity(StrEnum):
    """How loudly a person is told."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1, 2: the louder, the higher."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """A stretch of each day, by wall time, in which only what is critical is sent. It may span midnight."""

    start: time
    end: time

    def __str__(self) -> str:
        return "" if self.start == self.end else f"{self.start:%H:%M}-{self.end:%H:%M}"

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read `HH:MM-HH:MM`, or `none`. Raises ValueError."""
        if text == "none":
            return NEVER_QUIET
        start, dash, end = text.partition("-")
        if not dash:
            raise ValueError(f"{text!r} is not HH:MM-HH:MM")
        return cls(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))

    def covers(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether an instant lies in them; the start does, the end does not."""
        wall = at.astimezone(zone).time()
        if self.start <= self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end


NEVER_QUIET = QuietHours(start=time(0), end=time(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRule:
    """What holds for one channel.

    At most `rate_max` notices of a kind within `window` are sent. After `tries` failures in a row the channel rests for
    `pause`, doubled at each further failure.
    """

    least: Severity
    muted: frozenset[str]
    quiet: QuietHours
    zone: ZoneInfo
    rate_max: int
    window: timedelta
    tries: int
    pause: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Notices of a kind that were not sent: how many, since when, and what the last one said."""

    kind: str
    count: int
    since: datetime
    last_title: str

    def __post_init__(self) -> None:
        require_at_least("count", self.count, 1)
        require_utc("since", self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What is known of a channel: when it sent what kind, what it withheld, and whether it answers."""

    sent: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    withheld: tuple[Withheld, ...] = ()
    failures: int = 0
    rests_until: datetime | None = None

    def __post_init__(self) -> None:
        require_at_least("failures", self.failures, 0)
        require(all(times for times in self.sent.values()), "sent", self.sent, "free of kinds that were never sent")


class Fate(StrEnum):
    """What becomes of one notice on one channel."""

    SENT = "sent"
    IGNORED = "ignored"
    WITHHELD = "withheld"
    FAILED = "failed"


def fate(state: ChannelState, kind: str, severity: Severity, now: datetime, rule: SendRule) -> Fate:
    """Decide before sending: `SENT` means that it should be tried.

    What is critical goes through quiet hours and is tried on a resting channel too; only its own kind's rate bounds it.
    """
    is_critical = severity is Severity.CRITICAL
    if severity.rank < rule.least.rank or (kind in rule.muted and not is_critical):
        return Fate.IGNORED
    if not is_critical and (rule.quiet.covers(now, rule.zone) or is_resting(state, now)):
        return Fate.WITHHELD
    recent = [at for at in state.sent.get(kind, ()) if now - at < rule.window]
    return Fate.WITHHELD if len(recent) >= rule.rate_max else Fate.SENT


def is_resting(state: ChannelState, now: datetime) -> bool:
    """Whether the channel failed too often to be tried again already."""
    return state.rests_until is not None and now < state.rests_until


def delivered(
    state: ChannelState, kind: str, now: datetime, rule: SendRule, reported: tuple[Withheld, ...]
) -> ChannelState:
    """After a notice went out that reported what was known to be withheld before it."""
    times = {
        name: kept
        for name, all_times in {**state.sent, kind: (*state.sent.get(kind, ()), now)}.items()
        if (kept := tuple(at for at in all_times if now - at < rule.window)[-rule.rate_max :])
    }
    return ChannelState(sent=times, withheld=tuple(each for each in state.withheld if each not in reported))


def withheld(state: ChannelState, kind: str, title: str, now: datetime) -> ChannelState:
    """Count one more notice that was not sent."""
    known = next((each for each in state.withheld if each.kind == kind), None)
    one = Withheld(
        kind=kind,
        count=known.count + 1 if known else 1,
        since=known.since if known else now,
        last_title=title[:TITLE_SHOWN],
    )
    rest = tuple(each for each in state.withheld if each.kind != kind)
    return replace(state, withheld=(*rest, one))


def failed(state: ChannelState, now: datetime, rule: SendRule) -> ChannelState:
    """After a try that did not succeed; at the rule's number of failures in a row the channel rests."""
    failures = state.failures + 1
    if failures < rule.tries:
        return replace(state, failures=failures)
    pause = min(rule.pause * 2 ** min(failures - rule.tries, 10), MAX_PAUSE)
    return replace(state, failures=failures, rests_until=now + pause)
