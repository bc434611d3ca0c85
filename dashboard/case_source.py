"""Case files: the one that is stored, else one that is put together now from the same records by the app's own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Never, cast

from dashboard.store import KEY, Query, Source
from shared.adapters.clock import SystemClock
from shared.adapters.history import BlobHistory
from shared.bootstrap import JsonCodec
from shared.contracts.cases import Case, case_blob
from shared.contracts.records import Container, Table
from shared.core.errors import ModelError
from shared.core.values import Symbol
from shared.ports import BlobStore, Clock, Codec, HistoryStore, Ports, Row, Stored, TableStore
from shared.stages.evidence.case_maker import CaseMaker, day_records

_COLUMNS = ("decision_id", "symbol", "verdict", "refused_by", "slot")


def load_case(source: Source, on: date, decision_id: str, symbol: str) -> tuple[Case, bool]:
    """Return a case and whether it is stored.

    Raises
    ------
    ContractError
        If the stored one cannot be read, or nothing is known of the decision.
    """
    stored = source.blob(Container.CASES, case_blob(on, decision_id))
    if stored is not None:
        return JsonCodec().decode(Case, stored), True
    ports = cast(Ports, _Records(source))
    records = day_records(ports, on, Symbol(symbol))
    return CaseMaker(ports, _NoModels(), records).case(decision_id), False


def decided_on(source: Source, on: date) -> Sequence[Row]:
    """Return what may be chosen of a day: its decisions."""
    return source.rows(Table.DECISIONS, str(on), Query(columns=_COLUMNS))


def symbol_of(source: Source, on: date, decision_id: str) -> str | None:
    """Return a decision's symbol, None where the day knows no such decision."""
    for table in (Table.DECISIONS, Table.SIGNALS):
        for row in source.rows(table, str(on), Query(columns=("decision_id", "symbol"))):
            if row["decision_id"] == decision_id:
                return str(row["symbol"])
    return None


class _NoModels:
    """No model is run here: what moved a score most is told by the case file that the app writes at night."""

    def version(self, name: str, version: str) -> Never:
        raise ModelError(f"{name}/{version}: the dashboard runs no models")


@dataclass(frozen=True, slots=True)
class _CaseTables:
    source: Source

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        row = self.source.row(table, partition, key)
        return None if row is None else Stored(value=row, etag="")

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        wanted = Query(columns=tuple(columns), key_from=key_from, key_to=key_to)
        return [(str(row[KEY]), row) for row in self.source.rows(table, partition, wanted)]


@dataclass(frozen=True, slots=True)
class _Blobs:
    source: Source

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        data = self.source.blob(container, name)
        return None if data is None else Stored(value=data, etag="")

    def names(self, container: str, prefix: str) -> Sequence[str]:
        return self.source.names(container, prefix)


class _Records:
    """The ports that `CaseMaker` uses, read only."""

    def __init__(self, source: Source) -> None:
        self.clock: Clock = SystemClock()
        self.codec: Codec = JsonCodec()
        self.tables = cast(TableStore, _CaseTables(source))
        self.blobs = cast(BlobStore, _Blobs(source))
        self.history: HistoryStore = BlobHistory(self.blobs)
