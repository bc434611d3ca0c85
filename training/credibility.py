"""What sources and roles were worth over some months, out of the app's tables and bars; a proposal of their weights.

It can enlarge no risk. A source's weight says how far up its stories stand in what a narrative is told, and what they
count for in a mean of polarities; text has no say in stop, target or size. A role's weight moves the mean that a
committee's factor cannot exceed: the factor stays one of five, 1 at most, whatever the weights are, and a veto of the
role RISK stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from shared.contracts.parameters import TUNABLE, Evidence, ParameterSet
from shared.contracts.records import Table, renamed
from shared.contracts.settings import NewsSettings
from shared.core.credibility import APART, Credibility, Forecast, role_weights, source_weights
from shared.core.order_states import Phase
from shared.core.sessions import NEW_YORK
from shared.core.text.stories import Story
from shared.core.values import ZERO, Symbol, from_epoch, parse_utc
from shared.ports import Calendar, Row, TableStore
from shared.stages.narrative.records import STORY_COLUMNS, story_of
from training.text_study.forward import LEAST_PEERS, ForwardReturns, PriceBoard, read_board

SOURCES, ROLES = "GATEHOUSE_SOURCE_WEIGHTS", "GATEHOUSE_COMMITTEE_WEIGHTS"
WEIGHED_ROLES = ("analyst", "bull", "bear", "risk")
"""The chair weighs nothing: its factor is taken or cut."""
LEAST_POLARITY = 0.1
"""From here on a story is taken to say something."""
ENTRY_WITHIN_S = 900
"""A story that nobody could trade on for so long says nothing here: what it was worth is in the next open already."""
_HOUR = "60 min"
_FIGURES = ("forecasts", "hit_rate", "chance", "low", "high", "current", "weight")


def rows_of(tables: TableStore, table: Table, dates: Iterable[date], columns: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of a table on some dates."""
    for on in dates:
        yield from (row for _, row in tables.query(table, str(on), columns=columns))


def stories_of(tables: TableStore, dates: Iterable[date]) -> list[Story]:
    """Stories that were received on some dates; a broken row is passed over."""
    found = []
    for row in rows_of(tables, Table.STORIES, dates, STORY_COLUMNS):
        with suppress(ValueError, KeyError):
            found.append(story_of(row))
    return found


def story_forecasts(stories: Iterable[Story], board: PriceBoard) -> tuple[list[Forecast], str]:
    """Hold what stories say against the hour after their receipt, of their symbols beyond the mean of all.

    The hour begins at the open of the first bar that starts at or after the receipt. The text says why there is nothing
    to hold them against, empty where there is.
    """
    made = next((each for each in board.horizons if each.name == _HOUR), None)
    if made is None or not board.has_peers:
        expected = f"bars within the day of {LEAST_PEERS} symbols or more"
        return [], f"nothing is said of sources: expected {expected}, {board.name} has others"
    found = []
    for story in stories:
        at_s = story.received_at.timestamp()
        hours = [hour for symbol in story.symbols if (hour := _hour_after(made, symbol, at_s)) is not None]
        if hours and story.polarity is not None and abs(story.polarity) >= LEAST_POLARITY:
            found.append(
                Forecast(
                    who=story.source.casefold(),
                    event_id=story.story_id,
                    about=story.symbols,
                    said_at=story.received_at,
                    known_at=from_epoch(max(entry_s for entry_s, _ in hours)) + APART,
                    said=story.polarity,
                    came=float(np.mean([excess for _, excess in hours])),
                    echo_of=story.echo_of,
                )
            )
    return found, ""


def _hour_after(made: ForwardReturns, symbol: Symbol, at_s: float) -> tuple[int, float] | None:
    """When it begins, and the return beyond the market's; None where nobody could trade, or it is not known."""
    entries = made.entry_s.get(symbol)
    k = 0 if entries is None else int(np.searchsorted(entries, at_s))
    if entries is None or k == entries.size or entries[k] - at_s > ENTRY_WITHIN_S:
        return None
    excess = float(made.excess[symbol][k])
    return (int(entries[k]), excess) if math.isfinite(excess) else None


def role_forecasts(tables: TableStore, dates: Sequence[date]) -> list[Forecast]:
    """Hold what roles of the committee said against what the trade made, on paper where it was not made as planned."""
    outcomes = _made(rows_of(tables, Table.ORDERS, dates)) | _on_paper(rows_of(tables, Table.SHADOWS, dates))
    found = []
    for row in rows_of(tables, Table.DECISIONS, dates, ("decision_id", "symbol", "decided_at", "facts")):
        with suppress(ValueError, KeyError, TypeError):
            known_at, came = outcomes[str(row["decision_id"])]
            for role, factor in _said(row):
                found.append(
                    Forecast(
                        who=role,
                        event_id=str(row["decision_id"]),
                        about=(str(row["symbol"]),),
                        said_at=parse_utc(str(row["decided_at"])),
                        known_at=known_at,
                        said=1.0 if factor == 1 else -1.0,
                        came=came,
                    )
                )
    return found


def _said(row: Row) -> list[tuple[str, Decimal]]:
    """Each weighed role that has answered, and the factor it asked for."""
    committee: Any = json.loads(str(row.get("facts") or "{}")).get("committee") or {"outcomes": ()}
    answers = {str(each["role"]): each["answer"] for each in committee["outcomes"] if each.get("answer")}
    return [(role, Decimal(str(answers[role]["factor"]))) for role in WEIGHED_ROLES if role in answers]


type _Outcomes = dict[str, tuple[datetime, float]]
"""By decision: since when it is known, and the return as a fraction."""


def _made(rows: Iterable[Row]) -> _Outcomes:
    """Orders that bought and have closed."""
    found: _Outcomes = {}
    for row in map(renamed, rows):
        cost = Decimal(str(row.get("bought_qty") or 0)) * Decimal(str(row.get("entry_usd") or 0))
        if row["phase"] == Phase.CLOSED and cost > ZERO:
            made = Decimal(str(row["realised_usd"])) / cost
            found[str(row["decision_id"])] = parse_utc(str(row["updated_at"])), float(made)
    return found


def _on_paper(rows: Iterable[Row]) -> _Outcomes:
    """Shadows that were filled and have ended."""
    return {
        str(row["decision_id"]): (parse_utc(str(row["left_at"])), float(str(row["net_bp"])) / 1e4)
        for row in rows
        if row.get("net_bp") is not None and row.get("left_at")
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedWeights:
    """What some months say of sources and roles; `told` says what could not be looked at."""

    since: date
    until: datetime
    sources: tuple[Credibility, ...]
    roles: tuple[Credibility, ...]
    told: str

    @property
    def moved(self) -> tuple[Credibility, ...]:
        """Those whose weight is to change."""
        return tuple(each for each in (*self.sources, *self.roles) if each.is_moved)

    def as_data(self) -> dict[str, Any]:
        """The evidence as plain data."""
        data = {name: [_plain(each) for each in getattr(self, name)] for name in ("sources", "roles")}
        period = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {"schema_id": "credibility.v1", **period, **data, "told": self.told}


def _plain(found: Credibility) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str) or math.isfinite(value) else None for name, value in asdict(found).items()
    }


def period_of(month: date, months: int) -> tuple[list[date], datetime]:
    """Return the dates of so many months, the last of them given by its first day, and the instant at their end."""
    last = (month + timedelta(days=31)).replace(day=1)
    first = month.year * 12 + month.month - months
    since = date(first // 12, first % 12 + 1, 1)
    until = datetime(last.year, last.month, last.day, tzinfo=NEW_YORK)
    return [since + timedelta(days=k) for k in range((last - since).days)], parse_utc(until.isoformat())


def learned(
    tables: TableStore,
    bars: Path | None,
    month: date,
    calendar: Calendar,
    *,
    months: int,
    own: NewsSettings,
    news: NewsSettings,
    roles: Mapping[str, float],
) -> LearnedWeights:
    """Return what sources and roles are to weigh, by the months up to one.

    Parameters
    ----------
    bars : Path or None
        File of bars of those months; what it has of later ones is not looked at. Without any, sources stay as they are.
    month : date
        Its first day.
    own, news : NewsSettings
        As the app's own settings have it, and in force.
    roles : mapping of str to float
        Weights in force.
    """
    dates, until = period_of(month, months)
    told, said = "nothing is said of sources: there are no bars", list[Forecast]()
    if bars is not None:
        board = read_board(bars, None, calendar, before=dates[-1] + timedelta(days=1))
        said, told = story_forecasts(stories_of(tables, dates), board)
    return LearnedWeights(
        since=dates[0],
        until=until,
        sources=source_weights(said, news.weight_of, prior=own.weight_of, until=until),
        roles=role_weights(role_forecasts(tables, dates), dict.fromkeys(WEIGHED_ROLES, 1.0) | dict(roles), until=until),
        told=told,
    )


def parameter_values(found: LearnedWeights, news: NewsSettings) -> dict[str, str]:
    """Return what is to change, as a parameter set holds it: all of a setting whose part changes."""
    values = {}
    # A name with the mark that splits weights cannot be spelled in the setting.
    if moved := {each.who: each.weight for each in found.sources if each.is_moved and ";" not in each.who}:
        named = {each.source.casefold(): each.weight for each in news.source_weights}
        values[SOURCES] = "; ".join(f"{who}: {weight:g}" for who, weight in sorted((named | moved).items()))
    if any(each.is_moved for each in found.roles):
        values[ROLES] = " ".join(f"{each.who}={each.weight:g}" for each in found.roles)
    return {name: text for name, text in values.items() if name in TUNABLE}


def weights_proposal(
    found: LearnedWeights, values: Mapping[str, str], carried: Mapping[str, str], *, name: str, blob: str
) -> ParameterSet:
    """Make the weights a set that a person may accept.

    Parameters
    ----------
    values : mapping of str to str
        Of `parameter_values`.
    carried : mapping of str to str
        What the accepted set changes: the new one takes its place, and must not undo it.
    """
    figures = {f"{each.who}.{figure}": float(getattr(each, figure)) for each in found.moved for figure in _FIGURES}
    known = {figure: value for figure, value in figures.items() if math.isfinite(value)}
    return ParameterSet(
        name=name,
        created_at=found.until,
        proposed_by="monthly credibility",
        values={**carried, **values},
        evidence=Evidence(blob=blob, figures=known),
    )
