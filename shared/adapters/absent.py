"""What stands in for the parts of the news that are not configured: each says so, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.contracts.settings import NewsFeed
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.ports import FeedReading, FeedState, TextState


class NoText:
    """No model of text."""

    def current(self) -> TextState:
        """Say so."""
        return TextState(reader=None, fault="no model of text has been published")


class NoLanguage:
    """No language model."""

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        """Refuse. Raises LanguageError."""
        raise LanguageError(LanguageFault.OFF, "GATEHOUSE_LANGUAGE_URL is not set")


class NoFeeds:
    """Nothing that reads feeds."""

    def read(self, feeds: Sequence[NewsFeed], states: Mapping[str, FeedState]) -> Sequence[FeedReading]:
        """Say of each that nothing read it."""
        return [FeedReading(feed=feed, fault="nothing reads feeds here") for feed in feeds]
