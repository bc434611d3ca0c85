"""The host: one app, one storage account, one clock."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from sandbox.clock import ClockFile
from sandbox.host import protos
from sandbox.host.bindings import Bindings
from sandbox.host.durable.api import DurableApi, client_payload
from sandbox.host.durable.engine import DurableEngine
from sandbox.host.durable.hub import TaskHub
from sandbox.host.durable.store import HubStore
from sandbox.host.errors import AppError, FunctionError, WorkerLostError
from sandbox.host.functions import FunctionDefinition
from sandbox.host.hostjson import HostOptions, read_host_json
from sandbox.host.invoker import Invoker
from sandbox.host.keys import HostKeys, load_or_create_keys
from sandbox.host.observer import Observer, SilentObserver, TriggerKind
from sandbox.host.queues import DeliveryPolicy, QueueTriggers
from sandbox.host.real import RealLoop
from sandbox.host.settings import environment, expand
from sandbox.host.storage import HostStorage
from sandbox.host.timers import Timer, load_timer, save_timer
from sandbox.host.virtual import Hook, OnStep, VirtualLoop
from sandbox.host.webserver import RPC, WebServer
from sandbox.host.worker import Produced, Worker
from shared.core.errors import InvariantError
from shared.core.values import iso

log = logging.getLogger(__name__)

STORAGE_SETTING = "AzureWebJobsStorage"
_BY_HAND = "This function was programmatically called via the host APIs."


class Host:
    """A Functions host for one app in this process; one at a time, since the worker library keeps global state.

    Parameters
    ----------
    app_dir : Path
        Folder with function_app.py and host.json.
    settings : mapping
        App settings; they become environment variables while the host runs.
    storage : str
        Connection string; becomes AzureWebJobsStorage.
    clock : ClockFile
        Standing still for virtual time, running for real time.
    state_dir : Path
        Where the host keeps its keys.
    port : int
        Of the HTTP server on the loopback address; 0 takes a free one.
    observer : Observer, optional
        Told of every invocation.
    keys : HostKeys, optional
        Instead of those kept in `state_dir`.
    delivery : DeliveryPolicy, optional
        Duplicates and delays of messages that output bindings send.
    sweep_every : timedelta
        In virtual time, how long a message can lie unseen that something else than an output binding, a hook or an
        HTTP function put into a queue (the app itself, through the storage SDK).
    is_virtual : bool, optional
        Which of `run_virtual` and `run_real` will be used; by default what the clock's speed says.

    Examples
    --------
    >>> host = Host(app_dir, {}, azurite.connection_string, clock, state_dir)  # doctest: +SKIP
    >>> await host.start()  # doctest: +SKIP
    >>> await host.run_virtual(until)  # doctest: +SKIP
    >>> await host.stop()  # doctest: +SKIP
    """

    def __init__(
        self,
        app_dir: Path,
        settings: Mapping[str, str],
        storage: str,
        clock: ClockFile,
        state_dir: Path,
        *,
        port: int = 0,
        observer: Observer | None = None,
        keys: HostKeys | None = None,
        delivery: DeliveryPolicy | None = None,
        sweep_every: timedelta = timedelta(minutes=15),
        is_virtual: bool | None = None,
    ) -> None:
        self._app_dir, self._clock, self._wanted_port = app_dir.resolve(), clock, port
        self._settings = {**settings, STORAGE_SETTING: storage}
        self._observer = observer or SilentObserver()
        self._delivery, self._sweep_every = delivery, sweep_every
        self._is_virtual = clock.speed == 0 if is_virtual is None else is_virtual
        self.keys = keys or load_or_create_keys(state_dir / "keys.json")
        self._exit = ExitStack()
        self._worker = Worker(self._app_dir, self._expand)
        self._storage = HostStorage(storage)
        self._options = HostOptions()
        self._timers: list[Timer] = []
        self._startup: list[Timer] = []
        self._real: RealLoop | None = None
        self.functions: tuple[FunctionDefinition, ...] = ()

    # Life

    async def start(self) -> None:
        """Load the app, recover the task hub, and listen.

        Raises
        ------
        AppError
            If the app cannot be loaded.
        SettingsError
            If host.json or a setting is wrong.
        """
        self._options = read_host_json(self._app_dir / "host.json", self._expand)
        self._exit.enter_context(environment(self._settings))
        try:
            self.functions = await self._worker.start()
            self._assemble()
            for name in self._queues.names:
                await self._storage.queue(name)
            for function in self._of(TriggerKind.TIMER):
                self._timers.append(await load_timer(function, self._storage, self._clock.now()))
            await self._engine.hub.recover()
            await self._server.start(self._wanted_port)
        except BaseException:
            await self._worker.stop()
            await self._storage.close()
            self._exit.close()
            raise
        self._startup = [timer for timer in self._timers if timer.runs_on_startup]

    async def stop(self) -> None:
        """Give back what is in hand, keep the timers' status, and close everything."""
        await self._virtual.stop()
        for timer in self._timers:
            await save_timer(timer, self._storage)
        await self._server.stop()
        await self._worker.stop()
        await self._storage.close()
        self._exit.close()

    async def run_virtual(self, until: datetime, on_step: OnStep | None = None) -> None:
        """Run through virtual time until an instant, what is due then included; may be called again to go on.

        Parameters
        ----------
        until : datetime
            Where the clock stands afterwards.
        on_step : callable, optional
            Called with each instant at which something was due, when all of it has run.
        """
        if not self._is_virtual:
            raise InvariantError("this host was made for real time")
        await self._run_startup_timers()
        await self._virtual.run(until, on_step)
        for timer in self._timers:
            await save_timer(timer, self._storage)

    async def run_real(self) -> None:
        """Run by the clock until cancelled."""
        if self._is_virtual:
            raise InvariantError("this host was made for virtual time")
        self._real = RealLoop(
            clock=self._clock,
            options=self._options,
            queues=self._queues,
            timers=self._timers,
            engine=self._engine,
            fire=self._fire,
        )
        await self._run_startup_timers()
        await self._real.run()

    def at(self, when: datetime, hook: Hook) -> None:
        """Call something at a virtual instant, before anything else that is due there.

        A hook that calls the host's own HTTP server must await it: the server runs in the same loop.
        """
        self._virtual.at(when, hook)

    def touch(self, queue: str) -> None:
        """Say that something has put a message into a queue, so that the host looks at once."""
        self._queues.touch(queue)

    # Use

    @property
    def url(self) -> str:
        """Where the HTTP server listens."""
        return self._server.origin

    @property
    def engine(self) -> DurableEngine:
        """The task hub."""
        return self._engine

    def function(self, name: str) -> FunctionDefinition:
        """Function of that name.

        Raises
        ------
        AppError
            If there is none.
        """
        for function in self.functions:
            if function.name == name:
                return function
        raise AppError(f"no function {name!r}; there are {[f.name for f in self.functions]}")

    async def invoke(self, name: str, text: str = "") -> Produced:
        """Run a queue, timer or activity function by hand and wait for it.

        Parameters
        ----------
        name : str
            The function.
        text : str
            Body of the message, or JSON input of the activity; a timer takes none.

        Raises
        ------
        AppError
            If there is no such function, or it cannot be run so.
        FunctionError
            If it failed.
        """
        function = self.function(name)
        now = iso(self._clock.now())
        metadata: dict[str, str] = {}
        if function.kind is TriggerKind.TIMER:
            timer = next(t for t in self._timers if t.function.name == name)
            data = replace(timer, is_past_due=False).request()
        elif function.kind is TriggerKind.QUEUE:
            data = protos.TypedData(string=text)
            metadata = {"Id": f"by-hand-{now}", "DequeueCount": "1", "InsertionTime": now, "QueueTrigger": text}
        elif function.kind is TriggerKind.ACTIVITY:
            data = protos.TypedData(string=text or "null")
        else:
            raise AppError(f"{name} has a {function.kind} and cannot be run by hand")
        produced = await self._invoker.call(function, trigger_id=f"by-hand {now}", data=lambda: data, metadata=metadata)
        self._queues.dirty.update(self._queues.names)
        return produced

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask the app's API as a person does, with a function key; return the JSON that it answers.

        It blocks, and the server runs in the host's loop: to be called from another thread.
        """
        headers = {"x-functions-key": self.keys.function, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310 (loopback)
        with urlopen(asked, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read())

    def client_payload(self) -> str:
        """JSON that `DurableOrchestrationClient` takes: for hooks and tests that start or steer orchestrations."""
        origin = self._server.origin
        return client_payload(
            hub=self._options.durable.hub_name, origin=origin, rpc_url=f"{origin}{RPC}/", code=self.keys.durable
        )

    # Parts

    def _assemble(self) -> None:
        now = self._clock.now
        listeners = {f.trigger.text("queueName"): f for f in self._of(TriggerKind.QUEUE)}
        self._queues = QueueTriggers(
            storage=self._storage,
            options=self._options.queues,
            functions=listeners,
            run=self._run_message,
            now=now,
            is_virtual=self._is_virtual,
            delivery=self._delivery,
        )
        bindings = Bindings(self._storage, self._queues.send, self.client_payload)
        self._invoker = Invoker(self._worker, bindings, self._observer, now)
        orchestrators = {f.durable_name: f for f in self._of(TriggerKind.ORCHESTRATION)}
        hub = TaskHub(
            options=self._options.durable,
            orchestrators=orchestrators,
            store=HubStore(self._storage, self._options.durable.hub_name, is_deferred=self._is_virtual),
            now=now,
        )
        self._engine = DurableEngine(
            hub=hub,
            orchestrators=orchestrators,
            activities={f.durable_name: f for f in self._of(TriggerKind.ACTIVITY)},
            run_function=self._run_text,
            durable_results=not self._is_virtual,
        )
        self._server = WebServer(
            functions=self.functions,
            route_prefix=self._options.route_prefix,
            keys=self.keys,
            run_http=self._run_http,
            run_by_hand=self._run_by_hand,
            durable=DurableApi(hub, self.client_payload),
        )
        self._virtual = VirtualLoop(
            clock=self._clock,
            queues=self._queues,
            timers=self._timers,
            engine=self._engine,
            fire=self._fire,
            sweep_every=self._sweep_every,
        )

    def _of(self, kind: TriggerKind) -> list[FunctionDefinition]:
        return [function for function in self.functions if function.kind is kind]

    def _expand(self, text: str) -> str:
        return expand(text, self._settings)

    # Triggers

    async def _run_startup_timers(self) -> None:
        startup, self._startup = self._startup, []
        for timer in startup:
            await self._fire(timer)

    async def _fire(self, timer: Timer) -> None:
        trigger_id, data = timer.trigger_id, timer.request()
        try:
            await self._invoker.call(timer.function, trigger_id=trigger_id, data=lambda: data)
        except (FunctionError, WorkerLostError):
            log.debug("timer %s failed; it fires again when it is due next", timer.function.name)
        timer.advance(self._clock.now())
        if not self._is_virtual:
            await save_timer(timer, self._storage)

    async def _run_message(
        self,
        function: FunctionDefinition,
        message_id: str,
        data: Callable[[], protos.TypedData],
        metadata: Mapping[str, str],
    ) -> None:
        await self._invoker.call(function, trigger_id=message_id, data=data, metadata=metadata)

    async def _run_text(self, function: FunctionDefinition, trigger_id: str, text: str) -> str | None:
        produced = await self._invoker.call(function, trigger_id=trigger_id, data=lambda: protos.TypedData(string=text))
        returned = produced.outputs.get("$return")
        return None if returned is None else str(returned.value)

    async def _run_http(self, function: FunctionDefinition, trigger_id: str, data: protos.TypedData) -> Produced:
        try:
            return await self._invoker.call(function, trigger_id=trigger_id, data=lambda: data)
        finally:
            self._queues.dirty.update(self._queues.names)

    async def _run_by_hand(self, name: str, text: str) -> bool:
        if all(function.name != name for function in self.functions):
            return False
        if self._real is not None:
            self._real.spawn(self._by_hand(name, text))
        else:
            await self._by_hand(name, text)
        return True

    async def _by_hand(self, name: str, text: str) -> None:
        try:
            await self.invoke(name, text or _BY_HAND)
        except (FunctionError, WorkerLostError, AppError) as error:
            log.warning("%s, run by hand, failed: %s", name, error)
