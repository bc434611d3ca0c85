"""A strategy's sweep held against what the app made of it on the same bars, trade by trade, every difference named.

With gates and costs off the two agree at every bar (training/engines/staged.py). With them on the app does less: this
says of each entry of the sweep what became of it, and of each entry of the app why the sweep has none there. The list
of reasons is closed: what none explains is `Became.UNEXPLAINED`, and an error of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shared.contracts.records import strategy_of
from shared.core.features.history import BAR_S
from shared.core.policy import PolicyCode
from shared.core.sessions import NEW_YORK
from shared.core.values import from_epoch
from shared.ports import Row
from shared.strategies.protocol import Rule, StateRule, Strategy, moved
from shared.strategies.wishes import Move
from training.backtest.engine import run
from training.backtest.harvest import Harvest
from training.backtest.records import Trade
from training.backtest.spec import BacktestOutcome, ModelPlan, Spec
from training.dataset import Progress
from training.engines import ExitCause, asked_rows, asked_wishes, trades_of
from training.sweeps.market import SweptMarket, SweptSymbol


class Became(StrEnum):
    """What became of an entry where sweep and app are apart. Of a policy code or gates, which ones is told besides."""

    SAME = "both entered"
    NOT_WATCHED = "the symbol was not on the watchlist"
    POLICY = "policy"
    GATES = "gates"
    EXPIRED = "the signal expired"
    NOT_BOUGHT = "the entry found no seller at its price"
    APP_HELD = "the app held it still"
    SWEEP_HELD = "the sweep held it still, or it was too late for it"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What came of the comparison.

    Attributes
    ----------
    entries : mapping of (Became, detail) to int
        Entries of either, by what became of them.
    exits : mapping of (cause in the sweep, reason in the app) to int
        Of the entries that both made.
    examples : tuple of str
        What is unexplained, the first few.
    """

    strategy: str
    entries: Mapping[tuple[Became, str], int]
    exits: Mapping[tuple[str, str], int]
    examples: tuple[str, ...]
    outcome: BacktestOutcome

    @property
    def is_explained(self) -> bool:
        """Whether every difference has its reason."""
        return not any(reason is Became.UNEXPLAINED for reason, _ in self.entries)


@dataclass(slots=True)
class _AppRows:
    """What the app has written of each symbol's slots, over all days."""

    signals: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    decisions: dict[str, Row] = field(default_factory=dict)
    orders: dict[str, Row] = field(default_factory=dict)
    watched: dict[str, list[tuple[str, frozenset[str]]]] = field(default_factory=dict)

    def take(self, day: Harvest, strategy: str) -> None:
        on = day.on.isoformat()
        for row in day.signals.values():
            if strategy_of(row) == strategy:
                self.signals[on, str(row["symbol"]), str(row["slot"])] = row
        self.decisions |= {str(row["decision_id"]): row for row in day.decisions.values()}
        self.orders |= {str(row["decision_id"]): row for row in day.orders.values()}
        lists: dict[str, set[str]] = {}
        for row in day.watchlist.values():
            lists.setdefault(str(row["slot"]), set()).add(str(row["symbol"]))
        self.watched[on] = [(slot, frozenset(symbols)) for slot, symbols in sorted(lists.items())]

    def is_watched(self, on: str, symbol: str, slot: str) -> bool:
        """Whether a symbol was on the list in force; one that is made in a slot is that of the next."""
        made = [symbols for at, symbols in self.watched.get(on, []) if at < slot]
        return bool(made) and symbol in made[-1]


def compare_speeds(strategy: Strategy, market: SweptMarket, spec: Spec, progress: Progress) -> Speeds:
    """Sweep a strategy with its parameters, and let the app trade it on the same file.

    Parameters
    ----------
    strategy : Rule or StateRule
    market : SweptMarket
        Of the spec's file and days.
    spec : Spec
        Names the strategy among its changed settings, with the same parameters.
    progress : callable
    """
    rows = _AppRows()
    outcome = run(spec, ModelPlan(steps=()), progress, watch=lambda day: rows.take(day, strategy.name))
    traded = {day.on.isoformat() for day in outcome.days}
    taken = {
        (trade.on.isoformat(), trade.symbol, trade.slot): trade
        for trade in outcome.trades
        if trade.strategy == strategy.name
    }
    entries: Counter[tuple[Became, str]] = Counter()
    exits: Counter[tuple[str, str]] = Counter()
    examples: list[str] = []

    def note(reason: Became, detail: str, place: tuple[str, str, str]) -> None:
        entries[reason, detail] += 1
        if reason is Became.UNEXPLAINED and len(examples) < 10:
            examples.append(" ".join((*place, detail)))

    for symbol, part in market.symbols.items():
        places = _places(part)
        trades = trades_of(strategy, part.bars, days=part.days)
        swept = {places[bar - 1]: k for k, bar in enumerate(trades.entry_bar.tolist())}
        for (on, slot), k in swept.items():
            if on in traded:
                reason, detail = _became(rows, (on, symbol, slot))
                note(reason, detail, (on, symbol, slot))
                trade = taken.get((on, symbol, slot))
                if trade is not None and reason is Became.SAME:
                    exits[ExitCause(int(trades.why[k])).name, _left(trade)] += 1
        wants = _wants(strategy, part)
        at = {place: k for k, place in enumerate(places)}
        for on, own, slot in taken:
            if own == symbol and (on, slot) not in swept:
                wanted = (on, slot) in at and bool(wants[at[on, slot]])
                note(Became.SWEEP_HELD if wanted else Became.UNEXPLAINED, "", (on, symbol, slot))
    return Speeds(strategy=strategy.name, entries=entries, exits=exits, examples=tuple(examples), outcome=outcome)


def _became(rows: _AppRows, place: tuple[str, str, str]) -> tuple[Became, str]:
    """What the app made of a bar at which the sweep enters."""
    on, symbol, slot = place
    row = rows.signals.get(place)
    if row is None:
        return (Became.UNEXPLAINED, "no row") if rows.is_watched(on, symbol, slot) else (Became.NOT_WATCHED, "")
    if row["policy"] != PolicyCode.ENTER:
        code = str(row["policy"])
        return (Became.UNEXPLAINED if code == PolicyCode.NO_WISH else Became.POLICY), code
    decision = rows.decisions.get(str(row["decision_id"]))
    if decision is None:
        return Became.UNEXPLAINED, "no decision"
    if decision["verdict"] == "expired":
        return Became.EXPIRED, ""
    if decision["verdict"] != "approved":
        gates = str(decision["refused_by"])
        return (Became.APP_HELD, "") if "DUPLICATE" in gates.split() else (Became.GATES, gates)
    order = rows.orders.get(str(row["decision_id"]))
    bought = order is not None and float(str(order["bought_qty"])) > 0
    return (Became.SAME, "") if bought else (Became.NOT_BOUGHT, "" if order is None else str(order["phase"]))


def _left(trade: Trade) -> str:
    return trade.exit_reason or "?"


def _places(part: SweptSymbol) -> list[tuple[str, str]]:
    """New York date and slot at which each bar has closed."""
    closed = (from_epoch(int(start) + BAR_S).astimezone(NEW_YORK) for start in part.bars.start_s)
    return [(at.date().isoformat(), f"{at:%H%M}") for at in closed]


def _wants(strategy: Strategy, part: SweptSymbol) -> NDArray[np.bool_]:
    """Bars at which a strategy that holds nothing wants to enter."""
    if isinstance(strategy, Rule):
        return asked_wishes(strategy, part.bars, part.days).enter
    assert isinstance(strategy, StateRule)
    shown = asked_rows(strategy, part.bars, part.days)
    asked = shown.shown_from >= 0
    wants = [bool(a) and moved(strategy, row, None) is Move.ENTER for a, row in zip(asked, shown.rows, strict=True)]
    return np.array(wants, np.bool_)
