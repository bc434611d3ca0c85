"""ONNX bytes that came from outside: opened only after they have been checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.contracts.model_card import MAX_MODEL_BYTES, MODEL_FILE
from shared.core.errors import ModelError
from shared.core.ids import digest

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operator domains of the ONNX standard; anything else could be code of somebody's own."""


def opened(where: str, data: bytes, sha256: str) -> Any:
    """Check hash and operators of a graph, and open it.

    Parameters
    ----------
    where : str
        `name/version`, for what is said of it.
    data : bytes
    sha256 : str
        As the card has it.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        Naming the model, what was expected and what was found.
    """
    require_bytes(where, MODEL_FILE, data, sha256)
    _require_domains(where, data)
    try:
        return session_of(data)
    except Exception as error:  # the runtime's exceptions have no common root but this one
        raise ModelError(f"{where}: {MODEL_FILE} cannot be loaded: {reason(error)}") from error


def require_bytes(where: str, file: str, data: bytes, sha256: str) -> None:
    """Raise ModelError unless bytes are of a decent size and those of the card."""
    if not 0 < len(data) <= MAX_MODEL_BYTES:
        raise ModelError(f"{where}: {file} must have 1 to {MAX_MODEL_BYTES} bytes, got {len(data)}")
    if (found := digest(data)) != sha256:
        raise ModelError(f"{where}: sha256 of {file} must be {sha256}, got {found}")


def reason(error: Exception) -> str:
    """First line of what the runtime says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def session_of(data: bytes) -> Any:
    """Open an onnxruntime session of one thread, on bytes alone: files beside the model cannot be reached."""
    import onnxruntime  # noqa: PLC0415 - 0.2 s, paid where something is scored

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _require_domains(where: str, data: bytes) -> None:
    try:
        foreign = set(operator_domains(data)) - DOMAINS
    except (IndexError, ValueError) as error:
        raise ModelError(f"{where}: {MODEL_FILE} is no ONNX file: {error}") from error
    if foreign:
        raise ModelError(f"{where}: operators must be of the ONNX standard, got domains {sorted(foreign)}")


def operator_domains(data: bytes) -> list[str]:
    """Domains that an ONNX model imports operators from, read off the protobuf's outermost fields.

    The deployed app has onnxruntime but not the onnx package, and the runtime brings operators of its own domains.
    In `ModelProto` field 8 is `opset_import`, of which field 1 is the domain (absent: the default domain).

    Raises
    ------
    ValueError, IndexError
        If the bytes are no protobuf.
    """
    return [
        next((value.decode() for field, value in _fields(entry) if field == 1), "")
        for number, entry in _fields(data)
        if number == 8
    ]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (field number, bytes) of the length-delimited fields of one protobuf message; others are skipped."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _, at = _varint(data, at)
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"field {number} ends at byte {at + size} of {len(data)}")
        if kind == 2:
            yield number, data[at : at + size]
        at += size


_FIXED = {1: 8, 5: 4}
"""Sizes of protobuf's fixed-width wire types."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
