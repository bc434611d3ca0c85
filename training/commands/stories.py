"""`stories`: whether what was written says anything of what prices did next. What it means is in docs/BACKTEST.md."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import (
    BARS_FILE,
    add_registry_option,
    command_clock,
    date_option,
    open_registry,
    progress_bars,
    say,
)

if TYPE_CHECKING:
    from shared.ports import TextReader
    from training.text_study.figures import Interval
    from training.text_study.study import TextStudy

OUT = Path(".sandbox") / "stories"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stories", type=Path, required=True, metavar="FILE", help="parquet or CSV: symbol, ts (received), text"
    )
    parser.add_argument("--bars", type=Path, required=True, metavar="FILE", help=f"{BARS_FILE}; daily ones, too")
    parser.add_argument(
        "--words", type=Path, metavar="FILE", help="read by a list of words (word, polarity), not by the models of text"
    )
    add_registry_option(parser)
    parser.add_argument("--echo", type=float, default=0.85, help="cosine of an echo (default %(default)s)")
    parser.add_argument("--cost-bp", type=float, default=10.0, help="of a trade, there and back (default %(default)s)")
    parser.add_argument("--delay-s", type=int, default=60, help="from story to decision (default %(default)s)")
    parser.add_argument("--shuffles", type=int, default=500, help="of the control (default %(default)s)")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap (default %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of both (default %(default)s)")
    parser.add_argument(
        "--knowledge-cutoff", type=date_option, metavar="DATE", help="what the reader has learned from ends here"
    )
    parser.add_argument("--allow-contaminated", action="store_true", help="show figures of stories before the cutoff")
    parser.add_argument("--out", type=Path, default=OUT, help="folder (default %(default)s)")


@command("stories", "study stories beside bars, against shuffled text", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from shared.adapters.calendar import XnysCalendar
    from training.text_study.files import write_study
    from training.text_study.page import render
    from training.text_study.study import StudySpec, run_study

    spec = StudySpec(
        stories=options.stories,
        bars=options.bars,
        echo_cosine=options.echo,
        cost_bp=options.cost_bp,
        delay_s=options.delay_s,
        shuffles=options.shuffles,
        draws=options.draws,
        seed=options.seed,
        cutoff=options.knowledge_cutoff,
        allow_contaminated=options.allow_contaminated,
    )
    reader = _reader(options)
    with progress_bars(console) as show:
        made = run_study(spec, reader, XnysCalendar(), show)
    folder = options.out / made.study_id
    figures = write_study(made, folder, page=render(made))
    say(console, [*made.material.stories.told, *made.material.board.told])
    _show(made, console)
    say(console, [f"Report: {folder / 'report.html'}", f"Digest: {figures}"])
    return 0


def _reader(options: argparse.Namespace) -> TextReader:
    """The list of words that was named, else the registry's models of text.

    Raises
    ------
    ModelError
        If there is none that can be trusted.
    """
    from shared.adapters.texts import OnnxTextModels
    from shared.core.errors import ModelError
    from training.text_study.word_reader import read_words

    if options.words is not None:
        return read_words(options.words)
    state = OnnxTextModels(open_registry(options), command_clock()).current()
    if state.reader is None:
        raise ModelError(f"{state.fault}; --words FILE reads by a list of words")
    return state.reader


def _show(made: TextStudy, console: Console) -> None:
    from training.backtest.page import bp, number, percent
    from training.text_study.page import VERDICTS

    table = Table(title=f"Stories beside bars {made.study_id}: {made.verdict}", title_justify="left")
    table.add_column("")
    for each in made.horizons:
        table.add_column(each.name, justify="right")
    rows = {
        "events": [f"{each.figures.events:,}" for each in made.horizons],
        "rank correlation": [number(each.figures.ic, 4) for each in made.horizons],
        "95% by dates": [_span(each.by_dates["ic"]) for each in made.horizons],
        "p against texts": [number(each.controls[0].p, 3) for each in made.horizons],
        "p against days": [number(each.controls[1].p, 3) for each in made.horizons],
        "hit rate": [percent(each.figures.hit_rate, 1) for each in made.horizons],
        "mean": [bp(1e4 * each.figures.mean) for each in made.horizons],
        "after costs": [bp(1e4 * each.figures.net) for each in made.horizons],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    console.print(table)
    say(console, [VERDICTS[made.verdict], *(f"- {reason}" for reason in made.reasons)])


def _span(found: Interval) -> str:
    from training.backtest.page import number

    return f"{number(found.low, 3)} to {number(found.high, 3)}"
