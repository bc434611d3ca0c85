"""Monthly governance: every traded strategy's parameters in walk-forward, cohorts that decayed; one proposal, or none.

Around each value that is in force its neighbours are tried, one parameter at a time, so that the number of trials, by
which the Sharpe ratio is deflated, stays small. No change is the default: a set is proposed only if nothing of
`reasons_against` speaks against it. A cohort that surely lost, by the weekly review's own rule, is proposed to be left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from shared.contracts.parameters import Evidence, ParameterSet, texts_of_settings
from shared.contracts.settings import PolicySettings, Settings
from shared.core.errors import StrategyError
from shared.core.review import MIN_TRIPS, Cohort
from shared.core.settings import Automation, StrategyAutomation
from shared.strategies.catalogue import installed, load
from shared.strategies.protocol import Strategy, parameters_of
from training.backtest.sweep import Trial, Walk, walk_as_data

SHOWN_SHARE, OVERFITTING_MAX = 0.95, 0.5
"""Deflated probability from which a set has shown something, and the most probability of overfitting."""
_AUTOMATION = "GATEHOUSE_AUTOMATION"
_PARAMETERS, _STRATEGIES, _SESSIONS = (
    "GATEHOUSE_STRATEGY_PARAMETERS",
    "GATEHOUSE_STRATEGIES",
    "GATEHOUSE_ENTRY_SESSIONS",
)
_THRESHOLDS = ("GATEHOUSE_EDGE_MIN", "GATEHOUSE_NET_MOVE_MIN_BP")
"""What a strategy of models is tuned by. Its barriers and its time limit are those that the models have learned."""
_STEP = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterStudy:
    """A strategy alone, and the sets that are tried of it, the one in force first; none where `why_not` says why."""

    strategy: str
    sets: tuple[Mapping[str, str], ...] = ()
    needs_models: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFinding:
    """What became of a study: its walk-forward where there is one, and what speaks against a change."""

    study: ParameterStudy
    walk: Walk | None = None
    against: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """Its part of the evidence."""
        told = [f"no change: {reason}" for reason in self.against]
        if self.walk is None:
            return {"what": self.study.strategy, "told": told}
        if not told:
            told = [f"proposed: {self.walk.chosen.name}"]
        return {**walk_as_data(self.walk), "what": self.study.strategy, "told": told}


def studies(settings: Settings) -> list[ParameterStudy]:
    """Return a study for each strategy that trades."""
    return [_study(each.name, settings) for each in settings.strategies.traded]


def _study(name: str, settings: Settings) -> ParameterStudy:
    kind = installed().strategies.get(name)
    if kind is None:
        return ParameterStudy(strategy=name, why_not=installed().why_not(name))
    if kind.needs.text:
        return ParameterStudy(strategy=name, why_not="it needs stories, which bars do not hold")
    if kind.needs.models:
        own = texts_of_settings(settings, _THRESHOLDS)
        bounds = {item.metadata["name"]: item.metadata for item in fields(PolicySettings) if "name" in item.metadata}
        varied = [(key, text) for key in own for text in _neighbours(float(own[key]), float, bounds[key])]
        return ParameterStudy(
            strategy=name, sets=(own, *({**own, key: text} for key, text in varied)), needs_models=True
        )
    given = settings.strategies.parameters_of(name)
    try:
        current = load(name, given)
    except StrategyError as error:
        return ParameterStudy(strategy=name, why_not=str(error))
    sets = [given]
    for item in parameters_of(kind):
        value = getattr(current, item.name)
        sets += [{**given, item.name: text} for text in _neighbours(value, type(item.default), item.metadata)]
    return ParameterStudy(
        strategy=name, sets=tuple({_PARAMETERS: _text(name, kind, one)} for one in _sound(name, sets))
    )


def _neighbours(value: float, kind: type, bounds: Mapping[str, Any]) -> list[str]:
    """Return a quarter less and a quarter more, within bounds and as texts; of zero, a twentieth of what they span."""
    step = abs(value) * _STEP or (bounds["high"] - bounds["low"]) / 20
    step = max(1, round(step)) if kind is int else step
    found = [min(max(value + sign * step, bounds["low"]), bounds["high"]) for sign in (-1, 1)]
    return [str(int(each)) if kind is int else f"{each:.6g}" for each in found if each != value]


def _sound(name: str, sets: Iterable[Mapping[str, str]]) -> Iterable[Mapping[str, str]]:
    """Leave out what the strategy refuses, as a fast mean slower than the slow one."""
    for each in sets:
        try:
            load(name, each)
        except StrategyError:
            continue
        yield each


def _text(name: str, kind: type[Strategy], given: Mapping[str, str]) -> str:
    """All parameters of a strategy as GATEHOUSE_STRATEGY_PARAMETERS spells them: never empty, equal only if equal."""
    values = {**{item.name: str(item.default) for item in parameters_of(kind)}, **given}
    return " ".join(f"{name}.{key}={value}" for key, value in values.items())


def reasons_against(found: Walk) -> tuple[str, ...]:
    """Return what speaks against the chosen set; the first trial is what is in force."""
    own, chosen = found.trials[0], found.chosen
    if chosen.name == own.name:
        return ("what is in force was best",)
    earned = _earned(own, found)
    reasons = [
        (
            not found.probability >= SHOWN_SHARE,
            f"deflated Sharpe probability {found.probability:.2f} of {SHOWN_SHARE:g}",
        ),
        (
            not found.overfitting <= OVERFITTING_MAX,
            f"overfitting probability {found.overfitting:.2f} of {OVERFITTING_MAX:g}",
        ),
        (found.total_return <= earned, f"its windows earned {found.total_return:+.2%}, what is in force {earned:+.2%}"),
        (chosen.trades < MIN_TRIPS, f"{chosen.trades} trades, fewer than {MIN_TRIPS}"),
    ]
    return tuple(reason for speaks, reason in reasons if speaks)


def _earned(trial: Trial, found: Walk) -> float:
    """What a set earned in the windows of a walk-forward."""
    first = trial.dates.index(found.choices[0].since)
    return float(np.prod(1 + np.array(trial.returns[first:])) - 1)


def retirement(found: Sequence[Cohort], settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Return settings without what decayed, and what can be said of it.

    A session in which every strategy that traded there has decayed is left out, and so is a strategy that has decayed
    wherever it traded; never all of them. One cohort among others asks a person about every entry from then on.
    """
    lost = [each for each in found if each.is_decayed]
    traded, entered = settings.strategies.traded, settings.policy.entry_sessions
    gone = {each.name for each in traded if _all_lost(cohort for cohort in found if cohort.strategy == each.name)}
    gone = gone if len(gone) < len(traded) else set()
    left = [each for each in found if each.strategy not in gone]
    closed = {session for session in entered if _all_lost(each for each in left if each.session == session)}
    closed = closed if len(closed) < len(entered) else set()
    values = {}
    if gone:
        values[_STRATEGIES] = " ".join(str(each) for each in traded if each.name not in gone)
    if closed:
        values[_SESSIONS] = " ".join(session for session in entered if session not in closed)
    alone = [each for each in lost if each.strategy not in gone and each.session not in closed]
    if alone:
        known = {(each.strategy, each.session): each for each in settings.strategies.automations}
        named = {(each.strategy, each.session) for each in alone}
        made = [StrategyAutomation(strategy=s, session=at, automation=Automation.ALERT_ONLY) for s, at in sorted(named)]
        kept = [each for key, each in known.items() if key not in named and each.strategy not in gone]
        values[_AUTOMATION] = " ".join(map(str, (*kept, *made)))
    told = [f"{each}; proposed to {'alert only' if each in alone else 'be left'}" for each in lost]
    return values, told


def _all_lost(found: Iterable[Cohort]) -> bool:
    those = list(found)
    return bool(those) and all(each.is_decayed for each in those)


def changes(settings: Settings, findings: Sequence[StudyFinding]) -> dict[str, str]:
    """Return what the findings that nothing speaks against change."""
    values: dict[str, str] = {}
    parameters = {each.name: settings.strategies.parameters_of(each.name) for each in settings.strategies.traded}
    for each in findings:
        if each.walk is None or each.against:
            continue
        for name, text in each.walk.chosen.values.items():
            if name == _PARAMETERS:
                own = each.study.strategy
                defaults = {f"{item.name}={item.default}" for item in parameters_of(installed().strategies[own])}
                parts = [part.removeprefix(f"{own}.") for part in text.split()]
                parameters[own] = dict(part.split("=") for part in parts if part not in defaults)
                values[name] = ""
            else:
                values[name] = text
    if _PARAMETERS in values:
        texts = [f"{own}.{key}={value}" for own, given in parameters.items() for key, value in given.items()]
        values[_PARAMETERS] = " ".join(texts)
    before = texts_of_settings(settings, values)
    return {name: text for name, text in values.items() if text and text != before[name]}


def proposal_of(
    settings: Settings,
    carried: Mapping[str, str],
    changed: Mapping[str, str],
    findings: Sequence[StudyFinding],
    **named: Any,
) -> ParameterSet | None:
    """Return the month's one set, with the figures of what it rests on; None where nothing changes.

    Parameters
    ----------
    settings : Settings
        In force.
    carried : mapping of str to str
        What the accepted set changes: the new one takes its place.
    named
        `name`, `created_at` and `blob`.
    """
    if not changed:
        return None
    figures = {
        f"{each.study.strategy}.{name}": value
        for each in findings
        if each.walk is not None and not each.against
        for name, value in each.walk.figures().items()
    }
    values = {**carried, **changed}
    return ParameterSet(
        name=named["name"],
        created_at=named["created_at"],
        proposed_by="monthly governance",
        values=values,
        evidence=Evidence(blob=named["blob"], figures=figures),
        replaces=texts_of_settings(settings, values),
    )
