"""One notice of each kind, as the app words it: docs/NOTICES.md shows them, a test sends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import NoticeText
from shared.contracts.reports import DayReport, StrategyDay
from shared.core.approvals import Answer, Answered
from shared.core.committee.values import ABSTAIN
from shared.core.ledger import Ledger
from shared.core.notices import ChannelState, Severity, withheld
from shared.core.order_states import EntryPlan, ExitReason, OrderState, OrderView, Phase, Role
from shared.core.orders import OrderStatus
from shared.core.review import Trip, Tuned, Week, review
from shared.core.sessions import NEW_YORK, REGULAR
from shared.core.technical import (
    CandlePattern,
    IndicatorReport,
    PatternReport,
    RsiLevel,
    TechnicalReports,
    TrendDirection,
    TrendReport,
)
from shared.core.unread import Unread
from shared.core.values import Symbol
from shared.stages.base.decision_notices import (
    ApprovalQuestion,
    DecisionStory,
    TapeStory,
    approval,
    closed,
    decision,
    ended,
    opened,
)
from shared.stages.base.notices import (
    Pulse,
    back,
    channel_down,
    committee_silent,
    halt,
    heartbeat,
    language_back,
    language_down,
    language_spent,
    poison,
    quarantined,
    sent_form,
    silent,
    silent_news,
    silent_symbol,
    strategy_halted,
    unread_rows,
    veto_flood,
    withheld_lines,
)
from shared.stages.base.report_notices import day_summary, weekly_summary

AT = datetime(2026, 10, 14, 15, 25, 8, tzinfo=UTC)
DECISION, INTENT = "5d1f0c6b2ae94718c3f0", "b7c19e02d4aa41f68e55"
PLAN = EntryPlan(
    intent_id=INTENT,
    decision_id=DECISION,
    symbol=Symbol("NRIY"),
    qty=Decimal(842),
    arrival_price=Decimal("5.935"),
    limit_price=Decimal("5.94"),
    worst_price=Decimal("5.95"),
    stop_price=Decimal("5.82"),
    target_price=Decimal("6.06"),
    expires_at=AT + timedelta(minutes=4),
    exit_by=AT + timedelta(minutes=60),
    patience_s=30,
    poll_s=5,
    max_reprices=3,
)

FEED = NoticeText(
    title="The feed Wire cannot be read",
    body="took longer than 10 s. Every news scan tries again; the other sources are read all the same.",
)
"""As `shared.stages.market.feeds` words it, which a test holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A kind, who says it when, and its text."""

    kind: str
    severity: Severity
    when: str
    text: NoticeText
    links: tuple[tuple[str, str], ...] = ()
    footer: str = ""

    @property
    def sent(self) -> NoticeText:
        """As it arrives."""
        return sent_form(self.text, severity=self.severity, environment="paper", links=self.links, footer=self.footer)


def examples() -> Iterator[Example]:
    """Every kind that has a text of its own, in the order of a day."""
    info, warning, critical = Severity.INFO, Severity.WARNING, Severity.CRITICAL
    yield Example(kind="decision", severity=info, when="an order is sent", text=decision(_story()))
    yield Example(
        kind="decision, of a strategy that reads the news",
        severity=info,
        when="an order is sent on what the news says",
        text=decision(_read_story()),
    )
    yield Example(
        kind="approval",
        severity=critical,
        when="an order waits for a person",
        text=_approval(),
        links=(
            ("Approve", "https://app.example/api/answer?token=..."),
            ("Refuse", "https://app.example/api/answer?token=..."),
        ),
    )
    yield Example(kind="position-opened", severity=info, when="a position stands, guarded", text=opened(_bought()))
    yield Example(kind="position-closed", severity=info, when="a position was left", text=closed(_sold()))
    yield Example(kind="order-ended", severity=info, when="an order came to nothing", text=ended(_denied()))
    yield Example(
        kind="order-ended, where a person was asked",
        severity=critical,
        when="it came to nothing, whatever was answered",
        text=ended(_denied_after_approval()),
    )
    yield Example(kind="heartbeat", severity=info, when="each hour in session", text=heartbeat(_pulse()))
    yield Example(
        kind="halt",
        severity=critical,
        when="a loss halts entries",
        text=halt("day loss", Decimal("0.0312"), _halted()),
    )
    yield Example(
        kind="halt, of one strategy",
        severity=critical,
        when="a strategy has lost its share of what the day may lose",
        text=strategy_halted("dip-buyer.v1", Decimal("-912.40"), _halted()),
    )
    yield Example(
        kind="silent",
        severity=critical,
        when="something should be heard of and is not",
        text=silent("job candidates", AT, "supervise"),
    )
    yield Example(
        kind="back",
        severity=info,
        when="what was silent is heard again",
        text=back("job candidates", AT, AT + timedelta(minutes=13)),
    )
    blob = "2026-10-14/signals-poison/9f2c11d7a0"
    yield Example(kind="poison", severity=critical, when="a message failed five times", text=poison("signals", blob))
    reason = "symbol must be a symbol of 1 to 12 characters A-Z 0-9 . / -, a letter or digit first, got ''"
    yield Example(
        kind="quarantine",
        severity=critical,
        when="a message could not be read",
        text=quarantined("signals", reason),
    )
    rows = [Unread(what="snapshot", name="DNPE", fault="c is null", raw='{"latestTrade": {"p": 4.1, "t": ...')]
    yield Example(
        kind="unread",
        severity=warning,
        when="a row of the market's answers could not be read; once a day for each kind",
        text=unread_rows("snapshot", rows),
    )
    yield Example(
        kind="feed",
        severity=warning,
        when="a feed cannot be read; once a day for each",
        text=FEED,
    )
    yield Example(
        kind="language-down",
        severity=warning,
        when="three questions in a row to the language model came to nothing",
        text=language_down(3, AT + timedelta(minutes=2), "TIMEOUT: no whole answer in time"),
    )
    yield Example(
        kind="language-back",
        severity=info,
        when="it answers again",
        text=language_back(AT, AT + timedelta(minutes=6)),
    )
    yield Example(
        kind="language-spent",
        severity=warning,
        when="a question was not asked, since the day's budget has no room for it; once a day",
        text=language_spent(
            "BUDGET: 298412 tokens and 0.06 USD of 171 calls leave no room for another one in 300000 tokens and 0.1 USD"
        ),
    )
    yield Example(
        kind="veto-flood",
        severity=warning,
        when="a committee has vetoed more than GATEHOUSE_COMMITTEE_FLOOD_SHARE of an hour's entries, four at least; "
        "once a day",
        text=veto_flood(5, 6),
    )
    yield Example(
        kind="committee-silent",
        severity=warning,
        when="no role of a committee has given a valid answer in time on any of an hour's entries, four at least; "
        "once a day",
        text=committee_silent(4, ABSTAIN),
    )
    yield Example(
        kind="silent-symbol",
        severity=warning,
        when="a symbol of the watchlist that has had news in every session has none by the day's report",
        text=silent_symbol("NRIY", 5),
    )
    yield Example(
        kind="silent-news",
        severity=warning,
        when="no story at all came, of any source; in place of one notice for each symbol",
        text=silent_news(5),
    )
    yield Example(
        kind="channel-down",
        severity=warning,
        when="a channel of notices fails; sent through the others",
        text=channel_down("phone", 3, AT + timedelta(minutes=5), ["desk"]),
    )
    yield Example(
        kind="day-report", severity=info, when="half an hour after the close", text=day_summary(_day()), footer=_more()
    )
    yield Example(kind="weekly-review", severity=info, when="Saturday 09:00", text=_week())


def _story() -> DecisionStory:
    return DecisionStory(
        symbol="NRIY",
        qty=Decimal(842),
        limit_price=PLAN.limit_price,
        stop_price=PLAN.stop_price,
        target_price=PLAN.target_price,
        risk=Decimal("109.46"),
        exit_by=PLAN.exit_by,
        session="REG-AM",
        strategy="momentum.v1",
        p_up=0.58,
        p_down=0.31,
        expected_move=0.0041,
        bound="trade_risk",
        gates_passed=22,
        indicators={"rsi_14": 61.2, "macd_histogram": 0.0124, "rvol_day": 4.31, "gap": 0.0874},
        headlines=("Neriya wins a contract over 40 M USD (Newswire)",),
        technical=_reports(),
        decision_id=DECISION,
        intent_id=INTENT,
        models="signal/2026-10-13 move/2026-10-13",
        parameter_set="default",
    )


def _reports() -> TechnicalReports:
    hammer = CandlePattern(name="CDLHAMMER", words="Hammer", direction=TrendDirection.UP)
    return TechnicalReports(
        indicator=IndicatorReport(
            macd=0.012, macd_signal=0.009, rsi=61.2, level=RsiLevel.NEUTRAL, trend=TrendDirection.UP, confidence=0.8
        ),
        pattern=PatternReport(
            patterns=(hammer,),
            primary=hammer,
            confidence=23 / 33,
            breakout_probability=10 / 23,
            breakout_cases=23,
            usual_probability=0.38,
        ),
        trend=TrendReport(support=5.88, resistance=6.08, direction=TrendDirection.UP, strength=0.62),
        bars=1_206,
        closed_at=AT - timedelta(seconds=8),
        close=5.93,
    )


def _read_story() -> DecisionStory:
    return replace(
        _story(),
        strategy="divergence.v1",
        p_up=None,
        p_down=None,
        expected_move=None,
        indicators={"rsi_14": 61.2, "ma_gap": 0.84, "macd": 0.12, "volume_z": 1.83},
        headlines=("Neriya wins a contract over 40 M USD (Newswire) https://newswire.example/neriya-contract",),
        tape=TapeStory(narrative=0.62, price=0.18, divergence=1.82, confidence=0.82, reason="NARR_LEADS_PRICE"),
        signal_id="27c0d1f3a9b84e5560aa",
        models="",
    )


def _approval() -> NoticeText:
    plan = replace(
        PLAN,
        symbol=Symbol("SPY"),
        qty=Decimal(82),
        limit_price=Decimal("671.92"),
        worst_price=Decimal("672.36"),
        stop_price=Decimal("668.10"),
        target_price=Decimal("675.90"),
        exit_by=AT + timedelta(minutes=65),
        approve_by=AT + timedelta(minutes=5),
    )
    question = ApprovalQuestion(
        plan=plan,
        bid=Decimal("671.90"),
        ask=Decimal("671.92"),
        quote_at=AT - timedelta(seconds=1),
        decided_at=AT,
        equity=Decimal("100412.55"),
    )
    return approval(question, has_links=True)


def _view(role: Role, shares: int, price: str) -> OrderView:
    return OrderView(
        order_id=role.value,
        client_order_id=f"{INTENT}-{role.value}-0",
        role=role,
        status=OrderStatus.FILLED,
        qty=Decimal(shares),
        filled_qty=Decimal(shares),
        average_price=Decimal(price),
        updated_at=AT,
    )


def _bought() -> OrderState:
    entry = _view(Role.ENTRY, 842, "5.9388")
    return OrderState(plan=PLAN, on=date(2026, 10, 14), phase=Phase.PROTECTED, orders={entry.order_id: entry})


def _sold() -> OrderState:
    target = _view(Role.TARGET, 842, "6.06")
    orders = {**_bought().orders, target.order_id: target}
    return replace(_bought(), phase=Phase.CLOSED, exit_reason=ExitReason.TARGET, orders=orders)


def _denied() -> OrderState:
    return replace(_bought(), phase=Phase.DENIED, orders={}, why="SLIPPAGE ask 5.99 beyond 5.95")


def _denied_after_approval() -> OrderState:
    approved = Answered(answer=Answer.APPROVE, by="me", reason="as planned", at=AT + timedelta(minutes=3))
    return replace(_denied(), answered=approved)


def _halted() -> Ledger:
    equity, opening, peak = Decimal("96880.10"), Decimal(100000), Decimal("100412.55")
    return Ledger(on=date(2026, 10, 14), equity=equity, opening_equity=opening, peak_equity=peak)


def _pulse() -> Pulse:
    return Pulse(
        at=datetime(2026, 10, 14, 16, 0, 2, tzinfo=UTC),
        session="REG-MID",
        equity=Decimal("100102.04"),
        day_change=Decimal("102.04"),
        exposure=Decimal("9870.40"),
        positions=2,
        open_orders=2,
        halts=("dip-buyer.v1 (day loss)",),
        jobs_done=64,
        jobs_odd=("news-scan 1115 missed",),
        queues={"candidates": (0, 0.0), "signals": (1, 4.0)},
    )


def _day() -> DayReport:
    return DayReport(
        on=date(2026, 10, 14),
        made_at="2026-10-14T20:30:00Z",
        policy={},
        realised_usd="214.37",
        realised_by_session={"REG-AM": "301.20", "REG-PM": "-86.83"},
        wins=9,
        losses=5,
        orders={"CLOSED": 14, "DENIED": 2},
        exits={"TARGET": 8, "STOP": 4, "FLATTEN": 2},
        fills=31,
        mean_entry_slippage_bp=2.4,
        watchlist=88,
        scored=3850,
        decisions={"approved": 16, "refused": 21},
        refused_by={"SPREAD": 12, "COOLDOWN": 9},
        equity_usd="100214.37",
        day_change_usd="214.37",
        open_orders=0,
        open_positions=0,
        incidents=0,
        quarantined=0,
        journal_rows=0,
        journal_hash="",
        by_strategy={
            "dip-buyer.v1": _strategy_day(approved=4, refused=9, fills=8, realised_usd="-35.12", wins=1, losses=3),
            "momentum.v1": _strategy_day(approved=12, refused=12, fills=23, realised_usd="249.49", wins=8, losses=2),
        },
    )


def _strategy_day(*, approved: int, refused: int, fills: int, realised_usd: str, wins: int, losses: int) -> StrategyDay:
    decisions = {"approved": approved, "refused": refused}
    return StrategyDay(decisions=decisions, fills=fills, realised_usd=realised_usd, wins=wins, losses=losses)


def _more() -> str:
    state = ChannelState()
    for minute in range(3):
        state = withheld(state, "position-closed", "Sold 120 ELAA: -12.40 USD", AT + timedelta(minutes=minute))
    return withheld_lines(state, NEW_YORK)


def _week() -> NoticeText:
    """Twenty-four orders of the afternoon that lost surely, so that something is proposed."""
    days = [date(2026, 10, day) for day in range(12, 17)]
    trips = [
        Trip(
            on=days[i % 5],
            symbol="NRIY",
            session="REG-PM" if i % 2 else "REG-AM",
            strategy="momentum.v1" if i % 8 else "dip-buyer.v1",
            realised=Decimal(-12 - i % 3) if i % 2 else Decimal(20 - i % 30),
            cost=Decimal(5000),
            p_win=0.57 if i % 8 else None,
        )
        for i in range(48)
    ]
    week = Week(
        days=days,
        trips=trips,
        slippages={"entry": [2.1, 2.5], "stop": [6.0]},
        decisions={"approved": 52, "refused": 81},
        refused_by={"SPREAD": 44, "COOLDOWN": 31},
        incidents={"silent": 1},
        missed_jobs=1,
        equities=[Decimal(100000), Decimal("100214.37"), Decimal("99871.02"), Decimal("99990.15")],
    )
    sessions = tuple(sorted(REGULAR))
    made = review(week, Tuned(edge_min=0.1, net_move_min_bp=3.0, entry_sessions=sessions))
    return weekly_summary(made, f"weekly-{made.last}")


def as_markdown() -> str:
    """Every example as a heading, a line and what arrives."""
    parts: list[str] = []
    for each in examples():
        parts += [f"### {each.kind}", "", f"{each.severity.value.capitalize()}: {each.when}.", ""]
        parts += ["```text", each.sent.title, "", each.sent.body, "```", ""]
    return "\n".join(parts).rstrip()
