"""Stories of a symbol that meet the same entry are one event: one bet, not as many as there were texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.core.features.history import new_york_clock
from shared.core.market import FloatArray, IntArray
from training.text_study.forward import ForwardReturns
from training.text_study.reading import BoolArray
from training.text_study.story_file import StoryFile

WAIT_S: Final = 5 * 24 * 3600
"""A story that meets no entry for so long has met none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEntries:
    """Where n stories enter, int64 of shape (n,): index into the symbol's entries, and the instant; -1 nowhere."""

    place: IntArray
    entry_s: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvents:
    """m events of one horizon, by their entry, then symbol.

    Attributes
    ----------
    code, entry_s, on : int64 of shape (m,)
        Symbol, UTC epoch seconds, and New York date as days since 1970.
    gross, excess : float64 of shape (m,)
        Forward returns, all finite.
    newest : int64 of shape (m,)
        The last story of each before its entry.
    members : int64 of shape (k,)
        All stories, by event.
    starts : int64 of shape (m,)
        Where each event's begin among the members.
    """

    code: IntArray
    entry_s: IntArray
    on: IntArray
    gross: FloatArray
    excess: FloatArray
    newest: IntArray
    members: IntArray
    starts: IntArray

    def __len__(self) -> int:
        return int(self.code.size)

    def means(self, values: FloatArray) -> FloatArray:
        """Mean of the stories' values in each event, float64 of shape (m,)."""
        if not len(self):
            return np.empty(0)
        total: FloatArray = np.add.reduceat(values[self.members], self.starts)
        return total / self.sizes

    @property
    def sizes(self) -> IntArray:
        """How many stories each event folds, int64 of shape (m,)."""
        return np.diff(np.append(self.starts, self.members.size))


def entries_of(stories: StoryFile, made: ForwardReturns, *, shift_s: int = 0) -> StoryEntries:
    """Find the first entry at or after each story was received.

    Parameters
    ----------
    shift_s : int
        Seconds that the stories are taken to have been received later (earlier, below 0).
    """
    place, entry_s = np.full(len(stories), -1, np.int64), np.full(len(stories), -1, np.int64)
    at_s = stories.at_s + shift_s
    for code, symbol in enumerate(stories.symbols):
        if (entries := made.entry_s.get(symbol)) is None or not entries.size:
            continue
        own = np.flatnonzero(stories.code == code)
        found = np.searchsorted(entries, at_s[own])
        later = entries[np.minimum(found, entries.size - 1)]
        met = (found < entries.size) & (later - at_s[own] <= WAIT_S)
        place[own[met]], entry_s[own[met]] = found[met], later[met]
    return StoryEntries(place=place, entry_s=entry_s)


def events_of(stories: StoryFile, used: BoolArray, made: ForwardReturns, *, shift_s: int = 0) -> TextEvents:
    """Fold stories into events.

    Parameters
    ----------
    used : bool of shape (n,)
        Stories that count: no echoes, none that is contaminated.
    shift_s : int
        As of `entries_of`.

    Returns
    -------
    TextEvents
        Those with a known return.
    """
    met = entries_of(stories, made, shift_s=shift_s)
    gross, excess = np.full(len(stories), np.nan), np.full(len(stories), np.nan)
    for k, symbol in enumerate(stories.symbols):
        own = np.flatnonzero((stories.code == k) & (met.place >= 0))
        if own.size:
            gross[own] = made.gross[symbol][met.place[own]]
            excess[own] = made.excess[symbol][met.place[own]]
    kept = np.flatnonzero(used & np.isfinite(excess))
    members = kept[np.lexsort((kept, stories.code[kept], met.entry_s[kept]))]
    entry, code = met.entry_s[members], stories.code[members]
    is_new = (np.diff(entry, prepend=-1) != 0) | (np.diff(code, prepend=-1) != 0)
    starts = np.flatnonzero(is_new)
    newest = members[np.append(starts[1:], members.size) - 1] if members.size else members
    return TextEvents(
        code=code[starts],
        entry_s=entry[starts],
        on=new_york_clock(entry[starts])[0] if starts.size else starts,
        gross=gross[members][starts],
        excess=excess[members][starts],
        newest=newest,
        members=members,
        starts=starts,
    )
