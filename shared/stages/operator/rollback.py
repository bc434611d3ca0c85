"""Models: a person takes the champion back."""

from __future__ import annotations

from shared.contracts.model_card import Champion, PublishedCard
from shared.contracts.records import Container
from shared.contracts.text_card import card_class_of
from shared.core.errors import ConflictError, ContractError
from shared.core.sessions import NEW_YORK
from shared.ports import Ports
from shared.stages.base.requests import CONFLICT, NOT_FOUND, Call, Reply, act_notice, refused


def roll_back(ports: Ports, call: Call) -> Reply:
    """Make the champion before the present one champion again, under the ETag of `champion.json`.

    The caller names the version that it sees in use, so that a request sent twice goes back once. The version left is
    marked with who and why and is passed over from then on, as is one whose card is gone or has expired: the rule is
    the registry's, `Champion.sound_before`. The app takes the older one up within a minute, after the same checks as
    any other.
    """
    name, version = call.text("name"), call.text("version")
    path = f"{name}/champion.json"
    stored = ports.blobs.get(Container.MODELS, path)
    if stored is None:
        return refused(NOT_FOUND, f"no model {name} has a champion", "name")
    champion = ports.codec.decode(Champion, stored.value)
    if champion.version != version:
        return refused(CONFLICT, f"the champion is {champion.version}", "version")
    now = ports.clock.now()
    back = champion.sound_before(lambda earlier: _card(ports, name, earlier), now.astimezone(NEW_YORK).date())
    if back is None:
        return refused(CONFLICT, f"no sound version of {name} was champion before {version}", "version")
    reason = f"rolled back from {version} by {call.by}: {call.reason}"
    fault = f"rolled back by {call.by}: {call.reason}"
    after = champion.followed_by(back, at=now, reason=reason, fault=fault)
    try:
        ports.blobs.replace(Container.MODELS, path, ports.codec.encode(after).encode(), stored.etag)
    except ConflictError:
        return refused(CONFLICT, "the champion was switched at the same time", "version")
    body = {"model": name, "version": back, "rolled_back_from": version}
    title = f"Model {name} rolled back to {back}"
    record = {"matter": f"{name} {version} -> {back}"}
    return Reply(body=body, messages=(act_notice(ports, title, call),), record=record)


def _card(ports: Ports, name: str, version: str) -> PublishedCard | None:
    stored = ports.blobs.get(Container.MODELS, f"{name}/{version}/card.json")
    if stored is None:
        return None
    try:
        return ports.codec.decode(card_class_of(name), stored.value)
    except ContractError:
        return None
