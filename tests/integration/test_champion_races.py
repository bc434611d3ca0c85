"""Two processes switch the same champion at the same moment, on real Azurite: nobody's switch is lost."""

from __future__ import annotations

from functools import cache

from shared.adapters.blobs import AzureBlobs
from shared.adapters.codec import encode_json
from shared.contracts.model_card import Champion
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from tests.support.models import CREATED_AT, tiny_model
from tests.support.ports import FakePorts
from tests.support.processes import rivals
from training import publish

ROUNDS, MOST_ROUNDS = 8, 64
"""So many, and on a busy machine more until the two processes have met."""
ON = CREATED_AT.date()

type Switch = tuple[str, str, str, str]
"""Connection, what is done, model and version."""


@cache
def blobs_of(storage: str) -> AzureBlobs:
    return AzureBlobs(StorageSettings(connection=storage))


def switch(ports: FakePorts, wanted: Switch) -> bool:
    """Whether this process has switched the champion; a look beforehand warms its connection."""
    storage, act, name, version = wanted
    blobs = blobs_of(storage)
    try:
        if act == "promote":
            publish.promote(blobs, name, version, promoted_at=CREATED_AT)
            return True
        if act == "roll back":
            after = publish.roll_back(blobs, name, version, at=CREATED_AT, fault="drift", on=ON)
            return after.past[-1].fault == "drift"
    except ConflictError:
        return False
    return blobs.get(publish.CONTAINER, f"{name}/champion.json") is None


def store(blobs: AzureBlobs, name: str) -> None:
    """Three versions of a model, none of them champion."""
    for seed in (1, 2, 3):
        blobs.put(publish.CONTAINER, f"{name}/v{seed}/card.json", card(seed))


@cache
def card(seed: int) -> bytes:
    return encode_json(tiny_model(seed=seed)[1])


def champion(blobs: AzureBlobs, name: str) -> Champion:
    found = publish.champion_of(blobs, name)
    assert found is not None
    return found


def test_of_two_promotions_at_once_each_wins_or_is_told_and_none_is_lost(storage: str) -> None:
    blobs = blobs_of(storage)
    lost = 0
    with rivals(switch, storage=storage) as pair:
        pair.race((storage, "look", "any", ""), (storage, "look", "any", ""))
        for number in range(MOST_ROUNDS):
            if number >= ROUNDS and lost:
                break
            name, is_first = f"model-{number}", number % 2 == 0
            store(blobs, name)
            if not is_first:
                publish.promote(blobs, name, "v1", promoted_at=CREATED_AT)
            won = pair.race((storage, "promote", name, "v2"), (storage, "promote", name, "v3"))
            found = champion(blobs, name)
            winners = {version for version, has_won in zip(("v2", "v3"), won, strict=True) if has_won}
            before = set() if is_first else {"v1"}
            assert winners, f"round {number}: both were refused"
            assert {found.version, *(reign.version for reign in found.past)} == winners | before
            assert len(found.past) == len(winners | before) - 1
            lost += len(winners) == 1
    assert lost, "they never met: nothing was tested"


def test_a_rollback_that_meets_a_promotion_leaves_one_of_both_orders(storage: str) -> None:
    blobs = blobs_of(storage)
    refused = 0
    with rivals(switch, storage=storage) as pair:
        pair.race((storage, "look", "any", ""), (storage, "look", "any", ""))
        for number in range(MOST_ROUNDS):
            if number >= ROUNDS and refused:
                break
            name = f"other-{number}"
            store(blobs, name)
            for version in ("v1", "v2"):
                publish.promote(blobs, name, version, promoted_at=CREATED_AT)
            rolled, promoted = pair.race((storage, "roll back", name, "v2"), (storage, "promote", name, "v3"))
            found = champion(blobs, name)
            reigns = [(reign.version, reign.fault) for reign in found.past]
            expected = {
                (True, True): ("v3", [("v1", ""), ("v2", "drift"), ("v1", "")]),
                (True, False): ("v1", [("v1", ""), ("v2", "drift")]),
                (False, True): ("v3", [("v1", ""), ("v2", "")]),
            }
            assert (found.version, reigns) == expected[rolled, promoted], f"round {number}"
            refused += not (rolled and promoted)
    assert refused, "they never met: nothing was tested"
