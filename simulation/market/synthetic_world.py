"""The seeded world: who is listed, what each day is about, and how one symbol-day is drawn from them."""

from __future__ import annotations

import math
from datetime import date, timedelta

from shared.core.ids import hash_id
from simulation.market.days import sessions_until
from simulation.market.synthetic_day import DayContext, State, SyntheticDay, simulate
from simulation.market.synthetic_plan import IDIOSYNCRATIC_VOL, EventKind, MarketRegime, crypto_plan, day_plans
from simulation.market.synthetic_shape import Grid
from simulation.market.synthetic_universe import ListedSymbol, ListingKind, generator, universe

VERSION = 1
"""Raise it when the same parameters no longer give the same market."""

_MOMENTUM_WEIGHT = {MarketRegime.CALM: 0.8, MarketRegime.TRENDING: 1.35, MarketRegime.STRESSED: 0.6}
_VOLUME_WEIGHT = {MarketRegime.CALM: 0.92, MarketRegime.TRENDING: 1.0, MarketRegime.STRESSED: 1.4}
_VOLUME_AFTER_RESULTS = 2.4


class SyntheticWorld:
    """Parameters of a seeded market and what follows from them at once.

    Attributes
    ----------
    listings : tuple of ListedSymbol
        Sorted by symbol.
    plans : dict of date to DayPlan
        One for each session date.
    crypto : dict of date to CryptoPlan
        One for each New York date from the first session date to the last.
    """

    def __init__(self, *, seed: int, on: date, n_symbols: int, history_days: int, edge: float) -> None:
        self.seed = seed
        self.edge = edge
        self.days = sessions_until(on, history_days + 1)
        self.listings = universe(seed, n_symbols)
        self.plans = {plan.day.on: plan for plan in day_plans(seed, self.listings, self.days, edge)}
        first = self.days[0].on
        self.dates = tuple(first + timedelta(days=i) for i in range((on - first).days + 1))
        self.crypto = {each: crypto_plan(seed, each) for each in self.dates}
        self.content_id = hash_id(
            "synthetic", *map(str, (VERSION, seed, on.isoformat(), n_symbols, history_days, float(edge)))
        )
        previous = [None, *(day.on for day in self.days)]
        self._before = dict(zip((day.on for day in self.days), previous, strict=False))

    def grid(self, listing: ListedSymbol, on: date) -> Grid | None:
        """Minutes of a date for a listing, None where its market is closed."""
        if listing.kind is ListingKind.CRYPTO:
            return self.crypto[on].grid if on in self.crypto else None
        return self.plans[on].grid if on in self.plans else None

    def first_state(self, listing: ListedSymbol) -> State:
        """Where a listing stands before the first date."""
        return State(log_mid=math.log(listing.price), close=listing.price, log_vol=0.0)

    def draw(self, listing: ListedSymbol, on: date, before: State) -> SyntheticDay:
        """One symbol-day; `before` is the state after the listing's previous day.

        Raises
        ------
        KeyError
            If the listing's market is closed on that date.
        """
        rng = generator(self.seed, listing.symbol, on.isoformat())
        return simulate(listing, self._context(listing, on), before, rng, self.edge)

    def _context(self, listing: ListedSymbol, on: date) -> DayContext:
        if listing.kind is ListingKind.CRYPTO:
            plan = self.crypto[on]
            common = listing.beta * plan.market
            return DayContext(shape=plan.grid.shape, common=common, event=None, own_vol=1.0, momentum=1.0, volume=1.0)
        day = self.plans[on]
        common = listing.beta * day.market
        if listing.sector_beta:
            common = common + listing.sector_beta * day.sectors[listing.sector]
        return DayContext(
            shape=day.grid.shape,
            common=common,
            event=day.events.get(listing.symbol),
            own_vol=IDIOSYNCRATIC_VOL[day.regime],
            momentum=_MOMENTUM_WEIGHT[day.regime],
            volume=_VOLUME_WEIGHT[day.regime] * self._results_volume(listing, on),
        )

    def _results_volume(self, listing: ListedSymbol, on: date) -> float:
        """A company that reported after yesterday's close is traded more today."""
        before = self._before[on]
        event = self.plans[before].events.get(listing.symbol) if before else None
        return _VOLUME_AFTER_RESULTS if event is not None and event.kind is EventKind.AFTER_HOURS else 1.0
