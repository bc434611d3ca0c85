"""How large an entry may be on given facts: at the gate, and once more after a person has approved."""

from __future__ import annotations

from decimal import Decimal

from shared.contracts.cases import DecisionSettings
from shared.contracts.settings import Settings
from shared.core.risk import Facts, adv_fraction
from shared.core.sizing import Basis, Size, SizingInputs, size
from shared.core.values import ZERO, Symbol
from shared.decision.limits import as_decimal, limits_of


def entry_size(
    facts: Facts,
    settings: Settings | DecisionSettings,
    basis: Basis,
    *,
    symbol: Symbol,
    limit_price: Decimal,
    worst_price: Decimal,
    stop_price: Decimal,
    target_price: Decimal,
) -> Size:
    """Size an entry whose prices are known. Pure; prices in USD per share, stop < limit <= worst < target."""
    risk = settings.risk
    return size(
        SizingInputs(
            equity=facts.account.equity,
            limit_price=limit_price,
            worst_price=worst_price,
            stop_price=stop_price,
            target_price=target_price,
            p_win=basis.p_win,
            daily_volatility=basis.daily_volatility,
            adv_shares=basis.adv_shares,
            buying_power=max(ZERO, facts.free_buying_power()),
            held_exposure=facts.exposure().get(symbol, ZERO),
            trade_risk_fraction=as_decimal(risk.trade_risk_fraction),
            kelly_fraction=as_decimal(risk.kelly_fraction),
            volatility_target_fraction=as_decimal(risk.volatility_target_fraction),
            adv_max_fraction=adv_fraction(facts, limits_of(settings)),
            symbol_exposure_max_fraction=as_decimal(risk.symbol_exposure_max_fraction),
        )
    )
