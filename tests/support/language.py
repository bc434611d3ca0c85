"""Chat completions for tests: settings, questions, answers, and a model in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from shared.contracts.settings import LanguageSettings
from shared.core.text.language import LanguageError, LanguageReply, LanguageRequest

SCHEMA = '{"type":"object","properties":{"score":{"type":"number"}},"required":["score"],"additionalProperties":false}'


def question(user: str = '{"stories":[]}', **changes: Any) -> LanguageRequest:
    """A question about some evidence."""
    asked: dict[str, Any] = {"prompt_id": "narrative.v1@1234", "system": "Say what the stories mean.", "user": user}
    return LanguageRequest(**{**asked, "schema": SCHEMA, "max_tokens": 100, **changes})


def completion(text: str = '{"score":0.5}', **changes: Any) -> dict[str, Any]:
    """A chat completion as services answer it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "small-model-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49},
        **changes,
    }


def language_settings(url: str, **changes: Any) -> LanguageSettings:
    """Settings of a service that wants one key."""
    return LanguageSettings(**{"url": url, "model": "small-model", "keys": ("key-of-the-test-1",), **changes})


def reply(text: str = '{"score":0.5}', **changes: Any) -> LanguageReply:
    """An answer as the adapter gives it."""
    said: dict[str, Any] = {"model": "small-model-2026", "tokens_in": 40, "tokens_out": 9}
    return LanguageReply(**{"text": text, **said, "latency_ms": 700, "finish": "stop", **changes})


@dataclass(slots=True)
class HandLanguage:
    """A model that says what the test says, and counts how often it was asked."""

    answer: Callable[[LanguageRequest], LanguageReply | LanguageError] = lambda _: reply()
    asked: list[LanguageRequest] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        with self.lock:
            self.asked.append(request)
        said = self.answer(request)
        if isinstance(said, LanguageError):
            raise said
        return said
