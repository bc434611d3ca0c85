"""One order's life for tests: its plan, its ports, and a driver that carries out its steps as the lifecycle would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from shared.contracts.records import Table, symbol_key
from shared.core.approvals import Answer
from shared.core.ledger import Reservation, reserve
from shared.core.order_states import EntryPlan, ExitReason, OrderState
from shared.core.order_steps import Step, ask_exit, begin, next_step
from shared.core.sessions import hours_of
from shared.core.values import Symbol
from shared.ports import TableStore
from shared.stages.base.ledger import update_ledger
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.approvals import answer, waiting
from shared.stages.order.records import order_row
from shared.stages.order.step import carry_out
from tests.support.ports import FakePorts, fake_ports
from tests.support.tape import ny

ON = date(2025, 10, 15)
NOW = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)
"""10:00 in New York."""
INTENT = "a1b2c3d4e5f60718293a"
AAA = Symbol("AAA")

PLAN = EntryPlan(
    intent_id=INTENT,
    decision_id="decision-1",
    symbol=AAA,
    qty=Decimal(100),
    arrival_price=Decimal("10.00"),
    limit_price=Decimal("10.01"),
    worst_price=Decimal("10.03"),
    stop_price=Decimal("9.80"),
    target_price=Decimal("10.40"),
    expires_at=NOW + timedelta(seconds=240),
    exit_by=NOW + timedelta(minutes=60),
    patience_s=30,
    poll_s=5,
    max_reprices=3,
)


def entry_id(attempt: int = 0) -> str:
    return f"{INTENT}-entry-{attempt}"


def protect_id(attempt: int = 0) -> str:
    return f"{INTENT}-protect-{attempt}"


def exit_id(attempt: int = 0) -> str:
    return f"{INTENT}-exit-{attempt}"


@dataclass(slots=True)
class Life:
    """One order, stepped by hand. `commands` is what was carried out so far."""

    ports: FakePorts
    state: OrderState
    commands: list[str] = field(default_factory=list)

    def step(self) -> Step:
        """Carry out the next step at the time it asks for; the clock moves there."""
        step = next_step(self.state, self.ports.clock.now())
        if step.not_before is not None:
            self.ports.clock.at = max(self.ports.clock.at, step.not_before)
        return self.act(step)

    def act(self, step: Step) -> Step:
        """Carry out a step now."""
        self.state, _ = carry_out(self.state, step, self.ports)
        self.commands.append(step.command.value)
        return step

    def look(self) -> None:
        """What supervision's wake-up does: whatever is next, now."""
        self.act(next_step(self.state, self.ports.clock.now()))

    def until(self, done: Callable[[OrderState], bool], most: int = 400) -> OrderState:
        """Step until something holds."""
        for _ in range(most):
            if done(self.state):
                return self.state
            self.step()
        raise AssertionError(f"still {self.state.phase} after {self.commands}")

    def to_end(self) -> OrderState:
        return self.until(lambda state: state.phase.is_over)

    def ask(self, reason: ExitReason = ExitReason.FLATTEN) -> None:
        self.state = ask_exit(self.state, reason)

    def protected(self, price: str = "10.01") -> Life:
        """Buy it all and see the bracket armed."""
        self.step()
        self.ports.broker.fill(entry_id(), price=price)
        self.step()
        return self

    @property
    def submitted(self) -> list[str]:
        return [request.client_order_id for request in self.ports.broker.requests]


def waiting_life(until: datetime, **plan: object) -> Life:
    """An order so large that a person must approve it, recorded as execute records it."""
    times = {"approve_by": until, "expires_at": until + timedelta(minutes=4)}
    life = planned_life(replace(PLAN, **{**times, **plan}))  # type: ignore[arg-type]
    life.state = begin(life.state)
    row = order_row(life.state, life.ports.codec, life.ports.clock.now())
    life.ports.tables.put(Table.ORDERS, str(ON), symbol_key(AAA, life.state.plan.intent_id), row)
    return life


def answered(life: Life, chosen: Answer, *, by: str = "me", reason: str = "as planned") -> Reply:
    """Answer for an order as the API does; nobody tells its lifecycle."""
    call = Call(route="approve", by=by, reason=reason, caller="")
    found = waiting(life.ports, life.state.plan.intent_id)
    return found if isinstance(found, Reply) else answer(life.ports, call, found, chosen)


def reservation(intent_id: str, symbol: str, notional: Decimal | str, *, qty: Decimal | int = 1) -> Reservation:
    """Room that an approved intent has reserved."""
    return Reservation(
        intent_id=intent_id,
        symbol=Symbol(symbol),
        qty=Decimal(qty),
        notional=Decimal(notional),
        risk=Decimal(23),
        reserved_at=NOW,
        exit_by=NOW + timedelta(minutes=60),
    )


ALL_SESSIONS = "PRE REG-AM REG-MID REG-PM AFT"


def extended_life(at: str = "08:00", **plan: object) -> Life:
    """An order of this version at a New York wall time, on an account that enters in every session."""
    now = ny(ON, at)
    times = {"expires_at": now + timedelta(seconds=240), "exit_by": now + timedelta(minutes=60)}
    made = replace(PLAN, **{**times, **plan})  # type: ignore[arg-type]
    life = planned_life(made, now=now, settings={"GATEHOUSE_ENTRY_SESSIONS": ALL_SESSIONS})
    day = life.ports.calendar.day(ON)
    assert day is not None
    life.state = replace(life.state, hours=hours_of(day))
    return life


def new_life(*, tables: TableStore | None = None, **plan: object) -> Life:
    """An order that was approved: its room is reserved, nothing sent."""
    return planned_life(replace(PLAN, **plan), tables=tables)  # type: ignore[arg-type]


def planned_life(
    made: EntryPlan,
    *,
    now: datetime = NOW,
    tables: TableStore | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Life:
    """An order of any plan, at any time and under any settings."""
    ports = fake_ports(now, tables=tables, **settings)
    taken = reservation(made.intent_id, made.symbol, made.worst_price * made.qty, qty=made.qty)
    taken = replace(taken, reserved_at=now, exit_by=made.exit_by)
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: reserve(ledger, taken))
    return Life(ports, OrderState(plan=made, on=ON))
