"""The ports that the stages get: the real codec and memory adapters, the broker and market of the simulation."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.adapters.absent import NoFeeds, NoLanguage, NoText
from shared.contracts.settings import Settings, parse_settings
from shared.ports import (
    BlobStore,
    Broker,
    Calendar,
    Clock,
    Codec,
    Feeds,
    HistoryStore,
    LanguageModel,
    MarketData,
    ModelState,
    TableStore,
    TextModels,
)
from simulation.runtime.notifier import SimNotifier


class SimModels:
    """Models that are trusted: the gate asks no more of them."""

    def current(self, name: str) -> ModelState:
        """Return a healthy state; scoring is no part of the simulation."""
        return ModelState(predictor=_Trusted())  # type: ignore[arg-type]


class _Trusted:
    """Stands for a model whose scores came with the signal."""


@dataclass(slots=True, kw_only=True)
class SimPorts:
    """`shared.ports.Ports` of the simulation."""

    settings: Settings
    clock: Clock
    calendar: Calendar
    tables: TableStore
    blobs: BlobStore
    codec: Codec
    history: HistoryStore
    market: MarketData
    broker: Broker
    models: SimModels
    notifier: SimNotifier
    texts: TextModels = field(default_factory=NoText)
    language: LanguageModel = field(default_factory=NoLanguage)
    feeds: Feeds = field(default_factory=NoFeeds)
    code_revision: str = "simulation"


_FIXED = {
    "ALPACA_ENVIRONMENT": "sandbox",
    "ALPACA_KEY_ID": "simulation",
    "ALPACA_SECRET_KEY": "simulation",
    "ALPACA_TRADING_URL": "http://127.0.0.1:1",
    "ALPACA_DATA_URL": "http://127.0.0.1:1",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}

REGULAR_HOURS = "REG-AM REG-MID REG-PM"

_VARIED = {
    "GATEHOUSE_MAX_POSITIONS": ("2", "3", "5", "10"),
    "GATEHOUSE_HOLD_MAX_MIN": ("3", "10", "20", "60"),
    "GATEHOUSE_ENTRY_PATIENCE_S": ("10", "30"),
    "GATEHOUSE_ENTRY_POLL_S": ("2", "5"),
    "GATEHOUSE_MAX_REPRICES": ("0", "1", "3"),
    "GATEHOUSE_COOLDOWN_MIN": ("1", "15"),
    "GATEHOUSE_GROSS_EXPOSURE_MAX_FRACTION": ("0.25", "1.0"),
    "GATEHOUSE_SYMBOL_EXPOSURE_MAX_FRACTION": ("0.05", "0.1"),
    "GATEHOUSE_DAY_LOSS_MAX_FRACTION": ("0.0006", "0.002", "0.03", "0.03"),
    "GATEHOUSE_DRAWDOWN_MAX_FRACTION": ("0.003", "0.05", "0.05"),
    "GATEHOUSE_ENTRY_SESSIONS": (REGULAR_HOURS, REGULAR_HOURS, f"PRE {REGULAR_HOURS} AFT"),
    "GATEHOUSE_GUARD_POLL_S": ("5", "10", "30"),
    "GATEHOUSE_ADV_MAX_EXTENDED_FRACTION": ("0.001", "0.01"),
    "GATEHOUSE_APPROVAL_FRACTION": ("0.5", "0.5", "0.03"),
    "GATEHOUSE_APPROVAL_WAIT_MIN": ("1", "5"),
    "GATEHOUSE_SYMBOL_GROUPS": ("", "ONE: SA SB SC; TWO: SD SE SF", "ALL: SA SB SC SD SE SF SG SH"),
    "GATEHOUSE_GROUP_EXPOSURE_MAX_FRACTION": ("0.12", "0.3"),
    "GATEHOUSE_DAY_TRADES_MAX": ("0", "0", "3"),
    "GATEHOUSE_DAY_TRADES_BELOW_USD": ("200000",),
    "GATEHOUSE_STRATEGIES": ("trend.v1=1", "trend.v1=0.5 narrative.v1=0.5"),
}


LONG_HOLD_SHARE = 0.15
"""Share of seeds whose positions may stand for hours."""


def settings_of(
    rng: random.Random, later: random.Random, more: Callable[[Sequence[str]], Mapping[str, str]]
) -> Settings:
    """Settings of a seed: tight limits and loose ones, so that every gate is reached by some seeds.

    What is drawn from `later` moves none of the draws of `rng`; `more` gives further settings for the strategies that
    trade.
    """
    varied = {name: rng.choice(values) for name, values in _VARIED.items()}
    if later.random() < LONG_HOLD_SHARE:
        varied["GATEHOUSE_HOLD_MAX_MIN"] = "150"
    traded = [share.partition("=")[0] for share in varied["GATEHOUSE_STRATEGIES"].split()]
    return parse_settings({**_FIXED, **varied, **more(traded)})
