"""The parts of a case file, each from the rows it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from shared.contracts.cases import (
    CaseDecision,
    CaseEnding,
    CaseFill,
    CaseOrder,
    CaseScores,
    CaseStep,
    ChartBars,
    OrderOutcome,
)
from shared.contracts.messages import OrderIntent
from shared.contracts.model_card import ModelCard
from shared.contracts.records import renamed
from shared.core.case_figures import extremes_bp, move_after, move_bp, traded
from shared.core.features import FEATURE_NAMES
from shared.core.market import Bars, FloatArray
from shared.core.order_states import OrderState, Phase, Role
from shared.core.risk import Verdict
from shared.core.values import Side, Symbol, parse_utc
from shared.ports import Ports, Row

SHORT, LONG = timedelta(minutes=15), timedelta(minutes=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """5-minute bars of some symbols on a day, complete up to an instant."""

    bars: Mapping[Symbol, Bars]
    until: datetime

    def of(self, symbol: Symbol) -> Bars:
        """Bars of a symbol, none where it is not among them."""
        return self.bars.get(symbol, Bars.empty())


def usual_values(card: ModelCard, names: Sequence[str] = FEATURE_NAMES) -> FloatArray:
    """What each feature usually is where a model learned: the median of its reference, else of its recorded rows.

    Returns
    -------
    float64 of shape (len(names),)
        NaN where a feature is usually missing, or unknown to the model.
    """
    usual = np.full(len(names), np.nan)
    place = {name: k for k, name in enumerate(names)}
    recorded = np.array([vector(pair.features) for pair in card.pairs])
    for k, name in enumerate(card.feature_names):
        column = recorded[:, k]
        known = column[~np.isnan(column)]
        if name in place and known.size:
            usual[place[name]] = float(np.median(known))
    for item in card.reference:
        if item.name in place and item.edges:
            usual[place[item.name]] = item.edges[len(item.edges) // 2]
    return usual


def ending_of(decision: CaseDecision | None, state: OrderState | None) -> CaseEnding:
    """How the story ended, or where it stands."""
    if decision is None:
        return CaseEnding.SCORED
    if state is None:
        return {"refused": CaseEnding.REFUSED, "expired": CaseEnding.EXPIRED}.get(decision.verdict, CaseEnding.RUNNING)
    if not state.phase.is_over:
        return CaseEnding.RUNNING
    return CaseEnding.CLOSED if state.phase is Phase.CLOSED else CaseEnding.NOT_BOUGHT


def decision_of(ports: Ports, row: Row) -> CaseDecision:
    """What the gates made of a signal, from its row in table decisions."""
    intent = text_of(row.get("intent"))
    bounds, gates = row.get("bounds"), row.get("gates")
    row = renamed(row)
    bid, ask = money_of(row.get("bid_usd")), money_of(row.get("ask_usd"))
    return CaseDecision(
        verdict=str(row["verdict"]),
        refused_by=tuple(str(row.get("refused_by") or "").split()),
        decided_at=parse_utc(str(row["decided_at"])),
        gates=ports.codec.decode(tuple[Verdict, ...], str(gates)) if gates else (),
        qty=money_of(row.get("qty")),
        bound=text_of(row.get("bound")),
        bounds=_bounds(ports, str(bounds)) if bounds else None,
        bid_usd=bid,
        ask_usd=ask,
        arrival_usd=(bid + ask) / 2 if bid and ask else None,
        limit_usd=money_of(row.get("limit_usd")),
        worst_usd=money_of(row.get("worst_usd")),
        stop_usd=money_of(row.get("stop_usd")),
        target_usd=money_of(row.get("target_usd")),
        equity_usd=money_of(row.get("equity_usd")),
        intent_id=text_of(row.get("intent_id")),
        intent=ports.codec.decode(OrderIntent, intent) if intent else None,
    )


def _bounds(ports: Ports, text: str) -> Mapping[str, Decimal]:
    """What each bound allows; older code wrote whole numbers."""
    return {bound: Decimal(qty) for bound, qty in ports.codec.decode(dict[str, Decimal | int], text).items()}


def orders_of(state: OrderState) -> tuple[CaseOrder, ...]:
    """Every order at the broker, as last seen: entries, then what leaves."""
    return tuple(
        CaseOrder(
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            role=order.role.value,
            status=order.status.value,
            qty=order.qty,
            filled_qty=order.filled_qty,
            average_usd=order.average_price,
            limit_usd=order.limit_price,
            updated_at=order.updated_at,
        )
        for order in sorted(state.orders.values(), key=lambda o: (_PLACE[o.role], o.client_order_id, o.order_id))
    )


_PLACE = {role: place for place, role in enumerate(Role)}


def step_of(row: Row) -> CaseStep:
    """One row of the journal."""
    return CaseStep(
        seq=int(str(row["seq"])),
        at=parse_utc(str(row["at"])),
        command=str(row["command"]),
        phase=str(row["phase"]),
        note=str(row.get("note") or ""),
        hash=str(row["hash"]),
    )


def fill_of(row: Row) -> CaseFill:
    """One row of table fills."""
    row = renamed(row)
    return CaseFill(
        role=str(row["role"]),
        side=str(row["side"]),
        qty=Decimal(str(row["qty"])),
        price_usd=Decimal(str(row["price_usd"])),
        session=str(row["session"]),
        slippage_bp=float_of(row.get("slippage_bp")),
        occurred_at=parse_utc(str(row["occurred_at"])),
        client_order_id=str(row["client_order_id"]),
    )


def outcome_of(
    scores: CaseScores,
    decision: CaseDecision | None,
    state: OrderState | None,
    fills: tuple[CaseFill, ...],
    *,
    symbol: Symbol,
    seen: Seen,
) -> OrderOutcome:
    """What came of a decision, as far as fills and bars tell by now."""
    at = decision.decided_at if decision else scores.scored_at
    arrival = decision.arrival_usd if decision else None
    if arrival is None and scores.price_usd is not None:
        arrival = Decimal(repr(scores.price_usd))
    if not arrival:
        return OrderOutcome()
    bars, until = seen.of(symbol), seen.until
    sums = [(Side(fill.side), fill.qty, fill.price_usd) for fill in fills]
    bought, sold = traded(sums, Side.BUY), traded(sums, Side.SELL)
    times = sorted(fill.occurred_at for fill in fills)
    reach = None
    if bought.average is not None:
        reach = extremes_bp(bars, times[0], times[-1] if sold.qty else until, bought.average)
    return OrderOutcome(
        arrival_usd=arrival,
        after_15m_bp=move_after(bars, at, SHORT, arrival, seen_until=until),
        after_60m_bp=move_after(bars, at, LONG, arrival, seen_until=until),
        qty=bought.qty,
        entry_usd=bought.average,
        exit_usd=sold.average,
        entry_slippage_bp=move_bp(float(bought.average), arrival) if bought.average else None,
        at_exit_bp=move_bp(float(sold.average), arrival) if sold.average else None,
        best_bp=reach[0] if reach else None,
        worst_bp=reach[1] if reach else None,
        held_min=round((times[-1] - times[0]).total_seconds() / 60, 2) if bought.average and sold.average else None,
        exit_reason=state.exit_reason.value if state and state.exit_reason else None,
        realised_usd=state.realised if state and state.bought else None,
    )


def chart_of(bars: Bars) -> ChartBars:
    """Bars as columns of plain numbers."""
    return ChartBars(**{item.name: tuple(getattr(bars, item.name).tolist()) for item in fields(ChartBars)})


def vector(values: tuple[float | None, ...]) -> FloatArray:
    """Stored values as float64, None as NaN."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def number_or_none(value: float) -> float | None:
    """A number as JSON can hold it: None for NaN."""
    return None if np.isnan(value) else float(value)


def float_of(cell: Any) -> float | None:
    """A cell as float64, None where it is absent."""
    return None if cell is None else float(cell)


def money_of(cell: Any) -> Decimal | None:
    """A cell of decimal text, None where it is absent."""
    return None if cell is None else Decimal(str(cell))


def text_of(cell: Any) -> str | None:
    """A cell as text, None where it is absent."""
    return None if cell is None else str(cell)
