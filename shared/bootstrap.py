"""The one composition root: settings -> adapters -> ports. Nothing else builds an adapter.

Each adapter is built at its first use, so that indexing the functions costs no imports and a stage pays only for what
it needs. A broken setting is told, with all problems at once, by the first function that runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.redaction import redact_logs
from shared.contracts.settings import Environment, Settings, parse_settings, secrets_of
from shared.core.errors import SettingsError

if TYPE_CHECKING:
    from shared.adapters.telemetry import Telemetry
    from shared.ports import (
        BlobStore,
        Broker,
        Calendar,
        Clock,
        Codec,
        Feeds,
        HistoryStore,
        LanguageModel,
        MarketData,
        ModelArchive,
        Models,
        Notifier,
        PoisonQueues,
        RowExporter,
        TableStore,
        TextModels,
    )
    from shared.stages.operator.parameters import ActiveSettings

UNKNOWN_REVISION = "unknown"


class JsonCodec:
    """The codec as a port."""

    def encode(self, value: object) -> str:
        """Return the one JSON spelling of a value."""
        from shared.adapters.codec import encode_json

        return encode_json(value).decode()

    def decode[T](self, cls: type[T], text: str | bytes) -> T:
        """Return the value. Raises ContractError naming field, expected and found."""
        from shared.adapters.codec import decode_json

        return decode_json(cls, text)


class App:
    """The ports on their real adapters.

    Parameters
    ----------
    environment : mapping of str to str
        Settings as text, as the Functions host gives them.

    Raises
    ------
    SettingsError
        Naming every setting that cannot be used.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.settings: Settings = parse_settings(environment)
        redact_logs(secrets_of(self.settings))
        self.code_revision: str = self.settings.code_revision or UNKNOWN_REVISION
        self.codec: Codec = JsonCodec()

    @cached_property
    def clock(self) -> Clock:
        """The machine's clock, or the sandbox's."""
        from shared.adapters.clock import FileClock, SystemClock

        return FileClock(Path(self.settings.clock_file)) if self.settings.clock_file else SystemClock()

    @cached_property
    def calendar(self) -> Calendar:
        """XNYS."""
        from shared.adapters.calendar import XnysCalendar

        return XnysCalendar()

    @cached_property
    def telemetry(self) -> Telemetry:
        """Lines in the log, and OpenTelemetry where it is configured."""
        from shared.adapters.azure_monitor import configured_meter
        from shared.adapters.telemetry import Telemetry

        return Telemetry(configured_meter(self.settings))

    @cached_property
    def tables(self) -> TableStore:
        """Azure Tables."""
        from shared.adapters.tables import AzureTables
        from shared.adapters.telemetry import ObservedTables

        return ObservedTables(AzureTables(self.settings.storage), self.telemetry)

    @cached_property
    def blobs(self) -> BlobStore:
        """Azure Blobs."""
        from shared.adapters.blobs import AzureBlobs

        return AzureBlobs(self.settings.storage)

    @cached_property
    def queues(self) -> PoisonQueues:
        """Azure Queues, seen from outside."""
        from shared.adapters.queues import AzureQueues

        return AzureQueues(self.settings.storage)

    @cached_property
    def history(self) -> HistoryStore:
        """Parquet in Blob."""
        from shared.adapters.history import BlobHistory

        return BlobHistory(self.blobs)

    @cached_property
    def market(self) -> MarketData:
        """Alpaca's market data."""
        from shared.adapters.alpaca import AlpacaMarketData

        return AlpacaMarketData(self.settings.broker, self.clock, tell=self.telemetry.unread)

    @cached_property
    def broker(self) -> Broker:
        """The Alpaca account."""
        from shared.adapters.alpaca import AlpacaBroker

        broker = AlpacaBroker(self.settings.broker)
        if self.settings.broker.environment is Environment.LIVE:
            found = broker.account().account_id
            if found != self.settings.broker.allow_live:
                raise SettingsError(f"GATEHOUSE_ALLOW_LIVE must be the id of the account that the keys open, {found!r}")
        return broker

    @cached_property
    def models(self) -> Models:
        """ONNX models from Blob."""
        from shared.adapters.scorer import OnnxModels
        from shared.adapters.telemetry import ObservedModels

        is_sandbox = self.settings.broker.environment is Environment.SANDBOX
        models = OnnxModels(self.blobs, self.clock, accept_synthetic=is_sandbox)
        return ObservedModels(models, self.telemetry, self.clock.now) if self.telemetry.is_measuring else models

    @cached_property
    def archive(self) -> ModelArchive:
        """Every published version of a model."""
        from shared.adapters.archive import OnnxArchive

        return OnnxArchive(self.blobs)

    @cached_property
    def texts(self) -> TextModels:
        """Models of text from Blob."""
        from shared.adapters.texts import OnnxTextModels

        is_sandbox = self.settings.broker.environment is Environment.SANDBOX
        return OnnxTextModels(self.blobs, self.clock, accept_synthetic=is_sandbox)

    @cached_property
    def language(self) -> LanguageModel:
        """The language model, where one is configured."""
        from shared.adapters.absent import NoLanguage

        if not self.settings.language.url:
            return NoLanguage()
        from shared.adapters.language import ChatCompletions

        is_sandbox = self.settings.broker.environment is Environment.SANDBOX
        return ChatCompletions(self.settings.language, is_sandbox=is_sandbox)

    @cached_property
    def feeds(self) -> Feeds:
        """RSS and Atom feeds."""
        from shared.adapters.feeds import HttpFeeds

        return HttpFeeds(self.settings, self.clock)

    @cached_property
    def exporter(self) -> RowExporter:
        """Table rows as parquet."""
        from shared.adapters.export import ParquetRows

        return ParquetRows()

    @cached_property
    def notifier(self) -> Notifier:
        """The log, and apprise."""
        from shared.adapters.notices import AppriseNotifier

        return AppriseNotifier(self.settings.notices)


class ActiveSet(App):
    """The same adapters, built once, under the settings in force.

    What a function works with from its first line to its last: a parameter set that is accepted meanwhile is the next
    one's.
    """

    def __init__(self, base: App, settings: Settings) -> None:
        self.base = base
        self.settings = settings
        self.code_revision = base.code_revision
        self.codec = base.codec


def _of_base(name: str) -> property:
    return property(lambda self: getattr(self.base, name))


for _name, _member in list(vars(App).items()):
    if isinstance(_member, cached_property):
        setattr(ActiveSet, _name, _of_base(_name))


class Process:
    """The app of this process, built from the environment at the first call, under the parameter set in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: App | None = None
        self._active: ActiveSettings | None = None

    def __call__(self) -> App:
        """Return the app. Storage is asked which set is in force, every few minutes at most."""
        from shared.stages.operator.parameters import active_settings

        own = self.own
        with self._lock:
            self._active = active_settings(own, own.settings, self._active)
            return ActiveSet(own, self._active.settings)

    @property
    def own(self) -> App:
        """The app under its own settings, as deployed."""
        with self._lock:
            if self._own is None:
                self._own = App(os.environ)
            return self._own

    @property
    def parameter_fault(self) -> str:
        """Why the accepted parameter set is not the one in force; empty where it is."""
        return self._active.fault if self._active else ""

    def look_again(self) -> None:
        """Ask storage at the next call, whatever the last look's age: a set has just been accepted here."""
        with self._lock:
            if self._active is not None:
                self._active = replace(self._active, looked_at=datetime.min.replace(tzinfo=UTC))

    def cache_clear(self) -> None:
        """Forget everything, as a new process would."""
        with self._lock:
            self._own = self._active = None


app = Process()
