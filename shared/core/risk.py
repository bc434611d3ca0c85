"""Risk gates: each a small pure function with a stable code, the value it found and the limit it held it against.

All gates run on every decision, in the order of `GATES`, and every verdict is recorded, passed or not. A gate can only
refuse; sizing has shrunk before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from shared.core.committee.values import Deliberation
from shared.core.ledger import Ledger, cooling_key
from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.market import BASIS_POINTS, Quote, TradingDay
from shared.core.portfolio import Account, Position, another_account, exposure_by_symbol
from shared.core.sessions import Session, entries_end_at, session_at
from shared.core.settings import FIRST_STRATEGY, Automation, DecisionSettings
from shared.core.unread import Unread
from shared.core.values import ZERO, Symbol, from_epoch, plain, require_at_least, require_positive, require_utc


class Gate(StrEnum):
    """Stable codes of refusals; never reused, never renamed."""

    KILL_SWITCH = "KILL_SWITCH"
    HALTED_DAY_LOSS = "HALTED_DAY_LOSS"
    HALTED_DRAWDOWN = "HALTED_DRAWDOWN"
    SIZE = "SIZE"
    TRADE_RISK = "TRADE_RISK"
    MAX_POSITIONS = "MAX_POSITIONS"
    GROSS_EXPOSURE = "GROSS_EXPOSURE"
    SYMBOL_EXPOSURE = "SYMBOL_EXPOSURE"
    GROUP_EXPOSURE = "GROUP_EXPOSURE"
    BUYING_POWER = "BUYING_POWER"
    LIQUIDITY = "LIQUIDITY"
    SPREAD = "SPREAD"
    SLIPPAGE = "SLIPPAGE"
    STALE_QUOTE = "STALE_QUOTE"
    DAY_TRADES = "DAY_TRADES"
    SESSION = "SESSION"
    COOLDOWN = "COOLDOWN"
    DUPLICATE = "DUPLICATE"
    DATA_QUALITY = "DATA_QUALITY"
    MODEL_HEALTH = "MODEL_HEALTH"
    BROKER_HEALTH = "BROKER_HEALTH"
    STRATEGY_HALTED = "STRATEGY_HALTED"
    STRATEGY_POSITIONS = "STRATEGY_POSITIONS"
    STRATEGY_EXPOSURE = "STRATEGY_EXPOSURE"
    MIN_QTY = "MIN_QTY"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    COMMITTEE = "COMMITTEE"
    APPROVAL = "APPROVAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProposal:
    """A sized, priced entry that asks to pass. Prices in USD per unit of the asset, `qty` in units.

    `reference_price` is the close that the models scored, `binding` the bound that set the size, `lot` that of the
    asset.
    """

    intent_id: str
    strategy: str = FIRST_STRATEGY
    symbol: Symbol
    qty: Decimal
    limit_price: Decimal
    worst_price: Decimal
    stop_price: Decimal
    reference_price: Decimal
    adv_shares: int
    binding: str
    lot: Lot = WHOLE_SHARES

    def __post_init__(self) -> None:
        require_at_least("qty", self.qty, 0)
        require_positive("worst_price", self.worst_price)

    @property
    def notional(self) -> Decimal:
        """Most that the entry can cost."""
        return self.worst_price * self.qty

    @property
    def risk(self) -> Decimal:
        """Loss at the stop if bought at the worst price."""
        return (self.worst_price - self.stop_price) * self.qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The world as a decision found it. The ledger does not count the proposal's own reservation.

    `day_trades` are those of the four sessions before and of today so far, `unread` the positions that cannot be read.
    `strategy_halt` says why the proposal's strategy may not enter, where a person has halted it; `lot` is the asset's.
    `committee` is what one has come to about the proposal, None where none sat.
    """

    now: datetime
    day: TradingDay | None
    kill_reason: str
    account: Account
    positions: tuple[Position, ...]
    ledger: Ledger
    quote: Quote
    model_fault: str
    day_trades: int = 0
    unread: tuple[Unread, ...] = ()
    strategy_halt: str = ""
    lot: Lot = WHOLE_SHARES
    committee: Deliberation | None = None

    def __post_init__(self) -> None:
        require_utc("now", self.now)
        require_positive("equity", self.account.equity)

    def exposure(self) -> Mapping[Symbol, Decimal]:
        """Exposure by symbol: held or reserved, whichever is larger, since an open position keeps its reservation."""
        held = dict(exposure_by_symbol(self.positions))
        for row in self.unread:
            held[Symbol(row.name)] = held.get(Symbol(row.name), ZERO) + (row.market_value or ZERO)
        for symbol in {r.symbol for r in self.ledger.reservations}:
            held[symbol] = max(held.get(symbol, ZERO), self.ledger.reserved_in(symbol))
        return held

    def free_buying_power(self) -> Decimal:
        """What the broker grants, less reservations that it cannot know of yet (nothing held under them)."""
        held = {position.symbol for position in self.positions}
        unseen = sum((r.notional for r in self.ledger.reservations if r.symbol not in held), ZERO)
        return self.account.buying_power - unseen


NOT_JUDGED = "not judged: no price"
"""What a gate found that needs a price where there is none. It has not passed, and refuses for want of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate said: passed or not, what it found, and the limit it held that against."""

    gate: Gate
    passed: bool
    found: str
    limit: str

    @property
    def is_refusal(self) -> bool:
        """Judged, and not passed."""
        return not self.passed and self.found != NOT_JUDGED


def _at_most(gate: Gate, found: Decimal | int | float, limit: Decimal | int | float) -> Verdict:
    return Verdict(gate=gate, passed=found <= limit, found=_text(found), limit=f"<= {_text(limit)}")


def _is_clear(gate: Gate, fault: str, limit: str) -> Verdict:
    return Verdict(gate=gate, passed=not fault, found=fault or "clear", limit=limit)


def _text(value: Decimal | int | float) -> str:
    if isinstance(value, Decimal):
        return format(round(value, 4).normalize(), "f")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def kill_switch(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """Nothing new once the switch is on."""
    return _is_clear(Gate.KILL_SWITCH, facts.kill_reason, "off")


def halted_day_loss(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """No entries on a day that has lost its share."""
    ledger = facts.ledger
    fault = _halt(ledger.day_loss, is_halted=ledger.is_day_halted, is_in_doubt=ledger.day_doubt is not None)
    return _is_clear(Gate.HALTED_DAY_LOSS, fault, "not halted")


def halted_drawdown(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """No entries under a drawdown until a person resumes."""
    ledger = facts.ledger
    fault = _halt(ledger.drawdown, is_halted=ledger.is_drawdown_halted, is_in_doubt=ledger.drawdown_doubt is not None)
    return _is_clear(Gate.HALTED_DRAWDOWN, fault, "not halted")


def _halt(found: Decimal, *, is_halted: bool, is_in_doubt: bool) -> str:
    """A loss that one look has seen halts no day yet, and lets nothing in either."""
    if is_halted:
        return f"halted at {_text(found)}"
    return f"{_text(found)} at one look, no second one yet" if is_in_doubt else ""


def size_is_positive(proposal: EntryProposal, _: Facts, __: DecisionSettings) -> Verdict:
    """Sizing left something; the bound that binds is named."""
    found = f"{plain(proposal.qty)} ({proposal.binding})"
    return Verdict(gate=Gate.SIZE, passed=proposal.qty > 0, found=found, limit="> 0")


def trade_risk(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Loss at the stop within its share of equity."""
    return _at_most(Gate.TRADE_RISK, proposal.risk, facts.account.equity * rules.risk.trade_risk_max_fraction)


def max_positions(_: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Open and reserved positions, this one counted."""
    return _at_most(Gate.MAX_POSITIONS, len(facts.exposure()) + 1, rules.risk.max_positions)


def gross_exposure(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """All positions and reservations, this one counted."""
    found = sum(facts.exposure().values(), ZERO) + proposal.notional
    return _at_most(Gate.GROSS_EXPOSURE, found, facts.account.equity * rules.risk.gross_exposure_max_fraction)


def symbol_exposure(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Everything in one symbol, this one counted."""
    found = facts.exposure().get(proposal.symbol, ZERO) + proposal.notional
    return _at_most(Gate.SYMBOL_EXPOSURE, found, facts.account.equity * rules.risk.symbol_exposure_max_fraction)


def group_exposure(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Everything in the symbol's group, this one counted."""
    group = rules.risk.group_of(proposal.symbol)
    held = (usd for symbol, usd in facts.exposure().items() if rules.risk.group_of(symbol) == group)
    found = sum(held, ZERO) + proposal.notional
    return _at_most(Gate.GROUP_EXPOSURE, found, facts.account.equity * rules.risk.group_exposure_max_fraction)


def buying_power(proposal: EntryProposal, facts: Facts, _: DecisionSettings) -> Verdict:
    """Cost within what the broker grants, reservations counted."""
    return _at_most(Gate.BUYING_POWER, proposal.notional, facts.free_buying_power())


def adv_fraction(facts: Facts, rules: DecisionSettings) -> Decimal:
    """Share of average daily volume that an entry may be now: outside the regular session little of it trades."""
    regular = session_at(facts.now, facts.day).is_regular
    return rules.risk.adv_max_fraction if regular else rules.risk.adv_max_extended_fraction


def liquidity(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Quantity within its share of average daily volume; a smaller one outside the regular session."""
    return _at_most(Gate.LIQUIDITY, proposal.qty, proposal.adv_shares * adv_fraction(facts, rules))


def spread(_: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Spread in basis points; narrower outside the regular session."""
    return spread_of(facts.quote, rules, is_regular=session_at(facts.now, facts.day).is_regular)


def spread_of(quote: Quote, rules: DecisionSettings, *, is_regular: bool) -> Verdict:
    """What the gate says of a quote."""
    if not quote.is_two_sided:
        return _is_clear(Gate.SPREAD, f"one-sided {quote.bid}/{quote.ask}", "two-sided")
    limit = rules.risk.spread_max_bp if is_regular else rules.risk.spread_max_extended_bp
    return _at_most(Gate.SPREAD, quote.spread_bp, limit)


def slippage(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Expected slippage: the limit's distance from the present mid, in basis points."""
    if not facts.quote.is_two_sided:
        return _is_clear(Gate.SLIPPAGE, "no mid", "two-sided")
    found = (proposal.limit_price / facts.quote.mid - 1) * BASIS_POINTS
    return _at_most(Gate.SLIPPAGE, found, rules.risk.slippage_max_bp)


def stale_quote(_: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Age of the quote in seconds; one from the future is as bad."""
    age_s = abs((facts.now - facts.quote.at).total_seconds())
    return _at_most(Gate.STALE_QUOTE, age_s, rules.risk.quote_age_max_s)


def day_trades(_: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Day trades made, one more for every open reservation, and this one."""
    if not rules.risk.day_trades_max or facts.account.equity >= rules.risk.day_trades_below_usd:
        return _is_clear(Gate.DAY_TRADES, "", "no such rule")
    found = facts.day_trades + len(facts.ledger.reservations) + 1
    return _at_most(Gate.DAY_TRADES, found, rules.risk.day_trades_max)


def session(_: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """Session enabled for entries, and not too close to the close or to the end of after-hours trading."""
    minutes = rules.policy.no_entry_before_close_min
    found = session_at(facts.now, facts.day)
    enabled = found in rules.policy.entry_sessions
    edge = None if facts.day is None else entries_end_at(found, facts.day)
    late = edge is not None and facts.now >= edge - timedelta(minutes=minutes)
    names = " ".join(name for name in Session if name in rules.policy.entry_sessions)
    return Verdict(
        gate=Gate.SESSION,
        passed=enabled and not late,
        found=f"{found}{' late' if late else ''}",
        limit=f"{names}, not in the last {minutes} min",
    )


def cooldown(proposal: EntryProposal, facts: Facts, _: DecisionSettings) -> Verdict:
    """Symbol not cooling down after an entry or exit of the same strategy."""
    until = facts.ledger.cooling_until.get(cooling_key(proposal.strategy, proposal.symbol))
    fault = f"until {until:%H:%M:%S}Z" if until is not None and facts.now < until else ""
    return _is_clear(Gate.COOLDOWN, fault, "not cooling")


def duplicate(proposal: EntryProposal, facts: Facts, _: DecisionSettings) -> Verdict:
    """Not held and not being bought."""
    fault = "held or being bought" if proposal.symbol in facts.exposure() else ""
    return _is_clear(Gate.DUPLICATE, fault, "not held")


def data_quality(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """The quote stands near the close that was scored: otherwise one of the two is wrong, or too old."""
    if not facts.quote.is_two_sided:
        return _is_clear(Gate.DATA_QUALITY, "no mid", "two-sided")
    gap = abs(facts.quote.mid / proposal.reference_price - 1) * BASIS_POINTS
    return _at_most(Gate.DATA_QUALITY, gap, rules.risk.reference_gap_max_bp)


def model_health(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """A trusted model gave the opinion."""
    return _is_clear(Gate.MODEL_HEALTH, facts.model_fault, "trusted")


def broker_health(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """The account is the ledger's and may trade, both APIs answer, and nothing at the broker is unexplained."""
    ledger = facts.ledger
    faults = (
        another_account(ledger.account_id, facts.account.account_id),
        "account blocked" if facts.account.is_blocked else "",
        "trading API failing" if ledger.broker.is_open(facts.now) else "",
        "market data API failing" if ledger.market.is_open(facts.now) else "",
        *map(str, ledger.unexplained),
    )
    return _is_clear(Gate.BROKER_HEALTH, "; ".join(filter(None, faults)), "healthy")


ALL_OF_IT = "the account's own"
"""Limit of a strategy that has the whole budget: the account's gates hold it."""


def strategy_halted(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """The strategy trades, nobody has halted it, and it has not lost its share of the day's loss."""
    book, share = facts.ledger.book_of(proposal.strategy), _share(proposal, rules)
    may_lose = facts.ledger.opening_equity * rules.risk.day_loss_max_fraction * share
    has_lost = share < 1 and -book.result >= may_lose
    faults = (
        "" if rules.strategies.share_of(proposal.strategy) is not None else "not among GATEHOUSE_STRATEGIES",
        facts.strategy_halt,
        f"lost {_text(-book.result)} USD today" if book.is_day_halted or has_lost else "",
    )
    return _is_clear(Gate.STRATEGY_HALTED, "; ".join(filter(None, faults)), "not halted")


def strategy_positions(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """The strategy's own positions and reservations, this one counted, within its share of all."""
    if _share(proposal, rules) == 1:
        return _is_clear(Gate.STRATEGY_POSITIONS, "", ALL_OF_IT)
    found = len({r.symbol for r in facts.ledger.reservations_of(proposal.strategy)}) + 1
    return _at_most(Gate.STRATEGY_POSITIONS, found, int(_share(proposal, rules) * rules.risk.max_positions))


def strategy_exposure(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """The strategy's own reservations, this one counted, within its share of gross exposure."""
    if _share(proposal, rules) == 1:
        return _is_clear(Gate.STRATEGY_EXPOSURE, "", ALL_OF_IT)
    held = sum((r.notional for r in facts.ledger.reservations_of(proposal.strategy)), ZERO)
    limit = facts.account.equity * rules.risk.gross_exposure_max_fraction * _share(proposal, rules)
    return _at_most(Gate.STRATEGY_EXPOSURE, held + proposal.notional, limit)


def min_qty(proposal: EntryProposal, _: Facts, __: DecisionSettings) -> Verdict:
    """No fewer units than the asset's least order. A size of zero is SIZE's to refuse."""
    return _at_least(Gate.MIN_QTY, proposal, proposal.qty, proposal.lot.qty_min)


def min_notional(proposal: EntryProposal, _: Facts, __: DecisionSettings) -> Verdict:
    """Worth at the limit, as the broker counts it, no less than the asset's least order; a size of zero is SIZE's."""
    return _at_least(Gate.MIN_NOTIONAL, proposal, proposal.qty * proposal.limit_price, proposal.lot.notional_min)


def _at_least(gate: Gate, proposal: EntryProposal, found: Decimal, limit: Decimal) -> Verdict:
    """Exact, in all digits: the steps of some assets are smaller than what other gates show."""
    passed = found >= limit or not proposal.qty
    return Verdict(gate=gate, passed=passed, found=plain(found), limit=f">= {plain(limit)}")


def _share(proposal: EntryProposal, rules: DecisionSettings) -> Decimal:
    return rules.strategies.share_of(proposal.strategy) or ZERO


def committee(_: EntryProposal, facts: Facts, __: DecisionSettings) -> Verdict:
    """What a committee has left of the size is above zero; where none sat it objects to nothing."""
    found = facts.committee
    if found is None:
        return Verdict(gate=Gate.COMMITTEE, passed=True, found="none sat", limit="> 0")
    text = f"{_text(found.factor)} ({found.why})"
    return Verdict(gate=Gate.COMMITTEE, passed=found.factor > 0, found=text, limit="> 0")


def approval(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> Verdict:
    """A notional this large, or a strategy that only alerts, waits for a person. It passes here; the lifecycle asks,
    and refuses at the deadline.
    """
    found = proposal.notional / facts.account.equity
    limit = f"< {_text(rules.risk.approval_fraction)}, else a person approves"
    if _is_alert_only(proposal, facts, rules):
        limit = f"{Automation.ALERT_ONLY}: a person approves"
    return Verdict(gate=Gate.APPROVAL, passed=True, found=_text(found), limit=limit)


def needs_approval(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> bool:
    """Whether an approved proposal still waits for a person."""
    is_large = proposal.notional >= facts.account.equity * rules.risk.approval_fraction
    return is_large or _is_alert_only(proposal, facts, rules)


def _is_alert_only(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> bool:
    session = session_at(facts.now, facts.day)
    return rules.strategies.automation_of(proposal.strategy, session) is Automation.ALERT_ONLY


type GateRule = Callable[[EntryProposal, Facts, DecisionSettings], Verdict]

GATES: Mapping[Gate, GateRule] = {
    Gate.KILL_SWITCH: kill_switch,
    Gate.HALTED_DAY_LOSS: halted_day_loss,
    Gate.HALTED_DRAWDOWN: halted_drawdown,
    Gate.SIZE: size_is_positive,
    Gate.TRADE_RISK: trade_risk,
    Gate.MAX_POSITIONS: max_positions,
    Gate.GROSS_EXPOSURE: gross_exposure,
    Gate.SYMBOL_EXPOSURE: symbol_exposure,
    Gate.GROUP_EXPOSURE: group_exposure,
    Gate.BUYING_POWER: buying_power,
    Gate.LIQUIDITY: liquidity,
    Gate.SPREAD: spread,
    Gate.SLIPPAGE: slippage,
    Gate.STALE_QUOTE: stale_quote,
    Gate.DAY_TRADES: day_trades,
    Gate.SESSION: session,
    Gate.COOLDOWN: cooldown,
    Gate.DUPLICATE: duplicate,
    Gate.DATA_QUALITY: data_quality,
    Gate.MODEL_HEALTH: model_health,
    Gate.BROKER_HEALTH: broker_health,
    Gate.STRATEGY_HALTED: strategy_halted,
    Gate.STRATEGY_POSITIONS: strategy_positions,
    Gate.STRATEGY_EXPOSURE: strategy_exposure,
    Gate.MIN_QTY: min_qty,
    Gate.MIN_NOTIONAL: min_notional,
    Gate.COMMITTEE: committee,
    Gate.APPROVAL: approval,
}
"""Every gate, in the one order in which verdicts are recorded."""

GIVEN_BY_THEN = frozenset(
    {
        Gate.SIZE,
        Gate.LIQUIDITY,
        Gate.COOLDOWN,
        Gate.DATA_QUALITY,
        Gate.MODEL_HEALTH,
        Gate.MIN_QTY,
        Gate.MIN_NOTIONAL,
        Gate.COMMITTEE,
        Gate.APPROVAL,
    }
)
"""Gates that do not run again by themselves: size and score are given, others were asked and have answered."""

BEFORE_SUBMIT = frozenset(GATES) - GIVEN_BY_THEN
"""Gates that run again just before submission, since facts age in a queue. After a person's answer all of them do."""


def verdicts(
    proposal: EntryProposal, facts: Facts, rules: DecisionSettings, gates: frozenset[Gate] = frozenset(GATES)
) -> tuple[Verdict, ...]:
    """Run gates in their fixed order; all of them, whatever the first says."""
    return tuple(rule(proposal, facts, rules) for gate, rule in GATES.items() if gate in gates)


def refusals(found: tuple[Verdict, ...]) -> tuple[Gate, ...]:
    """Codes of the gates that judged and did not pass, in their order."""
    return tuple(verdict.gate for verdict in found if verdict.is_refusal)


NEED_A_PRICE = frozenset(
    {
        Gate.SIZE,
        Gate.TRADE_RISK,
        Gate.GROSS_EXPOSURE,
        Gate.SYMBOL_EXPOSURE,
        Gate.GROUP_EXPOSURE,
        Gate.BUYING_POWER,
        Gate.LIQUIDITY,
        Gate.SLIPPAGE,
        Gate.DATA_QUALITY,
        Gate.STRATEGY_EXPOSURE,
        Gate.MIN_QTY,
        Gate.MIN_NOTIONAL,
        Gate.APPROVAL,
    }
)
"""Gates that judge an entry's price, or a size that follows from it."""


def no_quote(symbol: Symbol) -> Quote:
    """Stands for the quote of a symbol that has none: neither side, and no age that anyone could believe."""
    return Quote(symbol=symbol, bid=ZERO, ask=ZERO, bid_size=0, ask_size=0, at=from_epoch(0))


def verdicts_without_price(proposal: EntryProposal, facts: Facts, rules: DecisionSettings) -> tuple[Verdict, ...]:
    """Every gate in the one order. Those that need a price are not judged and fail closed; SPREAD refuses.

    Parameters
    ----------
    proposal : EntryProposal
        Of size zero; its prices are not looked at.
    """
    return tuple(_without_price(verdict, facts.quote) for verdict in verdicts(proposal, facts, rules))


def _without_price(verdict: Verdict, quote: Quote) -> Verdict:
    has_age = verdict.gate is not Gate.STALE_QUOTE or quote != no_quote(quote.symbol)
    if verdict.gate in NEED_A_PRICE or not has_age:
        return replace(verdict, passed=False, found=NOT_JUDGED)
    if verdict.gate is Gate.SPREAD and verdict.passed:
        return replace(verdict, passed=False, found=f"no price at {quote.bid}/{quote.ask}")
    return verdict
