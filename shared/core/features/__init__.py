"""Features of one symbol on one day: one definition for training, backtest and live.

>>> past = prepare(symbol, daily=daily, history=history, day=day)  # once a day, can be kept  # doctest: +SKIP
>>> item = SymbolDay(past=past, today=closed_bars)  # doctest: +SKIP
>>> latest_features([item], market, day).shape == (1, len(FEATURE_NAMES))  # doctest: +SKIP
True
"""

from shared.core.features.breadth import context_symbols
from shared.core.features.catalogue import (
    ALL_FEATURE_NAMES,
    FEATURE_NAMES,
    FEATURES,
    TEXT_FEATURE_NAMES,
    TEXT_FEATURES,
    Feature,
)
from shared.core.features.compute import atr_path, day_features, latest_features
from shared.core.features.history import DAILY_BARS, HISTORY_SESSIONS, WARMUP_BARS, Past, SymbolDay, prepare
from shared.core.features.quality import (
    adv_shares,
    atr_5m,
    daily_volatility,
    data_faults,
    feature_faults,
    relative_volume,
)

__all__ = [
    "ALL_FEATURE_NAMES",
    "DAILY_BARS",
    "FEATURES",
    "FEATURE_NAMES",
    "HISTORY_SESSIONS",
    "TEXT_FEATURES",
    "TEXT_FEATURE_NAMES",
    "WARMUP_BARS",
    "Feature",
    "Past",
    "SymbolDay",
    "adv_shares",
    "atr_5m",
    "atr_path",
    "context_symbols",
    "daily_volatility",
    "data_faults",
    "day_features",
    "feature_faults",
    "latest_features",
    "prepare",
    "relative_volume",
]
