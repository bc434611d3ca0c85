"""What a person reads of a decision, of the question whether it may be, and of its order. Pure, as `notices` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.contracts.messages import NoticeText
from shared.core.approvals import Answer, Answered
from shared.core.order_states import EntryPlan, OrderState, Phase, Role
from shared.core.technical import BREAKOUT_BARS, PatternReport, TechnicalReports, TrendDirection
from shared.core.values import ZERO, plain
from shared.stages.base.notices import clock, notice_text, until_when, usd

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
        return notice_text(f"Buying {plain(story.qty)} {story.symbol} at {cost}", [*told, *_decided(story)])
    return notice_text(
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
    return notice_text(
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
    return notice_text(
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
    return notice_text(
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
        return notice_text(title, [state.why, _trace(state)])
    head = {
        Answer.APPROVE: f"{title} after it was approved",
        Answer.REFUSE: f"{title}, as it was refused",
        Answer.NOBODY: f"{title} without an answer",
    }[given.answer]
    said = answer_given(given)
    return notice_text(
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
