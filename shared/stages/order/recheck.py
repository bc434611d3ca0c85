"""The gates once more, immediately before an entry is sent: facts age in a queue, and while a person thinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from shared.core.ledger import without
from shared.core.market import Quote, Timeframe
from shared.core.order_states import OrderState
from shared.core.risk import BEFORE_SUBMIT, GATES, EntryProposal, Facts, Gate, Verdict, refusals, verdicts
from shared.core.sizing import Basis
from shared.core.values import Rounding, round_to_tick, to_price
from shared.decision.size import entry_size
from shared.ports import Ports
from shared.stages.base.facts import cautious, gather, model_fault

UNRESERVED = "UNRESERVED"
"""Why an entry is not sent whose reservation is gone from the ledger: no other decision would have counted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """What the gates say of an entry that is about to be sent, and how much they leave of it, in units."""

    qty: Decimal
    verdicts: tuple[Verdict, ...]
    is_reserved: bool

    @property
    def denied(self) -> str:
        """Codes of the gates that refuse, or that the ledger holds no reservation of it; empty where it may go."""
        codes = refusals(self.verdicts)
        return " ".join(codes) if codes or self.is_reserved else UNRESERVED


def look_again(state: OrderState, ports: Ports, quote: Quote) -> Recheck:
    """Run the gates on the facts of this moment, as if this order had reserved nothing.

    After a person's approval that is every gate, and the size is worked out anew: minutes have passed. It can only
    shrink or refuse. Later prices of the same entry, and entries that nobody was asked about, keep their size.
    """
    plan = state.plan
    if plan.basis is not None and state.entry_attempt == 0:
        return _after_approval(state, plan.basis, ports, quote)
    facts, is_reserved = _facts(state, ports, quote)
    proposal = _proposal(state, quote, qty=state.wanted, reference_price=plan.arrival_price)
    found = verdicts(proposal, facts, ports.settings.decision, BEFORE_SUBMIT)
    return Recheck(qty=state.wanted, verdicts=found, is_reserved=is_reserved)


def _facts(state: OrderState, ports: Ports, quote: Quote, fault: str = "") -> tuple[Facts, bool]:
    """Return the facts without this order's own reservation, and whether it had one."""
    seen = gather(ports, state.on, quote, fault, strategy=state.plan.strategy)
    facts = cautious(seen, ports.settings.risk.day_loss_max_fraction)
    others = without(facts.ledger, state.plan.intent_id)
    return replace(facts, ledger=others), others != facts.ledger


def _after_approval(state: OrderState, basis: Basis, ports: Ports, quote: Quote) -> Recheck:
    plan = state.plan
    facts, is_reserved = _facts(state, ports, quote, model_fault(ports, plan.strategy))
    sized = entry_size(
        facts,
        ports.settings.decision,
        basis,
        symbol=plan.symbol,
        limit_price=max(plan.limit_price, min(quote.ask, plan.worst_price)),
        worst_price=plan.worst_price,
        stop_price=plan.stop_price,
        target_price=plan.target_price,
        lot=plan.lot,
    )
    qty = min(plan.qty, sized.qty)
    close = _last_close(state, ports)
    proposal = replace(
        _proposal(state, quote, qty=qty, reference_price=close or plan.arrival_price),
        adv_shares=basis.adv_shares,
        binding=sized.binding.value,
    )
    found = verdicts(proposal, facts, ports.settings.decision, frozenset(GATES))
    found = found if close else tuple(_without_close(found))
    return Recheck(qty=qty, verdicts=found, is_reserved=is_reserved)


def _proposal(state: OrderState, quote: Quote, *, qty: Decimal, reference_price: Decimal) -> EntryProposal:
    plan = state.plan
    return EntryProposal(
        intent_id=plan.intent_id,
        strategy=plan.strategy,
        symbol=plan.symbol,
        qty=qty,
        limit_price=round_to_tick(quote.ask, Rounding.UP),
        worst_price=plan.worst_price,
        stop_price=plan.stop_price,
        reference_price=reference_price,
        adv_shares=0,
        binding="",
        lot=plan.lot,
    )


def _last_close(state: OrderState, ports: Ports) -> Decimal | None:
    """Close of the symbol's last 5-minute bar in USD, None where the last one is too old."""
    now, symbol = ports.clock.now(), state.plan.symbol
    oldest = now - timedelta(seconds=ports.settings.risk.bar_age_max_s + Timeframe.MIN_5.seconds)
    bars = ports.market.bars([symbol], Timeframe.MIN_5, oldest, now).get(symbol)
    return to_price(float(bars.close[-1])) if bars else None


def _without_close(found: Sequence[Verdict]) -> list[Verdict]:
    """There is no fresh close to hold the quote against: the data is not fit to trade on."""
    return [
        replace(each, passed=False, found="no fresh bar") if each.gate is Gate.DATA_QUALITY else each for each in found
    ]
