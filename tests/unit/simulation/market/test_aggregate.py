from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from shared.core.errors import SettingsError
from shared.core.market import Bars
from simulation.market.aggregate import daily, resample
from simulation.market.days import DayEdges, midnight_s, sessions_until, trading_days

ON = date(2026, 11, 27)
EDGES = DayEdges.of([ON], trading_days(ON, ON))


def at(hour: int, minute: int) -> int:
    return midnight_s(ON) + 3600 * hour + 60 * minute


def bars_at(*starts: int) -> Bars:
    n = np.arange(1.0, len(starts) + 1)
    return Bars(start_s=np.array(starts), open=n, high=n + 0.5, low=n - 0.5, close=n + 0.25, volume=10 * n)


def test_buckets_follow_new_york_wall_time_and_skip_what_is_empty() -> None:
    fine = bars_at(at(7, 59), at(8, 0), at(11, 59), at(16, 0))
    four_hours = resample(fine, EDGES, 14_400)
    assert four_hours.start_s.tolist() == [at(4, 0), at(8, 0), at(16, 0)]
    assert (four_hours.open[1], four_hours.close[1]) == (2.0, 3.25)
    assert (four_hours.high[1], four_hours.low[1], four_hours.volume[1]) == (3.5, 1.5, 50.0)


def test_daily_prices_are_those_of_the_shortened_session() -> None:
    day = daily(bars_at(at(8, 0), at(9, 30), at(12, 59), at(13, 0)), EDGES)
    assert day.start_s.tolist() == [midnight_s(ON)]
    assert (day.open[0], day.high[0], day.low[0], day.close[0]) == (2.0, 3.5, 1.5, 3.25)
    assert day.volume[0] == 100.0


def test_a_day_without_a_regular_trade_has_no_daily_bar() -> None:
    assert not len(daily(bars_at(at(8, 0)), EDGES))
    assert not len(daily(Bars.empty(), EDGES))
    assert not len(resample(Bars.empty(), EDGES, 900))


def test_sessions_end_with_the_asked_day_and_leave_out_closed_ones() -> None:
    days = sessions_until(date(2026, 11, 30), 3)
    assert [day.on for day in days] == [date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)]
    assert (days[1].close_at - days[1].open_at).total_seconds() == 3.5 * 3600
    with pytest.raises(SettingsError, match="2026-07-02 and 2026-07-06"):
        sessions_until(date(2026, 7, 4), 3)
