"""What must hold of entries that a person was asked about, of groups of symbols, and of day trades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from shared.contracts.messages import Notice, OrderIntent, intent_id_of
from shared.core.approvals import Answer
from shared.core.day_trades import DatedFill, count_day_trades
from shared.core.errors import ContractError
from shared.core.order_states import OrderState, Phase
from shared.core.orders import OrderRequest
from shared.core.sessions import NEW_YORK
from shared.core.values import ZERO, Side, Symbol
from shared.ports import Row
from simulation.faults.violation import Violation
from simulation.faults.world import World


class Answers:
    """Questions, answers and ends: who waits is asked, one answer counts, and who was asked hears what became of it."""

    def __init__(self) -> None:
        self._claimed: dict[str, str] = {}
        self._asked: set[str] = set()
        self._too_late: set[str] = set()
        self._ended: set[str] = set()

    def notified(self, notice: Notice) -> None:
        """Note a notice that went out."""
        (self._asked if notice.kind == "approval" else self._ended).add(intent_id_of(notice.correlation_id))

    def found_late(self, intent: OrderIntent) -> None:
        """Note an order that was found waiting after its deadline: nothing is asked that cannot be answered."""
        self._too_late.add(intent.intent_id)

    def claimed(self, row: Row) -> None:
        """Note the row that makes an answer count."""
        intent_id, answer = str(row["intent_id"]), str(row["answer"])
        if self._claimed.setdefault(intent_id, answer) != answer:
            raise Violation("one answer for each order", f"{intent_id}: {self._claimed[intent_id]}, then {answer}")

    def accepted(self, intent: OrderIntent, answer: Answer) -> None:
        """Note that a person was told that their answer counts."""
        if self._claimed.get(intent.intent_id) != answer:
            found = self._claimed.get(intent.intent_id)
            raise Violation("what is accepted counts", f"{intent.intent_id}: {answer} was accepted, {found} counts")

    def is_yes(self, intent_id: str) -> bool:
        """Whether a person's first answer was yes."""
        return self._claimed.get(intent_id) == Answer.APPROVE

    def check(self, intent: OrderIntent, request: OrderRequest) -> None:
        """Look at an entry that is about to be sent."""
        if intent.approve_by is None:
            return
        if self._claimed.get(intent.intent_id) != Answer.APPROVE:
            raise Violation("no entry without its approval", f"{request.client_order_id}: a person had to say yes")
        if request.qty > intent.qty:
            raise Violation("approval only shrinks", f"{request.qty} of {intent.qty}")

    def at_end(self, world: World, orders: Mapping[str, Row]) -> Iterator[str]:
        """Yield what is wrong with the orders of a day that has come to rest."""
        lost = world.seen.lost_intents()
        for row in orders.values():
            intent = world.seen.intents.get(str(row["intent_id"]))
            if intent is None or intent.approve_by is None or intent.intent_id in lost or row["phase"] == Phase.EXPIRED:
                continue
            try:
                state = world.ports.codec.decode(OrderState, str(row["state"]))
            except ContractError:  # broken after the order's last step, which alone writes it anew
                continue
            if intent.intent_id not in self._asked | self._too_late:
                if state.is_stopped or state.exit_reason is not None:  # nothing was wanted any more before the question
                    continue
                yield f"{intent.intent_id} of {row['symbol']} waited, and nobody was asked"
            if not Phase(str(row["phase"])).is_over:
                continue
            if intent.intent_id not in self._ended and row["bought_qty"] == "0":
                yield f"{intent.intent_id} of {row['symbol']} is {row['phase']}, and nobody was told"
            counts = self._claimed.get(intent.intent_id)
            if state.answered is None or state.answered.answer != counts:
                yield f"{intent.intent_id} of {row['symbol']} went by {state.answered}, and {counts} counts"


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
    if not risk.day_trades_max or world.seen.hand_closed or world.seen.lost_reservations:
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
