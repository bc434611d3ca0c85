"""No model is believed before it is checked, and a bad one never replaces a good one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import onnx
import pytest

from shared.adapters.champions import CONTAINER
from shared.adapters.codec import encode_json
from shared.adapters.memory import MemoryBlobs
from shared.adapters.onnx_files import operator_domains
from shared.adapters.scorer import OnnxModels, verified
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL, ModelCard, RecordedPair
from shared.core.errors import ModelError, TransientError
from shared.core.features import ALL_FEATURE_NAMES, FEATURE_NAMES
from shared.core.ids import digest
from shared.ports import Stored
from tests.support.clock import HandClock
from tests.support.models import EXPIRES_ON, hand_made_onnx, random_dataset, tiny_model
from training import export, fit
from training.calibrate import Method, fit_calibrator
from training.publish import promote, publish, roll_back

MINUTE = timedelta(minutes=1)


class CountingBlobs(MemoryBlobs):
    """Counts reads, and fails them on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.is_down = False

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        self.reads.append(name)
        if self.is_down:
            raise TransientError("blob store does not answer")
        return super().get(container, name)


@pytest.fixture
def blobs() -> CountingBlobs:
    store = CountingBlobs()
    onnx_bytes, card = tiny_model(seed=1)
    publish(store, onnx_bytes, card, promoted_at=card.created_at)
    store.reads.clear()
    return store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def put_challenger(blobs: MemoryBlobs, onnx_bytes: bytes | None, card: ModelCard | None, version: str = "v2") -> None:
    """Write whatever is given as a version, and make it champion without asking."""
    if onnx_bytes is not None:
        blobs.put(CONTAINER, f"{SIGNAL_MODEL}/{version}/model.onnx", onnx_bytes)
    if card is not None:
        blobs.put(CONTAINER, f"{SIGNAL_MODEL}/{version}/card.json", encode_json(card))
    champion = {"name": SIGNAL_MODEL, "version": version, "promoted_at": "2025-10-14T22:00:00Z"}
    blobs.put(CONTAINER, f"{SIGNAL_MODEL}/champion.json", json.dumps(champion).encode())


def test_a_published_model_answers_as_the_trainer_recorded(blobs: CountingBlobs, clock: HandClock) -> None:
    state = OnnxModels(blobs, clock).current(SIGNAL_MODEL)
    assert state.fault == ""
    assert state.predictor is not None
    assert state.predictor.card == tiny_model(seed=1)[1]
    rows = np.array([[np.nan if v is None else v for v in pair.features] for pair in state.predictor.card.pairs])
    expected = np.array([pair.output for pair in state.predictor.card.pairs])
    found = state.predictor.predict(rows)
    assert found.shape == (16, 3)
    assert np.abs(found - expected).max() <= 1e-5
    assert state.predictor.predict(rows[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="features must be of shape"):
        state.predictor.predict(rows[:, :5])


def test_the_regressor_is_verified_the_same_way(clock: HandClock) -> None:
    blobs = MemoryBlobs()
    onnx_bytes, card = tiny_model(MOVE_MODEL)
    publish(blobs, onnx_bytes, card, promoted_at=card.created_at)
    state = OnnxModels(blobs, clock).current(MOVE_MODEL)
    assert state.predictor is not None
    assert state.predictor.predict(np.zeros((2, len(FEATURE_NAMES)))).shape == (2, 1)


def test_a_model_of_fewer_features_gets_them_in_its_own_order() -> None:
    onnx_bytes, card = tiny_model(features=5)
    turned = replace(
        card,
        feature_names=(FEATURE_NAMES[7], *FEATURE_NAMES[1:5]),
    )
    predictor = verified(turned, onnx_bytes)
    rows = np.zeros((1, len(FEATURE_NAMES)))
    rows[0, 7] = 2.0
    own = np.zeros((1, 5), np.float32)
    own[0, 0] = 2.0
    assert np.array_equal(predictor.predict(rows), predictor.score(own))


@pytest.mark.parametrize("features", [len(FEATURE_NAMES), 5])
def test_text_behind_the_features_changes_no_answer_of_a_model_of_bars(features: int) -> None:
    onnx_bytes, card = tiny_model(features=features)
    predictor = verified(card, onnx_bytes)
    rows = np.random.default_rng(1).normal(size=(7, len(ALL_FEATURE_NAMES)))
    bare = predictor.predict(rows[:, : len(FEATURE_NAMES)])
    assert np.array_equal(predictor.predict(rows), bare)


def test_a_model_that_looks_at_text_gets_nothing_where_there_is_none() -> None:
    onnx_bytes, card = tiny_model(features=5)
    predictor = verified(replace(card, feature_names=(*FEATURE_NAMES[:4], "narrative_score")), onnx_bytes)
    rows = np.zeros((1, len(ALL_FEATURE_NAMES)))
    rows[0, ALL_FEATURE_NAMES.index("narrative_score")] = 0.5
    assert np.array_equal(predictor.predict(rows), predictor.score(np.array([[0, 0, 0, 0, 0.5]], np.float32)))
    bare = predictor.score(np.array([[0, 0, 0, 0, np.nan]], np.float32))
    assert np.array_equal(predictor.predict(rows[:, : len(FEATURE_NAMES)]), bare)


def test_the_store_is_asked_at_most_once_a_minute_and_an_unchanged_model_is_not_loaded_again(
    blobs: CountingBlobs, clock: HandClock
) -> None:
    models = OnnxModels(blobs, clock)
    first = models.current(SIGNAL_MODEL).predictor
    assert len(blobs.reads) == 3
    clock.pass_by(timedelta(seconds=59))
    models.current(SIGNAL_MODEL)
    assert len(blobs.reads) == 3
    clock.pass_by(timedelta(seconds=1))
    assert models.current(SIGNAL_MODEL).predictor is first
    assert blobs.reads[3:] == ["signal/champion.json"]


def test_a_new_champion_is_picked_up_without_a_restart(blobs: CountingBlobs, clock: HandClock) -> None:
    models = OnnxModels(blobs, clock)
    models.current(SIGNAL_MODEL)
    onnx_bytes, card = tiny_model(seed=2)
    publish(blobs, onnx_bytes, card, promoted_at=card.created_at)
    clock.pass_by(MINUTE)
    state = models.current(SIGNAL_MODEL)
    assert state.fault == ""
    assert state.predictor is not None
    assert state.predictor.card.version == "v2"


def _bad(
    change: Callable[[ModelCard], ModelCard] = lambda card: card, onnx_bytes: bytes | None = None
) -> tuple[bytes, ModelCard]:
    good, card = tiny_model(seed=2)
    data = good if onnx_bytes is None else onnx_bytes
    return data, change(replace(card, sha256=digest(data)))


def _hand_made(**kinds: str | int) -> tuple[bytes, ModelCard]:
    """A graph of three features that copies them out, with a card that fits it."""
    data = hand_made_onnx(**kinds)  # type: ignore[arg-type]
    card = replace(
        tiny_model(seed=2)[1],
        sha256=digest(data),
        feature_names=FEATURE_NAMES[:3],
        pairs=(RecordedPair(features=(0.2, 0.3, 0.5), output=(0.2, 0.3, 0.5)),),
    )
    return data, card


def _wrong_answers(card: ModelCard) -> ModelCard:
    pair = card.pairs[0]
    return replace(card, pairs=(replace(pair, output=(pair.output[0] + 0.01, *pair.output[1:])),))


UNKNOWN_FEATURE = ("no_such_feature", *FEATURE_NAMES[1:])
CHALLENGERS: dict[str, tuple[bytes | None, ModelCard | None, str]] = {
    "wrong hash": (tiny_model(seed=1)[0], tiny_model(seed=2)[1], "sha256 of model.onnx must be"),
    "truncated file": (tiny_model(seed=2)[0][:-100], tiny_model(seed=2)[1], "sha256 of model.onnx must be"),
    "truncated with its own hash": (*_bad(onnx_bytes=tiny_model(seed=2)[0][:-100]), "no ONNX file"),
    "not ONNX": (*_bad(onnx_bytes=b"\x12\x03abc"), "cannot be loaded"),
    "empty": (*_bad(onnx_bytes=b""), "must have 1 to"),
    "missing card": (tiny_model(seed=2)[0], None, "signal/v2/card.json is missing"),
    "missing model": (None, tiny_model(seed=2)[1], "signal/v2/model.onnx is missing"),
    "another's card": (*_bad(lambda card: replace(card, version="v9")), "is the card of signal/v9"),
    "unknown feature": (*_bad(lambda card: replace(card, feature_names=UNKNOWN_FEATURE)), "got no_such_feature"),
    "too few features": (
        *_bad(
            lambda card: replace(
                card,
                feature_names=FEATURE_NAMES[:3],
                pairs=(RecordedPair(features=(0.0, 0.0, 0.0), output=(0.0, 0.0, 1.0)),),
            )
        ),
        "input must be features",
    ),
    "wrong outputs": (
        *_bad(lambda card: replace(card, output_names=("up", "none", "down"))),
        "outputs must be ('down', 'none', 'up')",
    ),
    "wrong input name": (*_hand_made(input_name="x"), "input must be features"),
    "wrong output name": (*_hand_made(output_name="y"), "output must be scores"),
    "foreign operators": (*_hand_made(op="Gelu", domain="com.microsoft"), "got domains ['com.microsoft']"),
    "wrong answers": (*_bad(_wrong_answers), "differ by 0.01"),
    "wrong answers with a lax card": (
        *_bad(lambda card: replace(_wrong_answers(card), tolerance=1.0)),
        "within 0.0001",
    ),
    "expired": (*_bad(lambda card: replace(card, expires_on=date(2025, 10, 14))), "expired on 2025-10-14"),
}


@pytest.mark.parametrize("name", CHALLENGERS)
def test_a_challenger_that_fails_a_check_is_refused_and_the_last_good_model_kept(
    name: str, blobs: CountingBlobs, clock: HandClock
) -> None:
    onnx_bytes, card, reason = CHALLENGERS[name]
    models = OnnxModels(blobs, clock)
    good = models.current(SIGNAL_MODEL).predictor
    put_challenger(blobs, onnx_bytes, card)
    clock.pass_by(MINUTE)
    state = models.current(SIGNAL_MODEL)
    assert state.predictor is good is not None
    assert reason in state.fault
    promote(blobs, SIGNAL_MODEL, "v1", promoted_at=clock.now())
    clock.pass_by(MINUTE)
    healed = models.current(SIGNAL_MODEL)
    assert healed.fault == ""
    assert healed.predictor is not None
    assert healed.predictor.card.version == "v1"


def test_hand_made_graph_passes_when_nothing_is_wrong_with_it() -> None:
    """So that the refusals above are for the reason they name."""
    onnx_bytes, card = _hand_made()
    assert verified(card, onnx_bytes).card == card


def test_probabilities_that_do_not_add_up_are_refused() -> None:
    onnx_bytes, card = _hand_made()
    odd = replace(card, pairs=(RecordedPair(features=(0.2, 0.3, 0.9), output=(0.2, 0.3, 0.9)),))
    with pytest.raises(ModelError, match="add up to 1"):
        verified(odd, onnx_bytes)


@pytest.mark.parametrize(
    "champion",
    [
        b"{",
        b"{}",
        b'{"name":"move","version":"v1","promoted_at":"2025-10-14T22:00:00Z"}',
        b'{"name":"signal","version":"../x","promoted_at":"2025-10-14T22:00:00Z"}',
    ],
)
def test_a_broken_champion_blob_is_a_fault_and_keeps_the_model(
    champion: bytes, blobs: CountingBlobs, clock: HandClock
) -> None:
    models = OnnxModels(blobs, clock)
    good = models.current(SIGNAL_MODEL).predictor
    blobs.put(CONTAINER, "signal/champion.json", champion)
    clock.pass_by(MINUTE)
    state = models.current(SIGNAL_MODEL)
    assert state.predictor is good
    assert state.fault


def test_without_any_champion_there_is_no_model_and_a_reason(clock: HandClock) -> None:
    state = OnnxModels(MemoryBlobs(), clock).current(SIGNAL_MODEL)
    assert state.predictor is None
    assert "no champion has been published" in state.fault


def test_a_store_that_does_not_answer_is_a_fault_and_keeps_the_model(blobs: CountingBlobs, clock: HandClock) -> None:
    models = OnnxModels(blobs, clock)
    good = models.current(SIGNAL_MODEL).predictor
    blobs.is_down = True
    clock.pass_by(MINUTE)
    state = models.current(SIGNAL_MODEL)
    assert state.predictor is good
    assert "does not answer" in state.fault
    blobs.is_down = False
    clock.pass_by(MINUTE)
    assert models.current(SIGNAL_MODEL).fault == ""


def test_a_model_in_use_expires_with_its_date_in_new_york(blobs: CountingBlobs, clock: HandClock) -> None:
    models = OnnxModels(blobs, clock)
    clock.at = clock.at.replace(year=2025, month=11, day=29, hour=4, minute=59)
    assert clock.at.date() > EXPIRES_ON
    assert models.current(SIGNAL_MODEL).predictor is not None
    clock.pass_by(MINUTE)
    state = models.current(SIGNAL_MODEL)
    assert state.predictor is None
    assert "expired on 2025-11-28" in state.fault


def test_operator_domains_agree_with_the_onnx_package() -> None:
    for data in (tiny_model()[0], tiny_model(MOVE_MODEL)[0], hand_made_onnx(op="Gelu", domain="com.microsoft")):
        expected = [entry.domain for entry in onnx.load_model_from_string(data).opset_import]
        assert operator_domains(data) == expected


def test_scoring_needs_none_of_the_training_packages(tmp_path: Path) -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"xgboost", "sklearn", "onnx", "skl2onnx", "onnxmltools", "scipy", "training"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import numpy as np
from shared.adapters import scorer
assert not {"onnxruntime", "pandas", "talib"} & set(sys.modules), "heavy imports at import time"
from shared.adapters.codec import decode_json
from shared.contracts.model_card import ModelCard
import pathlib
folder = pathlib.Path(sys.argv[1])
card = decode_json(ModelCard, (folder / "card.json").read_bytes())
predictor = scorer.verified(card, (folder / "model.onnx").read_bytes())
print(predictor.predict(np.zeros((2, len(card.feature_names)))).shape)
"""
    onnx_bytes, card = tiny_model(seed=1)
    (tmp_path / "model.onnx").write_bytes(onnx_bytes)
    (tmp_path / "card.json").write_bytes(encode_json(card))
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("(2, 3)", 0), done.stderr


@pytest.mark.parametrize("method", ["none", "isotonic", "beta"])
def test_scores_do_not_depend_on_the_company_of_a_row(method: Method) -> None:
    data = random_dataset(1)
    model = fit.fit_signal(data, fit.FitRule(trees=10, depth=3, threads=1), 1)
    raw = fit.predict(model, data.features)
    calibrator = fit_calibrator(method, raw, data.outcome, data.weight)
    onnx_bytes = export.to_onnx(model, len(FEATURE_NAMES), calibrator)
    pair = RecordedPair(
        features=tuple(None if np.isnan(v) else float(v) for v in data.features[0]),
        output=tuple(map(float, calibrator(raw[:1])[0])),
    )
    card = replace(tiny_model(seed=1)[1], sha256=digest(onnx_bytes), pairs=(pair,))
    predictor = verified(card, onnx_bytes)
    rows = random_dataset(9, rows=203).features.astype(float)
    together = predictor.predict(rows)
    for size in (1, 3, 8, 25):
        apart = np.concatenate([predictor.predict(rows[k : k + size]) for k in range(0, len(rows), size)])
        assert together.tobytes() == apart.tobytes()


def test_a_suspended_champion_is_not_used_until_it_is_promoted_again() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    publish(blobs, *tiny_model(), promoted_at=clock.now())
    models = OnnxModels(blobs, clock)
    assert models.current(SIGNAL_MODEL).predictor is not None
    roll_back(blobs, SIGNAL_MODEL, "v1", at=clock.now(), fault="its features have drifted", on=clock.now().date())
    clock.pass_by(timedelta(minutes=2))
    state = models.current(SIGNAL_MODEL)
    assert state.predictor is None
    assert state.fault == "signal/v1 is suspended: its features have drifted"
    promote(blobs, SIGNAL_MODEL, "v1", promoted_at=clock.now())
    clock.pass_by(timedelta(minutes=2))
    assert models.current(SIGNAL_MODEL).fault == ""
    assert models.current(SIGNAL_MODEL).predictor is not None
