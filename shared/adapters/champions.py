"""Champions of the registry: the newest one that can be trusted, and what is wrong with a newer one.

A new champion is picked up within a minute; one that fails its checks is named in the state's fault, and the last good
one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from shared.adapters.codec import decode_json
from shared.contracts.model_card import Champion, PublishedCard
from shared.core.errors import ContractError, ModelError, TransientError
from shared.core.sessions import NEW_YORK
from shared.ports import BlobStore, Clock

CONTAINER = "models"
LOOK_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionState[M]:
    """The model in use, and what is wrong where it is not the newest champion (`fault` empty: healthy)."""

    model: M | None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedKind[C: PublishedCard, M]:
    """How models of one kind are read.

    Attributes
    ----------
    card : type
        Of their cards.
    files : callable
        Given a card, the files that stand beside it.
    check : callable
        Given a card and the files by name, the model. Raises ModelError where it cannot be trusted.
    """

    card: type[C]
    files: Callable[[C], Sequence[str]]
    check: Callable[[C, Mapping[str, bytes]], M]


@dataclass(slots=True)
class _Slot[C: PublishedCard, M]:
    """What is known of one model."""

    looked_at: datetime | None = None
    version: str = ""
    loaded: tuple[C, M] | None = None
    fault: str = "no champion has been published"


class Champions[C: PublishedCard, M]:
    """Champions of one kind over a blob store.

    Parameters
    ----------
    blobs : BlobStore
    clock : Clock
        Decides when to look again, and whether a model has expired.
    kind : CheckedKind
    accept_synthetic : bool
        Whether a model that learned from an invented market may be used: in the sandbox only.
    """

    def __init__(self, blobs: BlobStore, clock: Clock, kind: CheckedKind[C, M], *, accept_synthetic: bool) -> None:
        self._blobs = blobs
        self._clock = clock
        self._kind = kind
        self._accept_synthetic = accept_synthetic
        self._slots: dict[str, _Slot[C, M]] = {}
        self._lock = Lock()

    def current(self, name: str) -> ChampionState[M]:
        """Return the newest champion that can be trusted, and what is wrong with a newer one.

        An expired model is not returned, since no check can make it good again. A store that does not answer is a
        fault of its own and leaves the model in use.
        """
        # Functions run in threads: who comes while another loads waits for it, and does not find an empty slot.
        with self._lock:
            return self._current(self._slots.setdefault(name, _Slot()), name)

    def _current(self, slot: _Slot[C, M], name: str) -> ChampionState[M]:
        now = self._clock.now()
        if slot.looked_at is None or not timedelta(0) <= now - slot.looked_at < LOOK_EVERY:
            slot.looked_at = now
            self._look(name, slot, now)
        if slot.loaded is None:
            return ChampionState(model=None, fault=slot.fault)
        card, model = slot.loaded
        if _is_expired(card, now):
            expired = f"{name}/{card.version} expired on {card.expires_on}"
            return ChampionState(model=None, fault=f"{slot.fault}; {expired}" if slot.fault else expired)
        return ChampionState(model=model, fault=slot.fault)

    def _look(self, name: str, slot: _Slot[C, M], now: datetime) -> None:
        """Read the champion, and load it where it is another than the one in use."""
        try:
            champion = self._champion(name)
            if champion.suspended:
                slot.loaded, slot.version = None, ""
                raise ModelError(f"{name}/{champion.version} is suspended: {champion.suspended}")
            if champion.version != slot.version or slot.fault:
                slot.loaded = self._load(name, champion.version, now)
                slot.version = champion.version
            slot.fault = ""
        except (ModelError, ContractError) as error:
            slot.fault = str(error)
        except TransientError as error:
            slot.fault = f"models cannot be read: {error}"

    def _champion(self, name: str) -> Champion:
        stored = self._blobs.get(CONTAINER, f"{name}/champion.json")
        if stored is None:
            raise ModelError(f"{CONTAINER}/{name}/champion.json is missing: no champion has been published")
        champion = decode_json(Champion, stored.value)
        if champion.name != name:
            raise ModelError(f"{name}/champion.json names model {champion.name!r}")
        if not champion.version or "/" in champion.version:
            raise ModelError(f"{name}/champion.json: version must be one path segment, got {champion.version!r}")
        return champion

    def _load(self, name: str, version: str, now: datetime) -> tuple[C, M]:
        folder = f"{name}/{version}"
        try:
            card = decode_json(self._kind.card, self._read(folder, "card.json"))
        except ContractError as error:
            raise ModelError(f"{folder}/card.json: {error}") from error
        if (card.name, card.version) != (name, version):
            raise ModelError(f"{folder}/card.json is the card of {card.name}/{card.version}")
        if _is_expired(card, now):
            raise ModelError(f"{folder} expired on {card.expires_on}")
        if card.is_synthetic and not self._accept_synthetic:
            raise ModelError(f"{folder} has learned from an invented market: it may score in the sandbox only")
        files = {file: self._read(folder, file) for file in self._kind.files(card)}
        return card, self._kind.check(card, files)

    def _read(self, folder: str, file: str) -> bytes:
        stored = self._blobs.get(CONTAINER, f"{folder}/{file}")
        if stored is None:
            raise ModelError(f"{folder}/{file} is missing")
        return stored.value


def _is_expired(card: PublishedCard, now: datetime) -> bool:
    return now.astimezone(NEW_YORK).date() > card.expires_on
