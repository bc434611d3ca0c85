"""The table at a day's end, and where to look next."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from sandbox.day import DayRun


def show(run: DayRun, console: Console) -> None:
    """Print a day's figures."""
    evidence, report = run.evidence, run.evidence.report
    table = Table(title=f"{evidence.on}, seed {evidence.seed}", show_header=False)
    for name, value in evidence.funnel.items():
        table.add_row(name, str(value))
    for code, count in report.get("refused_by", {}).items():
        table.add_row(f"refused by {code}", str(count))
    for code, count in report.get("policy", {}).items():
        table.add_row(f"policy {code}", str(count))
    for reason, count in report.get("exits", {}).items():
        table.add_row(f"exit {reason}", str(count))
    for session, usd in report.get("realised_by_session", {}).items():
        table.add_row(f"P&L {session}", f"{usd} USD")
    table.add_row("realised", f"{report.get('realised_usd')} USD")
    table.add_row("open orders", str(evidence.open_orders))
    table.add_row("open positions", str(evidence.open_positions))
    table.add_row("digest", evidence.digest)
    table.add_row("wall time", f"{run.wall_s:.1f} s")
    console.print(table)
    for name, seconds in sorted(run.profile.seconds.items(), key=lambda item: -item[1]):
        calls, failures = run.profile.calls[name], run.profile.failures[name]
        console.print(f"  {name:22} {calls:6} calls {seconds:7.2f} s  {failures} failed")
    for error in run.profile.errors[:5]:
        console.print(error, style="red", markup=False)
    for violation in evidence.violations:
        console.print(f"VIOLATION {violation}", style="red", markup=False)
