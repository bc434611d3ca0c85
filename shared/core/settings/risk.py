"""What no decision may exceed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.core.settings.declare import SymbolGroup, Tuning, setting
from shared.core.values import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """What no decision may exceed. Fractions are of equity unless the name says otherwise."""

    trade_risk_fraction: Decimal = setting(
        "GATEHOUSE_TRADE_RISK_FRACTION",
        Decimal("0.005"),
        "sizing: risk at the stop",
        low=1e-5,
        high=0.01,
        unit="fraction",
        why="0.5 % of equity lost at the stop; at most the gate's",
        tuning=Tuning.FREE,
    )
    trade_risk_max_fraction: Decimal = setting(
        "GATEHOUSE_TRADE_RISK_MAX_FRACTION",
        Decimal("0.01"),
        "gate: most risk at the stop",
        low=1e-5,
        high=0.01,
        unit="fraction",
        why="Gate TRADE_RISK. 1 % is the ceiling that no setting can lift",
        tuning=Tuning.CAPPED,
    )
    kelly_fraction: Decimal = setting(
        "GATEHOUSE_KELLY_FRACTION",
        Decimal("0.25"),
        "share of the Kelly stake",
        low=0,
        high=0.5,
        unit="fraction",
        why="A quarter: probabilities are estimates, and full Kelly punishes an error without mercy",
        tuning=Tuning.FREE,
    )
    volatility_target_fraction: Decimal = setting(
        "GATEHOUSE_VOLATILITY_TARGET_FRACTION",
        Decimal("0.005"),
        "sizing: daily volatility of one position",
        low=1e-5,
        high=0.1,
        unit="fraction",
        why="One position moves equity by so much on a usual day",
        tuning=Tuning.FREE,
    )
    adv_max_fraction: Decimal = setting(
        "GATEHOUSE_ADV_MAX_FRACTION",
        Decimal("0.01"),
        "shares over average daily volume",
        low=0,
        high=0.2,
        unit="fraction",
        why="Sizing, and gate LIQUIDITY: 1 % of average daily volume",
        tuning=Tuning.CAPPED,
    )
    adv_max_extended_fraction: Decimal = setting(
        "GATEHOUSE_ADV_MAX_EXTENDED_FRACTION",
        Decimal("0.001"),
        "shares over average daily volume in PRE and AFT",
        low=0,
        high=0.2,
        unit="fraction",
        why="Sizing, and gate LIQUIDITY: a few percent of the day's volume trade outside the regular session",
        tuning=Tuning.CAPPED,
    )
    day_loss_max_fraction: Decimal = setting(
        "GATEHOUSE_DAY_LOSS_MAX_FRACTION",
        Decimal("0.03"),
        "halts the day",
        low=1e-4,
        high=1,
        unit="fraction",
        why="Gate HALTED_DAY_LOSS, of the equity at the last close",
        tuning=Tuning.CAPPED,
    )
    drawdown_max_fraction: Decimal = setting(
        "GATEHOUSE_DRAWDOWN_MAX_FRACTION",
        Decimal("0.05"),
        "halts until resumed",
        low=1e-4,
        high=1,
        unit="fraction",
        why="Gate HALTED_DRAWDOWN, of the highest confirmed equity",
        tuning=Tuning.CAPPED,
    )
    max_positions: int = setting(
        "GATEHOUSE_MAX_POSITIONS",
        10,
        "open positions, reservations counted",
        low=1,
        high=15,
        unit="positions",
        why="Gate MAX_POSITIONS. 15 is the ceiling that no setting can lift",
        tuning=Tuning.CAPPED,
    )
    gross_exposure_max_fraction: Decimal = setting(
        "GATEHOUSE_GROSS_EXPOSURE_MAX_FRACTION",
        Decimal(1),
        "all positions",
        low=0,
        high=2,
        unit="fraction",
        why="Gate GROSS_EXPOSURE: no borrowing at 1",
        tuning=Tuning.CAPPED,
    )
    symbol_exposure_max_fraction: Decimal = setting(
        "GATEHOUSE_SYMBOL_EXPOSURE_MAX_FRACTION",
        Decimal("0.1"),
        "one symbol",
        low=0,
        high=1,
        unit="fraction",
        why="Sizing, and gate SYMBOL_EXPOSURE",
        tuning=Tuning.CAPPED,
    )
    spread_max_bp: Decimal = setting(
        "GATEHOUSE_SPREAD_MAX_BP",
        Decimal(100),
        "spread in regular sessions",
        low=0,
        high=10_000,
        unit="bp",
        why="Gate SPREAD in regular sessions",
        tuning=Tuning.CAPPED,
    )
    spread_max_extended_bp: Decimal = setting(
        "GATEHOUSE_SPREAD_MAX_EXTENDED_BP",
        Decimal(75),
        "spread in PRE and AFT",
        low=0,
        high=10_000,
        unit="bp",
        why="Gate SPREAD outside them",
        tuning=Tuning.CAPPED,
    )
    slippage_max_bp: Decimal = setting(
        "GATEHOUSE_SLIPPAGE_MAX_BP",
        Decimal(30),
        "entry price beyond arrival",
        low=0,
        high=1000,
        unit="bp",
        why="Caps the worst price of an entry over the mid at the gate; gate SLIPPAGE",
        tuning=Tuning.CAPPED,
    )
    quote_age_max_s: float = setting(
        "GATEHOUSE_QUOTE_AGE_MAX_S",
        15.0,
        "age of the quote at the gate",
        low=0.1,
        high=600,
        unit="s",
        why="Gate STALE_QUOTE; a quote from the future is as bad",
        tuning=Tuning.CAPPED,
    )
    group_exposure_max_fraction: Decimal = setting(
        "GATEHOUSE_GROUP_EXPOSURE_MAX_FRACTION",
        Decimal("0.3"),
        "one group",
        low=0,
        high=2,
        unit="of equity",
        why="Gate GROUP_EXPOSURE: what falls together counts together",
        tuning=Tuning.CAPPED,
    )
    symbol_groups: tuple[SymbolGroup, ...] = setting(
        "GATEHOUSE_SYMBOL_GROUPS",
        (),
        "groups of symbols that move together, as NAME: A B; NAME: C D",
        unit="groups",
        why="A symbol without one is a group of its own",
    )
    approval_fraction: Decimal = setting(
        "GATEHOUSE_APPROVAL_FRACTION",
        Decimal("0.5"),
        "notional over account value from which a person must approve",
        low=0,
        high=10,
        unit="of equity",
        why="Gate APPROVAL; above what symbol exposure allows by default, so nobody is asked unless that is raised",
        tuning=Tuning.CAPPED,
    )
    approval_wait_min: int = setting(
        "GATEHOUSE_APPROVAL_WAIT_MIN",
        5,
        "time a person has to approve",
        low=1,
        high=240,
        unit="min",
        why="After it the order is refused: prices have moved",
    )
    day_trades_max: int = setting(
        "GATEHOUSE_DAY_TRADES_MAX",
        0,
        "day trades in 5 sessions; 0: no such rule",
        low=0,
        high=100,
        unit="day trades",
        why="The rule ended on 2026-06-04; 3 where a broker still applies it",
    )
    day_trades_below_usd: Decimal = setting(
        "GATEHOUSE_DAY_TRADES_BELOW_USD",
        Decimal(25000),
        "equity under which day trades are counted",
        low=0,
        high=1e9,
        unit="USD",
        why="The former rule's own figure",
    )
    reference_gap_max_bp: Decimal = setting(
        "GATEHOUSE_REFERENCE_GAP_MAX_BP",
        Decimal(300),
        "quote's distance from the scored bar's close",
        low=1,
        high=10_000,
        unit="bp",
        why="Gate DATA_QUALITY: further apart, one of the two is wrong or old",
        tuning=Tuning.CAPPED,
    )
    bar_age_max_s: float = setting(
        "GATEHOUSE_BAR_AGE_MAX_S",
        900.0,
        "age of the last closed bar",
        low=1,
        high=86_400,
        unit="s",
        why="Three 5-minute bars: an older last bar is a data fault, and the symbol is not scored",
        tuning=Tuning.CAPPED,
    )

    def group_of(self, symbol: Symbol) -> str:
        """The symbol's group; one without is a group of its own."""
        return next((group.name for group in self.symbol_groups if symbol in group.symbols), symbol)
