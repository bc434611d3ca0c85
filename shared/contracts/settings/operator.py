"""How a person reaches the app."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """How a person reaches the app."""

    link_key: str = setting(
        "GATEHOUSE_LINK_KEY",
        "",
        "key that signs approval links, 32 characters or more; empty: no links",
        why="Whoever has it can approve an order that waits. `openssl rand -hex 32` makes one; a new key ends all "
        "links that are out",
        secret=True,
    )
    public_url: str = setting(
        "GATEHOUSE_PUBLIC_URL",
        "",
        "address under which a phone reaches the app, without a path; empty: no links",
        unit="URL",
        why="Links begin with it. A request's own Host header is never used: whoever sends it chooses it",
    )
    principal_header: str = setting(
        "GATEHOUSE_PRINCIPAL_HEADER",
        "",
        "header that names the caller: X-MS-CLIENT-PRINCIPAL-NAME where App Service authentication stands in front; "
        "empty: nobody is named",
        why="Without that in front anybody could send the header, so it is believed only where this says so",
    )
