"""Every fault as a probability in one struct, and what a seed makes of it.

A seed switches some of the allowed faults on and leaves others off (swarm testing), so that each fault is also met
without the others that would hide what it breaks.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, replace

from shared.core.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Probabilities: per message, per call, per minute or per day, as each says.

    Attributes
    ----------
    duplicated, delayed, reordered : float
        Per message sent: a second copy comes; it comes minutes late; it comes seconds late, after later ones.
    visibility_lost : float
        Per delivery: the lease runs out while the message is worked on, so that it is delivered again.
    crash : float
        Per storage or broker call: the host dies before or after it.
    restart : float
        Per minute: every generator in memory is lost.
    storage_conflict, storage_error, storage_timeout : float
        Per call: 412 on a conditional write; 429 or 500 before the effect; no answer, the effect being there.
    broker_error, broker_timeout : float
        Per call: 429 or 500 before the effect; no answer, the effect being there or not.
    broker_outage, storage_outage : float
        Per day: nothing answers for some minutes.
    cancel_hangs : float
        Per cancel: `pending_cancel` for up to a minute, and a fill may come first.
    stale_view : float
        Per look at an order: what it was some time ago.
    lookup_lag : float
        Per submit: the order cannot be found by its client order id for some seconds.
    leg_lost : float
        Per armed stop: the broker never made it, or drops it later, and says so only when the order is looked at.
    thin, halts, gaps : float
        Per symbol: hardly any volume; a halt; jumps of the price.
    late_data : float
        Per quote: it is half a minute to some minutes old.
    timer_late, timer_missed, timer_doubled : float
        Per firing of supervise.
    activity_twice : float
        Per activity: the host runs it twice.
    two_hosts : float
        Per pair of things that are due together: two hosts run them at once, switching between calls.
    kill : float
        Per day: a person turns the kill switch on (perhaps flattening), and perhaps resumes.
    hand_close, hand_cancel : float
        Per day: a person closes a position, or cancels orders, at the broker.
    garbage : float
        Per signal: something that breaks its contract comes as well.
    row_lost : float
        Per day, each: the row of a living order, its position's row, its reservation, or the whole ledger vanishes.
    carry : float
        Per run: some symbols are halted from before a close until after the next open, and a day more is played.
    split : float
        Per symbol that is so carried over the night: it is split before the next open.
    bad_rows : float
        Per quote: the market's row cannot be read.
    foreign_rows : float
        Per run: a person trades by hand in the same account, also what the app cannot read.
    broken_row : float
        Per day, thrice: the row of a living order cannot be read until its next step writes it.
    part_outage : float
        Per day, each: account, list of positions or list of orders cannot be had, for minutes or until the close.
    order_refused : float
        Per entry or exit sent: the broker refuses it, by a rule of its own; the next one it may take.
    short_funds : float
        Per run: most of the cash is not settled, so that the broker grants little buying power.
    lifecycle_lost : float
        Per day, twice: the durable history of an order that lives vanishes.
    runs_away : float
        Per bracket sent: the market leaves its price as it arrives, and it rests a cent above its stop.
    bad_equity : float
        Per look at the account: its equity is shown far too high or low, once.
    moved_before : float
        Per run: the account was worth more or less at the last close than at the app's first look.
    other_keys : float
        Per day: for some minutes the keys open another account.
    refusing : float
        Per day, several times: the broker takes no plain sale, none that sells at once or none at all for a while; a
        person's own buy stands in a symbol of ours.
    positions_empty : float
        Per day, several times: the broker answers for a while as if nothing were held.
    strategy_halt : float
        Per day: a person halts one strategy, and perhaps resumes it.
    committee : float
        Per run: a committee sits, whose language model fails, contradicts itself and answers late; perhaps a strategy
        is reduced, or alerts only.
    """

    duplicated: float = 0.0
    delayed: float = 0.0
    reordered: float = 0.0
    visibility_lost: float = 0.0
    crash: float = 0.0
    restart: float = 0.0
    storage_conflict: float = 0.0
    storage_error: float = 0.0
    storage_timeout: float = 0.0
    broker_error: float = 0.0
    broker_timeout: float = 0.0
    broker_outage: float = 0.0
    storage_outage: float = 0.0
    cancel_hangs: float = 0.0
    stale_view: float = 0.0
    lookup_lag: float = 0.0
    leg_lost: float = 0.0
    thin: float = 0.0
    halts: float = 0.0
    gaps: float = 0.0
    late_data: float = 0.0
    timer_late: float = 0.0
    timer_missed: float = 0.0
    timer_doubled: float = 0.0
    activity_twice: float = 0.0
    two_hosts: float = 0.0
    kill: float = 0.0
    hand_close: float = 0.0
    hand_cancel: float = 0.0
    garbage: float = 0.0
    row_lost: float = 0.0
    carry: float = 0.0
    split: float = 0.0
    bad_rows: float = 0.0
    foreign_rows: float = 0.0
    broken_row: float = 0.0
    part_outage: float = 0.0
    order_refused: float = 0.0
    short_funds: float = 0.0
    lifecycle_lost: float = 0.0
    runs_away: float = 0.0
    bad_equity: float = 0.0
    moved_before: float = 0.0
    other_keys: float = 0.0
    refusing: float = 0.0
    positions_empty: float = 0.0
    strategy_halt: float = 0.0
    committee: float = 0.0


ALL = Faults(
    duplicated=0.15,
    delayed=0.1,
    reordered=0.2,
    visibility_lost=0.05,
    crash=0.006,
    restart=0.01,
    storage_conflict=0.05,
    storage_error=0.01,
    storage_timeout=0.01,
    broker_error=0.02,
    broker_timeout=0.03,
    broker_outage=0.5,
    storage_outage=0.5,
    cancel_hangs=0.3,
    stale_view=0.05,
    lookup_lag=0.1,
    leg_lost=0.1,
    thin=0.25,
    halts=0.1,
    gaps=0.3,
    late_data=0.1,
    timer_late=0.05,
    timer_missed=0.05,
    timer_doubled=0.05,
    activity_twice=0.15,
    two_hosts=0.6,
    kill=0.4,
    hand_close=0.5,
    hand_cancel=0.5,
    garbage=0.1,
    row_lost=0.15,
    carry=0.15,
    split=0.5,
    bad_rows=0.05,
    foreign_rows=0.4,
    broken_row=0.5,
    part_outage=0.4,
    order_refused=0.03,
    short_funds=0.2,
    lifecycle_lost=0.4,
    runs_away=0.4,
    bad_equity=0.03,
    moved_before=0.15,
    other_keys=0.2,
    refusing=0.3,
    positions_empty=0.3,
    strategy_halt=0.4,
    committee=0.4,
)
"""Every fault, as likely as a very bad day makes it."""

NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Faults))
ON_SHARE = 0.6
"""Share of the allowed faults that a seed switches on."""


def parse_faults(text: str) -> frozenset[str]:
    """Read `all`, `none` or names split by commas.

    Raises
    ------
    SettingsError
        Naming what is unknown.
    """
    if text in {"all", "none"}:
        return frozenset(NAMES if text == "all" else ())
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    if unknown := sorted(names - set(NAMES)):
        raise SettingsError(f"--faults {', '.join(unknown)}: expected all, none or some of {', '.join(NAMES)}")
    return names


def faults_of(seed: int, allowed: frozenset[str], *, swarm: bool = True) -> Faults:
    """Faults that a seed meets: of those allowed about `ON_SHARE`, or with `swarm` off every one."""
    rng = random.Random(f"faults:{seed}")
    on = {name: rng.random() < ON_SHARE or not swarm for name in NAMES}
    return replace(Faults(), **{name: getattr(ALL, name) for name in NAMES if name in allowed and on[name]})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationRun:
    """One seed to simulate.

    Attributes
    ----------
    days : int
        Trading days in a row, state carried over.
    faults : frozenset of str
        Names that are allowed; which of them the seed switches on is its own affair.
    mutant : str
        Name of a rule broken on purpose, empty for none.
    minutes : int or None
        Stop the day that many minutes after the simulation's start of day, for a shorter trace.
    """

    seed: int
    days: int = 1
    faults: frozenset[str] = frozenset(NAMES)
    swarm: bool = True
    mutant: str = ""
    minutes: int | None = None
    is_traced: bool = False
