"""Stand-ins for the protobuf classes that the worker library expects in `request.properties["protos"]`.

The worker only constructs them and reads their fields, so plain attribute holders serve; this module itself is the
namespace that it is handed. Names are those of the Functions RPC protocol.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Message:
    """Fields given by keyword become attributes."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__!r})"


class TypedData:
    """One value with its kind (`string`, `json`, `bytes`, `http`, ...), or nothing at all."""

    __slots__ = ("kind", "value")

    def __init__(self, **data: Any) -> None:
        if len(data) > 1:
            raise TypeError(f"TypedData holds one value, got {sorted(data)}")
        nothing: tuple[str | None, Any] = (None, None)
        self.kind, self.value = next(iter(data.items()), nothing)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's spelling
        """Kind of the value, None when empty."""
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "kind"):
            return object.__getattribute__(self, "value")
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"TypedData({self.kind}={self.value!r})"


class ParameterBinding:
    """A named value on its way into or out of a function."""

    def __init__(self, name: str, data: TypedData | None) -> None:
        self.name = name
        self.data = data

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's spelling
        """Values always travel in the message, never in shared memory."""
        return "data"


class StatusResult(Message):
    """Success or failure, with the exception of a failure."""

    Failure = 0
    Success = 1


class RpcHttpCookie(Message):
    """A cookie that a response sets."""

    class SameSite(IntEnum):
        """SameSite attribute."""

        Lax = 1
        Strict = 2
        ExplicitNone = 3


setattr(RpcHttpCookie.SameSite, "None", 0)


class BindingInfo(Message):
    """Type, data type and direction of a binding."""

    undefined, out, inout = 0, 1, 2


FunctionMetadataResponse = InvocationResponse = WorkerInitResponse = WorkerMetadata = Message
NullableBool = NullableDouble = NullableString = NullableTimestamp = Message
RpcException = RpcFunctionMetadata = RpcHttp = RpcRetryOptions = Message
