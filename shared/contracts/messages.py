"""One message class per edge between stages: frozen, versioned, checked where it is built.

Delivery is at least once and unordered. Every id is a hash of logical content, so the same decision always travels
under the same name and a duplicate is seen for what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.core.ids import hash_id
from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.notices import Severity as Severity  # noqa: PLC0414 - part of this module, for who makes notices
from shared.core.sessions import Session
from shared.core.settings import FIRST_STRATEGY
from shared.core.sizing import Basis
from shared.core.text.addresses import MAX_ADDRESS
from shared.core.text.stories import MAX_TEXT
from shared.core.values import (
    Side,
    Symbol,
    require,
    require_at_least,
    require_fraction,
    require_positive,
    require_symbol,
    require_utc,
)

MAX_SLICE = 25
"""Symbols per candidates message: one execution is billed at least a second, so it should carry a second's work."""
MAX_STORIES = 50
"""Stories of one message."""
MAX_MODELS = 8
"""Models that one opinion rests on."""
MAX_TITLE, MAX_BODY = 200, 8000
"""Characters of one notice."""
MAX_LINKS = 4
"""Links of one notice: yes, no, and where to read more."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BLOB = re.compile(r"(?=.{1,256}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def _require_id(name: str, value: str) -> None:
    """An id that becomes part of table keys, blob names and lifecycle ids."""
    require(_ID.fullmatch(value) is not None, name, value[:80], "1 to 64 letters, digits, dashes and underscores")


def _require_blob(name: str, value: str) -> None:
    """The name of a blob of ours: a relative path that leads nowhere else."""
    require(_BLOB.fullmatch(value) is not None, name, value[:80], "a blob name of at most 256 characters")


def _require_name(name: str, value: str) -> None:
    """A short text for people."""
    require(0 < len(value) <= 64, name, value[:80], "1 to 64 characters")


def _require_slot(value: str) -> None:
    require(len(value) == 4 and value.isascii() and value.isdigit(), "slot", value[:80], "HHMM, New York time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every message carries.

    `correlation_id` follows a decision through the whole pipeline, `causation_id` is the message (or run) that caused
    this one. After `expires_at` the message is recorded and dropped.
    """

    message_id: str
    correlation_id: str
    causation_id: str
    decided_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        _require_id("message_id", self.message_id)
        for name in ("correlation_id", "causation_id"):
            _require_name(name, getattr(self, name))
        require_utc("decided_at", self.decided_at)
        require_utc("expires_at", self.expires_at)
        require(self.decided_at < self.expires_at, "expires_at", self.expires_at, f"after decided_at {self.decided_at}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSlice(Envelope):
    """scan -> score: up to 25 symbols of the watchlist to be scored together."""

    schema_id: Literal["candidates.v1"] = "candidates.v1"
    on: date
    slot: str
    symbols: tuple[Symbol, ...]
    watchlist_blob: str
    history_blob: str

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        require(1 <= len(self.symbols) <= MAX_SLICE, "symbols", len(self.symbols), f"1 to {MAX_SLICE} symbols")
        require(len(set(self.symbols)) == len(self.symbols), "symbols", self.symbols, "free of repeats")
        for symbol in self.symbols:
            require_symbol("symbols", symbol)
        _require_slot(self.slot)
        _require_blob("watchlist_blob", self.watchlist_blob)
        _require_blob("history_blob", self.history_blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStory:
    """A news item as a feed gave it, cleaned, with the symbols that it is about."""

    story_id: str
    published_at: datetime
    source: str
    headline: str
    summary: str = ""
    url: str = ""
    symbols: tuple[Symbol, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        _require_id("story_id", self.story_id)
        require_utc("published_at", self.published_at)
        _require_name("source", self.source)
        require(0 < len(self.headline) <= MAX_TEXT, "headline", len(self.headline), f"1 to {MAX_TEXT} characters")
        require(len(self.summary) <= MAX_TEXT, "summary", len(self.summary), f"at most {MAX_TEXT} characters")
        require(len(self.url) <= MAX_ADDRESS, "url", len(self.url), f"at most {MAX_ADDRESS} characters")
        require(1 <= len(self.symbols) <= MAX_SLICE, "symbols", len(self.symbols), f"1 to {MAX_SLICE} symbols")
        for symbol in self.symbols:
            require_symbol("symbols", symbol)
        require_fraction("weight", self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryBatch(Envelope):
    """news -> read_stories: what one look at the feeds has found; `decided_at` is when it was received."""

    schema_id: Literal["stories.v1"] = "stories.v1"
    on: date
    stories: tuple[FoundStory, ...]

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        require(1 <= len(self.stories) <= MAX_STORIES, "stories", len(self.stories), f"1 to {MAX_STORIES} stories")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoriesOf:
    """A symbol, and the new stories of it that ask for a narrative."""

    symbol: Symbol
    story_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require(1 <= len(self.story_ids) <= MAX_STORIES, "story_ids", len(self.story_ids), f"1 to {MAX_STORIES}")
        for story_id in self.story_ids:
            _require_id("story_ids", story_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrativeRequest(Envelope):
    """read_stories -> narrate: symbols with new stories; when each has its narrative, they are scored."""

    schema_id: Literal["narratives.v1"] = "narratives.v1"
    on: date
    asked: tuple[StoriesOf, ...]

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        require(1 <= len(self.asked) <= MAX_SLICE, "asked", len(self.asked), f"1 to {MAX_SLICE} symbols")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Envelope):
    """score -> gate: a strategy's opinion that policy wants to act on.

    Prices in USD per share. `expected_move` is a fraction of price, before costs. `atr` is the 5-minute average
    true range. A strategy without models gives no probabilities and no expected move; one that names stop, target or
    time limit does so exactly, the settings' own hold where it names none.
    """

    schema_id: Literal["signal.v1"] = "signal.v1"
    decision_id: str
    on: date
    slot: str
    symbol: Symbol
    strategy: str
    session: Session
    reference_price: Decimal
    atr: Decimal
    adv_shares: int
    daily_volatility: float
    p_up: float | None = None
    p_none: float | None = None
    p_down: float | None = None
    expected_move: float | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    hold_min: int | None = None
    features_blob: str
    model_versions: tuple[str, ...]
    parameter_set: str

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        _require_id("decision_id", self.decision_id)
        _require_slot(self.slot)
        _require_name("strategy", self.strategy)
        _require_blob("features_blob", self.features_blob)
        _require_name("parameter_set", self.parameter_set)
        require(
            len(self.model_versions) <= MAX_MODELS, "model_versions", len(self.model_versions), f"at most {MAX_MODELS}"
        )
        for version in self.model_versions:
            require(0 < len(version) <= 128, "model_versions", version[:80], "1 to 128 characters each")
        require_symbol("symbol", self.symbol)
        require_positive("reference_price", self.reference_price)
        require_positive("atr", self.atr)
        require_at_least("adv_shares", self.adv_shares, 0)
        require_at_least("daily_volatility", self.daily_volatility, 0)
        self._check_scores()
        for name in ("stop_price", "target_price"):
            if getattr(self, name) is not None:
                require_positive(name, getattr(self, name))
        if self.hold_min is not None:
            require_at_least("hold_min", self.hold_min, 1)

    def _check_scores(self) -> None:
        """All of them or none."""
        if self.p_up is None or self.p_none is None or self.p_down is None or self.expected_move is None:
            found = (self.p_up, self.p_none, self.p_down, self.expected_move)
            require(not any(value is not None for value in found), "scores", found, "all or none")
            return
        for name in ("p_up", "p_none", "p_down"):
            require_fraction(name, getattr(self, name))
        total = self.p_up + self.p_none + self.p_down
        require(abs(total - 1) < 1e-3, "p_up + p_none + p_down", total, "1")
        require(abs(self.expected_move) < 1, "expected_move", self.expected_move, "a fraction of price")

    @property
    def p_win(self) -> float | None:
        """Probability of up given that a barrier is touched; None of a strategy that gives none."""
        if self.p_up is None or self.p_down is None:
            return None
        touched = self.p_up + self.p_down
        return self.p_up / touched if touched > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent(Envelope):
    """gate -> execute: a sized, approved decision that the broker has not seen. Prices in USD per unit of the asset.

    `qty` is in units of the asset, in steps of its `lot`.

    `worst_price` bounds every repricing of the entry. `exit_by` is the time limit of the position. Where `approve_by`
    is set, a person must approve before then, and `basis` is what the size is worked out from again after it.
    `account_id` is the broker's account that it was decided for; empty in one of older code.
    """

    schema_id: Literal["order-intent.v2"] = "order-intent.v2"
    intent_id: str
    decision_id: str
    strategy: str = FIRST_STRATEGY
    on: date
    symbol: Symbol
    side: Side
    session: Session
    qty: Decimal
    arrival_price: Decimal
    limit_price: Decimal
    worst_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    exit_by: datetime
    approve_by: datetime | None = None
    basis: Basis | None = None
    lot: Lot = WHOLE_SHARES
    account_id: str = ""
    parameter_set: str

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        require(len(self.account_id) <= 64, "account_id", self.account_id[:80], "at most 64 characters")
        _require_id("intent_id", self.intent_id)
        _require_id("decision_id", self.decision_id)
        _require_name("strategy", self.strategy)
        _require_name("parameter_set", self.parameter_set)
        require_symbol("symbol", self.symbol)
        require(self.side is Side.BUY, "side", self.side, "buy (long only)")
        require_positive("qty", self.qty)
        require_positive("arrival_price", self.arrival_price)
        require_positive("stop_price", self.stop_price)
        require_utc("exit_by", self.exit_by)
        if self.approve_by is not None:
            require_utc("approve_by", self.approve_by)
        ordered = self.stop_price < self.limit_price <= self.worst_price < self.target_price
        found = (self.stop_price, self.limit_price, self.worst_price, self.target_price)
        require(ordered, "prices", found, "stop < limit <= worst < target")

    @property
    def notional(self) -> Decimal:
        """Most that the entry can cost, in USD."""
        return self.worst_price * self.qty

    @property
    def risk(self) -> Decimal:
        """Loss at the stop if bought at the worst price, in USD."""
        return (self.worst_price - self.stop_price) * self.qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something that the reader of a notice may open. The address may carry a signature: it is never logged."""

    label: str
    url: str

    def __post_init__(self) -> None:
        _require_name("label", self.label)
        is_web = self.url.startswith(("https://", "http://")) and self.url.isprintable() and " " not in self.url
        require(is_web and len(self.url) <= 2048, "url", self.url[:30], "a web address of at most 2048 characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """What a person reads of a notice, plain text: each channel shows it in its own way."""

    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Envelope):
    """any stage -> notify: something a person should read. `kind` groups notices of one sort."""

    schema_id: Literal["notice.v1"] = "notice.v1"
    kind: str
    severity: Severity
    title: str
    body: str
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        Envelope.__post_init__(self)
        _require_name("kind", self.kind)
        require(0 < len(self.title) <= MAX_TITLE, "title", self.title[:50], f"1 to {MAX_TITLE} characters")
        require(len(self.body) <= MAX_BODY, "body", len(self.body), f"at most {MAX_BODY} characters")
        require(len(self.links) <= MAX_LINKS, "links", len(self.links), f"at most {MAX_LINKS}")


type Message = StoryBatch | NarrativeRequest | CandidateSlice | Signal | OrderIntent | Notice


def intent_id_of(decision_id: str) -> str:
    """Id of the one intent that a decision can become; the lifecycle's instance id too."""
    return hash_id("intent", decision_id)
