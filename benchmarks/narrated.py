"""What a month costs with narratives on: the language model's tokens, and the functions that stories add.

The functions are counted where the measured day had them, and reckoned here where it had not. What the model takes is
reckoned always: the sandbox's own costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.meter import TABLES, Usage, billed_s
from benchmarks.prices import ANSWER_WAIT_S, STORAGE_WAIT_S, Op
from sandbox.host.observer import TriggerKind
from shared.contracts.records import Container
from shared.contracts.settings import LanguageSettings

NARRATIVES_A_DAY = 150
"""Three novel stories of each of 50 symbols: assumed."""
TOKENS_IN, TOKENS_OUT = 1300, 160
"""Of one narrative: prompt and schema of 2,300 characters with eight stories of 360 each, and an answer with a summary
of 300, two quotes and its sources, at four characters a token.
"""
REPAIRED = 0.05
"""Share of narratives that are asked for a second time: assumed."""

CALL_OPS: Mapping[Op, int] = {Op.TABLE: 6, Op.BLOB_READ: 1, Op.BLOB_WRITE: 1}
"""Of one call that is answered: record looked for and kept; breaker read, the day's row read and written twice, the
call's own row written and its status noted. Held by a test.
"""
CALL_BYTES: Mapping[str, int] = {TABLES: 900, Container.LANGUAGE.value: 2500}
NARRATIVE_OPS: Mapping[Op, int] = {Op.TABLE: 3}
"""Of one narrative beside its calls: stories and past looked up, its row written. Reckoned from how it works."""
NARRATIVE_BYTES = 6000
BATCH_OPS: Mapping[Op, int] = {Op.TABLE: 8}
"""Of one batch of stories: five days of them read, their rows written. Reckoned from how it works."""
STORY_BYTES = 2500

STORY_FUNCTIONS = frozenset({"read_stories", "narrate"})
"""What runs only where stories are read; the focused slices that follow count as `score_candidates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrated:
    """A day with narratives.

    Parameters
    ----------
    batches : float
        Looks at the news in a day, each of which finds something novel.
    """

    batches: float
    settings: LanguageSettings = field(default_factory=LanguageSettings)

    @property
    def tokens(self) -> tuple[float, float]:
        """Tokens in and out of one narrative, its repair included."""
        return TOKENS_IN * (1 + REPAIRED), TOKENS_OUT * (1 + REPAIRED)

    @property
    def usd_each(self) -> float:
        """USD of one narrative at the prices of the settings."""
        tokens_in, tokens_out = self.tokens
        settings = self.settings
        return (tokens_in * settings.usd_per_million_in + tokens_out * settings.usd_per_million_out) / 1e6

    @property
    def narratives(self) -> float:
        """Narratives of a day: as many as are wanted, or as the day's budgets allow."""
        by_usd = self.settings.usd_a_day / self.usd_each if self.usd_each else NARRATIVES_A_DAY
        return min(NARRATIVES_A_DAY, self.settings.tokens_a_day / sum(self.tokens), by_usd)

    @property
    def usd(self) -> float:
        """USD of a day's tokens."""
        return self.narratives * self.usd_each

    def reckoned(self, usage: Mapping[str, Usage]) -> dict[str, Usage]:
        """The day's usage and what stories add to it: two functions, and a focused slice for each batch."""
        batches, each = round(self.batches), self.narratives / self.batches
        calls = self.narratives * (1 + REPAIRED)
        read = _usage(batches, _wait(BATCH_OPS), BATCH_OPS, batches)
        read.written_bytes[TABLES] += round(STORY_BYTES * self.narratives)
        a_call_s = ANSWER_WAIT_S + _wait(CALL_OPS)
        narrate_s = each * (_wait(NARRATIVE_OPS) + (1 + REPAIRED) * a_call_s)
        narrate = _usage(batches, narrate_s, CALL_OPS, calls)
        narrate.ops.update({op: round(count * self.narratives) for op, count in NARRATIVE_OPS.items()})
        narrate.written_bytes.update({where: round(size * calls) for where, size in CALL_BYTES.items()})
        narrate.written_bytes[TABLES] += round(NARRATIVE_BYTES * self.narratives)
        return {**usage, "read_stories": read, "narrate": narrate, "score_candidates": self._scored(usage, batches)}

    def _scored(self, usage: Mapping[str, Usage], batches: int) -> Usage:
        """The day's scoring and one more slice for each batch, as large as the others."""
        scored = usage["score_candidates"]
        share = 1 + batches / scored.executions
        return Usage(
            kind=scored.kind,
            executions=scored.executions + batches,
            wall_s=scored.wall_s * share,
            billed_s=scored.billed_s * share,
            broker_requests=round(scored.broker_requests * share),
            written_bytes=_times(scored.written_bytes, share),
            ops=_times(scored.ops, share),
            began_at=scored.began_at,
        )


def without_stories(usage: Mapping[str, Usage]) -> dict[str, Usage]:
    """A measured day's usage less what only stories bring."""
    return {name: used for name, used in usage.items() if name not in STORY_FUNCTIONS}


def _usage(executions: int, wall_s: float, ops: Mapping[Op, int], times: float) -> Usage:
    return Usage(
        kind=TriggerKind.QUEUE,
        executions=executions,
        wall_s=executions * wall_s,
        billed_s=executions * billed_s(wall_s),
        ops=Counter({op: round(count * times) for op, count in ops.items()}),
    )


def _wait(ops: Mapping[Op, int]) -> float:
    return sum(ops.values()) * STORAGE_WAIT_S


def _times[K](counted: Counter[K], share: float) -> Counter[K]:
    return Counter({key: round(count * share) for key, count in counted.items()})
