"""Notices: the message that carries one, and what a person reads of account and app; `shared.stages.notify` sends them.

Plain text, since each channel shows it differently: a title that says it all, then short lines. Times are New York
time. Everything here is pure; docs/NOTICES.md shows each kind, held by a test. Those of decisions and orders are
in `decision_notices`, those of days and weeks in `report_notices`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.contracts.messages import MAX_BODY, MAX_TITLE, Link, Notice, NoticeText
from shared.core.committee.values import ABSTAIN
from shared.core.ids import hash_id
from shared.core.ledger import Ledger
from shared.core.notices import ChannelState, Severity
from shared.core.sessions import NEW_YORK
from shared.core.unread import Unread

TIME_TO_LIVE = timedelta(hours=12)


def notice(
    at: datetime, *, kind: str, severity: Severity, title: str, body: str, cause: str, links: tuple[Link, ...] = ()
) -> Notice:
    """Return a notice whose id is that of its content, so that a repeat is known. `cause` is the run or message id."""
    message_id = hash_id("notice", kind, title, body, cause)
    return Notice(
        message_id=message_id,
        correlation_id=cause,
        causation_id=cause,
        decided_at=at,
        expires_at=at + TIME_TO_LIVE,
        kind=kind,
        severity=severity,
        title=title,
        body=body,
        links=links,
    )


def to_notice(text: NoticeText, at: datetime, *, kind: str, severity: Severity, cause: str) -> Notice:
    """Return the notice of a text."""
    return notice(at, kind=kind, severity=severity, title=text.title, body=text.body, cause=cause)


def notice_text(title: str, lines: Iterable[str | None]) -> NoticeText:
    """Join lines, leaving out those that have nothing to say, within what a notice holds."""
    return NoticeText(title=title[:MAX_TITLE], body="\n".join(line for line in lines if line)[:MAX_BODY])


def clock(at: datetime) -> str:
    """New York wall time, HH:MM."""
    return at.astimezone(NEW_YORK).strftime("%H:%M")


def until_when(at: datetime) -> str:
    """New York wall time to the second with its distance from UTC: 11:30:08 New York (UTC-4)."""
    wall = at.astimezone(NEW_YORK)
    sign, hours = wall.strftime("%z")[0], int(wall.strftime("%z")[1:3])
    return f"{wall:%H:%M:%S} New York (UTC{sign}{hours})"


def usd(value: Decimal) -> str:
    """Money with thousands and cents: 12,345.60 USD."""
    return f"{value:,.2f} USD"


def signed_usd(value: Decimal) -> str:
    """The same with its sign."""
    return f"{value:+,.2f} USD"


def counts(found: Mapping[str, int]) -> str:
    """`3 SPREAD, 2 COOLDOWN`, most first."""
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def sent_form(
    text: NoticeText, *, severity: Severity, environment: str, links: Sequence[tuple[str, str]] = (), footer: str = ""
) -> NoticeText:
    """A notice as a channel gets it: severity and environment before the title, links and what was withheld below."""
    mark = {Severity.INFO: "", Severity.WARNING: "WARNING: ", Severity.CRITICAL: "CRITICAL: "}[severity]
    shown = [f"{label}: {url}" for label, url in links]
    parts = (text.body, "\n".join(shown), footer)
    return NoticeText(title=f"[{environment}] {mark}{text.title}", body="\n\n".join(part for part in parts if part))


def withheld_lines(state: ChannelState, zone: ZoneInfo) -> str:
    """Say what was withheld, most recent last; empty where nothing was."""
    if not state.withheld:
        return ""
    total = sum(each.count for each in state.withheld)
    since = min(each.since for each in state.withheld).astimezone(zone)
    lines = [f"And {total} more since {since:%a %H:%M}:"]
    lines += [f"- {each.count} {each.kind}, last: {each.last_title}" for each in state.withheld]
    return "\n".join(lines)


def halt(name: str, figure: Decimal, ledger: Ledger) -> NoticeText:
    """Entries are halted by a loss."""
    lifted = "Lifted by itself at the next session." if name == "day loss" else "Until a person resumes."
    return notice_text(
        f"Entries halted: {name} {figure:.2%}",
        [
            f"Equity {usd(ledger.equity)}, opened at {usd(ledger.opening_equity)}, peak {usd(ledger.peak_equity)}.",
            "What is held keeps its exits.",
            lifted,
        ],
    )


def strategy_halted(strategy: str, result: Decimal, ledger: Ledger) -> NoticeText:
    """A strategy has lost its share of the day's loss."""
    return notice_text(
        f"{strategy} halted: {usd(result)} today",
        [
            f"It has lost its share of what the day may lose; equity {usd(ledger.equity)}.",
            "What it holds keeps its exits, and every other strategy trades on.",
            "Lifted by itself at the next session.",
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a heartbeat tells. Money in USD; queues by name, messages and seconds of the oldest."""

    at: datetime
    session: str
    equity: Decimal | None
    day_change: Decimal | None
    exposure: Decimal | None
    positions: int | None
    open_orders: int | None
    halts: Sequence[str]
    jobs_done: int
    jobs_odd: Sequence[str]
    queues: Mapping[str, tuple[int, float]]


def heartbeat(pulse: Pulse) -> NoticeText:
    """Proof of life, each hour in session."""
    equity = "equity unknown" if pulse.equity is None else usd(pulse.equity)
    change = "" if pulse.day_change is None else f", {signed_usd(pulse.day_change)} on the day"
    waiting = [f"{name} {count} (oldest {age:.0f} s)" for name, (count, age) in pulse.queues.items() if count]
    held = "no figures of the account" if pulse.positions is None else f"{pulse.positions} positions"
    return notice_text(
        f"{clock(pulse.at)} {pulse.session}: {equity}{change}",
        [
            f"{held[0].upper()}{held[1:]}"
            + (f", {usd(pulse.exposure)} invested" if pulse.exposure is not None else "")
            + (f", {pulse.open_orders} orders open" if pulse.open_orders is not None else ""),
            f"Halted: {', '.join(pulse.halts)}" if pulse.halts else None,
            f"Jobs: {pulse.jobs_done} done" + (f"; odd: {', '.join(pulse.jobs_odd)}" if pulse.jobs_odd else ""),
            f"Queues: {', '.join(waiting)}" if waiting else "Queues: empty",
        ],
    )


def silent(what: str, since: datetime, watcher: str) -> NoticeText:
    """Something that should be heard of is not."""
    return notice_text(
        f"Silent: {what} since {clock(since)}",
        [f"Noticed by {watcher}. See RUNBOOK, Silence."],
    )


def back(what: str, since: datetime, now: datetime) -> NoticeText:
    """What was silent is heard again."""
    minutes = int((now - since).total_seconds() // 60)
    return notice_text(f"Back: {what}", [f"Silent from {clock(since)} to {clock(now)}, {minutes} min."])


def silent_symbol(symbol: str, sessions: int) -> NoticeText:
    """A symbol that has news every session has none today."""
    return notice_text(
        f"No story of {symbol} today, after {sessions} sessions with one each",
        ["Its news may have been lost on the way: no narrative of it can be told. Price-only trading goes on."],
    )


def silent_news(sessions: int) -> NoticeText:
    """No source has told anything today."""
    return notice_text(
        f"No story at all today, after {sessions} sessions with some each",
        [
            "Not one came of the account's news or of any feed: no narrative can be told. Price-only trading goes on.",
            "See table feeds, and the runs of news-scan.",
        ],
    )


def poison(source: str, blob: str) -> NoticeText:
    """A message that failed too often."""
    return notice_text(f"Poison message of {source}", [f"Delivery failed too often. Its text is in quarantine/{blob}."])


def quarantined(source: str, reason: str) -> NoticeText:
    """A message that could not be read."""
    return notice_text(f"Quarantined a message of {source}", [reason])


UNREAD_SHOWN = 5
"""Rows that a notice names."""


def unread_rows(what: str, rows: Sequence[Unread]) -> NoticeText:
    """Rows of the market's answers that could not be read, of one kind."""
    more = len(rows) - UNREAD_SHOWN
    if what == "splits":
        return notice_text(
            "Splits are not known: no symbol has a history",
            [f"The corporate actions could not be had: {rows[0].fault}" if rows else None, _NO_TERMS],
        )
    return notice_text(
        f"{len(rows)} {what} row{'s' if len(rows) > 1 else ''} of the market could not be read",
        [
            *(f"{row.name or 'no symbol'}: {row.fault}. Found: {row.raw}" for row in rows[:UNREAD_SHOWN]),
            f"And {more} more." if more > 0 else None,
            "What could not be read is left out and not traded on; all else goes on. Told once a day for each kind: "
            "metric gatehouse.unread_rows counts them all.",
        ],
    )


_NO_TERMS = (
    "Without them yesterday's prices cannot be held against today's: nothing new is traded on until a scan gets them. "
    "Each scan asks again."
)


def channel_down(name: str, failures: int, until: datetime, others: Sequence[str]) -> NoticeText:
    """A channel of notices that does not answer."""
    rest = f"Others go on: {', '.join(others)}." if others else "There is no other channel."
    return notice_text(
        f"Channel {name} takes no notices",
        [f"{failures} failures in a row. Tried again from {clock(until)}.", rest, "What it missed is counted."],
    )


def veto_flood(vetoed: int, asked: int) -> NoticeText:
    """A committee that vetoes nearly everything."""
    return notice_text(
        "The committee vetoes nearly every entry",
        [
            f"{vetoed} of {asked} entries within an hour were vetoed.",
            "It may be right or broken: the cases hold what it said. Empty GATEHOUSE_COMMITTEE to turn it off.",
        ],
    )


def committee_silent(asked: int, default: str) -> NoticeText:
    """A committee of which nobody answers."""
    return notice_text(
        "The committee says nothing",
        [
            f"No role gave a valid answer in time on any of {asked} entries within an hour.",
            f"GATEHOUSE_COMMITTEE_DEFAULT is {default}: "
            + ("each counts as if nobody objected." if default == ABSTAIN else "each was refused."),
        ],
    )


def language_down(failures: int, until: datetime, why: str) -> NoticeText:
    """A language model that does not answer."""
    return notice_text(
        "The language model does not answer: price-only trading goes on",
        [
            f"{failures} failures in a row, the last: {why}.",
            f"Tried again from {clock(until)}. Until it answers no narrative is written, and nothing waits for one.",
        ],
    )


def language_back(since: datetime, now: datetime) -> NoticeText:
    """A language model that answers again."""
    return notice_text("The language model answers again", [f"It had failed from {clock(since)} to {clock(now)}."])


def language_spent(why: str) -> NoticeText:
    """The day's budget of a language model is spent."""
    return notice_text(
        "The day's budget of the language model is spent: price-only trading goes on",
        [
            f"{why}.",
            "The next New York date has a budget of its own. See GATEHOUSE_LANGUAGE_TOKENS_A_DAY, ..._USD_A_DAY.",
        ],
    )
