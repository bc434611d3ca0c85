"""What the gates say of a quote that no entry can be priced from: one side, crossed, under a tick, or none at all."""

from __future__ import annotations

from dataclasses import replace

from shared.core.market import Quote
from shared.core.risk import NOT_JUDGED, EntryProposal, Facts, Gate, Limits, Verdict, verdicts
from shared.core.values import ZERO, Symbol, from_epoch

NEED_A_PRICE = frozenset(
    {
        Gate.SIZE,
        Gate.TRADE_RISK,
        Gate.GROSS_EXPOSURE,
        Gate.SYMBOL_EXPOSURE,
        Gate.GROUP_EXPOSURE,
        Gate.BUYING_POWER,
        Gate.LIQUIDITY,
        Gate.SLIPPAGE,
        Gate.DATA_QUALITY,
        Gate.APPROVAL,
    }
)
"""Gates that judge an entry's price, or a size that follows from it."""


def no_quote(symbol: Symbol) -> Quote:
    """Stands for the quote of a symbol that has none: neither side, and no age that anyone could believe."""
    return Quote(symbol=symbol, bid=ZERO, ask=ZERO, bid_size=0, ask_size=0, at=from_epoch(0))


def verdicts_without_price(proposal: EntryProposal, facts: Facts, limits: Limits) -> tuple[Verdict, ...]:
    """Every gate in the one order. Those that need a price are not judged and fail closed; SPREAD refuses.

    Parameters
    ----------
    proposal : Proposal
        Of size zero; its prices are not looked at.
    """
    return tuple(_without_price(verdict, facts.quote) for verdict in verdicts(proposal, facts, limits))


def _without_price(verdict: Verdict, quote: Quote) -> Verdict:
    has_age = verdict.gate is not Gate.STALE_QUOTE or quote != no_quote(quote.symbol)
    if verdict.gate in NEED_A_PRICE or not has_age:
        return replace(verdict, passed=False, found=NOT_JUDGED)
    if verdict.gate is Gate.SPREAD and verdict.passed:
        return replace(verdict, passed=False, found=f"no price at {quote.bid}/{quote.ask}")
    return verdict
