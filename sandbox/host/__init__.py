"""A small Azure Functions host: what the .NET host does around the Python worker, on one machine.

The app is loaded, its bindings converted and its functions run by `azure_functions_runtime`, the worker library that
Azure uses on Python 3.13. This package supplies what surrounds it, on Azurite, in virtual or real time:

- settings and host.json (`settings`, `hostjson`), functions as indexed (`functions`), the worker (`worker`, `protos`);
- queue, timer and HTTP triggers (`queues`, `timers`, `ncrontab`, `webserver`, `keys`), bindings (`bindings`);
- the durable task hub (`durable`): the SDK's history protocol, kept in tables, with the extension's HTTP API;
- two drivers, `virtual` (a discrete-event loop) and `real` (by the clock), and `host`, which puts all together.

Not served: entities, durable HTTP calls, rewind, blob and event triggers, retry policies of functions,
functionTimeout, scaling out. What is served behaves as in Azure also where that surprises:

- the worker refuses `Out[list[str]]`: it must be `Out[typing.List[str]]`;
- `raise_event` of the SDK's client gives the orchestrator JSON text, not data; a webhook's POST gives data;
- of several events of one name that come before anybody waits, the SDK keeps the last only;
- a start on the id of an ended instance replaces it silently, on that of a running one it is refused (409);
- an instance whose function has returned keeps running while a timer or an activity is open.

Two things are kinder than Azure: `continue_as_new` keeps events that nobody took, and a killed host's messages come
back after 30 s of wall time, not 10 minutes.
"""

from sandbox.host.errors import AppError, FunctionError, WorkerLostError
from sandbox.host.host import Host
from sandbox.host.observer import CallOutcome, Invocation, Observer

__all__ = ["AppError", "CallOutcome", "FunctionError", "Host", "Invocation", "Observer", "WorkerLostError"]
