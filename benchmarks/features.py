"""Features and scores of one slice of 25 symbols: our path against the same work done with pandas, row by row.

`python -m benchmarks.features [--json FILE]`. Both sides start from the same bars in memory and end with class
probabilities and expected moves; the values are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from shared.adapters.calendar import XnysCalendar
from shared.adapters.scorer import OnnxPredictor, verified
from shared.contracts.model_card import ModelCard
from shared.core.features import FEATURE_NAMES, WARMUP_BARS, SymbolDay, latest_features, prepare
from shared.core.features.breadth import BREADTH_MOST
from shared.core.features.history import midnight_s
from shared.core.market import Bars, FloatArray, IntArray, TradingDay
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol

ON = date(2025, 10, 15)
SLICE = 25
CONTEXT = ("SPY", "QQQ", *(f"C{k:02d}" for k in range(BREADTH_MOST)))
"""The market's own symbols, and as many of breadth as are ever counted."""
GOAL_MS = 10.0
LAST_SLOT = 235
"""The last bar ends at 19:40: almost the longest day there is."""
TOLERANCES = {"macd_histogram": 1e-6}
"""TA-Lib starts the two means of a MACD together, pandas each at the first bar; all else agrees to 1e-9."""
HIGHER = {"15m": 15, "1h": 60, "4h": 240}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDay:
    """Bars of one symbol as they come from storage."""

    symbol: Symbol
    daily: Bars
    history: Bars
    today: Bars


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    figures = measure()
    for name, value in figures.items():
        print(f"{name:>34}  {value:,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["features_and_score_ms"] <= GOAL_MS else 1


def measure() -> dict[str, float]:
    """Run both sides on one slice and return the figures (medians, ms)."""
    calendar = XnysCalendar()
    day = calendar.day(ON)
    assert day is not None
    dates = [past.on for past in calendar.previous_days(ON, 60)]
    slice_ = [raw_day(f"S{k:02d}", dates) for k in range(SLICE)]
    market = [raw_day(symbol, dates) for symbol in CONTEXT]
    models = _models()

    prepared = [symbol_day(raw, day) for raw in slice_]
    context = [symbol_day(raw, day) for raw in market]

    def scored(features: FloatArray) -> FloatArray:
        for model in models:
            model.predict(features)
        return features

    def ours() -> FloatArray:
        return scored(latest_features(prepared, context, day))

    def ours_unprepared() -> FloatArray:
        return scored(latest_features([symbol_day(r, day) for r in slice_], [symbol_day(r, day) for r in market], day))

    def with_pandas() -> FloatArray:
        rows = (np.array([list(pandas_row(raw, market, day).values())]) for raw in slice_)
        return np.concatenate([scored(row) for row in rows])

    compared = require_equal(ours(), with_pandas())
    fast, whole, slow = _median_ms(ours, 200), _median_ms(ours_unprepared, 50), _median_ms(with_pandas, 3)
    features = ours()
    scores = _median_ms(lambda: scored(features), 200)
    return {
        "symbols": float(SLICE),
        "features": float(len(FEATURE_NAMES)),
        "features_and_score_ms": fast,
        "of_which_score_ms": scores,
        "with_history_prepared_anew_ms": whole,
        "pandas_row_by_row_ms": slow,
        "ratio": slow / fast,
        "ratio_prepared_anew": slow / whole,
        "largest_difference_over_tolerance": compared,
    }


def pandas_row(raw: RawDay, market: Sequence[RawDay], day: TradingDay) -> dict[str, float]:
    """Every feature of the last bar, as one would write it with data frames."""
    bars, daily = _frame(raw.history.then(raw.today)), _frame(raw.daily)
    today = bars[bars.index >= pd.Timestamp(day.on, tz=NEW_YORK)]
    row = _own_features(bars, today, daily, day)
    at = today.index[-1]
    frames = [(_frame(m.history.then(m.today)), _frame(m.daily)) for m in market]
    for name, (series, days) in zip(("spy", "qqq"), frames[:2], strict=True):
        seen = series[series.index <= at]
        log = np.log(seen["close"])
        steps = log.diff()
        log_days = np.log(days["close"])
        row[f"{name}_return_30m"] = log.iloc[-1] - log.iloc[-7]
        row[f"{name}_return_since_close"] = log.iloc[-1] - log_days.iloc[-1]
        row[f"{name}_close_over_sma_36"] = np.log(seen["close"].iloc[-1] / seen["close"].rolling(36).mean().iloc[-1])
        row[f"{name}_volatility_36"] = np.sqrt((steps**2).rolling(36).mean().iloc[-1])
        row[f"{name}_volatility_20d"] = log_days.diff().rolling(20).std().iloc[-1]
        row[f"{name}_return_20d"] = log_days.iloc[-1] - log_days.iloc[-21]
    row["strength_30m"] = row["return_30m"] - row["spy_return_30m"]
    row["strength_since_close"] = row["return_since_close"] - row["spy_return_since_close"]
    row |= _breadth(frames[2:], at, day) | _higher(bars, row, day)
    return {name: float(row[name]) for name in FEATURE_NAMES}


def _breadth(
    frames: Sequence[tuple[pd.DataFrame, pd.DataFrame]], at: pd.Timestamp, day: TradingDay
) -> dict[str, float]:
    returns, above = [], []
    for series, days in frames:
        today = series[(series.index >= pd.Timestamp(day.on, tz=NEW_YORK)) & (series.index <= at)]
        if len(today):
            typical = (today["high"] + today["low"] + today["close"]) / 3
            last = today["close"].iloc[-1]
            returns.append(np.log(last / days["close"].iloc[-1]))
            above.append(last > (typical * today["volume"]).sum() / today["volume"].sum())
    found = pd.Series(returns)
    return {
        "breadth_up": (found > 0).mean(),
        "breadth_above_vwap": pd.Series(above).mean(),
        "breadth_return": found.mean(),
        "breadth_dispersion": found.std(ddof=0),
    }


def _higher(bars: pd.DataFrame, row: Mapping[str, float], day: TradingDay) -> dict[str, float]:
    """No half day lies in the benchmark's window."""
    stamps = pd.DatetimeIndex(bars.index)
    minutes = stamps.hour * 60 + stamps.minute - 570
    now = min(minutes[-1] + 5, 390)
    found: dict[str, float] = {}
    signs = [np.sign(row["sma_36_slope"]), np.sign(row["sma_20d_slope"])]
    regular = (minutes >= 0) & (minutes < 390)
    for name, length in HIGHER.items():
        bucket = minutes[regular] // length
        closes = bars["close"][regular].groupby([stamps[regular].date, bucket]).last()
        complete = int(np.ceil(now / length)) if now == 390 else now // length
        dates, order = closes.index.get_level_values(0), closes.index.get_level_values(1)
        series = pd.concat([closes[dates < day.on][-60:], closes[(dates == day.on) & (order < complete)]])
        sma = series.rolling(10).mean()
        found[f"close_over_sma_10_{name}"] = np.log(bars["close"].iloc[-1] / sma.iloc[-1])
        found[f"sma_10_slope_{name}"] = np.log(sma.iloc[-1] / sma.iloc[-6])
        found[f"rsi_14_{name}"] = _rsi(series)
        signs.append(np.sign(found[f"sma_10_slope_{name}"]))
    return found | {"trend_agreement": float(np.mean(signs))}


def _own_features(bars: pd.DataFrame, today: pd.DataFrame, daily: pd.DataFrame, day: TradingDay) -> dict[str, float]:
    close, c = bars["close"], bars["close"].iloc[-1]
    log, log_days = np.log(close), np.log(daily["close"])
    steps = log.diff()
    sma_12, sma_36, sma_20d = close.rolling(12).mean(), close.rolling(36).mean(), daily["close"].rolling(20).mean()
    macd = close.ewm(span=12, adjust=False).mean() - close.ewm(span=26, adjust=False).mean()
    typical = (today["high"] + today["low"] + today["close"]) / 3
    regular, pre = today[today.index >= day.open_at], today[today.index < day.open_at]
    recent = bars.iloc[-len(today) - WARMUP_BARS :]
    atr, atr_d = _atr(recent), _atr(daily)
    previous, adv = daily["close"].iloc[-1], daily["volume"].rolling(20).mean().iloc[-1]
    high, low = today["high"].max(), today["low"].min()
    log_volume = np.log1p(bars["volume"])
    past = log_volume.shift(1).rolling(36)
    rms_12, rms_36 = (np.sqrt((steps**2).rolling(n).mean().iloc[-1]) for n in (12, 36))
    end = today.index[-1] + pd.Timedelta(minutes=5)
    return {
        "sma_12_slope": np.log(sma_12.iloc[-1] / sma_12.iloc[-7]),
        "sma_36_slope": np.log(sma_36.iloc[-1] / sma_36.iloc[-13]),
        "close_over_sma_36": np.log(c / sma_36.iloc[-1]),
        "macd_histogram": (macd - macd.ewm(span=9, adjust=False).mean()).iloc[-1] / c,
        "close_over_vwap": np.log(c / ((typical * today["volume"]).sum() / today["volume"].sum())),
        "sma_20d_slope": np.log(sma_20d.iloc[-1] / sma_20d.iloc[-6]),
        "close_over_sma_20d": np.log(c / sma_20d.iloc[-1]),
        "rsi_14": _rsi(recent["close"]),
        "rsi_14d": _rsi(daily["close"]),
        **{f"return_{5 * k}m": log.iloc[-1] - log.iloc[-1 - k] for k in (1, 3, 6, 12, 36)},
        "return_since_open": log.iloc[-1] - np.log(regular["open"].iloc[0]),
        "return_since_close": log.iloc[-1] - log_days.iloc[-1],
        **{f"return_{k}d": log_days.iloc[-1] - log_days.iloc[-1 - k] for k in (1, 5, 20)},
        "day_range_position": (c - low) / (high - low),
        "close_under_day_high": np.log(c / high),
        "close_under_high_20d": np.log(c / daily["high"].rolling(20).max().iloc[-1]),
        "atr_14": atr.iloc[-1] / c,
        "atr_14d": atr_d.iloc[-1] / previous,
        "volatility_12": rms_12,
        "volatility_36": rms_36,
        "volatility_20d": log_days.diff().rolling(20).std().iloc[-1],
        "volatility_ratio": np.log(rms_12 / rms_36),
        "range_expansion": (bars["high"].iloc[-1] - bars["low"].iloc[-1]) / atr.iloc[-2],
        "day_range_atr": (high - low) / atr_d.iloc[-1],
        **_volume_features(bars, today),
        "volume_z": (log_volume.iloc[-1] - past.mean().iloc[-1]) / past.std(ddof=0).iloc[-1],
        "dollar_volume": np.log1p((close * bars["volume"]).rolling(12).mean().iloc[-1]),
        "dollar_volume_20d": np.log1p((daily["close"] * daily["volume"]).rolling(20).mean().iloc[-1]),
        "gap": np.log(regular["open"].iloc[0] / previous),
        "premarket_volume": pre["volume"].sum() / adv,
        "premarket_range": np.log(pre["high"].max() / pre["low"].min()),
        "close_over_premarket_high": np.log(c / pre["high"].max()),
        "minutes_since_open": (end - day.open_at).total_seconds() / 60,
        "minutes_to_close": (day.close_at - end).total_seconds() / 60,
        "session": 4.0,
        "day_of_week": float(end.day_of_week),
    }


def _volume_features(bars: pd.DataFrame, today: pd.DataFrame) -> dict[str, float]:
    stamps = pd.DatetimeIndex(bars.index)
    dates, clock = stamps.date, stamps.time
    first, last = today.index[-1] - pd.Timedelta(minutes=10), today.index[-1]
    is_past = dates < first.date()
    by_now = bars["volume"][is_past & (clock <= last.time())]
    lately = bars["volume"][is_past & (clock <= last.time()) & (clock >= first.time())]
    return {
        "rvol_day": np.log(today["volume"].sum() / by_now.groupby(by_now.index.date).sum().mean()),
        "rvol_15m": np.log1p(today["volume"][first:].sum() / lately.groupby(lately.index.date).sum().mean()),
    }


def _wilder(values: pd.Series) -> pd.Series:
    """Wilder's mean of 14, seeded as TA-Lib does with the simple mean of the first 14."""
    seeded = values.iloc[13:].copy()
    seeded.iloc[0] = values.iloc[:14].mean()
    return seeded.ewm(alpha=1 / 14, adjust=False).mean()


def _rsi(close: pd.Series) -> float:
    change = close.diff().dropna()
    up, down = _wilder(change.clip(lower=0)).iloc[-1], _wilder((-change).clip(lower=0)).iloc[-1]
    return float(100 * up / (up + down))


def _atr(frame: pd.DataFrame) -> pd.Series:
    before = frame["close"].shift(1)
    spans = [frame["high"] - frame["low"], (frame["high"] - before).abs(), (frame["low"] - before).abs()]
    return _wilder(pd.concat(spans, axis=1).max(axis=1).iloc[1:])


def _frame(bars: Bars) -> pd.DataFrame:
    index = pd.to_datetime(bars.start_s, unit="s", utc=True).tz_convert(NEW_YORK)
    return pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}, index=index)


def require_equal(ours: FloatArray, theirs: FloatArray) -> float:
    """Largest difference in units of its tolerance; asserts that none is above 1 and none is missing."""
    tolerance = np.array([TOLERANCES.get(name, 1e-9) for name in FEATURE_NAMES])
    difference = np.abs(ours - theirs) / tolerance
    worst = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), difference.shape)
    found = float(difference[worst])
    assert found <= 1, f"{FEATURE_NAMES[worst[1]]}: ours {ours[worst]}, pandas {theirs[worst]}"
    return found


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    return 1e3 * statistics.median(timeit.repeat(work, number=1, repeat=repeats))


def symbol_day(raw: RawDay, day: TradingDay) -> SymbolDay:
    """What the app keeps of the history, with today's bars."""
    return SymbolDay(past=prepare(raw.symbol, daily=raw.daily, history=raw.history, day=day), today=raw.today)


def raw_day(symbol: str, dates: Sequence[date]) -> RawDay:
    """Invented bars of a whole window; `dates` are the 60 sessions before `ON`."""
    rng = np.random.default_rng(list(symbol.encode()))
    daily = _walk(rng, np.array([midnight_s(on) for on in dates]), 40.0, 0.02)
    slots = 300 * np.arange(48, 240)
    starts = np.concatenate([midnight_s(on) + slots for on in (*dates[-10:], ON)])
    bars = _walk(rng, starts, float(daily.close[-1]), 0.002)
    today = midnight_s(ON)
    return RawDay(
        symbol=Symbol(symbol),
        daily=daily,
        history=bars.between(0, today),
        today=bars.between(today, today + 300 * LAST_SLOT),
    )


def _walk(rng: np.random.Generator, start_s: IntArray, price: float, sigma: float) -> Bars:
    n = start_s.size
    close = price * np.exp(np.cumsum(rng.normal(0, sigma, n)))
    open_ = np.concatenate([[price], close[:-1]])
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, sigma / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, sigma / 2, n)))
    volume = np.floor(np.exp(rng.normal(8, 1, n)))
    return Bars(start_s=start_s, open=open_, high=high, low=low, close=close, volume=volume)


def _models() -> list[OnnxPredictor]:
    """Models of the size that training publishes, through the app's own checks."""
    from training import cards, fit  # noqa: PLC0415 - xgboost is not what is measured
    from training.calibrate import NEUTRAL  # noqa: PLC0415 - as above
    from training.dataset import Dataset  # noqa: PLC0415 - as above

    rng = np.random.default_rng(0)
    n, width = 5_000, len(FEATURE_NAMES)
    features = rng.normal(0, 1, (n, width)).astype(np.float32)
    move = 0.003 * features[:, :10].sum(axis=1) + rng.normal(0, 0.01, n)
    none = np.zeros(n, np.int64)
    data = Dataset(
        features=features,
        outcome=np.digitize(move, (-0.006, 0.006)).astype(np.int8),
        exit_return=move,
        move=move,
        day=none,
        symbol=none,
        start_s=none,
        end_s=none,
        weight=np.ones(n),
        dates=(ON,),
        symbols=(Symbol("ABC"),),
    )
    draft = partial(ModelCard, version="benchmark", label="benchmark", trained_from=ON, trained_to=ON, code_revision="")
    draft = partial(draft, created_at=datetime(2025, 10, 15, tzinfo=UTC), expires_on=ON + timedelta(days=1))
    fitted = fit.fit_both(data, fit.FitRule(), 1)
    made = [cards.packed_trees(draft, {}, model, NEUTRAL, judge=data, seed=1) for model in fitted]
    return [verified(model.card, model.onnx) for model in made]


if __name__ == "__main__":
    raise SystemExit(main())
