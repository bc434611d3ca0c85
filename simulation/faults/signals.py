"""What the scoring stage would have sent: a seeded day of signals that approve, collide and reach limits."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import Signal
from shared.contracts.settings import Settings
from shared.core.ids import decision_id, hash_id
from shared.core.market import TradingDay
from shared.core.schedule import slot_of
from shared.core.sessions import Session, session_at
from shared.core.values import Symbol
from simulation.faults.market import SYMBOLS, SimTape

TTL = timedelta(seconds=240)
GARBAGE = ("", "no base64!", "e30=", '{"schema_id":"signal.v1"}', '{"schema_id":"notice.v1","kind":1}', "AAAA" * 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A signal and when it is sent."""

    at: datetime
    signal: Signal


def plan_signals(
    rng: random.Random, tape: SimTape, day: TradingDay, settings: Settings, *, is_carried: bool
) -> list[Planned]:
    """Three or four bursts in the session, now and then one before it or close to its end.

    Where entries before the open or after the close are enabled, some come there; where symbols are carried over
    night, some come shortly before they are halted.
    """
    sessions, names = settings.policy.entry_sessions, [each.name for each in settings.strategies.traded]
    minutes = int((day.close_at - day.open_at).total_seconds()) // 60
    bursts = sorted(rng.randrange(2, minutes - 30) for _ in range(rng.choice((2, 3, 3))))
    if rng.random() < 0.3:
        bursts.append(minutes - rng.randrange(4, 25))
    if rng.random() < 0.1:
        bursts.append(rng.choice((-6, minutes + 20)))
    if Session.PRE in sessions:
        bursts += [rng.randrange(-70, -1) for _ in range(rng.choice((0, 1, 2)))]
    if Session.AFT in sessions:
        bursts += [minutes + rng.randrange(1, 170) for _ in range(rng.choice((0, 1, 2)))]
    if is_carried:
        bursts.append(minutes - rng.randrange(27, 45))
    planned: dict[str, Planned] = {}
    for burst in bursts:
        # One run of the scoring stage sends all its signals at once.
        slices = [day.open_at + timedelta(minutes=burst, seconds=rng.random() * 90) for _ in range(2)]
        for _ in range(rng.choice((2, 4, 6))):
            at = rng.choice(slices)
            made = _signal(rng, tape, day, at, rng.choice(SYMBOLS[: rng.choice((6, 20))]), rng.choice(names))
            planned.setdefault(made.decision_id, Planned(at=at, signal=made))
    return sorted(planned.values(), key=lambda item: item.at)


def _signal(  # noqa: PLR0917 - what a signal is of
    rng: random.Random, tape: SimTape, day: TradingDay, at: datetime, symbol: Symbol, strategy: str
) -> Signal:
    traits = tape.traits[symbol]
    slot = slot_of(at)
    decision = decision_id(day.on, slot, symbol, strategy)
    return Signal(
        message_id=hash_id("signal", decision),
        correlation_id=decision,
        causation_id=f"{day.on}-{slot}",
        decided_at=at,
        expires_at=at + TTL,
        decision_id=decision,
        on=day.on,
        slot=slot,
        symbol=symbol,
        strategy=strategy,
        session=session_at(at, day),
        reference_price=Decimal(str(traits.price)),
        atr=Decimal(str(max(0.01, round(traits.price * rng.uniform(0.0008, 0.004), 4)))),
        adv_shares=traits.adv_shares,
        daily_volatility=rng.choice((0.01, 0.02, 0.05)),
        p_up=0.7,
        p_none=0.2,
        p_down=0.1,
        expected_move=0.004,
        features_blob=f"{day.on}/{slot}/{symbol}",
        model_versions=("signal/v1",),
        parameter_set="default",
    )
