"""Models and drift: champions and challengers, how honest their probabilities are, how far the features have moved."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import charts, theme, units
from dashboard.registry import STRETCH_SESSIONS, Model, drift_over, models_of
from dashboard.view import View
from shared.contracts.model_card import Calibration, ModelCard
from shared.core.drift import PSI_MIN, FeatureDrift

_SHOWN = 15
_METRICS = (
    *("log_loss", "log_loss_base", "brier", "brier_base", "auc_up", "auc_down", "auc_direction"),
    *("calibration_error_up", "mae_bp", "mae_base_bp", "rank_correlation", "test_rows", "test_sessions"),
)
"""The first to be named of what a card tells; the others follow in their own order."""


def render(view: View) -> None:
    """Show the page."""
    models = models_of(view.source)
    if not models:
        theme.absent("No model is published yet.")
        return
    theme.cards([_card_of(model) for model in models])
    by_name = {model.name: model for model in models}
    name = st.segmented_control("Model", list(by_name), default=models[0].name, key="model", required=True)
    model = by_name[name or models[0].name]
    for fault in model.faults:
        st.warning(f"A card cannot be read: {fault}")
    _versions(model)
    card = model.card
    if card is None:
        theme.absent("This model has no champion whose card can be read.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        _metrics(model)
        _calibration(card.calibration)
    with right:
        _drift(view, card)
        _importances(card)


def _card_of(model: Model) -> tuple[str, str, str, theme.Tone]:
    champion, card = model.champion, model.card
    if champion is None or card is None:
        return model.name, "no champion", f"{len(model.cards)} versions published", "bad"
    if champion.suspended:
        return model.name, champion.version, f"suspended: {champion.suspended}", "bad"
    learned = "learned from an invented market" if card.is_synthetic else f"learned up to {card.trained_to}"
    return model.name, champion.version, f"{learned}, expires {card.expires_on}", "plain"


def _versions(model: Model) -> None:
    st.subheader("Versions")
    rows = [(version, model.role(version), *_version(card)) for version, card in model.cards.items()]
    theme.facts(rows, head=("Version", "Role", "Learned from", "Made, UTC", "Expires", "Features", "Trials", "sha256"))
    if model.champion and model.champion.past:
        reigns = [
            (reign.version, _minute(reign.promoted_at), _minute(reign.ended_at), reign.fault)
            for reign in reversed(model.champion.past)
        ]
        st.subheader("Champions before")
        theme.facts(reigns, head=("Version", "Promoted, UTC", "Ended, UTC", "Why it may not come back"))


def _version(card: ModelCard) -> tuple[str, ...]:
    learned, made = f"{card.trained_from} to {card.trained_to}", _minute(card.created_at)
    numbers = (str(len(card.feature_names)), str(card.trials))
    return (learned, made, str(card.expires_on), *numbers, card.sha256[:12])


def _metrics(model: Model) -> None:
    st.subheader("Metrics, out of sample")
    versions = list(model.cards.items())[:4]
    names = list(dict.fromkeys(name for _, card in versions for name in card.metrics))
    names.sort(key=lambda name: _METRICS.index(name) if name in _METRICS else len(_METRICS))
    cells = [(name, *[_metric(card, name) for _, card in versions]) for name in names]
    theme.facts(
        cells, head=("Metric", *[version for version, _ in versions]), numbers=range(1, len(versions) + 1), scrolls=True
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _metric(card: ModelCard, name: str) -> str:
    return units.figure(card.metrics[name]) if name in card.metrics else units.NOTHING


def _calibration(calibration: Calibration | None) -> None:
    st.subheader("Calibration")
    if calibration is None:
        st.caption("The card keeps no calibration: the model is none of probabilities, or of an older kind.")
        return
    curves = {"before": calibration.reliability_before, f"after {calibration.method}": calibration.reliability}
    theme.chart(
        charts.reliability({name: [(b.p_mean, b.frequency) for b in bins] for name, bins in curves.items()}),
        key="reliability",
    )
    st.caption(
        f"Brier score {calibration.brier_before:.4f} before, {calibration.brier_after:.4f} after, out of sample."
    )


def _importances(card: ModelCard) -> None:
    if not card.importances:
        return
    gains = {one.name: round(one.gain, 4) for one in card.importances[:_SHOWN]}
    theme.chart(charts.count_bars(gains), key="importances", title="What the model looks at")
    st.caption("Share of the loss that splits on the feature take away.")


def _drift(view: View, card: ModelCard) -> None:
    st.subheader("Drift")
    days = [on for on in view.days if on <= view.on][:STRETCH_SESSIONS]
    found = drift_over(view.source, card, days)
    if not found:
        st.caption("No drift to tell: the card keeps no reference of its features, or these days have no features yet.")
        return
    moved = [one for one in found if one.has_drifted]
    is_early = len(days) < STRETCH_SESSIONS
    tone: theme.Tone = "plain" if is_early else "warn" if moved else "good"
    over = f", over only {units.sessions(len(days))}" if is_early else ""
    theme.chips([(f"{len(moved)} of {len(found)} features beyond their limit{over}", tone)])
    theme.facts(
        [_row(one) for one in found[:_SHOWN]], head=("Feature", "PSI", "Limit", "KL, nats", ""), numbers=(1, 2, 3)
    )
    few = f" Limits are for {STRETCH_SESSIONS} sessions: fewer differ by chance." if is_early else ""
    st.caption(
        f"Population stability of the features of {units.sessions(len(days))} up to {view.on} against those learned "
        f"from. A limit is {PSI_MIN}, or the most that a stretch of the training window showed.{few}"
    )


def _row(one: FeatureDrift) -> tuple[str, ...]:
    return one.name, f"{one.psi:.3f}", f"{one.limit:.3f}", f"{one.kl:.3f}", "drifted" if one.has_drifted else ""
