"""How a person is told, and when something is called silent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from shared.core.notices import QuietHours, Severity
from shared.core.settings.declare import setting

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeChannel:
    """Where notices go: an address as apprise spells it, which is a secret, and the least severity that is sent."""

    name: str
    url: str
    least: Severity = Severity.INFO

    def __repr__(self) -> str:
        """Without the address."""
        return f"NoticeChannel({self.name}, {self.least.value} and above)"


def parse_channels(text: str) -> tuple[NoticeChannel, ...]:
    """Read `NAME: URL | SEVERITY`, one to a line or split by semicolons; the severity may be left out.

    Raises
    ------
    ValueError
        Without the text: it is a secret.
    """
    found: list[NoticeChannel] = []
    if text.strip() == "none":
        return ()
    for part in filter(None, (piece.strip() for piece in re.split(r"[;\n]", text))):
        name, colon, rest = part.partition(":")
        url, _, least = rest.partition("|")
        if not (colon and _NAME.fullmatch(name.strip()) and "://" in url):
            raise ValueError("a part is not NAME: URL | SEVERITY")
        severity = Severity(least.strip()) if least.strip() else Severity.INFO
        found.append(NoticeChannel(name=name.strip(), url=url.strip(), least=severity))
    if len({channel.name for channel in found}) < len(found):
        raise ValueError("two channels of one name")
    return tuple(found)


def parse_zone(text: str) -> ZoneInfo:
    """Read the name of a time zone. Raises ValueError."""
    try:
        return ZoneInfo(text)
    except (KeyError, OSError) as error:
        raise ValueError(f"{text!r} is no time zone") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """How a person is told, and when something is called silent."""

    channels: tuple[NoticeChannel, ...] = setting(
        "GATEHOUSE_NOTICE_CHANNELS",
        (),
        "where notices go: NAME: URL | SEVERITY, one to a line or split by semicolons; empty or none: the log alone",
        why="Any address that apprise knows (Telegram, Discord, Slack, e-mail ...); SEVERITY is the least that is sent "
        "there: info, warning or critical. Never shown; in Azure a Key Vault reference. See [NOTICES](NOTICES.md)",
        secret=True,
    )
    muted: tuple[str, ...] = setting(
        "GATEHOUSE_NOTICE_MUTED",
        ("watchlist", "order-ended"),
        "kinds that are logged and not sent",
        unit="kinds",
        why="What a person need not hear of each time. A critical notice is sent whatever its kind",
    )
    quiet: QuietHours = setting(
        "GATEHOUSE_NOTICE_QUIET_HOURS",
        QuietHours(start=time(22), end=time(7)),
        "wall time in which only critical notices are sent; none: no quiet hours",
        unit="HH:MM-HH:MM",
        why="What was withheld is counted in the first notice after them",
    )
    zone: ZoneInfo = setting(
        "GATEHOUSE_NOTICE_TIMEZONE",
        ZoneInfo("America/New_York"),
        "time zone of the quiet hours",
        unit="IANA name",
        why="Where the person sleeps, which need not be where the exchange is",
    )
    rate_max: int = setting(
        "GATEHOUSE_NOTICE_RATE_MAX",
        5,
        "most notices of one kind on one channel within the window",
        low=1,
        high=100,
        unit="notices",
        why="A fault that repeats must not drown the one notice that matters; the rest is counted",
    )
    rate_window_min: int = setting(
        "GATEHOUSE_NOTICE_RATE_WINDOW_MIN",
        10,
        "the window of that rate",
        low=1,
        high=1440,
        unit="min",
        why="Two slots of candidates",
    )
    tries: int = setting(
        "GATEHOUSE_NOTICE_TRIES",
        3,
        "failures in a row after which a channel rests",
        low=1,
        high=4,
        unit="tries",
        why="Ten seconds apart, by the queue. Below the five deliveries that make a message poison",
    )
    pause_min: int = setting(
        "GATEHOUSE_NOTICE_PAUSE_MIN",
        5,
        "first rest of a channel that fails; it doubles up to an hour",
        low=1,
        high=60,
        unit="min",
        why="A service that is down is not asked for each notice",
    )
    timeout_s: float = setting(
        "GATEHOUSE_NOTICE_TIMEOUT_S",
        5.0,
        "time-out of one delivery",
        low=0.5,
        high=30,
        unit="s",
        why="A function that waits is billed",
    )
    silent_slots: int = setting(
        "GATEHOUSE_SILENT_SLOTS",
        2,
        "slots of candidates or news in a row without a run that count as silence; 0: nothing is watched",
        low=0,
        high=12,
        unit="slots",
        why="One slot may be late; two are none",
    )
    late_min: int = setting(
        "GATEHOUSE_JOB_LATE_MIN",
        20,
        "how late another job may be before it counts as silent",
        low=5,
        high=240,
        unit="min",
        why="Timers fire every 5 or 15 minutes, and a job that died is taken over after 10",
    )
