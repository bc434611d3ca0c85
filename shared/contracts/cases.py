"""What a decision leaves behind: the inputs it stood on, and the case file that tells its whole story.

`SliceInputs` is the blob that the score stage writes for each slice of candidates: everything its opinions rest on,
bars and past by name of blobs whose names carry their content's hash. `Case` is
`cases/YYYY-MM-DD/{decision_id}.json`, written when the story has ended: docs/CASES.md describes it for readers.

Money and prices in USD as Decimal, scores and features as float64, basis points (`_bp`) as float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from shared.contracts.messages import OrderIntent, Signal
from shared.core.market import Quote, TradingDay
from shared.core.portfolio import Entered
from shared.core.risk import Facts, Verdict
from shared.core.settings import DecisionSettings
from shared.core.technical import TechnicalReports
from shared.core.text.narratives import Narrative
from shared.core.text.stories import Story, SymbolText
from shared.core.values import ZERO, Symbol, require, require_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """A model that gave an opinion; `sha256` is that of its ONNX bytes, as its card says."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceInputs:
    """Container features, `YYYY-MM-DD/HHMM/{message_id}.json`: what the opinions on one slice rest on.

    Attributes
    ----------
    at : datetime
        The stage's now: sessions, ages and lateness were judged at it.
    day : TradingDay
    names : tuple of str
        Features, in the order of the columns.
    symbols : tuple of Symbol
        The slice's symbols with a history, in the order of the rows.
    rows : tuple of tuple of (float or None)
        The exact vectors: shortest float64 text that reads back to the same bits, None for NaN.
    market_symbols : tuple of Symbol
        The market's own symbols with a history, in their order.
    quotes : mapping of Symbol to Quote
    history_blob, bars_blob : str
        In container bars: the past, and today's closed 5-minute bars of symbols and market symbols.
    model_fault : str
        Why no model could be asked; empty: they were.
    settings_id : str
        Hash of `settings`.
    entered : mapping of strategy to (mapping of Symbol to Entered)
        What strategies that look at their positions held of the symbols.
    texts : mapping of Symbol to SymbolText
        What the news said of the symbols, where a strategy reads it.
    """

    schema_id: str = "features.v2"
    message_id: str
    on: date
    slot: str
    at: datetime
    day: TradingDay
    names: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    rows: tuple[tuple[float | None, ...], ...]
    market_symbols: tuple[Symbol, ...]
    quotes: Mapping[Symbol, Quote]
    history_blob: str
    bars_blob: str
    models: tuple[ModelUsed, ...]
    model_fault: str
    settings_id: str
    settings: DecisionSettings
    entered: Mapping[str, Mapping[Symbol, Entered]] = field(default_factory=dict)
    texts: Mapping[Symbol, SymbolText] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.schema_id == "features.v2", "schema_id", self.schema_id, "features.v2")
        require_utc("at", self.at)
        require(len(self.rows) == len(self.symbols), "rows", len(self.rows), "one for each symbol")


class CaseEnding(StrEnum):
    """How a decision's story ended, or where it stands."""

    SCORED = "scored"
    EXPIRED = "expired"
    REFUSED = "refused"
    RUNNING = "running"
    NOT_BOUGHT = "not-bought"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature moved: the score less the score with the feature at its reference value.

    `value` and `reference` are None where the feature is missing. `edge` is in probability (p_up - p_down),
    `expected_move_bp` in basis points.
    """

    feature: str
    value: float | None
    reference: float | None
    edge: float
    expected_move_bp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScores:
    """What the models and the policy said. Absent figures were not to be had (see `faults`)."""

    policy: str
    faults: str
    scored_at: datetime
    p_up: float | None = None
    p_none: float | None = None
    p_down: float | None = None
    edge: float | None = None
    expected_move_bp: float | None = None
    cost_bp: float | None = None
    price_usd: float | None = None
    atr_usd: float | None = None
    bid_usd: Decimal | None = None
    ask_usd: Decimal | None = None
    regime: str | None = None
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseText:
    """What the news said when it was decided, and what the strategy made of it.

    Attributes
    ----------
    stories : tuple of Story
        Those that were known, of the last 24 hours, and older ones that the narrative quotes.
    narrative : Narrative or None
        The one that was known, whatever its status.
    reason : str
        The strategy's code for why it enters.
    figures : mapping of str to float
        What the strategy rests on, by its own names.
    fault : str
        Why there is no text, or why it could not be relied on.
    """

    stories: tuple[Story, ...] = ()
    narrative: Narrative | None = None
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""

    def story(self, story_id: str) -> Story | None:
        """Return one of the stories; None where it is not kept."""
        return next((story for story in self.stories if story.story_id == story_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInputs:
    """Where the inputs are kept, each with its content's hash, and those that are kept here.

    `signal`, `facts` and `settings` are what the gate stage judged on, whole; None where it never came so far.
    """

    features_blob: str | None
    features_sha256: str | None
    bars_blob: str | None
    history_blob: str | None
    models: tuple[ModelUsed, ...]
    parameter_set: str | None
    settings_id: str | None
    signal: Signal | None = None
    facts: Facts | None = None
    settings: DecisionSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDecision:
    """What the gates made of it. `bounds` are what each bound of sizing would allow, in units."""

    verdict: str
    refused_by: tuple[str, ...]
    decided_at: datetime
    gates: tuple[Verdict, ...] = ()
    qty: Decimal | None = None
    bound: str | None = None
    bounds: Mapping[str, Decimal] | None = None
    bid_usd: Decimal | None = None
    ask_usd: Decimal | None = None
    arrival_usd: Decimal | None = None
    limit_usd: Decimal | None = None
    worst_usd: Decimal | None = None
    stop_usd: Decimal | None = None
    target_usd: Decimal | None = None
    equity_usd: Decimal | None = None
    intent_id: str | None = None
    intent: OrderIntent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOrder:
    """One order at the broker, as last seen."""

    order_id: str
    client_order_id: str
    role: str
    status: str
    qty: Decimal
    filled_qty: Decimal
    average_usd: Decimal | None
    limit_usd: Decimal | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFill:
    """One growth of an order's fills; `slippage_bp` positive is worse, None where nothing was planned."""

    role: str
    side: str
    qty: Decimal
    price_usd: Decimal
    session: str
    slippage_bp: float | None
    occurred_at: datetime
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStep:
    """One step of the lifecycle, from the journal."""

    seq: int
    at: datetime
    command: str
    phase: str
    note: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """What came of it. Moves are of the price since arrival, in basis points, up is positive.

    Attributes
    ----------
    arrival_usd : Decimal
        Mid at the decision (last close for what was never gated).
    after_15m_bp, after_60m_bp : float or None
        Last close at or before that time; None until the bars are there. They say what the price did, bought or not.
    entry_usd, exit_usd : Decimal or None
        Average paid and got.
    entry_slippage_bp : float or None
        Average paid over the arrival price; positive is worse.
    at_exit_bp : float or None
        Average got over the arrival price.
    best_bp, worst_bp : float or None
        Highest high and lowest low from the first fill to the last, over the average paid.
    realised_usd : Decimal or None
        Before fees.
    """

    arrival_usd: Decimal | None = None
    after_15m_bp: float | None = None
    after_60m_bp: float | None = None
    qty: Decimal = ZERO
    entry_usd: Decimal | None = None
    exit_usd: Decimal | None = None
    entry_slippage_bp: float | None = None
    at_exit_bp: float | None = None
    best_bp: float | None = None
    worst_bp: float | None = None
    held_min: float | None = None
    exit_reason: str | None = None
    realised_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBars:
    """The day's 5-minute bars of the symbol, for the chart: `start_s` in UTC epoch seconds, one value per bar."""

    start_s: tuple[int, ...] = ()
    open: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    close: tuple[float, ...] = ()
    volume: tuple[float, ...] = ()


SCORE_TOLERANCE = 1e-6
"""How far a replayed score may be from the recorded one, of 1 or of the score itself: some units of a float32."""
FEATURE_TOLERANCE = 1e-8
"""The same of a feature, of its own size: a sixth of what float32, as models take features, can tell apart."""
FEATURE_TOLERANCE_AT_ZERO = 1e-11
"""What may be left of a feature that cancels out."""
WITHIN_TOLERANCE = "equal in decisions, scores within 1e-6"
"""What to say of a replay that agrees and is not equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCheck:
    """One thing that a replay compared: equal, close, or different, then with what was recorded and what came out.

    It is close where floats alone are apart, by no more than their tolerance, as on another processor.
    """

    name: str
    equal: bool
    close: bool = False
    recorded: str = ""
    replayed: str = ""

    def __post_init__(self) -> None:
        require(not (self.equal and self.close), "close", self.close, "false where equal")

    @property
    def differs(self) -> bool:
        """Neither equal nor close."""
        return not (self.equal or self.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay found."""

    at: datetime
    code_revision: str
    checks: tuple[ReplayCheck, ...]

    @property
    def equal(self) -> bool:
        """The same decision, bit for bit."""
        return all(check.equal for check in self.checks)

    @property
    def agrees(self) -> bool:
        """The same decision: texts, amounts and verdicts equal, floats equal or close."""
        return not self.differences

    @property
    def differences(self) -> tuple[ReplayCheck, ...]:
        """Checks that came out otherwise."""
        return tuple(check for check in self.checks if check.differs)

    @property
    def within_tolerance(self) -> tuple[ReplayCheck, ...]:
        """Checks that are close and not equal."""
        return tuple(check for check in self.checks if check.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`cases/YYYY-MM-DD/{decision_id}.json`: one decision from its inputs to its outcome.

    `decision` is None where policy saw no reason to ask the gates, `replay` where the nightly sample passed it by,
    `text` in a file of older code, `technical` there and where the slice's inputs or bars are gone.
    """

    schema_id: str = "case.v1"
    decision_id: str
    on: date
    slot: str
    symbol: Symbol
    strategy: str
    session: str | None
    ending: CaseEnding
    made_at: datetime
    code_revision: str
    inputs: CaseInputs
    scores: CaseScores
    text: CaseText | None = None
    technical: TechnicalReports | None = None
    decision: CaseDecision | None = None
    phase: str | None = None
    orders: tuple[CaseOrder, ...] = ()
    journal: tuple[CaseStep, ...] = ()
    fills: tuple[CaseFill, ...] = ()
    outcome: OrderOutcome
    bars: ChartBars
    replay: Replay | None = None

    def __post_init__(self) -> None:
        require(self.schema_id == "case.v1", "schema_id", self.schema_id, "case.v1")
        require_utc("made_at", self.made_at)

    @property
    def decided_at(self) -> datetime:
        """When the gates decided; of what they were never asked, when it was scored."""
        return self.decision.decided_at if self.decision else self.scores.scored_at


def case_blob(on: date, decision_id: str) -> str:
    """`YYYY-MM-DD/{decision_id}.json` in container cases."""
    return f"{on.isoformat()}/{decision_id}.json"
