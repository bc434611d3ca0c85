"""A lock in Blob that outlives nobody: who holds it says until when, and renews it while working."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.adapters.codec import decode_json, encode_json
from shared.core.errors import ConflictError, ContractError
from shared.core.values import require_utc
from shared.ports import BlobStore, Clock, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Who holds the lock, until when; it is free after that, also if its holder died."""

    owner: str
    until: datetime

    def __post_init__(self) -> None:
        require_utc("until", self.until)


class BlobLock:
    """A lock under conditional writes: it can be taken over only after its time.

    Parameters
    ----------
    blobs : BlobStore
    container, name : str
    clock : Clock
    owner : str
        Names this process and no other.
    length : timedelta
        How long a hold lasts without renewal.
    """

    def __init__(
        self, blobs: BlobStore, container: str, name: str, *, clock: Clock, owner: str, length: timedelta
    ) -> None:
        self._blobs, self._container, self._name = blobs, container, name
        self._clock, self._owner, self._length = clock, owner, length

    def take(self) -> Hold | None:
        """Take the lock, or renew it. Returns who else holds it, None where it is ours now.

        Raises
        ------
        ConflictError
            If another took it in the same moment.
        """
        now = self._clock.now()
        mine = encode_json(Hold(owner=self._owner, until=now + self._length))
        stored = self._read()
        if stored is None:
            if not self._blobs.insert(self._container, self._name, mine):
                raise ConflictError(f"{self._container}/{self._name} was taken in the same moment")
            return None
        held = stored.value
        if held is not None and held.owner != self._owner and now < held.until:
            return held
        self._blobs.replace(self._container, self._name, mine, stored.etag)
        return None

    def release(self) -> None:
        """Let it go where it is still ours."""
        stored = self._read()
        if stored is None or stored.value is None or stored.value.owner != self._owner:
            return
        free = Hold(owner=self._owner, until=self._clock.now())
        try:
            self._blobs.replace(self._container, self._name, encode_json(free), stored.etag)
        except ConflictError:
            return  # it was ours no longer

    def _read(self) -> Stored[Hold | None] | None:
        stored = self._blobs.get(self._container, self._name)
        if stored is None:
            return None
        try:
            return Stored(value=decode_json(Hold, stored.value), etag=stored.etag)
        except ContractError:  # nobody can hold what cannot be read
            return Stored(value=None, etag=stored.etag)
