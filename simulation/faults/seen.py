"""What a run has sent, written and filled so far, for faults that look for their moment and rules that judge."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from shared.adapters.codec import decode_message
from shared.contracts.messages import OrderIntent, Signal, intent_id_of
from shared.core.errors import ContractError
from shared.core.ledger import Ledger
from shared.core.orders import OrderRequest
from shared.core.values import ZERO
from shared.ports import Row


class SeenFacts:
    """Facts of a run.

    Attributes
    ----------
    signals, intents : dict
        By decision and by intent id.
    read : dict
        Messages by their queued text.
    poisoned_texts, quarantined_texts : set of str
        Queued texts that failed too often, and those that could not be read.
    ledger : Ledger or None
        As last written; None before the first write and once its row is lost.
    reserved_at : dict
        When an intent's reservation was written, by intent id.
    bought, sold : dict
        Shares by intent id. All of a symbol's count as sold once nothing is left of it.
    changed_at : dict
        When an order of a symbol last changed at the venue.
    stepped_at : dict
        When an order's last step began, by intent id.
    exits_tried : set of str
        Intents of which an exit was sent.
    lost_rooms : set of str
        Intents whose reservation, or what it would be found again by, was lost.
    split, hand_closed : set of str
        Symbols that were split, or closed by hand.
    killed_at, flattening_at, halted_at : datetime or None
        Since when entries are killed, everything is to be sold, or the ledger was halted last.
    """

    def __init__(self, now: datetime) -> None:
        self.signals: dict[str, Signal] = {}
        self.intents: dict[str, OrderIntent] = {}
        self.read: dict[str, Signal | OrderIntent] = {}
        self._subjects: dict[str, tuple[str, str]] = {}
        self.poisoned_texts: set[str] = set()
        self.quarantined_texts: set[str] = set()
        self.ledger: Ledger | None = None
        self.reserved_at: dict[str, datetime] = {}
        self.bought: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.sold: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.changed_at: dict[str, datetime] = {}
        self.stepped_at: dict[str, datetime] = {}
        self.exits_tried: set[str] = set()
        self.lost_reservations: set[str] = set()
        self.split: set[str] = set()
        self.hand_closed: set[str] = set()
        self.strategy_halted_at: dict[str, datetime] = {}
        self.strategy_lost_at: dict[str, datetime] = {}
        self._strategies: dict[str, str] = {}
        self.killed_at: datetime | None = None
        self.flattening_at: datetime | None = None
        self.halted_at = now

    # -- messages ----------------------------------------------------------------------------------------------------

    def subject_of(self, text: str) -> tuple[str, str]:
        """Symbol and intent of a queued text; empty for what cannot be read."""
        known = self._subjects.get(text)
        if known is None:
            known = ("", "")
            with suppress(ContractError):
                message = decode_message(text, Signal, OrderIntent)
                assert isinstance(message, Signal | OrderIntent)
                self.read[text] = message
                known = (message.symbol, _intent_id(message))
            self._subjects[text] = known
        return known

    def signal_of(self, intent_id: str) -> Signal:
        """The signal that an intent follows from."""
        return next(signal for d, signal in self.signals.items() if intent_id_of(d) == intent_id)

    def lost_decisions(self) -> set[str]:
        """Decisions whose signal poisoned: told to the person, who may send it back."""
        lost = {self.subject_of(text)[1] for text in self.poisoned_texts}
        return {d for d in self.signals if intent_id_of(d) in lost}

    def lost_intents(self) -> set[str]:
        """Intents whose signal or intent message poisoned."""
        return {self.subject_of(text)[1] for text in self.poisoned_texts}

    # -- ledger and controls -----------------------------------------------------------------------------------------

    def ledger_written(self, after: Ledger, now: datetime) -> None:
        """Take in a ledger that was written."""
        before, self.ledger = self.ledger, after
        known = () if before is None else {reservation.intent_id for reservation in before.reservations}
        self.reserved_at |= {
            reservation.intent_id: now for reservation in after.reservations if reservation.intent_id not in known
        }
        if _is_halted(after) and not _is_halted(before):
            self.halted_at = now
        halted = {strategy for strategy, book in after.books.items() if book.is_day_halted}
        self.strategy_lost_at = {strategy: self.strategy_lost_at.get(strategy, now) for strategy in sorted(halted)}

    def ledger_lost(self) -> Ledger | None:
        """Take in that the ledger's row has vanished, and with it what was halted and counted; return what it was."""
        lost, self.ledger = self.ledger, None
        reservations = () if lost is None else lost.reservations
        self.lost_reservations |= {*self.intents, *(each.intent_id for each in reservations)}
        return lost

    def controlled(self, row: Row, now: datetime) -> None:
        """Take in that the kill switch was turned, on or off, or from on to on."""
        if "strategy" in row:
            self._strategy_controlled(str(row["strategy"]), now, is_on=bool(row.get("is_on")))
            return
        is_on, is_flattening = bool(row.get("is_on")), bool(row.get("is_flattening"))
        self.killed_at = (self.killed_at or now) if is_on else None
        self.flattening_at = (self.flattening_at or now) if is_on and is_flattening else None

    def _strategy_controlled(self, strategy: str, now: datetime, *, is_on: bool) -> None:
        """Take in that a person has halted a strategy, or resumed it."""
        if is_on:
            self.strategy_halted_at.setdefault(strategy, now)
        else:
            self.strategy_halted_at.pop(strategy, None)

    def strategy_of(self, intent_id: str) -> str:
        """Whose an intent is, by the signal that it follows from; empty where none was sent."""
        if len(self._strategies) < len(self.signals):
            self._strategies = {intent_id_of(decision): signal.strategy for decision, signal in self.signals.items()}
        return self._strategies.get(intent_id, "")

    def is_strategy_stopped_since(self, strategy: str, began: datetime) -> bool:
        """Whether a person, or its own loss, has stopped a strategy's entries since before an instant."""
        at = self.strategy_halted_at.get(strategy), self.strategy_lost_at.get(strategy)
        return any(each is not None and each < began for each in at)

    def is_flattening_since(self, began: datetime) -> bool:
        """Whether the kill switch has wanted a flat account since before an instant."""
        return self.flattening_at is not None and self.flattening_at < began

    def is_killed_since(self, began: datetime) -> bool:
        """Whether the kill switch has stopped entries since before an instant."""
        return self.killed_at is not None and self.killed_at < began

    def is_halted_since(self, began: datetime) -> bool:
        """Whether a halt has stopped entries since before an instant."""
        return _is_halted(self.ledger) and self.halted_at < began

    def is_stopped_since(self, began: datetime) -> bool:
        """Whether the kill switch, or a halt, has stopped entries since before an instant."""
        return self.is_killed_since(began) or self.is_halted_since(began)

    # -- fills -------------------------------------------------------------------------------------------------------

    def all_sold(self, symbol: str) -> None:
        """Nothing is left of a symbol, whoever has sold it."""
        for intent in self.intents.values():
            if intent.symbol == symbol:
                self.sold[intent.intent_id] = self.bought[intent.intent_id]


def _is_halted(ledger: Ledger | None) -> bool:
    return ledger is not None and (ledger.is_day_halted or ledger.is_drawdown_halted)


def _intent_id(message: Signal | OrderIntent) -> str:
    return intent_id_of(message.decision_id) if isinstance(message, Signal) else message.intent_id


def intent_of(request: OrderRequest) -> str:
    """Id of the intent that an order of ours belongs to."""
    return request.client_order_id.rsplit("-", 2)[0]
