"""What a world tells as it goes on: facts for whoever holds them against rules, and excuses for who is late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from shared.contracts.messages import Notice, OrderIntent
from shared.core.approvals import Answer
from shared.core.ledger import Ledger
from shared.core.order_states import OrderState
from shared.core.order_steps import StepCall
from shared.core.orders import OrderRequest
from shared.core.portfolio import Account
from shared.ports import Row
from shared.stages.account.reconcile import Wake
from shared.stages.account.supervise import Supervision
from simulation.faults.work import Work
from simulation.venue.journal import LogEntry


class WorldObserver:
    """Hears everything and does nothing. Checkers override what they judge by, and raise `Violation`."""

    # -- works -----------------------------------------------------------------------------------------------------

    def begins(self, work: Work) -> None:
        """A work begins."""

    def ends(self, work: Work) -> None:
        """A work ended, with or without its effect."""

    def after_step(self) -> None:
        """All that ran at once has ended, and the venue's log was read."""

    def step_begins(self, asked: StepCall) -> None:
        """An order's step begins."""

    def step_ends(self, asked: StepCall, after: OrderState) -> None:
        """An order's step is done."""

    def supervision_decided(self, seen: Supervision) -> None:
        """Supervise has looked, and has told nobody yet."""

    def supervised(self) -> None:
        """Supervise is done."""

    # -- messages, people and lifecycles -----------------------------------------------------------------------------

    def intent_sent(self, intent: OrderIntent, before: OrderIntent | None) -> None:
        """An intent was sent; `before` is one of the same id that was sent earlier."""

    def notified(self, notice: Notice) -> None:
        """A notice that concerns an approval went out."""

    def asked(self, intent: OrderIntent) -> None:
        """A person is asked about an order."""

    def found_late(self, intent: OrderIntent) -> None:
        """An order was found waiting after its deadline."""

    def accepted(self, intent: OrderIntent, answer: Answer) -> None:
        """A person was told that their answer counts."""

    def resumed(self, names: Iterable[str]) -> None:
        """A person has resumed on what the ledger names as unexplained."""

    def woken(self, wake: Wake, work: Work | None) -> None:
        """A lifecycle is told."""

    def restarted(self, state: OrderState) -> None:
        """A lifecycle that was gone is started again from what was recorded."""

    # -- calls -------------------------------------------------------------------------------------------------------

    def submits(self, request: OrderRequest) -> None:
        """An order reaches the broker."""

    def submitted(self, request: OrderRequest) -> None:
        """The broker has taken an order."""

    def refused(self, request: OrderRequest, words: str) -> None:
        """The broker refuses an order."""

    def account_looked_at(self, account: Account, *, is_wrong: bool) -> None:
        """Somebody looks at the account as it is; `is_wrong` where something else is shown."""

    def answer_claimed(self, row: Row) -> None:
        """The row that makes an answer count was written."""

    def consulted(self, record: str, *, is_on_time: bool) -> None:
        """A language model was asked what would be recorded under a name, and has answered in time or not."""

    def decided(self, row: Row) -> None:
        """The row of a decision was written."""

    def ledger_written(self, before: Ledger | None, after: Ledger) -> None:
        """The ledger was written."""

    def venue_noted(self, entry: LogEntry) -> None:
        """The venue has noted something in its log."""

    # -- faults --------------------------------------------------------------------------------------------------------

    def excused(self, symbol: str, until: datetime) -> None:
        """Nobody can do anything about a symbol until then."""

    def misled(self, symbol: str) -> None:
        """A look at a symbol's orders did not tell the truth."""

    def acted_by_hand(self, symbol: str, looks: int = 1) -> None:
        """What nobody can know before supervise has looked so many times."""

    def outage(self, change: int) -> None:
        """An outage begins (1) or ends (-1)."""

    def stalled(self, until: datetime) -> None:
        """The simulated host waits for a time-out; a real one runs other works meanwhile."""

    def ledger_lost(self, ledger: Ledger | None) -> None:
        """The ledger's row has vanished; `ledger` is what it was."""

    def lifecycle_lost(self, intent_id: str, symbol: str) -> None:
        """A lifecycle has vanished."""

    def was_split(self, symbol: str, qty: Decimal, in_cash: Decimal) -> None:
        """A split has made `qty` shares of a position and paid out the rest of a share, in USD."""
