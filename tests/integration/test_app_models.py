"""Models in the running app: refused when they are not what their card says, replaced without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.adapters.blobs import AzureBlobs
from shared.adapters.codec import decode_json, encode_json
from shared.adapters.scorer import OnnxModels
from shared.contracts.model_card import Champion, ModelCard
from shared.contracts.records import Queue, Table
from shared.contracts.settings import StorageSettings
from shared.core.ids import digest
from shared.core.policy import PolicyCode
from shared.ports import Stored
from simulation.market.scenario import DEFAULT_ON
from tests.support.app import QUIET, Sandbox
from training.publish import publish

type MakeSandbox = Callable[..., Sandbox]
type Spoil = Callable[[bytes, ModelCard], tuple[bytes, ModelCard]]


def prepared_model(box: Sandbox, name: str = "signal") -> tuple[bytes, ModelCard]:
    folder = box.prepared.folder / "models" / name
    return (folder / "model.onnx").read_bytes(), decode_json(ModelCard, (folder / "card.json").read_bytes())


def put_champion(box: Sandbox, onnx: bytes, card: ModelCard) -> None:
    """Put a model where a champion is, unchecked, as a broken trainer or a hand would."""
    folder = f"{card.name}/{card.version}"
    box.blobs.put("models", f"{folder}/model.onnx", onnx)
    box.blobs.put("models", f"{folder}/card.json", encode_json(card))
    champion = Champion(name=card.name, version=card.version, promoted_at=box.clock.now())
    box.blobs.put("models", f"{card.name}/champion.json", encode_json(champion))


def _other_answers(onnx: bytes, card: ModelCard) -> tuple[bytes, ModelCard]:
    first = card.pairs[0]
    turned = replace(first, output=tuple(reversed(first.output)))
    return onnx, replace(card, pairs=(turned, *card.pairs[1:]))


SPOILED: dict[str, tuple[Spoil, str]] = {
    "hash": (lambda onnx, card: (onnx, replace(card, sha256="ab" * 32)), "sha256 of model.onnx must be"),
    "changed-byte": (lambda onnx, card: (onnx[:-1] + bytes([onnx[-1] ^ 1]), card), "sha256 of model.onnx must be"),
    "truncated": (lambda onnx, card: (onnx[: len(onnx) // 2], card), "sha256 of model.onnx must be"),
    "truncated-with-its-hash": (
        lambda onnx, card: (onnx[: len(onnx) // 2], replace(card, sha256=digest(onnx[: len(onnx) // 2]))),
        "model.onnx",
    ),
    "empty": (lambda onnx, card: (b"", replace(card, sha256=digest(b""))), "bytes, got 0"),
    "unknown-feature": (
        lambda onnx, card: (onnx, replace(card, feature_names=("moon_phase", *card.feature_names[1:]))),
        "moon_phase",
    ),
    "features-in-another-order": (
        lambda onnx, card: (onnx, replace(card, feature_names=tuple(reversed(card.feature_names)))),
        "",
    ),
    "outputs-in-another-order": (
        lambda onnx, card: (onnx, replace(card, output_names=tuple(reversed(card.output_names)))),
        "outputs must be",
    ),
    "other-answers": (_other_answers, "recorded answers must be met"),
    "expired": (lambda onnx, card: (onnx, replace(card, expires_on=card.trained_to)), "expired on"),
}


def test_each_spoiled_champion_is_refused_and_the_last_good_model_goes_on(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        onnx, card = prepared_model(box)
        assert (await box.http("GET", "/api/status"))[1]["models"]["signal"]["version"] == card.version
        for name, (spoil, reason) in SPOILED.items():
            if name == "features-in-another-order":
                continue
            spoiled, its_card = spoil(onnx, card)
            put_champion(box, spoiled, replace(its_card, version=name))
            await box.for_s(61)
            _, body = await box.http("GET", "/api/status")
            assert body["models"]["signal"]["version"] == card.version, name
            assert reason in body["models"]["signal"]["fault"], name
            assert name in body["models"]["signal"]["fault"]
            assert body["models"]["move"]["fault"] is None
        box.send(Queue.SIGNALS, box.signal("SPY"))
        await box.for_s(20)
        (decision,) = box.rows(Table.DECISIONS).values()
        assert decision["verdict"] == "approved"

    sandbox(settings=QUIET).run(scenario)


def test_features_in_another_order_than_the_model_learned_are_caught_by_its_recorded_answers(
    sandbox: MakeSandbox,
) -> None:
    async def scenario(box: Sandbox) -> None:
        onnx, card = prepared_model(box)
        spoil, _ = SPOILED["features-in-another-order"]
        _, spoiled = spoil(onnx, card)
        pairs = tuple(replace(pair, features=tuple(reversed(pair.features))) for pair in spoiled.pairs)
        put_champion(box, onnx, replace(spoiled, version="turned", pairs=pairs))
        await box.for_s(61)
        _, body = await box.http("GET", "/api/status")
        assert "recorded answers must be met" in body["models"]["signal"]["fault"]

    sandbox(settings=QUIET).run(scenario)


@pytest.mark.parametrize("broken", ["hash", "truncated-with-its-hash", "nothing"])
def test_without_any_trusted_model_nothing_is_bought_and_model_health_says_why(
    sandbox: MakeSandbox, broken: str
) -> None:
    async def scenario(box: Sandbox) -> None:
        if broken != "nothing":
            onnx, card = prepared_model(box)
            spoiled, its_card = SPOILED[broken][0](onnx, card)
            put_champion(box, spoiled, replace(its_card, version=broken))
        await box.until("09:35:30")
        rows = box.rows(Table.SIGNALS).values()
        assert {row["policy"] for row in rows} == {PolicyCode.MODEL_HEALTH}
        reason = "no champion has been published" if broken == "nothing" else broken
        assert any(reason in row["faults"] for row in rows)
        box.send(Queue.SIGNALS, box.signal("SPY", slot="0935"))
        await box.for_s(30)
        (decision,) = box.rows(Table.DECISIONS).values()
        assert "MODEL_HEALTH" in decision["refused_by"].split()
        assert box.venue_log() == []
        assert box.trace.errors == []

    sandbox(at="09:34:30", with_models=False).run(scenario)


def test_functions_that_ask_for_a_model_at_the_same_time_all_get_it(sandbox: MakeSandbox) -> None:
    """A cold start runs several functions at once, each in a thread: none may find the model half loaded."""
    box = sandbox()

    class SlowBlobs(AzureBlobs):
        def get(self, container: str, name: str) -> Stored[bytes] | None:
            time.sleep(0.05)
            return super().get(container, name)

    blobs = SlowBlobs(StorageSettings(connection=box.storage))
    models = OnnxModels(blobs, box.clock, accept_synthetic=True)
    with ThreadPoolExecutor(6) as pool:
        states = list(pool.map(models.current, ["signal", "move"] * 3))
    assert [state.fault for state in states] == [""] * 6
    assert all(state.predictor is not None for state in states)


def test_a_new_champion_is_picked_up_without_a_restart(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        onnx, card = prepared_model(box)
        await box.until("09:35:30")
        publish(box.blobs, onnx, replace(card, version="next"), promoted_at=box.clock.now())
        await box.until("09:40:30")
        versions = {
            row["slot"]: row["models"].split()[0] for row in box.rows(Table.SIGNALS).values() if "models" in row
        }
        assert versions == {"0935": f"signal/{card.version}", "0940": "signal/next"}
        assert (await box.http("GET", "/api/status"))[1]["models"]["signal"] == {"version": "next", "fault": None}
        assert str(DEFAULT_ON) in str(box.blobs.names("features", ""))

    sandbox(at="09:34:30").run(scenario)
