"""Where state lives."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where state lives. One of connection string or account URL prefix is the Functions host's own setting."""

    connection: str = setting(
        "AzureWebJobsStorage",
        "",
        "storage connection string (Azurite); empty: identity is used",
        why="One of the two must be there; the Functions host reads them too",
        secret=True,
    )
    account_name: str = setting(
        "AzureWebJobsStorage__accountName",
        "",
        "storage account for identity-based access; empty: connection string",
        why="Access by the app's identity, with no key to keep",
    )
