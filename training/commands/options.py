"""What several commands share: storage, clock and registry by the app's settings, how lines and progress are told."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from shared.contracts.settings import StorageSettings
    from shared.ports import BlobStore, Clock, TableStore
    from training.data.store import BarStore

BARS_FILE = "parquet or CSV: symbol, ts, open, high, low, close, volume"


def storage_settings() -> StorageSettings | None:
    """Settings of the account that AzureWebJobsStorage or AzureWebJobsStorage__accountName names; None without one."""
    from shared.contracts.settings import StorageSettings

    connection = os.environ.get("AzureWebJobsStorage", "")
    account_name = os.environ.get("AzureWebJobsStorage__accountName", "")
    if not (connection or account_name):
        return None
    return StorageSettings(connection=connection, account_name=account_name)


def storage_blobs() -> BlobStore | None:
    """Blobs of the storage account that the environment names; None without one."""
    from shared.adapters.blobs import AzureBlobs

    settings = storage_settings()
    return None if settings is None else AzureBlobs(settings)


def open_tables() -> TableStore:
    """Tables of the storage account that the environment names.

    Raises
    ------
    ValueError
        If there is none.
    """
    from shared.adapters.tables import AzureTables

    settings = storage_settings()
    if settings is None:
        raise ValueError("AzureWebJobsStorage must name a storage account")
    return AzureTables(settings)


def accepted_values() -> Mapping[str, str]:
    """What the accepted parameter set changes; nothing without storage or an acceptance.

    Raises
    ------
    ValueError
        If it is not stored: a proposal would undo it.
    """
    from shared.adapters.codec import decode_json
    from shared.contracts.parameters import OWN_SETTINGS, ParameterSet, parameter_blob
    from shared.contracts.records import CONTROLS, PARAMETERS, Container, Table

    blobs = storage_blobs()
    row = None if blobs is None else open_tables().get(Table.CONTROLS, CONTROLS, PARAMETERS)
    if blobs is None or row is None or row.value["parameter_set"] == OWN_SETTINGS:
        return {}
    name = str(row.value["parameter_set"])
    stored = blobs.get(Container.PARAMETERS, parameter_blob(name))
    if stored is None:
        raise ValueError(f"the accepted parameter set {name} is not stored: a proposal would undo it")
    return decode_json(ParameterSet, stored.value).values


def open_store(options: argparse.Namespace) -> BarStore:
    """Bars in the folder of --store, and in the storage account where one is named."""
    from shared.adapters.calendar import XnysCalendar
    from training.data.store import BarStore

    return BarStore(options.store, XnysCalendar(), storage_blobs())


def date_option(text: str) -> date:
    """Read an option's date, for argparse, which says what is wrong before the command begins."""
    from shared.adapters.calendar import XnysCalendar
    from shared.core.errors import ContractError

    try:
        return XnysCalendar().read(text)
    except ContractError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def named_values(texts: Iterable[str]) -> dict[str, str]:
    """Read the pairs of `--set NAME=VALUE`. Raises SettingsError with the first that is none."""
    from shared.core.errors import SettingsError

    pairs = {text: text.partition("=") for text in texts}
    if wrong := [text for text, (name, equals, _) in pairs.items() if not (name and equals)]:
        raise SettingsError(f"--set {wrong[0]}: expected NAME=VALUE")
    return {name: value for name, _, value in pairs.values()}


def command_clock() -> Clock:
    """The system's clock, or the sandbox's where GATEHOUSE_CLOCK_FILE names one."""
    from shared.adapters.clock import FileClock, SystemClock

    path = os.environ.get("GATEHOUSE_CLOCK_FILE", "")
    return FileClock(Path(path)) if path else SystemClock()


def say(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are, each whole: names and words that were found in a file are no markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bars(console: Console) -> Iterator[Callable[[str, float], None]]:
    """Yield a function that shows what is being done, and how much of it is: one bar for each thing it is told of."""
    columns = (TextColumn("{task.description:>22}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=min(done, 1.0))

        yield show


def add_registry_option(parser: argparse.ArgumentParser) -> None:
    """Declare where the registry is, for who has no storage account."""
    parser.add_argument(
        "--registry", type=Path, help="folder instead of the storage account that AzureWebJobsStorage names"
    )


def open_registry(options: argparse.Namespace) -> BlobStore:
    """Blobs of the folder that was given, else of the storage account.

    Raises
    ------
    ValueError
        If there is neither.
    """
    if options.registry is not None:
        from training.registry.folder import FolderBlobs

        return FolderBlobs(options.registry)
    blobs = storage_blobs()
    if blobs is None:
        raise ValueError("AzureWebJobsStorage must name a storage account, or --registry a folder")
    return blobs
