"""`python -m benchmarks.compare FOLDER`: figures of two revisions side by side, as Markdown.

FOLDER holds `{base,head}-{benchmark}-{round}.json`, as benchmarks/compare.sh leaves them. Of several rounds the lower
figure counts: what else the machine did can only have slowed a round down.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

NOTED = 1.10
"""A figure that has grown by more than this is marked; less is what two runs of the same code differ by."""


def lowest(folder: Path, side: str) -> dict[str, float]:
    """Lowest figure of all rounds, by `benchmark: figure`.

    Raises
    ------
    ValueError
        If a file holds something else than figures.
    """
    found: dict[str, float] = {}
    for path in sorted(folder.glob(f"{side}-*.json")):
        benchmark = path.stem.split("-")[1]
        figures = json.loads(path.read_text(encoding="utf-8"))
        for name, value in figures.items():
            if not isinstance(value, int | float):
                raise ValueError(f"{path.name}: expected figures, got {name} = {value!r}")
            key = f"{benchmark}: {name}"
            found[key] = min(found.get(key, float(value)), float(value))
    return found


def table(base: Mapping[str, float], head: Mapping[str, float]) -> str:
    """Return the comparison; a figure that only one side has is shown as such."""
    lines = ["| Figure | Before | Now | Now / before | |", "| --- | --- | --- | --- | --- |"]
    for name in sorted(base.keys() | head.keys()):
        before, now = base.get(name), head.get(name)
        if before is None or now is None:
            lines.append(f"| {name} | {_spelled(before)} | {_spelled(now)} | | |")
            continue
        ratio = now / before if before else float("nan")
        lines.append(f"| {name} | {before:,.4g} | {now:,.4g} | {ratio:.2f} | {'**more**' if ratio > NOTED else ''} |")
    return "\n".join(lines)


def _spelled(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def main(arguments: list[str]) -> int:
    """Print the comparison."""
    folder = Path(arguments[0])
    base, head = lowest(folder, "base"), lowest(folder, "head")
    if not head:
        sys.stderr.write(f"{folder}: no head-*.json found\n")
        return 1
    print("Measured one after the other on one machine; times and sizes, so lower is better but for ratios.\n")
    print(table(base, head))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
