"""Keys that callers of the HTTP functions must show."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeys:
    """`master` opens everything, `function` all function-level routes, `durable` the durable webhooks."""

    master: str
    function: str
    durable: str

    def opens(self, level: str, shown: str | None) -> bool:
        """Whether a shown key is good for an authorisation level (`anonymous`, `function`, `admin`, `durable`)."""
        accepted: dict[str, Collection[str]] = {
            "function": (self.function, self.master),
            "durable": (self.durable, self.master),
            "admin": (self.master,),
        }
        if level == "anonymous":
            return True
        return shown is not None and any(
            secrets.compare_digest(shown.encode(), key.encode()) for key in accepted[level]
        )


def load_or_create_keys(path: Path) -> HostKeys:
    """Read the keys of a state folder, or make them on the first start."""
    if path.is_file():
        return HostKeys(**json.loads(path.read_text(encoding="utf-8")))
    keys = HostKeys(
        master=secrets.token_urlsafe(32), function=secrets.token_urlsafe(32), durable=secrets.token_urlsafe(32)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(keys), indent=2), encoding="utf-8")
    path.chmod(0o600)
    return keys
