"""Parameters: which set is in force, who accepted it, and what is proposed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.contracts.messages import Message
from shared.contracts.parameters import OWN_SETTINGS, ParameterSet, overlaid, parameter_blob
from shared.contracts.records import CONTROLS, PARAMETERS, Container, Table
from shared.contracts.settings import Settings
from shared.core.errors import ConflictError, ContractError, SettingsError, TransientError
from shared.core.ids import digest
from shared.core.sessions import NEW_YORK
from shared.core.values import iso
from shared.ports import BlobStore, Codec, Ports, Row, Stored
from shared.stages.base.incidents import record_incident
from shared.stages.base.requests import CONFLICT, NOT_FOUND, Call, Reply, act_notice, refused

REFRESH = timedelta(minutes=4)
"""Age at which a process looks again: below the five minutes between slots, so that a slot never meets an old set
twice, and few enough looks to cost nothing."""

logger = logging.getLogger("gatehouse")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveSettings:
    """The settings in force in a process. `fault` says why they are not the accepted ones, empty where they are.

    `etag` is that of the acceptance that was looked at, empty where nobody has accepted a set.
    """

    settings: Settings
    looked_at: datetime
    etag: str = ""
    fault: str = ""


def propose(blobs: BlobStore, codec: Codec, proposal: ParameterSet) -> str:
    """Store a set for a person to accept; return its blob in container parameters.

    Raises
    ------
    ConflictError
        If another set has the name. The same set again is no error.
    """
    name, data = parameter_blob(proposal.name), codec.encode(proposal).encode()
    if not blobs.insert(Container.PARAMETERS, name, data):
        stored = blobs.get(Container.PARAMETERS, name)
        if stored is None or stored.value != data:
            raise ConflictError(f"parameter set {proposal.name} exists with other content")
    return name


def proposed(ports: Ports) -> Sequence[str]:
    """Names of all stored sets, sorted."""
    return [name.removesuffix(".json") for name in ports.blobs.names(Container.PARAMETERS, "")]


def load_set(ports: Ports, name: str) -> tuple[ParameterSet, str]:
    """Return a stored set and the hash of its bytes.

    Raises
    ------
    ContractError
        If it does not exist, cannot be read, or is stored under another's name.
    """
    try:
        blob = parameter_blob(name)
    except ValueError as error:
        raise ContractError(str(error)) from error
    stored = ports.blobs.get(Container.PARAMETERS, blob)
    if stored is None:
        raise ContractError(f"name: no parameter set {name} is stored")
    found = ports.codec.decode(ParameterSet, stored.value)
    if found.name != name:
        raise ContractError(f"name: {blob} holds the set {found.name}")
    return found, digest(stored.value)


def carried_values(ports: Ports) -> Mapping[str, str]:
    """Return what the set in force changes: one that is proposed after it takes its place, and must not undo it."""
    name = ports.settings.policy.parameter_set
    return {} if name == OWN_SETTINGS else load_set(ports, name)[0].values


def accepted(ports: Ports) -> Row | None:
    """Return the row of the acceptance that holds, None where nobody has accepted a set."""
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, PARAMETERS)
    return None if stored is None else stored.value


def accept(ports: Ports, own: Settings, name: str, *, by: str, reason: str) -> Row:
    """Make a stored set the one in force, or with the name `default` the app's own settings again.

    Parameters
    ----------
    own : Settings
        The app's settings as deployed, which the set is laid over.

    Returns
    -------
    Row
        The acceptance as recorded.

    Raises
    ------
    ContractError
        If there is no such set.
    SettingsError
        If it cannot be laid over the app's own settings.
    ConflictError
        If somebody else accepted one at the same time.
    """
    sha256 = ""
    if name != OWN_SETTINGS:
        found, sha256 = load_set(ports, name)
        overlaid(own, found)
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, PARAMETERS)
    row: Row = {
        "act": "accept-parameters",
        "parameter_set": name,
        "sha256": sha256 or None,
        "previous": str(stored.value["parameter_set"]) if stored else OWN_SETTINGS,
        "by": by,
        "reason": reason,
        "at": iso(ports.clock.now()),
    }
    if stored is not None:
        ports.tables.replace(Table.CONTROLS, CONTROLS, PARAMETERS, row, stored.etag)
    elif not ports.tables.insert(Table.CONTROLS, CONTROLS, PARAMETERS, row):
        raise ConflictError("a parameter set was accepted at the same time")
    return row


def accept_set(ports: Ports, own: Settings, call: Call) -> Reply:
    """Accept the set that a call names, or say why it cannot be."""
    name = call.text("name")
    try:
        row = accept(ports, own, name, by=call.by, reason=call.reason)
    except ContractError as error:
        return refused(NOT_FOUND, str(error).removeprefix("name: "), "name", parameter_set=name)
    except (SettingsError, ConflictError) as error:
        return refused(CONFLICT, str(error)[:500], "name", parameter_set=name)
    body = {"parameter_set": name, "previous": row["previous"]}
    record = {"parameter_set": name, "previous": row["previous"], "sha256": row["sha256"]}
    return Reply(body=body, messages=(act_notice(ports, f"Parameter set {name} accepted", call),), record=record)


def shown_sets(ports: Ports, fault: str) -> Mapping[str, object]:
    """The set in force in this process, the acceptance that holds, why they differ, and the names of all sets."""
    row = accepted(ports)
    told_of = ("parameter_set", "previous", "by", "reason", "at")
    return {
        "in_force": ports.settings.policy.parameter_set,
        "accepted": None if row is None else {name: row.get(name) for name in told_of},
        "fault": fault or None,
        "sets": list(proposed(ports)),
    }


def shown_set(ports: Ports, call: Call) -> Reply:
    """One stored set."""
    try:
        found, sha256 = load_set(ports, call.text("name"))
    except ContractError as error:
        return refused(NOT_FOUND, str(error).removeprefix("name: "), "name")
    body = {
        "name": found.name,
        "created_at": iso(found.created_at),
        "proposed_by": found.proposed_by,
        "values": dict(found.values),
        "replaces": dict(found.replaces),
        "evidence": {"blob": found.evidence.blob, "figures": dict(found.evidence.figures)},
        "sha256": sha256,
    }
    return Reply(body=body)


def active_settings(ports: Ports, own: Settings, known: ActiveSettings | None) -> ActiveSettings:
    """Return the settings in force; look at storage only where the last look is older than `REFRESH`.

    An accepted set that is missing, was changed after its acceptance, or breaks a bound does not come into force: what
    was in force stays, in a new process the set accepted before it, else the app's own settings.

    Raises
    ------
    TransientError
        If storage does not answer a process that has not looked before.
    """
    now = ports.clock.now()
    if known is not None and abs(now - known.looked_at) < REFRESH:
        return known
    try:
        stored = ports.tables.get(Table.CONTROLS, CONTROLS, PARAMETERS)
        if stored is None:
            return ActiveSettings(settings=own, looked_at=now)
        if known is not None and known.etag == stored.etag:
            return replace(known, looked_at=now)
        return _read(ports, own, known, stored, now)
    except TransientError:
        if known is None:
            raise
        return replace(known, looked_at=now)


def _read(
    ports: Ports, own: Settings, known: ActiveSettings | None, stored: Stored[Row], now: datetime
) -> ActiveSettings:
    row, etag = stored.value, stored.etag
    name = str(row["parameter_set"])
    try:
        settings = _settings_of(ports, own, name, str(row.get("sha256") or ""))
        return ActiveSettings(settings=settings, looked_at=now, etag=etag)
    except (ContractError, SettingsError) as error:
        fault = f"accepted parameter set {name} cannot be used: {error}"
    logger.error("%s", fault)
    settings = known.settings if known is not None else own
    if known is None:
        try:
            settings = _settings_of(ports, own, str(row["previous"]))
        except (ContractError, SettingsError):
            logger.exception("the parameter set before it cannot be used either")
    return ActiveSettings(settings=settings, looked_at=now, etag=etag, fault=fault)


def _settings_of(ports: Ports, own: Settings, name: str, sha256: str = "") -> Settings:
    """Settings under a set; with `sha256`, only if its bytes are those that were accepted."""
    if name == OWN_SETTINGS:
        return own
    found, hashed = load_set(ports, name)
    if sha256 and hashed != sha256:
        raise ContractError(f"{parameter_blob(name)} is not what was accepted: sha256 {hashed}")
    return overlaid(own, found)


def fault_incident(ports: Ports, fault: str) -> list[Message]:
    """Record, once a day, that the accepted set is not the one in force; nothing where `fault` is empty."""
    if not fault:
        return []
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    title = "Accepted parameter set cannot be used"
    key = f"parameters|{digest(fault.encode())[:16]}"
    return [*record_incident(ports, on, key, now=now, kind="parameters", title=title, body=fault)]
