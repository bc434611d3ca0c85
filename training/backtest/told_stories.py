"""Stories of a file as the account's news: a backtest's app hears of each when it was received, and not before."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.values import Symbol, from_epoch
from training.text_study.story_file import read_stories_file

SOURCE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStories:
    """Headlines by the instant they were received, which stands for when they were published, too.

    Attributes
    ----------
    content_id : str
        Of the file.
    told : tuple of str
        What the file holds, and what of it is left out.
    """

    headlines: tuple[Headline, ...] = ()
    content_id: str = ""
    told: tuple[str, ...] = ()

    def between(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Headlines of [start, end), oldest first."""
        lo, hi = (bisect_left(self.headlines, at, key=lambda item: item.published_at) for at in (start, end))
        return self.headlines[lo:hi]


NO_STORIES = ToldStories()


def read_told(path: Path) -> ToldStories:
    """Read a file of stories; rows of one instant and text are one headline of all their symbols.

    Raises
    ------
    SettingsError, ContractError
        As `read_stories_file`.
    """
    file = read_stories_file(path)
    symbols: dict[tuple[int, str], list[Symbol]] = defaultdict(list)
    for code, at_s, text in zip(file.code.tolist(), file.at_s.tolist(), file.texts, strict=True):
        symbols[at_s, text].append(file.symbols[code])
    headlines = (
        Headline(
            news_id=hash_id("told", str(at_s), text),
            published_at=from_epoch(at_s),
            source=SOURCE,
            headline=text,
            summary="",
            symbols=tuple(named),
        )
        for (at_s, text), named in symbols.items()
    )
    ordered = tuple(sorted(headlines, key=lambda item: (item.published_at, item.news_id)))
    return ToldStories(headlines=ordered, content_id=file.content_id, told=file.told)
