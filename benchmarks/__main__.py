"""`python -m benchmarks [NAME]`: one of `NAMED`; without a name imports, features and day."""

from __future__ import annotations

import sys

from benchmarks import backtest, committee, cost, dashboard, day, features, imports, narrative, scale, sweep

BENCHMARKS = {"imports": imports.main, "features": features.main, "day": day.main}
NAMED = {
    **BENCHMARKS,
    "backtest": backtest.main,
    "sweep": sweep.main,
    "cost": cost.main,
    "dashboard": dashboard.main,
    "narrative": narrative.main,
    "committee": committee.main,
    "scale": scale.main,
}


def main(arguments: list[str]) -> int:
    """Run one benchmark with its own options, or all; the exit code is 1 where a goal is missed."""
    if arguments and arguments[0] in NAMED:
        return NAMED[arguments[0]](arguments[1:])
    if arguments:
        sys.stderr.write(f"no benchmark {arguments[0]!r}; there are {', '.join(NAMED)}\n")
        return 2
    return max([run([]) for run in BENCHMARKS.values()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
