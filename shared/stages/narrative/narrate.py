"""Narrate: new stories of symbols -> what a language model makes of them -> narratives, and scores at once."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.messages import Message, NarrativeRequest
from shared.ports import Ports
from shared.stages.market.focused import focused_slice


def narrate(request: NarrativeRequest, ports: Ports) -> Sequence[Message]:
    """Ask for the narrative of each symbol, side by side, and have them scored whatever came of it."""
    return focused_slice(ports, [each.symbol for each in request.asked], cause=request.message_id)
