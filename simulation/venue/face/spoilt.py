"""Answers in which the rows of one symbol cannot be read, as a data vendor's bad day brings them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import nan
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEMBERS = ("p", "bp", "c", "ex_date", "qty", "class", "created_at")
"""What is spoilt of a row: the first of them that it has."""

SPOILS: Mapping[str, Callable[[dict[str, Any], str], None]] = {
    "zero": lambda row, name: row.update({name: 0}),
    "null": lambda row, name: row.update({name: None}),
    "negative": lambda row, name: row.update({name: -1.5}),
    "nan": lambda row, name: row.update({name: nan}),
    "text": lambda row, name: row.update({name: "many"}),
    "missing": lambda row, name: row.pop(name) and None,
    "doubled": lambda row, name: None,
    "descending": lambda row, name: None,
}
"""How a row is spoilt; the last two are done to lists of rows."""


def spoil(answer: Any, symbol: str, how: str) -> Any:
    """Spoil, in place, what a JSON answer says of a symbol."""
    for rows in _rows_of(answer, symbol):
        if how == "doubled":
            rows.append(rows[-1])
        elif how == "descending":
            rows.reverse()
        else:
            row = rows[-1].get("latestTrade", rows[-1])
            name = next((member for member in MEMBERS if member in row), None)
            if name is not None:
                SPOILS[how](row, name)
    return answer


def _rows_of(answer: Any, symbol: str) -> Iterator[list[Any]]:
    """Lists of rows that an answer has of a symbol, wherever it keeps them; a single row is a list of one."""
    if isinstance(answer, list):
        mine = [row for row in answer if _is_of(row, symbol)]
        yield from ([row] for row in mine[-1:])
    elif isinstance(answer, dict):
        for key, value in answer.items():
            if key == symbol and value:
                yield value if isinstance(value, list) else [value]
            elif isinstance(value, dict | list):
                yield from _rows_of(value, symbol)


def _is_of(row: Any, symbol: str) -> bool:
    return isinstance(row, dict) and (row.get("symbol") == symbol or symbol in (row.get("symbols") or ()))


async def answer_spoilt(app: ASGIApp, call: tuple[Scope, Receive, Send], *, symbol: str, how: str) -> None:
    """Let an application answer, and spoil its answer on the way."""
    scope, receive, send = call
    body, start = b"", dict[str, Any]()

    async def collect(message: Message) -> None:
        nonlocal body
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body += message.get("body", b"")

    await app(scope, receive, collect)
    if start.get("status") == 200:
        body = json.dumps(spoil(json.loads(body), symbol, how)).encode()
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
