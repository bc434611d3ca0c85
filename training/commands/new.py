"""`new`: a strategy of one's own, with its test, that runs as it is. What becomes of it is in docs/STRATEGIES.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from training.commands import command
from training.commands.options import say


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as my-idea, which becomes my-idea.v1")
    parser.add_argument("--package", type=Path, metavar="DIR", help="write an installable package there instead")


@command("new", "write a strategy of one's own, with its test", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from training.new_strategy import files_of, require_free, write_new

    name = require_free(options.name)
    root = Path.cwd() if options.package is None else options.package
    written = write_new(root, files_of(name, is_package=options.package is not None))
    say(console, (f"wrote {path}" for path in written))
    if options.package is not None:
        say(console, [f"then: pip install --editable {options.package}"])
    say(console, [f"try it: python -m training check --strategy {name}"])
    return 0
