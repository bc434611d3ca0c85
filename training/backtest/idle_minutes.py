"""Minutes in which supervision would find the account as it left it: they are told, and passed over.

A minute is idle if nothing has happened at the exchange, in storage or in a lifecycle since the last supervision that
asked for nothing, no time limit has passed, and marking the ledger to the equity seen would change nothing but that
equity: neither raise the peak nor set a halt, nor doubt either. The next writer of the ledger writes the equity anew.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from shared.core.ledger import Doubt, Ledger, mark
from shared.core.schedule import Job, plan
from shared.core.sessions import Session, session_at
from shared.core.values import Side
from shared.ports import Ports, trading_day
from shared.stages.account.supervise import HEARTBEAT_MIN, Supervision
from shared.stages.base.ledger import load_ledger
from simulation.runtime.clock import SimClock
from training.backtest.ports import TapeBroker


class IdleMinutes:
    """Says whether a minute is idle.

    Parameters
    ----------
    ports : Ports
    clock : SimClock
    broker : TapeBroker
    """

    def __init__(self, ports: Ports, clock: SimClock, broker: TapeBroker) -> None:
        self._ports = ports
        self._clock = clock
        self._broker = broker
        self._calm_state: tuple[int, int] | None = None
        self._idle_on: date | None = None
        self.events = 0

    def stirred(self) -> None:
        """Something was written or sent: the next minute is looked at."""
        self.events += 1

    def supervised(self, seen: Supervision) -> None:
        """Note what a supervision has come to."""
        is_calm = not (seen.wakes or seen.messages)
        self._calm_state = self._state() if is_calm else None
        stored = load_ledger(self._ports)
        is_idle = stored is not None and not (
            stored.value.reservations or _doubts(stored.value) or self._broker.exchange.account.positions
        )
        self._idle_on = stored.value.on if stored is not None and is_idle else None

    def __call__(self) -> bool:
        """Whether this minute may be passed over."""
        now = self._clock.at
        day = trading_day(self._ports, now)
        session = session_at(now, day)
        if day is None or session is Session.CLOSED:
            return True
        if session.is_regular and now.minute % HEARTBEAT_MIN == 0:
            return False  # the equity curve of the regular session is kept whole
        self._broker.sync()
        if self._calm_state is None or self._calm_state != self._state():
            return False
        if self._idle_on == day.on:
            return True  # nothing is held, so equity stands still
        stored = load_ledger(self._ports)
        if stored is None or stored.value.on != day.on:
            return False
        (flatten,) = plan(day, frozenset({Job.FLATTEN}))
        busy = bool(stored.value.reservations)
        if busy and (now >= flatten.due_at or not self._is_steady(stored.value, now)):
            return False
        return self._changes_nothing(stored.value)

    def _state(self) -> tuple[int, int]:
        return len(self._broker.exchange.log), self.events

    def _is_steady(self, ledger: Ledger, now: datetime) -> bool:
        """Every reservation is held, none is overdue, and no entry is working."""
        exchange = self._broker.exchange
        if any(now > reservation.exit_by + timedelta(minutes=1) for reservation in ledger.reservations):
            return False
        for reservation in ledger.reservations:
            working = any(o.side is Side.BUY and o.is_open for o in exchange.book.live[reservation.symbol])
            if working or exchange.account.held(reservation.symbol) <= 0:
                return False
        return True

    def _changes_nothing(self, ledger: Ledger) -> bool:
        risk = self._ports.settings.risk
        limits = risk.day_loss_max_fraction, risk.drawdown_max_fraction
        after = mark(ledger, ledger.on, self._broker.account(), self._clock.at, *limits)
        return replace(after, equity=ledger.equity) == ledger


def _doubts(ledger: Ledger) -> tuple[Doubt, ...]:
    """Equities that the next look confirms or not."""
    return tuple(filter(None, (ledger.peak_doubt, ledger.day_doubt, ledger.drawdown_doubt)))
