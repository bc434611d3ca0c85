"""Clients of Azure Storage: built from settings, one for each name, and a write creates what is missing."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.request import getproxies

from shared.adapters.azure_errors import translated
from shared.contracts.settings import StorageSettings

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
RETRIES = 2
"""Repeats of what may be repeated (reads, unconditional writes). A conditional write is sent once: repeated after
a lost answer it would meet its own effect and report a conflict."""

ONCE: dict[str, Any] = {"retry_total": 0}
LINEAR: dict[str, Any] = {"backoff": 1, "retry_total": RETRIES, "random_jitter_range": 0}
"""Arguments of a `LinearRetry`, of which each SDK has its own."""

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_QUIET = logging.getLogger("gatehouse.storage")
_QUIET.setLevel(logging.WARNING)  # the SDK would log every request at INFO, which Application Insights bills


def service_client(cls: Any, settings: StorageSettings, service: str, **retry: Any) -> Any:
    """Return a client of one of storage's services, entered by connection string or by the app's identity."""
    options = {
        "connection_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "logger": _QUIET,
        # Else every request looks through the environment for what is not there.
        "use_env_settings": bool(getproxies()) or any(name in os.environ for name in _CERTIFICATES),
        **retry,
    }
    if settings.connection:
        return cls.from_connection_string(settings.connection, **options)
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    endpoint = f"https://{settings.account_name}.{service}.core.windows.net"
    return cls(endpoint, credential=DefaultAzureCredential(), **options)


class NamedClients[C](ABC):
    """One client for each table, or container; a write creates what is missing."""

    kind: ClassVar[str]
    """What the names are of."""

    def __init__(self) -> None:
        self._clients: dict[str, C] = {}

    @abstractmethod
    def _connect(self, name: str) -> C:
        """Make the client of a name that is allowed."""

    @abstractmethod
    def _create(self, client: C) -> None:
        """Create a client's table or container. Raises ResourceExistsError."""

    @abstractmethod
    def _is_there(self, error: Exception) -> bool:
        """Whether a ResourceExistsError says that it can be used: one that is being deleted exists too."""

    def ensure(self, names: Iterable[str]) -> None:
        """Create those that are missing."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        for name in names:
            client = self._client(name)
            with translated(f"create {self.kind} {name}"):
                try:
                    self._create(client)
                except ResourceExistsError as error:
                    if not self._is_there(error):
                        raise

    def _client(self, name: str) -> C:
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self._connect(name)
        return client

    def _write(self, name: str, write: Callable[[C], object]) -> None:
        """Write; a 404 can only mean that the table or container is missing."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - not on the cold path

        client = self._client(name)
        try:
            write(client)
        except HttpResponseError as error:
            if error.status_code != 404:
                raise
            self.ensure([name])
            write(client)
