"""What must hold of opening equity, peak and halts where the broker shows a wrong equity at times.

A wrong print is shown to one look and to none for minutes after: whatever the app makes of it, the next look tells
better. Where two wrong ones came in a row nobody could.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.contracts.records import ACCOUNT, BACKUP, Table
from shared.core.ledger import Ledger
from shared.core.portfolio import Account
from shared.core.sessions import NEW_YORK
from simulation.faults.violation import Violation
from simulation.faults.world import World

TOLERANCE = Decimal("1.01")
BEHIND = timedelta(minutes=30)
"""A halt follows from looks of this time: a lost row's, a late gate's, those of an outage."""
LOOKS_TO_HALT = 3
"""Supervisions in a row that saw the loss: two confirm it, and a late gate's older look may have come between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the venue knew when somebody looked; `is_wrong` where it was not told."""

    at: datetime
    equity: Decimal
    last_equity: Decimal
    is_wrong: bool


class EquityRules:
    """The rules of opening equity, peak and halts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._looks: deque[Look] = deque()
        self._supervised: deque[datetime] = deque(maxlen=LOOKS_TO_HALT)
        self._highest = max(world.exchange.equity(), world.exchange.last_equity())
        self._lost: Ledger | None = None
        self._day_halted: tuple[date, datetime] | None = None
        self._doubted_at: datetime | None = None
        self._approved: set[str] = set()

    def account_looked_at(self, account: Account, *, is_wrong: bool) -> None:
        """Note what the venue knew at a look."""
        now = self._world.now()
        self._highest = max(self._highest, account.equity, account.last_equity)
        self._looks.append(Look(at=now, equity=account.equity, last_equity=account.last_equity, is_wrong=is_wrong))
        while self._looks[0].at < now - BEHIND:
            self._looks.popleft()

    def before_entry(self, client_order_id: str, began: datetime) -> None:
        """No entry is sent on a day that has halted, whatever became of the ledger, nor while a loss is in doubt."""
        if self._day_halted is not None:
            on, since = self._day_halted
            if self._today() == on and since < began:
                raise Violation("no entry on a day that has halted", client_order_id)
        if self._doubted_at is not None and self._doubted_at < began:
            raise Violation("no entry while a loss is in doubt", client_order_id)

    def ledger_lost(self, ledger: Ledger | None) -> None:
        """Note what the ledger knew whose row has vanished; without a backup nothing tells that there was one."""
        if self._world.tables.get(Table.LEDGER, ACCOUNT, BACKUP) is not None:
            self._lost = ledger or self._lost
        self._supervised.clear()
        self._doubted_at = None

    def ledger_written(self, before: Ledger | None, after: Ledger) -> None:
        """Hold a ledger against what the venue knew."""
        if after.on == self._today() and after.opening_equity != self._world.exchange.last_equity():
            text = f"{after.opening_equity}, not {self._world.exchange.last_equity()}"
            raise Violation("a day opens with its last close", text)
        self._within_share(after)
        if before is None:
            self._found_again(after)
        else:
            self._peak(before, after)
            self._halts(before, after)
        if after.is_day_halted and (self._day_halted is None or self._day_halted[0] != after.on):
            self._day_halted = after.on, self._world.now()
        if after.day_doubt is None and after.drawdown_doubt is None:
            self._doubted_at = None
        elif self._doubted_at is None:
            self._doubted_at = self._world.now()

    def _within_share(self, after: Ledger) -> None:
        """Room is within its symbol's share of what the account is worth, not of what one look was told."""
        share = self._world.settings.risk.symbol_exposure_max_fraction
        for reservation in after.reservations:
            if reservation.intent_id not in self._approved and reservation.notional > self._highest * share * TOLERANCE:
                found = f"{reservation.intent_id} of {reservation.notional}"
                text = f"{found}, the account was never worth more than {self._highest}"
                raise Violation("no entry is sized on a wrong equity", text)
            self._approved.add(reservation.intent_id)

    def _found_again(self, after: Ledger) -> None:
        lost, self._lost = self._lost, None
        if lost is None:
            return
        forgotten = [
            name
            for name, was, is_now in (
                ("the day's halt", lost.is_day_halted and lost.on == after.on, after.is_day_halted),
                ("the drawdown's halt", lost.is_drawdown_halted, after.is_drawdown_halted),
                ("that it was lost", True, bool(after.unexplained)),
            )
            if was and not is_now
        ]
        if forgotten:
            raise Violation("a lost ledger forgets no halt", ", ".join(forgotten))

    def _peak(self, before: Ledger, after: Ledger) -> None:
        if after.peak_equity > max(before.peak_equity, self._highest):
            raise Violation("a peak was seen", f"{after.peak_equity}, where {self._highest} was the highest")
        may_fall = before.is_drawdown_halted or before.drawdown_doubt is not None
        if after.peak_equity < before.peak_equity and not may_fall:
            text = f"from {before.peak_equity} to {after.peak_equity}"
            raise Violation("only the resume of a drawdown's halt lowers the peak", text)

    def _halts(self, before: Ledger, after: Ledger) -> None:
        day, drawdown = self._limits()
        seen = [look for look in self._looks if not look.is_wrong]
        is_new_day = after.is_day_halted and not (before.is_day_halted and before.on == after.on)
        if is_new_day and not any(1 - look.equity / look.last_equity >= day for look in seen):
            raise Violation("a halt follows a loss", f"the day halted at {after.equity}")
        is_new_drawdown = after.is_drawdown_halted and not before.is_drawdown_halted
        if is_new_drawdown and not any(1 - look.equity / before.peak_equity >= drawdown for look in seen):
            raise Violation("a halt follows a loss", f"a drawdown halted at {after.equity}")

    def supervised(self, began: datetime) -> None:
        """Look, after a supervision that nothing has hit, for a loss that all looks have seen and nothing halts."""
        ledger = self._world.seen.ledger
        if self._world.other is not None:
            return
        if self._supervised and self._supervised[-1] < began - BEHIND:
            self._supervised.clear()  # a night lies between, or idle hours
        self._supervised.append(began)
        looks = [look for look in self._looks if look.at >= self._supervised[0]]
        is_enough = len(self._supervised) == LOOKS_TO_HALT and began - self._supervised[0] >= timedelta(minutes=1)
        if ledger is None or not is_enough or not looks or any(look.is_wrong for look in looks):
            return
        day, drawdown = self._limits()
        best = max(look.equity for look in looks)
        if ledger.on == self._today() and not ledger.is_day_halted and 1 - best / ledger.opening_equity >= day:
            raise Violation("a loss halts", f"the day stands at {best}, opened at {ledger.opening_equity}")
        if not ledger.is_drawdown_halted and 1 - best / ledger.peak_equity >= drawdown:
            raise Violation("a loss halts", f"the account stands at {best}, its peak is {ledger.peak_equity}")

    def _limits(self) -> tuple[Decimal, Decimal]:
        risk = self._world.settings.risk
        return risk.day_loss_max_fraction, risk.drawdown_max_fraction

    def _today(self) -> date:
        return self._world.now().astimezone(NEW_YORK).date()
