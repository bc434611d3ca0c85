"""How long a committee takes in real time, over HTTP on the loopback, some of its roles too slow to be waited for.

`python -m benchmarks committee`. The commentator answers; the goal is a p99 within the deadline of five seconds.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from starlette.applications import Starlette

from sandbox.deliberate import counted_roles, plans, timed
from sandbox.narrate import quantile
from shared.adapters.language import ChatCompletions
from shared.contracts.settings import LanguageSettings
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.language.face import ROUTES
from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED, Scenario
from simulation.venue.face.server import ServerThread

DEADLINE_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks committee", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="plans (default %(default)s)")
    parser.add_argument("--slow", type=float, default=0.1, help="share with one slow role (default %(default)s)")
    options = parser.parse_args(arguments)
    app = Starlette(routes=ROUTES)
    app.state.commentator = CommentatorConfig(faults={CommentatorFault.SLOW_ROLE: options.slow}, delay_s=30)
    with ServerThread(app) as server:
        language = ChatCompletions(replace(LanguageSettings(), url=f"{server.url}/v1", model=MODEL), is_sandbox=True)
        seeded = islice(plans(Scenario(seed=DEFAULT_SEED, on=DEFAULT_ON)), options.count)
        done = [timed(language, plan, timeout_s=DEADLINE_S) for plan in seeded]
        logging.disable()  # the server says so of each answer that it still holds back
    print(counted_roles(done))
    return 0 if quantile([ms for _, ms in done], 0.99) <= 1000 * DEADLINE_S else 1
