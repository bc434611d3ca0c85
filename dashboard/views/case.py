"""Case: one decision from its inputs to its outcome, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import streamlit as st

from dashboard import theme, units
from dashboard.case_chart import case_chart, contributions_chart
from dashboard.case_source import decided_on, load_case, symbol_of
from dashboard.view import View
from dashboard.views.case_committee import committee_panel
from dashboard.views.case_technical import technical_panel
from dashboard.views.case_text import news_panel
from dashboard.views.links import DECISION, asked_decision
from shared.contracts.cases import WITHIN_TOLERANCE, Case, CaseEnding, Replay
from shared.core.errors import ContractError
from shared.core.risk import Verdict
from shared.ports import Row

_ENDINGS: dict[CaseEnding, tuple[str, theme.Tone]] = {
    CaseEnding.SCORED: ("policy did not want it", "plain"),
    CaseEnding.EXPIRED: ("expired", "warn"),
    CaseEnding.REFUSED: ("refused by the gates", "warn"),
    CaseEnding.RUNNING: ("under way", "good"),
    CaseEnding.NOT_BOUGHT: ("approved, nothing bought", "warn"),
    CaseEnding.CLOSED: ("closed", "good"),
}


def render(view: View) -> None:
    """Show the page."""
    decision_id = _chosen(view)
    if decision_id is None:
        theme.absent("No decision on this day. Cases of mere opinions open from the page Signals.")
        return
    symbol = symbol_of(view.source, view.on, decision_id)
    if symbol is None:
        st.error(f"{view.on} knows no decision {decision_id}.")
        return
    try:
        case, is_stored = load_case(view.source, view.on, decision_id, symbol)
    except ContractError as error:
        st.error(f"The case cannot be read: {error}")
        return
    _head(view, case, is_stored)
    if case.bars.start_s:
        theme.chart(case_chart(case), key="bars")
    else:
        theme.absent("The bars of this decision are not kept: it was made by an older revision of the app.")
    technical_panel(case)
    committee_panel(case)
    is_of_the_news = case.text is not None and case.text.narrative is not None
    if is_of_the_news:
        news_panel(view, case)
    left, right = st.columns(2, gap="large")
    with left:
        _scores(case)
        _size(case)
    with right:
        _gates(case)
    if not is_of_the_news:
        news_panel(view, case)
    _steps(view, case)
    _provenance(case)


def _chosen(view: View) -> str | None:
    asked = asked_decision()
    rows = {str(row["decision_id"]): row for row in decided_on(view.source, view.on)}
    choices = list(rows) if asked in rows or not asked else [asked, *rows]
    if not choices:
        return None

    def label(decision_id: str) -> str:
        row = rows.get(decision_id)
        if row is None:
            return decision_id
        said = f"{row['verdict']} {row.get('refused_by') or ''}".strip()
        return f"{units.slot(str(row['slot']))} ET  {row['symbol']}  {said}"

    by_time = sorted(choices, key=lambda one: (str(rows[one]["slot"]) if one in rows else "", one))
    at = by_time.index(asked) if asked in by_time else _first_approved(by_time, rows)
    chosen = st.selectbox("Decision", by_time, index=at, format_func=label, key=f"decision-{view.on}-{asked}")
    if chosen != asked:
        st.query_params[DECISION] = chosen
    return chosen


def _first_approved(choices: list[str], rows: Mapping[str, Row]) -> int:
    approved = (at for at, one in enumerate(choices) if one in rows and rows[one]["verdict"] == "approved")
    return next(approved, 0)


def _head(view: View, case: Case, is_stored: bool) -> None:
    ending, tone = _ENDINGS[case.ending]
    outcome = case.outcome
    realised = float(outcome.realised_usd) if outcome.realised_usd is not None else None
    marks: list[tuple[str, theme.Tone]] = [(case.symbol, "plain"), (case.strategy, "plain"), (ending, tone)]
    if outcome.exit_reason:
        marks.append((f"left by {outcome.exit_reason}", "plain"))
    if case.replay is not None:
        marks.append(_replayed(case.replay))
    marks.append(("case file" if is_stored else "put together now: the file is written after the day's end", "plain"))
    theme.chips(marks)
    bought = f"{units.quantity(outcome.qty)} at {_price(outcome.entry_usd)}" if outcome.qty else "nothing bought"
    theme.cards(
        [
            (
                f"Decided {case.on}",
                units.et(case.decided_at),
                f"{units.local(case.decided_at, view.zone)} {case.session or ''}".strip(),
            ),
            ("Result before fees", units.usd(realised, sign=True), bought, theme.tone_of(realised)),
            ("Entry slippage", units.bp(outcome.entry_slippage_bp, sign=True), "over the price at the decision"),
            ("Move after 15 min", units.bp(outcome.after_15m_bp, sign=True), f"60 min {_move(outcome.after_60m_bp)}"),
            ("At the exit", units.bp(outcome.at_exit_bp, sign=True), f"held {units.minutes(outcome.held_min)}"),
            ("Best and worst", _move(outcome.best_bp), f"worst {_move(outcome.worst_bp)}, while held"),
        ]
    )


def _scores(case: Case) -> None:
    scores = case.scores
    # What is known to be sound and has no chances is of a strategy that gives none; nothing else is left out.
    gives_chances = scores.p_up is not None or bool(scores.faults) or not scores.policy
    chances = ", ".join(units.percent(p) for p in (scores.p_up, scores.p_none, scores.p_down))
    said = [
        ("p up, none, down", chances),
        ("Edge (p up less p down)", f"{scores.edge:+.3f}" if scores.edge is not None else units.NOTHING),
        ("Expected move", units.bp(scores.expected_move_bp, sign=True)),
    ]
    st.subheader("What the models said" if gives_chances else "What the strategy said")
    theme.facts(
        [
            ("Policy", scores.policy or units.NOTHING),
            *(said if gives_chances else []),
            ("Cost of the round trip", units.bp(scores.cost_bp)),
            ("Last close, ATR(5m)", f"{units.price(scores.price_usd)}, {units.price(scores.atr_usd)}"),
            ("Quote when scored", f"{_price(scores.bid_usd)} to {_price(scores.ask_usd)}"),
            *([("Faults of the data", scores.faults)] if scores.faults else []),
        ]
    )
    if not gives_chances:
        st.caption(f"{case.strategy} gives no chances: the Kelly bound does not apply.")
    elif scores.contributions:
        theme.chart(contributions_chart(case), key="contributions", title="What moved the edge most")
    else:
        st.caption("What moved the edge most is in the case file, which is written after the day's end.")


def _size(case: Case) -> None:
    decision = case.decision
    if decision is None or decision.qty is None:
        return
    st.subheader("Size")
    rows = [
        (("* " if bound == decision.bound else "") + bound.replace("_", " "), units.quantity(qty))
        for bound, qty in (decision.bounds or {}).items()
    ]
    theme.facts([*rows, ("Size", units.quantity(decision.qty))], numbers=(1,))
    st.caption("Each bound alone would allow so many; * marks the one that binds.")


def _gates(case: Case) -> None:
    st.subheader("Gates")
    decision = case.decision
    if decision is None:
        st.caption("Never asked: policy did not want it.")
        return
    if not decision.gates:
        st.caption(f"Not judged one by one: {decision.verdict}, {' '.join(decision.refused_by)}.")
        return
    rows = [(_said(v), v.gate.value, v.found, v.limit) for v in decision.gates]
    theme.facts(sorted(rows, key=lambda row: row[0] != "REFUSED"), head=("", "Gate", "Found", "Limit"))


def _said(verdict: Verdict) -> str:
    return "passed" if verdict.passed else "REFUSED" if verdict.is_refusal else "not judged"


def _steps(view: View, case: Case) -> None:
    if not case.journal:
        return
    left, right = st.columns([0.55, 0.45], gap="large")
    with left:
        st.subheader("Steps of the order")
        steps = [(view.wall(s.at), s.command, s.phase, s.note) for s in case.journal]
        theme.facts(steps, head=("At", "Command", "Phase after it", "Note"), scrolls=True)
    with right:
        st.subheader("Fills")
        fills = [
            (units.et(f.occurred_at), f.role, units.quantity(f.qty), _price(f.price_usd), _move(f.slippage_bp))
            for f in case.fills
        ]
        theme.facts(fills, head=("At", "Role", "Quantity", "Price", "Slippage"), numbers=(2, 3, 4), scrolls=True)


def _provenance(case: Case) -> None:
    """What it rests on, and what a replay found."""
    with st.expander("What it rests on"):
        inputs = case.inputs
        features = f"{inputs.features_blob or units.NOTHING} sha256 {inputs.features_sha256 or units.NOTHING}"
        theme.facts(
            [
                ("Decision", case.decision_id),
                ("Code revision", case.code_revision or units.NOTHING),
                ("Features", features),
                ("Bars of the day", inputs.bars_blob or units.NOTHING),
                ("Bars before it", inputs.history_blob or units.NOTHING),
                *[(f"Model {m.name}", f"{m.version} sha256 {m.sha256}") for m in inputs.models],
                ("Parameter set", inputs.parameter_set or units.NOTHING),
                ("Settings", inputs.settings_id or units.NOTHING),
            ]
        )
    if case.replay is None:
        return
    differences, close, checks = case.replay.differences, case.replay.within_tolerance, len(case.replay.checks)
    replayed = f"Replayed {case.replay.at:%Y-%m-%d %H:%M} UTC by {case.replay.code_revision}"
    within = f", {len(close)} within tolerance" if close else ""
    st.caption(f"{replayed}: {checks - len(differences) - len(close)} of {checks} checks equal{within}.")
    if told := (*differences, *close):
        rows = [(check.name, check.recorded, check.replayed) for check in told]
        theme.facts(rows, head=("Check", "Recorded", "Replayed"))


def _replayed(found: Replay) -> tuple[str, theme.Tone]:
    if found.equal:
        return "replayed equal", "good"
    return (f"replayed {WITHIN_TOLERANCE}", "good") if found.agrees else ("replay differs", "bad")


def _price(value: Decimal | None) -> str:
    return units.price(float(value)) if value is not None else units.NOTHING


def _move(value: float | None) -> str:
    return units.bp(value, sign=True)
