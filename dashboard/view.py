"""What every page is given: where to read, which day, whose wall clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, tzinfo

from streamlit.navigation.page import StreamlitPage

from dashboard.cache import CachedSource
from dashboard.environments import StorageEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at one environment.

    Attributes
    ----------
    source : CachedSource
        Its storage.
    days : tuple of date
        Session dates that it knows of, the latest first; never empty.
    on : date
        The one that is looked at.
    zone : tzinfo
        Of whoever looks.
    case_page : StreamlitPage
        Where a case is shown.
    """

    profile: StorageEnvironment
    source: CachedSource
    days: tuple[date, ...]
    on: date
    zone: tzinfo
    case_page: StreamlitPage

    @property
    def is_latest(self) -> bool:
        """Whether the day is the latest: the one that may still change."""
        return self.on == self.days[0]
