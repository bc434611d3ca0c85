"""Random lives: whatever fills, fails or is lost on the way, an order never oversells and always ends flat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.core.errors import BrokerError, TransientError
from shared.core.lots import Lot
from shared.core.order_states import ExitReason
from shared.core.order_steps import LOOK_AGAIN, STOP_ENTERING, report
from shared.core.orders import BrokerOrder, OrderClass, OrderRequest, OrderStatus, OrderType
from shared.core.sessions import NEW_YORK, session_at
from shared.core.values import Side, floor_to_step, tidy
from tests.support.orders import AAA, ON, Life, extended_life, new_life

REFUSED = BrokerError(403, 40310000, "refused for no reason")


def nothing(_: OrderRequest) -> str:
    return ""


def plain_sales(request: OrderRequest) -> str:
    return "use complex orders" if request.side is Side.SELL and request.order_class is OrderClass.SIMPLE else ""


def every_sale(request: OrderRequest) -> str:
    return "not allowed to sell" if request.side is Side.SELL else ""


class OrderLife(RuleBasedStateMachine):
    """Steps of the lifecycle in any order with what a venue, a network and a person may do between them."""

    life: Life
    lot: Lot

    @initialize(
        steps=st.sampled_from([1, 7, 100]),
        step=st.sampled_from([Decimal(1), Decimal("0.001"), Decimal("1e-9")]),
        reprices=st.integers(0, 3),
        patience=st.sampled_from([5, 30]),
        at=st.sampled_from(["", "09:25", "15:45", "19:40"]),
    )
    def begin(self, steps: int, step: Decimal, reprices: int, patience: int, at: str) -> None:
        """An order of older code in the session, or one of this version, near the open, the close or the end."""
        self.lot = Lot(qty_step=step)
        plan = {"qty": tidy(steps * step), "lot": self.lot, "max_reprices": reprices, "patience_s": patience}
        self.life = extended_life(at, **plan) if at else new_life(**plan)  # type: ignore[arg-type]

    def alive(self) -> bool:
        return not self.life.state.phase.is_over

    def live(self, *sides: Side) -> list[BrokerOrder]:
        return [o for side in sides for o in self.life.ports.broker.live(side)]

    def something_fillable(self) -> bool:
        return bool(self.fillable())

    def something_live(self) -> bool:
        return bool(self.live(Side.BUY, Side.SELL))

    def fillable(self) -> list[BrokerOrder]:
        broker = self.life.ports.broker
        return [o for o in self.live(Side.BUY, Side.SELL) if o.side is Side.BUY or broker.held(AAA) > 0]

    @precondition(alive)
    @rule()
    def step_in_time(self) -> None:
        self.life.step()

    @precondition(alive)
    @rule()
    def step_woken(self) -> None:
        self.life.look()

    @precondition(something_fillable)
    @rule(pick=st.integers(0, 5), part=st.floats(0.01, 1))
    def fill(self, pick: int, part: float) -> None:
        order = self.fillable()[pick % len(self.fillable())]
        broker = self.life.ports.broker
        most = order.remaining_qty if order.side is Side.BUY else min(order.remaining_qty, broker.held(AAA))
        step = self.lot.qty_step
        broker.fill(order.client_order_id, max(step, floor_to_step(most * Decimal(part), step)))

    @precondition(something_live)
    @rule(pick=st.integers(0, 5), status=st.sampled_from([OrderStatus.CANCELED, OrderStatus.EXPIRED]))
    def venue_ends_an_order(self, pick: int, status: OrderStatus) -> None:
        orders = self.live(Side.BUY, Side.SELL)
        self.life.ports.broker.end(orders[pick % len(orders)].order_id, status)

    @rule(method=st.sampled_from(["order", "submit", "cancel", "account", "position", "positions", "orders"]))
    def connection_fails(self, method: str) -> None:
        self.life.ports.broker.down.append(method)

    @rule(method=st.sampled_from(["submit", "cancel"]))
    def answer_is_lost(self, method: str) -> None:
        self.life.ports.broker.lost.append(method)

    @rule(method=st.sampled_from(["order", "submit", "cancel", "account"]))
    def broker_refuses(self, method: str) -> None:
        self.life.ports.broker.refusals[method] = REFUSED

    @rule(shows=st.booleans())
    def positions_are_shown(self, shows: bool) -> None:
        self.life.ports.broker.shows_nothing = not shows

    @rule(refuses=st.sampled_from([nothing, plain_sales, every_sale]))
    def broker_keeps_refusing(self, refuses: Callable[[OrderRequest], str]) -> None:
        self.life.ports.broker.refuses = refuses

    @rule(hangs=st.booleans())
    def cancels_hang(self, hangs: bool) -> None:
        self.life.ports.broker.hangs = hangs
        if not hangs:
            self.life.ports.broker.settle_cancels()

    @rule(ask=st.sampled_from(["9.95", "10.01", "10.03", "10.50"]))
    def quote_moves(self, ask: str) -> None:
        self.life.ports.market.prices["AAA"] = ("9.94", ask)

    @rule(is_silent=st.booleans())
    def market_is_silent(self, is_silent: bool) -> None:
        self.life.ports.market.error = TransientError("no quotes") if is_silent else None

    @rule(minutes=st.sampled_from([1, 5, 61]))
    def time_passes(self, minutes: int) -> None:
        self.life.ports.clock.pass_by(timedelta(minutes=minutes))

    @rule(event=st.sampled_from([ExitReason.FLATTEN.value, ExitReason.KILL.value, STOP_ENTERING, LOOK_AGAIN]))
    def something_is_reported(self, event: str) -> None:
        self.life.state = report(self.life.state, event)

    @invariant()
    def nothing_is_sold_that_is_not_held(self) -> None:
        broker = self.life.ports.broker
        assert broker.oversells == 0
        assert broker.held(AAA) >= 0
        assert self.life.state.held >= 0

    @invariant()
    def native_orders_are_sent_in_the_regular_session_alone(self) -> None:
        for request in self.life.ports.broker.requests:
            sent = self.life.ports.broker.by_client_id(request.client_order_id)
            assert sent is not None
            session = session_at(
                sent.submitted_at, self.life.ports.calendar.day(sent.submitted_at.astimezone(NEW_YORK).date())
            )
            is_plain = request.order_class is OrderClass.SIMPLE and request.order_type is OrderType.LIMIT
            assert session.is_regular or (is_plain and request.extended_hours)

    @invariant()
    def one_entry_lives_at_most(self) -> None:
        assert len(self.live(Side.BUY)) <= 1

    @invariant()
    def each_id_was_sent_once_and_never_for_more_than_was_planned(self) -> None:
        assert len(set(self.life.submitted)) == len(self.life.submitted)
        bought = sum(o.filled_qty for o in self.life.ports.broker.book.values() if o.side is Side.BUY)
        assert bought <= self.life.state.plan.qty

    @invariant()
    def what_is_over_left_nothing_behind(self) -> None:
        if not self.alive():
            assert self.life.ports.broker.held(AAA) == 0
            assert self.live(Side.BUY, Side.SELL) == []

    def teardown(self) -> None:
        """However it stands, when the world works again and someone wants out, it ends flat and gives its room back."""
        broker, market = self.life.ports.broker, self.life.ports.market
        broker.down.clear()
        broker.lost.clear()
        broker.refusals.clear()
        broker.hangs = broker.shows_nothing = False
        broker.refuses = nothing
        broker.settle_cancels()
        market.error, market.prices["AAA"] = None, ("9.99", "10.01")
        self.life.ask()
        for _ in range(60):
            if not self.alive():
                break
            self.life.step()
            for order in broker.live(Side.SELL):
                if "-exit-" in order.client_order_id:
                    broker.fill(order.client_order_id)
        assert not self.alive(), f"{self.life.state.phase} after {self.life.commands[-20:]}"
        self.what_is_over_left_nothing_behind()
        self.nothing_is_sold_that_is_not_held()
        rows = self.life.ports.rows("fills", ON).values()
        by_side = {side: sum(Decimal(str(r["qty"])) for r in rows if r["side"] == side) for side in ("buy", "sell")}
        assert by_side["buy"] == by_side["sell"] == self.life.state.bought
        assert self.life.ports.tables.get("ledger", "account", "current").value["reservations"] == 0  # type: ignore[union-attr]
        assert self.life.state.seq == len(self.life.ports.rows("journal", ON))


IN_DEPTH = settings.get_current_profile_name() == "nightly"
TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(
    max_examples=3000 if IN_DEPTH else 120,
    stateful_step_count=100 if IN_DEPTH else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def test_the_thirty_steps_after_which_a_lost_pair_once_blocked_the_exit_for_good() -> None:
    """Found by chance: market data is looked at over the open, the pair's answer is lost, then someone wants out."""
    walk = OrderLife()
    walk.begin(steps=1, step=Decimal(1), patience=5, reprices=0, at="09:25")
    walk.step_in_time()
    walk.step_woken()
    walk.step_in_time()
    walk.fill(part=0.01, pick=0)
    for _ in range(17):
        walk.step_in_time()
    walk.answer_is_lost(method="submit")
    walk.step_in_time()
    walk.step_in_time()
    walk.time_passes(minutes=5)
    walk.step_woken()
    walk.broker_refuses(method="account")
    walk.something_is_reported(event="changed")
    assert walk.life.commands[-1] == "protect"
    walk.teardown()
