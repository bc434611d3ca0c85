"""The Python worker in this process: `azure_functions_runtime`, driven as the .NET host drives it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure.durable_functions.models.utils import http_utils
from azure_functions_runtime import handle_event
from azure_functions_runtime.functions import Registry
from azure_functions_runtime.logging import logger as runtime_logger

from sandbox.host import protos
from sandbox.host.errors import AppError, FunctionError
from sandbox.host.functions import FunctionDefinition, parse_function

_SCRIPT = "function_app"
_loaded: list[str] = []
"""The app that the library holds now, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What a function gave: its output bindings by name (`$return` for the return value)."""

    outputs: Mapping[str, protos.TypedData]


def _request(**fields: Any) -> SimpleNamespace:
    properties = {"host": "127.0.0.1", "protos": protos}
    return SimpleNamespace(request=SimpleNamespace(**fields), properties=properties)


class Worker:
    """Loads one app at a time; the library keeps its state in module globals.

    Parameters
    ----------
    app_dir : Path
        Folder with function_app.py.
    expand : callable
        Replaces `%SETTING%` in binding texts.
    """

    def __init__(self, app_dir: Path, expand: Callable[[str], str]) -> None:
        self._app_dir = str(app_dir)
        self._expand = expand
        self._is_mine = False

    async def start(self) -> tuple[FunctionDefinition, ...]:
        """Index the app and return its functions in their order.

        Raises
        ------
        AppError
            If the app cannot be imported or a binding is wrong, or another app is loaded in this process.
        """
        if _loaded:
            raise AppError(f"{_loaded[0]} is loaded in this process; stop its host before loading {self._app_dir}")
        _loaded.append(self._app_dir)
        self._is_mine = True
        runtime_logger.setLevel(logging.WARNING)
        handle_event._functions = Registry()
        sys.modules.pop(_SCRIPT, None)
        sys.path.insert(0, self._app_dir)
        runtime.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=self._app_dir)
        answer = await runtime.worker_init_request(_request(worker_init_request=init))
        if answer.result.status != protos.StatusResult.Success:
            error = answer.result.exception
            raise AppError(f"{self._app_dir} cannot be loaded: {error.message}\n{error.stack_trace}")
        found = await runtime.functions_metadata_request(_request())
        if not found.function_metadata_results:
            raise AppError(f"no functions found in {self._app_dir}")
        return tuple(
            parse_function(item.name, item.function_id, list(item.raw_bindings), self._expand)
            for item in found.function_metadata_results
        )

    async def invoke(
        self,
        function: FunctionDefinition,
        invocation_id: str,
        inputs: Sequence[protos.ParameterBinding],
        metadata: Mapping[str, protos.TypedData],
    ) -> Produced:
        """Run a function.

        Raises
        ------
        FunctionError
            If it raised, or what it returned does not fit its bindings.
        """
        call = SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function.function_id,
            input_data=inputs,
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await runtime.invocation_request(_request(invocation_request=call))
        if answer.result.status != protos.StatusResult.Success:
            error = answer.result.exception
            raise FunctionError(error.message, error.stack_trace)
        outputs = {item.name: item.data for item in answer.output_data if item.data is not None}
        if answer.return_value is not None:
            outputs["$return"] = answer.return_value
        return Produced(outputs=outputs)

    async def stop(self) -> None:
        """Wait for running functions and let the app's module go."""
        if not self._is_mine:
            return
        self._is_mine = False
        _loaded.clear()
        runtime.stop_threadpool_executor()
        # The durable SDK keeps one HTTP session per process, bound to the loop that is about to end.
        await http_utils._close_session()
        http_utils._client_session = None
        if self._app_dir in sys.path:
            sys.path.remove(self._app_dir)
        sys.modules.pop(_SCRIPT, None)
