"""What must hold of an order as it is sent, against the quote that its own step has seen.

- An entry is sent on a fresh two-sided quote, within spread and slippage, no dearer than its plan's worst price, at no
  more prices than its plan allows, and not after its time.
- An exit limit is one that the bid takes.
- A stop only ever tightens.
- An id that the broker has refused is left behind.
- Nothing is entered while a circuit breaker is open.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import OrderIntent
from shared.core.market import BASIS_POINTS
from shared.core.order_states import OrderState
from shared.core.orders import OrderClass, OrderRequest
from shared.core.sessions import session_at
from shared.core.values import Side
from simulation.faults.violation import Violation
from simulation.faults.work import SeenQuote, Work
from simulation.faults.world import World

UNDER_MARKET = Decimal("0.99")


class SubmissionRules:
    """What was sent and refused so far, and the rules for what is sent next."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stops: dict[str, Decimal] = {}
        self._refused: dict[str, datetime] = {}

    def check(self, intent: OrderIntent, request: OrderRequest, work: Work) -> None:
        """Look at an order of an intent that is about to be sent by a work."""
        refused_at = self._refused.get(request.client_order_id)
        # The same step may run on another host, which looked before.
        if refused_at is not None and work.began_at is not None and work.began_at > refused_at:
            raise Violation("a refused id is left behind", request.client_order_id)
        self._stop_tightens(intent, request)
        seen = work.quotes.get(intent.symbol)
        if request.side is Side.BUY:
            self._in_time(intent, request, work)
            self._priced(intent, request, seen)
        elif request.order_class is OrderClass.SIMPLE and request.limit_price is not None:
            bid = None if seen is None else seen.quote.bid
            if bid is None or request.limit_price > bid:
                raise Violation("an exit limit is one that the bid takes", f"{request.limit_price} against {bid}")

    def answered(self, asked: OrderState, after: OrderState, work: Work | None) -> None:
        """Take in the end of a step: whether the broker's refusal is what was recorded of it."""
        if work is not None and work.refused and after.seq > asked.seq:
            client_order_id, words = work.refused
            if after.note == words:
                self._refused.setdefault(client_order_id, self._world.now())

    def _stop_tightens(self, intent: OrderIntent, request: OrderRequest) -> None:
        if request.stop_price is None or _is_sold_by_pair(intent, request):
            return
        before = self._stops.get(intent.intent_id, intent.stop_price)
        # A broker takes no stop above the market: where that stands at the stop, the stop lies a little under it.
        loosest = min(before, self._world.exchange.mark(intent.symbol) * UNDER_MARKET)
        if request.stop_price < loosest:
            raise Violation("a stop only ever tightens", f"{request.client_order_id}: {before} to {request.stop_price}")
        self._stops[intent.intent_id] = max(before, request.stop_price)

    def _in_time(self, intent: OrderIntent, request: OrderRequest, work: Work) -> None:
        """Each new price has twice the patience of the one before to come in."""
        policy = self._world.settings.policy
        attempt = int(request.client_order_id.rsplit("-", 1)[1])
        if attempt > policy.max_reprices:
            raise Violation("an entry is priced anew so often at most", f"{request.client_order_id}")
        expires_at = intent.expires_at
        if intent.approve_by is not None:
            expires_at = intent.approve_by + (intent.expires_at - intent.decided_at)
        expires_at += attempt * timedelta(seconds=2 * policy.entry_patience_s)
        if work.began_at is not None and work.began_at >= expires_at:
            raise Violation("no entry after its time", f"{request.client_order_id} after {expires_at}")

    def _priced(self, intent: OrderIntent, request: OrderRequest, seen: SeenQuote | None) -> None:
        world, risk, name = self._world, self._world.settings.risk, request.client_order_id
        limit = request.limit_price
        if seen is None or limit is None:
            raise Violation("an entry is sent on a quote", name)
        if limit > intent.worst_price:
            raise Violation("an entry is no dearer than its worst price", f"{name}: {limit} over {intent.worst_price}")
        quote, is_regular = seen.quote, session_at(seen.at, world.day).is_regular
        age_s = abs((seen.at - quote.at).total_seconds())
        if age_s > risk.quote_age_max_s:
            raise Violation("no entry on a stale quote", f"{name}: {age_s:.0f} s old")
        spread_max = risk.spread_max_bp if is_regular else risk.spread_max_extended_bp
        if not quote.is_two_sided or quote.spread_bp > spread_max:
            raise Violation("no entry over a wide spread", f"{name}: {quote.bid}/{quote.ask}")
        if (limit / quote.mid - 1) * BASIS_POINTS > risk.slippage_max_bp:
            raise Violation("no entry beyond its slippage", f"{name}: {limit} at {quote.bid}/{quote.ask}")


def _is_sold_by_pair(intent: OrderIntent, request: OrderRequest) -> bool:
    """A pair whose target lies under the plan's sells at once: a refused exit by another way, and no guard."""
    is_pair = request.order_class is OrderClass.OCO and request.target_price is not None
    return is_pair and request.target_price < intent.target_price  # type: ignore[operator]
