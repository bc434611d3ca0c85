"""The one door for files of bars: parquet or CSV read, every row judged, bad ones set aside with a reason and told.

Columns are `symbol, ts (start of the bar, with a time zone), open, high, low, close, volume`. Daily files may have
`date` in place of `ts`; `split_next`, or the `split_factor` of aligned files, tells of splits. Other columns are left
out: the session of a bar is worked out anew from the calendar.

What a row has wrong sends the row to quarantine. What a column or the file has wrong refuses the file, in a sentence:
then no row is what it seems.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import ContractError, SettingsError
from shared.core.features.history import midnight_s
from shared.core.market import FloatArray, IntArray, Timeframe
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol, require_symbol
from shared.ports import Calendar
from simulation.market.bar_checks import Checked, RawRows, Reason, by_symbol, check, set_aside, splits_told
from simulation.market.bar_rows import EPOCH, PRICES, SymbolBars, edges_of, is_crypto, midnights
from simulation.market.raw_splits import RawSplit, raw_splits

BoolArray = NDArray[np.bool_]

TRADED: Final = frozenset({Timeframe.MIN_1, Timeframe.MIN_5})
"""What training, backtest and sandbox trade on."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = Timeframe.DAY_1.seconds
_YEARS: Final = (date(1900, 1, 1), date(2200, 1, 1))
"""A start outside is no start: the New York clock ends somewhere."""
_LEAST_STEPS: Final = 20
"""Steps between bars from which their common measure is no chance."""
_SHOWN: Final = 5
"""Splits that are told one by one."""
_OFF_GRID_MAX: Final = 0.1
"""Share of rows off the grid from which the grid is another than it seemed."""
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MISSING: Final = ("", "-", "na", "n/a", "nan", "null", "none", "inf", "+inf", "-inf", "infinity", "-infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFile:
    """A file's rows, judged.

    Attributes
    ----------
    symbols : tuple of str
        By code, those of no sound row too.
    bad : pyarrow.Table
        Quarantined rows as they came, with columns `row` (1 is the first after the header) and `reason`.
    splits : mapping of Symbol to Splits
        What the file tells of, in quarantined rows too: of every symbol, and of none where no column tells.
    raw_splits : tuple of RawSplit
        Jumps that only a split explains, where nothing tells of splits.
    is_synthetic : bool
        Whether it says that its market is an invented one.
    """

    path: Path
    timeframe: Timeframe
    symbols: tuple[str, ...]
    rows: RawRows
    checked: Checked
    bad: Any
    splits: Mapping[Symbol, Splits]
    raw_splits: tuple[RawSplit, ...]
    is_synthetic: bool

    def by_symbol(self) -> dict[Symbol, SymbolBars]:
        """Good rows as they came, by symbol, sorted. What a quarantined row tells of a split is the row's before it."""
        found = by_symbol(self.rows, self.checked)
        return {Symbol(self.symbols[code]): found[code] for code in sorted(found, key=lambda k: self.symbols[k])}

    def told(self) -> list[str]:
        """What a command says of it: how many rows of what, and how many are quarantined for which reason."""
        traded = len(np.unique(self.rows.symbol[self.checked.order]))
        lines = [
            f"{self.path.name}: {self.checked.order.size:,} bars of {self.timeframe}, {traded:,} symbols, "
            f"{self.checked.out_of_order:,} out of order"
        ]
        firsts = {reason: k for k, reason in reversed(list(enumerate(self.checked.reasons)))}
        parts = [f"{n:,} {reason} (first: {self._place(firsts[reason])})" for reason, n in self.checked.counts.items()]
        if parts:
            lines.append(f"quarantined: {', '.join(parts)}")
        more = [f"and {len(self.raw_splits) - _SHOWN} more"] if len(self.raw_splits) > _SHOWN else []
        return [
            *lines,
            *(split.said(self.symbols[int(self.rows.symbol[split.row])]) for split in self.raw_splits[:_SHOWN]),
            *more,
        ]

    def _place(self, k: int) -> str:
        found = {name: values[0] for name, values in self.bad.slice(k, 1).to_pydict().items()}
        names = [name for name in ("symbol", "ts", "date") if name in found]
        if self.checked.reasons[k] is Reason.NOT_A_NUMBER:
            numbers = (*PRICES, "split_next", "split_factor")
            names = [name for name in numbers if isinstance(found.get(name), str) and _is_word(found[name])]
        return f"row {found['row']}, " + " ".join(f"{name} {_shown(found[name])}" for name in names)


def read_file(
    path: Path,
    timeframe: Timeframe | None = None,
    *,
    lengths: frozenset[Timeframe] = frozenset(Timeframe),
    hours: Calendar | None = None,
    adjusted: bool = False,
    before: date | None = None,
    beside: Path | None = None,
) -> BarFile:
    """Read and judge a file.

    Parameters
    ----------
    path : Path
        Parquet, or CSV.
    timeframe : Timeframe, optional
        Of the bars; by default daily where starts are dates, else the step between a symbol's bars that is most
        frequent.
    lengths : set of Timeframe
        What the caller can use.
    hours : Calendar, optional
        Quarantine equities' bars while its exchange is closed.
    adjusted : bool
        Whether prices of different dates are to be compared: then rows before an unknown split are quarantined.
    before : date, optional
        Leave out rows of this New York date and later, unseen but for their length.
    beside : Path, optional
        Another file of the same market: where it tells of splits, none is looked for in this one.

    Raises
    ------
    SettingsError
        If there is no such file.
    ContractError
        If it cannot be read, columns are missing, doubled or of another kind, times have no zone, the bars are of a
        length that nobody can tell or the caller cannot use; without `before`, if no row can be used.
    """
    table = _table(path)
    codes, symbols, found = _symbols(table, path)
    starts = _Starts.of(table, path)
    if bool((found[Reason.NO_SYMBOL] | starts.missing).all()):
        raise ContractError(f"{path.name}: none of its {codes.size:,} rows has both a symbol and a start")
    frame = _timeframe(codes, starts, path, timeframe, lengths)
    start_s, missing = starts.daily() if frame is Timeframe.DAY_1 else (starts.at_s, starts.missing)
    found |= {Reason.NO_TIME: missing, Reason.OFF_GRID: starts.fraction}
    values, found[Reason.NOT_A_NUMBER] = _values(table, path)
    if "split_factor" in values:
        values["split_next"] = _split_next(values.pop("split_factor"), codes, start_s)
    rows = RawRows(symbol=codes, start_s=start_s, **values)
    kept = np.flatnonzero(start_s < midnight_s(before)) if before else np.arange(codes.size)
    if kept.size < codes.size:
        rows = RawRows(**{name: getattr(rows, name)[kept] for name in RawRows.__slots__})
        found = {reason: mask[kept] for reason, mask in found.items()}
    if hours is not None and frame is not Timeframe.DAY_1:
        found[Reason.CLOSED] = _closed(rows, symbols, hours)
    checked = check(rows, frame, found)
    splits = _splits(rows, checked, frame, symbols) if _tells_splits(table.column_names) else {}
    _keep_splits(rows, checked)
    _require_grid(rows, checked, frame, symbols, path)
    is_told = splits or (beside is not None and _tells_splits(_names(beside)))
    jumps = [] if is_told else raw_splits(rows, checked.order)
    if adjusted and jumps:
        checked = set_aside(checked, np.concatenate([jump.rows for jump in jumps]), Reason.UNKNOWN_SPLIT)
    file = BarFile(
        path=path,
        timeframe=frame,
        symbols=symbols,
        rows=rows,
        checked=checked,
        bad=_bad_rows(table, kept, checked),
        splits=splits,
        raw_splits=tuple(jumps),
        is_synthetic=(table.schema.metadata or {}).get(b"market") == b"synthetic",
    )
    if before is None and not checked.order.size:
        raise ContractError(f"{path.name}: none of its rows can be used; {'; '.join(file.told()[1:])}")
    return file


def read_traded(path: Path, calendar: Calendar, *, before: date | None = None, beside: Path | None = None) -> BarFile:
    """`read_file` for who trades or learns: bars of 1 or 5 minutes of one market, comparable over all dates."""
    return read_file(path, lengths=TRADED, hours=calendar, adjusted=True, before=before, beside=beside)


def read_columns(path: Path, names: tuple[str, ...]) -> tuple[IntArray, tuple[str, ...], IntArray, FloatArray]:
    """Columns of a file that holds something else at (symbol, ts): codes, symbols, starts (n,), values (k, n).

    Rows without a symbol or a time are left out; what is no number is NaN.

    Raises
    ------
    SettingsError, ContractError
        As `read_file`.
    """
    table = _table(path, ("symbol", *names))
    codes, symbols, found = _symbols(table, path)
    starts = _Starts.of(table, path)
    values = np.stack([_numbers(table, name, path)[0] for name in names])
    kept = ~(found[Reason.NO_SYMBOL] | starts.missing)
    return codes[kept], symbols, starts.at_s[kept], values[:, kept]


def _table(path: Path, wanted: tuple[str, ...] = ("symbol", *PRICES)) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    names = _names(path)
    _require_columns(names, wanted, path)
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else _csv(path, names)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name} cannot be read: {error}") from error
    if not table.num_rows:
        raise ContractError(f"{path.name} has a header and no rows")
    for k, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type):  # rows cannot be taken of them
            kind = pa.string() if pa.types.is_string_view(field.type) else pa.binary()
            table = table.set_column(k, field.name, table[k].cast(kind))
    return table.combine_chunks()


def _names(path: Path) -> Sequence[str]:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    if not path.is_file():
        raise SettingsError(f"no file of bars at {path}")
    try:
        return list(pq.read_schema(path).names) if path.suffix == ".parquet" else _csv_names(path)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name} cannot be read: {error}") from error


def _tells_splits(names: Sequence[str]) -> bool:
    return not {"split_next", "split_factor"}.isdisjoint(names)


def _require_columns(names: Sequence[str], wanted: tuple[str, ...], path: Path) -> None:
    if absent := [name for name in wanted if name not in names]:
        raise ContractError(f"{path.name}: columns {absent} are missing; it has {names}")
    if not {"ts", "date"} & set(names):
        raise ContractError(f"{path.name}: neither a column ts nor a column date; it has {names}")
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise ContractError(f"{path.name}: columns {doubled} are there more than once")


def _csv_names(path: Path) -> list[str]:
    import pyarrow.csv as pc  # noqa: PLC0415 - only who touches files pays

    with pc.open_csv(path) as reader:
        return list(reader.schema.names)


def _csv(path: Path, names: Sequence[str]) -> Any:
    """Every column as text: NA, TRUE, NAN and INF are symbols, and a number is one or is told by its row."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.csv as pc  # noqa: PLC0415 - as above

    options = pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pc.read_csv(path, convert_options=options)


def _plain(table: Any, name: str) -> Any:
    """A column without dictionary, text of whatever kind as string."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()) if _is_text(column.type) else column


def _is_text(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _symbols(table: Any, path: Path) -> tuple[IntArray, tuple[str, ...], dict[Reason, BoolArray]]:
    """Codes (-1 for null), symbols by code, and which rows have none."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = _plain(table, "symbol")
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if not _is_text(column.type):
        raise ContractError(f"{path.name}: column symbol holds {column.type}, not text")
    coded = column.dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    symbols = tuple(str(name) for name in coded.dictionary.to_pylist())
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    unnamed = np.array([*(not _is_symbol(name) for name in symbols), True])
    return codes, symbols, {Reason.NO_SYMBOL: unnamed[codes]}


def _is_symbol(text: str) -> bool:
    try:
        require_symbol("symbol", text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Starts:
    """When bars start, arrays of shape (n,).

    `at_s` UTC epoch seconds, rounded down, 0 where `missing`; `fraction` where it lies between two seconds. `days` are
    those since 1970 of a column of dates, 0 where `no_day`; `is_dates` where the file has nothing but them.
    """

    at_s: IntArray
    missing: BoolArray
    fraction: BoolArray
    days: IntArray | None
    no_day: BoolArray
    is_dates: bool

    @classmethod
    def of(cls, table: Any, path: Path) -> _Starts:
        """From columns `ts` and `date`: a bar's time is `ts` where there are both, its day `date`."""
        names, none = table.column_names, np.zeros(table.num_rows, bool)
        days, no_day = _days(table, "date", path) if "date" in names else (None, none)
        if "ts" in names and not _holds_dates(table, "ts"):
            at_s, missing, fraction = _instants(table, path)
            return cls(at_s=at_s, missing=missing, fraction=fraction, days=days, no_day=no_day, is_dates=False)
        if days is None:
            days, no_day = _days(table, "ts", path)
        return cls(at_s=days * _DAY_S, missing=no_day, fraction=none, days=days, no_day=no_day, is_dates=True)

    def daily(self) -> tuple[IntArray, BoolArray]:
        """Starts of daily bars, and which are missing: midnight in New York of dates and of stamps at midnight UTC.

        A stamp at midnight UTC is how many sources write a date; in New York it is the evening before.
        """
        if self.days is not None:
            return midnights(self.days), self.no_day
        is_date = (self.at_s % _DAY_S == 0) & ~self.fraction
        return np.where(is_date, midnights(np.where(is_date, self.at_s // _DAY_S, 0)), self.at_s), self.missing


def _holds_dates(table: Any, name: str) -> bool:
    """Whether a column is of dates, as type or as text such as 2025-02-14 in every row that can be read."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = _plain(table, name)
    if not _is_text(column.type):
        return bool(pa.types.is_date(column.type))
    texts = [text for text in column.unique().to_pylist() if text]
    read = [text for text in texts if _read_time(text) is not None]
    return bool(read) and all(_read_date(text) is not None for text in read)


def _days(table: Any, name: str, path: Path) -> tuple[IntArray, BoolArray]:
    """Days since 1970 of a column of dates, and which are missing."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = _plain(table, name)
    if _is_text(column.type):
        coded = column.combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        known = [_read_date(text) for text in coded.dictionary.to_pylist()]
        table_of = np.array([(on.toordinal() - EPOCH.toordinal()) if on else 0 for on in known] + [0], np.int64)
        lacks = np.array([on is None for on in known] + [True])
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return table_of[codes], lacks[codes]
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        seconds, missing, fraction = _seconds(column)
        return seconds // _DAY_S, missing | fraction | (seconds % _DAY_S != 0)
    if not pa.types.is_date(column.type):
        raise ContractError(f"{path.name}: column {name} holds {column.type}, not dates")
    days = column.cast(pa.date32()).cast(pa.int32())
    missing = days.is_null().to_numpy()
    ordinals = days.fill_null(0).to_numpy().astype(np.int64)
    outside = _outside(ordinals * _DAY_S)
    return np.where(outside, 0, ordinals), missing | outside


def _instants(table: Any, path: Path) -> tuple[IntArray, BoolArray, BoolArray]:
    """UTC epoch seconds of column ts, which are missing, and which lie between two seconds."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = _plain(table, "ts")
    if _is_text(column.type):
        return _spelled(column, path)
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            raise ContractError(f"{path.name}: {_NO_ZONE}")
        return _seconds(column)
    if pa.types.is_null(column.type):
        raise ContractError(f"{path.name}: column ts is empty")
    raise ContractError(f"{path.name}: column ts holds {column.type}, not times: {_AS_TIME}")


_AS_TIME: Final = "write the start of each bar as a timestamp with its zone, such as 2025-02-14T14:30:00Z"
_NO_ZONE: Final = f"column ts has no time zone, so nobody knows whether it is New York's time or UTC: {_AS_TIME}"


def _seconds(column: Any) -> tuple[IntArray, BoolArray, BoolArray]:
    """Whole seconds of timestamps of whatever unit."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    raw = column.cast(pa.int64()).fill_null(0).to_numpy()
    missing = column.is_null().to_numpy() | _outside(raw // per_s)
    return np.where(missing, 0, raw // per_s), missing, (raw % per_s != 0) & ~missing


def _outside(seconds: IntArray) -> BoolArray:
    first, last = (midnight_s(on) for on in _YEARS)
    return (seconds < first) | (seconds >= last)


def _spelled(column: Any, path: Path) -> tuple[IntArray, BoolArray, BoolArray]:
    """Times that are text. Rows that cannot be read, or lack the zone that the others have, are missing."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    coded = column.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    texts = coded.dictionary.to_pylist()
    known = [_read_time(text) for text in texts]
    aware = [at is not None and at.tzinfo is not None for at in known]
    if not any(aware):
        if any(at is not None for at in known):
            raise ContractError(f"{path.name}: {_NO_ZONE}")
        raise ContractError(f"{path.name}: no text in column ts is a time (the first is {texts[:1]}): {_AS_TIME}")
    micros = np.array(
        [(at - _EPOCH) // timedelta(microseconds=1) if ok and at else 0 for at, ok in zip(known, aware, strict=True)]
        + [0],
        np.int64,
    )
    lacks = np.array([not ok for ok in aware] + [True])
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    seconds, fraction = micros[codes] // 10**6, micros[codes] % 10**6 != 0
    missing = lacks[codes] | _outside(seconds)
    return np.where(missing, 0, seconds), missing, fraction & ~missing


def _read_time(text: str | None) -> datetime | None:
    """ISO 8601 with a dash in the date; a bare number is no time."""
    try:
        return datetime.fromisoformat(text.strip()) if text and "-" in text else None
    except ValueError:
        return None


def _read_date(text: str | None) -> date | None:
    """YYYY-MM-DD within the years that a clock knows."""
    try:
        on = date.fromisoformat(text.strip()) if text and len(text.strip()) == len("2025-02-14") else None
    except ValueError:
        return None
    return on if on is not None and _YEARS[0] <= on < _YEARS[1] else None


def _values(table: Any, path: Path) -> tuple[dict[str, FloatArray], BoolArray]:
    """Prices, volume, and `split_next` or `split_factor`; and which rows hold text where a number must be."""
    names = [*PRICES, *[name for name in ("split_next", "split_factor") if name in table.column_names][:1]]
    found = {name: _numbers(table, name, path) for name in names}
    values = {"split_next": np.ones(table.num_rows)} | {name: numbers for name, (numbers, _) in found.items()}
    values["split_next"] = values["split_next"].copy()
    return values, np.asarray(np.any([mask for _, mask in found.values()], axis=0), np.bool_)


def _split_next(factor: FloatArray, codes: IntArray, start_s: IntArray) -> FloatArray:
    """What `split_factor`, the product of the splits up to a row, says of the next row's terms."""
    known = np.flatnonzero(np.isfinite(factor) & (factor > 0))
    order = known[np.lexsort((start_s[known], codes[known]))]
    ratio = np.full(factor.size, np.nan)
    ratio[order] = 1.0
    same = np.diff(codes[order]) == 0
    ratio[order[:-1]] = np.where(same, factor[order[1:]] / factor[order[:-1]], 1.0)
    return ratio


def _splits(rows: RawRows, checked: Checked, frame: Timeframe, symbols: tuple[str, ...]) -> dict[Symbol, Splits]:
    """Splits of every symbol. A row whose date is known tells of its own, whatever else it has wrong."""
    silent = {Reason.NO_SYMBOL, Reason.NO_TIME}
    if frame is Timeframe.DAY_1:
        silent.add(Reason.OFF_GRID)
    speaks = np.array([reason not in silent for reason in checked.reasons], np.bool_)
    told = np.concatenate([checked.bad[speaks], checked.order])
    factor = rows.split_next[told]
    told = told[np.isfinite(factor) & (factor > 0)]
    told = told[np.lexsort((rows.start_s[told], rows.symbol[told]))]  # stable: of one start the sound row is the last
    codes, first = np.unique(rows.symbol[told], return_index=True)
    found: dict[Symbol, Splits] = {}
    for code, part in zip(codes.tolist(), np.split(told, first[1:]), strict=bool(codes.size)):
        factor = rows.split_next[part]
        is_plain = bool((factor == 1).all())
        found[Symbol(symbols[code])] = NO_SPLITS if is_plain else splits_told(rows.start_s[part], factor)
    return found


def _keep_splits(rows: RawRows, checked: Checked) -> None:
    """Give the split that a quarantined row tells of to the sound row before it: prices after it are in its terms."""
    known = (Reason.NOT_A_NUMBER, Reason.NOT_FINITE, Reason.NOT_POSITIVE, Reason.NEGATIVE_VOLUME, Reason.INCONSISTENT)
    factor = rows.split_next[checked.bad]
    for k in np.flatnonzero(np.isfinite(factor) & (factor > 0) & (factor != 1)):
        row = checked.bad[k]
        if checked.reasons[k] in known:
            same = checked.order[rows.symbol[checked.order] == rows.symbol[row]]
            if (before := same[rows.start_s[same] < rows.start_s[row]]).size:
                rows.split_next[before[-1]] *= factor[k]


def _numbers(table: Any, name: str, path: Path) -> tuple[FloatArray, BoolArray]:
    """A column as float64, NaN for what is missing; and where it holds text that is no number."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    column = _plain(table, name)
    is_word = np.zeros(table.num_rows, bool)
    if _is_text(column.type):
        text = pc.utf8_trim_whitespace(column)
        is_number = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
        is_missing = pc.fill_null(pc.is_in(pc.utf8_lower(text), value_set=pa.array(_MISSING)), True)
        is_word = ~(is_number.to_numpy() | is_missing.to_numpy() | text.is_null().to_numpy())
        column = pc.if_else(is_number, text, pa.scalar(None, pa.string()))
    kind, of = column.type, pa.types
    if not any(is_such(kind) for is_such in (_is_text, of.is_integer, of.is_floating, of.is_decimal, of.is_null)):
        raise ContractError(f"{path.name}: column {name} holds {kind}, not numbers")
    return column.cast(pa.float64(), safe=False).to_numpy(), is_word


def _timeframe(
    codes: IntArray, starts: _Starts, path: Path, named: Timeframe | None, lengths: frozenset[Timeframe]
) -> Timeframe:
    """The bars' length: named, or told by their starts, and in both cases not another than they show."""
    usual, steps = _usual_step(codes, starts)
    is_daily = starts.is_dates or usual >= _DAY_S
    if is_daily and usual > 4 * _DAY_S:
        raise ContractError(f"{path.name}: its bars are {_span(usual)} apart, and no daily ones")
    frame = named or (Timeframe.DAY_1 if is_daily else next((f for f in Timeframe if f.seconds == usual), None))
    wanted = " or ".join(f for f in Timeframe if f in lengths)
    if frame is None:
        if usual:
            raise ContractError(f"{path.name}: its bars are {_span(usual)} apart; they must be {wanted}")
        raise ContractError(
            f"{path.name}: one bar of each symbol does not say how long they are; name the timeframe (--timeframe)"
        )
    if named and steps >= _LEAST_STEPS and (usual < named.seconds if not is_daily else named is not Timeframe.DAY_1):
        raise ContractError(f"{path.name}: its bars are {_span(usual)} apart, and no bars of {named}")
    if frame not in lengths:
        raise ContractError(f"{path.name}: its bars are {_span(frame.seconds)} long; they must be {wanted}")
    return frame


def _usual_step(codes: IntArray, starts: _Starts) -> tuple[int, int]:
    """The most frequent step between a symbol's bars, in seconds, 0 where there is none; and how many steps there are.

    Few steps say nothing against daily bars: a list of single days has wide ones.
    """
    known = np.flatnonzero(~starts.missing & (codes >= 0))
    at_s = starts.at_s[known]
    order = np.lexsort((at_s, codes[known]))
    steps = np.diff(at_s[order])[np.diff(codes[known][order]) == 0]
    steps = steps[steps > 0]
    if not steps.size:
        return 0, 0
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[np.argmax(counts)])
    return min(usual, _DAY_S) if steps.size < _LEAST_STEPS else usual, int(steps.size)


def _span(seconds: int) -> str:
    for length, word in ((_DAY_S, "day"), (3600, "hour"), (60, "minute")):
        if seconds % length == 0:
            count = seconds // length
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{seconds} s"


def _closed(rows: RawRows, symbols: tuple[str, ...], calendar: Calendar) -> BoolArray:
    """Which rows of equities start while the exchange is closed."""
    distinct, where = np.unique(rows.start_s, return_inverse=True)
    edges = edges_of(distinct, calendar)
    closed = (edges.day < 0) | (distinct < edges.pre_s) | (distinct >= edges.aft_ends_s)
    is_pair = np.array([*(is_crypto(Symbol(name)) for name in symbols), False])
    return np.asarray(closed[where] & ~is_pair[rows.symbol], np.bool_)


def _require_grid(rows: RawRows, checked: Checked, frame: Timeframe, symbols: tuple[str, ...], path: Path) -> None:
    """Refuse a file whose rows mostly lie off the grid, and a symbol whose bars are longer than the file's."""
    off = checked.counts.get(Reason.OFF_GRID, 0)
    if off > _OFF_GRID_MAX * rows.start_s.size and off >= _LEAST_STEPS:
        grid = "midnight in New York, or in UTC" if frame is Timeframe.DAY_1 else "their own grid"
        raise ContractError(f"{path.name}: {off:,} of {rows.start_s.size:,} bars of {frame} do not start on {grid}")
    if frame is Timeframe.DAY_1 or not checked.order.size:
        return
    code, start_s = rows.symbol[checked.order], rows.start_s[checked.order]
    first = np.flatnonzero(np.diff(code, prepend=-1))
    count = np.diff(np.append(first, code.size))
    common = np.gcd.reduceat(start_s - np.repeat(start_s[first], count), first)
    if (longer := np.flatnonzero((common > frame.seconds) & (count > _LEAST_STEPS))).size:
        k = longer[0]
        raise ContractError(
            f"{path.name}: bars of {symbols[int(code[first[k]])]} are {_span(int(common[k]))} apart among bars of "
            f"{frame}: a file holds bars of one length"
        )


def _bad_rows(table: Any, kept: IntArray, checked: Checked) -> Any:
    """The quarantined rows as they came, with their place and reason."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    places = kept[checked.bad]
    bad = table.take(pa.array(places)).append_column("row", pa.array(places + 1))
    return bad.append_column("reason", pa.array([reason.value for reason in checked.reasons], pa.string()))


def _is_word(text: str) -> bool:
    return re.match(_NUMBER, text.strip()) is None and text.strip().lower() not in _MISSING


def _shown(value: object) -> str:
    return (value.isoformat() if isinstance(value, date) else repr(value) if isinstance(value, str) else str(value))[
        :40
    ]
