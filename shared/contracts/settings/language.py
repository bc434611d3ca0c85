"""Which language model writes narratives, and what that may cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from shared.core.settings.declare import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSettings:
    """Which language model writes narratives, and what that may cost."""

    url: str = setting(
        "GATEHOUSE_LANGUAGE_URL",
        "",
        "base address of an OpenAI-compatible service, up to and with its version, as https://host/v1; empty: none",
        unit="URL",
        why="Everything runs without it: no narrative is written, and divergence.v1 says so",
    )
    model: str = setting(
        "GATEHOUSE_LANGUAGE_MODEL",
        "",
        "model that is asked for by name",
        why="The service's own name of it; it is part of every record",
    )
    keys: tuple[str, ...] = setting(
        "GATEHOUSE_LANGUAGE_KEYS",
        (),
        "keys of the service, split by blanks or commas; empty: it wants none",
        why="A key that is refused with 429 or fails rests, and the next is used",
        secret=True,
    )
    timeout_s: float = setting(
        "GATEHOUSE_LANGUAGE_TIMEOUT_S",
        20.0,
        "time for one narrative in all, its repair included",
        low=0.2,
        high=120,
        unit="s",
        why="A story waits no longer than that to be scored",
    )
    max_tokens: int = setting(
        "GATEHOUSE_LANGUAGE_MAX_TOKENS",
        400,
        "tokens of one answer",
        low=50,
        high=4000,
        unit="tokens",
        why="A summary of 512 characters, quotes and ids fit",
    )
    tokens_a_day: int = setting(
        "GATEHOUSE_LANGUAGE_TOKENS_A_DAY",
        300_000,
        "tokens in and out that a New York date may use",
        low=0,
        high=100_000_000,
        unit="tokens",
        why="Some 200 narratives",
    )
    usd_a_day: float = setting(
        "GATEHOUSE_LANGUAGE_USD_A_DAY",
        0.1,
        "USD that a New York date may cost, at the two prices below",
        low=0,
        high=1000,
        unit="USD",
        why="Two dollars a month at most",
    )
    usd_per_million_in: float = setting(
        "GATEHOUSE_LANGUAGE_USD_PER_MILLION_IN",
        0.15,
        "price of a million tokens of question",
        low=0,
        high=1000,
        unit="USD",
        why="A small hosted model in 2026; 0 of one's own",
    )
    usd_per_million_out: float = setting(
        "GATEHOUSE_LANGUAGE_USD_PER_MILLION_OUT",
        0.6,
        "price of a million tokens of answer",
        low=0,
        high=1000,
        unit="USD",
        why="A small hosted model in 2026; 0 of one's own",
    )
    knowledge_cutoff: date | None = setting(
        "GATEHOUSE_LANGUAGE_KNOWLEDGE_CUTOFF",
        None,
        "date up to which the model has read the world; empty: not known",
        why="A backtest that rests on narratives of days before it and 30 more says that it is contaminated: the model "
        "may know how they ended",
    )
    slots: int = setting(
        "GATEHOUSE_LANGUAGE_SLOTS",
        4,
        "questions asked side by side; a server of one's own must have as many parallel slots",
        low=1,
        high=64,
        unit="slots",
        why="A burst of stories is told within one time-out. llama.cpp's answers depend on it: every record names it",
    )
