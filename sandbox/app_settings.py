"""The app's settings in the sandbox: the example's values, pointed at what the sandbox has started."""

from __future__ import annotations

from pathlib import Path

from sandbox.prepared import Prepared
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings

PATIENCE_S = "60"
"""A busy machine must not change a day in virtual time."""


def app_settings(prepared: Prepared, *, venue_url: str, clock_file: Path, revision: str) -> dict[str, str]:
    """Return local.settings.json.example's values for this world, venue and clock."""
    return {
        **read_local_settings(ROOT / "local.settings.json.example"),
        "ALPACA_TRADING_URL": venue_url,
        "ALPACA_DATA_URL": venue_url,
        "ALPACA_TIMEOUT_S": PATIENCE_S,
        "GATEHOUSE_CORE_SYMBOLS": " ".join(prepared.core_symbols),
        "GATEHOUSE_MARKET_SYMBOLS": " ".join(prepared.market_symbols),
        "GATEHOUSE_CLOCK_FILE": str(clock_file),
        "GATEHOUSE_CODE_REVISION": revision,
    }
