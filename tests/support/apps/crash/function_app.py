# mypy: disable-error-code="untyped-decorator"
"""An orchestration that leaves traces in a file, to be killed in the middle."""

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="step")
def leave_trace(step: int) -> int:
    path = Path(os.environ["TRACE_FILE"])
    with path.open("a", encoding="utf-8") as file:
        file.write(f"begin {step}\n")
        file.flush()
        if step == 2:
            time.sleep(1.0)
        file.write(f"end {step}\n")
    return step


@app.orchestration_trigger(context_name="context")
def steps(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    last = None
    for step in range(context.get_input()):
        last = yield context.call_activity("leave_trace", step)
    return last


@app.queue_trigger(arg_name="msg", queue_name="slow", connection="AzureWebJobsStorage")
def slow(msg: func.QueueMessage) -> None:
    with Path(os.environ["TRACE_FILE"]).open("a", encoding="utf-8") as file:
        file.write(f"message {msg.get_body().decode()}\n")


@app.timer_trigger(arg_name="timer", schedule="*/1 * * * * *")
def tick(timer: func.TimerRequest) -> None:
    with Path(os.environ["TRACE_FILE"]).open("a", encoding="utf-8") as file:
        file.write("tick\n")
