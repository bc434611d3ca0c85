"""A day's digest tells another decision, order, price or text from the same one, and not one processor from another."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.day_digest import day_digest, settled
from shared.adapters.memory import MemoryBlobs
from shared.contracts.records import Container
from shared.core.ids import digest
from shared.core.packing import pack
from shared.stages.evidence.nightly import load_case
from shared.stages.evidence.replay import Replayer
from tests.support.books import NightFakes
from tests.support.kernels import lesser_kernels, live, market_of, rows_of, run_under
from tests.support.market_day import ON

ROW = {"symbol": "SPY", "policy": "ENTER", "p_up": 0.123456, "price_usd": 1234.56, "signal": '{"p_up":0.123456}'}


def of(row: Mapping[str, Any], *, log: Any = (), **blobs: bytes) -> str:
    """Digest of one row, the venue's log and blobs named CONTAINER_NAME."""
    store = MemoryBlobs()
    for name, value in blobs.items():
        container, _, blob = name.partition("_")
        store.put(container, blob.replace("__", "/").replace("_", "."), value)
    return day_digest({"signals": {"SPY|1000": row}}, store, log)


@pytest.mark.parametrize(
    "same",
    [
        {"p_up": 0.123456 + 1e-12},
        {"signal": '{"p_up":0.12345600000000001}'},
        {"code_revision": "another"},
    ],
)
def test_last_bits_and_the_commit_do_not_count(same: dict[str, Any]) -> None:
    assert of(ROW | same) == of(ROW)


@pytest.mark.parametrize(
    "other",
    [
        {"policy": "TOO_LATE"},
        {"p_up": 0.123457},
        {"p_up": None},
        {"price_usd": 1234.5601},
        {"signal": '{"p_up":0.123457}'},
        {"signal": '{"p_up":"0.123456"}'},
        {"signal": '{"p_up":0.123456'},
    ],
)
def test_everything_else_counts(other: dict[str, Any]) -> None:
    assert of(ROW | other) != of(ROW)
    assert of(ROW, log=[other]) != of(ROW, log=[ROW])


def test_a_zero_has_no_sign() -> None:
    assert of(ROW | {"p_up": -1e-17}) == of(ROW | {"p_up": 1e-17})


def test_amounts_in_text_are_texts() -> None:
    assert settled({"usd": "10.00", "note": "[not json", "qty": 3, "on": True}, {}) == {
        "usd": "10.00",
        "note": "[not json",
        "qty": 3,
        "on": True,
    }


def features(value: float) -> bytes:
    return pack(json.dumps({"rows": [[value]], "models": [{"sha256": "m" * 64}]}).encode())


def case_on(inputs: bytes) -> bytes:
    return json.dumps({"inputs": {"features_sha256": digest(inputs)}}).encode()


def test_a_hash_counts_as_what_its_file_says() -> None:
    one, same, other = features(0.5), features(0.5 + 1e-15), features(0.6)
    before = of(ROW, features_x_json_gz=one, cases_c_json=case_on(one))
    assert of(ROW, features_x_json_gz=same, cases_c_json=case_on(same)) == before
    assert of(ROW, features_x_json_gz=other, cases_c_json=case_on(other)) != before
    assert of(ROW, features_x_json_gz=one, cases_c_json=case_on(other)) != before, "a hash that no file has"


def card(data: bytes, answer: float) -> bytes:
    return json.dumps({"sha256": digest(data), "pairs": [{"output": [answer]}], "code_revision": "abc"}).encode()


def used(data: bytes) -> bytes:
    return json.dumps({"models": [{"sha256": digest(data)}]}).encode()


def test_a_model_counts_as_what_its_card_says() -> None:
    before = of(ROW, models_m__card_json=card(b"1", 0.25), cases_c_json=used(b"1"))
    assert of(ROW, models_m__card_json=card(b"2", 0.25 - 1e-16), cases_c_json=used(b"2")) == before
    assert of(ROW, models_m__card_json=card(b"2", 0.26), cases_c_json=used(b"2")) != before
    assert of(ROW, models_m__card_json=card(b"1", 0.25), cases_c_json=used(b"2")) != before, "another than its card's"


def test_bars_count_byte_by_byte() -> None:
    assert of(ROW, bars_b_parquet=b"1") != of(ROW, bars_b_parquet=b"2")


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The same day, lived through here and under other kernels."""

    here: NightFakes
    digest: str
    contents: dict[tuple[Container, str], bytes]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    environment, folder = lesser_kernels(), tmp_path_factory.mktemp("kernels")
    here = live()
    given, told = folder / "market", folder / "day"
    given.write_bytes(pickle.dumps(market_of(here)))
    run_under(environment, "-m", "tests.support.kernels", str(given), str(told))
    found, contents = pickle.loads(told.read_bytes())
    return Elsewhere(here=here, digest=found, contents=contents)


def test_a_day_under_other_kernels_has_the_same_digest(elsewhere: Elsewhere) -> None:
    here = elsewhere.here
    assert day_digest(rows_of(here), here.blobs, []) == elsewhere.digest


def test_cases_of_other_kernels_replay_within_tolerance(elsewhere: Elsewhere) -> None:
    ports = live()
    for (container, name), value in elsewhere.contents.items():
        ports.blobs.put(container, name, value)
    cases = [load_case(ports, name) for name in ports.blobs.names(Container.CASES, f"{ON}/")]
    found = [Replayer(ports, ports.archive).replay(case) for case in cases if case is not None]
    assert [replay.differences for replay in found] == [()] * 3


def test_a_model_of_text_counts_as_what_its_card_says_and_not_by_the_hashes_of_its_files() -> None:
    def day(data: bytes, answer: float) -> str:
        card = {"files": {"model.onnx": digest(data)}, "pairs": [{"output": [answer]}]}
        row = ROW | {"signal": digest(data)}
        return of(row, models_embedding__v1__card_json=json.dumps(card).encode())

    assert day(b"here", 0.5) == day(b"there", 0.5 + 1e-12)
    assert day(b"here", 0.5) != day(b"here", 0.6)
