"""Every feature once more, by data frames: the benchmark's other side is an independent witness."""

from __future__ import annotations

import numpy as np

from benchmarks.features import CONTEXT, ON, pandas_row, raw_day, require_equal, symbol_day
from shared.core.features import latest_features
from tests.support.bars import CALENDAR, trading_day


def test_all_features_agree_with_the_same_formulas_in_pandas() -> None:
    day = trading_day(ON)
    dates = [past.on for past in CALENDAR.previous_days(ON, 60)]
    slice_, market = [raw_day(f"T{k}", dates) for k in range(3)], [raw_day(name, dates) for name in CONTEXT]
    ours = latest_features([symbol_day(raw, day) for raw in slice_], [symbol_day(raw, day) for raw in market], day)
    theirs = np.array([list(pandas_row(raw, market, day).values()) for raw in slice_])
    assert require_equal(ours, theirs) <= 1
