"""The ports that the stages get: the real codec and memory adapters, the broker and market of the simulation."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from types import NoneType
from typing import Any

from shared.adapters.codec import decode_json, encode_json
from shared.contracts.messages import Notice, Severity
from shared.contracts.settings import NoticeChannel, Settings, parse_settings
from shared.core.errors import InvariantError
from shared.core.values import iso
from shared.core.wording import Words
from shared.ports import BlobStore, Broker, Calendar, Clock, Codec, HistoryStore, MarketData, ModelState, TableStore

_KEPT = 3000
_CHECK_EVERY = 97


class SimClock:
    """Shows what the simulation sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the simulated instant."""
        return self.at


_PLAIN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, encode_basestring),
    (NoneType, lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (int, repr),
    (float, repr),
    (Decimal, lambda value: f'"{value:f}"'),
    (datetime, lambda value: f'"{iso(value)}"'),
    (date, lambda value: f'"{value.isoformat()}"'),
)
"""How plain values are spelled, by the first type that fits."""


class MemoCodec:
    """The real codec's texts and values, at less cost: what was spelled or read before is remembered.

    Values are frozen, so the same object has the same text, and the same text is the same value. One call in
    `_CHECK_EVERY` asks the real codec too and compares.
    """

    def __init__(self) -> None:
        self._spellers: dict[type, Callable[[Any], str]] = {}
        self._texts: dict[int, tuple[object, str]] = {}
        self._values: dict[tuple[type, str], Any] = {}
        self._calls = 0

    def encode(self, value: object) -> str:
        """Return the one JSON spelling of a value."""
        text = self._spell(value)
        self._calls += 1
        if self._calls % _CHECK_EVERY == 0 and encode_json(value).decode() != text:
            raise InvariantError(f"{type(value).__name__} is spelled otherwise by the real codec")
        self._keep(type(value), text, value)
        return text

    def decode[T](self, cls: type[T], text: str | bytes) -> T:
        """Return the value."""
        spelled = text if isinstance(text, str) else text.decode()
        known: T | None = self._values.get((cls, spelled))
        if known is None:
            known = decode_json(cls, spelled)
            self._keep(cls, spelled, known)
            return known
        self._calls += 1
        if self._calls % _CHECK_EVERY == 0 and decode_json(cls, spelled) != known:
            raise InvariantError(f"{cls.__name__} was changed after it was encoded")
        return known

    def _keep(self, cls: type, text: str, value: object) -> None:
        if len(self._values) > _KEPT:
            self._values.clear()
        self._values[cls, text] = value

    def _spell(self, value: Any) -> str:
        speller = self._spellers.get(type(value))
        if speller is None:
            speller = self._spellers[type(value)] = self._speller_of(type(value))
        return speller(value)

    def _speller_of(self, cls: type) -> Callable[[Any], str]:
        """How values of a type are spelled: looked up once for each type, not once for each value."""
        plain = next((spell for kind, spell in _PLAIN if issubclass(cls, kind)), None)
        if plain is not None:
            return plain
        if issubclass(cls, Mapping):
            return self._spell_mapping
        if issubclass(cls, Sequence):
            return self._spell_sequence
        return self._dataclass_speller(cls)

    def _spell_mapping(self, value: Mapping[str, Any]) -> str:
        return "{" + ",".join([f"{encode_basestring(k)}:{self._spell(value[k])}" for k in sorted(value)]) + "}"

    def _spell_sequence(self, value: Sequence[Any]) -> str:
        return "[" + ",".join([self._spell(each) for each in value]) + "]"

    def _dataclass_speller(self, cls: Any) -> Callable[[Any], str]:
        names = tuple((name, f'"{name}":') for name in sorted(field.name for field in dataclasses.fields(cls)))
        texts, spell = self._texts, self._spell

        def spell_dataclass(value: Any) -> str:
            known = texts.get(id(value))
            if known is not None and known[0] is value:
                return known[1]
            text = "{" + ",".join([f"{label}{spell(getattr(value, name))}" for name, label in names]) + "}"
            if len(texts) > _KEPT:
                texts.clear()
            texts[id(value)] = (value, text)
            return text

        return spell_dataclass


class SimModels:
    """Models that are trusted: the gate asks no more of them."""

    def current(self, name: str) -> ModelState:
        """Return a healthy state; scoring is no part of the simulation."""
        return ModelState(predictor=_Trusted())  # type: ignore[arg-type]


class _Trusted:
    """Stands for a model whose scores came with the signal."""


class SimNotifier:
    """A phone that nobody looks at."""

    def log(self, notice: Notice) -> None:
        """Take it."""

    def deliver(self, channel: NoticeChannel, words: Words, severity: Severity) -> None:
        """Take it."""


@dataclass(slots=True, kw_only=True)
class SimPorts:
    """`shared.ports.Ports` of the simulation."""

    settings: Settings
    clock: Clock
    calendar: Calendar
    tables: TableStore
    blobs: BlobStore
    codec: Codec
    history: HistoryStore
    market: MarketData
    broker: Broker
    models: SimModels
    notifier: SimNotifier
    code_revision: str = "simulation"


_FIXED = {
    "ALPACA_ENVIRONMENT": "sandbox",
    "ALPACA_KEY_ID": "simulation",
    "ALPACA_SECRET_KEY": "simulation",
    "ALPACA_TRADING_URL": "http://127.0.0.1:1",
    "ALPACA_DATA_URL": "http://127.0.0.1:1",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}

REGULAR_HOURS = "REG-AM REG-MID REG-PM"

_VARIED = {
    "GATEHOUSE_MAX_POSITIONS": ("2", "3", "5", "10"),
    "GATEHOUSE_HOLD_MAX_MIN": ("3", "10", "20", "60"),
    "GATEHOUSE_ENTRY_PATIENCE_S": ("10", "30"),
    "GATEHOUSE_ENTRY_POLL_S": ("2", "5"),
    "GATEHOUSE_MAX_REPRICES": ("0", "1", "3"),
    "GATEHOUSE_COOLDOWN_MIN": ("1", "15"),
    "GATEHOUSE_GROSS_EXPOSURE_MAX_FRACTION": ("0.25", "1.0"),
    "GATEHOUSE_SYMBOL_EXPOSURE_MAX_FRACTION": ("0.05", "0.1"),
    "GATEHOUSE_DAY_LOSS_MAX_FRACTION": ("0.002", "0.03", "0.03"),
    "GATEHOUSE_DRAWDOWN_MAX_FRACTION": ("0.003", "0.05", "0.05"),
    "GATEHOUSE_ENTRY_SESSIONS": (REGULAR_HOURS, REGULAR_HOURS, f"PRE {REGULAR_HOURS} AFT"),
    "GATEHOUSE_GUARD_POLL_S": ("5", "10", "30"),
    "GATEHOUSE_ADV_MAX_EXTENDED_FRACTION": ("0.001", "0.01"),
    "GATEHOUSE_APPROVAL_FRACTION": ("0.5", "0.5", "0.03"),
    "GATEHOUSE_APPROVAL_WAIT_MIN": ("1", "5"),
    "GATEHOUSE_SYMBOL_GROUPS": ("", "ONE: SA SB SC; TWO: SD SE SF"),
    "GATEHOUSE_GROUP_EXPOSURE_MAX_FRACTION": ("0.12", "0.3"),
    "GATEHOUSE_DAY_TRADES_MAX": ("0", "0", "3"),
    "GATEHOUSE_DAY_TRADES_BELOW_USD": ("200000",),
}


LONG_HOLD_SHARE = 0.15
"""Share of seeds whose positions may stand for hours."""


def settings_of(rng: random.Random, later: random.Random) -> Settings:
    """Settings of a seed: tight limits and loose ones, so that every gate is reached by some seeds.

    What is drawn from `later` moves none of the draws of `rng`.
    """
    varied = {name: rng.choice(values) for name, values in _VARIED.items()}
    if later.random() < LONG_HOLD_SHARE:
        varied["GATEHOUSE_HOLD_MAX_MIN"] = "150"
    return parse_settings({**_FIXED, **varied})
