"""Which storage accounts can be looked into: one profile per environment, out of environment variables.

Each environment (sandbox, paper, live) has three variables:

- `GATEHOUSE_DASHBOARD_{ENVIRONMENT}_STORAGE`: a storage connection string, or
- `GATEHOUSE_DASHBOARD_{ENVIRONMENT}_ACCOUNT`: a storage account's name, entered with the identity of who runs this;
- `GATEHOUSE_DASHBOARD_{ENVIRONMENT}_API`: the function app's address, only for acts (replay, accept). May be absent.

With none of them, the sandbox on Azurite's standard ports is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.settings import Environment, StorageSettings
from shared.contracts.settings.address import address_of
from shared.core.errors import SettingsError

PREFIX = "GATEHOUSE_DASHBOARD"
PARTS = ("STORAGE", "ACCOUNT", "API")
EMULATOR = "UseDevelopmentStorage=true"
EMULATOR_API = "http://127.0.0.1:7071"
"""Where `make serve` and `func start` listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageEnvironment:
    """One environment: where its storage is, and where its app listens (empty: unknown)."""

    environment: Environment
    storage: StorageSettings
    api: str = ""

    @property
    def name(self) -> str:
        """Its name as shown and as it stands in addresses."""
        return self.environment.value


def variable(environment: Environment, part: str) -> str:
    """Name of one environment variable."""
    return f"{PREFIX}_{environment.value.upper()}_{part}"


VARIABLES = tuple(variable(environment, part) for environment in Environment for part in PARTS)
"""All that are read."""


def profiles_from(source: Mapping[str, str]) -> tuple[StorageEnvironment, ...]:
    """Read the profiles, in the order sandbox, paper, live.

    Raises
    ------
    SettingsError
        If an environment names both ways to its storage or only its app, or an app's address is not one.
    """
    found = [profile for environment in Environment if (profile := _profile(environment, source))]
    if found:
        return tuple(found)
    return (
        StorageEnvironment(
            environment=Environment.SANDBOX, storage=StorageSettings(connection=EMULATOR), api=EMULATOR_API
        ),
    )


def _profile(environment: Environment, source: Mapping[str, str]) -> StorageEnvironment | None:
    names = {part: variable(environment, part) for part in PARTS}
    connection, account, api = (source.get(names[part], "").strip() for part in PARTS)
    if not (connection or account or api):
        return None
    if bool(connection) == bool(account):
        raise SettingsError(f"one of {names['STORAGE']} and {names['ACCOUNT']} must be set, not both and not neither")
    address = address_of(api)
    is_near = address and (address.is_private if environment is Environment.SANDBOX else address.is_loopback)
    if api and not (address and (address.scheme == "https" or is_near)):
        where = "in a private network" if environment is Environment.SANDBOX else "on this machine"
        raise SettingsError(f"{names['API']} must be an https address (http {where} only), got {api[:80]!r}")
    storage = StorageSettings(connection=connection, account_name=account)
    return StorageEnvironment(environment=environment, storage=storage, api=api.rstrip("/"))
