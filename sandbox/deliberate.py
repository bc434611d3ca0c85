"""`python -m sandbox narrate --committee`: a real language model sits on the committee for plans of a seeded day.

Each plan is asked about as the app asks: the same prompts, adapter, parser, grounding and deadline. Nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from time import perf_counter

from rich.console import Console

from sandbox.narrate import EVIDENCE, quantile, service_or_local, story_of
from shared.adapters.language import ChatCompletions
from shared.contracts.prompts import committee_prompts
from shared.contracts.settings import LanguageSettings
from shared.core.committee.deliberation import Answered, Ask, deliberation
from shared.core.committee.evidence import CommitteeEvidence, CommitteeQuestion
from shared.core.committee.values import ABSTAIN, CommitteeRole, Deliberation
from shared.core.market import Bars, Headline, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.text.language import LanguageError
from shared.core.values import Symbol, to_price
from shared.ports import LanguageModel
from simulation.market.scenario import Scenario

TOKENS = 96
"""Of one answer at most; one of 40 has room."""
FIRST, EVERY, SLOTS = time(9, 45), timedelta(minutes=15), 24
LEVELS = 78
"""Bars of a session, whose extremes are taken for levels."""


def plans(world: Scenario) -> Iterator[CommitteeEvidence]:
    """Plan an entry into each symbol with news, at each quarter of an hour, as the seeded market has it by then.

    They are there to try a committee on: no strategy has chosen them.
    """
    tape = world.tape()
    midnight = datetime.combine(world.on, time(), NEW_YORK)
    news = tape.news(midnight - timedelta(days=1), midnight + timedelta(days=1))
    first = datetime.combine(world.on, FIRST, NEW_YORK).astimezone(UTC)
    for at in (first + k * EVERY for k in range(SLOTS)):
        told: dict[str, list[Headline]] = {}
        for item in news:
            if item.published_at <= at:
                told.setdefault(item.symbols[0], []).append(item)
        for symbol, items in told.items():
            bars = tape.bars(symbol, Timeframe.MIN_5, midnight - timedelta(days=5), at)
            if len(bars) >= LEVELS:
                yield _plan(Symbol(symbol), bars, at, items[-EVIDENCE:])


def _plan(symbol: Symbol, bars: Bars, at: datetime, items: Sequence[Headline]) -> CommitteeEvidence:
    last, swing = float(bars.close[-1]), float((bars.high - bars.low)[-LEVELS:].mean())
    return CommitteeEvidence(
        symbol=symbol,
        strategy="trend.v1",
        at=at,
        limit_usd=to_price(last),
        stop_usd=to_price(last - 2 * swing),
        target_usd=to_price(last + 3 * swing),
        reason="closes above its mean",
        reports=_reports(bars),
        stories=tuple(map(story_of, reversed(items))),
    )


def _reports(bars: Bars) -> Mapping[str, object]:
    import talib  # noqa: PLC0415

    rsi, mean = (float(found[-1]) for found in (talib.RSI(bars.close, 14), talib.SMA(bars.close, 50)))
    level = "overbought" if rsi > 70 else "oversold" if rsi < 30 else "neutral"
    levels = {"support": float(bars.low[-LEVELS:].min()), "resistance": float(bars.high[-LEVELS:].max())}
    return {
        "indicator": {"rsi": round(rsi, 1), "level": level},
        "trend": levels | {"direction": "up" if bars.close[-1] > mean else "down"},
    }


def asking(language: LanguageModel) -> Ask:
    """Return how a committee puts its questions to a language model, without records."""

    def ask(question: CommitteeQuestion, timeout_s: float) -> Answered:
        try:
            return language.ask(question.request, timeout_s=timeout_s), "", ""
        except LanguageError as error:
            return None, str(error), ""

    return ask


def timed(language: LanguageModel, plan: CommitteeEvidence, *, timeout_s: float) -> tuple[Deliberation, int]:
    """Deliberate on a plan in real time; return what came of it and the milliseconds that it took."""
    began = perf_counter()
    found = deliberation(
        asking(language),
        plan,
        names={},
        prompts=committee_prompts(),
        max_tokens=TOKENS,
        timeout_s=timeout_s,
        default=ABSTAIN,
        weights={},
    )
    return found, round(1000 * (perf_counter() - began))


def deliberate(
    world: Scenario, console: Console, *, count: int, timeout_s: float, settings: LanguageSettings | None
) -> int:
    """Show what a committee of a language model says of plans, each role's answers counted; return the exit code.

    It is 1 where no role has ever answered. `settings` as `narrate` takes them, but that SmolLM2 has a slot a role.
    """
    done: list[tuple[Deliberation, int]] = []
    with service_or_local(settings, slots=len(CommitteeRole)) as service:
        console.print(f"{service.model} at {service.url}, plans of {world.on}, {timeout_s:g} s each", markup=False)
        language = ChatCompletions(service, is_sandbox=True)
        for plan in islice(plans(world), count):
            found, took_ms = timed(language, plan, timeout_s=timeout_s)
            done.append((found, took_ms))
            console.print(f"{took_ms / 1000:5.1f} s  {plan.symbol:<6} x {found.factor}: {found.why}", markup=False)
    console.print(counted_roles(done), markup=False)
    return 0 if any(each.answer for found, _ in done for each in found.outcomes) else 1


def counted_roles(done: Sequence[tuple[Deliberation, int]]) -> str:
    """Say what came of each role's questions, which factors they came to, and how long deliberations took."""
    outcomes = {
        role: Counter(each.fault or "valid" for found, _ in done for each in found.outcomes if each.role is role)
        for role in CommitteeRole
    }
    factors = Counter(str(found.factor) for found, _ in done)
    p50, p99, most = (quantile([ms for _, ms in done], share) / 1000 for share in (0.5, 0.99, 1))
    parts = [
        f"{role:<8} " + ", ".join(f"{n} {what}" for what, n in found.most_common()) for role, found in outcomes.items()
    ]
    parts.append("factors  " + ", ".join(f"{n} x {factor}" for factor, n in sorted(factors.items())))
    return "\n".join([*parts, f"{len(done)} deliberations: p50 {p50:.2f} s, p99 {p99:.2f} s, at most {most:.2f} s"])
