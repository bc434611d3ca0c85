"""Buy where the news has gone further than the price: the narrative of a symbol's stories held against its tape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.features.history import WARMUP_BARS
from shared.core.policy import PolicyCode
from shared.core.text.narratives import Narrative, NarrativeStatus
from shared.core.text.scores import PriceReading, decayed, known_by, narrative_z, price_reading
from shared.core.text.stories import SymbolText
from shared.strategies import Advice, Bars, BarStrategy, Needs, SliceView, Symbol, parameter

LEADS = "NARR_LEADS_PRICE"
"""Why it enters."""

_UNTOLD = {
    NarrativeStatus.UNAVAILABLE: PolicyCode.NARRATIVE_UNAVAILABLE,
    NarrativeStatus.INVALID_PARSE: PolicyCode.INVALID_PARSE,
    NarrativeStatus.UNGROUNDED: PolicyCode.UNGROUNDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence(BarStrategy):
    """Enter where a sure, fresh, good narrative lies deviations above the price score; long only.

    The first reason against an entry is its code, judged from what must be there to what is weighed: is there news
    (`NO_STORY`) that is new (`ECHO`), has all of it been put into a narrative that may be believed
    (`NARRATIVE_UNAVAILABLE`, also where text cannot be relied on; `INVALID_PARSE`, `UNGROUNDED`), was it acted on
    before (`COOLDOWN_ACTIVE`), is it sure (`LOW_CONFIDENCE`), does anybody trade (`WEAK_VOLUME`), does it lead
    (`NO_DIVERGENCE`), does the price bear it (`PRICE_CONDITION`). So what is said of a candidate never rests on a
    figure that an earlier question has put in doubt.

    The price condition: the close is no lower than the lowest low of some bars before. A price score far below its own
    past makes a divergence too, and there the tape most likely knows what the story does not say.

    Stop, target and time limit come of bars and parameters alone, so no text reaches the size of a position. The time
    limit is the half-life of a narrative. A symbol rests after each order by `cooldown_min`, as of any strategy.
    """

    name = "divergence.v1"
    needs = Needs(history_bars=WARMUP_BARS, text=True)

    divergence: float = parameter(1.0, "deviations by which the narrative leads the price, more", low=0.5, high=5.0)
    confidence: float = parameter(0.6, "confidence of the narrative, more", low=0.5, high=1.0)
    volume_z: float = parameter(-0.5, "deviations of volume from its own past, more", low=-2.0, high=3.0)
    score: float = parameter(0.2, "least score of the narrative, decayed", low=0.05, high=1.0)
    fresh: int = parameter(60, "minutes after which story and narrative are old", low=5, high=390)
    floor: int = parameter(12, "bars whose lowest low the close has not fallen under", low=1, high=78)
    stop_atr: float = parameter(2.0, "ATR(14) from the close down to the stop", low=0.5, high=10.0)
    target_atr: float = parameter(3.0, "ATR(14) from the close up to the target", low=0.5, high=20.0)
    hold: int = parameter(90, "minutes after which a position is left", low=5, high=390)

    def advice_on(self, bars: Bars, symbol: Symbol, view: SliceView) -> Advice:
        """Judge a symbol's text first; the tape is read where there is a narrative to hold against it."""
        text = known_by(view.texts.get(symbol, SymbolText()), view.now)
        told = self._told(text, view.now)
        if isinstance(told, PolicyCode):
            return Advice(code=told, figures=_figures_of_text(text, view.now))
        tape = price_reading(bars)
        score = decayed(told.score, told.told_at, view.now)
        z = narrative_z(score, told.past)
        figures = {
            "narrative": score,
            "z_narrative": z,
            "divergence": z - float(tape.z[-1]),
            "confidence": told.confidence,
            **_figures_of_text(text, view.now),
            **_figures_of_tape(tape),
        }
        close, atr = float(bars.close[-1]), float(tape.atr_14[-1])
        stop, target = close - self.stop_atr * atr, close + self.target_atr * atr
        is_borne = 0 < stop < close < target and close >= float(bars.low[-1 - self.floor : -1].min())
        code = self._judged(told, figures, is_borne=is_borne)
        if code is not PolicyCode.ENTER:
            return Advice(code=code, figures=figures)
        return Advice(code=code, stop=stop, target=target, hold_min=self.hold, reason=LEADS, figures=figures)

    def _told(self, text: SymbolText, now: datetime) -> Narrative | PolicyCode:
        """The narrative that may be believed, else why there is none."""
        since = now - timedelta(minutes=self.fresh)
        fresh = [story for story in text.stories if story.received_at >= since]
        novel = [story.received_at for story in fresh if not story.echo_of]
        told = text.narrative
        if not novel:
            return PolicyCode.ECHO if fresh else PolicyCode.NO_STORY
        if text.fault:
            return PolicyCode.NARRATIVE_UNAVAILABLE
        # What was asked before the newest story came does not know of it, and that may turn the matter round.
        if told is None or told.told_at < since or told.asked_at < max(novel):
            return PolicyCode.NARRATIVE_UNAVAILABLE
        if told.status is not NarrativeStatus.TOLD:
            return _UNTOLD[told.status]
        return told

    def _judged(self, told: Narrative, figures: Mapping[str, float], *, is_borne: bool) -> PolicyCode:
        """The first reason against an entry; a figure that is NaN is one."""
        if told.signal:
            return PolicyCode.COOLDOWN_ACTIVE
        if not figures["confidence"] > self.confidence:
            return PolicyCode.LOW_CONFIDENCE
        if not figures["volume_z"] > self.volume_z:
            return PolicyCode.WEAK_VOLUME
        if not (figures["narrative"] >= self.score and figures["divergence"] > self.divergence):
            return PolicyCode.NO_DIVERGENCE
        return PolicyCode.ENTER if is_borne else PolicyCode.PRICE_CONDITION


def _figures_of_text(text: SymbolText, now: datetime) -> dict[str, float]:
    """What is known of the news, whatever is made of it: NaN where a model is missing.

    `story_age_s` is the time from the newest story's receipt to the decision.
    """
    told = text.narrative
    received = max((story.received_at for story in text.stories if not story.echo_of), default=None)
    sentiment, novelty = (None, None) if told is None else (told.sentiment, told.novelty)
    return {
        "story_age_s": math.nan if received is None else (now - received).total_seconds(),
        "polarity": math.nan if sentiment is None else sentiment,
        "novelty": math.nan if novelty is None else novelty,
        "source_weight": math.nan if told is None else told.weight,
        "stories": float(sum(not story.echo_of for story in text.stories)),
        "echoes": float(sum(bool(story.echo_of) for story in text.stories)),
    }


def _figures_of_tape(tape: PriceReading) -> dict[str, float]:
    """The last bar's; gap of the means and MACD in ATR."""
    return {
        "price_score": float(tape.score[-1]),
        "z_price": float(tape.z[-1]),
        "volume_z": float(tape.volume_z[-1]),
        "rsi_14": float(tape.rsi_14[-1]),
        "ma_gap": float(tape.ma_gap[-1]),
        "macd": float(tape.macd[-1]),
    }
