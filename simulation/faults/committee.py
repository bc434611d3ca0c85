"""A committee in a simulated day: whose entries it sits on, and a model that says anything."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from shared.core.committee.evidence import PLAN
from shared.core.committee.values import DEFAULTS
from shared.core.sessions import Session
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.stages.narrative.calls import record_name
from simulation.faults.faults import Surroundings

TIMEOUT_S = 60.0
"""For a whole deliberation, by the wall of whoever runs the simulation, to whom it takes milliseconds: none is cut off
for want of a faster machine. What the simulated model says of its own time is held against it as ever."""
MODEL = "simulated-model"

_SAYINGS: Mapping[str, int] = {
    **{"approve": 60, "shrink": 18, "veto": 4},
    **{"malformed": 3, "contradictory": 3, "ungrounded": 2},
    **{"late": 5, "raises": 1, LanguageFault.TIMEOUT: 2, LanguageFault.DOWN: 1, LanguageFault.RATE_LIMITED: 1},
}
"""What comes of a question, by weight."""
_MALFORMED = ("", "I approve.", "[1]", '{"stance": "approve", "factor": 1', '{"stance": "approve", "factor": 1}')
_CONTRADICTIONS = (("veto", 1), ("approve", 0.5), ("shrink", 0), ("shrink", 1), ("approve", 5), ("approve", "1"))


def committee_settings(seed: int, chance: float, traded: Sequence[str]) -> Mapping[str, str]:
    """Draw a seed's settings of a committee and of how far strategies go by themselves; none where none sits."""
    rng = random.Random(f"committee:{seed}")
    if rng.random() >= chance:
        return {}
    session = rng.choice((Session.REG_AM, Session.REG_PM))
    how = rng.choice(("", "", "", "", "=reduced", "=alert-only", f"/{session}=reduced", f"/{session}=alert-only"))
    return {
        "GATEHOUSE_COMMITTEE": " ".join(rng.choice((traded, traded[:1]))),
        "GATEHOUSE_COMMITTEE_DEFAULT": rng.choice(DEFAULTS),
        "GATEHOUSE_COMMITTEE_TIMEOUT_S": str(TIMEOUT_S),
        "GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1",
        "GATEHOUSE_LANGUAGE_MODEL": MODEL,
        "GATEHOUSE_LANGUAGE_SLOTS": "1",  # questions are put one after the other, so that a seed stays one run
        "GATEHOUSE_AUTOMATION": f"{rng.choice(traded)}{how}" if how else "",
    }


class SimLanguage:
    """`LanguageModel` that approves, objects, contradicts itself, fails, or answers after its time.

    What it says is drawn from the seed, the question and how often that has been put: asked again, it may say something
    else.
    """

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._put: Counter[str] = Counter()

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        """Say something. Raises LanguageError, and what no adapter should."""
        world, name = self._world, record_name(self._world.settings.language, request)
        self._put[name] += 1
        rng = random.Random(f"answer:{world.run.seed}:{name}:{self._put[name]}")
        (saying,) = rng.choices([*_SAYINGS], [*_SAYINGS.values()])
        world.pause()
        seconds = rng.uniform(2, 15) if saying in {"late", LanguageFault.TIMEOUT} else rng.uniform(0.1, 1.2)
        world.think(seconds)
        took_s = timeout_s + seconds if saying == "late" else seconds
        reply = LanguageReply(
            text=_text(rng, rng.choice(("approve", "shrink", "veto")) if saying == "late" else saying),
            model=MODEL,
            tokens_in=900,
            tokens_out=30,
            latency_ms=int(1000 * took_s),
            finish="stop",
        )
        is_answered = saying not in {"raises", *LanguageFault}
        world.trace.note(world.now(), "    committee:", json.loads(request.user)["role"], saying, name[:6])
        world.observer.consulted(name, is_on_time=is_answered and saying != "late")
        if saying == "raises":
            raise ValueError("what no adapter should")
        if not is_answered:
            raise LanguageError(LanguageFault(saying), "as drawn")
        return reply


def _text(rng: random.Random, saying: str) -> str:
    factor: object
    stance, factor = {"shrink": ("shrink", rng.choice((0.25, 0.5, 0.75))), "veto": ("veto", 0)}.get(
        saying, ("approve", 1)
    )
    if saying == "malformed":
        return rng.choice(_MALFORMED)
    if saying == "contradictory":
        stance, factor = rng.choice(_CONTRADICTIONS)
    reason = "up 999 per cent" if saying == "ungrounded" else "fair"
    return json.dumps({"stance": stance, "factor": factor, "reason": reason, "sources": [PLAN]})
