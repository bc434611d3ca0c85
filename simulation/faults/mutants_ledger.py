"""Rules of the ledger broken on purpose: what a day is measured from, what one look may say, whose account it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from shared.contracts.records import BACKUP
from shared.core import ledger, risk
from shared.core.ledger import Ledger
from shared.core.portfolio import Account
from shared.ports import Ports
from shared.stages.account import supervise
from shared.stages.base import facts
from shared.stages.base import ledger as ledger_stage
from shared.stages.entry import gate
from shared.stages.operator import controls
from shared.stages.order import recheck, step

type Patches = Iterator[Any]


def _first_look_opens() -> Patches:
    yield patch.object(Account, "opening_equity", property(lambda self: self.equity))


def _one_look() -> Patches:
    def believed(_: Any, __: Any, equity: Any, *, is_beyond: bool, **___: Any) -> Any:
        return None, equity if is_beyond else None

    yield patch.object(ledger, "_second_look", believed)


def _doubt_unread() -> Patches:
    halt = risk._halt
    yield patch.object(risk, "_halt", lambda found, **known: halt(found, **{**known, "is_in_doubt": False}))


def _print_sizes() -> Patches:
    for module in (gate, recheck):
        yield patch.object(module, "cautious", lambda found, _: found)


class _WithoutBackup:
    """Ports whose storage has no backup of the ledger."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return self if name == "tables" else getattr(self._real, name)

    def get(self, table: str, partition: str, key: str) -> Any:
        """Return a row that is no backup."""
        return None if key == BACKUP else self._real.tables.get(table, partition, key)

    def query(self, *given: Any, **named: Any) -> Any:
        """Return rows."""
        return self._real.tables.query(*given, **named)


def _backup_unread() -> Patches:
    opened = ledger_stage.opened

    def as_new(ports: Ports, *given: Any) -> Any:
        return opened(_WithoutBackup(ports), *given)

    for module in (ledger_stage, facts, supervise):
        yield patch.object(module, "opened", as_new)


def _any_resume_resets() -> Patches:
    def resumed(found: Ledger) -> Ledger:
        return ledger.resume(replace(found, is_drawdown_halted=True))

    yield patch.object(controls, "lift_halts", resumed)


def _any_account() -> Patches:
    yield patch.object(step, "another_account", lambda *_: "")


LEDGER_RULES: Mapping[str, tuple[str, Callable[[], Patches]]] = {
    "first-look-opens": ("a day's loss is measured from the first equity seen", _first_look_opens),
    "one-look": ("an equity that one look has shown sets peak and halts", _one_look),
    "doubt-unread": ("entries pass while a loss waits for a second look", _doubt_unread),
    "print-sizes": ("an entry is sized on whatever equity is shown", _print_sizes),
    "backup-unread": ("a lost ledger begins anew", _backup_unread),
    "any-resume-resets": ("every resume lowers the peak", _any_resume_resets),
    "any-account": ("an order is carried out in whatever account the keys open", _any_account),
}
"""What can be broken of the ledger: what it means, and the patches that do it."""
