"""Gate: a signal -> prices, size, every risk gate -> an order intent with its reservation, or a recorded refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.contracts.messages import Notice, OrderIntent, Signal, intent_id_of
from shared.contracts.records import Table, symbol_key
from shared.core.ledger import Ledger, Reservation, reserve, without
from shared.core.market import Quote
from shared.core.risk import Facts, no_quote, refusals
from shared.core.settings import DecisionSettings
from shared.core.values import iso, plain
from shared.decision.entries import Decision, decide, intent_of
from shared.ports import Cell, Ports
from shared.stages.base.facts import cautious, gather, model_fault, settings_id
from shared.stages.base.ledger import update_ledger, watching
from shared.stages.entry.deliberate import Deliberated, committee_cells, committee_incidents, deliberate

MAX_CELL_CHARACTERS = 32 * 1024
"""What a text cell of Azure Tables holds."""


def gate(signal: Signal, ports: Ports) -> list[OrderIntent]:
    """Decide on one signal, once: a repeat of a decided signal sends the same intent again or stays refused.

    Raises
    ------
    TransientError
        If broker, market or ledger did not answer; the queue brings the signal again.
    """
    return gate_and_notice(signal, ports)[0]


def gate_and_notice(signal: Signal, ports: Ports) -> tuple[list[OrderIntent], list[Notice]]:
    """Decide on one signal as `gate` does; return besides what a person is to be told of the committee."""
    now = ports.clock.now()
    key = symbol_key(signal.symbol, signal.slot, signal.decision_id)
    known = _decided(ports, signal, key)
    if known is not None:
        return known, []
    if now >= signal.expires_at:
        ports.tables.insert(Table.DECISIONS, str(signal.on), key, _expired_row(ports, signal, now))
        return [], []
    settings, is_heard = ports.settings.decision, signal.strategy in ports.settings.committee.strategies
    said = deliberate(signal, ports) if is_heard and _would_pass(ports, signal, settings) else None
    # Facts of now: what was looked at before the committee was asked is seconds old.
    decision, is_reserved = _decide_under_ledger(ports, signal, _quote(ports, signal), settings, said)
    if is_heard and said is None and decision.is_approved:  # refused a moment ago: nobody was asked yet
        said = deliberate(signal, ports)
        decision, is_reserved = _decide_under_ledger(ports, signal, _quote(ports, signal), settings, said)
    is_late = _is_late(decision)
    intent = intent_of(decision, settings) if decision.is_approved and not is_late else None
    word = [] if intent is None else [intent]
    row = _expired_row(ports, signal, decision.facts.now) if is_late else _row(ports, decision, intent, settings)
    is_first = ports.tables.insert(Table.DECISIONS, str(signal.on), key, row)
    if not is_first:
        word = _decided(ports, signal, key) or []  # the first recorded decision wins
    if not is_first or (intent is None and is_reserved):
        _settle_reservation(ports, signal, decision, word)
    if said is None:
        return word, []
    return word, [*said.notices, *committee_incidents(ports, signal, decision.facts.now)]


def _quote(ports: Ports, signal: Signal) -> Quote:
    with watching(ports, "market"):
        return ports.market.quotes([signal.symbol]).get(signal.symbol) or no_quote(signal.symbol)


def _would_pass(ports: Ports, signal: Signal, settings: DecisionSettings) -> bool:
    """Whether the gates would let a signal pass as it stands: nobody is asked about one that they refuse."""
    seen = _seen(ports, signal, _quote(ports, signal))
    facts = replace(
        cautious(seen, settings.risk.day_loss_max_fraction),
        ledger=without(seen.ledger, intent_id_of(signal.decision_id)),
    )
    return decide(signal, facts, settings).is_approved


def _seen(ports: Ports, signal: Signal, quote: Quote) -> Facts:
    fault = model_fault(ports, signal.strategy)
    with watching(ports, "broker"):
        return gather(ports, signal.on, quote, fault, strategy=signal.strategy)


def _decided(ports: Ports, signal: Signal, key: str) -> list[OrderIntent] | None:
    """What an earlier delivery of the signal decided, None where there was none."""
    known = ports.tables.get(Table.DECISIONS, str(signal.on), key)
    if known is None:
        return None
    text = known.value.get("intent")
    return [ports.codec.decode(OrderIntent, str(text))] if text else []


def _decide_under_ledger(
    ports: Ports, signal: Signal, quote: Quote, settings: DecisionSettings, said: Deliberated | None
) -> tuple[Decision, bool]:
    """Gate on the ledger as it stands and reserve in the same conditional write; a lost race is gated anew.

    Returns
    -------
    tuple of Decision and bool
        And whether the ledger holds a reservation of this intent, made by this or by another delivery of the signal.
    """
    seen = _seen(ports, signal, quote)
    world = replace(cautious(seen, settings.risk.day_loss_max_fraction), committee=None if said is None else said.found)
    intent_id = intent_id_of(signal.decision_id)
    decided: list[Decision] = []

    def change(ledger: Ledger) -> Ledger:
        facts = replace(world, ledger=without(ledger, intent_id))
        decision = decide(signal, facts, settings)
        decided.append(decision)
        # A refusal leaves alone what an earlier delivery has reserved, until it is recorded which of the two counts.
        if not decision.is_approved or _is_late(decision):
            return ledger
        return reserve(ledger, reservation_for(intent_of(decision, settings)))

    after = update_ledger(ports, signal.on, seen.account, change, at=seen.now)
    return decided[-1], any(r.intent_id == intent_id for r in after.reservations)


def _is_late(decision: Decision) -> bool:
    """Whether the signal expired while it was judged."""
    return decision.facts.now >= decision.signal.expires_at


def reservation_for(intent: OrderIntent) -> Reservation:
    """What an intent reserves until its order has ended."""
    return Reservation.of(intent, intent.qty, intent.decided_at)


def _settle_reservation(ports: Ports, signal: Signal, decision: Decision, word: list[OrderIntent]) -> None:
    """Make the reservation that of the recorded decision: an earlier or a faster delivery may have left another.

    One that is gone stays gone: its order has ended since.
    """
    intent_id = intent_id_of(signal.decision_id)
    reservations = [reservation_for(intent) for intent in word]

    def change(ledger: Ledger) -> Ledger:
        if all(r.intent_id != intent_id or r in reservations for r in ledger.reservations):
            return ledger
        kept = without(ledger, intent_id)
        return reserve(kept, reservations[0]) if reservations else kept

    update_ledger(ports, signal.on, decision.facts.account, change, at=decision.facts.now)


def _expired_row(ports: Ports, signal: Signal, now: datetime) -> dict[str, Cell]:
    return _base_row(ports, signal, now) | {"verdict": "expired", "refused_by": "EXPIRED"}


def _base_row(ports: Ports, signal: Signal, now: datetime) -> dict[str, Cell]:
    return {
        "decision_id": signal.decision_id,
        "symbol": signal.symbol,
        "slot": signal.slot,
        "session": signal.session.value,
        "strategy": signal.strategy,
        "decided_at": iso(now),
        "p_up": signal.p_up,
        "p_down": signal.p_down,
        "expected_move": signal.expected_move,
        "features_blob": signal.features_blob,
        "models": " ".join(signal.model_versions),
        "parameter_set": signal.parameter_set,
        "signal_id": signal.message_id,
        "signal": ports.codec.encode(signal),
    }


def _row(ports: Ports, decision: Decision, intent: OrderIntent | None, settings: DecisionSettings) -> dict[str, Cell]:
    facts = decision.facts
    given = _quote_cells(facts.quote) | _size_cells(ports, decision) | _price_cells(decision)
    given |= committee_cells(facts.committee)
    return (
        _base_row(ports, decision.signal, facts.now)
        | given
        | {
            "verdict": "approved" if intent else "refused",
            "refused_by": " ".join(refusals(decision.verdicts)),
            "gates": ports.codec.encode(decision.verdicts),
            "equity_usd": str(facts.account.equity),
            "intent_id": decision.proposal.intent_id,
            "intent": ports.codec.encode(intent) if intent else None,
            "facts": _if_it_fits(ports.codec.encode(facts)),
            "settings": _if_it_fits(ports.codec.encode(settings)),
            "settings_id": settings_id(ports, settings),
            "code_revision": ports.code_revision,
            # The gate's own: a set may have been accepted since the signal was scored.
            "parameter_set": ports.settings.policy.parameter_set,
        }
    )


def _quote_cells(quote: Quote) -> dict[str, Cell]:
    if quote == no_quote(quote.symbol):
        return {}
    return {"bid_usd": str(quote.bid), "ask_usd": str(quote.ask), "quote_at": iso(quote.at)}


def _size_cells(ports: Ports, decision: Decision) -> dict[str, Cell]:
    sized = decision.sized
    if sized is None:
        return {}
    bounds = {bound.value: qty for bound, qty in sized.bounds.items()}
    return {"qty": plain(sized.qty), "bound": sized.binding.value, "bounds": ports.codec.encode(bounds)}


def _price_cells(decision: Decision) -> dict[str, Cell]:
    prices = decision.prices
    if prices is None:
        return {}
    return {
        "limit_usd": str(prices.limit),
        "worst_usd": str(prices.worst),
        "stop_usd": str(prices.stop),
        "target_usd": str(prices.target),
    }


def _if_it_fits(text: str) -> str | None:
    """What a cell can hold: facts too large for it cost the replay of one decision, not the decision."""
    return text if len(text) <= MAX_CELL_CHARACTERS else None
