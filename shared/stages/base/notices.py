"""Notices: what a person reads of each kind, and the message that carries it; `shared.stages.notify` sends them.

Plain text, since each channel shows it differently: a title that says it all, then short lines. Times are New York
time. Everything here is pure; docs/NOTICES.md shows each kind, held by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.contracts.messages import MAX_BODY, MAX_TITLE, Link, Notice, NoticeText
from shared.contracts.reports import DayReport
from shared.core.approvals import Answer, Answered
from shared.core.committee.values import ABSTAIN
from shared.core.ids import hash_id
from shared.core.ledger import Ledger
from shared.core.notices import ChannelState, Severity
from shared.core.order_states import EntryPlan, OrderState, Phase, Role
from shared.core.refusals import HEAD, Refuser, sections, spelled, worth
from shared.core.review import Review
from shared.core.sessions import NEW_YORK
from shared.core.technical import BREAKOUT_BARS, PatternReport, TechnicalReports, TrendDirection
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.review_note import ReviewNote
from shared.core.unread import Unread
from shared.core.values import ZERO, plain

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


def _text(title: str, lines: Iterable[str | None]) -> NoticeText:
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


# Decisions and orders


MODERATE_FROM, STRONG_FROM = 1.5, 2.5
"""Standard deviations by which narrative and tape differ: below the first it is weak, from the second on strong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeStory:
    """Narrative against tape, as a strategy that reads the news has weighed them.

    Attributes
    ----------
    narrative, price : float
        Scores in [-1, 1].
    divergence : float
        By how many of its own standard deviations the narrative stands above the price.
    confidence : float or None
        The narrative's, in [0, 1].
    reason : str
        The strategy's code for why it enters.
    """

    narrative: float
    price: float
    divergence: float
    confidence: float | None = None
    reason: str = ""

    @property
    def bias(self) -> str:
        """Which way the narrative points."""
        return "bullish" if self.narrative > 0 else "bearish" if self.narrative < 0 else "neutral"

    @property
    def strength(self) -> str:
        """How far tape and narrative are apart."""
        apart = abs(self.divergence)
        return "strong" if apart >= STRONG_FROM else "moderate" if apart >= MODERATE_FROM else "weak"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStory:
    """An approved decision and what a person wants to know of it. Prices in USD, fractions of price and equity."""

    symbol: str
    qty: Decimal
    limit_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    risk: Decimal
    exit_by: datetime
    session: str
    strategy: str
    p_up: float | None
    p_down: float | None
    expected_move: float | None
    bound: str = ""
    gates_passed: int = 0
    indicators: Mapping[str, float] = ()  # type: ignore[assignment]
    headlines: Sequence[str] = ()
    tape: TapeStory | None = None
    technical: TechnicalReports | None = None
    signal_id: str = ""
    decision_id: str
    intent_id: str
    models: str
    parameter_set: str


def decision(story: DecisionStory) -> NoticeText:
    """A decision that became an order: story, narrative against tape, indicators, decision, reasons, trace ids."""
    cost = f"{story.limit_price}, {usd(story.limit_price * story.qty)}"
    headlines = [f"Story: {headline}" for headline in story.headlines]
    tape = story.tape
    if tape is None:
        told = [*headlines, f"Indicators: {_indicators(story.indicators)}" if story.indicators else None]
        return _text(f"Buying {plain(story.qty)} {story.symbol} at {cost}", [*told, *_decided(story)])
    return _text(
        f"[Signal] {story.symbol} - {tape.bias}/{tape.strength}",
        [
            *headlines,
            f"Confidence: {tape.confidence:.0%}" if tape.confidence is not None else None,
            f"Narrative {tape.narrative:+.2f} against tape {tape.price:+.2f}: divergence {tape.divergence:+.2f}",
            _tape_line(story.indicators),
            f"Decision: buy {plain(story.qty)} at {cost}" + (f", {tape.reason}" if tape.reason else ""),
            *_decided(story),
        ],
    )


def _decided(story: DecisionStory) -> list[str | None]:
    """What holds of every decision: opinion, plan, risk, reasons, and what it rests on."""
    signal = f"signal {story.signal_id}, " if story.signal_id and story.tape else ""
    return [
        _opinion(story),
        *(technical_lines(story.technical) if story.technical else []),
        f"Plan: stop {story.stop_price}, target {story.target_price}, leaves by {clock(story.exit_by)}",
        f"Risk: {usd(story.risk)} at the stop",
        f"Reasons: {story.strategy} in {story.session}"
        + (f", {story.gates_passed} gates passed" if story.gates_passed else "")
        + (f", size bound by {story.bound}" if story.bound else ""),
        f"Trace: {signal}decision {story.decision_id}, intent {story.intent_id}",
        f"Rests on: {story.models or 'no models'}, parameters {story.parameter_set}",
    ]


_ON_TAPE = {
    "rsi_14": "RSI(14) {:.1f}",
    "ma_gap": "MA(10/50) gap {:+.2f} ATR",
    "macd": "MACD {:+.2f} ATR",
    "volume_z": "volume z {:+.2f}",
}


def _tape_line(found: Mapping[str, float]) -> str | None:
    """The tape that a narrative is held against: RSI, moving average, MACD, volume."""
    said = [words.format(found[name]) for name, words in _ON_TAPE.items() if name in found]
    return f"Tape: {', '.join(said)}" if said else None


def technical_lines(said: TechnicalReports) -> list[str]:
    """The technical reports in two short lines; an unknown figure is left out."""
    if not said.bars:
        return ["Technical: no closed bars"]
    indicator, pattern, trend = said.indicator, said.pattern, said.trend
    votes = f" ({indicator.confidence:.0%} of votes)" if indicator.confidence is not None else ""
    figures = [
        f"indicators {indicator.trend}{votes}" if indicator.trend else None,
        f"RSI(14) {indicator.rsi:.1f} {indicator.level}" if indicator.rsi is not None else None,
        f"trend {trend.direction} (R2 {trend.strength:.2f})" if trend.strength is not None else None,
        *(
            f"{name} {level:.{2 if level >= 1 else 4}f}" if level is not None else f"no {name}"
            for name, level in (("support", trend.support), ("resistance", trend.resistance))
        ),
    ]
    return [f"Technical: {', '.join(each for each in figures if each)}", f"Pattern: {pattern_words(pattern)}"]


def pattern_words(pattern: PatternReport) -> str:
    """What the last bar completes, and how often the price broke out after it, against how often it does."""
    primary = pattern.primary
    if primary is None:
        return "none on the last closed bar"
    others = len(pattern.patterns) - 1
    meaning = {TrendDirection.UP: "bullish", TrendDirection.DOWN: "bearish"}.get(primary.direction, "neutral")
    name = f"{primary.words}, {meaning}" + (f", and {others} more" if others else "")
    if pattern.breakout_probability is None:
        return f"{name}; no case of it in the bars before"
    usual = f", {pattern.usual_probability:.0%} after any bar" if pattern.usual_probability is not None else ""
    cases = f"{pattern.breakout_probability:.0%} of {pattern.breakout_cases} cases{usual}"
    return f"{name}; breakout within {BREAKOUT_BARS} bars after {cases}"


def _opinion(story: DecisionStory) -> str | None:
    if story.p_up is None or story.p_down is None or story.expected_move is None:
        return None
    return f"Opinion: up {story.p_up:.0%}, down {story.p_down:.0%}, expected {story.expected_move * 10_000:+.0f} bp"


def _indicators(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalQuestion:
    """An order that waits for a person, and what its decision saw. Prices in USD.

    What only the decision's row knows is None where that cannot be had: the quote, both instants, the equity.
    """

    plan: EntryPlan
    bid: Decimal | None = None
    ask: Decimal | None = None
    quote_at: datetime | None = None
    decided_at: datetime | None = None
    equity: Decimal | None = None

    @property
    def quote(self) -> str:
        """The quote that was decided on, and how old it was then."""
        if self.bid is None or self.ask is None or self.quote_at is None or self.decided_at is None:
            return ""
        age_s = (self.decided_at - self.quote_at).total_seconds()
        return f"bid {self.bid}, ask {self.ask}, {age_s:.0f} s old at {until_when(self.decided_at)}"

    @property
    def notional(self) -> Decimal:
        """The most that is paid, in USD."""
        return self.plan.worst_price * self.plan.qty

    @property
    def cost(self) -> str:
        """The same as text."""
        return f"up to {usd(self.notional)}{self._share(self.notional)}"

    @property
    def loss(self) -> str:
        """What is lost at the stop, bought at the worst price."""
        risk = (self.plan.worst_price - self.plan.stop_price) * self.plan.qty
        return f"{usd(risk)} at the stop{self._share(risk)}"

    def _share(self, amount: Decimal) -> str:
        return f", {amount / self.equity:.2%} of the account" if self.equity else ""


def approval(question: ApprovalQuestion, *, has_links: bool) -> NoticeText:
    """An order that waits for a person."""
    q, plan = question, question.plan
    return _text(
        f"Approve? Buy {plain(plan.qty)} {plan.symbol}, up to {usd(q.notional)}",
        [
            f"Quote: {q.quote}." if q.quote else None,
            f"Cost: {q.cost}; the first limit is {plan.limit_price}.",
            f"Risk: {q.loss}.",
            f"Stop {plan.stop_price}, target {plan.target_price}, leaves by {clock(plan.exit_by)}.",
            f"Idea of {plan.strategy}.",
            f"Refused without an answer by {until_when(plan.approve_by or plan.expires_at)}.",
            f"Intent {plan.intent_id}." if has_links else f"POST /api/approve with intent_id {plan.intent_id}.",
        ],
    )


_DONE = {Answer.APPROVE: "approved", Answer.REFUSE: "refused", Answer.NOBODY: "closed"}


def answer_given(given: Answered) -> str:
    """Who answered a question when, and why: `approved by me at 11:26:10 New York (UTC-4): as planned`."""
    why = f": {given.reason}" if given.reason else ""
    return f"{_DONE[given.answer]} by {given.by} at {until_when(given.at)}{why}"


def opened(state: OrderState) -> NoticeText:
    """A position that has been bought and is watched over."""
    plan, average = state.plan, state.value(Role.ENTRY) / state.bought
    paid_beyond = (average - plan.arrival_price) / plan.arrival_price * 10_000
    return _text(
        f"Bought {plain(state.bought)} {plan.symbol} at {average:.4f}",
        [
            f"Cost {usd(average * state.bought)}, {paid_beyond:+.1f} bp against the mid at the decision.",
            f"Stop {plan.stop_price}, target {plan.target_price}, leaves by {clock(plan.exit_by)}.",
            f"No native stop stands: the quote is watched every {plan.guard_poll_s} s."
            if state.phase is Phase.GUARDED
            else None,
            _trace(state),
        ],
    )


def closed(state: OrderState) -> NoticeText:
    """A position that has been left, and what it brought."""
    plan, cost = state.plan, state.value(Role.ENTRY)
    share = state.realised / cost if cost > ZERO else ZERO
    return _text(
        f"Sold {plain(state.sold)} {plan.symbol}: {state.realised:+.2f} USD",
        [
            f"Reason: {state.exit_reason}. {share:+.2%} of what was paid, before fees.",
            f"{plain(state.written_off)} shares were gone at the broker." if state.written_off else None,
            _trace(state),
        ],
    )


def ended(state: OrderState) -> NoticeText:
    """An order that came to nothing; where a person was asked, what became of their answer."""
    title, given = f"{state.plan.symbol}: {state.phase}", state.answered
    if given is None:
        return _text(title, [state.why, _trace(state)])
    head = {
        Answer.APPROVE: f"{title} after it was approved",
        Answer.REFUSE: f"{title}, as it was refused",
        Answer.NOBODY: f"{title} without an answer",
    }[given.answer]
    said = answer_given(given)
    return _text(
        head,
        [
            f"Nothing was bought: {state.why or _called_off(state)}.",
            f"{said[0].upper()}{said[1:]}.",
            _trace(state),
        ],
    )


def _called_off(state: OrderState) -> str:
    """Why an order ended that no step of its own refused."""
    if state.exit_reason is not None:
        return f"called off, {state.exit_reason}"
    return "entries were stopped" if state.is_stopped else "nobody sold at its prices"


def _trace(state: OrderState) -> str:
    return f"By {state.plan.strategy}. Intent {state.plan.intent_id}, decision {state.plan.decision_id}."


# The account and the app


def halt(name: str, figure: Decimal, ledger: Ledger) -> NoticeText:
    """Entries are halted by a loss."""
    lifted = "Lifted by itself at the next session." if name == "day loss" else "Until a person resumes."
    return _text(
        f"Entries halted: {name} {figure:.2%}",
        [
            f"Equity {usd(ledger.equity)}, opened at {usd(ledger.opening_equity)}, peak {usd(ledger.peak_equity)}.",
            "What is held keeps its exits.",
            lifted,
        ],
    )


def strategy_halted(strategy: str, result: Decimal, ledger: Ledger) -> NoticeText:
    """A strategy has lost its share of the day's loss."""
    return _text(
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
    return _text(
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
    return _text(
        f"Silent: {what} since {clock(since)}",
        [f"Noticed by {watcher}. See RUNBOOK, Silence."],
    )


def back(what: str, since: datetime, now: datetime) -> NoticeText:
    """What was silent is heard again."""
    minutes = int((now - since).total_seconds() // 60)
    return _text(f"Back: {what}", [f"Silent from {clock(since)} to {clock(now)}, {minutes} min."])


def silent_symbol(symbol: str, sessions: int) -> NoticeText:
    """A symbol that has news every session has none today."""
    return _text(
        f"No story of {symbol} today, after {sessions} sessions with one each",
        ["Its news may have been lost on the way: no narrative of it can be told. Price-only trading goes on."],
    )


def silent_news(sessions: int) -> NoticeText:
    """No source has told anything today."""
    return _text(
        f"No story at all today, after {sessions} sessions with some each",
        [
            "Not one came of the account's news or of any feed: no narrative can be told. Price-only trading goes on.",
            "See table feeds, and the runs of news-scan.",
        ],
    )


def poison(source: str, blob: str) -> NoticeText:
    """A message that failed too often."""
    return _text(f"Poison message of {source}", [f"Delivery failed too often. Its text is in quarantine/{blob}."])


def quarantined(source: str, reason: str) -> NoticeText:
    """A message that could not be read."""
    return _text(f"Quarantined a message of {source}", [reason])


UNREAD_SHOWN = 5
"""Rows that a notice names."""


def unread_rows(what: str, rows: Sequence[Unread]) -> NoticeText:
    """Rows of the market's answers that could not be read, of one kind."""
    more = len(rows) - UNREAD_SHOWN
    if what == "splits":
        return _text(
            "Splits are not known: no symbol has a history",
            [f"The corporate actions could not be had: {rows[0].fault}" if rows else None, _NO_TERMS],
        )
    return _text(
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
    return _text(
        f"Channel {name} takes no notices",
        [f"{failures} failures in a row. Tried again from {clock(until)}.", rest, "What it missed is counted."],
    )


def veto_flood(vetoed: int, asked: int) -> NoticeText:
    """A committee that vetoes nearly everything."""
    return _text(
        "The committee vetoes nearly every entry",
        [
            f"{vetoed} of {asked} entries within an hour were vetoed.",
            "It may be right or broken: the cases hold what it said. Empty GATEHOUSE_COMMITTEE to turn it off.",
        ],
    )


def committee_silent(asked: int, default: str) -> NoticeText:
    """A committee of which nobody answers."""
    return _text(
        "The committee says nothing",
        [
            f"No role gave a valid answer in time on any of {asked} entries within an hour.",
            f"GATEHOUSE_COMMITTEE_DEFAULT is {default}: "
            + ("each counts as if nobody objected." if default == ABSTAIN else "each was refused."),
        ],
    )


def language_down(failures: int, until: datetime, why: str) -> NoticeText:
    """A language model that does not answer."""
    return _text(
        "The language model does not answer: price-only trading goes on",
        [
            f"{failures} failures in a row, the last: {why}.",
            f"Tried again from {clock(until)}. Until it answers no narrative is written, and nothing waits for one.",
        ],
    )


def language_back(since: datetime, now: datetime) -> NoticeText:
    """A language model that answers again."""
    return _text("The language model answers again", [f"It had failed from {clock(since)} to {clock(now)}."])


def language_spent(why: str) -> NoticeText:
    """The day's budget of a language model is spent."""
    return _text(
        "The day's budget of the language model is spent: price-only trading goes on",
        [
            f"{why}.",
            "The next New York date has a budget of its own. See GATEHOUSE_LANGUAGE_TOKENS_A_DAY, ..._USD_A_DAY.",
        ],
    )


def day_summary(day: DayReport) -> NoticeText:
    """The day's last notice."""
    played, slippage = day.wins + day.losses, day.mean_entry_slippage_bp
    by_session = ", ".join(f"{name} {Decimal(value):+,.2f}" for name, value in day.realised_by_session.items())
    return _text(
        f"Day {day.on}: {Decimal(day.realised_usd):+.2f} USD realised, {day.wins} won, {day.losses} lost",
        [
            f"Equity {usd(Decimal(day.equity_usd))}, {signed_usd(Decimal(day.day_change_usd or 0))} on the day"
            if day.equity_usd is not None
            else None,
            f"Hit rate {day.wins / played:.0%} of {played}" if played else "No position was closed",
            f"By session: {by_session}" if by_session else None,
            *(
                f"{name}: {Decimal(each.realised_usd):+,.2f} USD, {each.wins} won, {each.losses} lost"
                for name, each in day.by_strategy.items()
            ),
            f"Entry slippage {slippage:+.1f} bp on average" if slippage is not None else None,
            f"Orders: {counts(day.orders)}; {day.fills} fills" if day.orders else "No orders",
            f"Left by: {counts(day.exits)}" if day.exits else None,
            f"Watched {day.watchlist}, scored {day.scored}, decided {counts(day.decisions) or 'nothing'}",
            f"Refused by: {counts(day.refused_by)}" if day.refused_by else None,
            f"{day.open_positions} positions are still open" if day.open_positions else None,
            f"Incidents {day.incidents}, of them {day.quarantined} in quarantine" if day.incidents else "No incidents",
        ],
    )


def weekly_figures(made: Review) -> Sequence[str]:
    """The week's figures line by line, as its notice and its report have them, without a date or a name."""
    total = made.total
    realised = signed_usd(Decimal(total.realised_usd) if total else ZERO)
    return [
        f"{realised} realised in {total.trips if total else 0} orders and {made.sessions} sessions",
        *weekly_summary(made, "").body.splitlines(),
        *(
            f"{each.trips} orders with a prediction of {each.low:.2f} to {each.high:.2f}: {each.predicted:.1%} "
            f"predicted, {each.observed:.1%} won"
            for each in made.calibration
        ),
        *([f"Brier score {made.brier}"] if made.brier is not None else []),
        *([] if made.proposals else ["Nothing is proposed: no change"]),
    ]


def _note_lines(note: ReviewNote | None) -> list[str]:
    """What a model made of the week, under its name, or why there is nothing; empty where none was asked."""
    if note is None:
        return []
    if note.status is not NarrativeStatus.TOLD:
        return [f"No note: {note.status}, {note.fault}"]
    return [f"Note by {note.model}: {note.note}", *note.findings]


def weekly_summary(made: Review, proposed: str, note: ReviewNote | None = None) -> NoticeText:
    """The week's notice; `proposed` names the parameter set, empty where nothing is proposed."""
    total = made.total
    realised = Decimal(total.realised_usd) if total else ZERO
    return _text(
        f"Week to {made.last}: {signed_usd(realised)} realised in {total.trips if total else 0} orders",
        [
            f"Hit rate {total.hit_rate:.0%}, expectancy {total.expectancy_usd:+.2f} USD an order" if total else None,
            *(
                f"{name}: {Decimal(each.realised_usd):+,.2f} USD, {each.hit_rate:.0%} of {each.trips}"
                for name, each in (*made.by_session.items(), *made.by_strategy.items())
            ),
            f"Equity {_money_text(made.equity_first_usd)} to {_money_text(made.equity_last_usd)}, "
            f"drawdown {made.drawdown_fraction:.2%}"
            if made.equity_last_usd
            else None,
            f"Slippage: {', '.join(f'{role} {bp:+.1f} bp' for role, bp in made.slippage_bp.items())}"
            if made.slippage_bp
            else None,
            f"Refused by: {counts(made.refused_by)}" if made.refused_by else None,
            *(f"Refusals {worth(each)}" for each in made.refusals if each.part is Refuser.ALL and each.filled),
            f"Incidents: {counts(made.incidents)}" if made.incidents else "No incidents",
            f"{made.missed_jobs} job slots missed" if made.missed_jobs else None,
            *(f"Proposed: {each.setting} = {each.value}. {each.why}" for each in made.proposals),
            f"To accept: parameter set {proposed}" if proposed else None,
            *_note_lines(note),
        ],
    )


def weekly_text(made: Review, proposed: str, note: ReviewNote | None = None) -> str:
    """The week's report as Markdown: what the notice says, the calibration, and the note."""
    text = weekly_summary(made, proposed)
    bins = [
        f"| {each.low:.2f} to {each.high:.2f} | {each.trips} | {each.predicted:.1%} | {each.observed:.1%} |"
        for each in made.calibration
    ]
    lines = [
        f"# Week {made.first} to {made.last}",
        "",
        text.title + ".",
        "",
        *(f"- {line}" for line in text.body.splitlines()),
        "",
        "## Calibration",
        "",
        *(
            ["| Predicted | Orders | Mean prediction | Won |", "| --- | --- | --- | --- |", *bins]
            if bins
            else ["No orders."]
        ),
        *(["", f"Brier score {made.brier}."] if made.brier is not None else []),
        *_refusals_text(made),
        *(["", "## Note", "", *(f"- {line}" for line in noted)] if (noted := _note_lines(note)) else []),
    ]
    return "\n".join(lines) + "\n"


def _refusals_text(made: Review) -> list[str]:
    """A table for each kind of refuser; nothing where nothing was followed."""
    found = ["", "## Value of refusals"] if made.refusals else []
    for heading, lines in sections(made.refusals).items():
        found += ["", f"| {' | '.join((heading, *HEAD[1:]))} |", f"|{' --- |' * len(HEAD)}"]
        found += [f"| {' | '.join(spelled(each))} |" for each in lines]
    return found


def _money_text(text: str | None) -> str:
    return "unknown" if text is None else usd(Decimal(text))
