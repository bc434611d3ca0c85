from __future__ import annotations

from datetime import date

import pytest

from simulation.market.synthetic import SyntheticTape

DAY = date(2026, 11, 30)
"""The last of a history that holds Thanksgiving's half day (2026-11-27) and the end of daylight saving (2026-11-01)."""


@pytest.fixture(scope="package")
def tape() -> SyntheticTape:
    return SyntheticTape(7, DAY, n_symbols=60, history_days=40)
