"""Durable Functions as `Lifecycles`: the client's coroutines, run on the worker's loop and waited for in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import azure.durable_functions as df

from shared.bootstrap import JsonCodec
from shared.core.order_states import OrderState
from shared.lifecycle import EVENT, LIFECYCLE
from shared.pipeline import Known
from shared.stages.account.reconcile import Wake

_ALIVE = (
    df.OrchestrationRuntimeStatus.Running,
    df.OrchestrationRuntimeStatus.Pending,
    df.OrchestrationRuntimeStatus.ContinuedAsNew,
    df.OrchestrationRuntimeStatus.Suspended,
)


class DurableLifecycles:
    """The task hub, for code that runs in a thread beside the loop on which this was made.

    Parameters
    ----------
    client : DurableOrchestrationClient
        Raises whatever the host answered.
    """

    def __init__(self, client: df.DurableOrchestrationClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def known(self, intent_id: str) -> Known:
        """Return what the hub knows under an id."""
        status = self._wait(self._client.get_status(intent_id))
        if status is None or status.runtime_status is None:
            return Known.NOTHING
        return Known.RUNNING if status.runtime_status in _ALIVE else Known.ENDED

    def start(self, state: OrderState) -> None:
        """Start, or replace, a lifecycle."""
        self._wait(self._client.start_new(LIFECYCLE, state.plan.intent_id, JsonCodec().encode(state)))

    def tell(self, wake: Wake) -> None:
        """Raise the event of a lifecycle."""
        self._wait(self._client.raise_event(wake.intent_id, EVENT, wake.event))

    def _wait(self, asked: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
