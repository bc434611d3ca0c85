"""How long a committee takes in real time, over HTTP on the loopback, some of its roles too slow to be waited for.

`python -m benchmarks committee`. The commentator answers; the goal is a p99 within the deadline of five seconds.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice

from starlette.applications import Starlette

from sandbox.deliberate import Proposal, counted_roles, timed
from sandbox.narrate import EVIDENCE, quantile, story_of
from shared.adapters.language import ChatCompletions
from shared.contracts.settings import CommitteeSettings, LanguageSettings
from shared.core.committee.evidence import REPORT_IDS, CommitteeEvidence
from shared.core.market import Bars, Headline, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.technical import technical_reports
from shared.core.values import Symbol, to_price
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.language.face import ROUTES
from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED, Scenario
from simulation.venue.face.server import ServerThread

DEADLINE_S = 5.0
FIRST, EVERY, SLOTS = time(9, 45), timedelta(minutes=15), 24
LEAST = 78
"""Bars of a session, of which a plan needs so many."""


def plans(world: Scenario) -> Iterator[CommitteeEvidence]:
    """Plan an entry into each symbol with news, at each quarter of an hour, as the seeded market has it by then.

    A day has some 15 proposals of its own, too few for a p99; these no strategy has chosen.
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
            if len(bars) >= LEAST:
                yield _plan(Symbol(symbol), bars, at, items[-EVIDENCE:])


def _plan(symbol: Symbol, bars: Bars, at: datetime, items: Sequence[Headline]) -> CommitteeEvidence:
    last, swing = float(bars.close[-1]), float((bars.high - bars.low)[-LEAST:].mean())
    reports = technical_reports(bars, at)
    return CommitteeEvidence(
        symbol=symbol,
        strategy="trend.v1",
        at=at,
        limit_usd=to_price(last),
        stop_usd=to_price(last - 2 * swing),
        target_usd=to_price(last + 3 * swing),
        reason="closes above its mean",
        reports={name: asdict(getattr(reports, name)) for name in REPORT_IDS},
        stories=tuple(map(story_of, reversed(items))),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks committee", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="plans (default %(default)s)")
    parser.add_argument("--slow", type=float, default=0.1, help="share with one slow role (default %(default)s)")
    options = parser.parse_args(arguments)
    app = Starlette(routes=ROUTES)
    app.state.commentator = CommentatorConfig(faults={CommentatorFault.SLOW_ROLE: options.slow}, delay_s=30)
    tokens = CommitteeSettings().max_tokens
    with ServerThread(app) as server:
        language = ChatCompletions(replace(LanguageSettings(), url=f"{server.url}/v1", model=MODEL), is_sandbox=True)
        seeded = islice(plans(Scenario(seed=DEFAULT_SEED, on=DEFAULT_ON)), options.count)
        done = [
            timed(language, Proposal(evidence=plan, names={}), max_tokens=tokens, timeout_s=DEADLINE_S)
            for plan in seeded
        ]
        logging.disable()  # the server says so of each answer that it still holds back
    print(counted_roles(done))
    return 0 if quantile([ms for _, ms in done], 0.99) <= 1000 * DEADLINE_S else 1
