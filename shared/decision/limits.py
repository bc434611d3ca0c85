"""The gates' limits out of the settings."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from shared.contracts.cases import DecisionSettings
from shared.contracts.settings import Settings
from shared.core.risk import Limits


def limits_of(settings: Settings | DecisionSettings) -> Limits:
    """Carry the settings into the gates' own units."""
    risk, policy = settings.risk, settings.policy
    return Limits(
        trade_risk_max_fraction=as_decimal(risk.trade_risk_max_fraction),
        max_positions=risk.max_positions,
        gross_exposure_max_fraction=as_decimal(risk.gross_exposure_max_fraction),
        symbol_exposure_max_fraction=as_decimal(risk.symbol_exposure_max_fraction),
        group_exposure_max_fraction=as_decimal(risk.group_exposure_max_fraction),
        group_of={symbol: group.name for group in risk.symbol_groups for symbol in group.symbols},
        adv_max_fraction=as_decimal(risk.adv_max_fraction),
        adv_max_extended_fraction=as_decimal(risk.adv_max_extended_fraction),
        spread_max_bp=as_decimal(risk.spread_max_bp),
        spread_max_extended_bp=as_decimal(risk.spread_max_extended_bp),
        slippage_max_bp=as_decimal(risk.slippage_max_bp),
        quote_age_max_s=risk.quote_age_max_s,
        reference_gap_max_bp=as_decimal(risk.reference_gap_max_bp),
        day_trades_max=risk.day_trades_max,
        day_trades_below=as_decimal(risk.day_trades_below_usd),
        approval_fraction=as_decimal(risk.approval_fraction),
        entry_sessions=frozenset(policy.entry_sessions),
        no_entry_before_close=timedelta(minutes=policy.no_entry_before_close_min),
    )


def as_decimal(value: float) -> Decimal:
    """Carry a setting given as decimal text through float64 back into the decimal it was."""
    return Decimal(repr(value))
