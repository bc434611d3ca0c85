"""Write the generated parts of the documents: `python -m sandbox.documents`; a test holds the files against them.

The gates' table comes from the table of gates that the code runs: codes in their order, each rule's own words, and the
limit that each verdict gives under the default settings, for an account of 100,000 USD at noon.
"""

from __future__ import annotations

import inspect
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

from sandbox.world import ROOT
from shared.adapters.calendar import XnysCalendar
from shared.contracts.settings import parse_settings
from shared.core.ledger import open_ledger
from shared.core.market import Quote
from shared.core.portfolio import Account
from shared.core.risk import BEFORE_SUBMIT, GATES, Facts, Limits, Proposal, verdicts
from shared.core.values import Symbol
from shared.stages.facts import limits_of

BEGIN, END = "<!-- generated: gates -->", "<!-- end of generated -->"
RISK_POLICY = ROOT / "docs" / "RISK_POLICY.md"

_NEEDED = {
    "ALPACA_ENVIRONMENT": "sandbox",
    "ALPACA_KEY_ID": "key",
    "ALPACA_SECRET_KEY": "secret",
    "ALPACA_TRADING_URL": "http://127.0.0.1",
    "ALPACA_DATA_URL": "http://127.0.0.1",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def gates_table() -> str:
    """The table of gates, as Markdown."""
    lines = ["| Gate | Passes when | Limit by default | |", "| --- | --- | --- | --- |"]
    limits = {verdict.gate: verdict.limit for verdict in verdicts(_proposal(), _facts(), _default_limits())}
    for gate, rule in GATES.items():
        words = (inspect.getdoc(rule) or "").splitlines()[0].rstrip(".")
        again = "*again*" if gate in BEFORE_SUBMIT else ""
        lines.append(f"| `{gate}` | {words} | {limits[gate]} | {again} |")
    return "\n".join(lines)


def with_gates(text: str) -> str:
    """A document with the table between its markers made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{gates_table()}\n{END}{tail}"


def _default_limits() -> Limits:
    return limits_of(parse_settings(_NEEDED))


def _proposal() -> Proposal:
    return Proposal(
        intent_id="example",
        symbol=Symbol("EXMP"),
        qty_shares=100,
        limit_price=Decimal("50.01"),
        worst_price=Decimal("50.10"),
        stop_price=Decimal("49.50"),
        reference_price=Decimal(50),
        adv_shares=1_000_000,
        binding="symbol_exposure",
    )


def _facts() -> Facts:
    now = datetime(2026, 10, 14, 16, tzinfo=UTC)
    equity = Decimal(100_000)
    quote = Quote(symbol=Symbol("EXMP"), bid=Decimal("49.99"), ask=Decimal("50.01"), bid_size=100, ask_size=100, at=now)
    account = Account(
        account_id="example",
        equity=equity,
        last_equity=equity,
        cash=equity,
        buying_power=equity * 2,
        is_blocked=False,
    )
    return Facts(
        now=now,
        day=XnysCalendar().day(date(2026, 10, 14)),
        kill_reason="",
        account=account,
        positions=(),
        ledger=open_ledger(date(2026, 10, 14), equity),
        quote=quote,
        model_fault="",
    )


def main() -> int:
    """Write the generated parts."""
    RISK_POLICY.write_text(with_gates(RISK_POLICY.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
