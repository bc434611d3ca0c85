"""What an order's life knows: its plan, its phase, and every order at the broker that belongs to it.

  PLANNED -> [APPROVAL_PENDING] -> SUBMITTING -> WORKING -> PARTIALLY_FILLED -> FILLED -> PROTECTED -> EXITING -> CLOSED
     |-> EXPIRED     |-> DENIED      |-> REJECTED   |-> CANCELED (nothing filled)  |-> GUARDED -> |

What the broker says changes a state here: orders that it shows, orders that its look-ups find no more, and shares that
left the account without us. The decisions over these states are in `shared.core.order_steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from shared.core.approvals import Answered
from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.orders import BrokerOrder, OrderClass, OrderStatus
from shared.core.sessions import Hours
from shared.core.settings import FIRST_STRATEGY
from shared.core.sizing import Basis
from shared.core.values import ZERO, Side, Symbol, require_positive, require_utc, tidy


class Phase(StrEnum):
    """Where an order stands."""

    PLANNED = "PLANNED"
    APPROVAL_PENDING = "APPROVAL_PENDING"
    SUBMITTING = "SUBMITTING"
    WORKING = "WORKING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    GUARDED = "GUARDED"
    PROTECTED = "PROTECTED"
    EXITING = "EXITING"
    CLOSED = "CLOSED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"

    @property
    def is_over(self) -> bool:
        """Nothing more happens."""
        return self in _OVER


_OVER = frozenset({Phase.CLOSED, Phase.DENIED, Phase.EXPIRED, Phase.REJECTED, Phase.CANCELED})


class ExitReason(StrEnum):
    """Why a position is left."""

    TARGET = "TARGET"
    STOP = "STOP"
    TIME_LIMIT = "TIME_LIMIT"
    REVERSAL = "REVERSAL"
    SIGNAL = "SIGNAL"
    FLATTEN = "FLATTEN"
    KILL = "KILL"
    UNPROTECTED = "UNPROTECTED"
    OUTSIDE = "OUTSIDE"


class Role(StrEnum):
    """What an order at the broker is for."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    EXIT = "exit"


STALE_KEPT = 8
"""Exits that ended unfilled and are still remembered; what became of the others is in the journal."""

CONFIRM_MISSING = timedelta(seconds=15)
"""How long shares must be missing at the broker before they are believed to be gone."""

ABSENCES_BELIEVED = 3
"""An order that the broker has had and does not know at so many looks in a row is gone, if the position agrees."""

SELLS = (Role.TARGET, Role.STOP, Role.EXIT)
GUARDS = (Role.TARGET, Role.STOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """What the lifecycle was asked to do.

    Prices in USD per share. `patience_s` is the time one entry price may work, `poll_s` the pause between two looks at
    a working order. Where `approve_by` is set, a person must approve before then, and `basis` is what the size is
    worked out from again after it. `guard_poll_s` is the pause between two looks at the quote of a position that the
    lifecycle itself guards. `account_id` is the broker's account that the order belongs to; an order of older code has
    none, and belongs to the account that its next step finds. `qty` is in units of the asset, in steps of `lot`.
    """

    intent_id: str
    decision_id: str
    strategy: str = FIRST_STRATEGY
    account_id: str = ""
    symbol: Symbol
    qty: Decimal
    arrival_price: Decimal
    limit_price: Decimal
    worst_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    expires_at: datetime
    exit_by: datetime
    patience_s: int
    poll_s: int
    max_reprices: int
    approve_by: datetime | None = None
    guard_poll_s: int = 10
    basis: Basis | None = None
    lot: Lot = WHOLE_SHARES

    def __post_init__(self) -> None:
        require_positive("qty", self.qty)
        require_utc("expires_at", self.expires_at)
        require_utc("exit_by", self.exit_by)

    @property
    def poll(self) -> timedelta:
        """Pause between two looks at a working order."""
        return timedelta(seconds=self.poll_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """What we know of one order at the broker. Fills never shrink, a final status stays final."""

    order_id: str
    client_order_id: str
    role: Role
    status: OrderStatus
    qty: Decimal
    filled_qty: Decimal
    average_price: Decimal | None
    updated_at: datetime
    limit_price: Decimal | None = None

    @property
    def is_live(self) -> bool:
        """May still fill, as far as we know."""
        return not self.status.is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """Everything the lifecycle knows; small enough to be journalled at each step.

    Attributes
    ----------
    orders : mapping of broker order id to OrderView
        Legs included.
    outcome : Phase or None
        How it ends; the phase becomes this once the ledger has been released.
    attempt_at, cancel_at, filled_at : datetime or None
        When the present entry or exit was sent, a cancel asked for, the entry first seen filled.
    cancels : int
        Cancels asked for in a row that have not ended what they were for.
    absences : int
        Looks in a row at which the broker did not know an order that it had.
    is_stopped : bool
        No entry is to be sent any more; what is held stays guarded.
    written_off : Decimal
        What was bought that the account no longer holds, though no order of ours has sold them.
    missing_at : datetime or None
        When shares were first seen to be missing there.
    failures : int
        Calls in a row that gave no answer.
    seq, chain : int, str
        Steps carried out, and the hash of the last one's journal row.
    hours : Hours or None
        Edges of the trading day that the order is in; None for an order of a version that knew the regular session
        alone.
    sized : Decimal or None
        What the gates left after a person had approved, where they looked at the size once more.
    answered : Answered or None
        What a person, or the deadline, made of the question, where one was asked.
    why : str
        Why nothing was bought, in the words of the step that settled it; later steps have notes of their own.
    refusals : int
        Exits that the broker has refused since shares were last sold.
    protect_at : datetime or None
        When a pair was last asked for.
    """

    plan: EntryPlan
    on: date
    phase: Phase = Phase.PLANNED
    outcome: Phase | None = None
    orders: Mapping[str, OrderView] = field(default_factory=dict)
    entry_attempt: int = 0
    protect_attempt: int = 0
    exit_attempt: int = 0
    attempt_at: datetime | None = None
    cancel_at: datetime | None = None
    cancels: int = 0
    absences: int = 0
    filled_at: datetime | None = None
    exit_reason: ExitReason | None = None
    is_stopped: bool = False
    written_off: Decimal = ZERO
    missing_at: datetime | None = None
    failures: int = 0
    note: str = ""
    seq: int = 0
    chain: str = ""
    hours: Hours | None = None
    sized: Decimal | None = None
    answered: Answered | None = None
    why: str = ""
    refusals: int = 0
    protect_at: datetime | None = None

    def of(self, *roles: Role) -> tuple[OrderView, ...]:
        """Orders of some roles."""
        return tuple(order for order in self.orders.values() if order.role in roles)

    @property
    def wanted(self) -> Decimal:
        """What an entry asks for, in units of the asset."""
        return self.plan.qty if self.sized is None else self.sized

    def guards_itself(self, at: datetime) -> bool:
        """Whether the venues take no stops at an instant, so that only the lifecycle can guard what is held."""
        return self.hours is not None and not self.hours.is_regular(at)

    def rests(self, at: datetime) -> bool:
        """Whether nothing trades at an instant: after the last day's after-hours trading, before the next premarket."""
        return self.hours is not None and not self.hours.is_trading(at)

    @property
    def bought(self) -> Decimal:
        """What was bought so far, in units of the asset."""
        return tidy(sum((order.filled_qty for order in self.of(Role.ENTRY)), ZERO))

    @property
    def sold(self) -> Decimal:
        """What was sold so far."""
        return tidy(sum((order.filled_qty for order in self.of(*SELLS)), ZERO))

    @property
    def held(self) -> Decimal:
        """What this order holds now."""
        return tidy(self.bought - self.sold - self.written_off)

    @property
    def live_entry(self) -> OrderView | None:
        """The entry that may still fill."""
        return next((order for order in self.of(Role.ENTRY) if order.is_live), None)

    @property
    def live_sells(self) -> tuple[OrderView, ...]:
        """Exit orders that may still fill."""
        return tuple(order for order in self.of(*SELLS) if order.is_live)

    @property
    def recallable(self) -> tuple[OrderView, ...]:
        """Live exit orders to be cancelled before another is sent: guards, and limits that nobody took."""
        return tuple(order for order in self.live_sells if order.role in GUARDS or order.limit_price is not None)

    @property
    def is_guarded(self) -> bool:
        """Whether a live stop and a working order cover all that is held.

        A broker keeps one leg of a pair `held` while its sibling works, so one working leg and a live stop are enough.
        """
        guards = [order for order in self.of(*GUARDS) if order.is_live]
        stop = any(order.role is Role.STOP and order.qty >= self.held for order in guards)
        return stop and any(order.status.is_working for order in guards)

    def value(self, *roles: Role) -> Decimal:
        """Sum of filled quantities times their average price, in USD."""
        return sum((o.filled_qty * (o.average_price or ZERO) for o in self.of(*roles)), ZERO)

    @property
    def realised(self) -> Decimal:
        """Profit of what was bought and sold again, in USD, before fees; shares still held count at cost."""
        if not self.sold:
            return ZERO
        cost = self.value(Role.ENTRY) * self.sold / self.bought
        return self.value(*SELLS) - cost


def merge(known: Mapping[str, OrderView], seen: Iterable[BrokerOrder]) -> dict[str, OrderView]:
    """Take over what the broker says, never letting fills shrink or a final status come back to life."""
    orders = dict(known)
    for order in seen:
        view = _view(order)
        before = orders.get(view.order_id)
        if before is not None:
            fuller = view if view.filled_qty >= before.filled_qty else before
            revived = before.status.is_final and not view.status.is_final
            view = replace(
                view,
                role=before.role,
                status=before.status if revived else view.status,
                filled_qty=fuller.filled_qty,
                average_price=fuller.average_price,
            )
        orders[view.order_id] = view
    return orders


def without_stale(orders: Mapping[str, OrderView]) -> dict[str, OrderView]:
    """Forget the older exits that ended unfilled: an evening of new prices must not outgrow the state's table cell."""
    ended = [key for key, o in orders.items() if o.role is Role.EXIT and o.status.is_final and not o.filled_qty]
    stale = frozenset(sorted(ended, key=lambda key: (orders[key].updated_at, key))[:-STALE_KEPT])
    return {key: order for key, order in orders.items() if key not in stale}


def without_absent(state: OrderState, found: frozenset[str], held_at_broker: Decimal | None) -> OrderState:
    """Orders that several looks in a row did not bring back are gone; not while shares show that they may have bought.

    Shares that a forgotten exit has sold are found missing by the next step, and written off.

    Parameters
    ----------
    found : frozenset of str
        Ids of the orders that the look brought back.
    held_at_broker : Decimal or None
        What the account holds of the symbol, where it was asked for.
    """
    lost = {key: order for key, order in state.orders.items() if order.is_live and key not in found}
    if not lost:
        return replace(state, absences=0)
    state = replace(state, absences=state.absences + 1)
    if state.absences < ABSENCES_BELIEVED or (held_at_broker or ZERO) > state.held:
        return state
    gone = {key: replace(order, status=OrderStatus.CANCELED) for key, order in lost.items()}
    return replace(state, orders={**state.orders, **gone})


def written_off(state: OrderState, held_at_broker: Decimal | None, at: datetime) -> OrderState:
    """Shares that the account no longer has, with nothing of ours working that could have sold them, are gone.

    A broker may show a position late, so they must be missing twice, some time apart, before that is believed.
    """
    if held_at_broker is None:
        return state
    gone = state.held - max(ZERO, held_at_broker)
    if gone <= 0 or state.live_sells or state.live_entry:
        return replace(state, missing_at=None)
    if state.missing_at is None or at - state.missing_at < CONFIRM_MISSING:
        return replace(state, missing_at=state.missing_at or at, failures=1)
    return replace(state, written_off=tidy(state.written_off + gone), missing_at=None, exit_reason=ExitReason.OUTSIDE)


def _view(order: BrokerOrder) -> OrderView:
    return OrderView(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        role=_role(order),
        status=order.status,
        qty=order.qty,
        filled_qty=order.filled_qty,
        average_price=order.filled_average_price,
        updated_at=order.updated_at,
        limit_price=order.limit_price,
    )


def _role(order: BrokerOrder) -> Role:
    """A buy is the entry; a sell of its own is an exit; a leg's role follows from its type."""
    if order.side is Side.BUY:
        return Role.ENTRY
    if order.order_class == OrderClass.SIMPLE and order.parent_order_id is None:
        return Role.EXIT
    return Role.STOP if order.stop_price is not None else Role.TARGET
