"""What a committee is shown of a signal: what the score stage kept, and nothing of the account. Pure."""

from __future__ import annotations

from dataclasses import asdict

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import Signal
from shared.core.committee.evidence import REPORT_IDS, CommitteeEvidence
from shared.core.policy import is_priceable
from shared.core.risk import spread_of
from shared.core.technical.reports import TechnicalReports
from shared.core.text.answers import MAX_SOURCES
from shared.core.text.stories import SymbolText
from shared.decision.entries import prices_of


def evidence_of(
    signal: Signal, inputs: SliceInputs, reports: TechnicalReports | None, *, reason: str
) -> CommitteeEvidence:
    """Return the evidence of a signal; the same kept inputs always make the same.

    Parameters
    ----------
    inputs : SliceInputs
        Of the slice that the signal comes from.
    reports : TechnicalReports or None
        On the symbol's bars, as the slice saw them.
    reason : str
        The strategy's own, empty where it gives none.

    Raises
    ------
    ValueError
        If there is no quote that an entry could be priced by.
    """
    quote = inputs.quotes.get(signal.symbol)
    if quote is None or not is_priceable(quote, signal.stop_price, signal.target_price):
        raise ValueError(f"no quote of {signal.symbol} that an entry could be priced by")
    is_regular = signal.session.is_regular
    prices = prices_of(signal, quote, inputs.settings, is_extended=not is_regular)
    told = [story for story in inputs.texts.get(signal.symbol, SymbolText()).stories if not story.echo_of]
    return CommitteeEvidence(
        symbol=signal.symbol,
        strategy=signal.strategy,
        at=signal.decided_at,
        limit_usd=prices.limit,
        stop_usd=prices.stop,
        target_usd=prices.target,
        p_up=signal.p_up,
        expected_move=signal.expected_move,
        reason=reason,
        reports={} if reports is None else {name: asdict(getattr(reports, name)) for name in REPORT_IDS},
        stories=tuple(told[-MAX_SOURCES:]),
        gates=(spread_of(quote, inputs.settings, is_regular=is_regular),),
    )
