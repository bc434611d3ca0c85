"""Announce: a decision that became an order, told with its story. It runs after the gates and can refuse nothing.

Where a person is asked, the question comes first: that the order is bought is told when it is sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from shared.contracts.messages import Message, Notice, OrderIntent, Severity, Signal
from shared.contracts.records import RENAMED, Container, Table, renamed, symbol_key
from shared.core.errors import GatehouseError
from shared.core.order_states import OrderState
from shared.core.packing import unpack
from shared.core.technical import TechnicalReports
from shared.core.text.addresses import web_address
from shared.core.values import parse_utc
from shared.ports import Cell, Ports, Row
from shared.stages.base.decision_notices import DecisionStory, TapeStory, decision
from shared.stages.base.notices import to_notice
from shared.stages.base.technical import reports_of
from shared.stages.entry.gate import gate_and_notice
from shared.stages.operator.approvals import decision_of

KIND = "decision"
SHOWN = ("rsi_14", "macd_histogram", "close_over_vwap", "rvol_day", "volume_z", "gap", "return_60m")
"""Indicators that a person knows by name; those that the catalogue has are shown."""
STORY_AGE = timedelta(hours=24)
MAX_STORIES = 2


def gate_and_tell(signal: Signal, ports: Ports) -> list[Message]:
    """Gate a signal; an intent comes with the notice that tells of it, but for one that a person is asked about."""
    intents, notices = gate_and_notice(signal, ports)
    return [*intents, *notices, *(announced(signal, intent, ports) for intent in intents if intent.approve_by is None)]


def announced_order(state: OrderState, ports: Ports) -> list[Notice]:
    """Tell of an order that is sent after a person's answer, in the size that the gates then left of it.

    The step is done: where nothing can be read this notice is left out, and that a position was opened is told anyhow.
    """
    plan = state.plan
    with suppress(GatehouseError, ValueError, KeyError):
        row = decision_of(ports, state.on, plan.symbol, plan.decision_id)
        intent = replace(ports.codec.decode(OrderIntent, str(row["intent"])), qty=state.wanted)
        return [announced(ports.codec.decode(Signal, str(row["signal"])), intent, ports)]
    return []


def announced(signal: Signal, intent: OrderIntent, ports: Ports) -> Notice:
    """Tell of an intent. What cannot be read makes the story shorter and stops nothing.

    Without channels nobody reads the story, so nothing is read for it.
    """
    story = _plain(signal, intent)
    if ports.settings.notices.channels:
        with suppress(GatehouseError, ValueError, KeyError):
            story = _with_evidence(story, signal, ports)
    return to_notice(decision(story), intent.decided_at, kind=KIND, severity=Severity.INFO, cause=signal.decision_id)


def _plain(signal: Signal, intent: OrderIntent) -> DecisionStory:
    return DecisionStory(
        symbol=intent.symbol,
        qty=intent.qty,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        target_price=intent.target_price,
        risk=intent.risk,
        exit_by=intent.exit_by,
        session=intent.session.value,
        strategy=signal.strategy,
        p_up=signal.p_up,
        p_down=signal.p_down,
        expected_move=signal.expected_move,
        signal_id=signal.message_id,
        decision_id=signal.decision_id,
        intent_id=intent.intent_id,
        models=" ".join(signal.model_versions),
        parameter_set=intent.parameter_set,
    )


def _with_evidence(story: DecisionStory, signal: Signal, ports: Ports) -> DecisionStory:
    key = symbol_key(signal.symbol, signal.slot, signal.decision_id)
    decided = ports.tables.get(Table.DECISIONS, str(signal.on), key)
    row: Row = decided.value if decided else {}
    gates = json.loads(str(row.get("gates") or "[]"))
    weighed = _weighed(signal, ports)
    tape, figures = _tape(weighed), _figures(weighed)
    return replace(
        story,
        bound=str(row.get("bound") or ""),
        gates_passed=sum(bool(each.get("passed")) for each in gates),
        indicators=figures if tape else _indicators(signal, ports),
        headlines=_headlines(signal, ports, has_links=tape is not None),
        tape=tape,
        technical=_technical(signal, ports),
    )


def _technical(signal: Signal, ports: Ports) -> TechnicalReports | None:
    """The technical reports; none where they cannot be had, which leaves the rest of the story as it is."""
    with suppress(GatehouseError, ValueError):
        return reports_of(ports, signal)
    return None


def _indicators(signal: Signal, ports: Ports) -> Mapping[str, float]:
    stored = ports.blobs.get(Container.FEATURES, signal.features_blob)
    if stored is None:
        return {}
    document = json.loads(unpack(stored.value))
    row = document["rows"][document["symbols"].index(signal.symbol)]
    values = dict(zip(document["names"], row, strict=True))
    found = {name: values[name] for name in SHOWN if values.get(name) is not None}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


_STORY = ("headline", "source", "url", "symbols", "echo_of", "received_at", RENAMED["received_at"])


def _headlines(signal: Signal, ports: Ports, *, has_links: bool) -> tuple[str, ...]:
    """The newest headlines of the symbol that were known at the decision and repeat no other, oldest first.

    Those of the evening before lie in the partition of the date before.
    """
    since, until = signal.decided_at - STORY_AGE, signal.decided_at
    found: list[str] = []
    for on in (signal.on - timedelta(days=1), signal.on):
        for _, cells in ports.tables.query(Table.STORIES, str(on), columns=_STORY):
            row = renamed(cells)
            is_first = signal.symbol in str(row["symbols"]).split() and not row.get("echo_of")
            if is_first and since <= parse_utc(str(row["received_at"])) <= until:
                url = web_address(str(row.get("url") or "")) if has_links else ""
                found.append(f"{_line(row['headline'])} ({_line(row['source'])}) {url}".rstrip())
    return tuple(found[-MAX_STORIES:])


def _line(text: Cell) -> str:
    """Text of others as one line: it cannot look like a line of ours."""
    return " ".join(str(text).split())


def _weighed(signal: Signal, ports: Ports) -> Row:
    """What the score stage recorded of the strategy's opinion."""
    key = symbol_key(signal.symbol, signal.slot, signal.strategy)
    stored = ports.tables.get(Table.SIGNALS, str(signal.on), key)
    return stored.value if stored else {}


def _tape(row: Row) -> TapeStory | None:
    """Narrative against tape, where a strategy reads the news."""
    found = [row.get(name) for name in ("narrative", "price_score", "divergence")]
    if any(value is None for value in found):
        return None
    narrative, price, divergence = (float(str(value)) for value in found)
    return TapeStory(
        narrative=narrative,
        price=price,
        divergence=divergence,
        confidence=_figures(row).get("confidence"),
        reason=str(row.get("reason") or ""),
    )


def _figures(row: Row) -> Mapping[str, float]:
    """What the strategy rests on, by name; none where that cannot be read."""
    with suppress(ValueError):
        found = json.loads(str(row.get("figures") or "{}"))
        if isinstance(found, dict):
            return {str(name): float(value) for name, value in found.items() if isinstance(value, float | int)}
    return {}
