"""The commands of `python -m training`: every module of this package marks its own with `command`.

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

type Run = Callable[[argparse.Namespace, Console], int]


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
    run: Run


_FOUND: dict[str, TrainingCommand] = {}


def command(name: str, text: str, add_options: Callable[[argparse.ArgumentParser], None]) -> Callable[[Run], Run]:
    """Mark a function as what a command runs.

    Raises
    ------
    ValueError
        If two functions are marked with the same name.
    """

    def mark(run: Run) -> Run:
        if name in _FOUND:
            raise ValueError(f"command {name} is defined twice, again in {run.__module__}")
        _FOUND[name] = TrainingCommand(name=name, help=text, add_options=add_options, run=run)
        return run

    return mark


def all_commands() -> dict[str, TrainingCommand]:
    """Every command by name, sorted."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(_FOUND.items()))
