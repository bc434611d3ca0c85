"""The sandbox's commands: `python -m sandbox day`, serve, standalone, venue, storage, prepare, drill, simulate."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from sandbox.world import DEFAULT_ON, DEFAULT_SEED, STATE, World, parse_on
from shared.core.errors import GatehouseError


def _parser() -> argparse.ArgumentParser:
    """Every command's options, but those of simulate, which its own package declares: parsing imports nothing heavy."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (help_text, declare) in _DECLARED.items():
        declare(commands.add_parser(name, help=help_text))
    commands.add_parser("simulate", help="simulate days with faults, and check every rule", add_help=False)
    return parser


def _world_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the seeded market (default %(default)s)")
    command.add_argument("--on", default=str(DEFAULT_ON), help="session date (default %(default)s)")
    command.add_argument("--bars", type=Path, help="parquet file of recorded bars instead of the seeded market")
    command.add_argument("--daily", type=Path, help="parquet file of daily bars beside --bars")
    command.add_argument("--quotes", type=Path, help="parquet file of quote bars beside --bars")


def _day_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--json", type=Path, help="write the outcome as JSON")
    command.add_argument("--folder", type=Path, default=STATE / "day", help="of the state that is left behind")


def _serve_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--folder", type=Path, default=STATE / "serve", help="of the state that it goes on from")
    command.add_argument("--at", default="09:10", help="New York time to start from (default %(default)s)")
    command.add_argument("--speed", type=float, default=1.0, help="seconds a second (default %(default)s)")
    command.add_argument("--free-ports", action="store_true", help="listen on free ports, not the standard ones")


def _venue_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--port", type=int, default=7080)
    command.add_argument("--clock-file", type=Path, help="the sandbox's clock; without it, the machine's")
    command.add_argument("--journal", type=Path, help="keep what changes the venue here, and start from it")


def _drill_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("measure", choices=["kill"], help="the kill switch, with flatten")


def _no_options(_: argparse.ArgumentParser) -> None:
    """Take none."""


_DECLARED: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "day": ("run a whole trading day in virtual time", _day_options),
    "serve": ("run venue, storage and app by the clock until stopped", _serve_options),
    "standalone": ("run storage and venue for func start, on standard ports and real time", _world_options),
    "venue": ("run the Alpaca-compatible venue alone", _venue_options),
    "storage": ("open the last day's storage on Azurite's standard ports", _no_options),
    "prepare": ("train the first models for a world", _world_options),
    "drill": ("show how long a safety measure takes, in virtual time", _drill_options),
}


def _world(options: argparse.Namespace) -> World:
    return World(
        seed=options.seed, on=parse_on(options.on), bars=options.bars, daily=options.daily, quotes=options.quotes
    )


def _day(options: argparse.Namespace, console: Console) -> int:
    from sandbox.day import run_day
    from sandbox.summary import show

    done = run_day(_world(options), console, folder=options.folder)
    show(done, console)
    if options.json:
        options.json.write_text(done.evidence.as_json())
    return 1 if done.evidence.violations else 0


def _serve(options: argparse.Namespace, console: Console) -> int:
    from sandbox.serve import ServeOptions, serve

    given = ServeOptions(folder=options.folder, at=options.at, speed=options.speed, free_ports=options.free_ports)
    serve(_world(options), given, console)
    return 0


def _storage(options: argparse.Namespace, console: Console) -> int:
    from sandbox.azurite import STANDARD_PORTS, Azurite

    with Azurite(STATE / "day" / "azurite", STANDARD_PORTS):
        console.print("The last day's storage is open on Azurite's standard ports: in Storage Explorer, Emulator.")
        console.print("Ctrl-C ends.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def _standalone(options: argparse.Namespace, console: Console) -> int:
    from sandbox.standalone import standalone

    standalone(_world(options), console)
    return 0


def _venue(options: argparse.Namespace, _: Console) -> int:
    from sandbox.venue_process import serve_venue

    serve_venue(_world(options), port=options.port, clock_file=options.clock_file, journal=options.journal)
    return 0


def _prepare(options: argparse.Namespace, console: Console) -> int:
    from sandbox.prepare import prepare

    console.print(f"prepared in {prepare(_world(options), console).name}")
    return 0


def _simulate(rest: list[str], console: Console) -> int:
    from sandbox.simulation.cli import add_arguments, run

    parser = argparse.ArgumentParser(prog="python -m sandbox simulate")
    add_arguments(parser)
    return run(parser.parse_args(rest), console)


def _drill(_: argparse.Namespace, console: Console) -> int:
    from sandbox.drill import run

    return run(console)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Console], int]] = {
    "day": _day,
    "serve": _serve,
    "standalone": _standalone,
    "venue": _venue,
    "storage": _storage,
    "prepare": _prepare,
    "drill": _drill,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error of ours is one line and exit code 2."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "simulate":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    console = Console(highlight=False)
    try:
        if options.command == "simulate":
            return _simulate(rest, console)
        return _COMMANDS[options.command](options, console)
    except GatehouseError as error:
        complaint = Console(stderr=True, highlight=False, soft_wrap=True)
        complaint.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
