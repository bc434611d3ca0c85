"""A slice of candidates becomes opinions, each recorded, and signals where policy wants to act."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from shared.contracts.messages import CandidateSlice, Signal
from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_MODEL
from shared.core.errors import ContractError
from shared.core.features import FEATURE_NAMES
from shared.core.ids import decision_id, hash_id
from shared.core.market import Timeframe
from shared.core.packing import unpack
from shared.core.regime import REGIME_NAMES
from shared.core.values import Symbol
from shared.ports import ModelState
from shared.stages.entry.score import score
from tests.support.market_day import ON, OTHERS, history_of, market_ports
from tests.support.ports import FakePorts, always, sure_models
from tests.support.tape import ny

NOON = ny(ON, "12:00:30")


def ask(ports: FakePorts, *symbols: str, slot: str = "1200") -> CandidateSlice:
    names = tuple(Symbol(s) for s in symbols)
    message_id = hash_id("slice", str(ON), slot, "0")
    return CandidateSlice(
        message_id=message_id,
        correlation_id=message_id,
        causation_id="run",
        decided_at=ports.clock.now(),
        expires_at=ports.clock.now() + timedelta(seconds=240),
        on=ON,
        slot=slot,
        symbols=names,
        watchlist_blob=f"{ON}/0915.json",
        history_blob=history_of(ports, *OTHERS),
    )


def policies(ports: FakePorts) -> dict[str, str]:
    return {str(row["symbol"]): str(row["policy"]) for row in ports.rows("signals", ON).values()}


def test_a_sure_model_makes_a_signal_of_each_candidate() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA", "BBB")
    found = score(message, ports)
    assert [s.symbol for s in found] == ["AAA", "BBB"]
    first = found[0]
    assert first.decision_id == first.correlation_id == decision_id(ON, "1200", "AAA", "momentum.v1")
    assert (first.causation_id, first.session) == (message.message_id, "REG-MID")
    assert (first.p_up, first.p_none, first.p_down) == (0.7, 0.2, 0.1)
    assert first.expires_at == NOON + timedelta(seconds=240)
    assert first.model_versions == ("signal/v1", "move/v1")
    assert policies(ports) == {"AAA": "ENTER", "BBB": "ENTER"}


def test_every_opinion_is_recorded_with_what_it_stood_on() -> None:
    ports = market_ports(NOON)
    score(ask(ports, "AAA"), ports)
    (row,) = ports.rows("signals", ON).values()
    assert (row["slot"], row["session"], row["edge"]) == ("1200", "REG-MID", pytest.approx(0.6))
    assert row["expected_move_bp"] == pytest.approx(100)
    assert float(str(row["cost_bp"])) > 4
    assert (row["models"], row["code_revision"], row["parameter_set"]) == (
        "signal/v1 move/v1",
        "revision-of-the-test",
        "default",
    )
    stored = ports.blobs.get("features", str(row["features_blob"]))
    assert stored is not None
    kept = json.loads(unpack(stored.value))
    assert (kept["names"], kept["symbols"]) == (list(FEATURE_NAMES), ["AAA"])


def test_the_kept_features_are_the_bits_the_model_saw() -> None:
    ports = market_ports(NOON)
    seen: list[np.ndarray] = []
    models = sure_models()
    signal = models.current(SIGNAL_MODEL).predictor
    assert signal is not None
    answer = signal.answer  # type: ignore[attr-defined]

    def watched(rows: np.ndarray) -> np.ndarray:
        seen.append(rows.copy())
        return answer(rows)  # type: ignore[no-any-return]

    signal.answer = watched  # type: ignore[attr-defined]
    ports.models = models
    score(ask(ports, *OTHERS), ports)
    (name,) = ports.blobs.names("features", str(ON))
    stored = ports.blobs.get("features", name)
    assert stored is not None
    rows = [[np.nan if v is None else v for v in row] for row in json.loads(unpack(stored.value))["rows"]]
    assert len(seen) == 1, "one batch for the slice"
    np.testing.assert_array_equal(np.array(rows, dtype=np.float64).view(np.uint64), seen[0].view(np.uint64))


@pytest.mark.parametrize(
    ("models", "policy"),
    [
        (sure_models(down=0.35, none=0.3, up=0.35), "EDGE_TOO_SMALL"),
        (sure_models(move=0.0001), "MOVE_TOO_SMALL"),
    ],
)
def test_a_weak_opinion_is_recorded_and_sent_nowhere(models: object, policy: str) -> None:
    ports = market_ports(NOON)
    ports.models = models  # type: ignore[assignment]
    assert score(ask(ports, "AAA"), ports) == []
    assert policies(ports) == {"AAA": policy}


@pytest.mark.parametrize("name", [SIGNAL_MODEL, MOVE_MODEL])
def test_without_a_trusted_model_nothing_is_sent_and_the_rows_say_why(name: str) -> None:
    ports = market_ports(NOON)
    ports.models.break_down(name, "sha256 differs")
    assert score(ask(ports, "AAA", "BBB"), ports) == []
    assert policies(ports) == {"AAA": "MODEL_HEALTH", "BBB": "MODEL_HEALTH"}
    assert {row["faults"] for row in ports.rows("signals", ON).values()} == {f"{name}: sha256 differs"}


def test_an_expired_slice_is_recorded_and_dropped() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA", "BBB")
    ports.clock.at = message.expires_at
    assert score(message, ports) == []
    assert policies(ports) == {"AAA": "TOO_LATE", "BBB": "TOO_LATE"}
    assert "message expired at" in str(ports.rows("signals", ON)["AAA|1200|momentum.v1"]["faults"])


def test_an_expired_repeat_of_a_scored_slice_leaves_its_rows_alone() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA")
    score(message, ports)
    ports.clock.at = message.expires_at
    score(message, ports)
    assert policies(ports) == {"AAA": "ENTER"}


def test_a_slice_for_a_holiday_is_dropped() -> None:
    ports = market_ports(NOON)
    on = date(2025, 12, 25)
    assert score(replace(ask(ports, "AAA"), on=on), ports) == []
    assert len(ports.rows("signals", on)) == 1


def test_a_symbol_without_history_is_a_recorded_refusal() -> None:
    ports = market_ports(NOON)
    found = score(ask(ports, "AAA", "ZZZ"), ports)
    assert [s.symbol for s in found] == ["AAA"]
    assert policies(ports)["ZZZ"] == "DATA_QUALITY"


def test_a_duplicate_slice_gives_the_same_signals() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA", "BBB")
    assert score(message, ports) == score(message, ports)


@pytest.mark.parametrize("quote", [None, ("0", "40"), ("40", "0")])
def test_a_symbol_without_a_whole_quote_is_not_signalled(quote: tuple[str, str] | None) -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA")
    ports.market.prices.pop("AAA")
    if quote:
        ports.market.prices["AAA"] = quote
    assert score(message, ports) == []
    (row,) = ports.rows("signals", ON).values()
    assert (row["policy"], "quote: none, or one-sided" in str(row["faults"])) == ("DATA_QUALITY", True)


def test_a_symbol_that_stopped_trading_is_not_signalled() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA")
    bars = ports.market.history["AAA", Timeframe.MIN_5]
    ports.market.history["AAA", Timeframe.MIN_5] = bars.between(0, int(ny(ON, "11:30").timestamp()))
    assert score(message, ports) == []
    assert "stale-bar" in str(ports.rows("signals", ON)["AAA|1200|momentum.v1"]["faults"])


def test_a_symbol_without_any_bar_today_is_a_refusal_and_no_crash() -> None:
    ports = market_ports(NOON)
    message = ask(ports, "AAA", "BBB")
    bars = ports.market.history["AAA", Timeframe.MIN_5]
    ports.market.history["AAA", Timeframe.MIN_5] = bars.between(0, int(ny(ON, "00:00").timestamp()))
    assert [s.symbol for s in score(message, ports)] == ["BBB"]
    assert policies(ports)["AAA"] == "DATA_QUALITY"


def test_a_symbol_listed_yesterday_is_a_refusal_and_no_crash() -> None:
    """Its volatility and volume are undefined, which no message may carry."""
    ports = market_ports(NOON)
    for frame, kept in ((Timeframe.DAY_1, 3), (Timeframe.MIN_5, 500)):
        ports.market.history["AAA", frame] = ports.market.history["AAA", frame][-kept:]
    assert [s.symbol for s in score(ask(ports, "AAA", "BBB"), ports)] == ["BBB"]
    assert "daily-history" in str(ports.rows("signals", ON)["AAA|1200|momentum.v1"]["faults"])


def test_in_the_last_minutes_nothing_is_signalled() -> None:
    ports = market_ports(ny(ON, "15:50"))
    assert score(ask(ports, "AAA", slot="1550"), ports) == []
    assert policies(ports) == {"AAA": "TOO_LATE"}


def test_a_session_that_is_not_enabled_is_recorded() -> None:
    ports = market_ports(NOON, GATEHOUSE_ENTRY_SESSIONS="REG-PM")
    assert score(ask(ports, "AAA"), ports) == []
    assert policies(ports) == {"AAA": "SESSION_NOT_ENABLED"}


def test_a_history_blob_that_is_gone_breaks_the_contract() -> None:
    ports = market_ports(NOON)
    with pytest.raises(ContractError, match="does not exist"):
        score(replace(ask(ports, "AAA"), history_blob="history/none.parquet"), ports)


def test_signals_are_messages_that_can_travel() -> None:
    ports = market_ports(NOON)
    (signal,) = score(ask(ports, "AAA"), ports)
    assert ports.codec.decode(Signal, ports.codec.encode(signal)) == signal


def in_regime(*chances: float, edge_of: float = 0.4) -> FakePorts:
    """Ports whose regime model says always the same, and whose signal model sees an edge."""
    ports = market_ports(NOON)
    none = 0.2
    up = (1 - none + edge_of) / 2
    ports.models = sure_models(down=1 - none - up, none=none, up=up)
    ports.models.states[REGIME_MODEL] = ModelState(predictor=always(REGIME_MODEL, REGIME_NAMES, chances))
    return ports


def test_the_regime_is_stamped_on_every_row() -> None:
    ports = in_regime(0.1, 0.2, 0.7)
    (signal,) = score(ask(ports, "AAA"), ports)
    (row,) = ports.rows("signals", ON).values()
    assert row["regime"] == "stressed"
    assert (row["p_calm"], row["p_normal"], row["p_stressed"]) == (0.1, 0.2, 0.7)
    assert "regime_fault" not in row
    assert signal.model_versions == ("signal/v1", "move/v1", "regime/v1")


def test_a_stressed_market_asks_for_a_larger_edge() -> None:
    """0.06 is enough at 0.05, and not at 0.05 times 1.5."""
    for chances, expected in (((0.1, 0.8, 0.1), "ENTER"), ((0.0, 0.1, 0.9), "EDGE_TOO_SMALL")):
        ports = in_regime(*chances, edge_of=0.06)
        score(ask(ports, "AAA"), ports)
        assert policies(ports) == {"AAA": expected}


def test_without_a_regime_model_thresholds_are_neutral_and_the_row_says_so() -> None:
    ports = market_ports(NOON)
    score(ask(ports, "AAA"), ports)
    (row,) = ports.rows("signals", ON).values()
    assert (row["regime"], row["regime_fault"]) == ("unknown", "no champion has been published")
    assert policies(ports) == {"AAA": "ENTER"}
