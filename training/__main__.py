"""`python -m training COMMAND`: from market data to published models. The commands are in training/commands/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from shared.core.errors import GatehouseError
from training.commands import all_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit code."""
    commands = all_commands()
    parser = argparse.ArgumentParser(prog="python -m training", description="From market data to models.")
    parsers = parser.add_subparsers(dest="command", required=True)
    for command in commands.values():
        command.add_options(parsers.add_parser(command.name, help=command.help, description=command.help))
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        return commands[options.command].run(options, console)
    except (GatehouseError, ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
