"""The commands of `python -m training`: every module of this package that defines `COMMANDS` adds its own.

A module declares options and nothing more at import; what a command needs it imports when it runs, so that one command
does not pay for another's libraries, and two people who add commands touch no common file.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCommand:
    """One command.

    Attributes
    ----------
    name, help : str
        As it is typed; one line that says what it does.
    add_options : callable
        Declares options (or commands of its own) on the parser it is given.
    run : callable
        Given the parsed options and a console on standard error; returns the exit code. A GatehouseError, ValueError or
        OSError that it raises is printed as one line and ends the process with 1.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], int]


def all_commands() -> dict[str, TrainingCommand]:
    """Every command by name, sorted.

    Raises
    ------
    ValueError
        If two modules define the same name.
    """
    found: dict[str, TrainingCommand] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for command in getattr(importlib.import_module(module.name), "COMMANDS", ()):
            if command.name in found:
                raise ValueError(f"command {command.name} is defined twice, again in {module.name}")
            found[command.name] = command
    return dict(sorted(found.items()))
