"""How large an entry may be on given facts: at the gate, and once more after a person has approved."""

from __future__ import annotations

from decimal import Decimal

from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.risk import Facts, adv_fraction
from shared.core.settings import DecisionSettings
from shared.core.sizing import Basis, Size, SizingInputs, size
from shared.core.values import ZERO, Symbol


def entry_size(
    facts: Facts,
    settings: DecisionSettings,
    basis: Basis,
    *,
    symbol: Symbol,
    limit_price: Decimal,
    worst_price: Decimal,
    stop_price: Decimal,
    target_price: Decimal,
    lot: Lot = WHOLE_SHARES,
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
            trade_risk_fraction=risk.trade_risk_fraction,
            kelly_fraction=risk.kelly_fraction,
            volatility_target_fraction=risk.volatility_target_fraction,
            adv_max_fraction=adv_fraction(facts, settings),
            symbol_exposure_max_fraction=risk.symbol_exposure_max_fraction,
            lot=lot,
        )
    )
