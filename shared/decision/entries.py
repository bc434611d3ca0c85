"""A signal, priced, sized and gated on given facts. Pure: the same inputs give the same decision, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import OrderIntent, Signal, intent_id_of
from shared.core.committee.values import shrunk
from shared.core.ids import hash_id
from shared.core.lots import Lot
from shared.core.market import Quote
from shared.core.policy import EntryPrices, entry_prices, is_priceable
from shared.core.risk import EntryProposal, Facts, Verdict, needs_approval, verdicts, verdicts_without_price
from shared.core.sessions import session_at
from shared.core.settings import DecisionSettings
from shared.core.sizing import Basis, Bound, Size
from shared.core.values import ONE, ZERO, Side
from shared.decision.size import entry_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gates made of a signal. `verdicts` holds every gate, in the one order.

    `prices` and `sized` are None where the quote gives no price; the proposal is then of size zero, and refused.
    """

    signal: Signal
    facts: Facts
    prices: EntryPrices | None
    sized: Size | None
    proposal: EntryProposal
    verdicts: tuple[Verdict, ...]

    @property
    def is_approved(self) -> bool:
        """Every gate passed; one that could not judge has not."""
        return all(verdict.passed for verdict in self.verdicts)


def decide(signal: Signal, facts: Facts, settings: DecisionSettings) -> Decision:
    """Price, size and gate a signal on given facts. Pure: the same inputs give the same decision, bit for bit."""
    if not is_priceable(facts.quote, signal.stop_price, signal.target_price):
        return _without_price(signal, facts, settings)
    session = session_at(facts.now, facts.day)
    prices = prices_of(signal, facts.quote, settings, is_extended=not session.is_regular)
    planned = entry_size(
        facts,
        settings,
        _basis(signal),
        symbol=signal.symbol,
        limit_price=prices.limit,
        worst_price=prices.worst,
        stop_price=prices.stop,
        target_price=prices.target,
        lot=facts.lot,
    )
    factors = {
        Bound.AUTOMATION: settings.strategies.factor_of(signal.strategy, session),
        Bound.COMMITTEE: ONE if facts.committee is None else facts.committee.factor,
    }
    sized = lessened(planned, factors, facts.lot)
    proposal = EntryProposal(
        intent_id=intent_id_of(signal.decision_id),
        strategy=signal.strategy,
        symbol=signal.symbol,
        qty=sized.qty,
        limit_price=prices.limit,
        worst_price=prices.worst,
        stop_price=prices.stop,
        reference_price=signal.reference_price,
        adv_shares=signal.adv_shares,
        binding=sized.binding.value,
        lot=facts.lot,
    )
    found = verdicts(proposal, facts, settings)
    return Decision(signal=signal, facts=facts, prices=prices, sized=sized, proposal=proposal, verdicts=found)


def prices_of(signal: Signal, quote: Quote, settings: DecisionSettings, *, is_extended: bool) -> EntryPrices:
    """What a signal would pay and where it would leave, by one quote that is priceable."""
    policy = settings.policy
    return entry_prices(
        quote,
        signal.atr,
        stop_atr=policy.stop_atr,
        target_atr=policy.target_atr,
        stop_min_bp=policy.stop_min_bp,
        slippage_max_bp=settings.risk.slippage_max_bp,
        is_extended=is_extended,
        stop=signal.stop_price,
        target=signal.target_price,
        has_own_exits=signal.p_win is None,
    )


def lessened(planned: Size, factors: Mapping[Bound, Decimal], lot: Lot) -> Size:
    """A planned size and what each factor leaves of it: the smallest counts, so that no two of them add up."""
    left = {bound: shrunk(planned.qty, factor, lot.qty_step) for bound, factor in factors.items() if factor < ONE}
    if not left:
        return planned
    bounds = planned.bounds | left
    binding = min(bounds, key=lambda bound: bounds[bound])
    return replace(planned, qty=bounds[binding], binding=binding, bounds=bounds)


def _without_price(signal: Signal, facts: Facts, settings: DecisionSettings) -> Decision:
    """Refuse what nobody can price, with the verdict of every gate that needs no price."""
    proposal = EntryProposal(
        intent_id=intent_id_of(signal.decision_id),
        strategy=signal.strategy,
        symbol=signal.symbol,
        qty=ZERO,
        limit_price=signal.reference_price,
        worst_price=signal.reference_price,
        stop_price=signal.reference_price,
        reference_price=signal.reference_price,
        adv_shares=signal.adv_shares,
        binding="",
        lot=facts.lot,
    )
    found = verdicts_without_price(proposal, facts, settings)
    return Decision(signal=signal, facts=facts, prices=None, sized=None, proposal=proposal, verdicts=found)


def _basis(signal: Signal) -> Basis:
    return Basis(p_win=signal.p_win, daily_volatility=signal.daily_volatility, adv_shares=signal.adv_shares)


def _exit_by(decision: Decision, settings: DecisionSettings) -> datetime:
    """Time limit of the position; a person's time to approve comes on top."""
    waits = settings.risk.approval_wait_min if _waits(decision, settings) else 0
    hold = decision.signal.hold_min or settings.policy.hold_max_min
    return decision.facts.now + timedelta(minutes=hold + waits)


def _waits(decision: Decision, settings: DecisionSettings) -> bool:
    return needs_approval(decision.proposal, decision.facts, settings)


def intent_of(decision: Decision, settings: DecisionSettings) -> OrderIntent:
    """The intent of an approved decision."""
    signal, prices, now = decision.signal, decision.prices, decision.facts.now
    assert prices is not None, "without prices nothing is approved"
    approve_by = now + timedelta(minutes=settings.risk.approval_wait_min) if _waits(decision, settings) else None
    return OrderIntent(
        message_id=hash_id("intent-message", signal.decision_id),
        correlation_id=signal.correlation_id,
        causation_id=signal.message_id,
        decided_at=now,
        expires_at=signal.expires_at,
        intent_id=decision.proposal.intent_id,
        decision_id=signal.decision_id,
        strategy=signal.strategy,
        on=signal.on,
        symbol=signal.symbol,
        side=Side.BUY,
        session=signal.session,
        account_id=decision.facts.account.account_id,
        qty=decision.proposal.qty,
        arrival_price=prices.arrival,
        limit_price=prices.limit,
        worst_price=prices.worst,
        stop_price=prices.stop,
        target_price=prices.target,
        exit_by=_exit_by(decision, settings),
        approve_by=approve_by,
        basis=None if approve_by is None else _basis(signal),
        lot=decision.proposal.lot,
        parameter_set=settings.policy.parameter_set,
    )
