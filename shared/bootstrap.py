"""The one composition root: settings -> adapters -> ports. Nothing else builds an adapter.

Each adapter is built at its first use, so that indexing the functions costs no imports and a stage pays only for what
it needs. A broken setting is told, with all problems at once, by the first function that runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contracts.settings import Environment, Settings, parse_settings
from shared.core.errors import SettingsError

if TYPE_CHECKING:
    from shared.ports import (
        BlobStore,
        Broker,
        Calendar,
        Clock,
        Codec,
        HistoryStore,
        MarketData,
        Models,
        Notifier,
        TableStore,
    )

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
    def tables(self) -> TableStore:
        """Azure Tables."""
        from shared.adapters.tables import AzureTables

        return AzureTables(self.settings.storage)

    @cached_property
    def blobs(self) -> BlobStore:
        """Azure Blobs."""
        from shared.adapters.blobs import AzureBlobs

        return AzureBlobs(self.settings.storage)

    @cached_property
    def history(self) -> HistoryStore:
        """Parquet in Blob."""
        from shared.adapters.history import BlobHistory

        return BlobHistory(self.blobs)

    @cached_property
    def market(self) -> MarketData:
        """Alpaca's market data."""
        from shared.adapters.alpaca import AlpacaMarketData

        return AlpacaMarketData(self.settings.broker, self.clock)

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

        is_sandbox = self.settings.broker.environment is Environment.SANDBOX
        return OnnxModels(self.blobs, self.clock, accept_synthetic=is_sandbox)

    @cached_property
    def notifier(self) -> Notifier:
        """Structured log."""
        from shared.adapters.notices import LogNotifier

        return LogNotifier()


@cache
def app() -> App:
    """Return this process's app, built from the environment at the first call."""
    return App(os.environ)
