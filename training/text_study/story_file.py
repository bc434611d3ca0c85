"""A file of stories, `symbol, ts (received, with a time zone), text`, parquet or CSV: every row judged, bad ones told.

A column `score` in [-1, 1] may say what somebody else made of each text, a language model's recorded narratives say:
then it stands in for the sentiment. Other columns are left out.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from shared.core.errors import ContractError, SettingsError
from shared.core.market import FloatArray, IntArray
from shared.core.text.stories import MAX_TEXT
from shared.core.values import Symbol, require_symbol

COLUMNS: Final = ("symbol", "ts", "text")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_YEARS: Final = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
_AS_TIME: Final = "write when each story was received with its zone, such as 2025-02-14T14:30:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryFile:
    """Stories by the instant they were received, then symbol, then text.

    Attributes
    ----------
    name, content_id : str
        Of the file, and the hash of its bytes, shortened.
    symbols : tuple of Symbol
        Sorted; those with stories.
    code : int64 of shape (n,)
        Index into `symbols`.
    at_s : int64 of shape (n,)
        UTC epoch seconds, rounded up: no story is known a fraction of a second before it was received.
    texts : tuple of str, n of them
        One line each, at most `MAX_TEXT` characters.
    given : float64 of shape (n,) or None
        Column `score`.
    told : tuple of str
        What the file holds, and what of it is left out.
    """

    name: str
    content_id: str
    symbols: tuple[Symbol, ...]
    code: IntArray
    at_s: IntArray
    texts: tuple[str, ...]
    given: FloatArray | None
    told: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


def read_stories_file(path: Path) -> StoryFile:
    """Read and judge a file of stories.

    Rows without symbol, time or text, with a score outside [-1, 1], and repeats of a row are left out.

    Raises
    ------
    SettingsError
        If there is no such file.
    ContractError
        If it cannot be read, a column is missing or of another kind, times have no zone, or no row can be used.
    """
    table = _table(path)
    symbols, times, texts = _texts(table, "symbol", path), _times(table, path), _texts(table, "text", path)
    scores = _scores(table, path) if "score" in table.column_names else [0.0] * table.num_rows
    rows: dict[tuple[int, str, str], float] = {}
    wrong: Counter[str] = Counter()
    first: dict[str, str] = {}
    for k, (symbol, at_s, text, score) in enumerate(zip(symbols, times, texts, scores, strict=True)):
        line = " ".join(str(text or "").split())[:MAX_TEXT]
        fault = _fault(symbol, at_s, line, score)
        key = (at_s or 0, symbol or "", line)
        if not fault and key in rows:
            fault = "repeated"
        if fault:
            wrong[fault] += 1
            first.setdefault(fault, f"row {k + 1}, symbol {symbol!r}, ts {_shown(at_s)}, text {line[:30]!r}")
        else:
            rows[key] = math.nan if score is None else score
    told = [f"{path.name}: {len(rows):,} stories of {len({key[1] for key in rows}):,} symbols"]
    if wrong:
        parts = (f"{count:,} {fault} (first: {first[fault]})" for fault, count in sorted(wrong.items()))
        told.append(f"left out: {', '.join(parts)}")
    if not rows:
        raise ContractError(f"{path.name}: none of its rows can be used; {'; '.join(told[1:])}")
    ordered = sorted(rows)
    names = tuple(Symbol(name) for name in sorted({symbol for _, symbol, _ in ordered}))
    place: dict[str, int] = {symbol: k for k, symbol in enumerate(names)}
    with path.open("rb") as opened:
        content_id = hashlib.file_digest(opened, "sha256").hexdigest()[:20]
    return StoryFile(
        name=path.name,
        content_id=content_id,
        symbols=names,
        code=np.array([place[symbol] for _, symbol, _ in ordered], np.int64),
        at_s=np.array([at_s for at_s, _, _ in ordered], np.int64),
        texts=tuple(line for _, _, line in ordered),
        given=np.array([rows[key] for key in ordered]) if "score" in table.column_names else None,
        told=tuple(told),
    )


def _fault(symbol: str | None, at_s: int | None, line: str, score: float | None) -> str:
    try:
        require_symbol("symbol", symbol or "")
    except ValueError:
        return "without a symbol"
    if at_s is None:
        return "without a time"
    if not line:
        return "without a text"
    return "" if score is not None and abs(score) <= 1 else "with a score outside [-1, 1]"


def _shown(at_s: int | None) -> str:
    return "none" if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat()


def _table(path: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays
    import pyarrow.csv as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    if not path.is_file():
        raise SettingsError(f"no file of stories at {path}")
    try:
        if path.suffix == ".parquet":
            names = list(pq.read_schema(path).names)
        else:
            with pc.open_csv(path, parse_options=pc.ParseOptions(newlines_in_values=True)) as reader:
                names = list(reader.schema.names)
        if absent := [name for name in COLUMNS if name not in names]:
            raise ContractError(f"{path.name}: columns {absent} are missing; it has {names}")
        if doubled := [name for name, count in Counter(names).items() if count > 1]:
            raise ContractError(f"{path.name}: columns {doubled} are there more than once")
        wanted = [name for name in (*COLUMNS, "score") if name in names]
        if path.suffix == ".parquet":
            table = pq.read_table(path, columns=wanted)
        else:
            as_text = pc.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted, strings_can_be_null=False
            )
            lines = pc.ParseOptions(newlines_in_values=True)
            table = pc.read_csv(path, convert_options=as_text, parse_options=lines)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name} cannot be read: {error}") from error
    if not table.num_rows:
        raise ContractError(f"{path.name} has a header and no rows")
    return table


def _plain(table: Any, name: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays

    column = table[name]
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_text(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts(table: Any, name: str, path: Path) -> list[str | None]:
    column = _plain(table, name)
    if not _is_text(column.type):
        raise ContractError(f"{path.name}: column {name} holds {column.type}, not text")
    return list(column.to_pylist())


def _times(table: Any, path: Path) -> list[int | None]:
    """UTC epoch seconds, rounded up; None where there is none."""
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays

    column = _plain(table, "ts")
    if _is_text(column.type):
        texts = column.to_pylist()
        found = [_read_time(text) for text in texts]
        if not any(at is not None for at in found):
            raise ContractError(f"{path.name}: no text in column ts is a time (the first is {texts[0]!r}): {_AS_TIME}")
        if naive := [text for text, at in zip(texts, found, strict=True) if at is not None and at.tzinfo is None]:
            raise ContractError(f"{path.name}: {naive[0]!r} in column ts has no time zone: {_AS_TIME}")
    elif pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            raise ContractError(f"{path.name}: column ts has no time zone: {_AS_TIME}")
        micros = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).to_pylist()
        return [None if us is None else _seconds(_EPOCH + timedelta(microseconds=us)) for us in micros]
    else:
        raise ContractError(f"{path.name}: column ts holds {column.type}, not times: {_AS_TIME}")
    return [None if at is None else _seconds(at) for at in found]


def _read_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()) if text and "-" in text else None
    except ValueError:
        return None


def _seconds(at: datetime) -> int | None:
    return -((_EPOCH - at) // _SECOND) if _YEARS[0] <= at < _YEARS[1] else None


def _scores(table: Any, path: Path) -> list[float | None]:
    """Column `score`; None for what is no finite number."""
    column = _plain(table, "score")
    values = column.to_pylist()
    found: list[float | None] = []
    for value in values:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        found.append(number if math.isfinite(number) else None)
    if not any(number is not None for number in found):
        raise ContractError(f"{path.name}: column score holds no number (the first is {values[0]!r})")
    return found
