# mypy: disable-error-code="untyped-decorator"
"""One function of every kind, for the host's tests."""

import json
from collections.abc import Generator
from datetime import timedelta
from typing import Any, List  # noqa: UP035 - the worker does not know list[str]

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
@app.queue_output(arg_name="out", queue_name="numbers", connection="AzureWebJobsStorage")
def scan(timer: func.TimerRequest, out: func.Out[List[str]]) -> None:  # noqa: UP006
    out.set([json.dumps({"n": n, "past_due": timer.past_due}) for n in range(3)])


@app.queue_trigger(arg_name="msg", queue_name="numbers", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="doubles", connection="AzureWebJobsStorage")
def double(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(json.dumps({"n": msg.get_json()["n"] * 2, "id": msg.id, "at": str(msg.insertion_time)}))


@app.queue_trigger(arg_name="msg", queue_name="doubles", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def start(msg: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    data = msg.get_json()
    await client.start_new("chain", f"chain-{data['id']}", data)


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    data = context.get_input()
    first = yield context.call_activity("add_one", data["n"])
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=90))
    second = yield context.call_activity("add_one", first)
    return {"result": second, "at": context.current_utc_datetime.isoformat(), "version": context.version}


@app.activity_trigger(input_name="number")
def add_one(number: int) -> int:
    return number + 1


@app.route(route="hello/{name}", methods=["GET", "POST"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"hello {req.route_params['name']} {req.params.get('x')}", status_code=201)
