"""Published models as storage tells: who is champion, who stands beside it, and how far features have moved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from dashboard.store import Source
from shared.bootstrap import JsonCodec
from shared.contracts.model_card import MODELS, Champion, ModelCard
from shared.contracts.records import Container
from shared.core.drift import FeatureDrift, drifts
from shared.core.errors import ContractError
from shared.core.market import FloatArray
from shared.core.packing import unpack

STRETCH_SESSIONS = 5
"""Drift is reckoned over as many sessions as the limits were: one day alone lies far from any average."""
SLICES = 12
"""Slices of a day that drift is reckoned from at most, evenly spread over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model: its champion and the cards of all published versions; `faults` names cards that cannot be read."""

    name: str
    champion: Champion | None
    cards: Mapping[str, ModelCard]
    faults: tuple[str, ...]

    @property
    def card(self) -> ModelCard | None:
        """Card of the champion."""
        return self.cards.get(self.champion.version) if self.champion else None

    def role(self, version: str) -> str:
        """What a version is: champion, was champion, or challenger."""
        champion = self.champion
        if champion is not None and champion.version == version:
            return "suspended" if champion.suspended else "champion"
        past = {reign.version: reign for reign in champion.past} if champion else {}
        if version in past:
            return "rolled back" if past[version].fault else "was champion"
        return "challenger"


def models_of(source: Source) -> list[Model]:
    """Read every model's champion and cards."""
    versions: dict[str, list[str]] = {}
    for path in source.names(Container.MODELS, ""):
        name, _, rest = path.partition("/")
        found = versions.setdefault(name, [])
        if rest.endswith("/card.json"):
            found.append(rest.removesuffix("/card.json"))
    return [_model(source, name, found) for name, found in sorted(versions.items(), key=_place)]


def _place(item: tuple[str, list[str]]) -> tuple[int, str]:
    """The app's own models come first, in its own order."""
    return (MODELS.index(item[0]) if item[0] in MODELS else len(MODELS), item[0])


def _model(source: Source, name: str, versions: list[str]) -> Model:
    codec, faults = JsonCodec(), []
    cards: dict[str, ModelCard] = {}
    for version in versions:
        path = f"{name}/{version}/card.json"
        try:
            cards[version] = codec.decode(ModelCard, source.blob(Container.MODELS, path) or b"")
        except ContractError as error:
            faults.append(f"{name}/{version}: {error}")
    stored = source.blob(Container.MODELS, f"{name}/champion.json")
    champion = codec.decode(Champion, stored) if stored else None
    return Model(name=name, champion=champion, cards=dict(sorted(cards.items(), reverse=True)), faults=tuple(faults))


def drift_over(source: Source, card: ModelCard, days: Sequence[date]) -> tuple[FeatureDrift, ...]:
    """Distance of some sessions' features from those a model has learned from, the farthest beyond its limit first.

    Empty where the card keeps no reference or the sessions have no features.
    """
    if not card.reference:
        return ()
    wanted = tuple(reference.name for reference in card.reference)
    rows = np.concatenate([np.empty((0, len(wanted))), *(features_on(source, on, wanted) for on in days)])
    return drifts(card.reference, rows) if len(rows) else ()


def features_on(source: Source, on: date, wanted: tuple[str, ...]) -> FloatArray:
    """Return vectors of slices spread evenly over a day, shape (n, len(wanted)), NaN for missing."""
    names = [name for name in source.names(Container.FEATURES, f"{on}/") if name.endswith(".json.gz")]
    picked = [names[at] for at in np.unique(np.linspace(0, len(names) - 1, SLICES).astype(int))] if names else []
    found = [_vectors(source.blob(Container.FEATURES, name), wanted) for name in picked]
    return np.concatenate([np.empty((0, len(wanted))), *found])


def _vectors(stored: bytes | None, wanted: tuple[str, ...]) -> FloatArray:
    kept = json.loads(unpack(stored)) if stored else {"names": [], "rows": []}
    place = {name: at for at, name in enumerate(kept["names"])}
    if not set(wanted) <= place.keys():
        return np.empty((0, len(wanted)))
    columns = [place[name] for name in wanted]
    rows = np.array([[np.nan if cell is None else cell for cell in row] for row in kept["rows"]], np.float64)
    return rows.reshape(-1, len(place))[:, columns]
