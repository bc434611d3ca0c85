"""The table at a day's end, and where to look next."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from sandbox.day import DayRun
from sandbox.evidence import DayEvidence

_FUNNEL = {
    "watchlist": "symbols watched",
    "scored": "candidates scored",
    "signals": "signals",
    "decided": "decisions",
    "approved": "approved",
    "orders": "orders",
    "positions": "positions",
    "fills": "fills",
    "stories": "news stories",
    "narratives": "narratives told",
    "untold": "narratives refused",
    "quarantined": "messages quarantined",
    "poisoned": "messages poisoned",
    "incidents": "incidents",
}


def show(run: DayRun, console: Console) -> None:
    """Print a day's figures, what was found wrong, and where to look next."""
    evidence = run.evidence
    table = Table(title=f"{evidence.on}, {evidence.market}", show_header=False, title_justify="left")
    for section in (_funnel(evidence), _refusals(evidence), _money(evidence), _end(run)):
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    console.print(table)
    for error in run.timings.errors[:5]:
        console.print(f"FAILED {error}", style="red", markup=False)
    for incident in evidence.incidents[:5]:
        console.print(f"INCIDENT {incident}", style="yellow", markup=False)
    for violation in evidence.violations:
        console.print(f"VIOLATION {violation}", style="red", markup=False)
    if not evidence.violations:
        console.print("Tables, journal and the venue's log agree; no rule was broken.")
    console.print(
        "Look inside: make storage (Azure Storage Explorer, Emulator); docs/DATA_SCHEMA.md says what is what."
    )


def _funnel(evidence: DayEvidence) -> Iterator[tuple[str, str]]:
    for name, label in _FUNNEL.items():
        yield label, f"{evidence.funnel[name]:,}"


def _refusals(evidence: DayEvidence) -> Iterator[tuple[str, str]]:
    report = evidence.report
    for code, count in report.get("policy", {}).items():
        if code != "ENTER":
            yield f"no signal: {code}", f"{count:,}"
    for code, count in report.get("refused_by", {}).items():
        yield f"refused by {code}", f"{count:,}"
    for reason, count in report.get("exits", {}).items():
        yield f"left by {reason}", f"{count:,}"


def _money(evidence: DayEvidence) -> Iterator[tuple[str, str]]:
    report = evidence.report
    for session, usd in report.get("realised_by_session", {}).items():
        yield f"P&L {session}", f"{float(usd):+,.2f} USD"
    yield "P&L realised", f"{float(report.get('realised_usd', 0)):+,.2f} USD"
    yield "equity", f"{float(evidence.equity_usd):,.2f} USD"


def _end(run: DayRun) -> Iterator[tuple[str, str]]:
    evidence = run.evidence
    yield "open orders", str(evidence.open_orders)
    yield "open positions", str(evidence.open_positions)
    yield "longest without a stop", f"{evidence.longest_unguarded_s:.0f} s"
    yield "digest", evidence.digest[:32]
    yield "wall time", f"{run.wall_s:.1f} s"
    yield "peak memory of the app", f"{run.peak_mb:.0f} MB"
