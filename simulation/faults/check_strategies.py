"""What must hold of each strategy by itself, reckoned from signals, controls and the venue's own books.

- An order is of the strategy whose signal it follows from.
- No strategy stands beyond its budget: positions and exposure within its share, at approval and at the venue.
- No entry of a strategy that a person has halted, or that has lost its share of the day's loss.
- One that has lost its share is halted for the day once supervise has looked.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from shared.core.ledger import Ledger
from shared.core.orders import OrderRequest
from shared.core.values import ZERO, Side
from simulation.faults.seen import intent_of
from simulation.faults.violation import Violation
from simulation.faults.world import World
from simulation.venue.journal import LogEntry

TOLERANCE = Decimal("1.01")
"""A price moves between the look at the account and the order that follows within the same second."""
LOOKS = 3
"""Supervisions in a row that saw a loss beyond the share: marks move, and one may have read the ledger before."""


class StrategyRules:
    """The rules of each strategy."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cash: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        self._looks: defaultdict[str, int] = defaultdict(int)
        self._is_blurred = False
        self._given_back_at: datetime | None = None

    def _limits(self, strategy: str, equity: Decimal) -> tuple[int, Decimal]:
        """Positions and exposure in USD that a strategy may have."""
        settings = self._world.settings
        share = settings.strategies.share_of(strategy) or ZERO
        gross = equity * settings.risk.gross_exposure_max_fraction
        return int(share * settings.risk.max_positions), gross * share * TOLERANCE

    # -- budget ------------------------------------------------------------------------------------------------------

    def written(self, before: Ledger | None, after: Ledger) -> None:
        """Hold what a ledger has newly reserved against the shares."""
        seen = self._world.seen
        if before is None or after.on != before.on:
            self._cash.clear()
            self._looks.clear()
            # What was bought before counts from this day on, and what it cost is not known any more.
            self._is_blurred = self._is_blurred or bool(self._world.exchange.account.positions)
        known = {r.intent_id for r in before.reservations} if before is not None else set()
        if known - {r.intent_id for r in after.reservations}:
            self._given_back_at = self._world.now()
        for strategy in {r.strategy for r in after.reservations if r.intent_id not in known}:
            own = after.reservations_of(strategy)
            if any(r.intent_id in seen.lost_reservations for r in own):
                continue  # taken again, not approved: others may have been approved in its place
            if strange := [r.intent_id for r in own if seen.strategy_of(r.intent_id) != strategy]:
                raise Violation("an order is of its signal's strategy", f"{strange} as {strategy}")
            self._within(strategy, "reserves", len(own), sum((r.notional for r in own), ZERO), after.equity)

    def submitted(self, request: OrderRequest) -> None:
        """Once an entry stands, the venue's own book holds no more of its strategy than its share."""
        seen, exchange = self._world.seen, self._world.exchange
        if seen.lost_reservations:
            return  # nobody counts what has lost its reservation until reconciliation takes it again
        strategy = seen.strategy_of(intent_of(request))
        exposure: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for intent_id, symbol in self._held(strategy):
            exposure[symbol] += (seen.bought[intent_id] - seen.sold[intent_id]) * exchange.mark(symbol)
        for orders in exchange.book.live.values():
            for order in orders:
                intent_id = order.client_order_id.rsplit("-", 2)[0]
                is_own = intent_id in seen.intents and seen.strategy_of(intent_id) == strategy
                if is_own and order.side is Side.BUY and order.limit_price is not None:
                    exposure[order.symbol] += order.remaining * order.limit_price
        self._within(strategy, "holds", len(exposure), sum(exposure.values(), ZERO), exchange.equity())

    def _within(self, strategy: str, does: str, positions: int, notional: Decimal, equity: Decimal) -> None:
        most, limit = self._limits(strategy, equity)
        if positions > most or notional > limit:
            text = f"{strategy} {does} {positions} of {most} positions, {notional} of {limit} USD"
            raise Violation("no strategy beyond its budget", text)

    def _held(self, strategy: str) -> list[tuple[str, str]]:
        """Intents of a strategy that hold something, with their symbols."""
        seen = self._world.seen
        open_ones = [i for i in seen.intents.values() if seen.bought[i.intent_id] > seen.sold[i.intent_id]]
        return [(i.intent_id, i.symbol) for i in open_ones if seen.strategy_of(i.intent_id) == strategy]

    # -- halts -------------------------------------------------------------------------------------------------------

    def before_entry(self, request: OrderRequest, began: datetime) -> None:
        """No entry of a strategy that is halted, or has realised a loss of more than its share."""
        seen = self._world.seen
        strategy = seen.strategy_of(intent_of(request))
        if seen.is_strategy_stopped_since(strategy, began):
            raise Violation("no entry of a halted strategy", f"{request.client_order_id} of {strategy}")
        if seen.ledger is None or not self._is_plain():
            return
        living = {r.intent_id for r in seen.ledger.reservations}
        realised = sum((cash for intent_id, cash in self._cash[strategy].items() if intent_id not in living), ZERO)
        if -realised > self._may_lose(strategy, seen.ledger) * TOLERANCE and self._gave_back_before(began):
            text = f"{request.client_order_id}: {strategy} has realised {realised} USD"
            raise Violation("no entry of a strategy that has lost its share", text)

    def _gave_back_before(self, began: datetime) -> bool:
        return self._given_back_at is not None and self._given_back_at < began

    def _may_lose(self, strategy: str, ledger: Ledger) -> Decimal:
        """USD of a day; of one that has the whole budget the account's own halt takes care."""
        settings = self._world.settings
        share = settings.strategies.share_of(strategy) or ZERO
        return ledger.opening_equity * (settings.risk.day_loss_max_fraction * share if share < 1 else 1)

    def _is_plain(self) -> bool:
        """Whether fills tell the result: nobody has sold by hand, no split has come, no reservation was lost."""
        seen = self._world.seen
        return not (self._is_blurred or seen.hand_closed or seen.lost_reservations or seen.split)

    # -- results -----------------------------------------------------------------------------------------------------

    def filled(self, entry: LogEntry, intent_id: str) -> None:
        """Count a fill to its strategy."""
        sign = 1 if entry.side == Side.BUY else -1
        self._cash[self._world.seen.strategy_of(intent_id)][intent_id] -= sign * entry.fill_qty * entry.fill_price

    def supervised(self) -> None:
        """One that has lost its share is halted once supervise has looked a few times.

        Not judged while an order has sold a part, which is counted when it has ended.
        """
        seen, ledger = self._world.seen, self._world.seen.ledger
        if ledger is None or not self._is_plain() or self._world.is_hiding or self._world.parts_down:
            self._looks.clear()
            return
        for strategy, by_intent in self._cash.items():
            held, cash = self._held(strategy), sum(by_intent.values(), ZERO)
            marks = {symbol: self._world.exchange.mark(symbol) for _, symbol in held}
            value = sum(((seen.bought[i] - seen.sold[i]) * marks[symbol] for i, symbol in held), ZERO)
            limit = self._may_lose(strategy, ledger)
            is_lost = -(cash + value) > limit * TOLERANCE and not any(seen.sold[i] for i, _ in held)
            self._looks[strategy] = self._looks[strategy] + 1 if is_lost else 0
            if self._looks[strategy] > LOOKS and not ledger.book_of(strategy).is_day_halted:
                text = f"{strategy} stands at {cash + value} USD, its share is {limit}"
                raise Violation("a strategy that has lost its share is halted", text)
