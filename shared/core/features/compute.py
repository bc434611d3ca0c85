"""The features themselves: one definition for training, backtest and live.

`day_features` gives the row at every bar of a day, `latest_features` the row at the last one. Both pick rows out of the
same causal series and apply the same elementwise formulas, so their bits are equal, and bars after a row cannot
reach it. Market context and breadth are those of symbols that the settings name, not of those that happen to travel
together in a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.core.features.breadth import BREADTH_MOST, MARKET_SYMBOLS, breadth_features
from shared.core.features.catalogue import FEATURE_NAMES
from shared.core.features.higher import higher_features
from shared.core.features.history import BAR_S, FACTS, HIGHER_SLOTS, SLOTS_PER_DAY, WARMUP_BARS, SymbolDay, require_day
from shared.core.features.panel import Panel, build_panel
from shared.core.features.text import text_features
from shared.core.market import FloatArray, IntArray, TradingDay
from shared.core.sessions import REG_AM_ENDS, REG_MID_ENDS, aft_close_at, new_york_instant, pre_open_at
from shared.core.text.stories import SymbolText
from shared.core.values import Symbol, require


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """m chosen (symbol, bar) places of a panel, in flat arrays."""

    panel: Panel
    facts: FloatArray
    row: IntArray
    column: IntArray

    def at(self, series: FloatArray, back: int = 0) -> FloatArray:
        """Values of a series, `back` bars before; NaN where the past is too short (the padding is NaN)."""
        values: FloatArray = series.reshape(-1)[self.row * series.shape[1] + (self.column - back)]
        return values

    def change(self, series: FloatArray, back: int) -> FloatArray:
        """Value now less the value `back` bars before."""
        return self.at(series) - self.at(series, back)

    def start_s(self) -> IntArray:
        """Start of each row's bar, UTC epoch seconds."""
        starts: IntArray = self.panel.start_s.reshape(-1)[self.row * self.panel.start_s.shape[1] + self.column]
        return starts

    def fact(self, name: str) -> FloatArray:
        """A daily figure of each row's symbol."""
        return self.facts[:, FACTS.index(name)][self.row]


def day_features(days: Sequence[SymbolDay], market: Sequence[SymbolDay], day: TradingDay) -> list[FloatArray]:
    """Features at the end of every bar of a day.

    Parameters
    ----------
    days : sequence of SymbolDay
    market : sequence of SymbolDay
        In the order of `context_symbols`: the market's own two symbols (SPY, QQQ), then those that breadth is counted
        over; what is missing gives NaN.
    day : TradingDay

    Returns
    -------
    list of float64 arrays of shape (n_bars_today, n_features)
        One per symbol, in order; columns as `FEATURE_NAMES`. Never infinite. NaN where history is too short, a
        divisor is zero, the regular session has not opened (since-open), premarket trades or market bars are missing.

    Raises
    ------
    ValueError
        If a past was prepared for another day or a bar of today lies outside the day.
    """
    counts = [len(item.today) for item in days]
    rows = np.repeat(np.arange(len(days)), counts)
    columns = np.concatenate([np.arange(count) for count in counts]) if counts else np.empty(0, np.int64)
    table = _features(days, market, day, rows, columns + WARMUP_BARS)
    return np.split(table, np.cumsum(counts)[:-1]) if counts else []


def latest_features(
    days: Sequence[SymbolDay],
    market: Sequence[SymbolDay],
    day: TradingDay,
    *,
    texts: Mapping[Symbol, SymbolText] | None = None,
    at: datetime | None = None,
) -> FloatArray:
    """Features at the end of each symbol's last bar: what `day_features` has in its last row, bit for bit.

    Parameters
    ----------
    days, market, day
        As in `day_features`; `today` holds closed bars only.
    texts : mapping of symbol to SymbolText, optional
        What the news says; None where none is read.
    at : datetime, optional
        The instant of the decision, UTC: what was received or told later is not known. Needed with `texts`.

    Returns
    -------
    float64 array of shape (n_symbols, n_features)
        Columns as `FEATURE_NAMES`; with `texts` as `ALL_FEATURE_NAMES`, those of bars the same bit for bit. Features of
        bars are NaN for a symbol without a bar today.

    Raises
    ------
    ValueError
        As `day_features`; and for texts without an instant.
    """
    counts = np.array([len(item.today) for item in days], np.int64)
    present = np.flatnonzero(counts)
    table = np.full((len(days), len(FEATURE_NAMES)), np.nan)
    table[present] = _features(days, market, day, present, WARMUP_BARS + counts[present] - 1)
    if texts is None:
        return table
    if at is None:
        raise ValueError("at must be an instant where there are texts, got None")
    return np.hstack([table, text_features(texts, [item.symbol for item in days], at)])


def atr_path(item: SymbolDay) -> FloatArray:
    """ATR(14) of 5-minute bars at each of today's bars, in USD, shape (n_bars_today,); NaN where history is short."""
    import talib  # noqa: PLC0415 (it imports pandas: only who computes features pays)

    bars = item.past.tail.then(item.today)
    if len(bars) < 2:
        return np.full(len(item.today), np.nan)
    path: FloatArray = talib.ATR(bars.high, bars.low, bars.close, 14)
    return path[len(item.past.tail) :]


def _features(
    days: Sequence[SymbolDay], market: Sequence[SymbolDay], day: TradingDay, row: IntArray, column: IntArray
) -> FloatArray:
    """Shape (m, n_features) for the m places (row, column) of the panel of `days`."""
    members = market[MARKET_SYMBOLS : MARKET_SYMBOLS + BREADTH_MOST]
    market = market[:MARKET_SYMBOLS]
    items = (*days, *market)
    require_day((*items, *members), day)
    with np.errstate(all="ignore"):
        panel = build_panel(items, int(day.open_at.timestamp()))
        facts = np.stack([item.past.facts for item in items]) if items else np.empty((0, len(FACTS)))
        rows = _Rows(panel=panel, facts=facts, row=row, column=column)
        own = _trend(rows) | _momentum(rows) | _volatility(rows) | _volume(rows, days) | _premarket(rows)
        own |= _higher(rows, own, days, day)
        context = _market_context(rows, own, len(days)) | breadth_features(members, rows.start_s())
        named = own | context | _calendar(rows, day)
    require(named.keys() == set(FEATURE_NAMES), "features", sorted(named), "those of the catalogue")
    table = np.stack([named[name] for name in FEATURE_NAMES], axis=1)
    table[~np.isfinite(table)] = np.nan
    return table


def _trend(rows: _Rows) -> dict[str, FloatArray]:
    panel = rows.panel
    close = rows.at(panel.close)
    log_close = rows.at(panel.log_close)
    sma_12, sma_36 = rows.at(panel.sma_12), rows.at(panel.sma_36)
    return {
        "sma_12_slope": np.log(sma_12 / rows.at(panel.sma_12, 6)),
        "sma_36_slope": np.log(sma_36 / rows.at(panel.sma_36, 12)),
        "close_over_sma_36": np.log(close / sma_36),
        "macd_histogram": rows.at(panel.macd_histogram) / close,
        "close_over_vwap": np.log(close / (rows.at(panel.day_cum_typical_dollar) / rows.at(panel.day_cum_volume))),
        "sma_20d_slope": rows.fact("sma_20d_slope"),
        "close_over_sma_20d": log_close - np.log(rows.fact("sma_20d")),
    }


def _momentum(rows: _Rows) -> dict[str, FloatArray]:
    panel = rows.panel
    close, log_close = rows.at(panel.close), rows.at(panel.log_close)
    high, low = rows.at(panel.day_high), rows.at(panel.day_low)
    return {
        "rsi_14": rows.at(panel.rsi_14),
        "rsi_14d": rows.fact("rsi_14d"),
        "return_5m": rows.change(panel.log_close, 1),
        "return_15m": rows.change(panel.log_close, 3),
        "return_30m": rows.change(panel.log_close, 6),
        "return_60m": rows.change(panel.log_close, 12),
        "return_180m": rows.change(panel.log_close, 36),
        "return_since_open": log_close - np.log(_regular_open(rows)),
        "return_since_close": log_close - np.log(rows.fact("previous_close")),
        "return_1d": rows.fact("return_1d"),
        "return_5d": rows.fact("return_5d"),
        "return_20d": rows.fact("return_20d"),
        "day_range_position": (close - low) / (high - low),
        "close_under_day_high": np.log(close / high),
        "close_under_high_20d": np.log(close / rows.fact("high_20d")),
    }


def _regular_open(rows: _Rows) -> FloatArray:
    """First open at or after the regular open, NaN for rows before it."""
    panel = rows.panel
    column = panel.open_column.take(rows.row)
    width = panel.open.shape[1]
    price = panel.open.ravel().take(rows.row * width + np.minimum(column, width - 1))
    return np.where(column <= rows.column, price, np.nan)


def _rms_return(rows: _Rows, bars: int) -> FloatArray:
    return np.sqrt(np.maximum(rows.change(rows.panel.cum_square, bars), 0.0) / bars)


def _volatility(rows: _Rows) -> dict[str, FloatArray]:
    panel = rows.panel
    short, long = _rms_return(rows, 12), _rms_return(rows, 36)
    return {
        "atr_14": rows.at(panel.atr_14) / rows.at(panel.close),
        "atr_14d": rows.fact("atr_14d") / rows.fact("previous_close"),
        "volatility_12": short,
        "volatility_36": long,
        "volatility_20d": rows.fact("volatility_20d"),
        "volatility_ratio": np.log(short / long),
        "range_expansion": (rows.at(panel.high) - rows.at(panel.low)) / rows.at(panel.atr_14, 1),
        "day_range_atr": (rows.at(panel.day_high) - rows.at(panel.day_low)) / rows.fact("atr_14d"),
    }


def _volume(rows: _Rows, days: Sequence[SymbolDay]) -> dict[str, FloatArray]:
    panel = rows.panel
    day_ratio, recent_ratio = _relative_volume(rows, days)
    mean = (rows.at(panel.cum_log_volume, 1) - rows.at(panel.cum_log_volume, 37)) / 36
    square = (rows.at(panel.cum_log_volume_square, 1) - rows.at(panel.cum_log_volume_square, 37)) / 36
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
    z = (np.log1p(rows.at(panel.volume)) - mean) / np.where(deviation > 1e-6, deviation, np.nan)
    return {
        "rvol_day": np.log(day_ratio),
        "rvol_15m": np.log1p(recent_ratio),
        "volume_z": z,
        "dollar_volume": np.log1p(rows.change(panel.cum_dollar, 12) / 12),
        "dollar_volume_20d": np.log1p(rows.fact("dollar_volume_20d")),
    }


def _higher(
    rows: _Rows, own: Mapping[str, FloatArray], days: Sequence[SymbolDay], day: TradingDay
) -> dict[str, FloatArray]:
    """Higher timeframes, and how far the trends of all five timeframes agree."""
    close = rows.at(rows.panel.close)
    figures = higher_features(days, day, rows.row, rows.start_s() + BAR_S)
    found: dict[str, FloatArray] = {}
    agreement = np.sign(own["sma_36_slope"]) + np.sign(own["sma_20d_slope"])
    for name, (rsi, sma, slope) in zip(HIGHER_SLOTS, figures, strict=True):
        found |= {
            f"close_over_sma_10_{name}": np.log(close / sma),
            f"sma_10_slope_{name}": slope,
            f"rsi_14_{name}": rsi,
        }
        agreement = agreement + np.sign(slope)
    return found | {"trend_agreement": agreement / (2 + len(figures))}


def _relative_volume(rows: _Rows, days: Sequence[SymbolDay]) -> tuple[FloatArray, FloatArray]:
    """Volume since 04:00 and of the last three slots, over the mean of past sessions at the same time of day."""
    if not days:
        return np.empty(0), np.empty(0)
    panel = rows.panel
    midnight = np.array([item.past.midnight_s for item in days], np.int64).take(rows.row)
    end_slot = np.minimum((rows.start_s() - midnight) // BAR_S, SLOTS_PER_DAY - 1) + 1
    profile = np.stack([item.past.volume_profile for item in days]).ravel()
    today = panel.slot_volume.ravel()
    now = rows.row * (SLOTS_PER_DAY + 1) + end_slot
    before = now - np.minimum(end_slot, 3)
    day_ratio = today.take(now) / profile.take(now)
    recent = (today.take(now) - today.take(before)) / (profile.take(now) - profile.take(before))
    return day_ratio, recent


def _premarket(rows: _Rows) -> dict[str, FloatArray]:
    panel = rows.panel
    close = rows.at(panel.close)
    opened = _regular_open(rows)
    high, low = rows.at(panel.pre_high), rows.at(panel.pre_low)
    share = rows.at(panel.pre_cum_volume) / rows.fact("adv_20d")
    return {
        "gap": np.log(np.where(np.isnan(opened), close, opened) / rows.fact("previous_close")),
        "premarket_volume": np.where(np.isnan(high), np.nan, share),
        "premarket_range": np.log(high / low),
        "close_over_premarket_high": np.log(close / high),
    }


def _context_of(rows: _Rows, index: int) -> dict[str, FloatArray]:
    """Figures of the panel's symbol `index` at its last bar that is not later than each row's bar.

    NaN before its first bar of the day, and where there is no such symbol.
    """
    panel = rows.panel
    names = ("return_30m", "return_since_close", "close_over_sma_36", "volatility_36", "volatility_20d", "return_20d")
    count = int(panel.counts[index]) if index < panel.counts.size else 0
    if not count:
        return dict.fromkeys(names, np.full(rows.row.size, np.nan))
    stamps = panel.start_s[index, WARMUP_BARS : WARMUP_BARS + count]
    place = np.searchsorted(stamps, rows.start_s(), side="right") - 1
    at = _Rows(
        panel=panel,
        facts=rows.facts,
        row=np.full(place.size, index),
        column=np.maximum(place, 0) + WARMUP_BARS,
    )
    values = (
        at.change(panel.log_close, 6),
        at.at(panel.log_close) - np.log(at.fact("previous_close")),
        np.log(at.at(panel.close) / at.at(panel.sma_36)),
        _rms_return(at, 36),
        at.fact("volatility_20d"),
        at.fact("return_20d"),
    )
    return {name: np.where(place >= 0, value, np.nan) for name, value in zip(names, values, strict=True)}


def _market_context(rows: _Rows, own: Mapping[str, FloatArray], first: int) -> dict[str, FloatArray]:
    """The market symbols stand in the panel from row `first` on."""
    spy, qqq = _context_of(rows, first), _context_of(rows, first + 1)
    return {
        **{f"spy_{name}": value for name, value in spy.items()},
        "qqq_return_30m": qqq["return_30m"],
        "qqq_return_since_close": qqq["return_since_close"],
        "qqq_volatility_36": qqq["volatility_36"],
        "strength_30m": own["return_30m"] - spy["return_30m"],
        "strength_since_close": own["return_since_close"] - spy["return_since_close"],
    }


def _calendar(rows: _Rows, day: TradingDay) -> dict[str, FloatArray]:
    end_s = rows.start_s() + BAR_S
    open_s, close_s = int(day.open_at.timestamp()), int(day.close_at.timestamp())
    am_ends_s, mid_ends_s = (int(new_york_instant(day, at).timestamp()) for at in (REG_AM_ENDS, REG_MID_ENDS))
    pre_s, aft_s = int(pre_open_at(day).timestamp()), int(aft_close_at(day).timestamp())
    # Later rules win: on a half day AFT begins before the wall times of the regular sessions' edges.
    session = np.select(
        [(end_s < pre_s) | (end_s >= aft_s), end_s >= close_s, end_s < open_s, end_s < am_ends_s, end_s < mid_ends_s],
        [5.0, 4.0, 0.0, 1.0, 2.0],
        3.0,
    )
    return {
        "minutes_since_open": (end_s - open_s) / 60,
        "minutes_to_close": (close_s - end_s) / 60,
        "session": session,
        "day_of_week": np.full(end_s.size, float(day.on.weekday())),
    }
