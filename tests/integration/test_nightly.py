"""The night's work on real storage: killed anywhere it goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.adapters.blobs import AzureBlobs
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.adapters.scorer import OnnxModels
from shared.adapters.tables import AzureTables
from shared.contracts.model_card import MODELS, MOVE_MODEL, SIGNAL_MODEL
from shared.contracts.records import Container, Table, symbol_key
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.core.features import FEATURE_NAMES
from shared.core.packing import pack
from shared.core.values import iso
from shared.ports import BlobStore, Row, TableStore
from tests.support.clock import HandClock
from tests.support.models import tiny_model
from tests.support.nights import CALENDAR, NOW, ON, RULE, KilledError, MortalBlobs, history, night_rule
from training import publish
from training.pipeline import train
from training.registry.judge import PromotionRule
from training.registry.live import LiveCheck, LiveRule, LiveWorld, check_live
from training.registry.lock import BlobLock
from training.registry.nightly import LOCK_LENGTH, NightlyTraining, run_night
from training.registry.nightly_state import NightStep
from training.registry.report import documents
from training.registry.tracking import track

STRICT = PromotionRule(margin_bp=10_000.0)
"""Nobody is promoted."""


def ports(blobs: BlobStore, tables: TableStore, clock: HandClock | None = None, **changes: Any) -> NightlyTraining:
    given: dict[str, Any] = {"owner": "this test", "report": documents, "source": history} | changes
    return NightlyTraining(blobs=blobs, tables=tables, clock=clock or HandClock(NOW), calendar=CALENDAR, **given)


def everything(blobs: BlobStore) -> dict[str, bytes]:
    """Blobs by name, but the lock, and the attempts that a killed night took."""
    found = {}
    for container in (Container.MODELS, Container.REPORTS):
        for name in blobs.names(container, ""):
            stored = blobs.get(container, name)
            assert stored is not None
            if name.endswith("run.json"):
                found[name] = json.dumps(json.loads(stored.value) | {"attempt": 0}).encode()
            elif not name.endswith("lock.json"):
                found[name] = stored.value
    return found


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    blobs = MemoryBlobs()
    run_night(ON, ports(blobs, MemoryTables()), night_rule())
    return everything(blobs)


@pytest.fixture
def blobs(undisturbed: dict[str, bytes]) -> MemoryBlobs:
    """Storage as one undisturbed night has left it."""
    found = MemoryBlobs()
    for name, data in undisturbed.items():
        found.put(Container.REPORTS if name.startswith("nightly/") else Container.MODELS, name, data)
    return found


def version_of(found: dict[str, bytes]) -> str:
    return str(json.loads(found["signal/champion.json"])["version"])


def test_a_night_that_is_killed_again_and_again_ends_as_one_that_was_not(
    storage: str, undisturbed: dict[str, bytes]
) -> None:
    settings = StorageSettings(connection=storage)
    blobs, tables = AzureBlobs(settings), AzureTables(settings)
    killed = 0
    while True:
        mortal = MortalBlobs(blobs, dies_at=3 + killed, is_after=killed % 2 == 1)
        try:
            night = run_night(ON, ports(mortal, tables), night_rule())
            break
        except KilledError:
            killed += 1
            assert killed < 20
    assert killed >= 4
    assert night.is_over
    assert night.attempt == killed + 1
    assert everything(blobs) == undisturbed
    row = dict(tables.query(Table.RUNS, str(ON)))["nightly|1730"]
    assert (row["status"], row["attempt"]) == ("done", killed + 1)
    assert row["outcome"] == f"promoted {version_of(undisturbed)}"
    for name in MODELS[:2]:
        assert publish.versions_of(blobs, name) == [version_of(undisturbed)]


def test_a_night_that_dies_after_any_step_goes_on_with_the_next(undisturbed: dict[str, bytes]) -> None:
    blobs, tables = MemoryBlobs(), MemoryTables()
    done: list[NightStep] = []

    def dies(step: NightStep) -> None:
        done.append(step)
        raise KilledError

    for step in NightStep:
        with pytest.raises(KilledError):
            run_night(ON, ports(blobs, tables, after=dies), night_rule())
        assert done[-1] is step
    assert run_night(ON, ports(blobs, tables), night_rule()).is_over
    assert done == list(NightStep)
    assert everything(blobs) == undisturbed


def test_a_night_that_is_over_is_not_done_again(undisturbed: dict[str, bytes], blobs: MemoryBlobs) -> None:
    def never() -> Any:
        raise AssertionError("opened again")

    assert run_night(ON, ports(blobs, MemoryTables(), source=never), night_rule()).is_over
    assert everything(blobs) == undisturbed


def test_the_promoted_models_score_in_the_app(undisturbed: dict[str, bytes], blobs: MemoryBlobs) -> None:
    app = OnnxModels(blobs, HandClock(NOW), accept_synthetic=True)
    for name in (SIGNAL_MODEL, MOVE_MODEL):
        state = app.current(name)
        assert state.fault == ""
        assert state.predictor is not None
        assert state.predictor.card.version == version_of(undisturbed)
    real = OnnxModels(blobs, HandClock(NOW)).current(SIGNAL_MODEL)
    assert "invented market" in real.fault


def test_a_challenger_that_is_not_good_enough_is_stored_and_refused_with_reasons(
    undisturbed: dict[str, bytes], blobs: MemoryBlobs
) -> None:
    first = version_of(undisturbed)
    clock = HandClock(NOW + timedelta(days=1))
    other = run_night(ON, ports(blobs, MemoryTables(), clock), night_rule(seed=8, label="training/again"))
    assert other.verdict is not None
    assert not other.verdict.is_promoted
    assert other.verdict.champion == first
    assert other.challenger in publish.versions_of(blobs, SIGNAL_MODEL)
    champion = publish.champion_of(blobs, SIGNAL_MODEL)
    assert champion is not None
    assert champion.version == first
    told = blobs.get(Container.REPORTS, f"training/again/{ON}/report.md")
    assert told is not None
    assert b"Refused" in told.value
    assert other.verdict.reasons[0].encode() in told.value


def test_two_nights_do_not_meet(blobs: MemoryBlobs) -> None:
    clock = HandClock(NOW)
    lock = BlobLock(blobs, Container.REPORTS, "nightly/lock.json", clock=clock, owner="other", length=LOCK_LENGTH)
    lock.take()
    with pytest.raises(ConflictError, match="other"):
        run_night(ON, ports(blobs, MemoryTables(), clock), night_rule())
    clock.pass_by(LOCK_LENGTH)
    assert run_night(ON, ports(blobs, MemoryTables(), clock), night_rule()).is_over


def test_a_session_that_is_not_over_is_not_learned_from() -> None:
    with pytest.raises(ValueError, match="close is over"):
        run_night(ON, ports(MemoryBlobs(), MemoryTables(), HandClock(NOW - timedelta(hours=3))), night_rule())
    with pytest.raises(ValueError, match="session date"):
        run_night(ON - timedelta(days=2), ports(MemoryBlobs(), MemoryTables()), night_rule())


def put_features(blobs: BlobStore, shift: float, rows: int = 300) -> None:
    """Vectors as the score stage keeps them: the training market's own, moved by so many standard deviations."""
    card = publish.card_of(blobs, SIGNAL_MODEL, publish.versions_of(blobs, SIGNAL_MODEL)[0])
    rng = np.random.default_rng(3)
    table = np.full((rows, len(FEATURE_NAMES)), np.nan)
    for reference in card.reference:
        edges = np.array(reference.edges) if reference.edges else np.zeros(1)
        width = float(np.ptp(edges)) or 1.0
        column = FEATURE_NAMES.index(reference.name)
        table[:, column] = np.where(
            rng.random(rows) < reference.missing,
            np.nan,
            np.interp(rng.random(rows), np.linspace(0, 1, edges.size), edges) + shift * width,
        )
    vectors = [[None if np.isnan(v) else float(v) for v in row] for row in table]
    document = {"names": FEATURE_NAMES, "symbols": ["AAA"] * rows, "rows": vectors}
    for slot in ("1000", "1005"):
        blobs.put(Container.FEATURES, f"{ON}/{slot}/slice.json.gz", pack(json.dumps(document).encode()))


def live(blobs: MemoryBlobs, version: str) -> LiveCheck:
    world = LiveWorld(blobs=blobs, tables=MemoryTables(), calendar=CALENDAR, source=None, barrier=RULE.barrier)
    return check_live(publish.card_of(blobs, SIGNAL_MODEL, version), [ON], world, LiveRule())


def test_a_champion_whose_features_have_drifted_is_taken_back_and_the_app_stops_without_another(
    undisturbed: dict[str, bytes], blobs: MemoryBlobs
) -> None:
    first, clock = version_of(undisturbed), HandClock(NOW)
    put_features(blobs, shift=0.0)
    calm = live(blobs, first)
    assert (calm.rows, calm.fault) == (600, "")
    put_features(blobs, shift=3.0)
    app = OnnxModels(blobs, clock, accept_synthetic=True)
    assert app.current(SIGNAL_MODEL).predictor is not None
    drifted = run_night(ON, ports(blobs, MemoryTables()), night_rule(label="training/drifted"))
    assert drifted.live is not None
    assert "features have drifted" in drifted.live.fault
    for name in (SIGNAL_MODEL, MOVE_MODEL):
        champion = publish.champion_of(blobs, name)
        assert champion is not None
        assert champion.version == first
        assert "drifted" in champion.suspended
    clock.pass_by(timedelta(minutes=2))
    state = app.current(SIGNAL_MODEL)
    assert state.predictor is None
    assert "is suspended" in state.fault


def test_a_drifted_champion_gives_way_to_the_one_before_it(undisturbed: dict[str, bytes], blobs: MemoryBlobs) -> None:
    first = version_of(undisturbed)
    for name in (SIGNAL_MODEL, MOVE_MODEL):
        card = replace(publish.card_of(blobs, name, first), version="second")
        publish.publish(blobs, publish.model_of(blobs, name, first), card, promoted_at=NOW)
    put_features(blobs, shift=3.0)
    run_night(ON, ports(blobs, MemoryTables()), night_rule(seed=8, promotion=STRICT, label="training/third"))
    champion = publish.champion_of(blobs, SIGNAL_MODEL)
    assert champion is not None
    assert (champion.version, champion.suspended) == (first, "")
    assert champion.past[-1].version == "second"
    assert "drifted" in champion.past[-1].fault


def test_probabilities_that_do_not_come_true_speak_against_a_champion() -> None:
    """Outcomes are read off the bars by the label's own rule: who is always sure is soon found out."""
    source, day = history(), CALENDAR.day(ON)
    assert day is not None
    blobs, tables = MemoryBlobs(), MemoryTables()
    onnx, card = tiny_model()
    publish.publish(blobs, onnx, card, promoted_at=NOW)
    rule = LiveRule(outcomes_min=100, calibration_error_max=0.2, brier_excess_max=0.3)
    world = LiveWorld(blobs=blobs, tables=tables, calendar=CALENDAR, source=source, barrier=RULE.barrier)
    at = [day.open_at + timedelta(minutes=5 * k) for k in range(12, 66)]
    for said, is_sound in ((0.25, True), (0.95, False)):
        for symbol in source.symbols[:6]:
            rows: dict[str, Row] = {
                symbol_key(symbol, f"{k:04}"): {
                    "symbol": symbol,
                    "models": f"signal/{card.version} move/x",
                    "session": "REG-MID",
                    "scored_at": iso(moment),
                    "atr_usd": 0.05,
                    "p_up": said,
                    "p_none": (1 - said) / 2,
                    "p_down": (1 - said) / 2,
                }
                for k, moment in enumerate(at)
            }
            tables.put_many(Table.SIGNALS, str(ON), rows)
            chances = {"p_up", "p_none", "p_down"}
            of_rule = {
                f"{key}|dip-buyer.v1": {name: cell for name, cell in row.items() if name not in chances}
                for key, row in rows.items()
            }
            tables.put_many(Table.SIGNALS, str(ON), of_rule)
        found = check_live(card, [ON], world, rule)
        assert found.outcomes > 200
        assert (found.fault == "") is is_sound
    assert "p_up is off by" in found.fault
    assert check_live(replace(card, version="another"), [ON], world, rule).outcomes == 0


def test_mlflow_gets_a_run_once_where_it_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - two seconds, for this test alone

    models = train(history(), seed=7, on=ON + timedelta(days=1), created_at=NOW, rule=RULE)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert track(models, None) == ""
    monkeypatch.chdir(tmp_path)  # a database keeps its files under the folder that it is used from
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_id = track(models, None)
    assert track(models, None) == run_id != ""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("gatehouse")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["version"] == models.signal.card.version
    assert run.data.metrics["signal.log_loss"] == models.signal.card.metrics["log_loss"]
    assert run.data.params["trees"] == "30.0"
    assert [item.path for item in client.list_artifacts(run_id, "signal")] == ["signal/card.json", "signal/model.onnx"]
