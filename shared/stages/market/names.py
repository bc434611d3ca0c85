"""What companies are called, asked for once a day: the broker's list of instruments is megabytes long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from shared.contracts.records import Container
from shared.core.packing import pack, unpack
from shared.core.values import Symbol
from shared.ports import Ports
from shared.stages.base.ledger import watching


def listed_names(ports: Ports, on: date) -> Mapping[Symbol, str]:
    """Names of tradable instruments by symbol, those of the day's first look.

    Raises
    ------
    TransientError
        If neither storage nor market answers.
    """
    blob = f"names/{on}.json.gz"
    stored = ports.blobs.get(Container.LANGUAGE, blob)
    if stored is not None:
        return ports.codec.decode(dict[Symbol, str], unpack(stored.value))
    with watching(ports, "market"):
        names = {asset.symbol: asset.name for asset in ports.market.assets()}
    ports.blobs.insert(Container.LANGUAGE, blob, pack(ports.codec.encode(names).encode()))
    return names
