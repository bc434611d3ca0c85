"""Performance: equity, drawdown and what came of positions over a range of sessions."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.day import closed_positions, regimes_of, tables_of
from dashboard.figures import (
    FEW_SESSIONS,
    Curve,
    Results,
    curve_of,
    drawdowns,
    grown_by,
    results_by,
    results_of,
    session_returns,
)
from dashboard.strategies import named, several, side_by_side
from dashboard.view import View
from dashboard.views import refusals
from shared.contracts.records import Table

RANGES = {"this session": 1, "5 sessions": 5, "20 sessions": 20, "60 sessions": 60, "250 sessions": 250}
_GROUPS = {"Session": "session", "Symbol": "symbol", "Hour": "hour", "Regime": "regime", "Exit": "exit_reason"}


def render(view: View) -> None:
    """Show the page."""
    days = chosen_days(view)
    equity = tables_of(view.source, Table.LEDGER, days)
    positions = positions_of(view, days)
    curve, results = curve_of(equity), results_of(positions)
    if curve is None:
        theme.absent("No point of the account in this range yet.")
        return
    _figures(curve, results)
    theme.chart(charts.equity_and_drawdown(equity, drawdowns(equity)), key="curve")
    if curve.sessions > 1:
        left, right = st.columns(2, gap="medium")
        returns = session_returns(equity)
        sessions = charts.signed_bars(returns * 100, unit="%")
        spread = charts.histogram(positions["realised_usd"], title="result of a position, USD")
        theme.chart(sessions, key="returns", title="Return of each session, %", into=left)
        theme.chart(spread, key="spread", title="How results are distributed, USD", into=right)
    refusals.show(view, days)
    if positions.empty:
        theme.absent("No position was closed in this range.")
        return
    _by_group(positions)
    st.subheader("Closed positions")
    theme.table(_listed(view, positions), key="closed")


def chosen_days(view: View) -> list[date]:
    """Ask for the range; return its session dates, oldest first, ending with the day that is looked at."""
    there = [on for on in view.days if on <= view.on]
    offered = [name for name, count in RANGES.items() if count <= len(there) or count == 1]
    if len(there) > RANGES[offered[-1]]:
        offered.append(
            next(name for name, count in RANGES.items() if count > len(there)) if len(there) < 250 else "all"
        )
    default = "20 sessions" if "20 sessions" in offered else offered[-1]
    name = st.segmented_control("Range", offered, default=default, key="range", required=True)
    return sorted(there[: RANGES.get(name, len(there))])


def positions_of(view: View, days: list[date]) -> pd.DataFrame:
    """Return the closed positions of several days."""
    orders, fills, decisions = (
        tables_of(view.source, table, days) for table in (Table.ORDERS, Table.FILLS, Table.DECISIONS)
    )
    closed = closed_positions(orders, fills, decisions)
    return closed.assign(regime=closed["on"].map(regimes_of(view.source, days)))


def _figures(curve: Curve, results: Results) -> None:
    change, share = curve.end_usd - curve.start_usd, units.percent(curve.change, sign=True, digits=2)
    realised, tone = results.realised_usd, theme.tone_of(results.realised_usd)
    few = f"{'only ' if curve.sessions < FEW_SESSIONS else ''}{units.sessions(curve.sessions)}"
    theme.cards(
        [
            ("Equity", units.usd(curve.end_usd), f"from {units.usd(curve.start_usd)}"),
            ("Change", units.usd(change, sign=True), share, theme.tone_of(change)),
            ("Realised", units.usd(realised, sign=True), f"{results.positions} positions, before fees", tone),
            ("Deepest drawdown", units.percent(curve.drawdown, digits=2), units.usd(curve.drawdown_usd)),
            ("Sharpe", units.ratio(curve.sharpe), f"a year, {few}"),
            ("Sortino", units.ratio(curve.sortino), f"volatility {units.percent(curve.volatility)} a year"),
        ]
    )
    mean, risked = results.expectancy_usd, f"{units.ratio(results.expectancy_r, 'R')} of planned risk"
    theme.cards(
        [
            ("Expectancy", units.usd(mean, sign=True), risked, theme.tone_of(mean)),
            ("Win rate", units.percent(results.win_rate), f"{results.wins} won, {results.losses} lost"),
            ("Profit factor", units.ratio(results.profit_factor), "won over lost"),
            ("Payoff", units.ratio(results.payoff), "mean win over mean loss"),
            ("Entry slippage", units.bp(results.slippage_bp, sign=True), "mean over arrival price"),
            ("Exposure", units.percent(curve.exposure), "mean in regular hours"),
        ]
    )


def _by_group(positions: pd.DataFrame) -> None:
    st.subheader("Where it was made")
    names = several(positions)
    tabs = list(st.tabs(["Strategy", *_GROUPS] if names else list(_GROUPS)))
    if names:
        with tabs.pop(0):
            _by_strategy(names, positions)
    for tab, (name, column) in zip(tabs, _GROUPS.items(), strict=True):
        with tab:
            groups = results_by(positions, column)
            left, right = st.columns([0.45, 0.55], gap="medium")
            theme.chart(charts.signed_bars(groups["realised_usd"], unit="USD"), key=f"by-{column}", into=left)
            with right:
                theme.facts(group_rows(groups), head=(name, *GROUP_HEAD), numbers=range(1, len(GROUP_HEAD) + 1))
            if column == "regime" and set(groups.index) == {"unknown"}:
                st.caption("Decisions of this range do not say which regime the market was in.")


def _by_strategy(names: list[str], positions: pd.DataFrame) -> None:
    left, right = st.columns([0.45, 0.55], gap="medium")
    realised = charts.signed_bars(results_by(positions, "strategy")["realised_usd"], unit="USD")
    theme.chart(realised, key="by-strategy", into=left)
    with right:
        head, rows = side_by_side(names, positions)
        theme.facts(rows, head=head, numbers=range(1, len(head)))
    if positions["on"].nunique() > 1:
        theme.chart(charts.lines(grown_by(positions, "strategy"), unit="USD"), key="strategies-grown")


GROUP_HEAD = ("Positions", "Realised", "Expectancy", "Win rate", "Profit factor", "Slippage")


def group_rows(groups: pd.DataFrame) -> list[tuple[str, ...]]:
    """Spell the figures of groups, as `results_by` gives them."""
    shown = groups.astype(float)
    return [
        (str(name), str(int(of["positions"])), units.usd(of["realised_usd"], sign=True), *_rates(of))
        for name, of in shown.iterrows()
    ]


def _rates(of: pd.Series) -> tuple[str, ...]:
    mean, slippage = units.usd(of["expectancy_usd"], sign=True), units.bp(of["slippage_bp"], sign=True)
    return mean, units.percent(of["win_rate"]), units.ratio(of["profit_factor"]), slippage


def _listed(view: View, positions: pd.DataFrame) -> pd.DataFrame:
    shown = positions.sort_values("entered_at", ascending=False)
    listed = pd.DataFrame(
        {
            "Day": shown["on"],
            "Entered": shown["entered_at"].map(view.wall),
            "Symbol": shown["symbol"],
            "Session": shown["session"],
            "Quantity": shown["bought_qty"],
            "Paid, USD": shown["entry_usd"].round(4),
            "Got, USD": shown["exit_usd"].round(4),
            "Realised, USD": shown["realised_usd"].round(2),
            "R": shown["r"].round(2),
            "Held, min": shown["held_min"].round(0),
            "Slippage, bp": shown["slippage_bp"].round(1),
            "Left by": shown["exit_reason"],
        }
    )
    return named(listed, shown["strategy"], several(shown))
