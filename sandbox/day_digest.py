"""A day's digest: one hash of what was watched, scored, decided, ordered and paid, the same on another processor.

Texts, verdicts, prices, shares and money count as they are. numpy and OpenBLAS choose other code by the kind of
processor, which leaves other last bits in logarithms and sums: in features, and in the regime model that is fitted on
the machine. So floats count rounded, and the hash of a file that holds floats counts as the hash of what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.contracts.records import Container
from shared.core.ids import canonical_json, digest
from shared.core.packing import unpack
from shared.ports import BlobStore

DECIMALS = 6
"""Of a float. Prices and volumes keep all of theirs. A wider step would hide what the models can see; a narrower one
would sooner have an edge between the values that two processors come to."""
_KEPT = (Container.WATCHLISTS, Container.FEATURES, Container.REPORTS, Container.BARS, Container.CASES)
_JSON, _PACKED = ".json", ".json.gz"

NOT_SAID = frozenset({"code_revision", "latency_ms", "vector"})
"""Which commit ran, how long the wall's clock waited, and what is rounded to whole numbers, where no step is safe."""

type Rows = Mapping[str, Mapping[str, Any]]


def day_digest(tables: Mapping[str, Rows], blobs: BlobStore, log: Sequence[Mapping[str, Any]]) -> str:
    """Hash what a day has left.

    Parameters
    ----------
    tables : mapping of str to mapping of str to row
        Rows by table and key, without those of calls: two companies' stories that are one question once names are
        hidden are asked side by side, and whose answer comes first is nobody's to say.
    blobs : BlobStore
        Watchlists, features, reports, bars, case files and the cards of models are read.
    log : sequence of mapping
        The venue's own.

    Returns
    -------
    str
        SHA-256 in hex.
    """
    said = _what_models_say(blobs)
    hashes: dict[str, str] = {}
    for container in _KEPT:  # cases come last: they name the hashes of features
        for name, value in _contents(blobs, container):
            hashes[f"{container}/{name}"] = meant = digest(_content(name, value, said))
            if name.endswith(_PACKED):
                said[digest(value)] = meant
    return digest(canonical_json({"tables": settled(tables, said), "blobs": hashes, "venue": settled(log, said)}))


def settled(value: Any, said: Mapping[str, str]) -> Any:
    """What a JSON value says, on every processor and whichever commit has run the day.

    Parameters
    ----------
    value : JSON value
        A text that is itself a JSON object or array is read. `NOT_SAID` is left out.
    said : mapping of str to str
        By the hash of a file's bytes, the hash of what the file says.
    """
    match value:
        case float():
            return round(value, DECIMALS) + 0.0  # no negative zero
        case str():
            return _settled_text(value, said)
        case Mapping():
            return {key: settled(item, said) for key, item in value.items() if key not in NOT_SAID}
        case list() | tuple():
            return [settled(item, said) for item in value]
        case _:
            return value


def _settled_text(text: str, said: Mapping[str, str]) -> Any:
    if text.startswith(("{", "[")):
        try:
            return settled(json.loads(text), said)
        except ValueError:
            return text
    return said.get(text, text)


def _content(name: str, value: bytes, said: Mapping[str, str]) -> bytes:
    """What a blob counts as: a JSON document settled, anything else as it is."""
    if not name.endswith((_JSON, _PACKED)):
        return value
    return canonical_json(settled(json.loads(unpack(value) if name.endswith(_PACKED) else value), said))


def _what_models_say(blobs: BlobStore) -> dict[str, str]:
    """By the hash of a model's bytes, the hash of its card without it: recorded answers, figures, data, rule."""
    cards = [json.loads(value) for name, value in _contents(blobs, Container.MODELS) if name.endswith("/card.json")]
    found: dict[str, str] = {}
    for card in cards:
        hashes = card["files"].values() if "files" in card else [card["sha256"]]
        without = {key: value for key, value in card.items() if key != "files"} | {"sha256": ""}
        found |= dict.fromkeys(hashes, digest(canonical_json(settled(without, {}))))
    return found


def _contents(blobs: BlobStore, container: Container) -> Iterator[tuple[str, bytes]]:
    for name in blobs.names(container, ""):
        if blob := blobs.get(container, name):
            yield name, blob.value
