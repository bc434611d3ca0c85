"""What every page is given: where to read, which day, whose wall clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import pandas as pd
from streamlit.navigation.page import StreamlitPage

from dashboard import units
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

    def wall(self, at: datetime | pd.Timestamp | None) -> str:
        """Wall time of an instant in New York and where the reader is."""
        return units.both(at, self.zone)

    @property
    def is_latest(self) -> bool:
        """Whether the day is the latest: the one that may still change."""
        return self.on == self.days[0]
