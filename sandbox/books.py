"""A storage account to look back into: the last sandbox day's, or one that is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from sandbox.azurite import STANDARD_PORTS, Azurite
from sandbox.state import DAY_FOLDER, PORTS, copied, held
from shared.bootstrap import App
from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings

ACCOUNT_PREFIX = "account:"


@contextlib.contextmanager
def opened(storage: str, folder: Path = DAY_FOLDER) -> Iterator[App]:
    """Open an account's tables and blobs; neither broker nor market is reached.

    Parameters
    ----------
    storage : str
        A connection string, `account:NAME` to enter with the identity of whoever is logged in, or empty: what a
        finished sandbox day has left in `folder`: a copy of it, served by an Azurite of its own on free ports.
    folder : Path
        The state of that day.

    Raises
    ------
    SettingsError
        If no day has been finished.
    """
    if storage:
        yield _app(storage)
        return
    with last_day(folder) as copy, Azurite(copy / "azurite") as azurite:
        yield _app(azurite.connection_string)


@contextlib.contextmanager
def last_day(folder: Path) -> Iterator[Path]:
    """Yield a copy of what the last finished day has left, and say which day that is.

    Raises
    ------
    SettingsError
        If no day has been finished.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)  # standard output is for what is asked
    with copied(folder, lambda told: console.print(told, markup=False)) as copy:
        if not (copy / "azurite").is_dir():
            raise SettingsError(f"{folder} holds no storage of a day: run make day, or give --storage")
        yield copy


@contextlib.contextmanager
def shown(folder: Path, command: str) -> Iterator[None]:
    """Serve a copy of what the last finished day has left on Azurite's standard ports, where other tools look."""
    with held(PORTS, command), last_day(folder) as day, Azurite(day / "azurite", STANDARD_PORTS):
        yield


def _app(storage: str) -> App:
    """The app's adapters over a storage account; its clock is the machine's."""
    values = read_local_settings(ROOT / "local.settings.json.example")
    if storage.startswith(ACCOUNT_PREFIX):
        values |= {"AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": storage.removeprefix(ACCOUNT_PREFIX)}
    else:
        values |= {"AzureWebJobsStorage": storage}
    return App(values)
