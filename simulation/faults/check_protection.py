"""No position stands without a stop or an exit on its way for longer than a minute, while its session allows one.

Time that something known stands in the way does not count, by these rules and no others:

- the symbol is halted, or the regular and extended sessions are closed: no exit can be had;
- outside the regular session no stop exists, and the lifecycle guards by the quote: there only the time counts in which
  the bid stands at the stop or under it;
- a fault has hit this order's own step (a crash, a call without an answer, an outage): until the lifecycle's next try,
  which comes after at most sixteen polls, or when the crashed activity is delivered again;
- the broker lies: a cancel hangs, until it is done and has been looked at; a look showed an old state, on which a
  lifecycle may lie down to sleep, until supervise, which wakes it, has seen the account;
- its reservation, or the whole ledger, vanished: until supervise, which reserves again what it misses twice, has;
- a person cancelled orders by hand, or the broker dropped a stop: until supervise, which alone looks for that, has
  seen the account;
- a split has added shares over night: once the order that was split with them has ended, they are a person's;
- the simulated host waits for a time-out of something else: a real one runs other work meanwhile.

By the same rules the time counts in which something else is due (`simulation.faults.check_duties`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

from shared.core.order_steps import MAX_BACKOFF_DOUBLINGS, WIDE_BP
from shared.core.sessions import Session, session_at
from shared.core.values import Side
from simulation.faults.check_approvals import Answers
from simulation.faults.check_duties import Duties
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World
from simulation.venue.journal import LogEntry, VenueEvent
from simulation.venue.orders import VenueOrderClass

MAX_BARE = timedelta(seconds=60)
SLACK = timedelta(seconds=3)
"""An episode and an activity's latency, beside the pause itself."""
MISLED = timedelta(seconds=30)
"""A look that showed an old state, or an order that could not be found: the next looks tell."""
MAX_CROSSED = timedelta(seconds=30)
"""So long after its pause between two looks the lifecycle must have sent an exit, once the stop is reached."""
_ENDS = frozenset({VenueEvent.FILL, VenueEvent.CANCELED, VenueEvent.EXPIRED, VenueEvent.REPLACED})


class Guard:
    """Counts, for each symbol held, the time without an exit at the venue."""

    def __init__(self, world: World, answers: Answers) -> None:
        self._world = world
        self._exits: defaultdict[str, set[str]] = defaultdict(set)
        self._held: dict[str, bool] = {}
        self._stops: dict[str, Decimal] = {}
        self._bare: dict[str, timedelta] = {}
        self._excused_until: dict[str, datetime] = {}
        self._until_supervised: dict[str, int] = {}
        self._misled_at: dict[str, datetime] = {}
        self._hurt_in_a_row: defaultdict[str, int] = defaultdict(int)
        self._split: set[str] = set()
        self._split_at: dict[str, datetime] = {}
        self._outages = 0
        self._outage_over_at = world.now()
        self._at = world.now()
        self.duties = Duties(world, answers)
        self.longest = timedelta(0)

    def entry(self, entry: LogEntry) -> None:
        """Take in a line of the venue's log; time before it counts as it stood before it."""
        self._count_to(entry.at)
        symbol, exits = entry.symbol, self._exits[entry.symbol]
        if entry.at < self._split_at.get(symbol, entry.at):
            return  # of the evening before the split: what it says is held is no more
        if entry.side == Side.SELL:
            if entry.event in _ENDS:
                exits.discard(entry.order_id)
            elif entry.is_armed and (entry.stop_price is not None or entry.order_class == VenueOrderClass.SIMPLE):
                exits.add(entry.order_id)  # a target alone guards against nothing
        if entry.side == Side.BUY and entry.fill_qty > 0:
            self._stops[symbol] = self._world.seen.intents[entry.client_order_id.rsplit("-", 2)[0]].stop_price
        held = entry.position_after > 0
        self._held[symbol] = held
        if not held:
            self._split.discard(symbol)
        if not held or exits:
            self._bare.pop(symbol, None)
        elif symbol not in self._bare:
            self._bare[symbol] = max(timedelta(0), self._at - entry.at)

    def accrue(self) -> None:
        """Count the time since the last call."""
        self._count_to(self._world.now())

    def _count_to(self, now: datetime) -> None:
        last = self._at
        if now <= last:
            return
        self._at = now
        due_at = self.duties.next_at
        if not self._bare and (due_at is None or due_at > now):
            return
        if session_at(now, self._world.day) is Session.CLOSED or self._outages:
            return
        if self._world.is_hiding and "orders" in self._world.parts_down:  # nobody can tell what is held
            self._outage_over_at = now
        longest_pause = timedelta(seconds=self._world.settings.policy.entry_poll_s) * 2**MAX_BACKOFF_DOUBLINGS + SLACK
        if now < self._outage_over_at + longest_pause:
            return
        self.duties.count(last, now, self._counted)
        is_extended = not session_at(now, self._world.day).is_regular
        crossed_max = min(MAX_BARE, MAX_CROSSED + timedelta(seconds=self._world.settings.policy.guard_poll_s))
        for symbol in self._bare:
            if self._is_barred(symbol, now):
                continue
            if is_extended and not self._is_crossed(symbol, now):
                self._bare[symbol] = timedelta(0)
                continue
            counted = now - max(last, self._excused_until.get(symbol, last))
            if counted <= timedelta(0):
                continue
            self._bare[symbol] += counted
            self.longest = max(self.longest, self._bare[symbol])
            if is_extended and self._bare[symbol] > crossed_max:
                text = f"{symbol} at its stop for {self._bare[symbol].total_seconds():.0f} s"
                raise Violation("guarded positions leave at their stop", text)
            if self._bare[symbol] > MAX_BARE:
                raise Violation("positions are guarded", f"{symbol} for {self._bare[symbol].total_seconds():.0f} s")

    def _is_barred(self, symbol: str, now: datetime) -> bool:
        """Whether something that lasts stands in the way."""
        return symbol in self._until_supervised or self._is_halted(symbol, now) or self._is_nobodys(symbol)

    def _counted(self, symbol: str, last: datetime, now: datetime) -> timedelta:
        """How much of the time since `last` counts."""
        if self._is_barred(symbol, now):
            return timedelta(0)
        return max(timedelta(0), now - max(last, self._excused_until.get(symbol, last)))

    def stalled(self, until: datetime) -> None:
        """Do not count the time from now until then."""
        self.accrue()
        self._at = until

    def _is_crossed(self, symbol: str, now: datetime) -> bool:
        """Whether a two-sided quote's bid stands at the stop of what is held, or under it."""
        strip = self._world.exchange.view.strip(symbol, self._world.day.on)
        index = strip.index_at(now.timestamp())
        if index < 0:
            return False
        bid, ask = float(strip.bid[index]), float(strip.ask[index])
        is_market = 0 < bid <= ask and (ask - bid) * 2 * 10_000 <= WIDE_BP * (ask + bid)
        return is_market and bid <= float(self._stops[symbol])

    def _is_halted(self, symbol: str, now: datetime) -> bool:
        return self._world.exchange.view.strip(symbol, self._world.day.on).is_halted(now.timestamp())

    def excused(self, symbol: str, until: datetime) -> None:
        """Do not count a symbol's time until then."""
        self.accrue()
        self._excused_until[symbol] = max(until, self._excused_until.get(symbol, until))

    def outage(self, change: int) -> None:
        """An outage begins (1) or ends (-1): nothing can be done in it, and after it a pause is still waited."""
        self.accrue()
        self._outages += change
        self._outage_over_at = self._world.now()

    def misled(self, symbol: str) -> None:
        """A look at the symbol's orders did not tell the truth: who sleeps on it is woken by supervise."""
        self.accrue()
        self._misled_at[symbol] = self._world.now()
        self._unseen(symbol)

    def was_misled(self, symbol: str) -> bool:
        """Whether what is known of the symbol may still be wrong."""
        at = self._misled_at.get(symbol)
        return at is not None and self._world.now() - at < MISLED

    def acted_by_hand(self, symbol: str, looks: int = 1) -> None:
        """A person acted: nobody can know before supervise has looked, so many times."""
        self.accrue()
        self._unseen(symbol, looks)

    def _unseen(self, symbol: str, looks: int = 1) -> None:
        self._until_supervised[symbol] = max(looks, self._until_supervised.get(symbol, 0))

    def was_split(self, symbol: str, qty: Decimal) -> None:
        """A split has changed what is held of a symbol, whose orders are gone."""
        self.accrue()
        self._exits[symbol].clear()
        self._split_at[symbol] = self._world.now()
        if qty > 0:
            self._split.add(symbol)
            self._bare.setdefault(symbol, timedelta(0))
        else:
            self._bare.pop(symbol, None)

    def _is_nobodys(self, symbol: str) -> bool:
        """Whether what is held of a symbol was added by a split and is no living order's."""
        if symbol not in self._split:
            return False
        return not any(each.is_running and each.symbol == symbol for each in self._world.hub.instances.values())

    def supervised(self) -> None:
        """Supervise has looked at everything."""
        self.accrue()
        self._until_supervised = {symbol: n - 1 for symbol, n in self._until_supervised.items() if n > 1}

    def ended(self, work: Work) -> None:
        """A work of an order ended: if a fault hit it, its next try comes after a pause that grows."""
        if not work.intent_id or not work.label.startswith("activity"):
            return
        if not work.is_hurt:
            if work.is_heard:
                self._hurt_in_a_row[work.intent_id] = 0
            return
        self._hurt_in_a_row[work.intent_id] += 1
        doublings = min(self._hurt_in_a_row[work.intent_id], MAX_BACKOFF_DOUBLINGS)
        pause = timedelta(seconds=self._world.settings.policy.entry_poll_s) * 2**doublings
        self.excused(work.symbol, self._world.now() + pause + SLACK)
