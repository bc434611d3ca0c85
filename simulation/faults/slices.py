"""What a simulated signal rests on: kept as the score stage keeps it, for a committee that asks."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import Signal
from shared.contracts.records import Container
from shared.core.packing import pack
from shared.core.text.stories import Story, SymbolText
from simulation.faults.market import SimMarket

if TYPE_CHECKING:
    from simulation.faults.world import World

GONE, TOLD = 0.05, 0.4
"""Shares of signals of which nothing is kept, and with a story in the news."""


def keep_slice(world: World, signal: Signal) -> None:
    """Keep what a signal rests on, as the score stage does; of a few nothing is left."""
    rng = random.Random(f"slice:{world.run.seed}:{signal.decision_id}")
    if signal.strategy not in world.settings.committee.strategies or rng.random() < GONE:
        return
    symbol, received_at = signal.symbol, signal.decided_at - timedelta(minutes=rng.randrange(1, 300))
    story = Story(
        story_id=f"{signal.decision_id}-story",
        symbols=(symbol,),
        published_at=received_at,
        received_at=received_at,
        source="simulation",
        headline=f"{symbol} wins an order worth {rng.randrange(2, 90)} million dollars",
    )
    inputs = SliceInputs(
        message_id=signal.causation_id,
        on=signal.on,
        slot=signal.slot,
        at=signal.decided_at,
        day=world.day,
        names=(),
        symbols=(),
        rows=(),
        market_symbols=(),
        quotes=SimMarket(world.exchange.view, world.clock).quotes([symbol]),
        history_blob="",
        bars_blob="",
        models=(),
        model_fault="",
        settings_id="",
        settings=world.settings.decision,
        texts={symbol: SymbolText(stories=(story,))} if rng.random() < TOLD else {},
    )
    world.blobs.insert(Container.FEATURES, signal.features_blob, pack(world.codec.encode(inputs).encode()))
