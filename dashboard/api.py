"""Acts through the function app's own HTTP API, with the key that the reader has typed in. The key is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import requests

from shared.contracts.openapi.fields import Route

TIMEOUT_S = 30.0
KEY_HEADER = "x-functions-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """What the app answered: whether it did what was asked, and its words."""

    is_done: bool
    text: str


def act(api: str, key: str, route: Route, body: Mapping[str, str]) -> ApiAnswer:
    """Ask the app for an act. An app that does not answer is an answer too: nothing was done that we know of.

    Parameters
    ----------
    api : str
        The app's address, without a path.
    key : str
        A function key.
    """
    url = f"{api}/api/{route.path}"
    try:
        reply = requests.post(url, json=dict(body), headers={KEY_HEADER: key}, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        return ApiAnswer(is_done=False, text=f"The app does not answer: {type(error).__name__}")
    if reply.status_code == requests.codes.ok:
        return ApiAnswer(is_done=True, text="Done, and journalled.")
    return ApiAnswer(is_done=False, text=f"HTTP {reply.status_code}: {_error(reply)}")


def _error(reply: requests.Response) -> str:
    try:
        body = reply.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        return str(body["error"])[:500]
    return "the key is wrong" if reply.status_code == requests.codes.unauthorized else reply.reason or "no reason given"
