"""`list`, `show`, `promote`, `rollback`, `compare`: the registry of models, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import add_registry_option, open_registry, say

if TYPE_CHECKING:
    from shared.contracts.model_card import Champion, ModelCard
    from shared.ports import BlobStore

_PAIR = ("signal", "move")


def _version_options(parser: argparse.ArgumentParser) -> None:
    add_registry_option(parser)
    parser.add_argument("version", help="as `list` shows it")


def _promote_options(parser: argparse.ArgumentParser) -> None:
    _version_options(parser)
    parser.add_argument("--reason", default="by hand", help="goes into champion.json")


def _rollback_options(parser: argparse.ArgumentParser) -> None:
    add_registry_option(parser)
    parser.add_argument("--reason", required=True, help="why the champion must go; it will not come back by itself")


def _compare_options(parser: argparse.ArgumentParser) -> None:
    add_registry_option(parser)
    parser.add_argument("one", help="version")
    parser.add_argument("other", help="version")
    parser.add_argument("--data", type=Path, help="parquet of bars: judge both on the same rows of its last sessions")
    parser.add_argument("--sessions", type=int, default=10, help="how many sessions (default %(default)s)")


@command("list", "list the registry's models", add_registry_option)
def _list(options: argparse.Namespace, console: Console) -> int:
    from shared.contracts.model_card import MODELS
    from shared.contracts.text_card import TEXT_MODELS
    from training import publish

    blobs = open_registry(options)
    table = Table("model")
    table.add_column("version", no_wrap=True)
    for heading in ("champion", "trained", "judged", "net bp", "expires"):
        table.add_column(heading)
    for name in MODELS:
        champion = publish.champion_of(blobs, name)
        for version in publish.versions_of(blobs, name):
            card = publish.card_of(blobs, name, version)
            net = card.metrics.get("top_decile_net_bp")
            table.add_row(
                name,
                version,
                _mark(champion, version),
                f"{card.trained_from} to {card.trained_to}",
                f"{card.judged_from} to {card.judged_to}" if card.judged_from else "",
                "" if net is None else f"{net:+.2f}",
                str(card.expires_on),
            )
    for name in TEXT_MODELS:
        champion = publish.champion_of(blobs, name)
        for version in publish.versions_of(blobs, name):
            read = publish.text_card_of(blobs, name, version)
            r = " ".join(f"{corpus.overall.pearson:.3f}" for corpus in read.judged)
            table.add_row(name, version, _mark(champion, version), "", f"r {r}" if r else "", "", str(read.expires_on))
    console.print(table)
    return 0


def _mark(champion: Champion | None, version: str) -> str:
    if champion is None or champion.version != version:
        return ""
    return "suspended" if champion.suspended else "yes"


def _cards(blobs: BlobStore, version: str) -> tuple[ModelCard, ...]:
    from shared.core.errors import ModelError
    from training import publish

    if not (found := publish.cards_of(blobs, version)):
        raise ModelError(f"no model has a version {version}")
    return found


@command("show", "show a version's cards", _version_options)
def _show(options: argparse.Namespace, console: Console) -> int:
    for card in _cards(open_registry(options), options.version):
        table = Table("", "", title=f"{card.name} {card.version}: {card.label}")
        for key, value in (card.metrics | {f"parameter {k}": v for k, v in card.parameters.items()}).items():
            table.add_row(key, f"{value:.6g}")
        if card.calibration is not None:
            table.add_row("calibration", card.calibration.method)
        table.add_row("parameter sets tried", str(card.trials))
        for importance in card.importances[:10]:
            table.add_row(f"gain {importance.name}", f"{importance.gain:.1%}")
        console.print(table)
    return 0


@command("promote", "make a stored version champion", _promote_options)
def _promote(options: argparse.Namespace, console: Console) -> int:
    from shared.adapters.clock import SystemClock
    from shared.contracts.text_card import TEXT_MODELS
    from training import publish

    blobs, version = open_registry(options), options.version
    names = [name for name in TEXT_MODELS if version in publish.versions_of(blobs, name)]
    for name in names or [card.name for card in _cards(blobs, version)]:
        publish.promote(blobs, name, version, promoted_at=SystemClock().now(), reason=options.reason)
        console.print(f"{name}/{version} is champion", markup=False)
    return 0


@command("rollback", "take the champion off: the last sound one comes back, or entries stop", _rollback_options)
def _rollback(options: argparse.Namespace, console: Console) -> int:
    from shared.adapters.clock import SystemClock
    from shared.core.errors import ModelError
    from shared.core.sessions import NEW_YORK
    from training import publish

    blobs, now = open_registry(options), SystemClock().now()
    today = now.astimezone(NEW_YORK).date()

    for name in _PAIR:
        champion = publish.champion_of(blobs, name)
        if champion is None:
            raise ModelError(f"{name} has no champion")
        after = publish.roll_back(blobs, name, champion.version, at=now, fault=options.reason, on=today)
        said = f"suspended: {after.suspended}" if after.suspended else "champion"
        console.print(f"{name}/{after.version} is {said}", markup=False)
    return 0


@command("compare", "compare two versions", _compare_options)
def _compare(options: argparse.Namespace, console: Console) -> int:
    from training import publish

    blobs = open_registry(options)
    for name in _PAIR:
        one, other = (publish.card_of(blobs, name, version) for version in (options.one, options.other))
        table = Table("", options.one, options.other, title=f"{name}: each on its own judged sessions")
        for key in sorted(one.metrics.keys() & other.metrics.keys()):
            table.add_row(key, f"{one.metrics[key]:.6g}", f"{other.metrics[key]:.6g}")
        console.print(table)
    if options.data is not None:
        console.print(_judged_together(options, console))
    return 0


def _judged_together(options: argparse.Namespace, console: Console) -> Table:
    from dataclasses import replace
    from datetime import timedelta

    from shared.adapters.calendar import XnysCalendar
    from training import publish
    from training.parquet import ParquetHistory
    from training.pipeline import TrainingRule, dataset_of
    from training.registry.judge import evidence_of, lead

    blobs, rule = open_registry(options), TrainingRule()
    source = ParquetHistory(options.data, XnysCalendar())
    say(console, source.told)
    skipped = max(len(source.days) - options.sessions, rule.sampling.warmup_sessions)
    rule = replace(rule, sampling=replace(rule.sampling, warmup_sessions=skipped))
    on = source.days[-1].on + timedelta(days=1)
    judge = dataset_of(source, rule, seed=7, on=on, progress=lambda what, done: None)
    found = []
    for version in (options.one, options.other):
        (card, signal), (_, move) = (publish.verified_of(blobs, name, version) for name in _PAIR)
        found.append((card, evidence_of(card, signal, move, judge, rule.barrier.cost_bp)))
    (one_card, one), (other_card, other) = found
    table = Table("", one.version, other.version, title=f"both on {judge.dates[0]} to {judge.dates[-1]}")
    table.add_row("net bp a trade", f"{one.record.mean_bp:+.3f}", f"{other.record.mean_bp:+.3f}")
    table.add_row("Brier score", f"{one.brier:.5f}", f"{other.brier:.5f}")
    table.add_row("p_up is off by", f"{one.calibration_error:.4f}", f"{other.calibration_error:.4f}")
    table.add_row("rank correlation of the move", f"{one.move_correlation:.4f}", f"{other.move_correlation:.4f}")
    mean, t = lead(one.record.net_bp, other.record.net_bp)
    table.add_row("lead of the first, bp (t)", f"{mean:+.3f} ({t:.2f})", "")
    table.add_row("last session learned from", str(one_card.trained_to), str(other_card.trained_to))
    return table
