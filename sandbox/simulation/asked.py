"""What must hold of entries that a person was asked about, of groups of symbols, and of day trades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.simulation.violation import Violation
from shared.contracts.messages import OrderIntent
from shared.core.day_trades import DatedFill, count_day_trades
from shared.core.order_steps import APPROVE
from shared.core.orders import OrderRequest
from shared.core.sessions import NEW_YORK
from shared.core.values import ZERO, Side, Symbol

if TYPE_CHECKING:
    from sandbox.simulation.world import World


STALL = timedelta(seconds=60)
"""Longest that a simulated host waits for answers of others before it fires a timer."""


class Answers:
    """What people have answered; an entry that waits for a yes is sent after one, and not after its deadline."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def answered(self, intent: OrderIntent, answer: str, at: datetime) -> None:
        """Note an answer that reached the lifecycle's host in time; later ones change nothing.

        While a host stalls, the deadline's timer is late as well, and an answer may still come before it.
        """
        if intent.approve_by is not None and at < intent.approve_by + STALL:
            self._first.setdefault(intent.intent_id, answer)

    def is_yes(self, intent_id: str) -> bool:
        """Whether a person's first answer was yes."""
        return self._first.get(intent_id) == APPROVE

    def check(self, intent: OrderIntent, request: OrderRequest) -> None:
        """Look at an entry that is about to be sent."""
        if intent.approve_by is None:
            return
        if self._first.get(intent.intent_id) != APPROVE:
            raise Violation("no entry without its approval", f"{request.client_order_id}: a person had to say yes")
        if request.qty_shares > intent.qty_shares:
            raise Violation("approval only shrinks", f"{request.qty_shares} of {intent.qty_shares}")


def group_exposure(world: World, exposure: Mapping[str, Decimal], symbol: str) -> Decimal:
    """USD held and being bought in the symbol's group."""
    groups = [set(group.symbols) for group in world.settings.risk.symbol_groups]
    members = next((group for group in groups if symbol in group), {Symbol(symbol)})
    return sum((usd for each, usd in exposure.items() if each in members), ZERO)


def check_day_trades(world: World) -> None:
    """No more day trades than the rule allows, by the venue's own fills.

    A person's are their own affair, and what a lost reservation would have counted nobody can.
    """
    risk = world.settings.risk
    if not risk.day_trades_max or world.checkers.hand_closed or world.checkers.lost_rooms:
        return
    if world.exchange.equity() >= Decimal(str(risk.day_trades_below_usd)):
        return
    fills = [
        DatedFill(on=_date(each.at), symbol=Symbol(each.symbol), side=Side(each.side))
        for each in world.exchange.account.fills
    ]
    by_day: defaultdict[date, list[DatedFill]] = defaultdict(list)
    for fill in fills:
        by_day[fill.on].append(fill)
    found = count_day_trades(fills)
    if found > risk.day_trades_max:
        text = ", ".join(f"{on}: {count_day_trades(of)}" for on, of in sorted(by_day.items()))
        raise Violation("no more day trades than allowed", f"{found} of {risk.day_trades_max} ({text})")


def _date(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
