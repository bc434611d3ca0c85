"""Headlines of the seeded market: the stories that move prices, their echoes, and what moves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.values import Symbol, from_epoch
from simulation.market.synthetic_plan import DayPlan, EventKind, MarketEvent
from simulation.market.synthetic_universe import SECTORS, ListedSymbol, ListingKind, generator
from simulation.market.synthetic_world import SyntheticWorld

_WIRES = ("Northwire", "Harbor Newswire", "Ledgerline")
_ECHOES = ("Tape Reader Daily", "MarketMurmur", "The Opening Cross")
_ECHO_CHANCE = 0.45
_IDLE_STORIES = 45


def _stories(*texts: str) -> tuple[tuple[str, str], ...]:
    """Headlines, each with the summary that follows it."""
    return tuple(zip(texts[::2], texts[1::2], strict=True))


_GOOD = {
    "any": _stories(
        "{name} raises full-year outlook after record quarter",
        "Management cites strong demand and now expects revenue growth of {pct}% for the year.",
        "{name} beats estimates, announces buyback",
        "Quarterly profit beat expectations; the board approved a repurchase of up to {n} million shares.",
        "{name} wins {n} million dollar multi-year contract",
        "The award is the largest in the company's history, with deliveries starting next quarter.",
        "{name} to explore strategic alternatives after unsolicited interest",
        "The board hired advisers to review options that could include a sale.",
    ),
    "Biotechnology": _stories(
        "{name} reports positive Phase 2 results, primary endpoint met",
        "The study showed a statistically significant improvement; a pivotal trial is planned.",
        "{name} receives FDA fast track designation for lead candidate",
        "The designation speeds review of the company's treatment for a rare disease.",
    ),
    "Energy": _stories(
        "{name} announces significant discovery, lifts output guidance",
        "Initial flow rates exceeded the company's own forecast by {pct}%.",
    ),
    "Materials": _stories(
        "{name} signs {n} million dollar lithium supply agreement",
        "The offtake covers five years of production from its first mine.",
    ),
}
_BAD = {
    "any": _stories(
        "{name} cuts outlook, shares fall as demand weakens",
        "The company now expects revenue to decline by {pct}% and warned of further charges.",
        "{name} prices {n} million dollar dilutive public offering",
        "The stock is sold at a steep discount to the last close.",
        "{name} misses estimates, suspends guidance",
        "The quarterly loss widened as costs rose; the chief financial officer resigned.",
        "{name} discloses regulatory probe into accounting",
        "The annual report will be delayed while the audit committee investigates.",
    ),
    "Biotechnology": _stories(
        "{name} trial fails to meet primary endpoint",
        "The company halted dosing after disappointing data and will cut jobs.",
    ),
    "Energy": _stories(
        "{name} writes down assets, slashes dividend",
        "A weak well result led to an impairment of {n} million dollars.",
    ),
}
_FOLLOWED_UP = {
    1: _stories(
        "{name} confirms {n} million dollar order, demand stays strong",
        "The order follows this morning's news; deliveries begin this quarter.",
        "Brokerage upgrades {name} to buy, lifts price target by {pct}%",
        "The note calls this morning's news a turning point that the price does not reflect.",
        "Insiders of {name} buy shares after strong outlook",
        "Filings show purchases by the chief executive and two directors.",
    ),
    -1: _stories(
        "Brokerage downgrades {name} after sharp rise",
        "The note says that the price runs ahead of weak fundamentals and cuts the rating to sell.",
        "Short seller questions claims of {name}",
        "The report calls this morning's announcement misleading and warns of a steep decline.",
    ),
}
"""What is heard in the regular session of a small company that gapped up, by whether buyers follow."""
_FOLLOW_UP_CHANCE = {1: 0.9, -1: 0.25}
_IDLE = (
    ("{name} to present at investor conference", "A webcast of the presentation will be available."),
    ("{name} appoints new member to its board", "The director brings two decades of industry experience."),
    ("Analyst reiterates neutral rating on {name}", "The price target is unchanged."),
    ("{name} schedules quarterly earnings call", "Results will be published after the market closes."),
    ("{name} opens new regional office", "The company did not disclose financial terms."),
    ("Options activity in {name} in line with average", "Implied volatility was little changed."),
)
_CRYPTO = (
    ("{name} steady as funding rates normalize", "Volumes on major venues were close to their monthly average."),
    ("{name} swings with risk appetite", "Traders pointed to macro data and thin liquidity."),
)


def headlines(world: SyntheticWorld, on: date) -> tuple[Headline, ...]:
    """All stories of a New York date, oldest first."""
    return tuple(story for story, _ in labelled_headlines(world, on))


def labelled_headlines(world: SyntheticWorld, on: date) -> tuple[tuple[Headline, int], ...]:
    """The same, each with the sentiment of the event that it tells: 1 or -1, and 0 for what moves nothing."""
    rng = generator(world.seed, "news", on.isoformat())
    by_symbol = {listing.symbol: listing for listing in world.listings}
    stories: list[tuple[Headline, int]] = []
    plan = world.plans.get(on)
    if plan is not None:
        for event in plan.events.values():
            told = _event_stories(rng, by_symbol[event.symbol], event, plan)
            stories += [(story, event.sentiment) for story in told]
        stories += _follow_ups(world, by_symbol, plan)
        stories += [(story, 0) for story in _idle_stories(rng, world, plan)]
    for listing in world.listings:
        if listing.kind is ListingKind.CRYPTO:
            start_s = world.crypto[on].grid.start_s
            text = _pick(rng, _CRYPTO)
            at_s = start_s + int(rng.integers(0, 80_000))
            stories.append((_story(rng, listing, text, at_s, _WIRES), 0))
    return tuple(sorted(stories, key=lambda told: (told[0].published_at, told[0].news_id)))


def _event_stories(
    rng: np.random.Generator, listing: ListedSymbol, event: MarketEvent, plan: DayPlan
) -> list[Headline]:
    """The story in the minute of the move, and perhaps another outlet repeating it."""
    bank = _GOOD if event.sentiment > 0 else _BAD
    sector = SECTORS[listing.sector]
    choices = bank["any"] if event.kind is EventKind.AFTER_HOURS else bank["any"] + bank.get(sector, ())
    at_s = plan.grid.start_s + 60 * event.news_i + int(rng.integers(0, 50))
    first = _story(rng, listing, _pick(rng, choices), at_s, _WIRES)
    if rng.random() >= _ECHO_CHANCE:
        return [first]
    text = (f"{listing.symbol}: {first.headline}", first.summary)
    return [first, _story(rng, listing, text, at_s + int(rng.integers(60, 900)), _ECHOES)]


def _follow_ups(
    world: SyntheticWorld, by_symbol: Mapping[str, ListedSymbol], plan: DayPlan
) -> list[tuple[Headline, int]]:
    """Stories after the open that tell whether buyers follow a gap, before all of them have: what a reader lives on.

    They come of a generator of their own, and move no price.
    """
    rng = generator(world.seed, "follow-ups", plan.day.on.isoformat())
    found = []
    for event in plan.events.values():
        if event.kind is not EventKind.GAP or event.jump <= 0 or not event.squeeze_i:
            continue
        meant = 1 if event.is_runner else -1
        if rng.random() >= _FOLLOW_UP_CHANCE[meant]:
            continue
        minute = plan.grid.shape.open_i + int(rng.integers(4, 180))
        text = _pick(rng, _FOLLOWED_UP[meant])
        at_s = plan.grid.start_s + 60 * minute + int(rng.integers(0, 50))
        found.append((_story(rng, by_symbol[event.symbol], text, at_s, _WIRES), meant))
    return found


def _idle_stories(rng: np.random.Generator, world: SyntheticWorld, plan: DayPlan) -> list[Headline]:
    equities = [each for each in world.listings if each.kind not in {ListingKind.CRYPTO, ListingKind.FUND}]
    stories = []
    for _ in range(int(rng.poisson(_IDLE_STORIES))):
        # Companies publish before the open and through the day, little after the close.
        minute = int(rng.beta(1.6, 2.4) * plan.grid.shape.n)
        listing = equities[int(rng.integers(len(equities)))]
        at_s = plan.grid.start_s + 60 * minute + int(rng.integers(0, 60))
        stories.append(_story(rng, listing, _pick(rng, _IDLE), at_s, _WIRES + _ECHOES))
    return stories


def _pick(rng: np.random.Generator, choices: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    return choices[int(rng.integers(len(choices)))]


def _story(
    rng: np.random.Generator, listing: ListedSymbol, text: tuple[str, str], at_s: int, sources: tuple[str, ...]
) -> Headline:
    source = sources[int(rng.integers(len(sources)))]
    numbers = {"name": listing.asset.name, "pct": int(rng.integers(12, 48)), "n": int(rng.integers(8, 240))}
    headline, summary = (part.format(**numbers) for part in text)
    news_id = hash_id("news", str(at_s), source, listing.symbol, headline)
    return Headline(
        news_id=news_id,
        published_at=from_epoch(at_s),
        source=source,
        headline=headline,
        summary=summary,
        symbols=(Symbol(listing.symbol),),
        url=f"https://newswire.example/{news_id}",
    )


def templates() -> tuple[tuple[str, int], ...]:
    """Every headline as it is before its `{name}`, `{pct}` and `{n}`, with what it means: 1, -1, or 0 for nothing."""
    banks = (
        ([*_GOOD.values(), _FOLLOWED_UP[1]], 1),
        ([*_BAD.values(), _FOLLOWED_UP[-1]], -1),
        ([_IDLE, _CRYPTO], 0),
    )
    return tuple((headline, meant) for found, meant in banks for bank in found for headline, _ in bank)
