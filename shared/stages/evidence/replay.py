"""Replay: a case decided again from its stored inputs, by the code that runs now, and held against what was recorded.

Nothing is asked of broker or market. Features are computed from the stored bars, models asked by version, policy,
sizing and gates run on the stored facts under the stored settings; each result must equal the recorded one, to the last
bit on the same kind of processor. On another one numpy and onnxruntime run other code, which may round otherwise:
floats may then be apart by a tolerance, and nothing else may. What differs is told part by part, with both values:
another revision of the code may differ for good reasons, the same one may not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.contracts.cases import (
    FEATURE_TOLERANCE,
    FEATURE_TOLERANCE_AT_ZERO,
    SCORE_TOLERANCE,
    Case,
    Replay,
    ReplayCheck,
    SliceInputs,
)
from shared.contracts.messages import Signal
from shared.contracts.records import Container
from shared.core.committee.values import Deliberation
from shared.core.errors import ContractError, GatehouseError, TransientError
from shared.core.features import ALL_FEATURE_NAMES, FEATURE_NAMES, SymbolDay, latest_features
from shared.core.ids import digest
from shared.core.market import BASIS_POINTS, Bars, FloatArray, Quote, Timeframe
from shared.core.packing import unpack
from shared.core.policy import PolicyCode, is_priceable
from shared.core.risk import refusals
from shared.core.values import Symbol
from shared.decision.entries import Decision, decide, intent_of
from shared.decision.opinions import Opinion, Scene, models_of, opinions, signal_of
from shared.ports import ModelArchive, Ports
from shared.stages.base.technical import reports_in
from shared.stages.entry.deliberate import deliberated_again
from shared.stages.evidence.case_parts import vector
from shared.strategies.catalogue import traded

SHOWN = 5
"""Features named where vectors differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """A slice scored again."""

    document: SliceInputs
    scene: Scene
    features: FloatArray
    opinions: Sequence[Opinion]

    def of(self, symbol: Symbol, strategy: str) -> tuple[FloatArray, Opinion]:
        row = self.features[self.document.symbols.index(symbol)]
        found = (o for o in self.opinions if o.item.symbol == symbol and o.strategy == strategy)
        opinion = next(found, None)
        if opinion is None:
            raise ValueError(f"{strategy} is not among the strategies that the slice was shown to")
        return row, opinion


class Replayer:
    """Replays cases. A slice that several cases share is scored once.

    Parameters
    ----------
    ports : Ports
        Only clock, blobs, codec and history are used: no broker, no market, no champion.
    archive : ModelArchive
    """

    def __init__(self, ports: Ports, archive: ModelArchive) -> None:
        self._ports = ports
        self._archive = archive
        self._last: tuple[str, _Scored] | None = None

    def replay(self, case: Case) -> Replay:
        """Decide a case again.

        Raises
        ------
        TransientError
            If storage does not answer. Inputs that are gone or broken are a difference, not an error.
        """
        checks = tuple(self._checks(case))
        return Replay(at=self._ports.clock.now(), code_revision=self._ports.code_revision, checks=checks)

    def _checks(self, case: Case) -> Iterator[ReplayCheck]:
        signal = case.inputs.signal
        try:
            scored = self._scored(case)
            reports = reports_in(self._ports, scored.document, case.symbol) if case.technical else None
        except TransientError:
            raise
        except (GatehouseError, ValueError) as error:
            yield ReplayCheck(
                name="inputs", equal=False, recorded=case.inputs.features_blob or "none", replayed=str(error)
            )
        else:
            yield ReplayCheck(name="inputs", equal=True)
            yield from self._score_checks(case, scored)
            if case.technical is not None:  # older files have none
                yield self._values("technical reports", case.technical, reports)
            if signal is not None:
                opinion = scored.of(case.symbol, case.strategy)[1]
                again = signal_of(scored.scene, opinion) if opinion.code is PolicyCode.ENTER else None
                check = self._values("signal", signal, again)
                yield check
                # What this processor makes of the signal must come to the same size and the same verdicts.
                signal = again if again is not None and check.close else signal
                if case.inputs.facts is not None and case.inputs.facts.committee is not None:
                    yield self._committee_check(case.inputs.facts.committee, case.inputs.signal, scored.document)
        if case.decision is not None:
            yield from self._gate_checks(case, signal)

    def _scored(self, case: Case) -> _Scored:
        """Score the slice of a case again from its stored bars."""
        blob = case.inputs.features_blob
        if blob is None:
            raise ValueError("nothing was kept: the slice was not scored")
        if self._last is not None and self._last[0] == blob:
            return self._last[1]
        stored = self._ports.blobs.get(Container.FEATURES, blob)
        if stored is None:
            raise ValueError(f"{Container.FEATURES}/{blob} is gone")
        if (found := digest(stored.value)) != case.inputs.features_sha256:
            raise ValueError(f"{Container.FEATURES}/{blob} was changed: sha256 {found}")
        scored = self._score_again(self._ports.codec.decode(SliceInputs, unpack(stored.value)), blob)
        self._last = (blob, scored)
        return scored

    def _score_again(self, document: SliceInputs, blob: str) -> _Scored:
        pasts = self._ports.history.pasts(document.history_blob, document.day)
        today = self._ports.history.bars(document.bars_blob).get(Timeframe.MIN_5, {})

        def items(symbols: Sequence[Symbol]) -> tuple[SymbolDay, ...]:
            if missing := [s for s in symbols if s not in pasts]:
                raise ValueError(f"{document.history_blob} lacks {', '.join(missing)}")
            return tuple(SymbolDay(past=pasts[s], today=today.get(s, Bars.empty())) for s in symbols)

        predictors = {used.name: self._archive.version(used.name, used.version) for used in document.models}
        for used in document.models:
            if (found := predictors[used.name].card.sha256) != used.sha256:
                raise ValueError(f"model {used.name}/{used.version} was changed: sha256 {found}")
        scene = Scene(
            on=document.on,
            slot=document.slot,
            message_id=document.message_id,
            day=document.day,
            now=document.at,
            settings=document.settings,
            models=models_of(predictors, document.model_fault),
            features_blob=blob,
            entered=document.entered,
            texts=document.texts,
        )
        days = items(document.symbols)
        texts = document.texts if document.names == ALL_FEATURE_NAMES else None
        features = latest_features(days, items(document.market_symbols), document.day, texts=texts, at=document.at)
        found_opinions = opinions(scene, traded(document.settings.strategies), days, features, document.quotes)
        return _Scored(document=document, scene=scene, features=features, opinions=found_opinions)

    def _score_checks(self, case: Case, scored: _Scored) -> Iterator[ReplayCheck]:
        row, opinion = scored.of(case.symbol, case.strategy)
        kept = vector(scored.document.rows[scored.document.symbols.index(case.symbol)])
        yield _vectors(scored.document.names, kept, row)
        scores, score = case.scores, opinion.advice.score
        recorded = [scores.p_up, scores.p_none, scores.p_down, scores.edge, scores.expected_move_bp]
        move_bp = None if score is None else score.expected_move * float(BASIS_POINTS)
        found = [None] * 5 if score is None else [score.p_up, score.p_none, score.p_down, score.edge, move_bp]
        yield _near("scores", recorded, found, SCORE_TOLERANCE, SCORE_TOLERANCE)
        yield _same("policy", scores.policy, opinion.code.value)
        if scores.regime is not None:
            regime = opinion.advice.regime.regime
            yield _same("regime", scores.regime, regime.value if regime else "unknown")
        if scores.price_usd is not None:
            said = [scores.price_usd, scores.cost_bp]
            yield _same("price and cost", said, [_known(v) for v in (opinion.price, opinion.cost_bp)])
            atr = [_known(opinion.atr)]
            yield _near("ATR", [scores.atr_usd], atr, FEATURE_TOLERANCE, FEATURE_TOLERANCE_AT_ZERO)

    def _committee_check(self, recorded: Deliberation, signal: Signal | None, inputs: SliceInputs) -> ReplayCheck:
        """What the committee came to, from the records of its answers: nobody is asked."""
        assert signal is not None, "no committee without a signal"
        try:
            again = deliberated_again(recorded, signal, inputs, self._ports)
        except (ContractError, ValueError) as error:
            return ReplayCheck(name="committee", equal=False, recorded=str(recorded.factor), replayed=str(error))
        one, other = (
            [found.factor, found.why, *((each.role, each.answer, each.fault) for each in found.outcomes)]
            for found in (recorded, again)
        )
        return _same("committee", one, other)

    def _gate_checks(self, case: Case, signal: Signal | None) -> Iterator[ReplayCheck]:
        recorded, inputs = case.decision, case.inputs
        if recorded is None or signal is None:
            yield ReplayCheck(name="facts", equal=False, recorded="none", replayed="the signal was not kept")
            return
        if recorded.verdict == "expired":
            yield _same("verdict", True, recorded.decided_at >= signal.expires_at)
            return
        if not recorded.gates and recorded.refused_by == ("SPREAD",):  # as versions before recorded it
            yield _same("verdict", "refused", "refused" if not _is_priceable(case) else "priceable")
            return
        if inputs.facts is None or inputs.settings is None:
            yield ReplayCheck(name="facts", equal=False, recorded="none", replayed="the gates' facts were not kept")
            return
        try:
            decided = decide(signal, inputs.facts, inputs.settings)
        except ValueError as error:
            yield ReplayCheck(name="gates", equal=False, recorded=recorded.verdict, replayed=str(error))
            return
        yield from self._decision_checks(case, decided)

    def _decision_checks(self, case: Case, decided: Decision) -> Iterator[ReplayCheck]:
        recorded, settings, prices = case.decision, case.inputs.settings, decided.prices
        if recorded is None or settings is None:
            return
        sized = decided.sized
        bounds = {} if sized is None else {bound.value: qty for bound, qty in sized.bounds.items()}
        yield _same(
            "size",
            [recorded.qty, recorded.bound, dict(recorded.bounds or {})],
            [None, None, bounds] if sized is None else [sized.qty, sized.binding.value, bounds],
        )
        yield _same(
            "prices",
            [recorded.limit_usd, recorded.worst_usd, recorded.stop_usd, recorded.target_usd],
            [None] * 4 if prices is None else [prices.limit, prices.worst, prices.stop, prices.target],
        )
        verdicts = {verdict.gate: verdict for verdict in decided.verdicts}
        for said in recorded.gates:  # older code had fewer: what both know is compared, whatever stands between
            found = verdicts.get(said.gate, said)
            if said != found:
                yield self._texts(f"gate {said.gate}", said, found)
        yield _same("gates", len(recorded.gates), len(decided.verdicts))
        yield _same("refused by", list(recorded.refused_by), [str(gate) for gate in refusals(decided.verdicts)])
        intent = intent_of(decided, settings) if decided.is_approved else None
        yield self._values("intent", recorded.intent, intent)

    def _texts(self, name: str, recorded: object, replayed: object) -> ReplayCheck:
        """Compare by the one spelling that a value has."""
        return _same(name, self._ports.codec.encode(recorded), self._ports.codec.encode(replayed))

    def _values[T](self, name: str, recorded: T | None, replayed: T | None) -> ReplayCheck:
        """Compare by the one spelling, in which floats may be close."""
        one, other = ("none" if value is None else self._ports.codec.encode(value) for value in (recorded, replayed))
        both = recorded is not None and replayed is not None
        return _same(name, one, other, is_close=both and one != other and _is_alike(json.loads(one), json.loads(other)))


def _is_priceable(case: Case) -> bool:
    decision = case.decision
    if decision is None or decision.bid_usd is None or decision.ask_usd is None:
        return False
    quote = Quote(
        symbol=case.symbol,
        bid=decision.bid_usd,
        ask=decision.ask_usd,
        bid_size=0,
        ask_size=0,
        at=decision.decided_at,
    )
    return is_priceable(quote)


def _vectors(names: Sequence[str], recorded: FloatArray, replayed: FloatArray) -> ReplayCheck:
    """Compare two feature vectors; features that differ are named with both values, those beyond tolerance alone."""
    if tuple(names) not in {FEATURE_NAMES, ALL_FEATURE_NAMES}:
        changed = sorted(set(names) ^ set(FEATURE_NAMES))
        text = f"the code knows other features: {', '.join(changed[:SHOWN])}"
        return ReplayCheck(name="features", equal=False, recorded=f"{len(names)} features", replayed=text)
    apart = np.flatnonzero(recorded.view(np.uint64) != replayed.view(np.uint64))
    near = np.isclose(replayed, recorded, rtol=FEATURE_TOLERANCE, atol=FEATURE_TOLERANCE_AT_ZERO, equal_nan=True)
    beyond = np.flatnonzero(~near)
    if not apart.size:
        return ReplayCheck(name="features", equal=True)
    shown = beyond if beyond.size else apart
    said, found = (
        ", ".join(f"{names[k]}={values[k]!r}" for k in shown[:SHOWN]) + (", ..." if shown.size > SHOWN else "")
        for values in (recorded.tolist(), replayed.tolist())
    )
    return ReplayCheck(name="features", equal=False, close=not beyond.size, recorded=said, replayed=found)


def _near(
    name: str, recorded: Sequence[float | None], replayed: Sequence[float | None], relative: float, absolute: float
) -> ReplayCheck:
    """Compare floats; None is equal to None alone."""
    is_close = recorded != replayed and all(
        one == other
        or (one is not None and other is not None and math.isclose(one, other, rel_tol=relative, abs_tol=absolute))
        for one, other in zip(recorded, replayed, strict=True)
    )
    return _same(name, recorded, replayed, is_close=is_close)


def _is_alike(one: object, other: object) -> bool:
    """Whether two JSON values are the same but for floats, and those within the tolerance of scores."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=SCORE_TOLERANCE, abs_tol=SCORE_TOLERANCE)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    return one == other


def _same(name: str, recorded: object, replayed: object, *, is_close: bool = False) -> ReplayCheck:
    if recorded == replayed:
        return ReplayCheck(name=name, equal=True)
    return ReplayCheck(name=name, equal=False, close=is_close, recorded=str(recorded), replayed=str(replayed))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
