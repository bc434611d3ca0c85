"""Models: a person takes the champion back."""

from __future__ import annotations

from shared.contracts.model_card import MAX_PAST, Champion, Reign
from shared.contracts.records import Container
from shared.core.errors import ConflictError
from shared.ports import Ports
from shared.stages.calls import CONFLICT, NOT_FOUND, Call, Reply, refused, told


def roll_back(ports: Ports, call: Call) -> Reply:
    """Make the champion before the present one champion again, under the ETag of `champion.json`.

    The caller names the version that it sees in use, so that a request sent twice goes back once. The version left is
    marked with who and why and is passed over from then on, as is one whose card is gone. The app takes the older one
    up within a minute, after the same checks as any other.
    """
    name, version = call.text("name"), call.text("version")
    path = f"{name}/champion.json"
    stored = ports.blobs.get(Container.MODELS, path)
    if stored is None:
        return refused(NOT_FOUND, f"no model {name} has a champion", "name")
    champion = ports.codec.decode(Champion, stored.value)
    if champion.version != version:
        return refused(CONFLICT, f"the champion is {champion.version}", "version")
    back = next((earlier for earlier in champion.sound_past if _is_there(ports, name, earlier)), None)
    if back is None:
        return refused(CONFLICT, f"no sound version of {name} was champion before {version}", "version")
    now = ports.clock.now()
    fault = f"rolled back by {call.by}: {call.reason}"
    ended = Reign(version=version, promoted_at=champion.promoted_at, ended_at=now, fault=fault)
    after = Champion(
        name=name,
        version=back,
        promoted_at=now,
        reason=f"rolled back from {version} by {call.by}: {call.reason}",
        past=(*champion.past, ended)[-MAX_PAST:],
    )
    try:
        ports.blobs.replace(Container.MODELS, path, ports.codec.encode(after).encode(), stored.etag)
    except ConflictError:
        return refused(CONFLICT, "the champion was switched at the same time", "version")
    body = {"model": name, "version": back, "rolled_back_from": version}
    title = f"Model {name} rolled back to {back}"
    record = {"matter": f"{name} {version} -> {back}"}
    return Reply(body=body, messages=(told(ports, title, call),), record=record)


def _is_there(ports: Ports, name: str, version: str) -> bool:
    return f"{name}/{version}/card.json" in ports.blobs.names(Container.MODELS, f"{name}/{version}/")
