"""A small Azure Functions host: what the .NET host does around the Python worker, on one machine.

The app is loaded, its bindings converted and its functions run by `azure_functions_runtime`, the worker library that
Azure uses on Python 3.13. This package supplies settings, triggers, outputs and the durable task hub, on Azurite, in
virtual or real time.
"""

from sandbox.host.errors import AppError, FunctionError, WorkerLostError
from sandbox.host.host import Host
from sandbox.host.observer import Invocation, Observer, Outcome

__all__ = ["AppError", "FunctionError", "Host", "Invocation", "Observer", "Outcome", "WorkerLostError"]
