"""One invocation from end to end: observer, input bindings, worker, output bindings."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.host import protos
from sandbox.host.bindings import Bindings
from sandbox.host.errors import FunctionError, WorkerLostError
from sandbox.host.functions import FunctionDefinition
from sandbox.host.observer import CallOutcome, Invocation, Observer
from sandbox.host.worker import Produced, Worker

log = logging.getLogger(__name__)

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(eq=False)
class Invoker:
    """Runs functions for all triggers.

    Attributes
    ----------
    worker : Worker
        With the app loaded.
    bindings : Bindings
        Reads inputs, writes outputs.
    observer : Observer
        Told of every call.
    now : callable
        The host's clock.
    count : int
        Calls so far.
    """

    worker: Worker
    bindings: Bindings
    observer: Observer
    now: Callable[[], datetime]
    count: int = 0

    async def call(
        self,
        function: FunctionDefinition,
        *,
        trigger_id: str,
        data: Callable[[], protos.TypedData],
        metadata: Mapping[str, str] | None = None,
    ) -> Produced:
        """Run a function and write what it gave.

        Parameters
        ----------
        function : FunctionDefinition
            What to run.
        trigger_id : str
            What started it.
        data : callable
            Makes the trigger's value; what it raises fails the invocation before the function runs.
        metadata : mapping, optional
            Trigger metadata, also for binding expressions such as `{queueTrigger}`.

        Raises
        ------
        FunctionError
            If the function, a binding or the observer failed.
        WorkerLostError
            If the observer plays a crash.
        """
        self.count += 1
        at = self.now()
        seed = f"{at.isoformat()}/{function.name}/{trigger_id}/{self.count}"
        invocation = Invocation(
            function=function.name,
            kind=function.kind,
            trigger_id=trigger_id,
            invocation_id=str(uuid.uuid5(_NAMESPACE, seed)),
            at=at,
        )
        begun = time.perf_counter()
        try:
            return await self._call(function, invocation, data, metadata or {}, begun)
        except FunctionError as error:
            if function.kind.value != "orchestrationTrigger" or "$OutOfProcData$" not in error.message:
                log.error("%s failed on %s: %s\n%s", function.name, trigger_id, error.message, error.stack_trace)
            raise

    async def _call(
        self,
        function: FunctionDefinition,
        invocation: Invocation,
        data: Callable[[], protos.TypedData],
        metadata: Mapping[str, str],
        begun: float,
    ) -> Produced:
        self._guard(lambda: self.observer.before(invocation))
        error: str | None = None
        try:
            value = data()
            inputs = [protos.ParameterBinding(function.trigger.name, value)]
            inputs += await self.bindings.read(function, value, metadata)
            typed = {name: protos.TypedData(string=text) for name, text in metadata.items()}
            produced = await self.worker.invoke(function, invocation.invocation_id, inputs, typed)
        except FunctionError as failed:
            error = failed.message
            raise
        except Exception as failed:
            error = f"{type(failed).__name__}: {failed}"
            raise FunctionError(error) from failed
        finally:
            outcome = CallOutcome(wall_s=time.perf_counter() - begun, error=error)
            self._guard(lambda: self.observer.after(invocation, outcome))
        try:
            await self.bindings.write(function, produced, value, metadata, invocation)
        except Exception as failed:
            raise FunctionError(f"output of {function.name}: {type(failed).__name__}: {failed}") from failed
        return produced

    @staticmethod
    def _guard(call: Callable[[], None]) -> None:
        try:
            call()
        except (WorkerLostError, FunctionError):
            raise
        except Exception as error:
            raise FunctionError(f"{type(error).__name__}: {error}") from error
