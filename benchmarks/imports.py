"""What a cold start pays: importing `function_app` in a fresh interpreter, beside its two SDKs alone."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOAL_S = 1.2
RUNS = 7
HEAVY = ("pandas", "pyarrow", "alpaca", "talib", "onnxruntime", "pydantic")
_TIMED = "import time; t = time.perf_counter(); import {what}; print(time.perf_counter() - t)"
_LOADED = "import function_app, sys; print(*[name for name in {heavy} if name in sys.modules])"


def seconds(what: str) -> float:
    """Median seconds to import modules in a fresh interpreter."""
    return statistics.median(float(_python(_TIMED.format(what=what))) for _ in range(RUNS))


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks imports", description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    app, sdk = seconds("function_app"), seconds("azure.functions, azure.durable_functions")
    heavy = _python(_LOADED.format(heavy=HEAVY)).split()
    print(f"import function_app       {app:6.3f} s  (goal {GOAL_S} s), {app / sdk:.2f} x the Functions SDKs alone")
    print(f"azure.functions + durable {sdk:6.3f} s")
    print(f"heavy modules loaded      {' '.join(heavy) or 'none'}")
    if options.json:
        options.json.write_text(json.dumps({"function_app_s": app, "sdk_s": sdk, "ratio": app / sdk, "heavy": heavy}))
    return int(app > GOAL_S or bool(heavy))


if __name__ == "__main__":
    sys.exit(main())
