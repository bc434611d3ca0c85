"""Signed links that a notice carries."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.messages import Link, OrderIntent
from shared.core.approvals import Answer
from shared.core.links import Claims, signed
from shared.ports import Ports

ANSWER_PATH = "/api/answer"


def links_of(ports: Ports, intent: OrderIntent, until: datetime) -> tuple[Link, ...]:
    """Return the two links that answer a question, none where no key or no address is configured."""
    operator = ports.settings.operator
    if not (operator.link_key and operator.public_url):
        return ()
    found = []
    for label, chosen in (("Approve", Answer.APPROVE), ("Refuse", Answer.REFUSE)):
        claims = Claims(
            intent_id=intent.intent_id,
            on=intent.on,
            symbol=intent.symbol,
            answer=chosen,
            expires_at=until,
        )
        address = operator.public_url.rstrip("/") + ANSWER_PATH
        found.append(Link(label=label, url=f"{address}?token={signed(claims, operator.link_key)}"))
    return tuple(found)
