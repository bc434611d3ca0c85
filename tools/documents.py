"""Write the generated parts of the documents: `python -m tools.documents`; a test holds the files against them.

The gates' table comes from the table of gates that the code runs: codes in their order, each rule's own words, and the
limit that each verdict gives under the default settings, for an account of 100,000 USD at noon. The tables of settings
come from the declarations that the code parses by, those of features from the catalogue.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from sandbox.questions import questions_text
from shared.adapters.calendar import XnysCalendar
from shared.contracts.openapi import ROUTES
from shared.contracts.openapi.routes import WHO_AND_WHY
from shared.contracts.settings import GROUPS, Settings, parse_settings
from shared.core.features import FEATURES, TEXT_FEATURES
from shared.core.ledger import open_ledger
from shared.core.market import Quote
from shared.core.portfolio import Account
from shared.core.risk import BEFORE_SUBMIT, GATES, NEED_A_PRICE, EntryProposal, Facts, verdicts
from shared.core.values import Symbol
from simulation.market.scenario import ROOT
from tools.notice_examples import as_markdown as notices_text
from training.backtest.ports import FIXED

RISK_POLICY = ROOT / "docs" / "RISK_POLICY.md"
CONFIG = ROOT / "docs" / "CONFIG.md"
NOTICES = ROOT / "docs" / "NOTICES.md"
API = ROOT / "docs" / "API.md"
CASES = ROOT / "docs" / "CASES.md"
FEATURES_DOC = ROOT / "docs" / "FEATURES.md"


def gates_table() -> str:
    """The table of gates, as Markdown."""
    lines = ["| Gate | Passes when | Limit by default | |", "| --- | --- | --- | --- |"]
    judged = verdicts(_proposal(), _facts(), parse_settings(FIXED).decision)
    limits = {verdict.gate: verdict.limit for verdict in judged}
    for gate, rule in GATES.items():
        words = (inspect.getdoc(rule) or "").splitlines()[0].rstrip(".")
        marks = ["*again*"] * (gate in BEFORE_SUBMIT) + ["*price*"] * (gate in NEED_A_PRICE)
        lines.append(f"| `{gate}` | {words} | {limits[gate]} | {' '.join(marks)} |")
    return "\n".join(lines)


_HEADINGS = {
    "broker": "Broker and market data",
    "watchlist": "Watchlist",
    "policy": "Policy",
    "risk": "Risk",
    "strategies": "Strategies",
    "news": "News",
    "language": "Language model",
    "committee": "Committee",
    "storage": "Storage",
    "cases": "Case files",
    "notices": "Notices",
    "telemetry": "Telemetry",
    "operator": "Operation",
}


def settings_tables() -> str:
    """The tables of all settings, group by group, as Markdown."""
    parts = [_settings_table(_HEADINGS[name], group) for name, group in GROUPS.items()]
    return "\n\n".join([*parts, _settings_table("The process", Settings)])


def _settings_table(heading: str, group: type) -> str:
    lines = [
        f"### {heading}",
        "",
        "| Setting | Unit | Default | Bounds | What, and why |",
        "| --- | --- | --- | --- | --- |",
    ]
    for item in dataclasses.fields(group):
        if not (meta := item.metadata):
            continue
        if item.default is dataclasses.MISSING:
            default = "required"
        else:
            default = "empty" if item.default in ("", ()) else f"`{spelled(item.default)}`"
        bounds = "" if meta["low"] is None else f"{_grouped(meta['low'])} to {_grouped(meta['high'])}"
        what = meta["what"][0].upper() + meta["what"][1:] + (f". {meta['why']}" if meta["why"] else "")
        cells = (f"`{meta['name']}`", meta["unit"], default, bounds, what.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)


def spelled(value: Any) -> str:
    """A value as the tables spell it: numbers without exponent or needless zeros."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, int | float | Decimal):
        return str(int(value)) if value == int(value) else f"{value:.10f}".rstrip("0")
    return str(value)


def _grouped(value: int | float | Decimal) -> str:
    return f"{int(value):,}" if value == int(value) else spelled(value)


def features_tables() -> str:
    """The catalogue of features, group by group, as Markdown."""
    parts = [
        f"{len(FEATURES)} features of bars, in the order of the models' input, and {len(TEXT_FEATURES)} of text behind "
        "them where news is read."
    ]
    for group, features in groupby((*FEATURES, *TEXT_FEATURES), key=lambda feature: feature.group):
        lines = [
            f"### {group.capitalize()}",
            "",
            "| Feature | Formula | Unit | Window | Range | Source | May be NaN |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for feature in features:
            bounds = f"{spelled(feature.low)} to {spelled(feature.high)}"
            nan_when = feature.nan_when or "no"
            cells = (feature.formula, feature.unit, feature.window, bounds, feature.source, nan_when)
            lines.append(f"| `{feature.name}` | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def routes_table() -> str:
    """The table of HTTP routes, as Markdown."""
    lines = ["| Route | What | Body, beside `by` and `reason` | Answers of its own |", "| --- | --- | --- | --- |"]
    for route in ROUTES.values():
        fields = [f"`{f.name}`: {f.what}" for f in route.fields if f not in WHO_AND_WHY]
        body = "; ".join(fields) or ("" if route.fields else "no body")
        special = {status: what for status, what in sorted(route.answers.items()) if status not in {200, 503}}
        answers = "; ".join(f"{status} {what}" for status, what in special.items())
        key = " (no key)" if route.is_keyless else ""
        lines.append(f"| {route.method} `/api/{route.path}`{key} | {route.summary} | {body} | {answers} |")
    return "\n".join(lines)


def rendered(text: str, parts: Mapping[str, str]) -> str:
    """A document with what stands between each named pair of markers made anew."""
    for name, part in parts.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of generated: {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"expected one pair of markers {begin}, found {text.count(begin)}")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{part}\n{end}{rest.partition(end)[2]}"
    return text


def generated() -> Mapping[Path, Mapping[str, str]]:
    """Every generated part, by document and marker."""
    return {
        RISK_POLICY: {"gates": gates_table()},
        CONFIG: {"settings": settings_tables()},
        CASES: {"questions": questions_text()},
        FEATURES_DOC: {"features": features_tables()},
        API: {"routes": routes_table()},
        NOTICES: {"notices": notices_text()},
    }


def _proposal() -> EntryProposal:
    return EntryProposal(
        intent_id="example",
        symbol=Symbol("EXMP"),
        qty=Decimal(100),
        limit_price=Decimal("50.01"),
        worst_price=Decimal("50.10"),
        stop_price=Decimal("49.50"),
        reference_price=Decimal(50),
        adv_shares=1_000_000,
        binding="symbol_exposure",
    )


def _facts() -> Facts:
    now, on = datetime(2026, 10, 14, 16, tzinfo=UTC), date(2026, 10, 14)
    equity = Decimal(100_000)
    quote = Quote(symbol=Symbol("EXMP"), bid=Decimal("49.99"), ask=Decimal("50.01"), bid_size=100, ask_size=100, at=now)
    money = dict.fromkeys(("equity", "last_equity", "cash"), equity)
    account = Account(account_id="example", **money, buying_power=equity * 2, is_blocked=False)
    return Facts(
        now=now,
        day=XnysCalendar().day(on),
        kill_reason="",
        account=account,
        positions=(),
        ledger=open_ledger(on, account),
        quote=quote,
        model_fault="",
    )


def main() -> int:
    """Write the generated parts."""
    for path, parts in generated().items():
        path.write_text(rendered(path.read_text(encoding="utf-8"), parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
