"""Case files: one decision from its inputs to its outcome, put together from tables and blobs.

They are written by a job after the day's end, not by the order path: a file at each order's close would add reads and
writes to the very steps that must be quick, cost a query per table and order where a day's rows can be read at once,
and be written again anyway when the later outcomes are known. Who wants one earlier gets it on demand.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from shared.contracts.cases import (
    Case,
    CaseInputs,
    CaseScores,
    CaseText,
    Contribution,
    SliceInputs,
)
from shared.contracts.messages import Signal
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.core.case_figures import occlusion
from shared.core.errors import ContractError, GatehouseError
from shared.core.features import ALL_FEATURE_NAMES, FEATURE_NAMES
from shared.core.ids import digest
from shared.core.market import BASIS_POINTS, FloatArray, Timeframe
from shared.core.order_states import OrderState
from shared.core.packing import unpack
from shared.core.risk import Facts
from shared.core.settings import DecisionSettings
from shared.core.technical import TechnicalReports
from shared.core.text.novelty import NOVELTY_WITHIN
from shared.core.text.stories import Story, SymbolText
from shared.core.values import Symbol, parse_utc
from shared.ports import ModelArchive, Ports, Row
from shared.stages.base.incidents import BROKEN
from shared.stages.base.technical import reports_in
from shared.stages.evidence.case_parts import (
    Seen,
    chart_of,
    decision_of,
    ending_of,
    fill_of,
    float_of,
    money_of,
    number_or_none,
    orders_of,
    outcome_of,
    step_of,
    text_of,
    usual_values,
    vector,
)
from shared.stages.narrative.records import STORY_COLUMNS, story_of
from shared.strategies.catalogue import installed

CONTRIBUTIONS = 8
"""Features named in a case, the largest movers first."""

QUOTED_DAYS = NOVELTY_WITHIN.days
"""Days before its own from which a decision's narrative may quote stories."""

_AFTER_SYMBOL = "}"
"""Sorts after the bar that ends a symbol in a row key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecords:
    """A day's rows by what they belong to, each table read once."""

    on: date
    signals: Mapping[str, Row]
    decisions: Mapping[str, Row]
    orders: Mapping[str, Row]
    journal: Mapping[str, tuple[Row, ...]]
    fills: Mapping[str, tuple[Row, ...]]


def day_records(ports: Ports, on: date, symbol: Symbol | None = None) -> DayRecords:
    """Read a day's rows, of one symbol or of all. Orders go by decision, journal and fills by intent."""
    key_from, key_to = ("", "") if symbol is None else (symbol_key(symbol, ""), symbol_key(symbol) + _AFTER_SYMBOL)

    def rows(table: Table) -> list[Row]:
        return [row for _, row in ports.tables.query(table, str(on), key_from=key_from, key_to=key_to)]

    def grouped(table: Table) -> dict[str, tuple[Row, ...]]:
        groups: dict[str, list[Row]] = {}
        for row in rows(table):
            groups.setdefault(str(row["intent_id"]), []).append(row)
        return {intent_id: tuple(group) for intent_id, group in groups.items()}

    return DayRecords(
        on=on,
        signals={str(row["decision_id"]): row for row in rows(Table.SIGNALS)},
        decisions={str(row["decision_id"]): row for row in rows(Table.DECISIONS)},
        orders={str(row["decision_id"]): row for row in rows(Table.ORDERS)},
        journal=grouped(Table.JOURNAL),
        fills=grouped(Table.FILLS),
    )


class CaseMaker:
    """Makes cases of one day. What several share (the inputs of a slice, a model) is read once.

    Parameters
    ----------
    ports : Ports
        Only clock, tables, blobs, codec and history are used: no broker, no market.
    archive : ModelArchive
    records : DayRecords
    seen : Seen, optional
        Bars of the day. Without them, those that the last slice with the symbol had.
    """

    def __init__(self, ports: Ports, archive: ModelArchive, records: DayRecords, seen: Seen | None = None) -> None:
        self._ports = ports
        self._archive = archive
        self._records = records
        self._seen = seen
        self._slices: dict[str, tuple[SliceInputs, str] | None] = {}
        self._older: Mapping[str, Story] | None = None

    def case(self, decision_id: str) -> Case:
        """Put a case together.

        Raises
        ------
        ContractError
            If nothing is known of the decision.
        """
        scored, decided = self._records.signals.get(decision_id), self._records.decisions.get(decision_id)
        base = decided or scored
        if base is None:
            raise ContractError(f"decision {decision_id} is not on record on {self._records.on}")
        symbol = Symbol(str(base["symbol"]))
        inputs = self._inputs(scored, decided)
        scores = self._scores(inputs, scored, decided, symbol)
        decision = decision_of(self._ports, decided) if decided else None
        order = self._records.orders.get(decision_id)
        state = self._ports.codec.decode(OrderState, str(order["state"])) if order else None
        intent_id = state.plan.intent_id if state else ""
        fills = tuple(sorted(map(fill_of, self._records.fills.get(intent_id, ())), key=lambda fill: fill.occurred_at))
        seen = self._bars_of(symbol)
        return Case(
            decision_id=decision_id,
            on=self._records.on,
            slot=str(base["slot"]),
            symbol=symbol,
            strategy=str(base["strategy"]),
            session=text_of(base.get("session")),
            ending=ending_of(decision, state),
            made_at=self._ports.clock.now(),
            code_revision=str(base.get("code_revision") or ""),
            inputs=inputs,
            scores=scores,
            text=self._text(inputs, scored, str(base["strategy"]), symbol),
            technical=self._technical(inputs.features_blob, symbol),
            decision=decision,
            phase=state.phase.value if state else None,
            orders=orders_of(state) if state else (),
            journal=tuple(map(step_of, self._records.journal.get(intent_id, ()))),
            fills=fills,
            outcome=outcome_of(scores, decision, state, fills, symbol=symbol, seen=seen),
            bars=chart_of(seen.of(symbol)),
        )

    def _inputs(self, scored: Row | None, decided: Row | None) -> CaseInputs:
        """Where the inputs are. The gate's word on the blob counts: a slice may have been scored again since."""
        row = decided or scored or {}
        blob = text_of(row.get("features_blob"))
        known = self._slice(blob)
        document, sha256 = known if known else (None, None)
        codec = self._ports.codec
        signal, facts, settings = ((decided or {}).get(name) for name in ("signal", "facts", "settings"))
        return CaseInputs(
            features_blob=blob,
            features_sha256=sha256,
            bars_blob=document.bars_blob if document else None,
            history_blob=document.history_blob if document else None,
            models=document.models if document else (),
            parameter_set=text_of(row.get("parameter_set")),
            settings_id=text_of(row.get("settings_id")) or (document.settings_id if document else None),
            signal=codec.decode(Signal, str(signal)) if signal else None,
            facts=codec.decode(Facts, str(facts)) if facts else None,
            settings=codec.decode(DecisionSettings, str(settings)) if settings else None,
        )

    def _slice(self, blob: str | None) -> tuple[SliceInputs, str] | None:
        """A slice's inputs and the hash of their bytes, None where they are gone or of another schema."""
        if blob is None:
            return None
        if blob not in self._slices:
            self._slices[blob] = self._read_slice(blob)
        return self._slices[blob]

    def _read_slice(self, blob: str) -> tuple[SliceInputs, str] | None:
        stored = self._ports.blobs.get(Container.FEATURES, blob)
        if stored is None:
            return None
        with suppress(ContractError):
            return self._ports.codec.decode(SliceInputs, unpack(stored.value)), digest(stored.value)
        return None

    def _scores(self, inputs: CaseInputs, scored: Row | None, decided: Row | None, symbol: Symbol) -> CaseScores:
        is_same = scored is not None and scored.get("features_blob") == inputs.features_blob
        signal = inputs.signal
        gives_none = scored.get("p_up") is None if scored and is_same else signal is not None and signal.p_up is None
        contributions = () if gives_none else self._contributions(inputs.features_blob, symbol)
        if scored is not None and is_same:
            return CaseScores(
                policy=str(scored["policy"]),
                faults=str(scored.get("faults") or ""),
                scored_at=parse_utc(str(scored["scored_at"])),
                contributions=contributions,
                p_up=float_of(scored.get("p_up")),
                p_none=float_of(scored.get("p_none")),
                p_down=float_of(scored.get("p_down")),
                edge=float_of(scored.get("edge")),
                expected_move_bp=float_of(scored.get("expected_move_bp")),
                cost_bp=float_of(scored.get("cost_bp")),
                price_usd=float_of(scored.get("price_usd")),
                atr_usd=float_of(scored.get("atr_usd")),
                bid_usd=money_of(scored.get("bid_usd")),
                ask_usd=money_of(scored.get("ask_usd")),
                regime=text_of(scored.get("regime")),
            )
        if signal is None:
            at = parse_utc(str((decided or {})["decided_at"]))
            return CaseScores(policy="", faults="", scored_at=at, contributions=contributions)
        return CaseScores(
            policy="ENTER",
            faults="",
            scored_at=signal.decided_at,
            p_up=signal.p_up,
            p_none=signal.p_none,
            p_down=signal.p_down,
            edge=None if signal.p_up is None or signal.p_down is None else signal.p_up - signal.p_down,
            expected_move_bp=None if signal.expected_move is None else signal.expected_move * float(BASIS_POINTS),
            contributions=contributions,
        )

    def _text(self, inputs: CaseInputs, scored: Row | None, strategy: str, symbol: Symbol) -> CaseText:
        """What the news said, from the slice's inputs; what the strategy made of it, from its row."""
        known = self._slice(inputs.features_blob)
        found = known[0].texts.get(symbol) if known else None
        row: Row = scored if scored is not None and scored.get("features_blob") == inputs.features_blob else {}
        figures = self._ports.codec.decode(dict[str, float], str(row.get("figures") or "{}"))
        text = found or SymbolText()
        return CaseText(
            stories=(*self._quoted(text), *text.stories),
            narrative=text.narrative,
            reason=str(row.get("reason") or ""),
            figures=figures,
            fault=text.fault if found and reads_news(strategy) else _why_no_text(strategy, is_kept=known is not None),
        )

    def _quoted(self, text: SymbolText) -> list[Story]:
        """Stories that a narrative quotes and that are older than those that were known of the last day."""
        answer = text.narrative.answer if text.narrative else None
        wanted = {quote.story_id for quote in answer.quotes} if answer else set()
        wanted -= {story.story_id for story in text.stories}
        if wanted and self._older is None:
            self._older = self._recent_stories()
        return [story for story_id, story in (self._older or {}).items() if story_id in wanted]

    def _recent_stories(self) -> dict[str, Story]:
        """Stories of the last days by id, as far as they can be read."""
        found: dict[str, Story] = {}
        for back in range(QUOTED_DAYS, -1, -1):
            on = str(self._records.on - timedelta(days=back))
            for _, row in self._ports.tables.query(Table.STORIES, on, columns=STORY_COLUMNS):
                with suppress(*BROKEN):
                    story = story_of(row)
                    found[story.story_id] = story
        return found

    def _technical(self, blob: str | None, symbol: Symbol) -> TechnicalReports | None:
        """The reports on the bars that the opinion rests on; None where these cannot be had."""
        known = self._slice(blob)
        if known is not None:
            with suppress(ContractError):
                return reports_in(self._ports, known[0], symbol)
        return None

    def _contributions(self, blob: str | None, symbol: Symbol) -> tuple[Contribution, ...]:
        known = self._slice(blob)
        if known is None or symbol not in known[0].symbols:
            return ()
        document = known[0]
        if document.names not in {FEATURE_NAMES, ALL_FEATURE_NAMES}:
            return ()
        versions = {used.name: used.version for used in document.models}
        if not {SIGNAL_MODEL, MOVE_MODEL} <= versions.keys():
            return ()
        try:
            signal, move = (self._archive.version(name, versions[name]) for name in (SIGNAL_MODEL, MOVE_MODEL))
        except GatehouseError:
            return ()
        row = vector(document.rows[document.symbols.index(symbol)])
        reference = usual_values(signal.card, document.names)
        up, down = SIGNAL_CLASSES.index("up"), SIGNAL_CLASSES.index("down")

        def predict(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            chances = signal.predict(rows)
            return chances[:, up] - chances[:, down], move.predict(rows)[:, 0]

        return tuple(
            Contribution(
                feature=document.names[shift.index],
                value=number_or_none(row[shift.index]),
                reference=number_or_none(reference[shift.index]),
                edge=shift.edge,
                expected_move_bp=shift.expected_move * float(BASIS_POINTS),
            )
            for shift in occlusion(row, reference, predict, most=CONTRIBUTIONS)
        )

    def _bars_of(self, symbol: Symbol) -> Seen:
        """The day's bars of a symbol: those given, else what its last slice had."""
        if self._seen is not None:
            return self._seen
        blobs = [
            (str(row["scored_at"]), str(row["features_blob"]))
            for row in self._records.signals.values()
            if row["symbol"] == symbol and row.get("features_blob")
        ]
        known = self._slice(max(blobs)[1]) if blobs else None
        if known is None:
            return Seen(bars={}, until=self._ports.clock.now())
        bars = self._ports.history.bars(known[0].bars_blob).get(Timeframe.MIN_5, {})
        return Seen(bars=bars, until=known[0].at)


def reads_news(strategy: str) -> bool:
    """Whether a strategy of that name is known here and reads the news."""
    found = installed().strategies.get(strategy)
    return found is not None and found.needs.text


def _why_no_text(strategy: str, *, is_kept: bool) -> str:
    if not reads_news(strategy):
        return f"{strategy} reads no news"
    return "nothing was shown of the news" if is_kept else "the inputs of the slice are not kept"
