"""The sandbox's commands, as `python -m sandbox --help` lists them."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from shared.core.errors import GatehouseError, SettingsError
from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED, STATE, Scenario, parse_date, parse_on
from training.commands.options import named_values
from training.commands.strategy_options import strategy_options, strategy_settings

type Declare = Callable[[argparse.ArgumentParser], None]
type Run = Callable[[argparse.Namespace, Console], int]

_COMMANDS: dict[str, tuple[str, Declare, Run]] = {}


def _command(name: str, text: str, declare: Declare = lambda _: None) -> Callable[[Run], Run]:
    """Mark a function as what a command runs; `declare` adds its options."""

    def mark(run: Run) -> Run:
        _COMMANDS[name] = (text, declare, run)
        return run

    return mark


def _parser() -> argparse.ArgumentParser:
    """Every command's options, but those of simulate, which its own package declares: parsing imports nothing heavy."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, declare, _) in _COMMANDS.items():
        declare(commands.add_parser(name, help=text))
    commands.add_parser("simulate", help="simulate days with faults, and check every rule", add_help=False)
    return parser


def _seed_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the seeded market (default %(default)s)")
    command.add_argument("--on", default=str(DEFAULT_ON), help="session date (default %(default)s)")


def _world_options(command: argparse.ArgumentParser) -> None:
    _seed_options(command)
    command.add_argument("--bars", type=Path, help="parquet file of recorded bars instead of the seeded market")
    command.add_argument("--daily", type=Path, help="parquet file of daily bars beside --bars")
    command.add_argument("--quotes", type=Path, help="parquet file of quote bars beside --bars")


def _language_options(command: argparse.ArgumentParser) -> None:
    text = "a real OpenAI-compatible service instead of the market's commentator, up to its /v1, with the keys of the "
    text += "variable GATEHOUSE_LANGUAGE_KEYS; none: no language model"
    command.add_argument("--language", default="", metavar="URL", help=text)
    command.add_argument("--language-model", default="", metavar="NAME", help="which model of that service")


def _commentator_option(command: argparse.ArgumentParser) -> None:
    text = "how the commentator answers: shares of faults as lying=1 or 429=0.5, quality=, delay_s=; none: no faults"
    command.add_argument("--commentator", default="", metavar="NAME=VALUE", help=text)


def _app_settings(options: argparse.Namespace) -> dict[str, str]:
    from sandbox.app_settings import language_settings

    return {
        **language_settings(options.language, options.language_model),
        **named_values(options.set),
        **strategy_settings(options.strategy, options.parameter),
    }


def _world(options: argparse.Namespace) -> Scenario:
    return Scenario(
        seed=options.seed, on=parse_on(options.on), bars=options.bars, daily=options.daily, quotes=options.quotes
    )


def _day_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--json", type=Path, help="write the outcome as JSON")
    command.add_argument("--beside", choices=["hand-traded"], help="an account that a person trades in by hand as well")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an app setting; repeatable")
    command.add_argument("--folder", type=Path, default=STATE / "day", help="of the state that is left behind")
    _language_options(command)
    _commentator_option(command)
    strategy_options(command)


@_command("day", "run a whole trading day in virtual time", _day_options)
def _day(options: argparse.Namespace, console: Console) -> int:
    from sandbox.day import run_day
    from sandbox.summary import show

    given = {"folder": options.folder, "settings": _app_settings(options), "comments": options.commentator}
    done = run_day(_world(options), console, **given, is_hand_traded=options.beside is not None)
    show(done, console)
    if options.json:
        options.json.write_text(done.evidence.as_json(done.timings.errors))
    return 1 if done.evidence.violations else 0


def _serve_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--folder", type=Path, default=STATE / "serve", help="of the state that it goes on from")
    command.add_argument("--at", default="09:10", help="New York time to start from (default %(default)s)")
    command.add_argument("--speed", type=float, default=1.0, help="seconds a second (default %(default)s)")
    command.add_argument("--free-ports", action="store_true", help="listen on free ports, not the standard ones")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an app setting; repeatable")
    _language_options(command)
    _commentator_option(command)
    strategy_options(command)


@_command("serve", "run venue, storage and app by the clock until stopped", _serve_options)
def _serve(options: argparse.Namespace, console: Console) -> int:
    from sandbox.serve import serve

    how = {"at": options.at, "speed": options.speed, "free_ports": options.free_ports}
    given = {"folder": options.folder, "settings": _app_settings(options), "comments": options.commentator}
    serve(_world(options), console, **given, **how)
    return 0


def _standalone_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--host", default="127.0.0.1", help="address the venue listens on (default %(default)s)")
    command.add_argument("--storage", default="", help="connection string of a storage that runs; none: start Azurite")


@_command("standalone", "run storage and venue for func start, on standard ports and real time", _standalone_options)
def _standalone(options: argparse.Namespace, console: Console) -> int:
    from sandbox.standalone import standalone

    standalone(_world(options), console, host=options.host, storage=options.storage)
    return 0


def _venue_options(command: argparse.ArgumentParser) -> None:
    _world_options(command)
    command.add_argument("--port", type=int, default=7080)
    command.add_argument("--clock-file", type=Path, help="the sandbox's clock; without it, the machine's")
    command.add_argument("--journal", type=Path, help="keep what changes the venue here, and start from it")
    command.add_argument("--note", type=Path, help="write its address here once it is there")
    command.add_argument("--beside", choices=["hand-traded"], help="rows of a person's own, served beside the venue's")
    _commentator_option(command)


@_command("venue", "run the Alpaca-compatible venue alone", _venue_options)
def _venue(options: argparse.Namespace, _: Console) -> int:
    from sandbox.venue_process import serve_venue

    given = {"port": options.port, "clock_file": options.clock_file, "journal": options.journal, "note": options.note}
    beside = {"is_hand_traded": options.beside is not None, "comments": options.commentator}
    serve_venue(_world(options), **given, **beside, ends_with_parent=True)
    return 0


def _local_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=7090)
    command.add_argument("--note", type=Path, help="write its address here once it is there")
    command.add_argument("--slots", type=int, default=1, help="answers side by side (default %(default)s)")


@_command("local-model", "serve SmolLM2-135M on this machine, for --language", _local_model_options)
def _local_model(options: argparse.Namespace, console: Console) -> int:
    from sandbox.local_model import MODEL, serve_local_model, wait_for_parent

    server = serve_local_model(options.port, options.slots)
    console.print(f"--language {server.listening_address}/v1 --language-model {MODEL}; Ctrl-C ends", markup=False)
    if options.note:
        options.note.write_text(server.listening_address)
    wait_for_parent()
    return 0


def _narrate_options(command: argparse.ArgumentParser) -> None:
    _seed_options(command)
    _storage_option(command)
    command.add_argument("--count", type=int, default=40, help="stories or proposals at most (default %(default)s)")
    command.add_argument("--committee", action="store_true", help="have it deliberate on that day's proposals instead")
    command.add_argument("--within", type=float, default=5, help="seconds for a deliberation (default %(default)s)")
    command.add_argument("--language", default="", metavar="URL", help="another service than SmolLM2 on this machine")
    command.add_argument("--language-model", default="", metavar="NAME", help="which model of that service")


@_command("narrate", "ask a real language model about a day's stories", _narrate_options)
def _narrate(options: argparse.Namespace, console: Console) -> int:
    from sandbox.app_settings import language_service
    from sandbox.deliberate import deliberate
    from sandbox.narrate import narrate

    service = (
        language_service(options.language, options.language_model)
        if options.language or options.language_model
        else None
    )
    place = {"folder": options.folder, "storage": options.storage}
    if options.committee:
        return deliberate(console, **place, count=options.count, timeout_s=options.within, settings=service)
    world = Scenario(seed=options.seed, on=parse_on(options.on))
    return narrate(world, console, **place, count=options.count, settings=service)


@_command("storage", "open the last day's storage on Azurite's standard ports")
def _storage(options: argparse.Namespace, console: Console) -> int:
    from sandbox.books import shown

    with shown(STATE / "day", "sandbox storage"):
        console.print("Its storage, a copy, is open on Azurite's standard ports: in Storage Explorer, Emulator.")
        console.print("Ctrl-C ends.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def _dashboard_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=8501, help="of the pages (default %(default)s)")


@_command("dashboard", "show the pages over the last day, or over what the environment names", _dashboard_options)
def _dashboard(options: argparse.Namespace, console: Console) -> int:
    from sandbox.dashboard import show_dashboard

    return show_dashboard(STATE / "day", options.port, console)


@_command("prepare", "train the first models for a world", _world_options)
def _prepare(options: argparse.Namespace, console: Console) -> int:
    from sandbox.prepare import prepare

    console.print(f"prepared in {prepare(_world(options), console).name}")
    return 0


def _market_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, help="parquet file to write")
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the seeded market (default %(default)s)")
    command.add_argument(
        "--edge", type=float, default=1.0, help="strength of its patterns: 0 none, 1 as in a day, at most 2"
    )


@_command("market", "write the seeded market's past as a file of bars, to train on", _market_options)
def _market(options: argparse.Namespace, console: Console) -> int:
    from sandbox.market_file import write_market

    console.print(f"{write_market(options.out, seed=options.seed, edge=options.edge):,} bars written", markup=False)
    return 0


def _drill_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("measure", choices=["kill"], help="the kill switch, with flatten")


@_command("drill", "show how long a safety measure takes, in virtual time", _drill_options)
def _drill(_: argparse.Namespace, console: Console) -> int:
    from sandbox.drill import run

    return run(console)


def _parity_options(command: argparse.ArgumentParser) -> None:
    _seed_options(command)
    command.add_argument("--folder", type=Path, default=STATE / "parity", help="of the state that the day leaves")
    command.add_argument("--json", type=Path, help="write the comparison as JSON")


@_command("parity", "compare a day with the backtest's, row by row", _parity_options)
def _parity(options: argparse.Namespace, console: Console) -> int:
    from sandbox.parity import as_data, run_parity, show

    found = run_parity(Scenario(seed=options.seed, on=parse_on(options.on)), console, options.folder)
    show(found, console)
    if options.json:
        options.json.write_text(json.dumps(as_data(found), indent=1))
    return 0 if found.fraction == 1 else 1


def _storage_option(command: argparse.ArgumentParser) -> None:
    text = "connection string, or account:NAME to enter by identity; without it, the last day's storage"
    command.add_argument("--storage", default="", help=text)
    command.add_argument("--folder", type=Path, default=STATE / "day", help="of the state that a day has left")


def _replay_options(command: argparse.ArgumentParser) -> None:
    _storage_option(command)
    command.add_argument("case", nargs="?", default="", help="decision id, YYYY-MM-DD/ID.json or a file; none: a day")
    command.add_argument("--on", help="session date (default: the last with case files)")
    command.add_argument("--count", type=int, default=0, help="so many decisions, scored ones too (default: all cases)")
    command.add_argument("--json", type=Path, help="write what was found as JSON")


@_command("replay", "decide again from stored inputs, and compare", _replay_options)
def _replay(options: argparse.Namespace, console: Console) -> int:
    from sandbox.replay import replay

    on = parse_on(options.on) if options.on else None
    given = {"case": options.case, "count": options.count, "storage": options.storage, "folder": options.folder}
    return replay(console, on=on, json_file=options.json, **given)


def _query_options(command: argparse.ArgumentParser) -> None:
    _storage_option(command)
    command.add_argument("ask", nargs="?", default="", help="SQL, or the name of a question; none: list them")
    command.add_argument("--since", help="first session date (default: all)")
    command.add_argument("--until", help="last session date (default: all)")
    command.add_argument("--csv", action="store_true", help="print CSV")


@_command("query", "ask the exported tables in SQL", _query_options)
def _query(options: argparse.Namespace, console: Console) -> int:
    from sandbox.query import query

    given_dates = {"--since": options.since, "--until": options.until}
    since, until = (parse_date(name, text) if text else None for name, text in given_dates.items())
    if since and until and since > until:
        raise SettingsError(f"--since must not be after --until, got {since} and {until}")
    place = {"storage": options.storage, "folder": options.folder}
    return query(options.ask, console, since=since, until=until, as_csv=options.csv, **place)


def _simulate(rest: list[str], console: Console) -> int:
    from simulation.faults.cli import add_arguments, run

    parser = argparse.ArgumentParser(prog="python -m sandbox simulate")
    add_arguments(parser)
    return run(parser.parse_args(rest), console)


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
        return _COMMANDS[options.command][2](options, console)
    except GatehouseError as error:
        complaint = Console(stderr=True, highlight=False, soft_wrap=True)
        complaint.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
