"""Today: where the account stands against its limits, what is held, what the day's jobs and stages have done."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.active import ShownSettings, active_settings
from dashboard.dataframes import records
from dashboard.day import Risk, day_report, jobs_of, kill_switch, refusals_of, risk_of, scored_in, table_of
from dashboard.strategies import StrategyStanding, named, several, standings
from dashboard.view import View
from shared.contracts.records import Table

SHOWN = 8
"""Of what a person holds beside ours so many are named; all are in `GET /api/positions`."""


def render(view: View) -> None:
    """Show the page."""
    equity = table_of(view.source, Table.LEDGER, view.on)
    fills = table_of(view.source, Table.FILLS, view.on)
    orders = table_of(view.source, Table.ORDERS, view.on)
    risk = risk_of(view.source, view.on, equity)
    limits = active_settings(view.source, view.on)
    held = table_of(view.source, Table.POSITIONS, view.on)
    held = held[held["qty"] > 0]
    strategies = standings(view.source, view.on, limits.shares, orders, held)
    _marks(view, risk, strategies)
    _figures(view, risk, orders, equity)
    left, right = st.columns([0.66, 0.34], gap="medium")
    with left:
        st.subheader("Equity")
        if equity.empty:
            theme.absent("No point of the account yet: supervision records one every five minutes.")
        else:
            theme.chart(charts.equity_day(equity, fills, risk.opening_usd), key="equity")
    with right:
        st.subheader("Against the limits")
        _limits(risk, limits)
    if len(strategies) > 1:
        _strategies(strategies)
    _held(view, held)
    left, right = st.columns(2, gap="medium")
    with left:
        _funnel(view, orders, fills)
    with right:
        _jobs(view)


def _marks(view: View, risk: Risk, strategies: list[StrategyStanding]) -> None:
    """Halts and the kill switch, or that there is none."""
    marks: list[tuple[str, theme.Tone]] = []
    switch = kill_switch(view.source)
    if switch is not None:
        flattening = ", flattening" if switch.get("is_flattening") else ""
        marks.append((f"Kill switch on{flattening}: {switch.get('reason', '')} ({switch.get('by', '')})", "bad"))
    if risk.is_day_halted:
        marks.append(("Halted for the day: loss", "bad"))
    if risk.is_drawdown_halted:
        marks.append(("Halted: drawdown, until a person resumes", "bad"))
    if risk.unexplained:
        marks.append((f"Halted: {risk.unexplained}", "bad"))
    marks += [(f"{each.name} halted: {each.halted}", "bad") for each in strategies if each.halted]
    for name, failures in (("Broker", risk.broker_failures), ("Market data", risk.market_failures)):
        if failures:
            marks.append((f"{name}: {failures} failures in a row", "warn"))
    theme.chips(marks or [("No halt, kill switch off", "good")])
    if risk.accepted:
        more = f" and {len(risk.accepted) - SHOWN} more" if len(risk.accepted) > SHOWN else ""
        st.caption(f"A person's own, accepted by a resume: {', '.join(risk.accepted[:SHOWN])}{more}.")


def _figures(view: View, risk: Risk, orders: pd.DataFrame, equity: pd.DataFrame) -> None:
    change = risk.day_change_usd
    realised = float(orders["realised_usd"].sum())
    closed = orders.loc[orders["phase"] == "CLOSED", "realised_usd"]
    marked = view.wall(equity["at"].iloc[-1]) if len(equity) else units.NOTHING
    report = day_report(view.source, view.on)
    made = f"before fees; report {'made' if report else 'not made yet'}"
    share = units.percent(change / risk.opening_usd, sign=True, digits=2) if change and risk.opening_usd else ""
    theme.cards(
        [
            ("Equity", units.usd(risk.equity_usd), f"marked {marked}"),
            ("Day's change", units.usd(change, sign=True), share, theme.tone_of(change)),
            ("Realised", units.usd(realised, sign=True), made, theme.tone_of(realised)),
            ("Won and lost", f"{int((closed > 0).sum())} won, {int((closed < 0).sum())} lost", "closed positions"),
            ("Exposure", units.usd(risk.exposure_usd, digits=0), units.percent(risk.exposure) + " of equity"),
            ("Open positions", str(risk.open_positions), f"{risk.reservations} reservations"),
        ]
    )


def _limits(risk: Risk, limits: ShownSettings) -> None:
    day_max, drawdown_max = limits.risk("day_loss_max_fraction"), limits.risk("drawdown_max_fraction")
    gross_max, most = limits.risk("gross_exposure_max_fraction"), limits.risk("max_positions")
    taken = max(risk.reservations, risk.open_positions)
    used = risk.reserved_usd / risk.equity_usd if risk.equity_usd else 0.0
    for label, found, top in (
        ("Day's loss", risk.day_loss, day_max),
        ("Drawdown from the peak", risk.drawdown, drawdown_max),
        ("Exposure and reserved", max(used, risk.exposure), gross_max),
    ):
        shown = f"{units.percent(found, digits=2)} of {units.percent(top)}"
        theme.limit(label, shown, found / top if top else 1.0)
    theme.limit("Positions and reserved", f"{taken} of {most:.0f}", taken / most)
    of = f"as of the slice of {units.slot(limits.slot)} ET"
    st.caption(f"Limits {of if limits.slot else "are the settings' defaults: no slice tells yet"}.")


def _strategies(strategies: list[StrategyStanding]) -> None:
    st.subheader("Strategies")
    rows = [
        (
            each.name,
            units.percent(each.share) if each.share is not None else "trades no more",
            str(each.positions),
            units.usd(each.result_usd, sign=True),
            f"halted: {each.halted}" if each.halted else "",
        )
        for each in strategies
    ]
    theme.facts(rows, head=("Strategy", "Share", "Positions", "Day's result", ""), numbers=(1, 2, 3))


def _held(view: View, held: pd.DataFrame) -> None:
    st.subheader("Held now" if view.is_latest else "Held at the end")
    if held.empty:
        st.caption("No position is open.")
        return
    priced = table_of(view.source, Table.SIGNALS, view.on).sort_values("slot").groupby("symbol")["price_usd"].last()
    marked = held["symbol"].map(priced)
    listed = pd.DataFrame(
        {
            "Symbol": held["symbol"],
            "Quantity": held["qty"],
            "Paid, USD": held["average_usd"],
            "Last scored price, USD": marked,
            "Open result, USD": (marked - held["average_usd"]) * held["qty"],
            "Stop, USD": held["stop_usd"],
            "Target, USD": held["target_usd"],
            "Realised, USD": held["realised_usd"],
            "Changed": held["updated_at"].map(view.wall),
        }
    ).round(2)
    theme.table(named(listed, held["strategy"], several(held)), key="held")


def _funnel(view: View, orders: pd.DataFrame, fills: pd.DataFrame) -> None:
    watched = table_of(view.source, Table.WATCHLIST, view.on)["symbol"].nunique()
    signals = table_of(view.source, Table.SIGNALS, view.on)
    decisions = table_of(view.source, Table.DECISIONS, view.on)
    st.subheader("From watchlist to fill")
    stages = {
        "symbols watched": watched,
        "candidates scored": scored_in(signals),
        "signals": int((signals["policy"] == "ENTER").sum()),
        "decisions": len(decisions),
        "approved": int((decisions["verdict"] == "approved").sum()),
        "orders": len(orders),
        "fills": len(fills),
    }
    theme.facts([(name, f"{number:,}") for name, number in stages.items()], numbers=(1,))
    refused = refusals_of(decisions)
    if refused:
        theme.chart(charts.count_bars(refused, colour=charts.WARN), key="refused", title="Refused by")
        st.caption("A decision can be refused by several gates.")


def _jobs(view: View) -> None:
    st.subheader("Jobs of the day")
    jobs = jobs_of(table_of(view.source, Table.RUNS, view.on))
    if jobs.empty:
        theme.absent("No job has run on this day.")
        return
    rows = []
    for row in records(jobs):
        counts = [str(row[name]) for name in ("done", "missed", "running")]
        rows.append([row["job"], *counts, f"{units.slot(row['last_slot'])} ET", units.whole(row["longest_s"], "s")])
    theme.facts(rows, head=("Job", "Done", "Missed", "Running", "Last slot", "Longest"), numbers=(1, 2, 3, 4, 5))
