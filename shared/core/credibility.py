"""Credibility: what the word of a source or of a role weighs, by how what it said came out. Pure.

A hit is a word whose sign was the outcome's. Hits are held against chance: who only ever says yes is right as often as
things turn out well, and knows nothing. What counts is by how much the hit rate is surely beyond chance, the end of its
interval that lies nearest; so few words, and words that chance could have spoken, leave a weight at its prior.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from shared.core.sessions import NEW_YORK
from shared.core.values import require, require_at_least, require_utc

SPAN = 0.5
"""A weight stays within its prior less and plus this share of it."""
SOURCE_MOST = 1.0
"""Most that a source is worth."""
STEP = 0.1
"""Most that a weight moves at once."""
LEAST_FORECASTS = 30
"""With fewer independent forecasts a weight stays where it is."""
GAIN = 5.0
"""Share of the prior that a hit rate moves a weight by, for each unit that is surely beyond chance: 0.1 is the span."""
SURE = 0.95
"""Of the intervals of all who are judged, together."""
APART = timedelta(hours=1)
"""Words of one about the same symbol within this time are one: what came of them is the same."""

_SOURCES_OF_A_DAY, _ROLES_OF_A_DAY = 0.05, 0.2
"""Correlation that is assumed of outcomes of one day: of returns beyond the market's, and of whole ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one said of an event, and what came of it.

    Attributes
    ----------
    who : str
        Source or role.
    event_id : str
        Names the event.
    about : tuple of str
        Its symbols.
    said_at, known_at : datetime
        When it was said, and from when on the outcome was known.
    said, came : float
        Above zero for good, below for bad; one in which either is zero or not finite counts for nothing.
    echo_of : str
        What it repeats; empty where it is the first to say so. An echo counts for nobody.
    """

    who: str
    event_id: str
    about: tuple[str, ...]
    said_at: datetime
    known_at: datetime
    said: float
    came: float
    echo_of: str = ""

    def __post_init__(self) -> None:
        require_utc("said_at", self.said_at)
        require_utc("known_at", self.known_at)
        require(self.known_at > self.said_at, "known_at", self.known_at, f"after {self.said_at}, when it was said")

    @property
    def is_hit(self) -> bool:
        """Whether it came as it was said."""
        return (self.said > 0) == (self.came > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credibility:
    """What one's weight is to be, and the evidence.

    Attributes
    ----------
    forecasts, days : int
        Independent ones, and the New York dates that they fell on.
    hit_rate, chance : float
        Share that came as said, and what it would be if words and outcomes had nothing to do with each other; NaN
        without forecasts.
    low, high : float
        Interval of the hit rate: all intervals hold together with probability `SURE`. NaN with too few forecasts.
    prior, current, weight : float
        What it weighs before any evidence, now, and next.
    """

    who: str
    forecasts: int
    days: int
    hit_rate: float
    chance: float
    low: float
    high: float
    prior: float
    current: float
    weight: float

    @property
    def is_moved(self) -> bool:
        """Whether the weight is to change."""
        return self.weight != self.current


def span_of(prior: float, most: float) -> tuple[float, float]:
    """Return the least and the most that a weight may become."""
    return prior * (1 - SPAN), min(prior * (1 + SPAN), most)


def source_weights(
    forecasts: Iterable[Forecast], current: Mapping[str, float], *, prior: Mapping[str, float], until: datetime
) -> tuple[Credibility, ...]:
    """Return what each source's stories are to weigh, sorted by source.

    Parameters
    ----------
    forecasts : iterable of Forecast
        Stories in any order: polarity, and the symbols' return beyond the market's in the hour after receipt.
    current, prior : mapping of str to float
        Weight now and as the app's own settings have it, in [0, 1]; 1 where a source is not named.
    until : datetime
        Nothing that was known later counts.
    """
    return _credibilities(forecasts, current, prior, until=until, most=SOURCE_MOST, of_a_day=_SOURCES_OF_A_DAY)


def role_weights(
    forecasts: Iterable[Forecast], current: Mapping[str, float], *, until: datetime
) -> tuple[Credibility, ...]:
    """Return what each role of the committee is to weigh, sorted by role; the prior is 1.

    Parameters
    ----------
    forecasts : iterable of Forecast
        Answers in any order: above zero if the role approved, below if it objected, and the trade's return after costs.
    current : mapping of str to float
        Weight now; 1 where a role is not named.
    until : datetime
        Nothing that was known later counts.
    """
    return _credibilities(forecasts, current, {}, until=until, most=math.inf, of_a_day=_ROLES_OF_A_DAY)


def _credibilities(
    forecasts: Iterable[Forecast],
    current: Mapping[str, float],
    prior: Mapping[str, float],
    *,
    until: datetime,
    most: float,
    of_a_day: float,
) -> tuple[Credibility, ...]:
    require_utc("until", until)
    for name, weights in (("current", current), ("prior", prior)):
        for who, weight in weights.items():
            require_at_least(f"{name} weight of {who}", weight, 0)
    heard = _independent(each for each in forecasts if each.known_at <= until)
    every = [each for own in heard.values() for each in own]
    good = sum(each.came > 0 for each in every) / len(every) if every else math.nan
    judged = max(sum(len(own) >= LEAST_FORECASTS for own in heard.values()), 1)
    z = NormalDist().inv_cdf(1 - (1 - SURE) / (2 * judged))
    return tuple(
        _credibility(
            who,
            heard.get(who, []),
            good=good,
            margin=z / 2 / math.sqrt(_effective(heard[who], of_a_day)) if who in heard else math.nan,
            prior=prior.get(who, 1.0),
            current=current.get(who, 1.0),
            most=most,
        )
        for who in sorted({*heard, *current, *prior})
    )


def _independent(forecasts: Iterable[Forecast]) -> dict[str, list[Forecast]]:
    """Forecasts that count, by who said them, oldest first: no echoes, and of those that share an outcome the first."""
    last: dict[tuple[str, str], datetime] = {}
    found: defaultdict[str, list[Forecast]] = defaultdict(list)
    for each in sorted(forecasts, key=lambda each: (each.said_at, each.event_id, each.who)):
        is_said = all(math.isfinite(value) and value != 0 for value in (each.said, each.came))
        places = [(each.who, symbol) for symbol in each.about]
        if each.echo_of or not is_said or any(each.said_at < last[at] + APART for at in places if at in last):
            continue
        last |= dict.fromkeys(places, each.said_at)
        found[each.who].append(each)
    return dict(found)


def _effective(forecasts: Sequence[Forecast], of_a_day: float) -> float:
    """As how many independent ones these count (Kish): those of one day share its fate to some part."""
    sizes = Counter(_date(each) for each in forecasts)
    return len(forecasts) / (1 + of_a_day * (sum(n * n for n in sizes.values()) / len(forecasts) - 1))


def _date(forecast: Forecast) -> object:
    return forecast.said_at.astimezone(NEW_YORK).date()


def _credibility(
    who: str, forecasts: Sequence[Forecast], *, good: float, margin: float, prior: float, current: float, most: float
) -> Credibility:
    low, high = span_of(prior, most)
    kept, n = min(max(current, low), high), len(forecasts)
    rate = chance = math.nan
    interval, weight = (math.nan, math.nan), kept
    if n:
        rate, yes = sum(each.is_hit for each in forecasts) / n, sum(each.said > 0 for each in forecasts) / n
        chance = yes * good + (1 - yes) * (1 - good)
    if n >= LEAST_FORECASTS:
        interval = (max(rate - margin, 0.0), min(rate + margin, 1.0))
        surely = math.copysign(max(abs(rate - chance) - margin, 0.0), rate - chance)
        target = prior * (1 + min(max(GAIN * surely, -SPAN), SPAN))
        step = round(min(max(target - kept, -STEP), STEP), 2)
        weight = min(max(round(kept + step, 6), low), high)
    return Credibility(
        who=who,
        forecasts=n,
        days=len({_date(each) for each in forecasts}),
        hit_rate=rate,
        chance=chance,
        low=interval[0],
        high=interval[1],
        prior=prior,
        current=current,
        weight=weight,
    )
